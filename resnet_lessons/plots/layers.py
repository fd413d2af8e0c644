"""Pictures of what was measured inside networks: gradients, responses, values in a stack."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from resnet_lessons.measure import LayerGradient, LayerResponse
from resnet_lessons.plots.style import (
    NEUTRAL,
    Network,
    colour_of,
    from_zero,
    line_of,
    marker_of,
    name_of,
    new_figure,
    spread,
    whole_numbers,
)


def gradient_norms(measured: Mapping[Network, Sequence[LayerGradient]], title: str = "") -> Figure:
    """The gradient norm of each convolution, from the first to the last, on a logarithmic scale.

    Args:
        measured: for each network, what `measure.gradient_norms` returned.
    """
    drawing, axes = new_figure(width=7.5)
    panel = axes[0, 0]
    for network, layers in measured.items():
        places = [index / max(1, len(layers) - 1) for index in range(len(layers))]
        norms = [layer.gradient for layer in layers]
        look = {"marker": marker_of(network), "markersize": 3.5, "markevery": spread(len(layers))}
        panel.plot(places, norms, **line_of(network), **look)
    panel.set_yscale("log")
    panel.set_xticks([0, 0.5, 1], ["first layer", "half-way", "last layer"])
    panel.set(ylabel="norm of the gradient", title=title)
    panel.legend(frameon=False)
    return drawing


def layer_responses(measured: Mapping[Network, Sequence[LayerResponse]], title: str = "") -> Figure:
    """How strong each layer's response is: in the order of the layers, and sorted by size.

    As He et al. 2015 (arXiv:1512.03385, Fig. 7). A dot is the last layer of a residual branch:
    there the response is F(x) itself.

    Args:
        measured: for each network, what `measure.layer_responses` returned.
    """
    drawing, axes = new_figure(2, width=9.0, height=4.0, title=title, sharey=True)
    for network, layers in measured.items():
        by_size = sorted(layers, key=lambda layer: layer.std, reverse=True)
        for panel, shown in zip(axes[0], (layers, by_size), strict=True):
            ends = [number for number, layer in enumerate(shown) if layer.ends_branch]
            panel.plot(
                range(1, len(shown) + 1),
                [layer.std for layer in shown],
                **line_of(network),
                marker="o" if ends else None,
                markersize=3.5,
                markevery=ends,
            )
    for panel, order in zip(axes[0], ("from the first to the last", "sorted by size"), strict=True):
        panel.set(xlabel=f"layer, {order}", ylabel="standard deviation of the response")
        whole_numbers(panel)
    from_zero(list(axes[0]))
    if any(layer.ends_branch for layers in measured.values() for layer in layers):
        axes[0, 1].plot([], [], "o", markersize=3.5, color=NEUTRAL, label="F(x) of a block")
    axes[0, 1].legend(frameon=False)
    return drawing


def histograms(measured: Mapping[Network, Tensor], xlabel: str, title: str = "") -> Figure:
    """How often each value occurs: a panel a network, all on one scale.

    Args:
        measured: for each network, values in a tensor of any shape.
    """
    shared = {"sharex": True, "sharey": True}
    drawing, axes = new_figure(len(measured), width=9.0, height=3.0, title=title, **shared)
    values = {name: tensor.detach().flatten().cpu().numpy() for name, tensor in measured.items()}
    low = min(shown.min() for shown in values.values())
    high = max(shown.max() for shown in values.values())
    step = float(high - low) / 50 or 1.0
    edges = step * np.arange(np.floor(low / step), np.ceil(high / step) + 1.5)  # one of them 0
    for panel, (network, shown) in zip(axes[0], values.items(), strict=True):
        shares = np.full(len(shown), 100 / len(shown))
        panel.hist(shown, bins=edges, weights=shares, color=colour_of(network))
        panel.set_xlabel(xlabel)
        panel.set_title(name_of(network), fontsize=10)
    axes[0, 0].set_ylabel("values (%)")
    return drawing


def block_by_block(
    measured: Mapping[str, Mapping[Network, Sequence[float]]], title: str = ""
) -> Figure:
    """Something measured after every block of a stack: a panel a figure, a line a network.

    Args:
        measured: for each figure, named as its axis shall be, the values of each network, the first
            one being that of block 1.
    """
    drawing, axes = new_figure(len(measured), width=9.0, height=3.2, title=title)
    for panel, (figure, by_network) in zip(axes[0], measured.items(), strict=True):
        for network, values in by_network.items():
            blocks = range(1, len(values) + 1)
            look = line_of(network) | {"linestyle": "-", "marker": marker_of(network)}
            # A value of 0 lies on the edge of the panel, and would be cut in half.
            panel.plot(blocks, values, **look, clip_on=False)
        whole_numbers(panel)
        panel.set(xlabel="block", ylabel=figure)
        from_zero([panel])
    axes[0, 0].legend(frameon=False)
    return drawing
