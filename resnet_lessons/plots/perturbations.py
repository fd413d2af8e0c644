"""Pictures of networks that were changed: blocks removed, paths taken singly, weights moved."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from resnet_lessons.measure import LengthGradient, Lesion, PathGradient
from resnet_lessons.plots.style import (
    NEUTRAL,
    RESIDUAL,
    colour_of,
    dashes_of,
    from_zero,
    ink,
    marker_of,
    new_figure,
)


def lesion_errors(
    measured: Mapping[str, Mapping[str, Sequence[Lesion]]], title: str = ""
) -> Figure:
    """The error against the size of the lesion: a panel a kind of lesion, all on one scale.

    A line is the mean over the random lesions of one size, its band goes from the smallest error to
    the largest.

    Args:
        measured: for each panel, named as it shall be, and for each label, what
            `diagnostics.lesion_errors` returned; those of several networks may be joined.
    """
    drawing, axes = new_figure(len(measured), width=9.0, height=3.4, sharey=True)
    for panel, (name, by_label) in zip(axes[0], measured.items(), strict=True):
        kinds = {lesion.kind for lesions in by_label.values() for lesion in lesions}
        for label, lesions in by_label.items():
            errors = {count: [] for count in sorted({lesion.count for lesion in lesions})}
            for lesion in lesions:
                errors[lesion.count].append(lesion.error)
            _mean_and_band(panel, label, errors)
        what = "pairs of blocks swapped" if kinds == {"swapped"} else "blocks removed"
        panel.set_xlabel(what)
        panel.set_title(name, fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes[0, 0].set_ylabel("test error (%)")
    axes[0, -1].legend(frameon=False, loc="lower right")
    from_zero(list(axes[0]), 100)
    drawing.suptitle(title, fontsize=11)
    return drawing


def _mean_and_band(axes: Axes, label: str, values: Mapping[int, Sequence[float]]) -> None:
    """A line through the means at each place, and a band from the smallest to the largest."""
    colour, places = colour_of(label), list(values)
    marker, dashes = marker_of(label), dashes_of(label)
    low, high = ([pick(at) for at in values.values()] for pick in (min, max))
    axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
    means = [float(np.mean(at)) for at in values.values()]
    axes.plot(places, means, dashes, marker=marker, markersize=4, color=colour, label=label)


def path_gradients(
    lengths: Sequence[LengthGradient], paths: Sequence[PathGradient], title: str = ""
) -> Figure:
    """Paths by their length: how many there are, what one carries, and what all carry together.

    The last panel sets the norm of the exact sum over all paths of a length beside what follows
    from the first two panels, their product, as if gradients could not cancel. Both are drawn as
    shares of their total over all lengths.

    Args:
        lengths: what `diagnostics.gradient_by_length` returned.
        paths: what `diagnostics.sample_path_gradients` returned for the same network and images.
    """
    drawing, axes = new_figure(3, width=10.5, height=3.3)
    many, single, together = axes[0]
    places = [at.length for at in lengths]
    total = sum(at.paths for at in lengths)
    many.bar(places, [100 * at.paths / total for at in lengths], color=NEUTRAL)
    many.set(ylabel="paths (%)", title="how many")
    norms = {length: [p.norm for p in paths if p.length == length] for length in places}
    norms = {length: found for length, found in norms.items() if found}
    single.plot([p.length for p in paths], [p.norm for p in paths], ".", color=RESIDUAL, alpha=0.25)
    means = {length: float(np.mean(found)) for length, found in norms.items()}
    single.plot(list(means), list(means.values()), "-o", markersize=3, color=RESIDUAL, label="mean")
    single.set_yscale("log")
    single.set(ylabel="norm, of the whole gradient's", title="what one carries")
    exact = np.array([at.norm for at in lengths])
    together.bar(places, 100 * exact / exact.sum(), color=RESIDUAL, label="their exact sum")
    product = np.array([at.paths * means.get(at.length, np.nan) for at in lengths])
    if np.isfinite(product).any():
        share = 100 * product / np.nansum(product)
        together.plot(places, share, "--s", markersize=3, color="black", label="number × norm")
    together.set(ylabel="norm (% of the total)", title="what all carry")
    together.legend(frameon=False, fontsize=8)
    for panel in axes[0]:
        panel.set_xlabel("residual branches on the path")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.title.set_fontsize(10)
    drawing.suptitle(title, fontsize=11)
    return drawing


def loss_slices(
    measured: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    at: Sequence[float],
    title: str = "",
    top: float | None = None,
) -> Figure:
    """The loss along random directions, on a logarithmic scale that all panels share.

    Args:
        measured: for each panel, named as it shall be, and for each label, what
            `diagnostics.loss_along` returned for one direction or several; a line each.
        at: where the loss was measured.
        top: where the axis ends; default, at the largest loss.
    """
    drawing, axes = new_figure(len(measured), width=10.0, height=3.5, sharey=True)
    for panel, (name, by_label) in zip(axes[0], measured.items(), strict=True):
        for label, slices in by_label.items():
            for number, losses in enumerate(slices):
                shown = label if number == 0 else None
                look = {"color": colour_of(label), "linewidth": 1.3, "label": shown}
                panel.plot(at, losses, dashes_of(label), **look)
        panel.set_yscale("log")
        panel.set_xlabel("distance, in lengths of the weights")
        panel.set_title(name, fontsize=10)
    axes[0, 0].set_ylabel("loss")
    if top is not None:
        axes[0, 0].set_ylim(top=top)
    axes[0, 0].legend(frameon=False)
    drawing.suptitle(title, fontsize=11)
    return drawing


def loss_planes(
    measured: Mapping[str, Tensor], at: Sequence[float], title: str = "", top: float | None = None
) -> Figure:
    """The loss over a plane through the weights, as contour lines: a panel a label, one scale.

    Neighbouring lines differ by one factor in the loss. A dot marks the weights themselves.

    Args:
        measured: for each label, what `diagnostics.loss_over_plane` returned.
        at: where the loss was measured, along both directions.
        top: the highest contour; default, the largest loss.
    """
    drawing, axes = new_figure(len(measured), width=4.4 * len(measured) + 0.8, height=4.0)
    losses = {label: np.asarray(plane.detach().cpu(), float) for label, plane in measured.items()}
    low = min(plane.min() for plane in losses.values())
    high = top or max(plane.max() for plane in losses.values())
    levels = np.geomspace(low, max(high, low * 1.01), 15)
    for panel, (label, plane) in zip(axes[0], losses.items(), strict=True):
        looks = {"levels": levels, "norm": "log", "extend": "max"}
        filled = panel.contourf(at, at, plane, cmap="Blues_r", **looks)
        panel.contour(at, at, plane, levels=levels, colors="black", linewidths=0.4)
        panel.plot(0, 0, "o", color="black", markersize=4)
        panel.set(xlabel="first direction", ylabel="second direction", aspect="equal")
        panel.set_title(label, fontsize=10, color=ink(colour_of(label)))
        panel.grid(False)
    ticks = [float(f"{level:.1g}") for level in levels[::3]]
    bar = drawing.colorbar(filled, ax=list(axes[0]), ticks=ticks, shrink=0.85)
    bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.set_label("loss")
    drawing.suptitle(title, fontsize=11)
    return drawing
