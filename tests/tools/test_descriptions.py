"""Alternative text: every picture says in words what it shows, in notebooks, too."""

import copy
import io
import pickle
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from nbclient import NotebookClient

from build_notebooks import ROOT, described
from resnet_lessons import plots
from resnet_lessons.lab.results import Run
from resnet_lessons.networks.blocks import BasicBlock
from resnet_lessons.networks.resnet import resnet18
from resnet_lessons.plots.describe import MOST_LETTERS, describe
from resnet_lessons.plots.style import new_figure
from resnet_lessons.shapes import shape_table
from resnet_lessons.training.history import Ending, Epoch

NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
TEXTS = [ROOT / "README.md", ROOT / "INSTRUCTORS.md", *ROOT.glob("source/**/*.md")]


def run(kind, *errors):
    epochs = tuple(Epoch(n, 0.1, 1.0, e, 1.0, 2 * e, 3.0) for n, e in enumerate(errors, 1))
    shared = {"data_set": "mini", "origin": {}, "ending": Ending.FINISHED}
    return Run(kind=kind, depth=8, seed=0, epochs=epochs, **shared)


def test_curves_are_said_with_their_ends():
    trainings = [run("plain", 60, 50, 40.123), run("residual", 30)]
    assert describe(plots.curves(trainings, ("test_error",), title="A title")) == (
        "A title. test error (%) against epoch: plain-8 from 120 at 1 to 80.2 at 3; residual-8 60."
    )


def test_bars_are_said_with_their_names():
    drawing, axes = new_figure()
    axes[0, 0].bar(["stem", "head"], [1234.5, 0.25])
    assert describe(drawing) == "stem 1,234, head 0.25."
    sides, axes = new_figure()
    axes[0, 0].barh(range(2), [3, 4])
    axes[0, 0].set_yticks(range(2), ["upper", "lower"])
    assert describe(sides) == "upper 3, lower 4."


def test_many_bars_are_counted():
    drawing, axes = new_figure()
    axes[0, 0].bar(range(20), [1] * 5 + [7] + [2] * 14)
    assert describe(drawing) == "20 bars from 0 to 19, the longest 7 at 5."


def test_rows_of_changes_are_said_with_their_means():
    said = describe(plots.changes([run("plain", 60, 40), run("plain", 60, 20)], ("train_error",)))
    assert said == "training error (%): plain-8 30."


def test_pictures_are_said_with_their_titles():
    maps = plots.feature_maps(torch.rand(2, 4, 4), ("edges", "corners\nbelow"))
    assert describe(maps) == "2 pictures: edges; corners below."


def test_found_things_are_said():
    found = {"boxes": torch.ones(1, 4), "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
    said = describe(plots.boxes([torch.rand(3, 8, 8)], [found], ("ground", "disc")))
    assert said == "A picture: disc 0.90."


def test_drawings_are_said_with_what_is_written_on_them():
    said = describe(plots.block(BasicBlock(4, 8, 2), (1, 4, 8, 8), title="A block"))
    assert said.startswith("A block: A drawing of x; y; 4×8×8; conv 3×3")
    assert "projection shortcut" in said


def test_a_description_is_bounded():
    long = plots.network(shape_table(resnet18(), (1, 3, 64, 64)), title="word " * MOST_LETTERS)
    assert len(describe(long)) <= MOST_LETTERS and describe(long).endswith("…")


def test_an_empty_figure_says_so():
    assert describe(plt.Figure()) == "An empty picture."


def test_a_figure_can_be_copied_and_kept():
    figure = plots.curves([run("plain", 60, 40)])
    for twin in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
        assert repr(twin) == repr(figure) == describe(figure)
        twin.savefig(io.BytesIO(), format="png")
    plt.close("all")


def test_a_notebook_gets_it_and_figures_of_others_stay_as_they_are():
    """In a real kernel: as a value, displayed, and updated."""
    code = """\
import matplotlib.pyplot as plt
from IPython.display import display
from resnet_lessons.plots.style import new_figure
def picture(name):
    figure, axes = new_figure()
    axes[0, 0].plot([1, 2], [3, 4], label=name)
    return figure
handle = display(picture("first"), display_id=True)
handle.update(picture("second"))
plt.plot([1, 2])
plt.show()
picture("third")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    mine, theirs, last = notebook.cells[0].outputs
    for output, name in ((mine, "second"), (last, "third")):
        said = f"{name} from 3 at 1 to 4 at 2."
        assert output.data["text/plain"] == said
        assert output.metadata["image/png"]["alt"] == said
        assert "image/png" in output.data
    assert "image/png" in theirs.data and "alt" not in theirs.metadata.get("image/png", {})


def test_a_picture_of_others_gets_the_words_of_its_source():
    cell = nbformat.v4.new_code_cell("a photo", metadata={"alt": "A dog in the snow."})
    data = {"image/png": "", "image/jpeg": "", "text/plain": "<Image>"}
    given = described(nbformat.v4.new_output("display_data", data=dict(data)), cell)
    assert [given.metadata[kind]["alt"] for kind in list(data)[:2]] == ["A dog in the snow."] * 2
    assert "text/plain" not in given.metadata
    speaks = {"image/png": {"alt": "Its own.", "width": 3}}
    own = nbformat.v4.new_output("display_data", data={"image/png": ""}, metadata=speaks)
    assert described(own, cell).metadata == speaks
    without = nbformat.v4.new_output("display_data", data=dict(data))
    assert described(without, nbformat.v4.new_code_cell("")).metadata == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_of_a_notebook_is_described(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            for kind in output.get("data", ()):
                if kind.startswith("image/"):
                    said = output.metadata.get(kind, {}).get("alt", "")
                    assert len(said.split()) >= 3 and "<" not in said[:1], cell.source


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_picture_of_a_text_is_described(path):
    text = path.read_text(encoding="utf-8")
    for said in re.findall(r"!\[([^\]]*)\]\(", text):
        assert len(said.split()) >= 2, path
    for tag in re.findall(r"<img\b[^>]*>", text):
        assert re.search(r'alt="[^"]{8,}"', tag), tag
