"""Pictures of changed networks: each shows the numbers it was given."""

import matplotlib

matplotlib.use("Agg")  # no window, whatever the machine has

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from resnet_lessons import plots
from resnet_lessons.measure import LengthGradient, Lesion, PathGradient
from resnet_lessons.plots.style import colour_of, name_of


def lesion(count, error, kind="removed"):
    return Lesion(kind, count, ("block",) * count, error, 1.0)


LESIONS = {
    "removed": {
        ("plain", 20): [lesion(2, 80), lesion(0, 10), lesion(2, 90)],
        ("residual", 20): [lesion(0, 8), lesion(2, 12), lesion(2, 30)],
    },
    "in another order": {("residual", 20): [lesion(0, 8, "swapped"), lesion(1, 9, "swapped")]},
}


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_errors_are_drawn_against_the_size_of_the_lesion():
    figure = plots.lesion_errors(LESIONS, "A title")
    removed, swapped = figure.axes
    assert figure.get_suptitle() == "A title"
    assert [axes.get_title() for axes in figure.axes] == ["removed", "in another order"]
    assert removed.get_xlabel() == "blocks removed"
    assert swapped.get_xlabel() == "pairs of blocks swapped"
    assert removed.get_ylim() == swapped.get_ylim() == (0, 100)
    drawn = lines(removed)
    assert [*drawn["plain-20"].get_xdata()] == [0, 2]
    assert [*drawn["plain-20"].get_ydata()] == [10, 85]
    assert [*drawn["residual-20"].get_ydata()] == [8, 21]
    assert [*lines(swapped)["residual-20"].get_xdata()] == [0, 1]
    for network in LESIONS["removed"]:
        assert drawn[name_of(network)].get_color() == colour_of(network)
    assert drawn["plain-20"].get_linestyle() != drawn["residual-20"].get_linestyle()
    assert drawn["plain-20"].get_marker() != drawn["residual-20"].get_marker()
    for band, (low, high) in zip(removed.collections, ((80, 90), (12, 30)), strict=True):
        heights = [y for x, y in band.get_paths()[0].vertices if x == 2]
        assert (min(heights), max(heights)) == (low, high)
    assert swapped.get_legend() and not removed.get_legend()


LENGTHS = [
    LengthGradient(0, 1, 0.1, 0.05),
    LengthGradient(1, 2, 0.6, 0.55),
    LengthGradient(2, 1, 0.3, 0.4),
]
PATHS = [PathGradient(1, ("a",), 0.2), PathGradient(1, ("b",), 0.4), PathGradient(2, (), 0.4)]


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


def test_paths_are_counted_measured_and_summed():
    figure = plots.path_gradients(LENGTHS, PATHS, "A title")
    many, single, together = figure.axes
    assert figure.get_suptitle() == "A title"
    assert heights(many) == [25, 50, 25]
    dots, means = single.lines
    assert [*zip(*dots.get_data(), strict=True)] == [(1, 0.2), (1, 0.4), (2, 0.4)]
    assert [*means.get_xdata()] == [1, 2]
    assert means.get_ydata() == pytest.approx([0.3, 0.4])
    assert single.get_yscale() == "log"
    assert heights(together) == pytest.approx([10, 60, 30])
    (product,) = together.lines
    assert np.isnan(product.get_ydata()[0]), "of this length no path was measured"
    assert product.get_ydata()[1:] == pytest.approx([60, 40])
    assert [text.get_text() for text in together.get_legend().get_texts()] == [
        "number × norm",
        "their exact sum",
    ]
    assert {axes.get_xlabel() for axes in figure.axes} == {"residual branches on the path"}


def test_the_exact_sum_needs_no_single_paths():
    *_, together = plots.path_gradients(LENGTHS, []).axes
    assert heights(together) == pytest.approx([10, 60, 30]) and not together.lines


AT = [-1.0, 0.0, 1.0]
SLICES = {
    "one": {("plain", 44): [[4, 1, 9], [5, 1, 2000]], ("residual", 44): [[2, 0.5, 3]]},
    "two": {("plain", 44): [[3, 1, 3]]},
}


def test_each_slice_is_a_line_in_the_colour_of_its_network():
    figure = plots.loss_slices(SLICES, AT, "A title", top=100)
    one, two = figure.axes
    assert (one.get_title(), two.get_title()) == ("one", "two")
    assert one.get_yscale() == "log" and one.get_ylim() == two.get_ylim()
    assert one.get_ylim()[1] == 100 and one.get_ylim()[0] < 0.5
    assert [[*line.get_ydata()] for line in one.lines] == [[4, 1, 9], [5, 1, 2000], [2, 0.5, 3]]
    assert all([*line.get_xdata()] == AT for line in one.lines)
    colours = [to_rgba(line.get_color()) for line in one.lines]
    expected = [to_rgba(colour_of((kind, 44))) for kind in ("plain", "plain", "residual")]
    assert colours == expected
    assert [text.get_text() for text in one.get_legend().get_texts()] == ["plain-44", "residual-44"]
    (axes, _) = plots.loss_slices(SLICES, AT).axes
    assert axes.get_ylim()[1] > 2000


PLANES = {
    ("plain", 44): torch.tensor([[8.0, 4.0, 8.0], [4.0, 1.0, 16.0], [8.0, 4.0, 8.0]]),
    ("residual", 44): torch.tensor([[2.0, 1.0, 2.0], [1.0, 0.5, 1.0], [2.0, 1.0, 2.0]]),
}


def test_planes_share_their_contours_and_mark_the_weights():
    figure = plots.loss_planes(PLANES, AT, "A title", top=4.0)
    plain, residual, bar = figure.axes
    assert [plain.get_title(), residual.get_title()] == list(map(name_of, PLANES))
    assert bar.get_ylabel() == "loss"
    for axes in (plain, residual):
        filled = axes.collections[0]
        assert filled.levels[0] == pytest.approx(0.5) and filled.levels[-1] == pytest.approx(4.0)
        assert np.diff(np.log(filled.levels)).std() < 1e-6, "one factor from line to line"
        (dot,) = axes.lines
        assert dot.get_xydata().tolist() == [[0, 0]]
        assert axes.get_xlim() == axes.get_ylim() == (-1, 1)
    highest = plots.loss_planes(PLANES, AT).axes[0].collections[0].levels[-1]
    assert highest == pytest.approx(16.0)


def test_the_second_direction_goes_upwards():
    """The loss of row i lies at the height at[i], that of column j at the place at[j]."""
    plane = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [9.0, 1.0, 1.0]])
    axes = plots.loss_planes({("plain", 44): plane}, AT).axes[0]
    points = np.concatenate([path.vertices for path in axes.collections[1].get_paths()])
    assert len(points) and (points[:, 0] <= 0).all() and (points[:, 1] >= 0).all()
