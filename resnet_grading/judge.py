"""Grading one submission: workers come and go, the verdicts are made here."""

import contextlib
import re
import time

from resnet_grading.launch import Launcher
from resnet_grading.protocol import Lost
from resnet_grading.records import Grade
from resnet_grading.remote import RAISED, RemoteAnswer, RemoteWorker
from resnet_grading.sandbox import Limits
from resnet_grading.sheets import expressions, sheets, ungraded
from resnet_grading.timing import crowding
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Verdict

FAULTS = (Lost, *RAISED.values())
MOST_WORKERS = 8  # for one submission; each new one leaves out the cell that ended the last
MOST_VERSIONS = 4  # of an answer that are looked at, where the last is not attempted
START = 30.0  # seconds for a worker's first word, times patience: a new Python imports torch

# Nothing that an exercise asks for. Found in the code, it is no proof of anything, but the person
# who grades will want to look.
ODD = {
    "looks at the grader or the checks": r"resnet_(?:grading|lessons\.checks)\b|import answers\b"
    r"|\bchecks\.\w+\.(?:solution|mistakes|cases|probes)\b",
    "changes what a class says of itself": r"__module__\s*=|__qualname__\s*=|__class__\s*=",
    "looks at other code's memory": r"\bgc\.|_getframe|inspect\.(?:stack|currentframe)|ctypes",
    "leaves something for the end": r"\batexit\b",
    "takes source code from a library": r"getsource|findsource|__code__",
    "changes a library": r"^\s*(?:torch|checks|resnet_lessons|nn)(?:\.\w+)+\s*=[^=]|\bsetattr\(",
    "acts on processes": r"os\.(?:kill|fork|_exit|system|exec|setsid)|subprocess|multiprocessing",
    "reads the environment": r"os\.environ(?!\.get\(\"RESNET_LESSONS_)|getenv|/proc/",
}


def grade(cells: list[str], sheet: str, seed: int, limits: Limits, launcher: Launcher) -> Grade:
    """Run the cells, and look at what they leave with the probes of a sheet's exercises."""
    begun = time.monotonic()
    exercises = sheets()[sheet]
    places = {exercise.name: expressions(exercise, cells) for exercise in exercises}
    names = [name for found in places.values() for name in found]
    run = SubmissionRun(cells, list(dict.fromkeys(names)), limits, launcher)
    try:
        verdicts = {e.name: _verdict(run, e, places[e.name], seed) for e in exercises}
    finally:
        run.close()
    seconds = time.monotonic() - begun
    return Grade(verdicts, run.failures(), odd_lines(cells), seconds, launcher.mode)


def _verdict(run: "SubmissionRun", exercise: Exercise, places: list[str], seed: int) -> Verdict:
    """The verdict on the latest version of an answer that is an attempt at all."""
    first = None
    try:
        for name in places:
            versions = run.versions(name)
            for place in reversed(range(max(0, versions - MOST_VERSIONS), versions)):
                run.versions(name)  # asked of another worker, if the version before ended one
                with contextlib.suppress(*FAULTS):  # the first probe will say more
                    run.worker.ask("choose", name=name, place=place, seed=seed % 2**31)
                verdict = exercise.judge(RemoteAnswer(run.worker), exercise.probes, seed)
                if verdict.state != "not attempted" or verdict.passed:
                    return verdict
                first = first or verdict
    except Lost as error:
        return ungraded(exercise, "wrong", str(error))
    if first:
        return first
    seen = f"There is no `{places[0]}` in the notebook" + (
        ", or the cell that makes it does not run." if run.failures() else "."
    )
    return ungraded(exercise, "not attempted", seen)


class SubmissionRun:
    """A submission under way: a worker that has run the cells, or its successors."""

    def __init__(
        self, cells: list[str], names: list[str], limits: Limits, launcher: Launcher
    ) -> None:
        """`names`: expressions to look for in what the cells leave."""
        self.cells, self.names, self.limits, self.launcher = cells, names, limits, launcher
        self.until = time.monotonic() + limits.total * crowding()
        self.left_out: dict[int, str] = {}  # cells that ended a worker, and how
        self.failed: list[tuple[int, str]] = []  # other cells, and with what
        self.worker: RemoteWorker | None = None
        self.workers = 0

    def versions(self, name: str) -> int:
        """How many things the cells have called `name`.

        Raises:
            Lost: no worker survives.
        """
        while True:
            self._find_worker()
            try:
                count = self.worker.ask("count", name=name)
                return count if type(count) is int and 0 <= count < 10_000 else 0
            except FAULTS:
                self.close()

    def failures(self) -> list[tuple[int, str]]:
        """What went wrong in the cells."""
        return sorted([*self.failed, *self.left_out.items()], key=lambda failure: failure[0])

    def close(self) -> None:
        if self.worker:
            self.worker.stop()
            self.worker = None

    def _find_worker(self) -> None:
        """Have a worker that has run the cells; a new one is tried where there is none."""
        while self.worker is None or self.worker.lost:
            self.close()
            if time.monotonic() >= self.until:
                raise Lost(f"The time for the whole notebook ({self.limits.total:g} s) was over.")
            if self.workers == MOST_WORKERS:
                raise Lost("The notebook ended every process that tried to run it.")
            self.workers += 1
            self._begin()

    def _begin(self) -> None:
        """Start a worker and let it run the cells; one that stops it is left out from then on."""
        begun, failed = time.monotonic(), []
        self.worker = self.launcher.start(self.limits, self.cells)
        try:
            patience, step = self.worker.patience, self.limits.step
            start = START * patience
            self.worker.ask("begin", start, names=self.names, seconds=step, patience=patience)
            self.until += time.monotonic() - begun  # a slow start is not the learner's fault
            self.worker.until = self.until
            for number, source in enumerate(self.cells, start=1):
                if number not in self.left_out and source.strip():
                    self._run_cell(number, source, failed)
            failed += _checked(self.worker.ask("again"), len(self.cells))
            self.failed = failed
        except FAULTS:
            self.close()

    def _run_cell(self, number: int, source: str, failed: list[tuple[int, str]]) -> None:
        try:
            self.worker.ask("cell", number=number, source=source)
        except Lost as error:
            self.left_out[number] = str(error)
            raise
        except FAULTS as error:
            failed.append((number, str(error)))


def _checked(failures: object, cells: int) -> list[tuple[int, str]]:
    """What a worker tells of its cells, as far as that can be; it counts for nothing."""
    if not isinstance(failures, list):
        return []
    pairs = [f for f in failures[: 2 * cells + 100] if isinstance(f, tuple) and len(f) == 2]
    return [
        (number, sentence[:600])
        for number, sentence in pairs
        if type(number) is int and 1 <= number <= cells and isinstance(sentence, str)
    ]


def odd_lines(cells: list[str]) -> list[str]:
    """What in the code a person should look at."""
    code = "\n".join(cells)
    return [what for what, pattern in ODD.items() if re.search(pattern, code, re.MULTILINE)]
