"""A limit for the learner's code that leaves its process alive."""

import os
import signal
import time

PATIENCE = 2  # times the limit in processor time that the clock of a machine at rest may show
AGAIN = 1.0  # seconds after which the code is stopped once more, should it have caught the first


class TimeLimit(BaseException):
    """The learner's code ran too long; no `except Exception` of theirs catches it."""


def crowding() -> float:
    """How many times longer everything takes, since so many processes share the processors."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # Windows has none
    return max(1.0, load / (os.cpu_count() or 1))


class limited:
    """Raise TimeLimit in the block after `seconds` of processor time, or so much on the clock.

    On Windows nothing is raised: there the judge ends the process.

    Attributes:
        patience: times `seconds` that the clock may show.
    """

    patience: float = PATIENCE

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.silent_until = 0.0

    def __enter__(self) -> None:
        if not hasattr(signal, "setitimer"):
            return
        for number in (signal.SIGPROF, signal.SIGALRM):  # the learner may have changed them
            signal.signal(number, self._stop)
        signal.setitimer(signal.ITIMER_PROF, self.seconds, AGAIN)
        signal.setitimer(signal.ITIMER_REAL, self.patience * self.seconds, AGAIN)

    def __exit__(self, *error: object) -> None:
        self.silent_until = float("inf")
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _stop(self, number: int, frame: object) -> None:
        # Both timers may fire at once; the second would hit whoever handles the first.
        if time.monotonic() >= self.silent_until:
            self.silent_until = time.monotonic() + AGAIN / 2
            raise TimeLimit(f"not done after {self.seconds:g} seconds")
