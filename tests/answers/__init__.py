"""Answers to the exercises, right and wrong, that keep the checks honest.

A wrong answer names the probe that must reject it, and words that the verdict must contain. A right
one is written differently from the course's own solution. `@accepted` and `@rejected` decorate an
answer, or are called with one. `all_rejected` takes a table of those that a probe rejects, and
`rejections` such tables for the probes of an exercise. `@right` and `@wrong` decorate functions
without arguments that return an answer. One file a lesson.

The known mistakes of the checks, and their solutions, are answers by construction. They come from
another copy of a lesson's file, `learner("lesson_03")`: what a class of the course's own may not
be used for, a class of a learner may.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from resnet_lessons import checks


@dataclass(frozen=True)
class Entry:
    """One answer: to which exercise, what kind it is, and what must become of it."""

    exercise: str
    kind: str
    make: Callable[[], object]
    right: bool
    probe: str = ""
    says: str = ""

    @property
    def id(self) -> str:
        return f"{self.exercise}-{'right' if self.right else 'wrong'}-{self.kind}"


BANK: list[Entry] = []


def accepted(exercise: str, kind: str, answer: object = None) -> Callable:
    return _added(answer, exercise=exercise, kind=kind, right=True)


def rejected(exercise: str, kind: str, probe: str, says: str, answer: object = None) -> Callable:
    return _added(answer, exercise=exercise, kind=kind, right=False, probe=probe, says=says)


def all_rejected(exercise: str, probe: str, table: dict[str, tuple[str, object]]) -> None:
    """Answers that one probe rejects: to each kind what the verdict says, and the answer."""
    for kind, (says, answer) in table.items():
        rejected(exercise, kind, probe, says, answer)


def rejections(exercise: str, tables: dict[str, dict[str, tuple[str, object]]]) -> None:
    """Answers to one exercise: to each probe the table of those that it rejects."""
    for probe, table in tables.items():
        all_rejected(exercise, probe, table)


def _added(answer: object, **about: object) -> Callable:
    def add(answer: object) -> object:
        BANK.append(Entry(make=lambda: answer, **about))
        return answer

    return add if answer is None else add(answer)


@cache
def learner(lesson: str) -> ModuleType:
    """The file of a lesson's checks once more, as if a learner had written it."""
    file = Path(checks.__file__).with_name(f"{lesson}.py")
    spec = spec_from_file_location(f"learner.{lesson}", file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_construction(lesson: str) -> None:
    """Fill the bank with a lesson's known mistakes, and the solutions that are its own."""
    module = learner(lesson)
    for exercise in module.EXERCISES:
        if getattr(exercise.solution, "__module__", "") == module.__name__:
            accepted(exercise.name, "the solution", exercise.solution)
        for probe, mistake in exercise.mistakes:
            rejected(exercise.name, mistake.says, probe, mistake.words, mistake.variant)


for file in sorted(Path(__file__).parent.glob("lesson_*.py")):  # each fills the bank
    by_construction(file.stem)
    import_module(f"{__name__}.{file.stem}")
