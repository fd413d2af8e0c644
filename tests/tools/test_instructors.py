"""INSTRUCTORS.md: what it tells to type does what it says (nbgrader and otter: in their tests)."""

import csv
import re

import nbformat
import pytest
from instructions import NEEDED, ROOT, blocks, copied, repository, run
from submissions import EXPECTED, NAME, POINTS, submission

from build_notebooks import build_whole, sources, write
from resnet_lessons.checks import EXERCISES

SOURCE = next(source for source in sources() if source.match(f"exercises/{NAME}.md"))
TEXT = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
HERE = {"badges", "install", "grade", "grade-canvas", "kill-table", "edit-prose", "add-exercise"}


@pytest.fixture
def course(tmp_path):
    return copied(tmp_path / "course")


def test_every_block_of_commands_is_run_by_a_test():
    elsewhere = {
        f"{grader}-{step}" for grader in ("nbgrader", "otter") for step in ("release", "grade")
    }
    assert set(blocks("sh")) == HERE | elsewhere
    for name in elsewhere:
        test = ROOT / "tests" / "tools" / f"test_{name.partition('-')[0]}.py"
        assert f'"{name}"' in test.read_text(encoding="utf-8")
    assert TEXT.count("```sh") == len(blocks("sh"))


def test_files_that_it_names_are_there():
    for path in re.findall(r"`((?:notebooks|resnet_lessons|tests|tools)/[\w./]+)`", TEXT):
        assert (ROOT / path).exists() or "NN_" in path, path
    for file, heading in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", TEXT):
        headings = re.findall(r"^#+ (.*)$", (ROOT / (file or "INSTRUCTORS.md")).read_text(), re.M)
        assert heading in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings]


@NEEDED
def test_badges_point_at_the_fork_and_what_is_installed_is_not_installed_again(course):
    said = run(course, "install", "badges")
    assert repository(course) == "ada/resnet_lessons"
    assert "files now point at https://github.com/ada/resnet_lessons" in said
    assert "uv pip install" not in said


@NEEDED
def test_prose_is_edited_without_executing_a_cell(course):
    source = course / "source" / "03_the_residual_block.md"
    source.write_text(source.read_text(encoding="utf-8") + "\nOne line more.\n", encoding="utf-8")
    run(course, "edit-prose")
    path = course / "notebooks" / "03_the_residual_block.ipynb"
    new, old = (nbformat.read(p, as_version=4) for p in (path, ROOT / path.relative_to(course)))
    assert new.cells[-1].source.endswith("One line more.")
    outputs = [[c.get("outputs") for c in notebook.cells] for notebook in (new, old)]
    assert outputs[0] == outputs[1] and any(outputs[0])


@NEEDED
def test_the_example_of_a_new_exercise_works(course):
    for language in ("python", "markdown"):
        for path, text in blocks(language).items():
            file = course / path
            file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{text}", encoding="utf-8")
    said = run(course, "add-exercise")
    assert re.search(r"wrong  That is one convolution\. +caught +one width", said)
    assert "right words: 2 of 2 (0 escaped)\nright answers accepted: 2 of 2" in said
    sheet = nbformat.read(course / "notebooks" / "exercises" / f"{NAME}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in sheet.cells)
    assert "## 3.6 · What a block costs\n\n●○○ · 5 minutes · 2 points\n" in text
    assert "def block_cost(width):\n    ...\n" in text and "width**2" not in text


@NEEDED
def test_a_folder_of_sheets_becomes_a_table_and_a_page_each(course):
    handed_in = course.parent / "handed_in"
    handed_in.mkdir()
    given = nbformat.read(ROOT / "notebooks" / "exercises" / f"{NAME}.ipynb", as_version=4)
    for learner in ("ada", "eve"):
        write(submission(given, build_whole(SOURCE), learner), handed_in / f"{learner}.ipynb")
    run(course, "grade")
    with (course.parent / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["Student"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"ada", "eve"}
    for learner, row in rows.items():
        points = {
            name: float(row[f"{exercise.number} {exercise.title} ({exercise.points})"])
            for name, exercise in EXERCISES.items()
            if name in POINTS
        }
        assert points == EXPECTED[learner]
        assert (course.parent / row["Feedback"]).is_relative_to(course.parent / "grades")
    page = (course.parent / rows["eve"]["Feedback"]).read_text(encoding="utf-8")
    assert "Decide by comparing the arguments, not by a list of known cases." in page
    run(course, "grade-canvas")
    first = (course.parent / "canvas.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("Student,ID,SIS User ID")


@NEEDED
def test_the_kill_table_is_printed(course):
    said = run(course, "kill-table")
    assert "exercises: 1\n" in said and "(0 escaped)" in said


def test_the_plans_name_every_sheet_and_lesson_there_is():
    two_weeks = TEXT[TEXT.index("**Two weeks,**") : TEXT.index("**One afternoon,**")]
    rows = re.findall(r"^\| \d+ \| ([\d, ]+) \|.*\| ([\d, ]*) \|$", two_weeks, re.MULTILINE)
    lessons, sheets = (sorted(n for row in rows for n in row[i].split(", ")) for i in (0, 1))
    assert set(sheets) <= set(lessons)
    there = {source.stem[:2] for source in sources() if source.match("exercises/*.md")}
    assert there <= set(sheets)
    assert len(rows) == 10
