"""Pictures of what might explain residual networks: values through depth, gradients on a line."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from resnet_lessons._arguments import one_of
from resnet_lessons.lab import Run
from resnet_lessons.measure import autocorrelation, brown_noise, white_noise
from resnet_lessons.plots.style import (
    MARKERS,
    NAMES,
    NEUTRAL,
    colour_of,
    dashes_of,
    from_zero,
    new_figure,
)
from resnet_lessons.training import History


def through_depth(
    measured: Mapping[str, Mapping[str, Sequence[float]]],
    ylabel: str,
    title: str = "",
    logarithmic: bool = True,
) -> Figure:
    """Values from the first to the last layer or block: a panel a condition, all on one scale.

    Args:
        measured: for each condition, the values of each network, named for example "plain-44".
        ylabel: what the values are.
        logarithmic: whether a step up the axis multiplies.
    """
    drawing, axes = new_figure(len(measured), width=9.5, height=3.6, sharey=True)
    for panel, (condition, by_label) in zip(axes[0], measured.items(), strict=True):
        for label, values in by_label.items():
            places = [place / max(1, len(values) - 1) for place in range(len(values))]
            panel.plot(places, values, dashes_of(label), color=colour_of(label), label=label)
        panel.set_xticks([0, 1], ["first", "last"])
        panel.set_title(condition, fontsize=10)
        if logarithmic:
            panel.set_yscale("log")
    axes[0, 0].set_ylabel(ylabel)
    if not logarithmic:
        from_zero(list(axes[0]))
    _legend(drawing, axes[0])
    drawing.suptitle(title, fontsize=11)
    return drawing


def _legend(drawing: Figure, panels: Iterable[Axes]) -> None:
    """One legend for several panels, to their right, where it covers no line."""
    by_label = {line.get_label(): line for panel in panels for line in panel.lines}
    drawing.legend(
        by_label.values(), by_label.keys(), loc="outside right center", frameon=False, fontsize=9
    )


def shattering(
    gradients: Mapping[str, Tensor], lags: Sequence[int], shown: int, title: str = ""
) -> Figure:
    """The gradient of a pixel along a line of images, and its autocorrelation: a column a kind.

    Args:
        gradients: for each network, named for example "plain-44", points×…, as
            `diagnostics.gradients_along_line` gives them; all of as many points.
        lags: for the lower row; between the two noises of closed form.
        shown: the depth whose gradients the upper row shows.
    """
    kinds = list(dict.fromkeys(label.split("-")[0] for label in gradients))
    drawing, axes = new_figure(len(kinds), 2, width=9.0, height=5.0, sharey="row")
    points = len(next(iter(gradients.values())))
    for column, kind in enumerate(kinds):
        walk = gradients[f"{kind}-{shown}"].flatten(1).double()
        pixel = walk[:, walk.std(0).argmax()]  # the one with the most to show
        upper, lower = axes[:, column]
        scaled = (pixel - pixel.mean()) / pixel.std()
        upper.plot(scaled, color=colour_of(f"{kind}-{shown}"), linewidth=1.0)
        upper.set(xlabel="point on the line", title=f"{kind}-{shown}: gradient of one pixel")
        named = [label for label in gradients if label.startswith(f"{kind}-")]
        for label, marker in zip(named, cycle(MARKERS), strict=False):
            found = autocorrelation(gradients[label], lags)
            look = {"color": colour_of(label), "marker": marker, "markersize": 4, "label": label}
            lower.plot(lags, found, dashes_of(label), **look)
        noises = (("brown noise", "-.", brown_noise), ("white noise", ":", white_noise))
        for name, dashes, noise in noises:
            lower.plot(lags, noise(points, lags), dashes, color=NEUTRAL, linewidth=1.2, label=name)
        lower.set(xlabel="lag (points)")
    axes[0, 0].set_ylabel("standard deviations")
    axes[1, 0].set_ylabel("autocorrelation")
    _legend(drawing, axes[1])
    drawing.suptitle(title, fontsize=11)
    return drawing


def changes(
    runs: Sequence[Run | History],
    figures: Sequence[str] = ("train_error", "test_error"),
    title: str = "",
) -> Figure:
    """The errors of the last epoch: a row a change, a dot a training, a bar at the mean.

    Args:
        runs: stored runs, or histories; those with one label share a row. The first label is at the
            top.
        figures: columns of `Epoch`, a panel each, all on one scale.

    Raises:
        ValueError: an `Epoch` has no such figure.
    """
    for name in figures:
        one_of("figures", name, NAMES)
    labels = list(dict.fromkeys(run.label for run in runs if run.epochs))
    height = 1.2 + 0.32 * len(labels)
    drawing, axes = new_figure(len(figures), width=9.0, height=height, sharey=True, sharex=True)
    for panel, name in zip(axes[0], figures, strict=True):
        for row, label in enumerate(labels):
            errors = [
                getattr(run.epochs[-1], name) for run in runs if run.label == label and run.epochs
            ]
            _draw_row(panel, row, label, errors)
        panel.set(xlabel=NAMES[name])
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlim(left=0)
    drawing.suptitle(title, fontsize=11)
    return drawing


def _draw_row(panel: Axes, row: int, label: str, errors: Sequence[float]) -> None:
    colour = colour_of(label)
    panel.plot(errors, [row] * len(errors), "o", color=colour, markersize=5, alpha=0.7)
    panel.plot([sum(errors) / len(errors)], [row], "|", color=colour, markersize=14, label=label)
