"""Pictures of what might explain residual networks: each shows the numbers it was given."""

import matplotlib

matplotlib.use("Agg")  # no window, whatever the machine has

import pytest
import torch
from matplotlib.colors import to_rgba

from resnet_lessons import plots
from resnet_lessons.lab.results import Run
from resnet_lessons.measure import autocorrelation, brown_noise, white_noise
from resnet_lessons.plots.style import NAMES, colour_of, name_of
from resnet_lessons.training.history import Ending, Epoch, History


def drawn(axes):
    return {line.get_label(): line for line in axes.lines}


MEASURED = {
    "fresh": {("plain", 20): [4.0, 2.0, 1.0], ("residual", 44): [1.0, 0.5]},
    "trained": {("plain", 20): [9.0]},
}


@pytest.mark.parametrize("logarithmic", [True, False])
def test_values_run_from_the_first_layer_to_the_last(logarithmic):
    figure = plots.through_depth(MEASURED, "norm", "A title", logarithmic)
    fresh, trained = figure.axes
    assert figure.get_suptitle() == "A title" and fresh.get_ylabel() == "norm"
    assert [axes.get_title() for axes in figure.axes] == ["fresh", "trained"]
    assert fresh.get_ylim() == trained.get_ylim()
    lines = drawn(fresh)
    assert [*lines["plain-20"].get_xdata()] == [0, 0.5, 1]
    assert [*lines["plain-20"].get_ydata()] == [4, 2, 1]
    assert [*lines["residual-44"].get_xdata()] == [0, 1]
    assert lines["plain-20"].get_linestyle() != lines["residual-44"].get_linestyle()
    for network in MEASURED["fresh"]:
        line = lines[name_of(network)]
        assert to_rgba(line.get_color()) == to_rgba(colour_of(network))
    assert [*drawn(trained)["plain-20"].get_ydata()] == [9]
    assert (fresh.get_yscale() == "log") == logarithmic
    assert logarithmic or fresh.get_ylim()[0] == 0
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["plain-20", "residual-44"]


def test_a_network_in_a_later_panel_alone_is_in_the_legend_too():
    measured = {"fresh": {("plain", 8): [1.0, 2.0]}, "trained": {("residual", 8): [1.0, 2.0]}}
    (legend,) = plots.through_depth(measured, "norm").legends
    assert [text.get_text() for text in legend.get_texts()] == ["plain-8", "residual-8"]


LAGS = (1, 3, 10)


def walks():
    generator = torch.Generator().manual_seed(0)
    steps = {label: torch.randn(30, 1, 2, 2, generator=generator) for label in "abc"}
    found = {("plain", 8): steps["a"], ("plain", 20): steps["b"]}
    found["residual", 20] = steps["c"].cumsum(0)
    found["plain", 20][:, 0, 1, 0] *= 7  # the pixel with the most to show
    return found


def test_gradients_are_shown_above_and_their_autocorrelation_below():
    series = walks()
    figure = plots.shattering(series, LAGS, 20, "A title")
    (plain, residual), (below_plain, below_residual) = figure.axes[:2], figure.axes[2:]
    assert figure.get_suptitle() == "A title"
    assert plain.get_title().startswith("plain-20") and "residual-20" in residual.get_title()
    (line,) = plain.lines
    pixel = series["plain", 20][:, 0, 1, 0].double()
    assert line.get_ydata() == pytest.approx(((pixel - pixel.mean()) / pixel.std()).numpy())
    lines = drawn(below_plain)
    assert list(lines) == ["plain-8", "plain-20", "brown noise", "white noise"]
    assert list(drawn(below_residual)) == ["residual-20", "brown noise", "white noise"]
    for depth in (8, 20):
        line = lines[f"plain-{depth}"]
        assert [*line.get_xdata()] == list(LAGS)
        assert [*line.get_ydata()] == autocorrelation(series["plain", depth], LAGS)
    assert [*lines["white noise"].get_ydata()] == white_noise(30, LAGS)
    assert [*lines["brown noise"].get_ydata()] == brown_noise(30, LAGS)


def run(kind, depth, train, test, seed=0):
    epochs = (Epoch(1, 0.1, 1.0, 99, 1.0, 99, 1.0), Epoch(2, 0.1, 1.0, train, 1.0, test, 1.0))
    shared = {"data_set": "mini", "origin": {}, "ending": Ending.FINISHED}
    return Run(kind=kind, depth=depth, seed=seed, epochs=epochs, **shared)


def test_each_change_is_a_row_of_its_trainings():
    runs = [
        run("residual", 20, 10, 12),
        run("residual", 20, 14, 13, seed=1),
        run("zero branches", 20, 20, 22),
        History("nothing yet", 0),
    ]
    figure = plots.changes(runs, title="A title")
    assert figure.get_suptitle() == "A title"
    for axes, name, first, second in zip(
        figure.axes, ("train_error", "test_error"), ([10, 14], [12, 13]), ([20], [22]), strict=True
    ):
        assert axes.get_xlabel() == NAMES[name] and axes.get_xlim()[0] == 0
        dots, mean, *rest = axes.lines
        assert [*dots.get_xdata()] == first and [*dots.get_ydata()] == [0, 0]
        assert [*mean.get_xdata()] == [sum(first) / 2] and [*mean.get_ydata()] == [0]
        assert [*rest[0].get_xdata()] == second and [*rest[0].get_ydata()] == [1]
        assert len(rest) == 2
        bottom, top = axes.get_ylim()
        assert bottom > top, "the first row belongs at the top"
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["residual-20", "zero branches"]


def test_a_figure_that_no_epoch_has_is_named():
    with pytest.raises(ValueError, match=r"figures is 'eror'"):
        plots.changes([run("x", 8, 1, 2)], ("eror",))
