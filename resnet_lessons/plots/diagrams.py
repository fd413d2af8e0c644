"""What diagrams are drawn with: boxes, arrows, sums, and shapes written on wires."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from resnet_lessons.plots.style import new_figure

CONVOLUTION = "#56B4E9"  # from Okabe and Ito's palette
Place = tuple[float, float]


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """One panel without axes, as wide as high in its units."""
    drawing, grid = new_figure(width=width, height=height)
    axes = grid[0, 0]
    axes.axis("off")
    axes.set_aspect("equal")
    return drawing, axes


def box(axes: Axes, place: Place, size: tuple[float, float], colour: str, text: str) -> None:
    """A layer: a box with round corners around its middle, and its name."""
    corner = place[0] - size[0] / 2, place[1] - size[1] / 2
    look = {"facecolor": colour, "edgecolor": "black", "linewidth": 0.8, "zorder": 2}
    round_corners = "round,pad=0.02,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=round_corners, **look))
    axes.text(*place, text, ha="center", va="center", fontsize=8, zorder=3)


def arrow(axes: Axes, start: Place, stop: Place, colour: str = "black", **options: object) -> None:
    """An arrow; `options` are those of matplotlib's `arrowprops`."""
    look = {"arrowstyle": "-|>", "color": colour, "lw": 1.2, **options}
    axes.annotate("", stop, start, arrowprops=look, zorder=1)


def plus(axes: Axes, place: Place, radius: float, **options: object) -> None:
    """An addition; `options` are those of its text."""
    axes.add_patch(Circle(place, radius, facecolor="white", edgecolor="black", zorder=3))
    axes.text(*place, "+", ha="center", va="center", zorder=4, **options)


def write_shape(axes: Axes, place: Place, shape: Sequence[int], align: str = "center") -> None:
    """The shape that travels on a wire, batch left out: 64×56×56."""
    text = "×".join(str(size) for size in shape[1:])
    axes.text(*place, text, ha=align, va="center", fontsize=8, family="monospace", zorder=4)
