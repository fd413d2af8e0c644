"""The commands that INSTRUCTORS.md names, so that tests can run them as they stand there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^(`{3,4})(\w+) (\S+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)

NEEDED = pytest.mark.skipif(
    not (shutil.which("make") and (Path(sys.prefix) / "bin" / "activate").exists()),
    reason="the commands are for make and an environment that is activated",
)


def exported_to(grader):
    """The marks of tests of what is made for `nbgrader` or `otter`, by its own slow commands."""
    missing = pytest.mark.skipif(
        find_spec(grader) is None, reason=f"{grader} is not installed; `make grading` adds it"
    )
    return [NEEDED, missing, pytest.mark.slow]


def blocks(language):
    """The blocks of a language, by the word behind it: a name, or the file that they belong to."""
    text = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    return {name: body for _, kind, name, body in BLOCK.findall(text) if kind == language}


def copied(folder):
    """A copy of the course in `folder`, with this environment as the one that it has installed."""
    # What Python has compiled comes along, but for files that it is just writing.
    skip = shutil.ignore_patterns(".*", "*.pyc.*", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, folder, ignore=skip)
    venv = folder / ".venv"
    venv.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name not in ("installed", "grading", "unfinished"):
            (venv / path.name).symlink_to(path)
    (venv / "installed").write_text(f"default {folder.resolve()}\n", encoding="utf-8")
    (venv / "grading").touch()
    return folder


def run(course, *names):
    """Run blocks of commands, each from the folder of the course; return what they print."""
    activate = "set -e\nsource .venv/bin/activate\n"
    printed = ""
    for name in names:
        done = subprocess.run(
            ["bash", "-c", activate + blocks("sh")[name]],
            **{"cwd": course, "env": environment(course), "timeout": 900},
            **{"capture_output": True, "text": True},
        )
        assert done.returncode == 0, f"{name}:\n{(done.stdout + done.stderr)[-3000:]}"
        printed += done.stdout + done.stderr
    return printed


def environment(course):
    names = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON", "TORCH_BACKEND", "ONLY")
    kept = {key: value for key, value in os.environ.items() if key not in names}
    return {**kept, "PYTHONPATH": str(course)}


def repository(course):
    project = tomllib.loads((course / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/")
