"""The assignments that otter gets, and what its own commands make of learners' notebooks."""

import json

import nbformat
import pytest
from instructions import copied, exported_to, run
from submissions import EXPECTED, NAME, POINTS, submission

from build_notebooks import build, build_whole, sources, write

pytestmark = exported_to("otter")
SOURCE = next(source for source in sources() if source.match(f"exercises/{NAME}.md"))


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    """otter's folder after the commands of INSTRUCTORS.md, with what one learner handed in.

    The learner took the course's committed sheet, which has no metadata of otter's. `otter assign`
    itself grades the solutions, and wants all points for them.
    """
    lessons = copied(tmp_path_factory.mktemp("otter") / "lessons")
    folder = lessons.parent / "otter" / NAME
    assert "All autograder tests passed." in run(lessons, "otter-release")
    (folder / "handed_in").mkdir()
    handed_in = submission(build(SOURCE), build_whole(SOURCE), "eve")
    write(handed_in, folder / "handed_in" / "eve.ipynb")
    run(lessons, "otter-grade")
    return folder


def test_what_learners_get_is_their_sheet_and_needs_no_otter(assignment):
    given = nbformat.read(assignment / "dist" / "student" / f"{NAME}.ipynb", as_version=4)
    assert [cell.source for cell in given.cells] == [cell.source for cell in build(SOURCE).cells]
    assert not any("otter" in cell.source for cell in given.cells)


def test_learners_get_the_visible_tests_in_a_folder(assignment):
    for kind, hidden in (("student", 0), ("autograder", 1)):
        tests = sorted((assignment / "dist" / kind / "tests").glob("*.py"))
        assert {path.stem for path in tests} == set(POINTS)
        for path in tests:
            text = path.read_text(encoding="utf-8")
            assert text.count("hidden=True") == hidden, path
            assert "hidden=False" in text and "expect" not in text


def test_every_probe_that_is_passed_gives_its_points(assignment):
    results = (assignment / "graded" / "eve" / "results.json").read_text(encoding="utf-8")
    tests = json.loads(results)["tests"]
    graded = [test for test in tests if "max_score" in test]
    assert {test["name"]: test["max_score"] for test in graded} == POINTS
    assert {test["name"]: round(test["score"], 6) for test in graded} == EXPECTED["eve"]
    told = "\n".join(test["output"] for test in tests)
    # the hidden probe, which her own check did not look at: its words, not its code
    assert "✗ 3.1 Which shortcut does it need?: other numbers (3 of 4 probes passed)" in told
    assert "Hint: Decide by comparing the arguments, not by a list of known cases." in told
    assert "the convolution has a bias" in told
    assert "○ 3.5 Start as the identity: not attempted yet" in told
    assert "randint" not in told and "expect." not in told
