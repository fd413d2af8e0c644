"""Which exercise sheet a notebook is, and where in it the answers are.

Nothing relies on metadata, which Colab drops, or on places, which learners change: answers are
known by their names, and the sheet by the answers and the lines that check them.
"""

import functools
import re

from resnet_lessons.checks import EXERCISES
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Verdict

CHECK = re.compile(r"^\s*checks\.(\w+)\((.*)\)\s*;?\s*(?:#.*)?$", re.MULTILINE)
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")


@functools.cache
def sheets() -> dict[str, list[Exercise]]:
    """The exercises of each sheet, which is called like its lesson: "03"."""
    found: dict[str, list[Exercise]] = {}
    for exercise in EXERCISES.values():
        lesson = int(exercise.number.split(".")[0])
        found.setdefault(f"{lesson:02d}", []).append(exercise)
    return dict(sorted(found.items()))


def points(sheet: str) -> int:
    """The most that can be had for it."""
    return sum(exercise.points for exercise in sheets()[sheet])


def sheet_of(cells: list[str]) -> str | None:
    """The sheet that a notebook is an answer to; None where nothing in it tells."""
    code = "\n".join(cells)
    checked = {name for name, _ in CHECK.findall(code)}
    likeness = {
        sheet: sum(
            3 * (each.name in checked) + defines(code, answer_of(each)) for each in exercises
        )
        for sheet, exercises in sheets().items()
    }
    likest = max(likeness, key=likeness.get)
    return likest if likeness[likest] else None


def defines(code: str, name: str) -> bool:
    """Whether code seems to give a value to `name`; it need not be code that can be read."""
    pattern = rf"^(?:\s*(?:async\s+)?(?:def|class)\s+{re.escape(name)}\b|{re.escape(name)}\s*=)"
    return re.search(pattern, code, re.MULTILINE) is not None


def answer_of(exercise: Exercise) -> str:
    """What the sheet's check line judges: a name, or an expression of names."""
    return exercise.answer or exercise.name


def ungraded(exercise: Exercise, state: str, why: str) -> Verdict:
    """No points, without a look at the answer."""
    heading = f"{exercise.number} {exercise.title}"
    return Verdict(heading, state, 0, len(exercise.probes), "it can be graded", why)


def expressions(exercise: Exercise, cells: list[str]) -> list[str]:
    """Where the answer may be: under its name, or under one that the learner's check line has."""
    checked = CHECK.findall("\n".join(cells))
    own = [inside.strip() for name, inside in checked if name == exercise.name]
    own = [inside for inside in reversed(own) if NAME.fullmatch(inside)]
    return list(dict.fromkeys([answer_of(exercise), *own]))
