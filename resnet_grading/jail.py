"""A world of its own for a worker, made of Linux's namespaces.

It has no network and no other processes. Its root folder holds, to be read, what Python, torch and
the course need, and a folder of the worker's own, which lies in memory.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

import resnet_lessons

NOBODY = 65534
NEW = 0x00020000 | 0x08000000 | 0x20000000 | 0x40000000  # mounts, IPC, processes, network
NEW_USER = 0x10000000
BIND, RECURSIVE, PRIVATE, REMOUNT, READ_ONLY = 4096, 16384, 1 << 18, 32, 1
NOSUID, NODEV = 2, 4
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/nix/store")
FILES = ("/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom")
HOME = "/home/learner"


def needed() -> list[Path]:
    """What a worker reads: the system's libraries and devices, Python, torch, the package."""
    package = Path(resnet_lessons.__file__).parent
    root = package.parent
    wanted = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    # Any other folder on the path may hold anything, submissions and grades included.
    wanted += [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    wanted += [package, root / "results"]
    own = [Path(path).absolute() for path in (*SYSTEM, *FILES, *wanted)]
    return sorted({p for path in own for p in (path, path.resolve()) if p.exists()})


def enter(jail: Path, size: int) -> None:
    """Move this process, which must be root or may make user namespaces, into `jail` for good.

    Its children live there without network, without sight of other processes, and can write
    `size` bytes into HOME. Call `drop` in the child before anything else.

    Raises:
        OSError: the kernel does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", NEW if user == 0 else NEW | NEW_USER)
    if user != 0:
        hide_memory(False)  # these files would be root's
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("none", "/", None, RECURSIVE | PRIVATE)
    _mount("tmpfs", jail, "tmpfs", NOSUID | NODEV, f"size={size},nr_inodes=4096,mode=755")
    for path in needed():
        _show(path, jail)
    (jail / "proc").mkdir()
    if not (jail / "tmp").exists():  # it does where Python or the course lie in it
        (jail / "tmp").symlink_to(HOME)
    home = jail / HOME[1:]
    home.mkdir(parents=True)
    home.chmod(0o700)
    os.chown(home, *((NOBODY, NOBODY) if user == 0 else (user, group)))
    os.chroot(jail)
    os.chdir("/")


def _show(path: Path, jail: Path) -> None:
    """Let the jail have `path` where it is, to read."""
    place = jail / str(path)[1:]
    inside = [parent for parent in path.parents if (jail / str(parent)[1:]).is_mount()]
    if place.exists() or any(parent != Path("/") for parent in inside):
        return  # it came with a folder above it
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        place.symlink_to(path.readlink())
        return
    place.mkdir() if path.is_dir() else place.touch()
    _mount(path, place, None, BIND | RECURSIVE)
    if not str(path).startswith("/dev/"):
        _mount("none", place, None, BIND | REMOUNT | READ_ONLY | _locked(place))


def _locked(place: Path) -> int:
    """The flags of a mount that may not be taken from it when it becomes read-only."""
    has = os.statvfs(place).f_flag
    return has & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)


def drop() -> None:
    """Be nobody, in the world that the parent has made, and with no way back.

    Raises:
        OSError: the kernel does not allow it.
    """
    with contextlib.suppress(OSError):  # in some containers; then there is no /proc
        _mount("proc", "/proc", "proc", NOSUID | NODEV)
    if os.geteuid() == 0:
        be_nobody()
    else:  # the rights over its own namespace, too
        _call("capset", (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    _call("prctl", 38, 1, 0, 0, 0)  # no new privileges
    _call("prctl", 1, 9, 0, 0, 0)  # end with the parent
    os.chdir(HOME)


def be_nobody() -> None:
    """From root to a user without rights."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def hide_memory(hidden: bool = True) -> None:
    """On Linux: no other process of this user reads or stops at this one's memory."""
    if sys.platform == "linux":
        _call("prctl", 4, int(not hidden), 0, 0, 0)


def _mount(source: object, place: object, kind: str | None, flags: int, data: str = "") -> None:
    encoded = [None if x is None else os.fsencode(str(x)) for x in (source, place, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), data.encode() or None)


def _call(name: str, *args: object) -> None:
    """Call a function of the C library. Raises: OSError."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
