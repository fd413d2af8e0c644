"""Rehearse Google Colab, on its own versions: python tools/rehearse_colab.py [02 exercises/02 ...]

Makes an environment of what a learner finds there (tests/colab/versions-*.txt) in .venv-colab, and
lets every notebook run in an empty folder, the course not installed: the first cell has to install
it, from a wheel that stands for the repository's address, and may change nothing else. Then again,
as after a restart of the runtime. At last the explorers' own tests. A rehearsal of everything is
written into tests/colab/last_run.md.
"""

import argparse
import dataclasses
import datetime
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from build_notebooks import build_whole, chosen, name_of, notebook_path, sources
from colab_environment import (
    ADDED,
    NO_NEWER,
    PYTHON,
    VENV,
    build_wheel,
    commit,
    freeze,
    make_environment,
    of_a_learner,
    recorded,
    run,
    uninstall,
    uv,
)
from colab_outputs import faults, freeze_faults, makes_explorer, verdict_faults
from set_repository import ROOT

RECORD = ROOT / "tests" / "colab" / "last_run.md"
HAD = "in August 2026"
BY_GIT = "03_the_residual_block"  # fetches a commit with git, as Colab does, and not the wheel
ANSWERED = "exercises/03_the_residual_block"
TESTS = [f"tests/test_{name}.py" for name in ("widgets", "training_explorer", "stepping", "inside")]
# Packages as old as these use what newer ones deprecate; the course itself must not.
FILTERS = "ignore\nerror:::resnet_lessons"


@dataclasses.dataclass
class Row:
    """What became of a notebook.

    Attributes:
        seconds: of its first run, and of the one after a restart.
        explorers: cells that show one.
        kept: files with networks that the first run left for the second.
    """

    name: str
    seconds: list[float]
    explorers: int
    kept: int
    faults: list[str]

    def cells(self) -> list[str]:
        outcome = "; ".join(self.faults).replace("|", "\\|").replace(f"{ROOT}/", "") or "ran"
        counts = (str(count or "") for count in (self.explorers, self.kept))
        return [self.name, *(f"{s:.0f} s" for s in self.seconds), *counts, outcome]


# --- a notebook ---


def execute(notebook: NotebookNode, path: Path, environment: dict) -> tuple[NotebookNode, float]:
    """Run a notebook by Colab's versions alone, from a new file at `path`; and its seconds."""
    nbformat.write(notebook, path)
    how = ("--inplace", "--allow-errors", "--timeout=900", "--kernel_name=python3")
    start = time.monotonic()
    run(VENV / "bin" / "jupyter-execute", *how, path, cwd=path.parent, env=environment)
    return nbformat.read(path, as_version=4), time.monotonic() - start


def kept_files(home: Path) -> dict[Path, int]:
    """When each file that the course keeps in the user's cache was written."""
    files = home.glob("**/resnet_lessons/**/*")
    return {path: path.stat().st_mtime_ns for path in files if path.suffix == ".pt"}


def rehearse(name: str, notebook: NotebookNode, source: str, folder: Path) -> Row:
    """Run a notebook without the course, and again as after a restart."""
    folder.mkdir()
    home, path = folder / "home", folder / "content" / f"{Path(name).name}.ipynb"
    path.parent.mkdir()
    environment = of_a_learner(
        home, RESNET_LESSONS_SOURCE=source, PIP_CACHE_DIR=str(folder.parent / "pip")
    )
    row = Row(name, [], sum(map(makes_explorer, notebook.cells)), 0, [])
    make_environment()  # afresh, if the notebook before has changed it
    before = freeze()
    try:
        done, seconds = execute(notebook, path, environment)
        row.seconds.append(seconds)
        row.faults += faults(done, fresh=True)
        after, kept = freeze(), kept_files(home)
        row.kept = len(kept)
        row.faults += freeze_faults(before, after, ADDED)
        done, seconds = execute(notebook, path, environment)
        row.seconds.append(seconds)
        row.faults += [f"after a restart, {what}" for what in faults(done, fresh=False)]
        row.faults += freeze_faults(after, freeze(), ())
        again = kept_files(home)
        row.faults += [f"it made {f.name} again" for f in kept if again.get(f) != kept[f]]
    except RuntimeError as error:
        row.faults.append(str(error).splitlines()[-1])
    row.seconds += [float("nan")] * (2 - len(row.seconds))
    return row


def answered() -> NotebookNode:
    """A sheet with right answers, but for one whose block forgets its shortcut."""
    source = next(source for source in sources() if name_of(source) == ANSWERED)
    sheet = build_whole(source)
    block = next(cell for cell in sheet.cells if "class ResidualBlock" in cell.source)
    block.source = block.source.replace("out + self.shortcut(x)", "out")
    return sheet


def rehearse_answers(folder: Path, wheel: str) -> list[str]:
    """What is wrong with the boxes that show whether an answer is right."""
    folder.mkdir()
    environment = of_a_learner(folder / "home", RESNET_LESSONS_SOURCE=wheel)
    done, _ = execute(answered(), folder / "answered.ipynb", environment)
    return [*faults(done, fresh=False), *verdict_faults(done, "✓✓✓✗✓")]


def run_tests(folder: Path, wheel: str) -> str:
    """Run the explorers' tests on the installed wheel, and say how they ended."""
    uninstall()
    uv("pip", "install", "--python", PYTHON, "--no-deps", wheel)
    suite, tester, held = folder / "suite", folder / "pytest", folder / "held.txt"
    for name in ("tests", "tools"):  # without the package, which would be found before the wheel
        shutil.copytree(ROOT / name, suite / name)
    shutil.copy(ROOT / "pyproject.toml", suite)
    held.write_text("\n".join(line for line in freeze() if "==" in line), encoding="utf-8")
    add = ("pip", "install", "--python", PYTHON, "--target", tester, "--constraint", held)
    uv(*add, "--exclude-newer", NO_NEWER, "pytest", "hypothesis")
    environment = of_a_learner(folder / "home", PYTHONPATH=str(tester))
    strict = ("-q", "-o", f"filterwarnings={FILTERS}")
    try:
        said = run(PYTHON, "-m", "pytest", *strict, *TESTS, cwd=suite, env=environment)
    except RuntimeError as error:
        print(error)
        return "failed"
    return re.sub(r" in [\d.]+s.*", "", said.splitlines()[-1]).strip("= ")


# --- what is told ---


def table(rows: list[Row]) -> str:
    head = ["notebook", "first run", "after a restart", "explorers", "kept", "outcome"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def record(rows: list[Row], answers: list[str], tests: str, today: datetime.date) -> str:
    """The text of tests/colab/last_run.md."""
    ask = "import platform, torch; print(platform.python_version(), torch.cuda.is_available())"
    python, has_gpu = run(PYTHON, "-c", ask).split()
    versions = ", ".join(line.replace("==", " ") for line in recorded())
    gpu = "a GPU" if has_gpu == "True" else "no GPU"
    machine = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors, {gpu}"
    return f"""\
# The last rehearsal of Google Colab

Written by `make test-colab` on {today:%Y-%m-%d}.

- **Python** {python}. {machine}.
- **Versions**, those of Colab {HAD}: {versions}.
  All else as it was to be had before {NO_NEWER}.
- **Each notebook** ran in an empty folder, in the `quick` budget, where the course was not
  installed: its first cell did it, from a wheel; in `{BY_GIT}` from a commit, by git.
  Then it ran once more in a new kernel, as after a restart, with the files of networks that it had
  kept, so many.
- **Ran** means: the first cell added `d2l` and `resnet_lessons`, and no other package was added,
  replaced or removed; the same kernel went on. Twice no error but those that a lesson intends,
  nothing on stderr, no warning, every explorer both a widget and a picture or table. No
  kept network was made again.
- **Not shown:** Colab's own page, its GPU, fetching from GitHub, and downloads of data and weights,
  which were forbidden.

{table(rows)}

A sheet with four right answers and a wrong one: {"; ".join(answers) or "a box for each, as due"}.

The explorers' own tests, `pytest {" ".join(TESTS)}`: {tests}.
"""


def readme_sentence(text: str) -> str:
    """What README.md says of a record."""
    day = re.search(r"on (\d{4}-\d\d-\d\d)\.$", text, re.MULTILINE)[1]
    outcomes = [
        line.split(" | ")[-1] for line in text.splitlines() if re.match(r"\| .*\d\d_", line)
    ]
    ran = sum(outcome == "ran |" for outcome in outcomes)
    how_many = f"all {ran}" if ran == len(outcomes) else f"{ran} of {len(outcomes)}"
    return (
        f"On {day}, {how_many} notebooks ran without an error or a warning on the versions that "
        f"Colab had {HAD}: [the rehearsal](tests/colab/last_run.md)."
    )


def rehearse_each(lessons: list[Path], wheel: str, folder: Path) -> Iterator[Row]:
    """Run the notebooks of these sources, one at a time."""
    repository = commit(folder / "course.git")
    for number, source in enumerate(lessons):
        name = name_of(source)
        notebook = nbformat.read(notebook_path(source), as_version=4)
        for cell in notebook.cells:  # what is judged must have been made here
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        address = repository if name == BY_GIT else wheel
        yield rehearse(name, notebook, address, folder / f"runtime-{number}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Rehearse Google Colab on its own versions.")
    parser.add_argument("names", nargs="*", help="beginnings of names, as 02 or exercises/02")
    names, rows = parser.parse_args(arguments).names, []
    try:
        lessons = chosen(names)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary).resolve()
            make_environment()
            wheel = build_wheel(folder / "wheel")
            for row in rehearse_each(lessons, wheel, folder):
                print(*row.cells(), sep="  ", flush=True)
                rows.append(row)
            answers = rehearse_answers(folder / "answers", wheel)
            print("answers:", *(answers or ["right and wrong are told apart"]), flush=True)
            tests = run_tests(folder, wheel)
            print("tests:", tests)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{table(rows)}")
    if not names:
        text = record(rows, answers, tests, datetime.datetime.now(datetime.UTC).date())
        RECORD.write_text(text, encoding="utf-8")
        print(f"\nIn README.md, under In Google Colab, write:\n{readme_sentence(text)}")
    return int(tests == "failed" or bool(answers) or any(row.faults for row in rows))


if __name__ == "__main__":
    sys.exit(main())
