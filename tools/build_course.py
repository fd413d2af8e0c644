"""Make a course for nbgrader or otter: python tools/build_course.py nbgrader FOLDER [03 ...]

From the same sources as the learners' notebooks, an assignment a sheet of exercises (all of them,
or those that are named). For nbgrader, FOLDER becomes a course: nbgrader_config.py, and
source/NN_name/NN_name.ipynb. For otter, it gets master notebooks: NN_name/NN_name.ipynb. Points and
probes are those of `resnet_lessons.checks`; the hidden probes are looked at in grading only.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_raw_cell

from build_notebooks import build_whole, chosen, is_sheet, write
from exercise_sheets import STUB
from resnet_lessons.checks import EXERCISES
from set_repository import repository

CHECK = re.compile(r"checks\.(\w+)\((\w+)\)")
NBGRADER_CONFIG = f"""\
# Settings of nbgrader for this course; see https://nbgrader.readthedocs.io
c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "resnet_lessons"
c.ClearSolutions.code_stub = {{"python": "{STUB}"}}
# Seconds that a cell may take. No exercise trains anything, but the first cell imports PyTorch.
c.Execute.timeout = 60
"""


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


# --- nbgrader ---


def nbgrader_notebook(sheet: NotebookNode) -> NotebookNode:
    """Give the cells of a sheet with solutions what nbgrader wants to know of them.

    A check becomes an autograded test. Learners see the line that they know; what gives points,
    part of them for part of the probes, is a hidden line, which looks at the hidden probes, too.
    """
    count: dict[str, int] = {}
    for cell in sheet.cells:
        kind = next((tag for tag in tags(cell) if tag in ("answer", "check")), "given")
        if cell.cell_type != "code":
            continue
        count[kind] = count.get(kind, 0) + 1
        about = {
            "schema_version": 3,
            "grade": kind == "check",
            "solution": kind == "answer",
            "locked": kind != "answer",
            "task": False,
            "grade_id": f"{kind}-{count[kind]}",
        }
        if kind == "check":
            name, answer = CHECK.fullmatch(cell.source).groups()
            about |= {"grade_id": name, "points": EXERCISES[name].points}
            cell.source += (
                f"\n### BEGIN HIDDEN TESTS\nchecks.{name}.grade({answer})\n### END HIDDEN TESTS"
            )
        cell.metadata.nbgrader = about
    return sheet


def write_nbgrader(source: Path, folder: Path) -> Path:
    """Write the source of one assignment, and the settings where the course has none yet."""
    config = folder / "nbgrader_config.py"
    path = folder / "source" / source.stem / f"{source.stem}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not config.exists():
        config.write_text(NBGRADER_CONFIG, encoding="utf-8")
    write(nbgrader_notebook(build_whole(source)), path)
    return path


# --- otter ---


def otter_notebook(sheet: NotebookNode) -> NotebookNode:
    """Rewrite a sheet with solutions as a master notebook of otter's format v1.

    The learners' checks stay, and need no otter: so its own cells, which would, are left out. The
    assignment has no name, since otter refuses notebooks that do not bear it, as the course's do.
    """
    config = {
        "init_cell": False,
        "export_cell": False,
        "tests": {"files": True, "ok_format": False},
        "requirements": [f"git+https://github.com/{repository()}"],
        "generate": {"show_hidden": True},
    }
    cells = [raw("ASSIGNMENT CONFIG", config)]
    answers: list[NotebookNode] = []
    for cell in sheet.cells:
        if "answer" in tags(cell):
            cell.source = cell.source.replace("### BEGIN SOL", "# BEGIN SOL")
            cell.source = cell.source.replace("### END SOL", "# END SOL")
            answers.append(cell)
        elif "check" in tags(cell):
            cells += [*question(cell, answers), cell]
            answers = []
        else:
            cells.append(cell)
    sheet.cells = cells
    return sheet


def question(check: NotebookNode, answers: list[NotebookNode]) -> list[NotebookNode]:
    """The cells of one exercise, for otter: the answers, and a test case a probe.

    A case is passed where its probe and all before it are: so the points are the same as elsewhere.
    """
    name, answer = CHECK.fullmatch(check.source).groups()
    exercise = EXERCISES[name]
    cases = [
        new_code_cell(
            f'""" # BEGIN TEST CONFIG\nhidden: {str(probe.hidden).lower()}\n""" # END TEST CONFIG\n'
            f"def probe_{place}(env):\n"
            "    from resnet_lessons import checks\n"
            f'    checks.{name}.require(env.get("{answer}"), {place})'
        )
        for place, probe in enumerate(exercise.probes, start=1)
    ]
    about = {"name": name, "points": exercise.points, "check_cell": False}
    return [
        raw("BEGIN QUESTION", about),
        raw("BEGIN SOLUTION"),
        *answers,
        raw("END SOLUTION"),
        raw("BEGIN TESTS"),
        *cases,
        raw("END TESTS"),
        raw("END QUESTION"),
    ]


def raw(heading: str, settings: dict | None = None) -> NotebookNode:
    """A cell that tells otter something: `# BEGIN QUESTION`, and settings in YAML."""
    return new_raw_cell(f"# {heading}\n{yaml.safe_dump(settings) if settings else ''}".rstrip())


def write_otter(source: Path, folder: Path) -> Path:
    """Write the master notebook of one assignment."""
    path = folder / source.stem / f"{source.stem}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(otter_notebook(build_whole(source)), path)
    return path


WRITERS = {"nbgrader": write_nbgrader, "otter": write_otter}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make assignments from the exercises' sources.")
    parser.add_argument("grader", choices=WRITERS)
    parser.add_argument("folder", type=Path, help="where to; it is made where it is missing")
    parser.add_argument("names", nargs="*", help="beginnings of sheets' names, as 03; default: all")
    options = parser.parse_args(arguments)
    try:
        sheets = [source for source in chosen(options.names) if is_sheet(source)]
    except RuntimeError as error:
        parser.error(str(error))
    if not sheets:
        parser.error(f"None of these lessons has exercises: {' '.join(options.names)}")
    for source in sheets:
        print(WRITERS[options.grader](source, options.folder))


if __name__ == "__main__":
    sys.exit(main())
