"""A judge in a process of its own: a line of JSON for each submission in, one for its grade out."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict

from resnet_lessons.checks.verdict import Verdict
from resnet_lessons.grading.limits import Limits

# What a judge needs to know; the rest of the environment, with what secrets it may hold, stays out.
KNOWN = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV",
         "PYTHONHOME", "SYSTEMROOT", "WINDIR", "TMPDIR", "TEMP", "TMP", "USERPROFILE")  # fmt: skip
SPARE = 60.0  # seconds beyond a submission's own after which a judge itself must have failed


class LaneGone(Exception):
    """The judge's process has ended."""


class Lane:
    """One judge, which grades one submission after the other."""

    def __init__(self) -> None:
        self.closing = threading.Lock()
        environment = {name: os.environ[name] for name in KNOWN if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(p or os.getcwd() for p in sys.path)
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "resnet_lessons.grading.lane"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=sys.platform != "win32",  # Ctrl-C is for the command alone
        )
        self.about = self._exchange(None, SPARE * 5)

    def grade(self, cells: list[str], sheet: str, seed: int, limits: Limits) -> dict[str, object]:
        """What `judging.grade` gives, as plain values.

        Raises:
            LaneGone: the judge did not live, or did not answer in time; it is no more.
        """
        task = {"cells": cells, "sheet": sheet, "seed": seed, "limits": asdict(limits)}
        told = self._exchange(task, limits.total + 2 * SPARE)
        if "error" in told:
            raise LaneGone(told["error"])
        told["verdicts"] = {name: Verdict(**verdict) for name, verdict in told["verdicts"].items()}
        told["failures"] = [(number, sentence) for number, sentence in told["failures"]]
        return told

    def _exchange(self, task: object, seconds: float) -> dict[str, object]:
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            if task is not None:
                self.process.stdin.write(json.dumps(task).encode() + b"\n")
                self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            self.close()
            raise LaneGone("The judge's own process has ended.") from None
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the judge, and with it any worker of its; in any thread."""
        with self.closing:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError, ValueError):  # something was left to be written
                    stream.close()


def _leave(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    sys.exit(0)


def main() -> None:
    """The judge's side."""
    from resnet_lessons.grading import isolation, serving
    from resnet_lessons.grading.judging import grade

    isolation.hide_memory()
    signal.signal(signal.SIGTERM, _leave)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = serving.server()

    def say(told: dict[str, object]) -> None:
        out.write(json.dumps(told).encode() + b"\n")
        out.flush()

    try:
        say({"mode": server.mode})
        for line in sys.stdin.buffer:
            task = json.loads(line)
            limits = Limits(**task.pop("limits"))
            try:
                say(grade(**task, limits=limits, server=server).plain())
            except Exception as error:  # of ours: said, and the next submission is graded
                say({"error": f"The grader failed ({type(error).__name__}: {error})."})
    finally:
        server.close()


if __name__ == "__main__":
    main()
