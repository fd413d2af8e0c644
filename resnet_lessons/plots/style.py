"""The visual language of all pictures: colours, line styles, and how a figure is made."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from resnet_lessons.plots.describe import DescribedFigure

PLAIN, RESIDUAL, NEUTRAL = "#D55E00", "#0072B2", "#555555"  # Okabe and Ito's palette, and a grey
# For trainings that are neither plain nor residual: colours of the same palette, told apart by the
# marker, too, in grey print.
OTHERS = ("#000000", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#7F3C8D")
MARKERS = ("o", "s", "^", "D", "v", "P")
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
    columns: int = 1, rows: int = 1, width: float = 7.0, height: float = 3.6, **options: Any
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
    return figure, axes


def picture_grid(count: int, columns: int, size: float) -> tuple[Figure, Iterator[Axes]]:
    """A figure with room for `count` small pictures, `size` inches each, without axes."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = new_figure(columns, rows, columns * size, rows * (size + 0.2))
    for panel in axes.flat:
        panel.axis("off")
    return figure, iter(axes.flat)


def colour_of(label: str) -> tuple[float, ...]:
    """The colour of a kind of network; the deeper one of a kind is the darker."""
    kind, depth = label.lower(), depth_of(label)
    base = to_rgb(PLAIN if "plain" in kind else RESIDUAL if "res" in kind else NEUTRAL)
    lighter = 0.0 if depth is None else min(0.45, max(-0.45, (44 - depth) / 80))
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


def marker_of(label: str) -> str:
    """Square for plain networks, round for all others: vermilion and blue are one grey."""
    return "s" if "plain" in label.lower() else "o"


def dashes_of(label: str) -> str:
    """Dashed for plain networks, solid for all others, where dashes mean nothing else."""
    return "--" if "plain" in label.lower() else "-"


def spread(count: int) -> int:
    """Every how many points a line of so many has a marker: more than 30 would hide it."""
    return 1 if count <= 30 else -(-count // 12)


def depth_of(label: str) -> int | None:
    """The depth in a label such as "plain-44", if it has one."""
    digits = label.split()[0].rpartition("-")[2]
    return int(digits) if digits.isdigit() else None


def from_zero(panels: list[Axes], top: float | None = None) -> None:
    """Let the vertical axes go from zero to `top`; default, with room for the largest value."""
    top = top or max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(0, top)
