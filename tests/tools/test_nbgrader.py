"""The course that nbgrader gets, and what its own commands make of four learners' notebooks."""

import csv
import re

import nbformat
import pytest
from instructions import copied, exported_to, run
from submissions import ANSWERS, EXPECTED, NAME, POINTS, submission
from traitlets.config.loader import PyFileConfigLoader

from build_course import main
from build_notebooks import build, build_whole, sources, write

pytestmark = exported_to("nbgrader")
LEARNERS = [*ANSWERS, "untouched"]
SOURCE = next(source for source in sources() if source.match(f"exercises/{NAME}.md"))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """nbgrader's folder after the commands of INSTRUCTORS.md, with what four learners handed in."""
    lessons = copied(tmp_path_factory.mktemp("nbgrader") / "lessons")
    folder = lessons.parent / "class"
    run(lessons, "nbgrader-release")
    released = nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    for learner in LEARNERS:
        path = folder / "submitted" / learner / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        write(submission(released, build_whole(SOURCE), learner), path)
    run(lessons, "nbgrader-grade")
    return folder


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_what_is_released_is_the_learners_sheet(course):
    released = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    assert [cell.source.rstrip() for cell in released.cells] == [
        cell.source for cell in build(SOURCE).cells
    ]
    for cell in code(released):
        about = cell.metadata.nbgrader
        assert about.solution == ("answer" in cell.metadata.get("tags", []))
        assert about.grade == ("check" in cell.metadata.get("tags", []))
        assert about.solution or about.locked
    tests = [c.metadata.nbgrader for c in code(released) if c.metadata.nbgrader.grade]
    assert {about.grade_id: about.points for about in tests} == POINTS


def test_every_probe_that_is_passed_gives_its_points(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for learner in LEARNERS:
            (notebook,) = gradebook.find_submission(NAME, learner).notebooks
            grades = {grade.cell.name: grade.auto_score for grade in notebook.grades}
            assert grades == EXPECTED[learner], learner
            assert not any(grade.needs_manual_grade for grade in notebook.grades)


def test_the_exported_table_has_the_sums(course):
    with (course / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(LEARNERS)
    for learner, row in rows.items():
        assert float(row["score"]) == sum(EXPECTED[learner].values())
        assert float(row["max_score"]) == sum(POINTS.values())


def feedback(course, learner):
    html = (course / "feedback" / learner / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    return re.sub(r"<[^>]*>", "", html)  # code is coloured word by word


def test_feedback_has_words_and_hints_but_no_probe(course):
    told = feedback(course, "eve")
    # the hidden probe, which her own check did not look at: its words, not its code
    assert "✗ 3.1 Which shortcut does it need?: other numbers (3 of 4 probes passed)" in told
    assert "Hint: Decide by comparing the arguments, not by a list of known cases." in told
    assert "the convolution has a bias" in told
    assert "SyntaxError" in told
    assert "○ 3.5 Start as the identity: not attempted yet" in told
    assert "ValueError: this answer stops" in feedback(course, "bob")
    for learner in LEARNERS:
        told = feedback(course, learner)
        assert "checks.shortcut_kind.grade(shortcut_kind)" in told
        for secret in ("randint", "def _(answer", "expect.", "BEGIN SOLUTION"):
            assert secret not in told, (learner, secret)


def test_settings_of_a_course_that_has_some_are_kept(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text("mine", encoding="utf-8")
    main(["nbgrader", str(tmp_path), "03"])
    assert (tmp_path / "nbgrader_config.py").read_text(encoding="utf-8") == "mine"


def test_settings_allow_a_cell_more_time_than_nbgraders_half_minute(course):
    settings = PyFileConfigLoader("nbgrader_config.py", str(course)).load_config()
    assert settings.Execute.timeout == 60


@pytest.mark.parametrize(
    ("names", "says"), [(["42"], "No lesson begins with '42'"), (["00"], "has exercises: 00")]
)
def test_a_sheet_that_is_not_there_is_named(names, says, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["nbgrader", str(tmp_path / "course"), *names])
    assert says in capsys.readouterr().err
    assert not (tmp_path / "course").exists()
