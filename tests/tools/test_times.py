"""What lessons and README promise of their running time agrees, and with what was measured."""

import re

import nbformat
import pytest

import measure_notebooks
from build_notebooks import ROOT, is_sheet, sources

LESSONS = [source for source in sources() if not is_sheet(source)]
# A lesson's words, how README writes them, and their seconds.
WORDS = {
    "a few seconds": ("a few s", 10),
    "a quarter of a minute": ("15 s", 15),
    "20 seconds": ("20 s", 20),
    "a third of a minute": ("20 s", 20),
    "half a minute": ("30 s", 30),
    "about half a minute": ("30 s", 30),
    "under a minute": ("< 1 min", 60),
    "about a minute": ("1 min", 60),
    "a minute": ("1 min", 60),
    "1 minute": ("1 min", 60),
    "about 2 minutes": ("2 min", 120),
    "2 minutes": ("2 min", 120),
    "5 minutes": ("5 min", 300),
}
every_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)


def promised(source) -> dict[str, str]:
    """The words of a lesson's line `Time to run`, by budget."""
    line = re.search(r"^\*\*Time to run:\*\* (.*)$", source.read_text("utf-8"), re.MULTILINE)[1]
    if everywhere := re.match(r"(.*?) in every budget", line):
        return dict.fromkeys(("quick", "cpu"), everywhere[1])
    return dict(re.findall(r"`(quick|cpu)` ([^,.;]+)", line))


@every_lesson
def test_the_readme_promises_what_the_lesson_promises(source):
    said = promised(source)
    columns = f"| {WORDS[said['quick']][0]} | {WORDS[said['cpu']][0]} |"
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    row = next(row for row in rows if f"](notebooks/{source.stem}.ipynb)" in row)
    assert columns in row, f"In README.md, in the row of {source.stem}, write: {columns}"


@every_lesson
def test_the_promise_agrees_with_what_was_measured(source):
    """Processor seconds do not exceed it by half; unless an upper bound, it is below two waits."""
    for budget, words in promised(source).items():
        if (source.stem, budget) in measure_notebooks.read():
            seconds, processor, _ = measure_notebooks.read()[source.stem, budget]
            promise = WORDS[words][1]
            assert processor <= 1.5 * promise, (budget, words)
            assert words.startswith("under ") or promise <= 2 * seconds, (budget, words)


def test_a_lesson_is_measured_and_left_as_it_is(tmp_path):
    path = tmp_path / "99_busy.ipynb"
    code = (
        "import os, time\nassert os.environ['RESNET_LESSONS_BUDGET'] == 'quick'\n"
        "time.sleep(1)\nstart = time.process_time()\nwhile time.process_time() < start + 1: pass"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    before = path.read_bytes()
    seconds, processor = measure_notebooks.measure(path, "quick")
    assert seconds > 2 and 1 < processor < seconds
    assert path.read_bytes() == before


def test_the_table_keeps_a_row_for_each_lesson_and_budget(tmp_path):
    file = tmp_path / "notebooks.md"
    rows = {
        ("01_b", "cpu"): (40, 30, "a machine, torch 2"),
        ("01_b", "quick"): (20, 10, "a machine, torch 2"),
        ("00_a", "cpu"): (50, 45, "another, torch 3"),
    }
    assert measure_notebooks.read(file) == {}
    measure_notebooks.keep(rows, file)
    assert measure_notebooks.read(file) == rows
    assert [*measure_notebooks.read(file)] == [("00_a", "cpu"), ("01_b", "quick"), ("01_b", "cpu")]
