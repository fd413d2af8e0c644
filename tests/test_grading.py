"""Submissions of every kind get the grade that they deserve, and do no harm."""

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from submitted import ALL, CASES

from resnet_lessons.grading.lane import Lane
from resnet_lessons.grading.limits import Limits
from resnet_lessons.grading.serving import PREFIX

LIMITS = {"total": 40.0, "step": 5.0, "memory": 1024, "file": 16, "processes": 16}


@pytest.fixture(scope="module")
def lane():
    os.environ["GRADERS_SECRET"] = "SECRET"
    made = Lane()
    yield made
    made.close()
    del os.environ["GRADERS_SECRET"]


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


def leftovers():
    return set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) | set(Path("/dev/shm").glob("new"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_submission_gets_its_points_and_does_no_harm(case, lane, outside):
    if case.kind == "dishonest" and lane.about["mode"] != "jail":
        pytest.skip("this machine lets no process be shut in")
    if case.linux and sys.platform != "linux":
        pytest.skip("this system does not limit memory and files")
    before, folders = contents(outside), leftovers()
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
    assert leftovers() <= folders
    assert lane.process.poll() is None


def filled(cell, values):
    for name, value in values.items():
        cell = cell.replace(name, value)
    return cell
