"""Answers to the exercises, right and wrong, that keep the checks honest.

A wrong answer names the probe that must reject it, and words that the verdict must contain. A right
one is written differently from the course's own solution. `@right` and `@wrong` decorate functions
without arguments that return an answer; one file a lesson.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


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


def right(exercise: str, kind: str) -> Callable:
    def add(make: Callable[[], object]) -> Callable[[], object]:
        BANK.append(Entry(exercise, kind, make, right=True))
        return make

    return add


def wrong(exercise: str, kind: str, probe: str, says: str) -> Callable:
    def add(make: Callable[[], object]) -> Callable[[], object]:
        BANK.append(Entry(exercise, kind, make, right=False, probe=probe, says=says))
        return make

    return add


for file in sorted(Path(__file__).parent.glob("lesson_*.py")):  # each fills the bank
    import_module(f"{__name__}.{file.stem}")
