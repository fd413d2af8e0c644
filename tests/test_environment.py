"""The environment report: each trouble from facts made up for it, and this machine's own facts."""

import os
import re
import stat
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch

from resnet_lessons import budget, environment
from resnet_lessons.environment import Facts, Report, problems, report, rows

LAPTOP = Facts(
    place="jupyter",
    python="3.13.5",
    packages={
        "torch": "2.15.0+cpu",
        "torchvision": "0.30.0",
        "d2l": "1.0.3",
        "jupyterlab": "4.5.0",
        "ipywidgets": "8.1.7",
    },
    threads=(4, 8),
    memory=16.9,
    free_memory=9.44,
    free_disk=120.0,
)
CUDA = {**LAPTOP.packages, "torch": "2.15.0+cu130"}
WORKSTATION = replace(
    LAPTOP,
    packages=CUDA,
    cuda_build="13.0",
    gpu="GPU, NVIDIA RTX 4000, 20 GB",
    nvidia=True,
    driver="580.65.06",
)
COLAB = replace(
    WORKSTATION,
    place="colab",
    packages={**CUDA, "torch": "2.11.0+cu128", "jupyterlab": None, "ipywidgets": "7.7.1"},
    cuda_build="12.8",
    gpu="GPU, Tesla T4, 16 GB",
)
UNSEEN = replace(WORKSTATION, gpu=None)
SAID = "CUDA initialization: CUDA unknown error - this may be due to an incorrectly set up machine."
MAKE, UV = "`make lab TORCH_BACKEND=auto`", "`uv pip install --reinstall --torch-backend=auto"
NEW_COLAB = "Disconnect and delete runtime"


def changed(facts, **packages):
    return replace(facts, packages={**facts.packages, **packages})


# --- the cases ---


@pytest.mark.parametrize(
    "facts",
    [
        *(LAPTOP, WORKSTATION, COLAB),
        replace(LAPTOP, place="terminal"),
        changed(LAPTOP, jupyterlab=None, ipywidgets=None),
        changed(LAPTOP, torch="2.6.0"),
        replace(LAPTOP, python="3.11.0rc1"),
        replace(LAPTOP, memory=None, free_memory=None, free_disk=None),
        replace(LAPTOP, free_memory=2.0, free_disk=2.0),
        replace(LAPTOP, budget_variable="quick"),
        replace(LAPTOP, budget_variable=""),
        replace(LAPTOP, visible_devices=""),  # hides nothing where nothing is
        replace(WORKSTATION, visible_devices="0"),
        replace(COLAB, driver="550.54.15"),
    ],
)
def test_no_problem_is_one_line(facts):
    assert problems(facts) == ()
    shown = Report(rows(facts), problems(facts))
    assert repr(shown).splitlines()[-1] == "No problem found."
    assert shown._repr_html_().endswith("<p>No problem found.</p>")


@pytest.mark.parametrize(
    ("facts", "trouble", "cure"),
    [
        pytest.param(replace(LAPTOP, python="3.9.1"), "3.9.1, but", "PYTHON=python3", id="python"),
        pytest.param(
            changed(LAPTOP, torch="2.5.1+cu121"),
            "torch is 2.5.1+cu121, but the course needs 2.6 or newer",
            "`pip install -r requirements.txt`",
            id="torch",
        ),
        pytest.param(changed(COLAB, torch="1.13.0"), "needs 2.6", NEW_COLAB, id="torch in Colab"),
        pytest.param(
            replace(COLAB, gpu=None, nvidia=False, driver=None),
            "no GPU",
            "Runtime → Change runtime type → T4 GPU",
            id="Colab",
        ),
        pytest.param(
            replace(LAPTOP, nvidia=True, driver="535.104.05"),
            "built without CUDA",
            MAKE,
            id="no CUDA",
        ),
        pytest.param(
            replace(COLAB, gpu=None, cuda_build=None),
            "built without CUDA",
            NEW_COLAB,
            id="no CUDA in Colab",
        ),
        pytest.param(
            replace(UNSEEN, driver="535.104.05", gpu_refusal=SAID),
            "the driver is 535.104.05, but a torch built for CUDA 13.0 needs 580 or newer",
            MAKE,
            id="driver",
        ),
        pytest.param(
            replace(UNSEEN, cuda_build="12.8", driver="515.43"), "needs 525", UV, id="driver for 12"
        ),
        pytest.param(
            replace(UNSEEN, visible_devices=""), "is '', which hides it", "unset", id="hidden"
        ),
        pytest.param(
            replace(UNSEEN, visible_devices="-1"), "is '-1', which", "`unset", id="hidden by -1"
        ),
        pytest.param(UNSEEN, "torch cannot use it.", "`nvidia-smi`", id="refused"),
        pytest.param(
            replace(UNSEEN, driver=None, gpu_refusal=SAID), SAID, "--gpus all", id="refused aloud"
        ),
        pytest.param(
            replace(UNSEEN, cuda_build="14.1"), "cannot use it.", "nvidia-smi", id="new CUDA"
        ),
        pytest.param(
            changed(LAPTOP, d2l=None),
            "d2l, the package of the book",
            "Run `%pip install --no-deps d2l==1.0.3`.",
            id="d2l",
        ),
        pytest.param(
            replace(changed(LAPTOP, d2l=None), place="terminal"),
            "is missing",
            "Run `pip install --no-deps d2l==1.0.3`.",
            id="d2l in a terminal",
        ),
        pytest.param(
            replace(LAPTOP, d2l_lacks=("PIL", "matplotlib_inline")),
            "cannot be imported without pillow, matplotlib-inline;",
            "`%pip install pillow matplotlib-inline`",
            id="what d2l imports",
        ),
        pytest.param(
            replace(LAPTOP, budget_variable="gpus"),
            "RESNET_LESSONS_BUDGET is 'gpus', but a budget is one of quick, cpu, gpu.",
            "`%env RESNET_LESSONS_BUDGET=cpu`",
            id="budget",
        ),
        pytest.param(
            replace(LAPTOP, place="terminal", budget_variable="GPU"),
            "is 'GPU'",
            "`export RESNET_LESSONS_BUDGET=cpu`",
            id="budget in a terminal",
        ),
        pytest.param(
            replace(LAPTOP, free_memory=1.24), "Only 1.2 GB of memory", "Shut down", id="memory"
        ),
        pytest.param(replace(LAPTOP, free_disk=0.0), "Only 0.0 GB of disk", "Delete", id="disk"),
    ],
)
def test_a_problem_names_the_trouble_and_the_cure(facts, trouble, cure):
    (problem,) = problems(facts)
    assert trouble in problem.trouble and cure in problem.cure
    for sentence in problem:
        assert re.fullmatch(r"[\w`].*[^.]\.", sentence, re.DOTALL) and "\n" not in sentence
    text = repr(Report(rows(facts), (problem,)))
    assert "1 problem found:" in text and problem.trouble in text and problem.cure in text


def test_several_problems_are_all_named():
    facts = replace(
        changed(UNSEEN, d2l=None), driver="470.82.01", visible_devices="", free_disk=1.0
    )
    found = problems(facts)
    assert len(found) == 4 and len({problem.trouble for problem in found}) == 4
    assert "4 problems found:" in repr(Report(rows(facts), found))


# --- what is shown ---


def test_every_fact_is_a_row_and_missing_ones_are_named():
    table = dict(rows(COLAB))
    assert table["running in"] == "Google Colab"
    assert table["jupyterlab"] == "not installed"
    assert table["device"] == "GPU, Tesla T4, 16 GB"
    assert table["processor threads"] == "4 of 8"
    assert table["memory"] == "9.4 GB free of 17 GB"
    assert table["free disk"] == "120 GB"
    assert table["budget"] == "gpu (detected)"
    silent = dict(
        rows(replace(LAPTOP, memory=16.9, free_memory=None, free_disk=None, threads=(2, None)))
    )
    assert (silent["memory"], silent["free disk"]) == ("17 GB", "unknown")
    assert silent["processor threads"] == "2" and silent["device"] == "CPU"
    assert dict(rows(replace(LAPTOP, memory=None, free_memory=None)))["memory"] == "unknown"
    forced = dict(rows(replace(LAPTOP, budget_variable="quick")))
    assert forced["budget"] == "quick (set by RESNET_LESSONS_BUDGET)"


class Tags(HTMLParser):
    """Checks that what is opened is closed, and keeps the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_table_is_whole_escaped_and_leaves_colours_to_the_theme():
    facts = replace(
        UNSEEN, gpu_refusal="<b>no</b> & never", budget_variable="<i>", packages=LAPTOP.packages
    )
    page = Report(rows(facts), problems(facts))._repr_html_()
    tags = Tags()
    tags.feed(page)
    assert tags.open == [] and "<b>no</b> & never" in tags.text and "'<i>'" in tags.text
    assert "<code>nvidia-smi</code>" in page and "`" not in tags.text
    assert "color" not in page and "background" not in page


# --- this machine ---


@pytest.fixture
def fresh_environment(monkeypatch):
    for name in ("RESNET_LESSONS_BUDGET", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def test_the_report_of_this_machine_is_quick_and_tells_no_folder(fresh_environment):
    report()  # the first question to CUDA may load its driver
    started = time.perf_counter()
    found = report()
    assert time.perf_counter() - started < 1
    table = dict(found.rows)
    assert table["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert table["torch"] == torch.__version__
    assert table["running in"] == "a terminal"
    assert table["budget"] == f"{budget.name()} (detected)"
    for text in (repr(found), found._repr_html_()):
        assert os.getcwd() not in text and os.path.expanduser("~") + "/" not in text


def test_colab_is_known_by_its_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", environment)
    assert environment.probe().place == "colab"


def test_the_environment_variables_are_read(monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_BUDGET", "quik")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    facts = environment.probe()
    assert (facts.budget_variable, facts.visible_devices) == ("quik", "-1")
    assert any("'quik'" in problem.trouble for problem in report().problems)


def broken(*_, **__):
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (environment.metadata, "version"),
        (environment.importlib.util, "find_spec"),
        (environment.shutil, "disk_usage"),
        (environment.shutil, "which"),
        (environment.torch.cuda, "is_available"),
        (environment.Path, "glob"),
        (environment.Path, "read_text"),
        (environment.os, "sysconf"),
        (environment, "in_notebook"),
    ],
)
def test_nothing_that_fails_stops_the_report(monkeypatch, owner, name):
    monkeypatch.setattr(owner, name, broken)
    found = report()
    monkeypatch.undo()
    assert repr(found) and found._repr_html_()


def test_what_torch_says_of_a_gpu_is_kept_from_the_screen(monkeypatch, recwarn):
    def refuses():
        warnings.warn(f"{SAID} (Triggered internally at /a/b.cpp:109.)", UserWarning, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", refuses)
    facts = environment.probe()
    assert (facts.gpu, facts.gpu_refusal) == (None, SAID)
    assert not recwarn.list


def test_a_gpu_that_torch_sees_is_named_and_nothing_else_is_asked(monkeypatch):
    class Properties:
        name, total_memory = "Tesla T4", 15_828_320_256

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    monkeypatch.setattr(environment, "_nvidia", broken)
    facts = environment.probe()
    assert facts.gpu == "GPU, Tesla T4, 16 GB"
    assert facts.nvidia


# --- asking for the driver ---

NEW = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
OLD = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Puts an nvidia-smi on the path that runs the given lines of shell."""

    def put(*lines):
        file = tmp_path / "nvidia-smi"
        file.write_text("\n".join(["#!/bin/sh", *lines]) + "\n", encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return put


@pytest.mark.parametrize(("text", "driver"), [(NEW, "580.65.06"), (OLD, "535.104.05"), ("?", None)])
def test_linux_tells_the_driver(tmp_path, text, driver):
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (tmp_path / "version").write_text(text + "GCC version: 12.2.0\n", encoding="utf-8")
    assert environment._nvidia(tmp_path) == (True, driver)


def test_a_driver_without_a_gpu_is_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    (tmp_path / "gpus").mkdir()
    (tmp_path / "version").write_text(NEW, encoding="utf-8")
    assert environment._nvidia(tmp_path) == (False, None)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["echo 535.104.05", "echo 535.104.05"], (True, "535.104.05")),
        (["echo NVIDIA-SMI has failed to reach the driver", "exit 9"], (False, None)),
        (["echo No devices were found", "exit 0"], (False, None)),
        (["exec sleep 20"], (True, None)),
    ],
)
def test_nvidia_smi_is_asked_and_not_waited_for(tmp_path, tool, lines, found):
    tool(*lines)
    started = time.perf_counter()
    assert environment._nvidia(tmp_path / "no driver") == found
    assert time.perf_counter() - started < 5


def test_the_report_imports_nothing_that_it_reports():
    code = (
        "import sys; from resnet_lessons import environment; "
        "environment.report(); print(sorted({'d2l', 'matplotlib', 'torchvision', 'pandas'} & "
        "set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
