"""Pictures of networks that were changed: blocks removed, paths taken singly, weights moved."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from resnet_lessons.measure import LengthGradient, Lesion, PathGradient
from resnet_lessons.plots.style import (
    NEUTRAL,
    RESIDUAL,
    Network,
    colour_of,
    from_zero,
    ink,
    line_of,
    marker_of,
    mean_and_band,
    name_of,
    new_figure,
    whole_numbers,
)


def lesion_errors(
    measured: Mapping[str, Mapping[Network, Sequence[Lesion]]], title: str = ""
) -> Figure:
    """The error against the size of the lesion: a panel a kind of lesion, all on one scale.

    A line is the mean over the random lesions of one size, its band goes from the smallest error to
    the largest.

    Args:
        measured: for each panel, named as it shall be, and for each network, what
            `measure.lesion_errors` returned; those of several networks may be joined.
    """
    drawing, axes = new_figure(len(measured), width=9.0, height=3.4, title=title, sharey=True)
    for panel, (name, by_network) in zip(axes[0], measured.items(), strict=True):
        kinds = {lesion.kind for lesions in by_network.values() for lesion in lesions}
        for network, lesions in by_network.items():
            errors = {count: [] for count in sorted({lesion.count for lesion in lesions})}
            for lesion in lesions:
                errors[lesion.count].append(lesion.error)
            look = line_of(network)
            mean_and_band(panel, errors, **look, marker=marker_of(network), markersize=4)
        what = "pairs of blocks swapped" if kinds == {"swapped"} else "blocks removed"
        panel.set_xlabel(what)
        panel.set_title(name, fontsize=10)
        whole_numbers(panel)
    axes[0, 0].set_ylabel("test error (%)")
    axes[0, -1].legend(frameon=False, loc="lower right")
    from_zero(list(axes[0]), 100)
    return drawing


def path_gradients(
    lengths: Sequence[LengthGradient], paths: Sequence[PathGradient], title: str = ""
) -> Figure:
    """Paths by their length: how many there are, what one carries, and what all carry together.

    The last panel sets the norm of the exact sum over all paths of a length beside what follows
    from the first two panels, their product, as if gradients could not cancel. Both are drawn as
    shares of their total over all lengths.

    Args:
        lengths: what `measure.gradient_by_length` returned.
        paths: what `measure.sample_path_gradients` returned for the same network and images.
    """
    drawing, axes = new_figure(3, width=10.5, height=3.3, title=title)
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
        whole_numbers(panel)
        panel.title.set_fontsize(10)
    return drawing


def loss_slices(
    measured: Mapping[str, Mapping[Network, Sequence[Sequence[float]]]],
    at: Sequence[float],
    title: str = "",
    top: float | None = None,
) -> Figure:
    """The loss along random directions, on a logarithmic scale that all panels share.

    Args:
        measured: for each panel, named as it shall be, and for each network, what
            `measure.loss_along` returned for one direction or several; a line each.
        at: where the loss was measured.
        top: where the axis ends; default, at the largest loss.
    """
    drawing, axes = new_figure(len(measured), width=10.0, height=3.5, title=title, sharey=True)
    for panel, (name, by_network) in zip(axes[0], measured.items(), strict=True):
        for network, slices in by_network.items():
            look = line_of(network)
            for losses in slices:
                panel.plot(at, losses, linewidth=1.3, **look)
                look["label"] = None  # the legend names each network once
        panel.set_yscale("log")
        panel.set_xlabel("distance, in lengths of the weights")
        panel.set_title(name, fontsize=10)
    axes[0, 0].set_ylabel("loss")
    if top is not None:
        axes[0, 0].set_ylim(top=top)
    axes[0, 0].legend(frameon=False)
    return drawing


def loss_planes(
    measured: Mapping[Network, Tensor],
    at: Sequence[float],
    title: str = "",
    top: float | None = None,
) -> Figure:
    """The loss over a plane through the weights, as contour lines: a panel a network, one scale.

    Neighbouring lines differ by one factor in the loss. A dot marks the weights themselves.

    Args:
        measured: for each network, what `measure.loss_over_plane` returned.
        at: where the loss was measured, along both directions.
        top: the highest contour; default, the largest loss.
    """
    width = 4.4 * len(measured) + 0.8
    drawing, axes = new_figure(len(measured), width=width, height=4.0, title=title)
    losses = {name: np.asarray(plane.detach().cpu(), float) for name, plane in measured.items()}
    low = min(plane.min() for plane in losses.values())
    high = top or max(plane.max() for plane in losses.values())
    levels = np.geomspace(low, max(high, low * 1.01), 15)
    for panel, (network, plane) in zip(axes[0], losses.items(), strict=True):
        looks = {"levels": levels, "norm": "log", "extend": "max"}
        filled = panel.contourf(at, at, plane, cmap="Blues_r", **looks)
        panel.contour(at, at, plane, levels=levels, colors="black", linewidths=0.4)
        panel.plot(0, 0, "o", color="black", markersize=4)
        panel.set(xlabel="first direction", ylabel="second direction", aspect="equal")
        panel.set_title(name_of(network), fontsize=10, color=ink(colour_of(network)))
        panel.grid(False)
    ticks = [float(f"{level:.1g}") for level in levels[::3]]
    bar = drawing.colorbar(filled, ax=list(axes[0]), ticks=ticks, shrink=0.85)
    bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.set_label("loss")
    return drawing
