"""The rehearsal of Google Colab: what it looks for, and that its last record covers the course."""

import datetime
import re

import nbformat
import pytest

import colab_environment
import rehearse_colab
from build_notebooks import ROOT, WIDGET, name_of, sources
from colab_environment import find_python, recorded
from colab_outputs import INSTALLED, WIDGETS, faults, freeze_faults, verdict_faults
from rehearse_colab import RECORD, Row, readme_sentence, table

SAID = "".join(f"{line}\n" for line in INSTALLED)


# --- the last record ---


def rows_of_record():
    rows = re.findall(r"^\| (.*\d\d_\w+) \| .* \| (.*) \|$", RECORD.read_text("utf-8"), re.M)
    return dict(rows)


def test_the_last_rehearsal_covers_every_notebook_and_all_ran():
    due = {name_of(source): "ran" for source in sources()}
    assert rows_of_record() == due, "Mend what did not run, and rehearse: make test-colab"
    text = RECORD.read_text("utf-8")
    assert re.search(r"\.py`: \d+ passed\.$", text, re.M) and "wrong one: a box for each" in text


def test_the_last_rehearsal_was_on_the_listed_versions():
    text = " ".join(RECORD.read_text("utf-8").split())
    assert len(recorded()) >= 12
    for line in recorded():
        assert f" {line.replace('==', ' ')}{',' if line != recorded()[-1] else '.'}" in text


def test_the_readme_names_the_last_rehearsal():
    sentence = readme_sentence(RECORD.read_text("utf-8"))
    paragraph = (ROOT / "README.md").read_text("utf-8").partition("**In Google Colab.**")[2]
    said = " ".join(paragraph.partition("\n\n")[0].split())
    assert sentence in said, f"In README.md, under In Google Colab, write:\n{sentence}"


def test_the_readme_would_say_how_many_did_not_run(monkeypatch):
    monkeypatch.setattr(rehearse_colab, "run", lambda *_, **__: "3.13.0 False\n")
    rows = [
        Row("00_start", [9.6, 3.2], explorers=0, kept=3, faults=[]),
        Row("exercises/01_x", [1, 2], explorers=1, kept=0, faults=["cell 2: a|b"]),
    ]
    text = rehearse_colab.record(rows, [], "5 passed", datetime.date(2026, 8, 30))
    assert table(rows).splitlines()[2:] == [
        "| 00_start | 10 s | 3 s |  | 3 | ran |",
        "| exercises/01_x | 1 s | 2 s | 1 |  | cell 2: a\\|b |",
    ]
    assert readme_sentence(text).startswith("On 2026-08-30, 1 of 2 notebooks ran without an error")
    all_ran = rehearse_colab.record(rows[:1], [], "5 passed", datetime.date(2026, 8, 30))
    assert readme_sentence(all_ran).startswith("On 2026-08-30, all 1 notebooks ran")


# --- what it looks for in a notebook ---


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data):
    return nbformat.v4.new_output("display_data", data=data)


def error():
    return nbformat.v4.new_output("error", ename="ValueError", evalue="x\ny", traceback=[])


def view(html="<img>", model="a"):
    return shown(**{WIDGET: {"model_id": model}, "text/html": html, "text/plain": "size=7"})


def executed(source="1", outputs=(), tags=(), said=SAID, count=1):
    """A notebook of two cells, the first one the bootstrap, with one widget open."""
    cells = [
        nbformat.v4.new_code_cell("%pip", metadata={"tags": ["bootstrap"]}, execution_count=1),
        nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}, execution_count=count),
    ]
    cells[0].outputs = [stream(said)] if said else []
    cells[1].outputs = list(outputs)
    state = {WIDGETS: {"state": {"a": {}}}}
    return nbformat.v4.new_notebook(cells=cells, metadata={"widgets": state})


@pytest.mark.parametrize(
    "notebook",
    [
        executed("print(1)", [stream("No warning is meant by this: Warnings\n")]),
        executed("widgets.block()", [view()]),
        executed("race = widgets.training(data)\nrace.advance(1)", [view("<table>")]),
        executed("x + y", [error()], ["raises-exception"]),
        executed("", count=None),
    ],
    ids=["text", "picture", "table", "intended error", "empty"],
)
def test_a_notebook_that_runs_has_no_fault(notebook):
    assert faults(notebook, fresh=True) == []


EXPLORER = "cell 2: its explorer gives no widget, or nothing where no kernel runs"


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        (executed(outputs=[error()]), "cell 2: ValueError: x"),
        (executed(outputs=[stream("oh\n  no\n", "stderr")]), "cell 2: it writes to stderr: oh no"),
        (executed(outputs=[stream("a\nWARNING: b\n")]), "cell 2: it warns: WARNING: b"),
        (executed(outputs=[stream("ERROR: pip's")]), "cell 2: it warns: ERROR: pip's"),
        (
            executed(outputs=[shown(**{"text/html": "x.py:3: UserWarning: b"})]),
            "cell 2: it warns: UserWarning",
        ),
        (executed(count=None), "cell 2: it did not run"),
        (executed(said=""), "cell 1: the first cell says []"),
        (executed("widgets.block()"), EXPLORER),
        (executed("widgets.block()", [view(html="")]), EXPLORER),
        (executed("widgets.block()", [view(model="b")]), EXPLORER),
        (executed("widgets.block()", [shown(**{"text/html": "<img>"})]), EXPLORER),
    ],
)
def test_a_fault_is_found_and_told(notebook, says):
    assert faults(notebook, fresh=True) == [says]


def test_after_a_restart_the_first_cell_is_silent():
    assert faults(executed(said=""), fresh=False) == []
    (fault,) = faults(executed(), fresh=False)
    assert fault.startswith("cell 1: the first cell says ['Note: you may")


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<div><b>✓ 3.1</b></div>", []),
        ("<div><b>✗ 3.1</b></div>", ["its checks show ['✗'], not ['✓']"]),
        ("", ["its checks show [''], not ['✓']"]),
    ],
)
def test_a_check_must_show_the_box_that_is_due(html, found):
    notebook = executed(outputs=[shown(**{"text/html": html})], tags=["check"])
    assert verdict_faults(notebook, "✓") == found
    notebook.cells[1].outputs *= 2  # a box and something else
    assert verdict_faults(notebook, "✓") == ["its checks show [''], not ['✓']"]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (["d2l==1.0.3", "numpy==2.1.3", "resnet-lessons @ file:///w"], []),
        (["d2l==1.0.3", "numpy==2.2.0", "resnet-lessons==0.1.0"], ["numpy==2.1.3 was replaced"]),
        (["d2l==1.0.3", "resnet_lessons==0.1.0"], ["numpy==2.1.3 was replaced or removed"]),
        (["numpy==2.1.3", "resnet_lessons==0.1.0"], ["it installed ['resnet-lessons'], not"]),
        (["d2l==1", "numpy==2.1.3", "resnet_lessons==0", "x==1"], ["it installed ['d2l', 'resn"]),
    ],
)
def test_what_is_replaced_or_added_is_told(after, told):
    found = freeze_faults(["numpy==2.1.3"], after, ["d2l", "resnet-lessons"])
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


# --- the environment ---


def test_where_there_is_no_such_python_one_sentence_says_so(monkeypatch):
    def missing(*command, **_):
        raise FileNotFoundError(command[0])

    monkeypatch.setattr(colab_environment, "run", missing)
    monkeypatch.setattr(colab_environment, "_of_uv", lambda _: "")
    with pytest.raises(
        RuntimeError, match=r"Colab has Python 3\.13, and none .*COLAB_PYTHON="
    ) as e:
        find_python()
    assert len(str(e.value).splitlines()) == 1


def test_a_python_of_another_version_or_a_dead_launcher_is_passed_over(monkeypatch):
    def answers(command, *_, **__):
        if "launcher" in command:
            raise RuntimeError("not installed")
        return "3.13\n" if command == "uv's" else "3.12\n"

    monkeypatch.setenv("COLAB_PYTHON", "launcher")
    monkeypatch.setattr(colab_environment, "run", lambda *command, **_: answers(str(command[0])))
    monkeypatch.setattr(colab_environment, "_of_uv", lambda _: "uv's")
    assert find_python() == "uv's"


@pytest.fixture
def made(monkeypatch, tmp_path):
    """A pretended environment, and how often it was made."""
    venv, log = tmp_path / ".venv-colab", []
    held = [line.replace("_", "-") for line in recorded()]

    def uv(command, *arguments):
        if command == "venv":
            log.append("made")
            (venv / "bin").mkdir(parents=True)
            (venv / "bin" / "python").touch()
        return "\n".join(held) if arguments[0] == "freeze" else ""

    for name, value in {
        **{"VENV": venv, "PYTHON": venv / "bin" / "python", "INSTALLED": venv / "installed"},
        **{"uv": uv, "find_python": lambda: "python3.13"},
    }.items():
        monkeypatch.setattr(colab_environment, name, value)
    return venv, log, held


def test_a_finished_environment_is_kept_and_any_other_made_afresh(made):
    venv, log, held = made
    colab_environment.make_environment()
    colab_environment.make_environment()
    assert log == ["made"] and (venv / "installed").exists()
    (venv / "installed").unlink()  # as an interruption leaves it
    (venv / "half").touch()
    colab_environment.make_environment()
    assert len(log) == 2 and not (venv / "half").exists()
    held.append("left-over==1.0")
    colab_environment.make_environment()
    assert len(log) == 3


def test_an_environment_without_a_listed_version_is_none(made):
    venv, _, held = made
    held.remove("numpy==2.1.3")
    with pytest.raises(RuntimeError, match=r"\.venv-colab lacks \['numpy==2\.1\.3'\]"):
        colab_environment.make_environment()
    assert not (venv / "installed").exists()


def test_a_learner_has_nothing_of_the_user(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "IPYTHONDIR", "PYTHONPATH", "RESNET_LESSONS_DATA"):
        monkeypatch.setenv(name, "/of/the/user")
    environment = colab_environment.of_a_learner(tmp_path / "home")
    assert "/of/the/user" not in environment.values()
    assert environment["HOME"] == environment["TMPDIR"] == str(tmp_path / "home")
