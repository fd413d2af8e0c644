"""Starting workers: each a fresh process, none with anything of the judge's in its memory.

On Linux a server that has imported torch, and never runs a learner's code, forks a worker in
milliseconds. Elsewhere, where forking a process with torch in it is not safe, each worker is a new
Python, which takes seconds.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from resnet_grading import jail, sandbox
from resnet_grading.remote import RemoteWorker
from resnet_grading.sandbox import MODES, Limits
from resnet_grading.worker import OFTEN, import_early, serve, silence

PREFIX = "resnet-lessons-grade-"


class ForkServer:
    """Linux: a process that forks workers, itself forked from this one before it has secrets.

    Attributes:
        mode: how it shuts them in: as well as this machine allows, of `modes`.
    """

    def __init__(self, modes: tuple[str, ...] = tuple(MODES)) -> None:
        import_early()
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            self.mode = next(mode for mode in modes if sandbox.is_possible(mode, Path(folder)))
        self.kill = _end_keeper if self.mode == "jail" else _kill_group
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.pid = sandbox.fork(lambda: self._serve(other))
        other.close()

    def start(self, limits: Limits, cells: list[str]) -> RemoteWorker:
        """A worker that has imported what takes long in `cells`, but has not run them."""
        folder = tempfile.mkdtemp(prefix=PREFIX)
        if self.mode == "nobody":
            os.chown(folder, jail.NOBODY, jail.NOBODY)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        order = _order(folder, limits, cells)
        with theirs:
            socket.send_fds(self.control, [json.dumps(order).encode()], [theirs.fileno()])
        pid = int(self.control.recv(20))
        return RemoteWorker(ours, limits.step, lambda: self.kill(pid), folder)

    def close(self) -> None:
        """End it, and its workers."""
        self.control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _serve(self, control: socket.socket) -> None:
        silence()
        sandbox.close_all_but(control.fileno())
        gc.freeze()  # what is never collected is never copied, either
        alive: set[int] = set()
        while True:
            order, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
            alive = {pid for pid in alive if os.waitpid(pid, os.WNOHANG)[0] == 0}
            if not order:  # the judge is gone
                for pid in alive:
                    self.kill(pid)
                    os.waitpid(pid, 0)
                return
            order = json.loads(order)
            import_early(order["words"])
            pid = sandbox.fork(lambda order=order, end=descriptors[0]: _work(self.mode, order, end))
            alive.add(pid)
            os.close(descriptors[0])
            control.send(str(pid).encode())


class Spawner:
    """Everywhere: a new Python for each worker."""

    mode = "plain"

    def start(self, limits: Limits, cells: list[str]) -> RemoteWorker:
        """A worker, with what limits the platform has, which will import what takes long."""
        folder = tempfile.mkdtemp(prefix=PREFIX)
        ours, theirs = socket.socketpair()
        order = {**_order(folder, limits, cells), "fileno": theirs.fileno()}
        windows = sys.platform == "win32"
        environment = minimal_environment(folder)
        environment["PYTHONPATH"] = os.pathsep.join(p for p in map(os.path.abspath, sys.path) if p)
        process = subprocess.Popen(
            [sys.executable, "-m", "resnet_grading.launch"],
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

        return RemoteWorker(ours, limits.step, kill, folder)

    def close(self) -> None:
        """Nothing is left to be ended."""


Launcher = ForkServer | Spawner


def launcher() -> Launcher:
    """What starts workers here. Call it early: a fork has what this process has in memory."""
    return ForkServer() if sys.platform == "linux" else Spawner()


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


def _order(folder: str, limits: Limits, cells: list[str]) -> dict[str, object]:
    words = [word for word in OFTEN if any(word in cell for cell in cells)]
    return {"folder": folder, "limits": asdict(limits), "words": words}


def _work(mode: str, order: dict, fileno: int) -> None:
    """What a forked process does: shut itself in, and serve the judge."""
    os.setsid()
    sandbox.close_all_but(fileno)
    _settle(socket.socket(fileno=fileno), mode, order)


def _settle(end: socket.socket, mode: str, order: dict) -> None:
    limits = Limits(**order["limits"])
    most = sandbox.resource_limits(limits, mode)
    folder = sandbox.shut_in(mode, Path(order["folder"]), limits.file * sandbox.MIB)
    os.chdir(folder)
    with contextlib.suppress(OSError):  # short of memory, the kernel ends this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.environ.clear()
    os.environ.update(minimal_environment(folder))
    tempfile.tempdir = folder  # what it had found before lies outside
    sys.argv, sys.path[:] = ["notebook"], [p for p in sys.path if p]
    sandbox.limit(most)
    sandbox.fence(Path(folder))
    serve(end)


def _end_keeper(pid: int) -> None:
    """Let the keeper of a jail end it, whose own process may have left the keeper's group."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def main() -> None:
    """A worker of a Spawner: what to do comes on the standard input."""
    order = json.loads(sys.stdin.buffer.read())
    if "shared" in order:
        end = socket.fromshare(bytes.fromhex(order["shared"]))
    else:
        end = socket.socket(fileno=order["fileno"])
    silence()
    import_early(order["words"])
    _settle(end, Spawner.mode, order)


if __name__ == "__main__":
    main()
