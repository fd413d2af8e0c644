"""The sheets of exercises: whole, free of solutions, silent when untouched, green when solved."""

import re

import nbformat
import pytest

from build_notebooks import ROOT, build, build_whole, execute, name_of, notebook_path, sources
from exercise_sheets import header, readme_row, without_solutions
from resnet_lessons import checks
from resnet_lessons.checks import EXERCISES

SHEETS = [source for source in sources() if name_of(source).startswith("exercises/")]
every_sheet = pytest.mark.parametrize("source", SHEETS, ids=lambda source: source.stem)
CHECK = re.compile(r"checks\.(\w+)\((\w+)\)")


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def parts(notebook):
    """The cells of each exercise, by its number."""
    found = {}
    for cell in notebook.cells:
        if begins := re.match(r"## (\S+) · ", cell.source):
            found[begins[1]] = []
        if found:
            list(found.values())[-1].append(cell)
    return found


def test_there_are_sheets():
    assert SHEETS, "source/exercises has no sheet"


def test_every_exercise_stands_in_the_sheet_of_its_lesson_in_order():
    for lesson in checks.LESSONS:
        numbers = [exercise.number for exercise in lesson.EXERCISES]
        lesson_number = int(lesson.__name__[-2:])
        assert numbers == [f"{lesson_number}.{n}" for n in range(1, len(numbers) + 1)]
        # The bug clinic is a lesson that consists of exercises, and has no sheet besides.
        source = next(s for s in [*SHEETS, *sources()] if s.stem.startswith(f"{lesson_number:02}_"))
        sheet = build_whole(source)
        assert list(parts(sheet)) == numbers
        text = "\n\n".join(cell.source for cell in sheet.cells)
        assert all(header(exercise) in text for exercise in lesson.EXERCISES)


@every_sheet
def test_the_lesson_links_to_its_sheet_and_the_sheet_to_its_lesson(source):
    lesson = source.parents[1] / source.name
    assert f"](exercises/{source.stem}.ipynb)" in lesson.read_text(encoding="utf-8")
    assert f"](../{source.stem}.ipynb)" in source.read_text(encoding="utf-8")


@every_sheet
def test_an_exercise_has_answers_then_one_check_then_hints(source):
    by_number = {exercise.number: exercise for exercise in EXERCISES.values()}
    for number, cells in parts(build_whole(source)).items():
        tags = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
        kinds = "".join({"answer": "a", "check": "c"}[tag] for tag in tags)
        assert re.fullmatch("a+c", kinds), number
        check = next(cell for cell in cells if "check" in cell.metadata.get("tags", []))
        assert CHECK.fullmatch(check.source)[1] == by_number[number].name
        after = "\n".join(cell.source for cell in cells[cells.index(check) + 1 :])
        assert "<details><summary>Hint 1</summary>" in after, number
        assert after.count("<details>") == after.count("</details>")


@every_sheet
def test_the_readme_lists_the_sheet_with_its_minutes_and_points(source):
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    row = readme_row(source.stem, build_whole(source))
    assert row in rows, f"In README.md, under The exercises, write:\n{row}"


@every_sheet
def test_learners_get_no_solution(source):
    whole, given = build_whole(source), nbformat.read(notebook_path(source), as_version=4)
    assert len(tagged(given, "answer")) == len(tagged(whole, "answer")) > 0
    for cell in given.cells:
        assert "SOLUTION" not in cell.source
    for cell in tagged(given, "answer"):
        assert re.search(r"^\s*(\w+ = )?\.\.\.$", cell.source, re.MULTILINE), cell.source


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """Every sheet as a learner gets it, run by one kernel that forgets its names in between."""
    sheets = {source: build(source) for source in SHEETS}
    run = nbformat.v4.new_notebook()
    for sheet in sheets.values():
        run.cells += [*sheet.cells, nbformat.v4.new_code_cell("%reset -f")]
    run.cells.append(nbformat.v4.new_code_cell("import time\nprint(time.process_time())"))
    for number, cell in enumerate(run.cells):
        cell.id = f"{number}"  # all begin with the same cell, but in one notebook no two are alike
    execute(run, tmp_path_factory.mktemp("sheets"), "quick")
    return sheets, float(run.cells[-1].outputs[0].text)


def test_untouched_sheets_run_in_seconds(untouched):
    """Of the processor's, for all of them; half of it is for importing torch."""
    assert untouched[1] < 60


@every_sheet
def test_an_untouched_sheet_runs_and_says_what_is_not_attempted(source, untouched):
    notebook = untouched[0][source]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"{cell.source} warns: {output.text}"
    for cell in tagged(notebook, "check"):
        (shown,) = cell.outputs
        assert re.match(r"○ .*: not attempted yet\n", shown.data["text/plain"])
        assert ": not attempted yet" in shown.data["text/html"]


@every_sheet
def test_a_solved_sheet_is_green_and_has_all_points(source, capsys):
    names = {"__name__": "__main__"}
    for cell in build_whole(source).cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or "bootstrap" in tags:
            continue
        if "check" not in tags:
            exec(cell.source, names)
            continue
        exercise, answer = CHECK.fullmatch(cell.source).groups()
        verdict = eval(cell.source, names)
        assert verdict.right, verdict
        points = EXERCISES[exercise].grade(names[answer])
        assert (points, capsys.readouterr().out) == (EXERCISES[exercise].points, "")


# --- the tool ---


def cells(*sources_and_tags):
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(source, metadata={"tags": [*tags]})
            for source, *tags in sources_and_tags
        ],
        metadata={"kernelspec": {"display_name": "", "language": "python", "name": "python3"}},
    )


def test_a_solution_becomes_three_dots_where_it_stood():
    solved = "x = ...\n### BEGIN SOLUTION\nx = 5\n### END SOLUTION"
    inside = "def f():\n    ### BEGIN SOLUTION\n    return 5\n    ### END SOLUTION\n\ny = 1"
    whole = cells((solved, "answer"), (inside, "answer"), ("x", "check"))
    cleared = without_solutions(whole)
    assert [cell.source for cell in cleared.cells] == [
        "x = ...\n...",
        "def f():\n    ...\n\ny = 1",
        "x",
    ]
    assert whole.cells[0].source == solved


@pytest.mark.parametrize(
    ("text", "tag", "says"),
    [
        ("### BEGIN SOLUTION\nx = 5\n### END SOLUTION", "check", "tagged `answer`"),
        ("x = 5", "answer", "tagged `answer`"),
        ("### BEGIN SOLUTION\nx = 5", "answer", "one is missing"),
        ("x = 5\n### END SOLUTION", "answer", "one is missing"),
    ],
)
def test_a_solution_that_would_leak_stops_the_build(text, tag, says):
    with pytest.raises(RuntimeError, match=says):
        without_solutions(cells((text, tag)))


def test_an_exercise_that_is_not_there_is_named(tmp_path):
    source = tmp_path / "source" / "exercises" / "99_x.md"
    source.parent.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    source.write_text("# Exercises 99 · X\n\n{{ exercise: no_such }}\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"'no_such'.*shortcut_kind"):
        build(source, tmp_path)
