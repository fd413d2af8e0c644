"""Pictures of the variants: errors against cost, Res2Net's chain, HRNet's exchange."""

import matplotlib

matplotlib.use("Agg")  # no window, whatever the machine has

import pytest
import torch

from resnet_lessons import plots
from resnet_lessons.lab.results import Run
from resnet_lessons.networks.hrnet import HighResolutionModule
from resnet_lessons.networks.res2net import Res2NetBlock
from resnet_lessons.plots.style import NAMES, RESIDUAL
from resnet_lessons.training.history import Ending, Epoch, History


def run(kind, x, *errors, seed=0):
    epochs = tuple(Epoch(n, 0.1, 1.0, e / 2, 1.0, e, 1.0) for n, e in enumerate(errors, 1))
    shared = {"data_set": "mini", "origin": {}, "ending": Ending.FINISHED}
    return Run(kind=kind, depth=14, seed=seed, x=x, unit="million", epochs=epochs, **shared)


# Error against cost

RUNS = [
    run("HRNet", 4.0, 90, 8),
    run("HRNet", 1.2, 90, 12),
    run("HRNet", 1.2, 90, 16, seed=1),
    run("residual", 1.2, 90, 20),
    History("called as one likes", 0, list(run("", 0, 90, 10).epochs), kind="residual", x=4),
    run("wide", 1.2),
]


def drawn(axes):
    """The lines with a label, by it, and the dots: positions on the axes, rounded to a digit."""
    means, dots = {}, []
    for line in axes.lines:
        points = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
        if line.get_label()[0] == "_":
            dots += points
        else:
            means[line.get_label()] = points
    return means, dots


def test_the_last_errors_are_drawn_against_multiply_adds():
    figure = plots.error_against_cost(RUNS, title="A title")
    assert figure.get_suptitle() == "A title"
    for axes, name, part in zip(figure.axes, ("train_error", "test_error"), (0.5, 1), strict=True):
        assert axes.get_ylabel() == NAMES[name] and "multiply-adds" in axes.get_xlabel()
        assert axes.get_xscale() == "log"
        assert [text.get_text() for text in axes.get_xticklabels()] == ["1.2", "4"]
        means, dots = drawn(axes)
        assert list(means) == ["residual", "HRNet"], "the one to compare with comes first"
        assert [y for _, y in means["HRNet"]] == [14 * part, 8 * part]
        assert [y for _, y in means["residual"]] == [20 * part, 10 * part]
        assert sorted(y for _, y in dots) == [e * part for e in (8, 10, 12, 16, 20)]


def test_kinds_of_one_cost_stand_apart_and_near_it():
    (axes,) = plots.error_against_cost(RUNS, ("test_error",)).axes
    means, dots = drawn(axes)
    for place, cost in enumerate((1.2, 4.0)):
        where = [points[place][0] for points in means.values()]
        assert where[0] != where[1] and all(abs(x / cost - 1) < 0.1 for x in where)
    lines = {x for points in means.values() for x, _ in points}
    assert {x for x, _ in dots} == lines, "the dots stand under their line"


def test_seven_kinds_look_different_and_the_residual_one_is_blue():
    runs = [run(kind, 1, 9) for kind in ("a", "b", "c", "residual", "d", "e", "f")]
    (axes,) = plots.error_against_cost(runs[::-1], ("test_error",)).axes
    named = [line for line in axes.lines if line.get_label()[0] != "_"]
    assert len({line.get_marker() for line in named}) == len(named) == 7
    assert len({line.get_color() for line in named}) == 7
    assert [line.get_label() for line in named] == ["residual", *"abcdef"]
    assert named[0].get_color() == RESIDUAL


@pytest.mark.parametrize("draw", [plots.error_against_cost, plots.error_against_images])
@pytest.mark.parametrize(("kind", "x"), [("HRNet", None), (None, 1.2)])
def test_a_training_without_a_number_is_named(draw, kind, x):
    words = f"'HRNet, 1.2 million' has the kind {kind!r} and the x {x!r}, .*; set both, .*x=20"
    with pytest.raises(ValueError, match=words):
        draw([History("HRNet, 1.2 million", 0, list(run("", 0, 5).epochs), kind=kind, x=x)])


def test_a_figure_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="figures is 'test_eror', but"):
        plots.error_against_cost(RUNS, ("test_eror",))


# Blocks of several scales


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_chain_has_a_lane_a_part_and_the_shapes_that_were_measured():
    figure = plots.chain(Res2NetBlock(16, 4, base_width=32, scale=5), (1, 16, 6, 7), "A title")
    shown = texts(figure)
    assert figure.axes[0].get_title() == "A title"
    assert shown.count("conv 3×3") == 4 and shown.count("conv 1×1") == 2
    assert shown.count("+") == 3, "the first part gets nothing of another, the last neither"
    assert shown.count("2×6×7") == 5 and shown.count("16×6×7") == 2


def test_a_block_that_changes_the_shape_adds_nothing_along_the_chain():
    shown = texts(plots.chain(Res2NetBlock(16, 8, stride=2), (1, 16, 6, 6)))
    assert "+" not in shown and shown.count("3×3×3") == 4 and "32×3×3" in shown


def test_an_exchange_leads_from_every_branch_to_every_branch():
    module = HighResolutionModule([2, 4, 8], blocks=1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    shapes = [(1, 2, 9, 12), (1, 4, 5, 6), (1, 8, 3, 3)]
    figure = plots.exchange(module, shapes, "A title")
    (axes,) = figure.axes
    assert axes.get_title() == "A title"
    for size in ("2×9×12", "4×5×6", "8×3×3"):
        assert texts(figure).count(size) == 2, "once on each side"
    ways = {(text.xyann[1], text.xy[1]) for text in axes.texts if hasattr(text, "arrow_patch")}
    assert len(ways) == 9
    sides = [patch.get_width() for patch in axes.patches]
    assert sides == sorted(sides, reverse=True) and len(sides) == 6
    assert module.training and all(
        torch.equal(value, before[name]) for name, value in module.state_dict().items()
    )
