"""Submissions of every kind get the grade that they deserve, and do no harm."""

import os
import socket
import sys
from pathlib import Path

import jupytext
import pytest
from submitted import ALL, CASES, KIND

from build_notebooks import BOOTSTRAP
from resnet_lessons.grading.lane import Lane
from resnet_lessons.grading.limits import Limits
from resnet_lessons.grading.serving import PREFIX
from resnet_lessons.grading.sheets import sheet_of
from set_repository import ROOT

LIMITS = {"total": 40.0, "step": 5.0, "memory": 1024, "file": 16, "processes": 16}


@pytest.fixture(scope="module")
def lane(tmp_path_factory):
    """A judge whose workers' folders lie in one of its own, and who has something to hide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADERS_SECRET", "SECRET")
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("workers")))
        made = Lane()
        made.folder = Path(os.environ["TMPDIR"])
        yield made
        made.close()


@pytest.fixture
def outside(tmp_path):
    """A folder that nobody but the grader may touch."""
    (tmp_path / "records").mkdir()
    (tmp_path / "grades.csv").write_text("untouched")
    return tmp_path


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            path.is_file() and path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_submission_gets_its_points_and_does_no_harm(case, lane, outside):
    if case.kind == "dishonest" and lane.about["mode"] != "jail":
        pytest.skip("this machine lets no process be shut in")
    if case.linux and sys.platform != "linux":
        pytest.skip("this system does not limit memory and files")
    before = contents(outside)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        values = {"{outside}": str(outside), "{port}": str(listener.getsockname()[1])}
        cells = [filled(cell, values) for cell in case.cells]
        told = lane.grade(cells, "03", 2**35 + 1, Limits(**{**LIMITS, **case.limits}))
        with pytest.raises(BlockingIOError):
            listener.accept()
    points = {name: ALL[name] * verdict.share for name, verdict in told["verdicts"].items()}
    assert points == {name: case.points.get(name, 0) for name in ALL}, told
    said = {name: repr(verdict) for name, verdict in told["verdicts"].items()}
    said[""] = "\n".join(f"{number}: {sentence}" for number, sentence in told["failures"])
    for where, words in case.says.items():
        assert words in said[where], said
    assert case.look in "\n".join(told["remarks"])
    assert "SECRET" not in repr(told)
    assert contents(outside) == before
    assert list(lane.folder.glob(f"{PREFIX}*")) == []  # torch, too, leaves something there
    assert not any(Path(place, "new").exists() for place in ("/tmp", "/dev/shm", "/etc"))
    assert lane.process.poll() is None


def filled(cell, values):
    for name, value in values.items():
        cell = cell.replace(name, value)
    return cell


def test_the_first_cell_of_every_notebook_runs_and_is_nothing_odd(lane):
    told = lane.grade([BOOTSTRAP, KIND], "03", 1, Limits(**LIMITS))
    assert told["failures"] == [] and told["remarks"] == []
    assert told["verdicts"]["shortcut_kind"].right


SHEETS = sorted((ROOT / "source" / "exercises").glob("*.md"))
# Their solutions take seconds, and nothing that the others do not.
SLOW = {"02", "04", "05", "06", "07"}


@pytest.mark.parametrize("source", SHEETS, ids=lambda source: source.stem)
def test_every_sheet_is_graded_solved_or_untouched(source, lane):
    sheet = source.stem[:2]
    kinds = {"untouched": source.parents[2] / "exercises" / f"{source.stem}.ipynb"}
    if sheet not in SLOW:
        kinds["right"] = source
    for kind, path in kinds.items():
        cells = [c.source for c in jupytext.read(path).cells if c.cell_type == "code"]
        assert sheet_of(cells) == sheet
        told = lane.grade(cells, sheet, 7, Limits())
        states = {verdict.state for verdict in told["verdicts"].values()}
        assert states == {"not attempted" if kind == "untouched" else kind}, told
        assert told["failures"] == [] and told["remarks"] == []
