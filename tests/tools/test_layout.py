"""Notebooks can be found one's way in, and seen whole on a laptop: headings, widths, colours."""

import base64
import io
import re

import nbformat
import pytest
from PIL import Image

from build_notebooks import ROOT, build, name_of, sources
from resnet_lessons import cifar_resnet, shape_table
from resnet_lessons.checks.verdict import Verdict
from resnet_lessons.environment import report
from resnet_lessons.widgets.explorer import Shown

# JupyterLab in a window of 1280 px leaves about 1000 px to an output, and a letter takes 7.8 px.
LETTERS = 120
# A picture a little wider than the output is drawn smaller there; by a tenth it can still be read.
PIXELS = 1100
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_source = pytest.mark.parametrize("source", sources(), ids=name_of)
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


# --- headings ---


def headings(cells) -> list[tuple[int, str]]:
    """(level, words) of the headings of Markdown cells, in order; code between fences has none."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return [(len(m[1]), m[2].strip()) for m in re.finditer(r"^(#{1,6}) (.+)$", text, re.MULTILINE)]


def trouble_with(found: list[tuple[int, str]]) -> list[str]:
    """What keeps headings from being a table of contents; empty where nothing does."""
    levels = [level for level, _ in found]
    words = [title.casefold() for _, title in found]
    trouble = [f"{title!r} twice" for title in sorted({w for w in words if words.count(w) > 1})]
    if levels[:1] != [1] or levels.count(1) != 1:
        trouble.append(f"one title, and first: {levels}")
    for before, (level, title) in zip(levels, found[1:], strict=False):
        if level > before + 1:
            trouble.append(f"{title!r} skips from level {before} to {level}")
    return trouble


@every_source
def test_headings_make_a_table_of_contents(source):
    found = headings(build(source).cells)
    assert trouble_with(found) == []
    assert len(found) > 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# A\n## B\n### C\n## D", ""),
        ("# A\n```\n# a comment\n```\n## B", ""),
        ("# A\n## B\n## b", "'b' twice"),
        ("# A\n### B", "'B' skips from level 1 to 3"),
        ("# A\n# B", "one title"),
        ("## A\n# B", "one title"),
        ("no heading", "one title"),
    ],
)
def test_trouble_with_headings_is_seen(text, words):
    trouble = trouble_with(headings([nbformat.v4.new_markdown_cell(text)]))
    assert words in "; ".join(trouble) and bool(trouble) == bool(words)


# --- widths ---


def too_wide(output) -> list[str]:
    """The lines and pictures of an output that a laptop's window does not hold.

    Sentences are broken where a window ends. Columns, bars and single words cannot be.
    """
    data = output.get("data", {})
    text = [output.get("text", ""), *output.get("traceback", [])]
    if not {"text/html", "image/png"} & set(data):
        text.append(data.get("text/plain", ""))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(text)).splitlines()
    wide = [
        line
        for line in lines
        if max(map(len, line.split(" "))) > LETTERS
        or (len(line) > LETTERS and re.search(r"\S {2,}\S|[|│█]", line))
    ]
    if coded := data.get("image/png"):
        width = Image.open(io.BytesIO(base64.b64decode(coded))).width
        wide += [f"a picture of {width} px"] if width > PIXELS else []
    return wide


@every_lesson
def test_no_output_is_wider_than_a_laptop(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert too_wide(output) == [], cell.source


def picture(width: int) -> dict:
    file = io.BytesIO()
    Image.new("L", (width, 2)).save(file, "PNG")
    return {"image/png": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize(
    ("kind", "content", "fits"),
    [
        ("stream", "a sentence goes on " * 20, True),
        ("stream", "column  " * 20, False),
        ("stream", "50%|█████ " + "left " * 30, False),
        ("stream", "w" * 121, False),
        ("stream", "w" * 120, True),
        ("display_data", {"text/plain": "column  " * 20}, False),
        ("display_data", {"text/plain": "column  " * 20, "text/html": "<table></table>"}, True),
        ("display_data", picture(PIXELS), True),
        ("display_data", picture(PIXELS + 1), False),
    ],
)
def test_what_is_too_wide_is_seen(kind, content, fits):
    key = "text" if kind == "stream" else "data"
    output = nbformat.v4.new_output(kind, **{key: content})
    assert (too_wide(output) == []) == fits


# --- dark pages and light ones ---


def colours_set(markup: str) -> list[str]:
    """The colours of text and of backgrounds that inline styles set; borders may have any."""
    styles = re.findall(r"""style=["']([^"']*)["']""", markup)
    return [
        part.strip()
        for style in styles
        for part in style.split(";")
        if re.match(r"\s*(color|background(-color)?)\s*:", part)
    ]


def verdict(state: str) -> Verdict:
    return Verdict("Title", state, 1, 2, probe="`x`", seen="Seen.", idea="Idea.", hint="Hint.")


def shown_as_html() -> dict[str, str]:
    """One of everything that the package shows as HTML, but for pictures."""
    net = cifar_resnet(8, in_channels=1)
    return {
        "shape table": shape_table(net, (1, 1, 28, 28))._repr_html_(),
        "machine": report()._repr_html_(),
        **{
            f"verdict {state}": verdict(state)._repr_html_()
            for state in ("right", "wrong", "not attempted")
        },
        **{
            f"explorer {fault}": Shown(
                ("Words.",), None, fault, (("a", "b"), ("1", "2")), ("Numbers.",)
            ).html()
            for fault in (True, False)
        },
    }


def test_text_takes_the_colours_of_the_page():
    """With neither colour set, text is as readable on a dark page as the page's own."""
    for name, markup in shown_as_html().items():
        assert colours_set(markup) == [], name


@pytest.mark.parametrize(
    ("style", "found"),
    [
        ("border-left:1em solid #D55E00;padding:0", []),
        ("padding:0; color : black", ["color : black"]),
        ("background:#fff;color:#000", ["background:#fff", "color:#000"]),
        ("background-color:white", ["background-color:white"]),
    ],
)
def test_a_colour_that_is_set_is_seen(style, found):
    assert colours_set(f'<p style="{style}">x</p>') == found
