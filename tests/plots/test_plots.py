"""Pictures: each draws the data it was given, says what it shows, and leaves no figure open."""

import gc
import io
import math
from itertools import pairwise

import matplotlib

matplotlib.use("Agg")  # no window, whatever the machine has

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from nbclient import NotebookClient

from resnet_lessons import plots
from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab.results import Run
from resnet_lessons.measure import (
    LayerGradient,
    LayerResponse,
    LengthGradient,
    Lesion,
    PathGradient,
)
from resnet_lessons.networks.blocks import BasicBlock, Bottleneck, PlainBlock
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.hrnet import HighResolutionModule
from resnet_lessons.networks.preact import PreActBlock
from resnet_lessons.networks.res2net import Res2NetBlock
from resnet_lessons.networks.resnet import resnet18
from resnet_lessons.plots.style import NAMES, NEUTRAL
from resnet_lessons.shapes import shape_table
from resnet_lessons.training.history import Ending, Epoch, History


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").take(30, 10)


def epochs(*errors):
    """Epochs with these training errors; every other figure is another multiple of them."""
    return [Epoch(n, 0.1 / n, e / 30, e, e / 20, 2 * e, 3.0) for n, e in enumerate(errors, 1)]


def history(kind, depth, *errors, seed=0):
    """A live training; its label is no more than a name."""
    return History(f"{kind}-{depth}", seed, epochs(*errors), kind=kind, depth=depth)


def nameless(label, *errors):
    """A live training of which nothing is known but what it is called."""
    return History(label, 0, epochs(*errors))


def run(kind, depth, *errors, seed=0, **number):
    shared = {"data_set": "mini", "origin": {}, "ending": Ending.FINISHED}
    return Run(kind=kind, depth=depth, seed=seed, epochs=tuple(epochs(*errors)), **number, **shared)


def lines(axes):
    """The points of every line with more than one, by its label in order of drawing."""
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def band(axes, number=0):
    """The lowest and highest value of a band at each x."""
    corners = axes.collections[number].get_paths()[0].vertices
    at = {}
    for x, y in corners:
        at.setdefault(x, set()).add(y)
    return {x: (min(values), max(values)) for x, values in sorted(at.items())}


PLAIN = "plain", 8
GRADIENTS = {
    ("plain", 8): [LayerGradient("conv1", 0.5, 1.0), LayerGradient("conv2", 0.25, 1.0)],
    ("residual", 8): [LayerGradient(str(n), 2.0**-n, 1.0) for n in range(5)],
}
RESPONSES = {
    ("plain", 8): [LayerResponse(str(n), std, False) for n, std in enumerate((1.0, 3.0, 2.0))],
    ("residual", 8): [
        LayerResponse(str(n), std, n % 2 == 0) for n, std in enumerate((0.2, 0.1, 0.4))
    ],
}
DETECTED = {
    "boxes": torch.tensor([[1.0, 2.0, 5.0, 6.0]]),
    "labels": torch.tensor([1]),
    "scores": torch.tensor([0.9]),
}
PICTURES = {
    "curves": lambda data: plots.curves([history("plain", 8, 60, 40)], ("train_error", "lr")),
    "curves_by_kind": lambda data: plots.curves_by_kind([run("plain", 8, 60), run("res", 8, 50)]),
    "error_against_depth": lambda data: plots.error_against_depth([run("plain", 8, 50, 20)]),
    "gradient_norms": lambda data: plots.gradient_norms(GRADIENTS),
    "layer_responses": lambda data: plots.layer_responses(RESPONSES),
    "images": lambda data: plots.images(data),
    "feature_maps": lambda data: plots.feature_maps(torch.rand(5, 6, 6)),
    "histograms": lambda data: plots.histograms({"plain": torch.randn(50)}, "value"),
    "block_by_block": lambda data: plots.block_by_block({"norm": {"plain": [1, 2]}}),
    "guesses": lambda data: plots.guesses(data, torch.zeros(4, dtype=torch.int64)),
    "costs": lambda data: plots.costs(shape_table(resnet18(), (1, 3, 64, 64))),
    "network": lambda data: plots.network(shape_table(resnet18(), (1, 3, 64, 64))),
    "block": lambda data: plots.block(BasicBlock(4, 8, 2), (1, 4, 8, 8)),
    "misfit": lambda data: plots.misfit(PlainBlock(4, 8, 2), (1, 4, 8, 8)),
    "boxes": lambda data: plots.boxes([torch.rand(3, 8, 8)], [DETECTED], ("ground", "disc")),
    "chain": lambda data: plots.chain(Res2NetBlock(16, 8), (1, 16, 4, 4)),
    "exchange": lambda data: plots.exchange(
        HighResolutionModule([2, 4]), [(1, 2, 8, 8), (1, 4, 4, 4)]
    ),
    "error_against_cost": lambda data: plots.error_against_cost(
        [run("wide", 8, 9, x=1.2, unit="million")]
    ),
    "error_against_images": lambda data: plots.error_against_images(
        [run("tuned", 14, 9, x=8, unit="images")]
    ),
    "through_depth": lambda data: plots.through_depth(
        {"fresh": {("plain", 8): [1.0, 2.0]}}, "norm"
    ),
    "shattering": lambda data: plots.shattering({("plain", 8): torch.randn(9, 2)}, [1, 2], 8),
    "changes": lambda data: plots.changes([run("plain", 8, 50, 20)]),
    "heatmaps": lambda data: plots.heatmaps(data.test.images[:3], torch.rand(3, 7, 7)),
    "lesion_errors": lambda data: plots.lesion_errors(
        {"removed": {("plain", 8): [Lesion("removed", 0, (), 9.0, 1.0)]}}
    ),
    "path_gradients": lambda data: plots.path_gradients(
        [LengthGradient(0, 1, 1.0, 1.0)], [PathGradient(0, (), 1.0)]
    ),
    "loss_slices": lambda data: plots.loss_slices({"one": {("plain", 8): [[2, 1, 2]]}}, (-1, 0, 1)),
    "loss_planes": lambda data: plots.loss_planes({("plain", 8): torch.rand(3, 3)}, (-1, 0, 1)),
}


# What all pictures have in common


def test_every_picture_is_tested_here():
    assert {*PICTURES, "LiveCurves"} == set(plots.__all__)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_a_closed_figure_that_can_be_drawn(mini, name):
    before = dict(matplotlib.rcParams)
    figure = PICTURES[name](mini)
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == [], "a notebook would show it twice"
    assert dict(matplotlib.rcParams) == before, "it changed how others' figures look"
    assert figure.get_facecolor() == (1, 1, 1, 1)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=72)
    assert file.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    [
        "curves",
        "curves_by_kind",
        "error_against_cost",
        "error_against_depth",
        "error_against_images",
        "gradient_norms",
        "layer_responses",
        "histograms",
        "block_by_block",
        "costs",
        "path_gradients",
    ],
)
def test_axes_are_labelled(mini, name):
    for axes in PICTURES[name](mini).axes:
        assert axes.get_ylabel()
        assert axes.get_xlabel() or [tick.get_text() for tick in axes.get_xticklabels()]


def test_a_title_is_shown(mini):
    figures = [
        plots.curves([nameless("x", 1)], title="A title"),
        plots.error_against_depth([run("plain", 8, 1)], title="A title"),
        plots.curves_by_kind([run("plain", 8, 1)], title="A title"),
        plots.layer_responses(RESPONSES, title="A title"),
    ]
    assert all(figure.get_suptitle() == "A title" for figure in figures)
    others = [
        plots.gradient_norms(GRADIENTS, title="A title"),
        plots.network(shape_table(cifar_resnet(8), (1, 3, 8, 8)), title="A title"),
        plots.block(PlainBlock(2, 2), (1, 2, 4, 4), title="A title"),
    ]
    assert all(figure.axes[0].get_title() == "A title" for figure in others)


# Curves


@pytest.mark.parametrize("name", NAMES)
def test_curves_draw_the_figure_asked_for(name):
    trainings = [history("plain", 8, 60, 40, 30), run("residual", 20, 50, 35)]
    (axes,) = plots.curves(trainings, (name,)).axes
    assert axes.get_xlabel() == "epoch" and axes.get_ylabel() == NAMES[name]
    assert lines(axes) == [
        ([1, 2, 3], trainings[0].column(name)),
        ([1, 2], [getattr(epoch, name) for epoch in trainings[1].epochs]),
    ]
    assert sorted(texts(axes.figure)) == ["plain-8", "residual-20"]
    assert axes.get_ylim()[0] == 0


def test_one_panel_a_figure():
    figure = plots.curves([history("plain", 8, 60, 40)], ("test_error", "train_error", "seconds"))
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "test error (%)",
        "training error (%)",
        "seconds an epoch",
    ]
    assert [lines(axes)[0][1] for axes in figure.axes] == [[120, 80], [60, 40], [3, 3]]
    assert [axes.lines[0].get_linestyle() for axes in figure.axes] == ["--", "-", "-"]


def test_several_seeds_are_a_mean_and_a_band():
    trainings = [history("plain", 8, 60, 40, seed=s) for s in range(2)]
    trainings += [history("plain", 8, 90, 10, seed=2), history("residual", 8, 30, 20)]
    (axes,) = plots.curves(trainings).axes
    assert lines(axes) == [([1, 2], [70, 30]), ([1, 2], [30, 20])]
    assert len(axes.collections) == 1, "a single training has no band"
    assert band(axes) == {1: (60, 90), 2: (10, 40)}
    assert sorted(texts(axes.figure)) == ["plain-8", "residual-8"]


def test_a_training_without_an_epoch_is_left_out():
    (axes,) = plots.curves([history("plain", 8), history("residual", 8, 50)]).axes
    assert lines(axes) == [([1], [50])]


def test_plain_and_residual_differ_and_deeper_is_darker():
    pairs = [(kind, depth) for kind in ("plain", "residual") for depth in (8, 20, 44, 56, 110)]
    trainings = [history(*pair, 60, 40) for pair in pairs]
    (axes,) = plots.curves([*trainings, nameless("plain by name alone", 60, 40)]).axes
    *colours, other = [line.get_color() for line in axes.lines]
    plain, residual = colours[:5], colours[5:]
    assert all(red > blue for red, _, blue in plain) and len(set(other)) == 1
    assert all(blue > red for red, _, blue in residual)
    for deeper in (plain, residual):
        assert all(sum(a) > sum(b) + 0.05 for a, b in pairwise(deeper))
        assert all(0 <= channel <= 1 for colour in deeper for channel in colour)


def test_many_epochs_have_a_marker_every_few():
    for count, every in ((30, 1), (31, 3), (120, 10)):
        (axes,) = plots.curves([history("plain", 8, *range(count, 0, -1))]).axes
        assert axes.lines[0].get_markevery() == every


def test_names_at_the_ends_do_not_overlap():
    (axes,) = plots.curves([history("plain", d, 60, 40) for d in (8, 14, 20, 32)]).axes
    heights = sorted(text.xyann[1] for text in axes.texts)
    assert len(heights) == 4
    assert min(np.diff(heights)) > 0.05 * axes.get_ylim()[1]


def test_kinds_stand_side_by_side_on_one_scale():
    trainings = [run("plain", 8, first, 40, seed=first) for first in (55, 65)]
    trainings += [history("plain", 20, 70, 30)]
    trainings += [run("residual", 8, 50, 10), history("residual", 20, 90, 20)]
    figures = ("train_error", "test_error")
    plain_train, residual_train, plain_test, residual_test = plots.curves_by_kind(trainings).axes
    for times, panels in ((1, (plain_train, residual_train)), (2, (plain_test, residual_test))):
        plain, residual = panels
        assert lines(plain) == [
            ([1, 2], [60 * times, 40 * times]),
            ([1, 2], [70 * times, 30 * times]),
        ]
        assert lines(residual) == [
            ([1, 2], [50 * times, 10 * times]),
            ([1, 2], [90 * times, 20 * times]),
        ]
        assert plain.get_ylim() == residual.get_ylim()
        assert plain.get_ylim()[0] == 0 and plain.get_ylim()[1] >= 90 * times
        assert {axes.get_ylabel() for axes in panels} == {NAMES[figures[times - 1]]}
        assert len(plain.collections) == 1 and band(plain)[1] == (55 * times, 65 * times)
        assert sorted(text.get_text() for text in plain.texts) == ["plain-20", "plain-8"]
        assert sorted(text.get_text() for text in residual.texts) == ["residual-20", "residual-8"]
    columns = [axes.get_subplotspec().colspan.start for axes in (plain_train, residual_train)]
    assert columns == [0, 1]


def test_the_axes_of_kinds_end_where_asked():
    trainings = [run("plain", 8, 60, 40), run("residual", 8, 50, 10)]
    panels = plots.curves_by_kind(trainings, ("train_error",), top=45).axes
    assert [axes.get_ylim() for axes in panels] == [(0, 45)] * 2
    for top in (0, -1, "40", math.inf):
        with pytest.raises((TypeError, ValueError), match=r"^top is .*, but it must be"):
            plots.curves_by_kind(trainings, top=top)
    assert plt.get_fignums() == []


# Error against depth


def test_the_last_error_is_drawn_against_depth():
    runs = [
        run("plain", 20, 70, 30, seed=0),
        run("plain", 20, 70, 36, seed=1),
        run("plain", 8, 70, 20),
        run("residual", 8, 70, 18),
        history("residual", 20, 60, 12),
    ]
    train, test = plots.error_against_depth(runs).axes
    for axes, times, name in ((train, 1, "training error (%)"), (test, 2, "test error (%)")):
        assert axes.get_ylabel() == name and axes.get_xlabel() == "depth (layers)"
        means = {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}
        assert list(means) == ["plain", "residual"]
        assert list(means["plain"].get_xdata()) == [8, 20]
        assert list(means["plain"].get_ydata()) == [20 * times, 33 * times]
        assert list(means["residual"].get_ydata()) == [18 * times, 12 * times]
        dots = {
            (x, y)
            for line in axes.lines
            if line.get_label()[0] == "_"
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        }
        expected = [(20, 30), (20, 36), (8, 20), (8, 18), (20, 12)]
        assert dots == {(depth, error * times) for depth, error in expected}
        assert band(axes)[20] == (30 * times, 36 * times)
        assert list(axes.get_xticks()) == [8, 20]
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain", "residual"]
    assert train.get_ylim() == test.get_ylim() and train.get_ylim()[0] == 0


def test_a_training_without_a_depth_is_named():
    words = r"training 'CifarResNet' has the kind None and the depth None, .*; set both, .*depth=20"
    with pytest.raises(ValueError, match=words):
        plots.error_against_depth([nameless("CifarResNet", 50)])


def test_a_training_that_finished_no_epoch_has_no_depth_to_draw():
    train, _ = plots.error_against_depth([history("plain", 8), history("plain", 20, 50, 40)]).axes
    assert list(train.get_xticks()) == [20]


# A figure that there is not


@pytest.mark.parametrize(
    "draw",
    [
        lambda name: plots.curves([history("plain", 8, 60)], (name,)),
        lambda name: plots.curves_by_kind([run("plain", 8, 60)], (name,)),
        lambda name: plots.error_against_depth([run("plain", 8, 60)], (name,)),
        lambda name: plots.LiveCurves(name),
    ],
)
@pytest.mark.parametrize("name", ["train_eror", "epoch"])
def test_a_figure_that_there_is_not_is_named(draw, name):
    with pytest.raises(ValueError, match=rf"figures? is '{name}', but .*'train_error'.*; "):
        draw(name)
    assert plt.get_fignums() == []


# Gradients, responses, images, feature maps


def test_gradient_norms_run_from_the_first_layer_to_the_last():
    (axes,) = plots.gradient_norms(GRADIENTS).axes
    assert lines(axes) == [
        ([0, 1], [0.5, 0.25]),
        ([0, 0.25, 0.5, 0.75, 1], [1, 0.5, 0.25, 0.125, 0.0625]),
    ]
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain-8", "residual-8"]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["first layer", "half-way", "last layer"]


def test_layer_responses_are_drawn_in_their_order_and_by_size():
    ordered, by_size = plots.layer_responses(RESPONSES).axes
    assert lines(ordered) == [([1, 2, 3], [1.0, 3.0, 2.0]), ([1, 2, 3], [0.2, 0.1, 0.4])]
    assert lines(by_size)[:2] == [([1, 2, 3], [3.0, 2.0, 1.0]), ([1, 2, 3], [0.4, 0.2, 0.1])]
    for axes, plain_dots, residual_dots in ((ordered, [], [0, 2]), (by_size, [], [0, 1])):
        plain, residual = axes.lines[:2]
        assert (plain.get_linestyle(), residual.get_linestyle()) == ("--", "-")
        assert (plain.get_markevery(), residual.get_markevery()) == (plain_dots, residual_dots)
        assert (plain.get_marker(), residual.get_marker()) == ("None", "o")
        assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > 3
    assert "first to the last" in ordered.get_xlabel() and "size" in by_size.get_xlabel()
    assert by_size.get_ylim() == ordered.get_ylim()
    legend = [text.get_text() for text in by_size.get_legend().get_texts()]
    assert legend == ["plain-8", "residual-8", "F(x) of a block"]


def test_without_a_residual_branch_no_dot_is_explained():
    _, axes = plots.layer_responses({PLAIN: RESPONSES[PLAIN]}).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain-8"]


def test_histograms_count_every_value_once_on_one_scale():
    values = {"plain": torch.tensor([[-3.0, 0.5], [0.5, 0.5]]), "residual": torch.arange(10.0)}
    panels = plots.histograms(values, xlabel="value of F(x)").axes
    assert [axes.get_title() for axes in panels] == ["plain", "residual"]
    assert all(axes.get_xlabel() == "value of F(x)" for axes in panels)
    assert panels[0].get_xlim() == panels[1].get_xlim()
    for axes in panels:
        assert -4 < axes.patches[0].get_x() <= -3
        assert 9 <= axes.patches[-1].get_x() + axes.patches[-1].get_width() < 10
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)
    assert max(bar.get_height() for bar in panels[0].patches) == pytest.approx(75)


def test_block_by_block_counts_from_one():
    measured = {"norm": {"plain": [1.0, 2.0, 4.0], "residual": [3.0, 5.0]}, "share": {"plain": [1]}}
    norm, share = plots.block_by_block(measured).axes
    assert lines(norm) == [([1, 2, 3], [1, 2, 4]), ([1, 2], [3, 5])]
    assert lines(share) == [([1], [1])]
    assert (norm.get_ylabel(), share.get_ylabel()) == ("norm", "share")
    assert norm.get_xlabel() == "block" and norm.get_ylim()[0] == 0
    assert [text.get_text() for text in norm.get_legend().get_texts()] == ["plain", "residual"]


def test_one_layer_is_enough_for_a_picture():
    (axes,) = plots.gradient_norms({"one": [LayerGradient("conv", 0.5, 1.0)]}).axes
    assert lines(axes) == [([0], [0.5])]


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (7, 7), (20, 20), (1000, 30)])
def test_images_stand_under_their_names(mini, count, shown):
    panels = [axes for axes in plots.images(mini, count, columns=6).axes if axes.images]
    assert len(panels) == shown
    for index, axes in enumerate(panels):
        picture = axes.images[0]
        assert np.array_equal(picture.get_array(), mini.train.images[index, 0])
        assert picture.get_clim() == (0, 255)
        assert axes.get_title() == mini.class_names[mini.train.labels[index]]
    assert len({axes.get_subplotspec().rowspan.start for axes in panels}) == math.ceil(shown / 6)


def test_a_wrong_guess_is_framed_above_the_right_class(mini):
    classes = mini.test.labels[:6].clone()
    classes[2] = (classes[2] + 1) % 10
    panels = [axes for axes in plots.guesses(mini, classes, columns=4).axes if axes.images]
    assert len(panels) == 6
    for index, axes in enumerate(panels):
        assert np.array_equal(axes.images[0].get_array(), mini.test.images[index, 0])
        right, guess = (mini.class_names[each[index]] for each in (mini.test.labels, classes))
        assert axes.get_title().split("\n") == [guess, f"({right})" if index == 2 else ""]
        assert len(axes.patches) == (index == 2)


def test_feature_maps_share_one_grey_scale():
    maps = torch.linspace(-1, 3, 10 * 4).view(10, 2, 2).requires_grad_()
    panels = [axes for axes in plots.feature_maps(maps, columns=4).axes if axes.images]
    assert len(panels) == 10
    for index, axes in enumerate(panels):
        assert np.array_equal(axes.images[0].get_array(), maps[index].detach())
        assert axes.images[0].get_clim() == (-1, 3)
        assert axes.get_title() == f"channel {index}"
    named = plots.feature_maps(maps[:2], titles=("edges", "corners")).axes
    assert [axes.get_title() for axes in named] == ["edges", "corners"]


# Structure


def test_a_network_is_a_box_a_row_with_its_shape():
    table = shape_table(resnet18(), (2, 3, 64, 64))
    (axes,) = plots.network(table).axes
    shown = texts(axes.figure)
    assert shown[:2] == ["3\n64×64", "input"]
    for row, text in (("layer1.0", "64\n16×16"), ("layer4.1", "512\n2×2"), ("fc", "1000")):
        assert shown[shown.index(row) - 1] == text
    boxes = [(box.get_width(), box.get_height()) for box in axes.patches]
    assert len(boxes) == len(shown) // 2
    names = shown[1::2]
    thin, thick = boxes[names.index("layer1.0")], boxes[names.index("layer4.1")]
    assert thick[0] / thin[0] == pytest.approx((512 / 64) ** 0.5)
    assert thin[1] / thick[1] == pytest.approx((16 / 2) ** 0.5)


def test_costs_are_those_of_the_table_by_stage():
    table = shape_table(resnet18(), (1, 3, 64, 64))
    panels = plots.costs(table).axes
    for axes, name in zip(panels, ("parameters", "multiply_adds"), strict=True):
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
        heights = dict(zip(ticks, (bar.get_height() for bar in axes.patches), strict=True))
        assert sum(heights.values()) == pytest.approx(getattr(table, name) / 1e6)
        assert heights["head"] == pytest.approx(getattr(table["fc"], name) / 1e6)
        assert heights["stem"] == pytest.approx(getattr(table["conv1"], name) / 1e6, rel=0.02)
        for stage in ticks[1:-1]:
            total = sum(getattr(row, name) for row in table if row.name.startswith(stage))
            assert heights[stage] == pytest.approx(total / 1e6)


@pytest.mark.parametrize(
    ("module", "expected", "missing"),
    [
        (PlainBlock(4, 8, 2), ["4×8×8", "8×4×4", "way around"], ["shortcut", "+"]),
        (BasicBlock(4, 4), ["4×8×8", "identity shortcut", "what the block learns"], ["conv\n1×1"]),
        (BasicBlock(4, 8, 2), ["4×8×8", "8×4×4", "conv\n1×1", "shortcut"], ["identity"]),
        (BasicBlock(4, 8, 2, shortcut="padding"), ["8×4×4", "zero\npadding"], ["conv\n1×1"]),
        (PreActBlock(4, 4), ["4×8×8", "identity shortcut"], ["conv\n1×1", "Dropout", "dropout"]),
        (PreActBlock(4, 8, 2), ["4×8×8", "8×4×4", "conv\n1×1", "projection"], ["identity"]),
    ],
)
def test_a_block_shows_its_layers_and_shapes(module, expected, missing):
    shown = texts(plots.block(module, (1, 4, 8, 8)))
    for part in ("x", "y", "conv\n3×3", "batch\nnorm", "ReLU", *expected):
        assert any(part in text for text in shown), part
    for part in missing:
        assert not any(part in text for text in shown), part
    assert shown.count("conv\n3×3") == 2 and shown.count("ReLU") == 2


def test_a_shortcut_that_does_not_fit_is_red_and_shows_both_shapes():
    figure = plots.misfit(PlainBlock(4, 8, 2), (1, 4, 8, 8))
    wrong = {t.get_text() for t in figure.axes[0].texts if t.get_color() == "#C00000"}
    assert wrong == {"+", "identity shortcut: x itself, not of the shape of F(x)"}
    assert {line.get_color() for line in figure.axes[0].lines} == {"#C00000"}
    assert texts(figure).count("4×8×8") == 2  # into the branch, and to the addition
    assert texts(figure).count("8×4×4") == 2  # behind each convolution, and none comes out
    fits = plots.block(BasicBlock(4, 4), (1, 4, 8, 8))
    assert not [t for t in fits.axes[0].texts if t.get_color() == "#C00000"]


def places(figure, text):
    return [t.get_position()[0] for t in figure.axes[0].texts if t.get_text() == text]


def test_what_stands_behind_the_addition_depends_on_the_block():
    for module, behind in ((BasicBlock(4, 4), 1), (PreActBlock(4, 4), 0)):
        figure = plots.block(module, (1, 4, 8, 8))
        (plus,) = places(figure, "+")
        assert sum(x > plus for x in places(figure, "ReLU")) == behind


@pytest.mark.parametrize(("activate", "boxes_before"), [(False, 0), (True, 2)])
def test_a_shortcut_starts_where_its_block_says(activate, boxes_before):
    figure = plots.block(PreActBlock(4, 4, activate_shortcut=activate), (1, 4, 8, 8))
    start = figure.axes[0].lines[0].get_xdata()[0]
    layers = [x for name in ("batch\nnorm", "ReLU", "conv\n3×3") for x in places(figure, name)]
    assert sum(x < start for x in layers) == boxes_before


def test_a_bottleneck_shows_its_three_convolutions():
    shown = texts(plots.block(Bottleneck(8, 4), (1, 8, 6, 6)))
    assert shown.count("conv\n1×1") == 3 and shown.count("conv\n3×3") == 1  # one in the shortcut
    assert shown.count("ReLU") == 3 and "4×6×6" in shown and "16×6×6" in shown


# The live curve


@pytest.fixture
def published():
    """A real IPython shell's messages: what a front end would be sent."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats
    from traitlets.config import Config

    shell = InteractiveShell.instance(
        display_pub_class=CapturingDisplayPublisher,
        config=Config({"HistoryManager": {"enabled": False}}),
    )
    select_figure_formats(shell, {"png"})
    yield shell.display_pub.outputs
    InteractiveShell.clear_instance()
    gc.collect()


def test_a_live_curve_is_displayed_once_and_then_updated(published):
    live, growing = plots.LiveCurves(), History("plain-8", 0)
    for epoch in epochs(60, 40, 30):
        growing.epochs.append(epoch)
        live(growing)
    assert [bool(message["update"]) for message in published] == [False, True, True]
    assert len({message["transient"]["display_id"] for message in published}) == 1
    pictures = [message["data"]["image/png"] for message in published]
    assert len(set(pictures)) == 3, "the picture did not grow"
    assert plt.get_fignums() == []


def test_trainings_share_a_live_curve(published, monkeypatch):
    drawn = []
    real = plots.curves
    monkeypatch.setattr(
        "resnet_lessons.plots.histories.curves",
        lambda trainings, figures: drawn.append((list(trainings), figures)) or real(trainings),
    )
    live, first, second = plots.LiveCurves("test_error"), nameless("a", 60), nameless("b", 50)
    for each in (first, first, second):
        live(each)
    assert [len(trainings) for trainings, _ in drawn] == [1, 1, 2]
    assert drawn[-1] == ([first, second], ("test_error",))
    assert [bool(message["update"]) for message in published] == [False, True, True]


def test_two_trainings_that_measured_the_same_are_two(published):
    live = plots.LiveCurves()
    live(nameless("a", 60))
    live(nameless("a", 60))
    assert len(live.histories) == 2


def test_a_notebook_shows_one_picture_and_one_bar():
    """In a real kernel, with plots imported: the curve grows in place, the bar in one line."""
    code = """\
from resnet_lessons import cifar_resnet, load, plots, train
data = load(device="cpu").pooled(4).take(128, 20)
history = train(cifar_resnet(8, width=2, in_channels=1), data, 3, batch_size=64)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    sent = []
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", coalesce_streams=True)
    process = client.process_message
    client.process_message = lambda m, c, i: (sent.append(m["msg_type"]), process(m, c, i))[1]
    client.execute()
    outputs = notebook.cells[0].outputs
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    streams = {output.name: output.text for output in outputs if output.output_type == "stream"}
    assert len(pictures) == 1 and len(outputs) == 2
    assert (sent.count("display_data"), sent.count("update_display_data")) == (1, 2)
    assert list(streams) == ["stdout"] and "epoch 3/3" in streams["stdout"]


def test_trainings_that_are_neither_plain_nor_residual_are_told_apart():
    """By colour and, for grey print, by marker; one alone stays grey."""
    epochs = [Epoch(1, 0.1, 2.0, 80.0, 1.9, 75.0, 3.0), Epoch(2, 0.1, 1.5, 60.0, 1.4, 55.0, 3.5)]
    trainings = [History(label, 0, epochs) for label in ("first", "+ second")]
    trainings.append(History("plain-8", 0, epochs, kind="plain", depth=8))
    lines = plots.curves(trainings).axes[0].lines
    assert len({line.get_color() for line in lines}) == 3
    assert lines[0].get_marker() != lines[1].get_marker()
    (alone,) = plots.curves(trainings[:1]).axes[0].lines
    assert to_rgb(alone.get_color()) == to_rgb(NEUTRAL)
