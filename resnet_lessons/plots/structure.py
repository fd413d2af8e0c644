"""Pictures of structure: a network as a row of boxes, a block as boxes and wires."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from resnet_lessons.plots.diagrams import CONVOLUTION, arrow, box, canvas, plus, write_shape
from resnet_lessons.plots.style import NEUTRAL, RESIDUAL, new_figure
from resnet_lessons.shapes import ShapeRow, ShapeTable, shape_table

FAULT = "#C00000"  # of what cannot be
_BOX_COLOURS = {
    "Conv2d": CONVOLUTION,
    "BatchNorm2d": "#CCCCCC",
    "ReLU": "#F0E442",
    "PaddingShortcut": "#009E73",
}


def network(table: ShapeTable, title: str = "") -> Figure:
    """A network as the row of boxes that its feature maps are: height H, thickness channels.

    Both are drawn as square roots, so that 224 pixels and 1, 3 channels and 512 fit one picture.
    """
    unseen = ("BatchNorm2d", "ReLU")  # they change no shape, and would double every box
    rows = [row for row in table if row.kind not in unseen and isinstance(row.output[0], int)]
    shapes = [("input", rows[0].input), *((row.name, row.output) for row in rows)]
    drawing, axes = canvas(width=max(7.0, 0.75 * len(shapes)), height=3.2)
    tallest = max(shape[2] if len(shape) == 4 else 1 for _, shape in shapes) ** 0.5
    unit = 4.0 / tallest
    left = 0.0
    for name, shape in shapes:
        height = unit * (shape[2] if len(shape) == 4 else 1) ** 0.5
        thickness = 0.06 * shape[1] ** 0.5
        colour = NEUTRAL if name == "input" else RESIDUAL
        axes.add_patch(
            Rectangle((left, -height / 2), thickness, height, color=colour, alpha=0.75, linewidth=0)
        )
        middle = left + thickness / 2
        axes.text(middle, height / 2 + 0.1, _size(shape), ha="center", fontsize=7)
        axes.text(middle, -height / 2 - 0.15, name, ha="right", va="top", rotation=45, fontsize=7)
        left += thickness + 1.15
    axes.set(xlim=(-0.6, left), ylim=(-2.9, 2.9), title=title)
    return drawing


def _size(shape: Sequence[int]) -> str:
    """A shape without its batch: 64×56×56, with the maps' size on a line of its own."""
    if len(shape) < 4:
        return str(shape[-1])
    return f"{shape[1]}\n{shape[2]}×{shape[3]}"


def costs(table: ShapeTable, title: str = "") -> Figure:
    """Where a network's parameters and multiply-adds are: a bar a stage, and stem and head.

    A stage is what the names before the first dot say; what has no dot in its name is the stem
    where it runs before the stages, the head where it runs behind them.
    """
    counted: dict[str, list[int]] = {}
    for row in table:
        stage, dot, _ = row.name.partition(".")
        part = stage if dot else "head" if any(name != "stem" for name in counted) else "stem"
        sums = counted.setdefault(part, [0, 0])
        sums[0] += row.parameters
        sums[1] += row.multiply_adds
    colours = [NEUTRAL if part in ("stem", "head") else RESIDUAL for part in counted]
    drawing, axes = new_figure(2, width=9.0, height=3.0, title=title)
    for panel, name, index in zip(axes[0], ("parameters", "multiply-adds"), (0, 1), strict=True):
        millions = [sums[index] / 1e6 for sums in counted.values()]
        bars = panel.bar(list(counted), millions, color=colours)
        names = [f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for value in bars.datavalues]
        panel.bar_label(bars, names, padding=2, fontsize=8)
        panel.set(ylabel=f"{name} (millions)")
        panel.grid(axis="x", visible=False)
        panel.set_axisbelow(True)
    return drawing


def block(module: nn.Module, input_shape: Sequence[int], title: str = "") -> Figure:
    """A block as wires and boxes, with the shape that was measured on every wire.

    Args:
        module: a block whose branch is one chain: `PlainBlock`, `BasicBlock`, `Bottleneck` or
            `PreActBlock`.
        input_shape: the shape of its input, N×C×H×W.
    """
    return _draw_block(module, input_shape, title, hasattr(module, "downsample"))


def misfit(module: nn.Module, input_shape: Sequence[int], title: str = "") -> Figure:
    """A plain block with an identity shortcut that does not fit: its wire and its sum are red.

    Args:
        module: a `PlainBlock` that changes the shape.
        input_shape: the shape of its input, N×C×H×W.
    """
    return _draw_block(module, input_shape, title, True, colour=FAULT)


def _draw_block(
    module: nn.Module,
    input_shape: Sequence[int],
    title: str,
    has_shortcut: bool,
    colour: str = RESIDUAL,
) -> Figure:
    rows = [row for row in shape_table(module, input_shape) if row.kind != "Dropout"]
    sizes = {name: m.kernel_size for name, m in module.named_modules() if isinstance(m, nn.Conv2d)}
    detour = [row for row in rows if row.name.startswith("downsample")]
    branch = [row for row in rows if not row.name.startswith("downsample")]
    after = branch.pop() if branch[-1].kind == "ReLU" else None  # stands behind the addition

    drawing, axes = canvas(max(9.0, 1.35 * len(rows)), height=3.4 if has_shortcut else 2.2)
    step, end = 1.75, len(branch) * 1.75 + 0.6
    out = end + (2.8 if after else 1.8)
    arrow(axes, (-0.7, 0), (out, 0))
    axes.text(-0.8, 0, "x", ha="right", va="center", fontsize=13, style="italic")
    axes.text(out + 0.1, 0, "y", ha="left", va="center", fontsize=13, style="italic")
    write_shape(axes, (0.0, -0.75), input_shape)
    for index, row in enumerate(branch):
        _layer(axes, (index + 0.75) * step, 0, row, sizes)
        if row.kind == "Conv2d" and row is not branch[-1]:
            write_shape(axes, ((index + 1.28) * step, -0.75), row.output)
    if after:
        _layer(axes, end + 1.65, 0, after, sizes)
    if colour != FAULT:
        write_shape(axes, (out - 0.3, -0.75), branch[-1].output)
    if has_shortcut:
        # A pre-activation block's shortcut may start behind the first normalisation and ReLU.
        start = 2.25 * step if getattr(module, "activate_shortcut", False) else -0.2
        detour = [row for row in detour if row.kind != "Identity"]
        _shortcut(axes, (start, end), input_shape, detour, sizes, colour)
        label = "F(x): what the block learns"
    else:
        label = "F(x): all there is; no way around"
    axes.text(end / 2, -1.5, label, ha="center", color=NEUTRAL)
    axes.set(xlim=(-1.4, out + 0.6), ylim=(-1.8, 2.6 if has_shortcut else 0.8), title=title)
    return drawing


def _shortcut(
    axes: Axes,
    ends: tuple[float, float],
    shape: Sequence[int],
    detour: list[ShapeRow],
    sizes: Mapping[str, tuple[int, ...]],
    colour: str,
) -> None:
    """The wire around the branch, with what stands on it, and the addition it ends in."""
    start, end = ends
    for first, last in (((start, 0), (start, 1.6)), ((start, 1.6), (end, 1.6))):
        axes.plot(*zip(first, last, strict=True), color=colour, linewidth=2.2, zorder=1)
    arrow(axes, (end, 1.62), (end, 0.3), colour, lw=2.2)
    middle = (max(start, 0) + end) / 2
    for index, row in enumerate(detour):
        _layer(axes, middle + (index - (len(detour) - 1) / 2) * 2.0, 1.6, row, sizes)
    names = {"Conv2d": "projection shortcut", "PaddingShortcut": "padding shortcut"}
    name = names[detour[0].kind] if detour else "identity shortcut: x itself"
    name = f"{name}, not of the shape of F(x)" if colour == FAULT else name
    axes.text(middle, 2.25, name, ha="center", color=colour)
    write_shape(axes, (end - 0.9, 1.85), detour[-1].output if detour else shape)
    plus(axes, (end, 0), 0.32, fontsize=15, color=FAULT if colour == FAULT else "black")


def _layer(
    axes: Axes, x: float, y: float, row: ShapeRow, sizes: Mapping[str, tuple[int, ...]]
) -> None:
    """One layer, coloured by its kind; `sizes` are those of the kernels, by name."""
    names = {"Conv2d": "conv", "BatchNorm2d": "batch\nnorm", "PaddingShortcut": "zero\npadding"}
    text = names.get(row.kind, row.kind)
    if row.kind == "Conv2d":
        text = f"{text}\n{'×'.join(map(str, sizes[row.name]))}"
    box(axes, (x, y), (1.0, 0.76), _BOX_COLOURS.get(row.kind, "white"), text)
