"""The visual language of all pictures: colours, line styles, and how a figure is made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import ColorType
from torch import Tensor

from resnet_lessons.plots.describe import DescribedFigure
from resnet_lessons.training import Epoch

# What a picture calls a network by: its kind, or kind and depth, such as ("plain", 44).
Network = str | tuple[str | None, int | None]


class Trained(Protocol):
    """A training as pictures see it: a `History`, or a stored run.

    Attributes:
        label: what it is called; those with one label are drawn together.
        kind: of its network, which decides the colour; None where it is no matter.
        depth: layers with weights, if that is known.
        x: the number that is varied, of images say, if one is.
        epochs: what was measured.
    """

    label: str
    kind: str | None
    depth: int | None
    x: float | None
    epochs: Sequence[Epoch]


PLAIN, RESIDUAL, NEUTRAL = "#D55E00", "#0072B2", "#555555"  # Okabe and Ito's palette, and a grey
# For trainings that are neither plain nor residual: colours of the same palette, told apart by the
# marker, too, in grey print.
OTHERS = ("#000000", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#7F3C8D")
MARKERS = ("o", "s", "^", "D", "v", "P")
# Kinds of networks that have a colour of their own; all others are grey.
COLOURS = {
    "plain": PLAIN,
    "residual": RESIDUAL,
    "residual block": RESIDUAL,
    "pre-activation": RESIDUAL,
    "preact_resnet": RESIDUAL,
}
# What a column of `Epoch` is called on an axis.
NAMES = {
    "train_error": "training error (%)",
    "test_error": "test error (%)",
    "train_loss": "training loss",
    "test_loss": "test loss",
    "lr": "learning rate",
    "seconds": "seconds an epoch",
}
STYLE = {
    "figure.facecolor": "white",  # opaque, so that the dark theme does not swallow the labels
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "font.size": 10,
    "axes.titlesize": 11,
    "lines.linewidth": 1.8,
}


def new_figure(
    columns: int = 1,
    rows: int = 1,
    width: float = 7.0,
    height: float = 3.6,
    title: str | None = None,
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, rows×columns; closed, so that it is shown by whoever returns it.

    Nothing overlaps unless `layout="none"` is passed: then positions are the caller's business.
    """
    options = {"layout": "constrained"} | options
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(width, height),
            squeeze=False,
            FigureClass=DescribedFigure,
            **options,
        )
    plt.close(figure)
    if title is not None:
        figure.suptitle(title, fontsize=11)
    return figure, axes


def picture_grid(count: int, columns: int, size: float) -> tuple[Figure, Iterator[Axes]]:
    """A figure with room for `count` small pictures, `size` inches each, without axes."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = new_figure(columns, rows, columns * size, rows * (size + 0.2))
    for panel in axes.flat:
        panel.axis("off")
    return figure, iter(axes.flat)


def kind_and_depth(network: Network) -> tuple[str | None, int | None]:
    """Both of a network; the depth is None where the kind stands alone."""
    return (network, None) if isinstance(network, str) else network


def name_of(network: Network) -> str:
    """`"plain-44"`, or the kind alone."""
    kind, depth = kind_and_depth(network)
    return str(kind) if depth is None else f"{kind}-{depth}"


def colour_of(network: Network) -> tuple[float, ...]:
    """The colour of a kind; of plain and residual networks, the deeper one is the darker."""
    kind, depth = kind_and_depth(network)
    base = to_rgb(COLOURS.get(kind, NEUTRAL))
    shaded = kind in COLOURS and depth is not None
    lighter = 0.0 if not shaded else min(0.45, max(-0.45, (44 - depth) / 80))
    end = 1 if lighter > 0 else 0  # white, or black for what is deeper than 44 layers
    return tuple(channel + (end - channel) * abs(lighter) for channel in base)


def ink(colour: ColorType) -> tuple[float, ...]:
    """The colour as dark as writing on white must be: a contrast of 4.5 (WCAG 2.2, 1.4.3)."""
    dark = np.array(to_rgb(colour))
    while contrast(dark) < 4.5:
        dark = 0.97 * dark
    return tuple(float(channel) for channel in dark)


def contrast(colour: ColorType) -> float:
    """How a colour contrasts with white, from 1 to 21, as WCAG 2.2 defines it."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05))


def marker_of(network: Network) -> str:
    """Square for plain networks, round for all others: vermilion and blue are one grey."""
    return "s" if kind_and_depth(network)[0] == "plain" else "o"


def dashes_of(network: Network) -> str:
    """Dashed for plain networks, solid for all others, where dashes mean nothing else."""
    return "--" if kind_and_depth(network)[0] == "plain" else "-"


def line_of(network: Network) -> dict[str, object]:
    """How the line of a network looks, and what it is called."""
    return {
        "linestyle": dashes_of(network),
        "color": colour_of(network),
        "label": name_of(network),
    }


def spread(count: int) -> int:
    """Every how many points a line of so many has a marker: more than 30 would hide it."""
    return 1 if count <= 30 else -(-count // 12)


def mean_and_band(
    axes: Axes, values: Mapping[float, Sequence[float]], band: bool = True, **look: object
) -> None:
    """A line through the mean of the values at each place, and a band from lowest to highest.

    Args:
        look: of the line, as `plot` takes it, with a colour.
    """
    places = list(values)
    if band:
        low, high = ([pick(at) for at in values.values()] for pick in (min, max))
        axes.fill_between(places, low, high, color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(places, [sum(at) / len(at) for at in values.values()], **look)


def whole_numbers(panel: Axes) -> None:
    """Ticks at whole numbers only: there is no half epoch, block or layer."""
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def show_image(panel: Axes, image: Tensor, **options: object) -> None:
    """An image C×H×W of 8-bit values: grey where it has one channel."""
    pixels = image.cpu().permute(1, 2, 0).squeeze(-1).numpy()
    panel.imshow(pixels, cmap="gray", vmin=0, vmax=255, **options)


def from_zero(panels: list[Axes], top: float | None = None) -> None:
    """Let the vertical axes go from zero to `top`; default, with room for the largest value."""
    top = top or max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(0, top)
