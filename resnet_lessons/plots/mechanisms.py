"""Pictures of what might explain residual networks: values through depth, gradients on a line."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from resnet_lessons._arguments import one_of
from resnet_lessons.measure import autocorrelation, brown_noise, white_noise
from resnet_lessons.plots.style import (
    MARKERS,
    NAMES,
    NEUTRAL,
    Network,
    Trained,
    colour_of,
    from_zero,
    line_of,
    name_of,
    new_figure,
)


def through_depth(
    measured: Mapping[str, Mapping[Network, Sequence[float]]],
    ylabel: str,
    title: str = "",
    logarithmic: bool = True,
) -> Figure:
    """Values from the first to the last layer or block: a panel a condition, all on one scale.

    Args:
        measured: for each condition, the values of each network, called for example ("plain", 44).
        ylabel: what the values are.
        logarithmic: whether a step up the axis multiplies.
    """
    drawing, axes = new_figure(len(measured), width=9.5, height=3.6, title=title, sharey=True)
    for panel, (condition, by_network) in zip(axes[0], measured.items(), strict=True):
        for network, values in by_network.items():
            places = [place / max(1, len(values) - 1) for place in range(len(values))]
            panel.plot(places, values, **line_of(network))
        panel.set_xticks([0, 1], ["first", "last"])
        panel.set_title(condition, fontsize=10)
        if logarithmic:
            panel.set_yscale("log")
    axes[0, 0].set_ylabel(ylabel)
    if not logarithmic:
        from_zero(list(axes[0]))
    _legend(drawing, axes[0])
    return drawing


def _legend(drawing: Figure, panels: Iterable[Axes]) -> None:
    """One legend for several panels, to their right, where it covers no line."""
    by_label = {line.get_label(): line for panel in panels for line in panel.lines}
    drawing.legend(
        by_label.values(), by_label.keys(), loc="outside right center", frameon=False, fontsize=9
    )


def shattering(
    gradients: Mapping[tuple[str, int], Tensor], lags: Sequence[int], shown: int, title: str = ""
) -> Figure:
    """The gradient of a pixel along a line of images, and its autocorrelation: a column a kind.

    Args:
        gradients: for each network, by kind and depth, points×…, as
            `measure.gradients_along_line` gives them; all of as many points.
        lags: for the lower row; between the two noises of closed form.
        shown: the depth whose gradients the upper row shows.
    """
    kinds = list(dict.fromkeys(kind for kind, _ in gradients))
    drawing, axes = new_figure(len(kinds), 2, 9.0, 5.0, title, sharey="row")
    points = len(next(iter(gradients.values())))
    for column, kind in enumerate(kinds):
        upper, lower = axes[:, column]
        network = kind, shown
        walk = gradients[network].flatten(1).double()
        pixel = walk[:, walk.std(0).argmax()]  # the one with the most to show
        upper.plot((pixel - pixel.mean()) / pixel.std(), color=colour_of(network), linewidth=1.0)
        upper.set(xlabel="point on the line", title=f"{name_of(network)}: gradient of one pixel")
        of_kind = [network for network in gradients if network[0] == kind]
        for network, marker in zip(of_kind, cycle(MARKERS), strict=False):
            found = autocorrelation(gradients[network], lags)
            lower.plot(lags, found, **line_of(network), marker=marker, markersize=4)
        noises = (("brown noise", "-.", brown_noise), ("white noise", ":", white_noise))
        for name, dashes, noise in noises:
            lower.plot(lags, noise(points, lags), dashes, color=NEUTRAL, linewidth=1.2, label=name)
        lower.set(xlabel="lag (points)")
    axes[0, 0].set_ylabel("standard deviations")
    axes[1, 0].set_ylabel("autocorrelation")
    _legend(drawing, axes[1])
    return drawing


def changes(
    runs: Sequence[Trained],
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
    rows: dict[str, list[Trained]] = {}
    for run in runs:
        if run.epochs:
            rows.setdefault(run.label, []).append(run)
    height = 1.2 + 0.32 * len(rows)
    drawing, axes = new_figure(len(figures), 1, 9.0, height, title, sharey=True, sharex=True)
    for panel, name in zip(axes[0], figures, strict=True):
        for row, (label, those) in enumerate(rows.items()):
            errors = [getattr(run.epochs[-1], name) for run in those]
            colour = colour_of((those[0].kind, those[0].depth))
            panel.plot(errors, [row] * len(errors), "o", color=colour, markersize=5, alpha=0.7)
            mean = sum(errors) / len(errors)
            panel.plot([mean], [row], "|", color=colour, markersize=14, label=label)
        panel.set(xlabel=NAMES[name])
    axes[0, 0].set_yticks(range(len(rows)), list(rows))
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlim(left=0)
    return drawing
