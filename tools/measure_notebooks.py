"""Measure how long the lessons run: python tools/measure_notebooks.py [02 ...] [--budget quick cpu]

Each lesson is executed from top to bottom in a kernel of its own, one after the other, in a copy
of the folder, so that no notebook changes. The table in results/notebooks.md keeps one row a lesson
and budget; a new measurement takes the place of the old. Processor seconds are those of the kernel
and of what it started: on a machine that has other work they are the steadier figure.
"""

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import torch

from build_notebooks import ROOT, chosen, execute, is_sheet, notebook_path

RESULTS = ROOT / "results" / "notebooks.md"
BUDGETS = ("quick", "cpu", "gpu")
HEAD = """\
# How long the lessons run

`python tools/measure_notebooks.py` writes this table. *Seconds* go from the start of a lesson's
kernel to the end of its last cell; *processor seconds* are those of that kernel. The rows that come
with the course are of a machine that had other work at the same time, so that the seconds are on
the high side. What is not in the table was not measured.

| lesson | budget | seconds | processor seconds | measured on |
| --- | --- | --- | --- | --- |
"""
ROW = re.compile(r"\| (\d\d_\w+) \| (\w+) \| (\d+) \| (\d+) \| (.+) \|")
PROCESSOR = "import os\nprint(sum(os.times()[:4]))"  # of the kernel and its children


def measure(path: Path, budget: str) -> tuple[float, float]:
    """Execute a notebook's copy; return its seconds, and the processor seconds of its kernel.

    Raises:
        RuntimeError: a cell failed; the message names it.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PROCESSOR))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "notebooks"
        shutil.copytree(path.parent, copy, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        start = time.perf_counter()
        execute(notebook, copy, budget)
        seconds = time.perf_counter() - start
    return seconds, float(notebook.cells[-1].outputs[0].text)


def machine() -> str:
    """Processor, threads, versions and date, as a row of the table names them."""
    name = platform.processor() or platform.machine()
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    return (
        f"{name}, {os.cpu_count()} cores, OMP_NUM_THREADS={threads}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"{datetime.now(UTC):%Y-%m-%d}"
    )


def read(file: Path = RESULTS) -> dict[tuple[str, str], tuple[int, int, str]]:
    """The table's rows: (lesson, budget) to seconds, processor seconds, and the machine."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return {
        (name, budget): (int(seconds), int(processor), where)
        for name, budget, seconds, processor, where in ROW.findall(text)
    }


def keep(rows: dict[tuple[str, str], tuple[int, int, str]], file: Path = RESULTS) -> None:
    """Write the table, by lesson and then by budget."""
    order = sorted(rows, key=lambda row: (row[0], BUDGETS.index(row[1])))
    lines = [f"| {' | '.join(map(str, (*key, *rows[key])))} |\n" for key in order]
    file.write_text(HEAD + "".join(lines), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure how long the lessons run.")
    parser.add_argument("names", nargs="*", help="beginnings of names, as 02")
    parser.add_argument("--budget", nargs="+", choices=BUDGETS, default=["quick", "cpu"])
    options = parser.parse_args(arguments)
    try:
        lessons = [source for source in chosen(options.names) if not is_sheet(source)]
    except RuntimeError as error:
        parser.error(str(error))
    failed = 0
    for budget in options.budget:
        for source in lessons:
            print(f"{source.stem} {budget}", end=": ", flush=True)
            try:
                seconds, processor = measure(notebook_path(source), budget)
            except RuntimeError as error:
                print(error)
                failed = 1
                continue
            print(f"{seconds:.0f} s, processor {processor:.0f} s")
            row = (round(seconds), round(processor), machine())
            keep({**read(), (source.stem, budget): row})
    return failed


if __name__ == "__main__":
    sys.exit(main())
