"""From the source of an exercise sheet to what a learner gets: headers in, solutions out.

A source, source/exercises/NN_name.md, holds everything: statements, solutions between
`### BEGIN SOLUTION` and `### END SOLUTION` in cells tagged `answer`, one line to check each in
cells tagged `check`, and hints. {{ exercise: name }} stands for the header of an exercise, made of
what `resnet_lessons.checks` knows of it.
"""

import copy
import re

from nbformat import NotebookNode

from resnet_lessons.checks import EXERCISES
from resnet_lessons.checks.exercise import Exercise
from set_repository import colab_badge

HEADER = re.compile(r"\{\{ exercise: (\w+) \}\}")
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION$.*?^ *### END SOLUTION$", re.MULTILINE | re.DOTALL)
STUB = "..."


def header(exercise: Exercise) -> str:
    """Number and title, difficulty, minutes and points, and what the exercise is for."""
    filled = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    points = f"{exercise.points} point{'' if exercise.points == 1 else 's'}"
    return (
        f"## {exercise.number} · {exercise.title}\n\n"
        f"{filled} · {exercise.minutes} minutes · {points}\n\n"
        f"**Why:** {exercise.why}"
    )


def each_exercise_a_cell(text: str) -> str:
    """The text of a source, in MyST, with a new cell wherever the header of an exercise begins."""
    return re.sub(rf"^(?={HEADER.pattern}$)", "+++\n\n", text, flags=re.MULTILINE)


def with_headers(notebook: NotebookNode) -> NotebookNode:
    """Put the header of its exercise wherever a source asks for it; changes the notebook.

    Raises:
        RuntimeError: there is no exercise of that name.
    """
    for cell in notebook.cells:
        for name in HEADER.findall(cell.source):
            if name not in EXERCISES:
                raise RuntimeError(f"No exercise is called {name!r}; there are: {[*EXERCISES]}")
        cell.source = HEADER.sub(lambda found: header(EXERCISES[found[1]]), cell.source)
    return notebook


def readme_row(name: str, notebook: NotebookNode) -> str:
    """The line of the README's table for a sheet: link, exercises, minutes, points, Colab."""
    text = "\n".join(cell.source for cell in notebook.cells)
    title = re.match(r"# Exercises \S+ · (.*)", text)[1]
    found = [exercise for exercise in EXERCISES.values() if header(exercise) in text]
    minutes, points = (sum(getattr(e, key) for e in found) for key in ("minutes", "points"))
    tasks = "; ".join(exercise.title.rstrip(".?") for exercise in found)
    path = f"notebooks/exercises/{name}.ipynb"
    link, badge = f"[{title}]({path})", colab_badge(path)
    return f"| {name[:2]} | {link} | {tasks} | {minutes} min | {points} | {badge} |"


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """A copy of a sheet with `...` where its solutions stood, as nbgrader would make it.

    Raises:
        RuntimeError: a solution has no end, or stands in a cell that has no tag `answer`.
    """
    cleared = copy.deepcopy(notebook)
    for before, cell in zip(notebook.cells, cleared.cells, strict=True):
        cell.source = SOLUTION.sub(rf"\1{STUB}", before.source)
        if "### BEGIN SOLUTION" in cell.source or "### END SOLUTION" in cell.source:
            raise RuntimeError(
                "A solution begins with `### BEGIN SOLUTION` and ends with `### END SOLUTION`, "
                f"each on a line of its own; here one is missing:\n{before.source}"
            )
        if ("answer" in cell.metadata.get("tags", [])) != (before.source != cell.source):
            raise RuntimeError(
                "A cell is tagged `answer` if, and only if, it has a solution between "
                f"`### BEGIN SOLUTION` and `### END SOLUTION`; this one is not so:\n{before.source}"
            )
    return cleared
