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
    unshare(NEW if user == 0 else NEW | NEW_USER)
    if user != 0:
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # else these are root's: see hide_memory
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    mount("none", "/", None, RECURSIVE | PRIVATE)
    mount("tmpfs", jail, "tmpfs", NOSUID | NODEV, f"size={size},nr_inodes=4096,mode=755")
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
    mount(path, place, None, BIND | RECURSIVE)
    if not str(path).startswith("/dev/"):
        mount("none", place, None, BIND | REMOUNT | READ_ONLY | _locked(place))


def _locked(place: Path) -> int:
    """The flags of a mount that may not be taken from it when it becomes read-only."""
    has = os.statvfs(place).f_flag
    return has & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_RELATIME)


def drop() -> None:
    """Be nobody, in the world that the parent has made, and with no way back.

    Raises:
        OSError: the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(OSError):  # in some containers; then there is no /proc
        mount("proc", "/proc", "proc", NOSUID | NODEV)
    if os.geteuid() == 0:
        be_nobody()
    else:  # the rights over its own namespace, too
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        _checked(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _checked(libc.prctl(38, 1, 0, 0, 0), "no new privileges")
    _checked(libc.prctl(1, 9, 0, 0, 0), "end with the parent")
    os.chdir(HOME)


def be_nobody() -> None:
    """From root to a user without rights."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def unshare(flags: int) -> None:
    """Leave the namespaces of this process's parent, as unshare(2) does. Raises: OSError."""
    _checked(ctypes.CDLL(None, use_errno=True).unshare(flags), "unshare")


def mount(source: object, place: object, kind: str | None, flags: int, data: str = "") -> None:
    """Mount as mount(2) does. Raises: OSError."""
    encoded = [None if x is None else os.fsencode(str(x)) for x in (source, place, kind)]
    call = ctypes.CDLL(None, use_errno=True).mount
    call.argtypes = (*(ctypes.c_char_p,) * 3, ctypes.c_ulong, ctypes.c_char_p)
    _checked(call(*encoded, flags, data.encode() or None), f"mount {place}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
