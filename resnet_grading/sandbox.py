"""A worker sees a small world: Python, the package, and a folder of its own; and gets only so much.

On Linux, where the kernel allows it (as root, or with user namespaces), the process enters
a `jail`. Anywhere else, and besides, an audit hook refuses network, processes, and writing outside
the folder: a fence for honest code, which a determined cheat climbs.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from resnet_grading import jail

# How strongly a worker is shut in, from best to worst.
MODES = {
    "jail": "without network, and without sight of other files and processes",
    "nobody": "as another user; network and processes are refused inside Python only",
    "plain": "as this user; network, processes and writing are refused inside Python only",
}
MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The most that one submission gets.

    Attributes:
        total: seconds for all of it, by the clock of a machine with nothing else to do.
        step: seconds of processor time for one cell, or for one call of an answer.
        memory: MiB, beyond what torch takes by itself.
        file: MiB in files.
        processes: how many, threads included.
    """

    total: float = 60.0
    step: float = 8.0
    memory: int = 2048
    file: int = 64
    processes: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(
                    f"{name} is {value}, but a limit must be above 0; pass for example {name}=10."
                )


# --- what the operating system limits ---


def resource_limits(limits: Limits, mode: str) -> dict[str, int]:
    """By their names in `resource`: the limits on top of what is taken already.

    To be asked before the process is shut in, and before any code of the learner's runs.
    """
    most = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": limits.file * MIB,
        "RLIMIT_CPU": int(limits.total + time.process_time()) + 5,
    }
    if sys.platform == "linux":  # elsewhere the kernel does not heed them
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most["RLIMIT_AS"] = pages * os.sysconf("SC_PAGE_SIZE") + limits.memory * MIB
        most["RLIMIT_NPROC"] = _threads(mode) + limits.processes
    else:
        most["RLIMIT_NPROC"] = 0  # threads are none there
    return most


def limit(most: dict[str, int]) -> None:
    """Limit this process and its children for good, as far as the system does."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, value in most.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def _threads(mode: str) -> int:
    """How many threads the worker's user has now: the kernel counts them all."""
    user, count = os.geteuid(), 0
    if user == 0 and mode != "plain":
        user = jail.NOBODY
    elif mode == "jail":  # whose own namespace counts anew
        return 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == user:
                count += len(os.listdir(entry / "task"))
    return count


# --- a small world, on Linux ---


def shut_in(mode: str, folder: Path, size: int) -> str:
    """Shut this process in for good; returns the folder in which it may write `size` bytes.

    In a jail what returns is a child: the first process of a world that ends with it. This process
    waits for its end, brings it about on SIGTERM, and ends likewise.

    Raises:
        OSError: the kernel does not allow it.
    """
    if mode == "nobody":
        jail.be_nobody()
    if mode != "jail":
        return str(folder)
    jail.enter(folder, size)
    if pid := os.fork():
        close_all_but()
        signal.signal(signal.SIGTERM, lambda number, frame: os.kill(pid, signal.SIGKILL))
        os._exit(abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    jail.drop()
    return jail.HOME


def is_possible(mode: str, folder: Path) -> bool:
    """Whether a worker can be shut in that way: a child tries it, and reads what it needs."""
    if mode == "plain":
        return True

    def attempt() -> None:
        shut_in(mode, folder, MIB)
        for path in jail.needed():
            os.listdir(path) if path.is_dir() else path.stat()

    return os.waitpid(fork(attempt), 0)[1] == 0


def fork(work: Callable[[], None]) -> int:
    """Start a child that does the work and ends there: nothing of the parent's goes on in it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def close_all_but(kept: int = 2) -> None:
    """Close every file and socket but the standard ones and `kept`: they are the judge's."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


# --- the fence, on every platform ---

NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"}
NETWORK |= {"socket.sendto", "socket.sendmsg", "urllib.Request", "ftplib.connect"}
PROCESSES = {"os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}
PROCESSES |= {"subprocess.Popen", "os.startfile", "os.kill", "os.killpg", "signal.pthread_kill"}
CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link"}
CHANGES |= {"os.symlink", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def fence(folder: Path) -> None:
    """Refuse, in this process, network, processes, and changes of files outside `folder`."""
    folder, nothing = os.path.realpath(folder), os.devnull

    def outside(path: object) -> bool:
        if isinstance(path, int):
            return False
        place = os.path.realpath(os.fsdecode(path))
        return place != nothing and place != folder and not place.startswith(folder + os.sep)

    def watch(event: str, args: tuple) -> None:
        if event == "open":
            path, mode, flags = args
            writes = set(mode) & set("wax+") if isinstance(mode, str) else flags & WRITING
            if writes and path is not None and outside(path):
                raise PermissionError("while grading, files are written in the current folder only")
        elif event in CHANGES:
            paths = args[:2] if event in ("os.rename", "os.link", "os.symlink") else args[:1]
            if any(path is not None and outside(path) for path in paths):
                raise PermissionError("while grading, files are changed in the current folder only")
        elif event in NETWORK:
            raise PermissionError("there is no network while a notebook is graded")
        elif event in PROCESSES:
            raise PermissionError("no other processes are started while a notebook is graded")

    sys.addaudithook(watch)
