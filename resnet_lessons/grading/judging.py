"""Grading one submission: workers come and go, the verdicts are made here."""

import contextlib
import re
import time
from dataclasses import asdict, dataclass, field

from resnet_lessons.checks.answers import Broke
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import NotAttempted, Verdict, Wrong
from resnet_lessons.grading.limits import Limits
from resnet_lessons.grading.remote import Connection, RemoteAnswer, told
from resnet_lessons.grading.serving import ForkServer, Spawner, Worker
from resnet_lessons.grading.sheets import expressions, sheets
from resnet_lessons.grading.wire import Lost
from resnet_lessons.grading.worker import OFTEN

MOST_WORKERS = 8  # for one submission; each new one leaves out the cell that ended the last
MOST_VERSIONS = 4  # of an answer that are looked at, where the last is not attempted
START = 60.0  # seconds to wait for a worker's first word; a new Python has torch to import

# Nothing that an exercise asks for. Found in the code, it is no proof of anything, but the person
# who grades will want to look.
ODD = {
    "looks at the grader or the checks": r"resnet_lessons\.(?:grading|checks)\b|import answers\b"
    r"|\bchecks\.\w+\.(?:solution|mistakes|cases|probes)\b",
    "changes what a class says of itself": r"__module__\s*=|__qualname__\s*=|__class__\s*=",
    "looks at other code's memory": r"\bgc\.|_getframe|inspect\.(?:stack|currentframe)|ctypes",
    "leaves something for the end": r"\batexit\b",
    "takes source code from a library": r"getsource|findsource|__code__",
    "changes a library": r"^\s*(?:torch|checks|resnet_lessons|nn)(?:\.\w+)+\s*=[^=]|\bsetattr\(",
    "acts on processes": r"os\.(?:kill|fork|_exit|system|exec|setsid)|subprocess|multiprocessing",
    "reads the environment": r"os\.environ(?!\.get\(\"RESNET_LESSONS_)|getenv|/proc/",
}


@dataclass
class Graded:
    """What came of a submission.

    Attributes:
        verdicts: by the exercises' names, in their order.
        failures: of cells, as number and sentence.
        remarks: for the person who grades.
        seconds: what it took, by the clock.
        about: what the workers were not able to do.
    """

    verdicts: dict[str, Verdict]
    failures: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    about: dict[str, object] = field(default_factory=dict)

    def plain(self) -> dict[str, object]:
        return asdict(self)


def grade(
    cells: list[str], sheet: str, seed: int, limits: Limits, server: ForkServer | Spawner
) -> Graded:
    """Run the cells, and look at what they leave with the probes of a sheet's exercises."""
    begun = time.monotonic()
    exercises = sheets()[sheet]
    places = {exercise.name: expressions(exercise, cells) for exercise in exercises}
    names = [name for found in places.values() for name in found]
    run = _Run(cells, list(dict.fromkeys(names)), limits, server)
    try:
        verdicts = {e.name: _verdict(run, e, places[e.name], seed) for e in exercises}
    finally:
        run.close()
    seconds = time.monotonic() - begun
    return Graded(verdicts, run.failed(), remarks(cells), seconds, run.about)


def _verdict(run: "_Run", exercise: Exercise, places: list[str], seed: int) -> Verdict:
    """The verdict on the latest version of an answer that is an attempt at all."""
    heading = f"{exercise.number} {exercise.title}"
    first = None
    for name in places:
        versions = run.versions(name)
        if versions is None:
            seen = run.excuse()
            return Verdict(heading, "wrong", 0, len(exercise.probes), "it can be graded", seen)
        for place in reversed(range(max(0, versions - MOST_VERSIONS), versions)):
            verdict = _judged(run, exercise, name, place, seed)
            if verdict.state != "not attempted" or verdict.passed:
                return verdict
            first = first or verdict
    if first:
        return first
    seen = f"There is no `{places[0]}` in the notebook" + (
        ", or the cell that makes it does not run." if run.failed() else "."
    )
    return Verdict(heading, "not attempted", 0, len(exercise.probes), seen=seen)


def _judged(run: "_Run", exercise: Exercise, name: str, place: int, seed: int) -> Verdict:
    if run.versions(name) is None:  # the version before ended the worker, and no other came up
        heading = f"{exercise.number} {exercise.title}"
        return Verdict(heading, "wrong", 0, len(exercise.probes), "it can be graded", run.excuse())
    with contextlib.suppress(Lost, Wrong, NotAttempted, Broke):  # the first probe will say more
        run.connection.ask("choose", name=name, place=place, seed=seed % 2**31)
    return exercise.judge(RemoteAnswer(run.connection), exercise.probes, seed)


class _Run:
    """A submission under way: a worker that has run the cells, or its successors."""

    def __init__(
        self, cells: list[str], names: list[str], limits: Limits, server: ForkServer | Spawner
    ) -> None:
        self.cells, self.names, self.limits, self.server = cells, names, limits, server
        self.until = time.monotonic() + limits.total
        self.left_out: dict[int, str] = {}  # cells that ended a worker, and how
        self.told: list[tuple[int, str]] = []  # what other cells failed with
        self.about: dict[str, object] = {}
        self.wants = tuple(name for name in OFTEN if any(name in cell for cell in cells))
        self.worker: Worker | None = None
        self.workers = 0

    @property
    def connection(self) -> Connection:
        return self.worker.connection

    def versions(self, name: str) -> int | None:
        """How many things the cells have called `name`; None where no worker survives."""
        while self._alive():
            try:
                count = self.connection.ask("count", name=name)
                return count if type(count) is int and 0 <= count < 10_000 else 0
            except (Lost, Wrong, NotAttempted, Broke):
                self.close()
        return None

    def excuse(self) -> str:
        if time.monotonic() >= self.until:
            return f"The time for the whole notebook ({self.limits.total:g} s) was over."
        return "The notebook ended every process that tried to run it."

    def failed(self) -> list[tuple[int, str]]:
        """What went wrong in the cells."""
        return sorted([*self.told, *self.left_out.items()], key=lambda failure: failure[0])

    def close(self) -> None:
        if self.worker:
            self.worker.stop()
            self.worker = None

    def _alive(self) -> bool:
        """Whether there is a worker that has run the cells; a new one is tried where not."""
        while self.worker is None or self.connection.lost:
            self.close()
            if self.workers == MOST_WORKERS or time.monotonic() >= self.until:
                return False
            self.workers += 1
            self._begin()
        return True

    def _begin(self) -> None:
        """Start a worker and let it run the cells; one that stops it is left out from then on."""
        self.worker = self.server.start(self.limits, self.wants)
        step, failures = self.limits.step, []
        try:
            begun = time.monotonic()
            self.about = self.connection.ask("hello", START, names=self.names, seconds=step)
            self.until += time.monotonic() - begun  # a slow start is not the learner's fault
            self.connection.until = self.until
            for number, source in enumerate(self.cells, start=1):
                if number not in self.left_out and source.strip():
                    self._run_cell(number, source, failures)
            failures += _checked(self.connection.ask("again"), len(self.cells))
            self.told = failures
        except (Lost, Wrong, NotAttempted, Broke):
            self.close()

    def _run_cell(self, number: int, source: str, failures: list[tuple[int, str]]) -> None:
        try:
            self.connection.ask("cell", number=number, source=source)
        except Lost as error:
            self.left_out[number] = told(error, self.connection.seconds)
            raise
        except (Wrong, NotAttempted, Broke) as error:
            failures.append((number, str(error)))


def _checked(failures: object, cells: int) -> list[tuple[int, str]]:
    """What a worker tells of its cells, as far as that can be; it counts for nothing."""
    if not isinstance(failures, list):
        return []
    told = [f for f in failures[: 2 * cells + 100] if isinstance(f, tuple) and len(f) == 2]
    return [
        (number, sentence[:600])
        for number, sentence in told
        if type(number) is int and 1 <= number <= cells and isinstance(sentence, str)
    ]


def remarks(cells: list[str]) -> list[str]:
    """What in the code a person should look at."""
    code = "\n".join(cells)
    return [what for what, pattern in ODD.items() if re.search(pattern, code, re.MULTILINE)]
