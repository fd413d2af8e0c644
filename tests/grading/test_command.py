"""The command grades a class: a table, a page a student, and nothing twice."""

import asyncio
import csv
import html
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from submitted import ALL, KIND, PADDING, SETUP, K
from test_submissions import archive, notebook

from resnet_grading import __main__ as command
from resnet_grading import gradebook, grading_run
from resnet_grading.__main__ import main
from resnet_grading.judge_process import JudgeProcess
from resnet_grading.records import Grade, Record, RunStore
from resnet_lessons.checks.verdict import Verdict
from set_repository import ROOT

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class, graded by two judges: an archive of right, wrong, damaged and unreadable ones."""
    folder = tmp_path_factory.mktemp("class")
    hostile = f"def shortcut_kind(*case):\n    return '{HOSTILE}'\nraise ValueError('{HOSTILE}')"
    members = {
        "doeanna_12_1_03_the_residual_block.ipynb": notebook(SETUP, KIND, PADDING),
        "roebert_LATE_34_2_03_the_residual_block.ipynb": notebook(hostile),
        "=cmd_56_3_03.ipynb": b"no notebook",
        "kill_78_4_03.ipynb": notebook(KIND, "import os\nos._exit(0)"),
    }
    (folder / "submissions.zip").write_bytes(archive(members))
    out = folder / "grades.csv"
    assert main([str(folder / "submissions.zip"), "--out", str(out), "--workers", "2"]) == 0
    return folder


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_for_each_student(graded):
    told = {row["Student"]: row for row in rows(graded / "grades.csv")}
    assert {name: row["Total"] for name, row in told.items()} == {
        "doeanna": "6",
        "roebert": "0",
        "'=cmd": "0",
        "kill": "2",
    }
    assert told["doeanna"]["ID"] == "12"
    assert told["doeanna"]["3.1 Which shortcut does it need? (2)"] == "2"
    assert told["doeanna"]["Out of"] == str(sum(ALL.values()))
    assert told["'=cmd"]["Look at"] == "nothing could be graded"
    assert told["kill"]["Look at"] == "acts on processes"


def test_each_student_gets_a_page_that_is_safe_to_open(graded):
    told = {row["Student"]: graded / row["Feedback"] for row in rows(graded / "grades.csv")}
    page = told["roebert"].read_text(encoding="utf-8")
    assert HOSTILE not in page and html.escape(HOSTILE, quote=False) in page
    assert "src=" not in page and "href=" not in page  # it needs no other file
    assert "Hint" in page and "<h1>roebert</h1>" in page
    assert "ended its own process" in told["kill"].read_text(encoding="utf-8")
    assert "not in JSON" in told["'=cmd"].read_text(encoding="utf-8")
    hidden = "channels = torch.randint"  # code of a probe
    assert not any(hidden in path.read_text(encoding="utf-8") for path in told.values())


def test_what_is_graded_is_not_graded_again(graded, monkeypatch, capsys):
    monkeypatch.setattr(grading_run, "JudgeProcess", lambda: pytest.fail("graded again"))
    before = (graded / "grades.csv").read_text(encoding="utf-8")
    out = graded / "grades.csv"
    assert main([str(graded / "submissions.zip"), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == before
    assert "4 students" in capsys.readouterr().out


def test_canvas_and_moodle_get_their_columns(graded):
    arguments = [str(graded / "submissions.zip"), "--out", str(graded / "grades.csv")]
    assert main([*arguments, "--format", "canvas"]) == 0
    worth, *told = rows(graded / "grades.csv")
    assert list(worth)[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert worth["Student"].strip() == "Points Possible"
    assert worth["3.4 The residual block"] == "10"
    assert {row["ID"]: row["3.2 The padding shortcut"] for row in told}["12"] == "4"
    assert main([*arguments, "--format", "moodle", "--per", "sheet"]) == 0
    told = {row["Identifier"]: row for row in rows(graded / "grades.csv")}
    assert told["Participant 12"]["Grade"] == told["Participant 12"]["Sheet 03"] == "6"
    assert told["Participant 12"]["Maximum Grade"] == "25"
    assert "✓ 3.1" in told["Participant 12"]["Feedback comments"]
    assert main(arguments) == 0  # as the other tests expect it


@pytest.fixture
def asked(monkeypatch):
    """What a judge is asked who gives everybody the same: how many cells, and the seed."""
    asked = []

    class Judge:
        async def close(self):
            pass

        async def grade(self, cells, sheet, seed, limits):
            asked.append((len(cells), seed))
            return Grade({"shortcut_kind": Verdict("3.1", "right", 4, 4)}, seconds=1.0)

    monkeypatch.setattr(grading_run, "JudgeProcess", Judge)
    return asked


def test_a_changed_submission_is_graded_anew_and_a_new_seed_is_drawn_on_demand(graded, asked):
    (graded / "late").mkdir()
    (graded / "late" / "x.ipynb").write_bytes(notebook(KIND))
    arguments = [str(graded / "late"), "--out", str(graded / "more.csv")]
    assert main(arguments) == main(arguments) == 0
    assert len(asked) == 1
    (graded / "late" / "x.ipynb").write_bytes(notebook(KIND, "x = 1"))
    assert main(arguments) == 0
    assert [count for count, _ in asked] == [1, 2] and asked[0][1] == asked[1][1]
    assert main([*arguments, "--again"]) == 0
    assert len(asked) == 3 and asked[2][1] != asked[1][1]
    assert json.loads((graded / "more" / "seed.json").read_text())["seed"] == asked[2][1]


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C cannot be sent to one process")
def test_ctrl_c_costs_nothing(tmp_path):
    slow = "import time\ntime.sleep(60)"
    for name, cells in (("a", [KIND]), ("b", [slow, slow, slow]), ("c", [KIND])):
        (tmp_path / f"{name}.ipynb").write_bytes(notebook(*cells, "checks.shortcut_kind(x)"))
    out = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "resnet_grading", str(tmp_path), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    attempt = tmp_path / "grades" / "records"
    until = time.monotonic() + 120
    while not list(attempt.glob("b-*.attempt")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "1 of 3 are graded and kept" in said
    assert [path.name[0] for path in attempt.iterdir()] == ["a"], list(attempt.iterdir())


def test_the_grader_goes_on_when_a_judge_is_killed(tmp_path, monkeypatch):
    class Killed(JudgeProcess):
        async def grade(self, cells, sheet, seed, limits):
            if "kill me" in cells[0]:
                await self.start()
                asyncio.get_running_loop().call_later(0.2, self.process.kill)
                cells = ["import time\ntime.sleep(60)"]
            return await super().grade(cells, sheet, seed, limits)

    monkeypatch.setattr(grading_run, "JudgeProcess", Killed)
    names = {"a": "# kill me\nshortcut_kind = 3", "b": KIND}
    for name, cell in names.items():
        (tmp_path / f"{name}.ipynb").write_bytes(notebook(cell))
    assert main([str(tmp_path), "--out", str(tmp_path / "g.csv")]) == 0
    told = {row["Student"]: row for row in rows(tmp_path / "g.csv")}
    assert told["a"]["Total"] == "0" and "could not be graded" in told["a"]["Look at"]
    assert told["b"]["Total"] == str(K["shortcut_kind"])


def test_a_notebook_that_stopped_the_grader_twice_is_left_to_a_person(tmp_path):
    store = RunStore(tmp_path / "grades")
    one, changed = (Record("a", "", "a.ipynb", "03", cells=[cell]) for cell in ("x = 1", "x = 2"))
    assert [store.attempt(one) for _ in range(3)] == [True, True, False]
    assert store.attempt(changed)
    store.keep(changed)
    assert store.find(changed) == Grade() and store.find(one) is None
    assert store.attempt(changed)


def test_what_the_grader_wrote_is_nobodys_submission(tmp_path, asked):
    (tmp_path / "anna.ipynb").write_bytes(notebook(KIND))
    arguments = [str(tmp_path), "--out", str(tmp_path / "grades.csv")]
    for _ in range(2):
        assert main(arguments) == 0
        assert [row["Student"] for row in rows(tmp_path / "grades.csv")] == ["anna"]
    assert len(asked) == 1


def test_ctrl_c_while_files_are_read_is_no_traceback(tmp_path, monkeypatch, capsys):
    def interrupted(*sources):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "collect", interrupted)
    assert main([str(tmp_path), "--out", str(tmp_path / "grades.csv")]) == 130
    assert "Stopped; nothing is graded. To go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["nothing-there"], "There is no file or folder"),
        (["--workers", "0", "."], "--workers is 0"),
        (["--time", "-1", "."], "total is -1"),
        (["--out", "grades", "."], "pass for example --out grades.csv"),
        (["--out", "class.csv", "class"], "the submissions' own folder; pass another name"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "anna.ipynb").write_bytes(notebook(KIND))
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["anna.ipynb", "class"]


FORMULAS = {"=1+1": "'=1+1", " =1": "' =1", "\x1b=1": "'=1", "\t@a": "'@a", "\r\n+1": "'\n+1"}


@pytest.mark.parametrize("name, safe", {**FORMULAS, "Ann-Lee = 3": "Ann-Lee = 3"}.items())
@pytest.mark.parametrize("kind", gradebook.FORMATS)
def test_no_name_is_taken_for_a_formula(name, safe, kind):
    table = gradebook.table(gradebook.rows([Record(name, "1", "f", None)]), kind)
    last = list(csv.reader(io.StringIO(table)))[-1]
    assert safe in last and not any(cell.lstrip()[:1] in tuple("=+-@") for cell in last)


def test_a_row_without_a_sheet_is_empty_there():
    one = Record("a", "1", "f", "03")
    one.grade.verdicts["shortcut_kind"] = Verdict("3.1", "wrong", 1, 4)
    other = Record("b", "2", "g", None, remarks=["no sheet"])
    lines = gradebook.table(gradebook.rows([one, other]), "plain").splitlines()
    assert lines[1].startswith("a,1,0.5,0,0,0,0,0.5,25")
    assert lines[2].startswith("b,2,,,,,,0,25")
