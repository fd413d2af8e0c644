"""A judge in a process of its own: a line of JSON for each submission in, one for its grade out."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

from resnet_grading import jail, launch
from resnet_grading.judge import grade
from resnet_grading.records import Grade
from resnet_grading.sandbox import Limits
from resnet_grading.timing import crowding

# What a judge needs to know; the rest of the environment, with what secrets it may hold, stays out.
KNOWN = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV",
         "PYTHONHOME", "SYSTEMROOT", "WINDIR", "TMPDIR", "TEMP", "TMP", "USERPROFILE")  # fmt: skip
LONGEST = 64 << 20  # bytes of a grade
SPARE = 150.0  # seconds beyond a submission's own after which a judge itself must have failed


class JudgeFailed(Exception):
    """There is no grade; the message says in a sentence why."""


class JudgeProcess:
    """A judge, which grades one submission after the other.

    Its process is started when it is first needed, and anew after it has ended by accident.
    """

    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process."""
        environment = {name: os.environ[name] for name in KNOWN if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(p or os.getcwd() for p in sys.path)
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "resnet_grading.judge_process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=LONGEST,
            env=environment,
            start_new_session=sys.platform != "win32",  # Ctrl-C is for the command alone
        )

    async def grade(self, cells: list[str], sheet: str, seed: int, limits: Limits) -> Grade:
        """What `judge.grade` gives.

        Raises:
            JudgeFailed: the process did not live, did not answer in time, or has a fault.
        """
        if self.process is None or self.process.returncode is not None:
            await self.start()
        task = {"cells": cells, "sheet": sheet, "seed": seed, "limits": asdict(limits)}
        try:
            async with asyncio.timeout(2 * crowding() * (limits.total + SPARE)):
                self.process.stdin.write(json.dumps(task).encode() + b"\n")
                await self.process.stdin.drain()
                reply = json.loads(await self.process.stdout.readline())
        except (OSError, ValueError):  # TimeoutError is an OSError, no JSON a ValueError
            await self.close()
            raise JudgeFailed("The judge's own process has ended.") from None
        if "error" in reply:
            raise JudgeFailed(reply["error"])
        return Grade.from_plain(reply["grade"])

    async def close(self) -> None:
        """End the judge, and with it any worker of its."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.communicate(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        self.process = None


def main() -> None:
    """The judge's side."""
    jail.hide_memory()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no grade
    launcher = launch.launcher()
    try:
        for line in sys.stdin.buffer:
            task = json.loads(line)
            limits = Limits(**task.pop("limits"))
            try:
                reply = {"grade": asdict(grade(**task, limits=limits, launcher=launcher))}
            except Exception as error:  # of ours: said, and the next submission is graded
                reply = {"error": f"The grader failed ({type(error).__name__}: {error})."}
            out.write(json.dumps(reply).encode() + b"\n")
            out.flush()
    finally:
        launcher.close()


if __name__ == "__main__":
    main()
