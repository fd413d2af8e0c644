"""Pictures in grey print: what colour tells apart, a second mark tells apart, too."""

import math
import re
from collections import defaultdict
from itertools import combinations

import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.container import BarContainer

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
from resnet_lessons.networks.blocks import BasicBlock, PlainBlock
from resnet_lessons.networks.hrnet import HighResolutionModule
from resnet_lessons.networks.res2net import Res2NetBlock
from resnet_lessons.networks.resnet import resnet18
from resnet_lessons.plots.style import contrast, ink
from resnet_lessons.shapes import shape_table
from resnet_lessons.training.history import Ending, Epoch
from resnet_lessons.widgets.lesions import _picture

PAIR = ("plain-8", "residual-8")
NETWORKS = (("plain", 8), ("residual", 8))


def runs(*kinds, **number):
    epochs = tuple(Epoch(n, 0.1, 2 / n, 60 / n, 2 / n, 70 / n, 3.0) for n in range(1, 41))
    shared = {"data_set": "mini", "epochs": epochs, "origin": {}, "ending": Ending.FINISHED}
    return [
        Run(kind=kind, depth=8, seed=seed, **number, **shared) for kind in kinds for seed in (0, 1)
    ]


def both(values):
    return {network: values for network in NETWORKS}


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").take(30, 10)


PICTURES = {
    "curves": lambda _: plots.curves(runs("plain", "residual"), ("train_error", "test_error")),
    "other curves": lambda _: plots.curves(runs("one", "two", "three", "four", "five", "six")),
    "curves_by_kind": lambda _: plots.curves_by_kind(runs("plain", "residual")),
    "error_against_depth": lambda _: plots.error_against_depth(runs("plain", "residual")),
    "error_against_cost": lambda _: plots.error_against_cost(
        runs("residual", "wide", "HRNet", x=1.2, unit="million")
    ),
    "error_against_images": lambda _: plots.error_against_images(
        runs("tuned", "fresh", x=8, unit="images")
    ),
    "changes": lambda _: plots.changes(runs("plain", "residual")),
    "gradient_norms": lambda _: plots.gradient_norms(both([LayerGradient("a", 0.5, 1.0)] * 3)),
    "layer_responses": lambda _: plots.layer_responses(both([LayerResponse("a", 1.0, False)] * 3)),
    "block_by_block": lambda _: plots.block_by_block({"norm": both([1, 2])}),
    "through_depth": lambda _: plots.through_depth({"fresh": both([1.0, 2.0])}, "norm"),
    "shattering": lambda _: plots.shattering(
        {(kind, n): torch.randn(9, 2) for kind in ("plain", "residual") for n in (8, 20)},
        [1, 2],
        8,
    ),
    "lesion_errors": lambda _: plots.lesion_errors(
        {"removed": both([Lesion("removed", 0, (), 9.0, 1.0)])}
    ),
    "lesions explorer": lambda _: _picture(both(20.0), both(10.0), 90.0),
    "loss_slices": lambda _: plots.loss_slices({"one": both([[2, 1, 2]])}, (-1, 0, 1)),
    "loss_planes": lambda _: plots.loss_planes(both(torch.rand(3, 3)), (-1, 0, 1)),
    "path_gradients": lambda _: plots.path_gradients(
        [LengthGradient(n, 1, 1.0, 1.0) for n in range(3)], [PathGradient(0, (), 1.0)]
    ),
    "histograms": lambda _: plots.histograms(both(torch.randn(50)), "value"),
    "costs": lambda _: plots.costs(shape_table(resnet18(), (1, 3, 64, 64))),
    "network": lambda _: plots.network(shape_table(resnet18(), (1, 3, 64, 64))),
    "block": lambda _: plots.block(BasicBlock(4, 8, 2), (1, 4, 8, 8)),
    "misfit": lambda _: plots.misfit(PlainBlock(4, 8, 2), (1, 4, 8, 8)),
    "chain": lambda _: plots.chain(Res2NetBlock(16, 8), (1, 16, 4, 4)),
    "exchange": lambda _: plots.exchange(
        HighResolutionModule([2, 4]), [(1, 2, 8, 8), (1, 4, 4, 4)]
    ),
    "guesses": lambda data: plots.guesses(data, torch.zeros(9, dtype=torch.int64)),
    "images": lambda data: plots.images(data),
    "feature_maps": lambda data: plots.feature_maps(torch.rand(5, 6, 6)),
    "heatmaps": lambda data: plots.heatmaps(data.test.images[:3], torch.rand(3, 7, 7)),
}
# Boxes of a detector: solid or dashed, with names white on blue, so tested where boxes are.
ELSEWHERE = {"boxes", "LiveCurves"}


def test_every_picture_is_tested_here():
    assert set(plots.__all__) - ELSEWHERE <= set(PICTURES)


def alike(panel):
    """The looks, dashes and marker, that several colours of named lines share."""
    looks = defaultdict(set)
    for line in panel.lines:
        if not line.get_label().startswith("_"):
            looks[line.get_linestyle(), line.get_marker()].add(to_rgba(line.get_color()))
    return {look: colours for look, colours in looks.items() if len(colours) > 1}


@pytest.mark.parametrize("name", PICTURES)
def test_lines_of_other_colours_have_other_dashes_or_markers(mini, name):
    for panel in PICTURES[name](mini).axes:
        rows = [tick.get_text() for tick in panel.get_yticklabels()]
        if set(PAIR) <= set(rows) or name == "changes":
            continue  # each stands in a row with its name
        assert not alike(panel), name


@pytest.mark.parametrize("name", PICTURES)
def test_bars_of_other_colours_stand_over_names(mini, name):
    for panel in PICTURES[name](mini).axes:
        bars = [
            bar for group in panel.containers if isinstance(group, BarContainer) for bar in group
        ]
        named = [t.get_text() for t in (*panel.get_xticklabels(), *panel.get_yticklabels())]
        words = [text for text in named if re.search(r"[a-z]", text)]
        for one, other in combinations(bars, 2):
            if to_rgb(one.get_facecolor()) != to_rgb(other.get_facecolor()):
                assert one.get_hatch() != other.get_hatch() or len(words) >= 2, name


def test_arrows_of_other_colours_have_other_dashes(mini):
    (panel,) = PICTURES["exchange"](mini).axes
    arrows = [text.arrow_patch for text in panel.texts if getattr(text, "arrow_patch", None)]
    looks = {(to_rgba(arrow.get_edgecolor()), arrow.get_linestyle()) for arrow in arrows}
    assert len({colour for colour, _ in looks}) == len({dashes for _, dashes in looks}) == 3
    (legend,) = panel.figure.legends
    shown = {(to_rgba(line.get_color()), line.get_linestyle()) for line in legend.get_lines()}
    assert shown == looks


def test_strong_places_of_a_heat_map_are_surrounded(mini):
    maps = torch.zeros(2, 4, 4)
    maps[0, 1, 1] = 1.0
    strong, flat = plots.heatmaps(mini.test.images[:2], maps).axes
    assert len(strong.collections) == 1 and not flat.collections


@pytest.mark.parametrize("name", PICTURES)
def test_writing_can_be_read(mini, name):
    figure = PICTURES[name](mini)
    written = [t for axes in figure.axes for t in (*axes.texts, axes.title, axes.xaxis.label)]
    for text in written:
        if text.get_text() and not text.get_bbox_patch():
            assert contrast(text.get_color()) >= 4.5, text


@pytest.mark.parametrize("colour", ["white", "#E69F00", "#D55E00", "#0072B2", "black"])
def test_ink_is_dark_and_no_darker_than_it_must_be(colour):
    assert contrast(ink(colour)) >= 4.5
    if contrast(colour) >= 4.5:
        assert ink(colour) == to_rgb(colour)
    else:
        assert contrast(ink(colour)) < 5
    # The definition's ends, and a grey that others measured (WebAIM's contrast checker).
    assert math.isclose(contrast("black"), 21) and math.isclose(contrast("white"), 1)
    assert math.isclose(contrast("#767676"), 4.54, abs_tol=0.01)
