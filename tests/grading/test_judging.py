"""Submissions of every kind get the grade that they deserve, and do no harm."""

import asyncio
import os
import socket
import sys
import tempfile
import uuid
from pathlib import Path

import jupytext
import pytest
from submitted import ALL, CASES, KIND, SETUP

from build_notebooks import BOOTSTRAP, sources
from resnet_grading import judge, launch
from resnet_grading.judge_process import JudgeProcess
from resnet_grading.sandbox import MODES, Limits
from resnet_grading.sheets import sheet_of
from set_repository import ROOT

LIMITS = {"total": 40.0, "step": 5.0, "memory": 1024, "file": 16, "processes": 16}


class Judging:
    """A judge's process that one can wait for."""

    def __enter__(self):
        self.runner = asyncio.Runner()
        self.judge = JudgeProcess()
        self.folder = Path(os.environ["TMPDIR"])
        self.mode = self.grade([KIND], "03", 1, Limits(**LIMITS)).mode
        return self

    def grade(self, *task):
        return self.runner.run(self.judge.grade(*task))

    def __exit__(self, *error):
        self.runner.run(self.judge.close())
        self.runner.close()


@pytest.fixture(scope="module")
def judging(tmp_path_factory):
    """A judge whose workers' folders lie in one of its own, and who has something to hide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADERS_SECRET", "SECRET")
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("workers")))
        with Judging() as made:
            yield made


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
def test_a_submission_gets_its_points_and_does_no_harm(case, judging, outside):
    if case.kind == "dishonest" and judging.mode != "jail":
        pytest.skip("this machine lets no process be shut in")
    if case.linux and sys.platform != "linux":
        pytest.skip("this system does not limit memory and files")
    before = contents(outside)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port, new = listener.getsockname()[1], f"new-{uuid.uuid4()}"
        values = {"{outside}": str(outside), "{new}": new, "{port}": str(port)}
        cells = [filled(cell, values) for cell in case.cells]
        grade = judging.grade(cells, "03", 2**35 + 1, Limits(**{**LIMITS, **case.limits}))
        with pytest.raises(BlockingIOError):
            listener.accept()
    points = {name: ALL[name] * verdict.share for name, verdict in grade.verdicts.items()}
    assert points == {name: case.points.get(name, 0) for name in ALL}, grade
    said = {name: repr(verdict) for name, verdict in grade.verdicts.items()}
    said[""] = "\n".join(f"{number}: {sentence}" for number, sentence in grade.failures)
    for where, words in case.says.items():
        assert words in said[where], said
    assert case.look in "\n".join(grade.look)
    assert "SECRET" not in repr(grade)
    assert contents(outside) == before
    assert list(judging.folder.glob(f"{launch.PREFIX}*")) == []  # torch, too, leaves something
    assert not any(Path(place, new).exists() for place in ("/tmp", "/dev/shm", "/etc", "/usr/bin"))
    assert judging.judge.process.returncode is None


def filled(cell, values):
    for name, value in values.items():
        cell = cell.replace(name, value)
    return cell


def test_the_first_cell_of_every_notebook_runs_and_is_nothing_odd(judging):
    grade = judging.grade([BOOTSTRAP, KIND], "03", 1, Limits(**LIMITS))
    assert grade.failures == [] and grade.look == []
    assert grade.verdicts["shortcut_kind"].right


# --- every sheet ---


def test_a_judge_that_ended_meanwhile_is_started_anew(judging):
    judging.judge.process.kill()
    judging.runner.run(judging.judge.process.wait())
    grade = judging.grade([KIND], "03", 1, Limits(**LIMITS))
    assert grade.verdicts["shortcut_kind"].right


SHEETS = [source for source in sources() if source.match("exercises/*.md")]
every_sheet = pytest.mark.parametrize("source", SHEETS, ids=lambda source: source.stem)


def code(path):
    return [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]


def all_are(state, grade):
    return {verdict.state for verdict in grade.verdicts.values()} == {state}


@every_sheet
def test_an_untouched_sheet_is_not_attempted(source, judging):
    cells = code(ROOT / "notebooks" / "exercises" / f"{source.stem}.ipynb")
    assert sheet_of(cells) == source.stem[:2]
    grade = judging.grade(cells, source.stem[:2], 7, Limits())
    assert all_are("not attempted", grade), grade
    assert grade.failures == [] and grade.look == []


@pytest.fixture(scope="module", params=[*MODES, "new Python"])
def launcher(request):
    """What starts workers, for each way to shut them in that this machine has."""
    if request.param == "new Python":
        yield launch.Spawner()
        return
    if sys.platform != "linux":
        pytest.skip("workers are forked on Linux only")
    try:
        server = launch.ForkServer(modes=(request.param,))
    except StopIteration:
        pytest.skip(f"this machine lets no process be shut in as {request.param}")
    yield server
    server.close()


@pytest.mark.slow
@every_sheet
def test_the_published_solutions_get_all_points(source, launcher):
    cells = code(source)
    assert sheet_of(cells) == source.stem[:2]
    grade = judge.grade(cells, source.stem[:2], 7, Limits(), launcher)
    assert all_are("right", grade), grade
    assert grade.failures == [] and grade.look == [] and grade.mode == launcher.mode


def test_a_first_optimizer_costs_the_learner_no_time(judging):
    """torch takes seconds to import what optimizers need, as the first of them is made."""
    cells = code(next(source for source in SHEETS if source.stem.startswith("05")))
    grade = judging.grade(cells, "05", 7, Limits(step=2))
    assert grade.verdicts["train_step"].right, grade


def test_files_for_the_moment_can_be_made_wherever_the_course_lies(launcher):
    """The folder that the judge has for them is none of the worker's."""
    tempfile.gettempdir()  # and is remembered in the process that workers are forked from
    cell = "import os, tempfile\nwith tempfile.TemporaryFile(dir='.'): pass\n"
    cell += "place = tempfile.gettempdir()\nassert os.path.samefile(place, '.'), place\n"
    cell += "with tempfile.NamedTemporaryFile() as file: file.write(b'1')"
    grade = judge.grade([SETUP, cell, KIND], "03", 5, Limits(**LIMITS), launcher)
    assert grade.failures == [] and grade.verdicts["shortcut_kind"].right
