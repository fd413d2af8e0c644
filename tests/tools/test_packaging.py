"""Installing: one list of requirements, one address, a whole wheel, one environment."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from build_notebooks import problems, sources
from set_repository import ROOT, colab_badge, repository, set_repository

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
LAB = PROJECT["project"]["optional-dependencies"]["lab"]
OVERRIDES = PROJECT["tool"]["uv"]["override-dependencies"]
COLAB = (ROOT / "tests" / "colab" / "versions-2026-08.txt").read_text(encoding="utf-8")
CAPTURED = {"capture_output": True, "text": True, "timeout": 300}


def by_name(lines):
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


# --- requirements ---


def test_requirements_txt_and_pyproject_agree():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == [*RUNTIME, *LAB, "-e ."]
    assert "pip install --no-deps d2l==1.0.3" in text


def test_ranges_end_at_a_major_version_and_admit_colab_and_this_environment():
    colab = by_name(line for line in COLAB.splitlines() if line and not line.startswith("#"))
    recorded = {name for name, line in colab.items() if str(line.specifier).startswith("==")}
    assert set(by_name(RUNTIME)) - recorded == {"filelock", "platformdirs"} < set(colab)
    for name in recorded & set(by_name(RUNTIME + LAB)):
        version_there = str(colab[name].specifier).removeprefix("==")
        assert by_name(RUNTIME + LAB)[name].specifier.contains(version_there), name
    for name, requirement in by_name(RUNTIME + LAB).items():
        assert requirement.specifier.contains(version(name).partition("+")[0]), name
        assert re.fullmatch(r"<\d+,>=[\d.]+", str(requirement.specifier)), name


def test_d2l_stands_where_pip_does_not_look_and_loses_all_its_pins():
    assert PROJECT["dependency-groups"]["d2l"] == ["d2l==1.0.3"]
    extras = PROJECT["project"]["optional-dependencies"].values()
    assert "d2l" not in by_name([*RUNTIME, *(line for extra in extras for line in extra)])
    overrides = by_name(OVERRIDES)
    assert set(overrides) == set(by_name(requires("d2l")))
    assert not overrides.pop("jupyter").marker.evaluate()
    ours = by_name(RUNTIME + LAB)
    assert overrides == {name: ours[name] for name in overrides}


# --- the wheel ---


def test_the_wheel_holds_both_packages_their_data_and_the_results(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in ("resnet_grading", "resnet_lessons")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    results = {
        f"resnet_lessons/_results/{path.name}" for path in (ROOT / "results").glob("*.jsonl")
    }
    assert any(name.endswith(".npz") for name in files) and results
    assert {name for name in names if ".dist-info/" not in name} >= files | results
    assert {name.partition("/")[0] for name in names} == {
        "resnet_grading",
        "resnet_lessons",
        "resnet_lessons-0.1.0.data",
        "resnet_lessons-0.1.0.dist-info",
    }


def test_the_wheel_tells_jupyterlab_to_save_what_explorers_show(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if ".data/" in name)
    place = name.partition(".data/data/")[2]
    assert re.fullmatch(r"etc/jupyter/labconfig/default_setting_overrides\.d/\w+\.json", place)
    assert json.loads(archive.read(name)) == {
        "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}
    }


def test_the_wheel_asks_for_nothing_but_what_the_package_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = re.findall(r"^Requires-Dist: (.*)$", archive.read(metadata).decode(), re.MULTILINE)
    needed = [line for line in lines if "extra ==" not in line]
    assert by_name(needed) == by_name(RUNTIME)
    assert "d2l" not in by_name(lines)


# --- the address ---


@pytest.fixture
def copy(tmp_path):
    """A copy of the course's files."""
    folder = tmp_path / "copy"
    skip = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, folder, ignore=skip)
    return folder


def texts(root):
    """Every text file of a course, by its path."""
    kinds = {".py", ".md", ".toml", ".txt", ".ipynb", ""}
    return {
        path.relative_to(root): path.read_text(encoding="utf-8")
        for path in root.rglob("*")
        if path.is_file() and path.suffix in kinds
    }


def test_the_address_is_changed_in_one_place(copy):
    """By hand it is written in pyproject.toml and the documents only; all that has it follows."""
    old = repository(copy)
    before = texts(copy)
    having = {path for path, text in before.items() if old in text}
    by_hand = {path for path in having if path.suffix != ".ipynb" and path.parent != Path()}
    assert by_hand == set()
    done = subprocess.run(
        [sys.executable, "tools/set_repository.py", "ada/my.nets-2"], cwd=copy, **CAPTURED
    )
    assert (done.returncode, done.stderr) == (0, "")
    after = texts(copy)
    assert repository(copy) == "ada/my.nets-2"
    assert {path for path in after if before[path] != after[path]} == having
    assert not [path for path, text in after.items() if old in text]
    assert set(problems(copy)) == set(problems())
    for path in having:
        assert after[path] == before[path].replace(old, "ada/my.nets-2")
    notebooks = [path for path in having if path.suffix == ".ipynb"]
    assert len(notebooks) == len(sources(copy))
    for path in notebooks:
        badge = colab_badge(path.as_posix(), copy)
        assert "github/ada/my.nets-2/" in badge and badge in after[Path("README.md")]


def test_outputs_survive_a_new_address(copy):
    notebooks = sorted(copy.glob("notebooks/*.ipynb"))
    before = [nbformat.read(path, as_version=4) for path in notebooks]
    set_repository("ada/nets", copy)
    for path, old in zip(notebooks, before, strict=True):
        new = nbformat.read(path, as_version=4)
        assert [cell.get("outputs") for cell in new.cells] == [c.get("outputs") for c in old.cells]


def test_an_interrupted_change_of_address_can_be_run_again(copy, monkeypatch):
    (copy / "README.md").write_text(f"https://github.com/{repository(copy)}.", encoding="utf-8")
    write_bytes = Path.write_bytes

    def power_cut(path, data):
        write_bytes(path, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", power_cut)
        set_repository("ada/nets", copy)
    set_repository("ada/nets", copy)
    assert repository(copy) == "ada/nets"
    assert (copy / "README.md").read_text(encoding="utf-8") == "https://github.com/ada/nets."


@pytest.mark.parametrize(
    "address",
    [
        *("", "ada", "ada/", "ada/a/b", "ada/..", "ada/nets.git", "ada/nets\n", "é/nets"),
        *("a_b/nets", "-a/nets", "a-/nets", "a--b/nets", f"{'a' * 40}/nets", "YOUR_ACCOUNT/nets"),
        "https://github.com/ada/nets",
    ],
)
def test_an_address_that_github_cannot_have_is_refused(address, tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with pytest.raises(ValueError, match="owner/name"):
        set_repository(address, tmp_path)
    assert (tmp_path / "pyproject.toml").read_bytes() == (ROOT / "pyproject.toml").read_bytes()


# --- README ---


def test_the_readmes_badge_of_python_is_what_the_package_demands():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    head = (ROOT / "README.md").read_text(encoding="utf-8").partition("\nA course")[0]
    assert f"![Python {oldest} or newer]" in head
    assert f"/python-{oldest}%20or%20newer-" in head


# --- the Makefile ---


class Course:
    """A folder with a Makefile, and what `make -n` says it would do there."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("Makefile", "pyproject.toml", "requirements.txt"):
            shutil.copy(ROOT / name, folder)

    def make(self, *arguments):
        # The make that may have started this test has its own settings.
        names = (
            "MAKEFLAGS",
            "MFLAGS",
            "MAKELEVEL",
            "PYTHON",
            "TORCH_BACKEND",
            "LAB_ARGS",
            "TEST_ARGS",
        )
        environment = {k: v for k, v in os.environ.items() if k not in names}
        return subprocess.run(["make", *arguments], cwd=self.folder, env=environment, **CAPTURED)

    def plan(self, *arguments):
        done = self.make("-n", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def pretend_installed(self, backend="default"):
        venv = self.folder / ".venv"
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin" / "python").symlink_to(sys.executable)
        (venv / "installed").write_text(f"{backend} {self.folder}\n", encoding="utf-8")
        (venv / "grading").touch()


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "a course"
    folder.mkdir()
    return Course(folder.resolve())


def test_make_alone_lists_the_targets(course):
    listed = course.make().stdout
    for target in (
        "lab",
        "test",
        "test-browser",
        "test-colab",
        "notebooks",
        "bench",
        "kill-table",
        "badges",
        "clean",
    ):
        assert f"make {target} " in listed


def test_make_lab_installs_once(course):
    plan = course.plan("lab", "LAB_ARGS=--no-browser")
    assert "-m venv .venv" in plan and "uv pip install" in plan
    assert "--torch-backend" not in plan and "rm -rf" not in plan
    assert re.search(r"jupyterlab .*00_start_here\.ipynb .*--no-browser$", plan, re.MULTILINE)
    course.pretend_installed()
    plan = course.plan("lab")
    assert "jupyterlab" in plan and "install" not in plan


def test_what_graders_need_is_added_where_it_is_asked_for_and_nowhere_else(course):
    course.pretend_installed()
    (course.folder / ".venv" / "grading").unlink()
    assert "--group grading\n" in course.plan("grading")
    (course.folder / ".venv" / "installed").unlink()
    for target in ("lab", "test", "notebooks"):
        assert "--group grading" not in course.plan(target)
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert commands.index("make grading") < commands.index("make test")


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_may_open_the_course_where_there_is_no_other_user(course, user, allowed, monkeypatch):
    course.pretend_installed()
    programs = course.folder.parent / "programs"
    programs.mkdir()
    (programs / "id").write_text(f"#!/bin/sh\necho {user}\n", encoding="utf-8")
    (programs / "id").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    words = course.plan("lab", "LAB_ARGS=--no-browser").split()
    assert ("--allow-root" in words) == allowed and words[-1] == "--no-browser"


def test_make_test_checks_style_and_runs_pytest(course):
    course.pretend_installed()
    assert course.plan("test", "TEST_ARGS=-k shapes -n0").splitlines() == [
        ".venv/bin/python -m ruff check",
        ".venv/bin/python -m ruff format --check",
        ".venv/bin/python -m pytest -n logical --maxprocesses 8 --dist loadfile -k shapes -n0",
    ]


def test_what_drives_a_browser_is_added_where_it_is_used(course):
    course.pretend_installed()
    plan = course.plan("test-browser")
    assert "--group browser\n" in plan and plan.endswith("-m pytest tests/browser \n")
    (course.folder / ".venv" / "browser").touch()
    assert "install" not in course.plan("test-browser")
    assert "--group browser" not in course.plan("test")


@pytest.mark.parametrize("changed", ["pyproject.toml", "requirements.txt"])
def test_new_requirements_are_installed_into_the_same_environment(course, changed):
    course.pretend_installed()
    assert "install" not in course.plan("lab")
    an_hour_on = time.time() + 3600
    os.utime(course.folder / changed, (an_hour_on, an_hour_on))
    done = course.make("-n", "lab")
    assert "uv pip install" in done.stdout and "rm -rf" not in done.stdout


def test_another_torch_backend_makes_a_new_environment_and_is_remembered(course):
    assert "--torch-backend cpu" in course.plan("lab", "TORCH_BACKEND=cpu")
    course.pretend_installed("cpu")
    assert "install" not in course.plan("lab", "TORCH_BACKEND=cpu")
    assert "install" not in course.plan("test")
    plan = course.plan("lab", "TORCH_BACKEND=cu126")
    assert "rm -rf .venv" in plan and "--torch-backend cu126" in plan
    plan = course.plan("lab", "TORCH_BACKEND=default")
    assert "rm -rf .venv" in plan and "--torch-backend" not in plan


@pytest.mark.parametrize("broken", ["install", "update", "moved", "without its Python"])
def test_a_broken_environment_is_made_afresh(course, broken):
    """With the same torch, unless that never was installed: its name may be what was wrong."""
    course.pretend_installed("cpu")
    venv = course.folder / ".venv"
    if broken == "install":
        (venv / "installed").rename(venv / "unfinished")
    elif broken == "update":
        shutil.copy2(venv / "installed", venv / "unfinished")
    elif broken == "moved":
        course.folder = course.folder.rename(course.folder.parent / "moved")
    else:
        (venv / "bin" / "python").unlink()
        (venv / "bin" / "python").symlink_to(course.folder / "gone")
    plan = course.plan("lab")
    assert "rm -rf .venv" in plan
    assert ("--torch-backend cpu" in plan) == (broken != "install")


def test_an_environment_that_make_did_not_make_is_not_thrown_away(course):
    course.pretend_installed()
    (course.folder / ".venv" / "installed").unlink()
    plan = course.plan("lab")
    assert "uv pip install" in plan and "rm -rf" not in plan


def test_an_old_python_is_refused_in_one_sentence(course):
    old = course.folder.parent / "python3.9"
    pretend = "import sys; sys.version_info = (3, 9, 1); exec(sys.argv[2])"
    old.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{pretend}' \"$@\"\n", encoding="utf-8")
    old.chmod(0o755)
    refused = course.make("lab", f"PYTHON={old}")
    assert refused.returncode != 0
    sentence = refused.stderr.splitlines()[0]
    assert "needs Python 3.11 or newer" in sentence and "is 3.9" in sentence
    assert not (course.folder / ".venv").exists()
