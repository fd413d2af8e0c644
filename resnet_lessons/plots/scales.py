"""Pictures of blocks that work at several scales: Res2Net's chain and HRNet's exchange."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from resnet_lessons.networks import HighResolutionModule, Res2NetBlock
from resnet_lessons.plots.diagrams import CONVOLUTION, Place, arrow, box, canvas, plus, write_shape
from resnet_lessons.plots.style import NEUTRAL, RESIDUAL
from resnet_lessons.shapes import shape_table
from resnet_lessons.training import in_mode

# How an arrow looks that takes maps to a branch as they are, to a coarser one, to a finer one.
_WAYS = {"as it is": (NEUTRAL, "-"), "coarser": ("#E69F00", "--"), "finer": ("#009E73", ":")}


def chain(block: Res2NetBlock, input_shape: Sequence[int], title: str = "") -> Figure:
    """The branch of a `Res2NetBlock`: its parts, a lane each, and what each gets of the one before.

    Args:
        input_shape: the shape of the block's input, N×C×H×W; the shapes on the lanes are measured.
    """
    rows = {row.name: row for row in shape_table(block, input_shape)}
    parts = len(block.convs) + 1
    drawing, axes = canvas(width=9.0, height=0.8 + 0.75 * parts)
    middle = (1 - parts) / 2
    _arrow(axes, (-1.6, middle), (-0.6, middle))
    for place in (0, 7.6):
        box(axes, (place, middle), (1.2, parts - 0.45), CONVOLUTION, "conv 1×1")
    _arrow(axes, (8.2, middle), (9.2, middle))
    write_shape(axes, (-1.7, middle), input_shape, "right")
    write_shape(axes, (9.3, middle), rows["conv3"].output, "left")
    for number in range(parts):
        _lane(axes, number, parts, block.chained)
        shape = rows[f"convs.{number}" if number < parts - 1 else "pool"].output
        write_shape(axes, (6.0, 0.24 - number), shape)
    axes.set(xlim=(-3.4, 11.0), ylim=(0.6 - parts, 0.6), title=title)
    return drawing


def _lane(axes: Axes, number: int, parts: int, chained: bool) -> None:
    """One part from left to right, and the way from its result down to the next one."""
    height, last = -number, number == parts - 1
    _arrow(axes, (0.6, height), (7.0, height))
    if not last:
        box(axes, (3.6, height), (1.2, 0.55), CONVOLUTION, "conv 3×3")
    if number and not last and chained:
        axes.plot([5.1, 5.1, 2.0], [1 + height, 0.5 + height, 0.5 + height], color=RESIDUAL)
        _arrow(axes, (2.0, 0.52 + height), (2.0, 0.18 + height), RESIDUAL)
        plus(axes, (2.0, height), 0.17)


def exchange(
    module: HighResolutionModule, shapes: Sequence[Sequence[int]], title: str = ""
) -> Figure:
    """What the branches of a `HighResolutionModule` send each other: squares are feature maps.

    Args:
        shapes: of the maps that the module takes, N×C×H×W each, the finest first. Those on the
            right are measured.
    """
    with torch.no_grad(), in_mode(module, training=False):
        given = [torch.zeros(tuple(shape)) for shape in shapes]
        results = [tuple(y.shape) for y in module(given)]
    drawing, axes = canvas(width=8.0, height=0.5 + 0.95 * len(shapes))
    sides = [(shape[2] / shapes[0][2]) ** 0.5 for shape in shapes]
    for number, side in enumerate(sides):
        for left, shape in ((0.0, shapes[number]), (6.0, results[number])):
            corner = (left - side / 2, -1.3 * number - side / 2)
            axes.add_patch(Rectangle(corner, side, side, color=RESIDUAL, alpha=0.75, linewidth=0))
            outside, align = (-0.7, "right") if left == 0 else (0.7, "left")
            write_shape(axes, (left + outside, -1.3 * number), shape, align)
    for source in range(len(shapes)):
        for target in range(len(shapes)):
            way = "as it is" if source == target else "coarser" if source < target else "finer"
            _arrow(axes, (0.6, -1.3 * source), (5.3, -1.3 * target), *_WAYS[way])
    _explain(drawing)
    axes.set(xlim=(-2.6, 8.6), ylim=(0.6 - 1.3 * len(shapes), 0.7), title=title)
    return drawing


def _explain(drawing: Figure) -> None:
    """What the colours and dashes of the arrows mean."""
    means = (
        "as it is",
        "to a coarser branch: 3×3 of stride 2",
        "to a finer one: 1×1, pixels repeated",
    )
    lines = [Line2D([], [], color=colour, linestyle=dashes) for colour, dashes in _WAYS.values()]
    drawing.legend(lines, means, frameon=False, loc="outside lower center", ncols=3, fontsize=8)


def _arrow(axes: Axes, start: Place, stop: Place, colour: str = "black", dashes: str = "-") -> None:
    """An arrow from end to end, without the gap that matplotlib leaves before a text."""
    arrow(axes, start, stop, colour, linestyle=dashes, shrinkA=0, shrinkB=0)
