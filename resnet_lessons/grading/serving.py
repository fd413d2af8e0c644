"""Starting workers: each a fresh process, none with anything of the judge's in its memory.

On Linux a server that has imported torch, and never runs a learner's code, forks a worker in
milliseconds. Elsewhere, where forking a process with torch in it is not safe, each worker is a new
Python, which takes seconds.
"""

import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from resnet_lessons.grading import isolation
from resnet_lessons.grading.limits import MIB, Already, Limits, apply
from resnet_lessons.grading.remote import Connection
from resnet_lessons.grading.timing import PATIENCE
from resnet_lessons.grading.wire import Channel
from resnet_lessons.grading.worker import serve, silence, warm_up, warm_up_more

GRACE = 2.0  # seconds that a worker has to stop by itself what ran too long
PREFIX = "resnet-lessons-grade-"
# How strongly a worker is shut in, from best to worst.
MODES = {
    "jail": "without network, and without sight of other files and processes",
    "nobody": "as another user; network and processes are refused inside Python only",
    "plain": "as this user; network, processes and writing are refused inside Python only",
}


class Worker:
    """A process that runs one submission, once.

    Attributes:
        connection: where to ask it.
    """

    def __init__(
        self, end: socket.socket, kill: Callable[[], None], folder: Path, limits: Limits
    ) -> None:
        patience = PATIENCE * limits.step + GRACE
        self.connection = Connection(Channel(end), patience)
        self._kill, self._folder = kill, folder

    def stop(self) -> None:
        """End it, and all that it has started and written."""
        self._kill()
        self.connection.channel.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def minimal_environment(folder: str) -> dict[str, str]:
    """What a worker knows of the world outside."""
    kept = ("SYSTEMROOT", "WINDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), folder),
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "PATH": os.defpath,
        "PYTHONDONTWRITEBYTECODE": "1",
        "RESNET_LESSONS_BUDGET": "quick",
        "RESNET_LESSONS_OFFLINE": "1",
    }


class ForkServer:
    """Linux: a process that forks workers, itself forked from this one before it has secrets."""

    def __init__(self, modes: tuple[str, ...] = tuple(MODES)) -> None:
        warm_up()
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.mode = next(mode for mode in modes if _possible(mode))
        self.pid = os.fork()
        if self.pid == 0:
            _as_child(lambda: self._serve(other))
        other.close()

    def start(self, limits: Limits, wants: tuple[str, ...] = ()) -> Worker:
        """A worker, shut in as well as this machine allows; `wants` of `OFTEN` will be imported."""
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        if self.mode == "nobody":
            os.chown(folder, isolation.NOBODY, isolation.NOBODY)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        order = {"folder": str(folder), "limits": asdict(limits), "wants": wants}
        with theirs:
            socket.send_fds(self.control, [json.dumps(order).encode()], [theirs.fileno()])
        pid = int(self.control.recv(20))
        kill = _end if self.mode == "jail" else _kill_group
        return Worker(ours, lambda: kill(pid), folder, limits)

    def close(self) -> None:
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _serve(self, control: socket.socket) -> None:
        silence()
        close_all_but(control.fileno())
        gc.freeze()  # what is never collected is never copied, either
        alive: set[int] = set()
        while True:
            order, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
            alive = {pid for pid in alive if os.waitpid(pid, os.WNOHANG)[0] == 0}
            if not order:  # the judge is gone
                for pid in alive:
                    _kill_group(pid)
                    os.waitpid(pid, 0)
                return
            order = json.loads(order)
            warm_up_more(order["wants"])
            pid = os.fork()
            if pid == 0:
                close_all_but(descriptors[0])
                end = socket.socket(fileno=descriptors[0])
                _as_child(lambda order=order, end=end: _work(self.mode, order, end))
            alive.add(pid)
            os.close(descriptors[0])
            control.send(str(pid).encode())


def _work(mode: str, order: dict, end: socket.socket) -> None:
    """Shut this process in, and serve the judge."""
    os.setsid()
    folder, limits = Path(order["folder"]), Limits(**order["limits"])
    if mode != "jail":
        already = Already.measured(isolation.NOBODY if mode == "nobody" else os.geteuid())
        if mode == "nobody":
            isolation.be_nobody()
        _settle(end, mode, str(folder), limits, already)
        return
    already = Already.measured(isolation.NOBODY if os.geteuid() == 0 else None)
    isolation.enter(folder, limits.file * MIB)
    pid = os.fork()  # the first process in a world of its own: with it all others end
    if pid:
        end.close()
        signal.signal(signal.SIGTERM, lambda number, frame: os.kill(pid, signal.SIGKILL))
        os.waitpid(pid, 0)
        return
    isolation.drop()
    _settle(end, mode, isolation.HOME, limits, already)


def _settle(end: socket.socket, mode: str, folder: str, limits: Limits, already: Already) -> None:
    os.chdir(folder)
    with contextlib.suppress(OSError):  # short of memory, the kernel ends this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.environ.clear()
    os.environ.update(minimal_environment(folder))
    sys.argv, sys.path[:] = ["notebook"], [p for p in sys.path if p]
    kept = apply(limits, already)
    isolation.fence(Path(folder))
    serve(end, {"mode": mode, "limited": tuple(kept)})


def _possible(mode: str) -> bool:
    """Whether a worker can be shut in that way here: a child tries it, and reads what it needs."""
    if mode == "plain":
        return True
    if mode == "nobody" and os.geteuid() != 0:
        return False
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))

    def attempt() -> None:
        if mode == "nobody":
            isolation.be_nobody()
        else:
            isolation.enter(folder, MIB)
            if pid := os.fork():
                os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            isolation.drop()
        for path in isolation.needed():
            os.listdir(path) if path.is_dir() else path.stat()

    pid = os.fork()
    if pid == 0:
        _as_child(attempt)
    status = os.waitpid(pid, 0)[1]
    folder.rmdir()
    return status == 0


def close_all_but(kept: int) -> None:
    """Close every file and socket but the standard ones and `kept`: they are the judge's."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _as_child(work: Callable[[], None]) -> None:
    """Do the work of a forked process, and end it there: nothing of the parent's goes on."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        work()
        code = 0
    finally:
        os._exit(code)


def _end(pid: int) -> None:
    """Let the keeper of a world end it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


class Spawner:
    """Everywhere: a new Python for each worker."""

    mode = "plain"

    def start(self, limits: Limits, wants: tuple[str, ...] = ()) -> Worker:
        """A worker, with what limits the platform has."""
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        ours, theirs = socket.socketpair()
        order = {"folder": str(folder), "limits": asdict(limits), "fileno": theirs.fileno()}
        windows = sys.platform == "win32"
        environment = minimal_environment(str(folder))
        environment["PYTHONPATH"] = os.pathsep.join(p for p in map(os.path.abspath, sys.path) if p)
        process = subprocess.Popen(
            [sys.executable, "-m", "resnet_lessons.grading.serving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            **({} if windows else {"pass_fds": [theirs.fileno()], "start_new_session": True}),
        )
        if windows:
            order["shared"] = theirs.share(process.pid).hex()
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        theirs.close()

        def kill() -> None:
            if windows:
                tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
                subprocess.run(tree, capture_output=True)
            else:
                _kill_group(process.pid)
            process.kill()
            process.wait()

        return Worker(ours, kill, folder, limits)

    def close(self) -> None:
        pass


def server() -> ForkServer | Spawner:
    """What starts workers here. Call it early: a fork has what this process has in memory."""
    return ForkServer() if sys.platform == "linux" else Spawner()


def main() -> None:
    """A worker of a Spawner: what to do comes on the standard input."""
    order = json.loads(sys.stdin.buffer.read())
    if "shared" in order:
        end = socket.fromshare(bytes.fromhex(order["shared"]))
    else:
        end = socket.socket(fileno=order["fileno"])
    silence()
    warm_up()
    already = Already.measured(os.geteuid() if hasattr(os, "geteuid") else None)
    _settle(end, "plain", order["folder"], Limits(**order["limits"]), already)


if __name__ == "__main__":
    main()
