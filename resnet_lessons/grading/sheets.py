"""Which exercise sheet a notebook is, and where in it the answers are.

Nothing relies on metadata, which Colab drops, or on places, which learners change: answers are
known by their names, and the sheet by the answers and the lines that check them.
"""

import re

from resnet_lessons.checks import EXERCISES
from resnet_lessons.checks.exercise import Exercise

CHECK = re.compile(r"^\s*checks\.(\w+)\((.*)\)\s*;?\s*(?:#.*)?$", re.MULTILINE)
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")


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

    def likeness(exercises: list[Exercise]) -> int:
        return sum(
            3 * (exercise.name in checked) + defines(code, answer_of(exercise))
            for exercise in exercises
        )

    likest = max(sheets(), key=lambda sheet: likeness(sheets()[sheet]))
    return likest if likeness(sheets()[likest]) else None


def defines(code: str, name: str) -> bool:
    """Whether code seems to give a value to `name`; it need not be code that can be read."""
    pattern = rf"^(?:\s*(?:async\s+)?(?:def|class)\s+{re.escape(name)}\b|{re.escape(name)}\s*=)"
    return re.search(pattern, code, re.MULTILINE) is not None


def answer_of(exercise: Exercise) -> str:
    """What the sheet's check line judges: a name, or an expression of names."""
    return exercise.answer or exercise.name


def expressions(exercise: Exercise, cells: list[str]) -> list[str]:
    """Where the answer may be: under its name, or under one that the learner's check line has."""
    own = [inside.strip() for name, inside in CHECK.findall("\n".join(cells))
           if name == exercise.name and NAME.fullmatch(inside.strip())]  # fmt: skip
    return list(dict.fromkeys([answer_of(exercise), *reversed(own)]))
