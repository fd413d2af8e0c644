"""Measure what grading takes: python tools/measure_grading.py [--submissions 100] [--workers 1 2]

Submissions to sheet 03 are made from its source: half of them right, a quarter with a fault written
into the solution, a quarter damaged as tests/grading/submitted has it. Clock and processor time are
told; so it does not run on Windows, where Python lacks the module `resource`.
"""

import argparse
import collections
import csv
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from resnet_grading.__main__ import main as grade
from set_repository import ROOT

sys.path.insert(0, str(ROOT / "tests" / "grading"))
from submitted import CASES, SOLVED

# Faults, as replacements in the code of the solution.
FAULTS = (
    ("out + self.shortcut(x)", "out"),
    ("out + self.shortcut(x)", "out - self.shortcut(x)"),
    ("stride, padding=1, bias=False", "stride, padding=1"),
    ("1, stride, bias=False", "1, bias=False"),
    ("stride == 1 and in", "in"),
    ("0, 0, out_channels - x", "out_channels - x"),
    ("nn.init.zeros_(block.bn2.weight)", "nn.init.zeros_(block.conv2.weight)"),
    ("    return block", "    block.eval()"),
)


def notebooks(count: int) -> list[list[str]]:
    """The code cells of `count` submissions."""
    damaged = [case.cells for case in CASES if case.kind == "damaged"]
    made = []
    for number in range(count):
        cells = [*SOLVED, f"# submission {number}"]
        if number % 4 == 1:
            old, new = FAULTS[number // 4 % len(FAULTS)]
            cells = [cell.replace(old, new) for cell in cells]
        elif number % 4 == 3:
            cells = [*damaged[number // 4 % len(damaged)], f"# submission {number}"]
        made.append(cells)
    return made


def processor_seconds() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what grading takes.")
    parser.add_argument("--submissions", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "class")
        folder.mkdir()
        for number, cells in enumerate(notebooks(options.submissions)):
            told = [{"cell_type": "code", "source": cell, "metadata": {}} for cell in cells]
            text = json.dumps({"cells": told, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})
            (folder / f"student{number:03d}.ipynb").write_text(text, encoding="utf-8")
        for workers in options.workers:
            out = Path(name, f"grades{workers}.csv")
            clock, processor = time.perf_counter(), processor_seconds()
            grade([str(folder), "--sheet", "03", "--workers", str(workers), "--out", str(out)])
            clock, processor = time.perf_counter() - clock, processor_seconds() - processor
            report(out, workers, options.submissions, clock, processor)


def report(out: Path, workers: int, count: int, clock: float, processor: float) -> None:
    with out.open(newline="", encoding="utf-8") as file:
        totals = collections.Counter(row["Total"] for row in csv.DictReader(file))
    each = sorted(
        json.loads(path.read_text("utf-8"))["grade"]["seconds"]
        for path in (out.with_suffix("") / "records").glob("*.json")
    )
    print(f"{workers} workers: {clock:.1f} s on the clock, {processor:.1f} s of processor time")
    print(f"  a submission: {clock / count:.2f} s and {processor / count:.2f} s;", end=" ")
    print(f"median {each[count // 2]:.2f} s, slowest {each[-1]:.2f} s")
    print("  totals:", dict(totals.most_common(8)))


if __name__ == "__main__":
    main()
