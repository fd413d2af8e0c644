"""Every picture of the course, in one visual language.

Plain networks are vermilion, residual ones blue (a pair that colour-blind readers tell apart and
that differs in grey print). Deeper is darker. Training figures are solid lines, test figures
dashed. Several seeds are drawn as their mean with a band from the smallest to the largest.

Each function returns a closed figure: as the last line of a cell it is shown once.
"""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset
from resnet_lessons.diagnostics import LayerGradient
from resnet_lessons.results import Run
from resnet_lessons.shapes import ShapeTable, shape_table
from resnet_lessons.training import Epoch, History

PLAIN, RESIDUAL, NEUTRAL = "#D55E00", "#0072B2", "#555555"  # Okabe and Ito's palette, and a grey
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


def _figure(columns: int = 1, width: float = 7.0, height: float = 3.6, **options):
    """A new figure and its axes; closed, so that only its return value is shown."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, columns, figsize=(width, height), layout="constrained", **options
        )
    plt.close(figure)
    return figure, axes


def _colour(label: str, depth: int | None = None) -> tuple[float, float, float]:
    """The colour of a kind of network; the deeper of a kind, the darker."""
    kind = label.lower()
    base = to_rgb(PLAIN if "plain" in kind else RESIDUAL if "res" in kind else NEUTRAL)
    if depth is None:
        depth = _depth(label)
    lighter = 0.0 if depth is None else min(0.6, max(0.0, (44 - depth) / 60))
    return tuple(channel + (1 - channel) * lighter for channel in base)


def _depth(label: str) -> int | None:
    """The depth in a label such as "plain-44"."""
    digits = label.split()[0].rpartition("-")[2]
    return int(digits) if digits.isdigit() else None


def _draw_curves(axes: Axes, trainings: Iterable[History | Run], figure: str) -> None:
    """One line a label, named at its end; a band where several trainings share the label."""
    by_label: dict[str, list[list[float]]] = {}
    for training in trainings:
        column = [getattr(epoch, figure) for epoch in training.epochs]
        if column:
            by_label.setdefault(training.label, []).append(column)
    dashes = "--" if figure.startswith("test") else "-"
    ends = []
    for label, columns in by_label.items():
        epochs = range(1, min(map(len, columns)) + 1)
        low, high, mean = zip(
            *((min(c), max(c), sum(c) / len(c)) for c in zip(*columns, strict=False)), strict=True
        )
        colour = _colour(label)
        axes.plot(epochs, mean, dashes, color=colour, marker="o", markersize=3)
        if len(columns) > 1:
            axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        ends.append((mean[-1], epochs[-1], label, colour))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel=NAMES[figure], ylim=(0, None))
    _label_ends(axes, ends)


def _label_ends(axes: Axes, ends: list[tuple[float, int, str, tuple]]) -> None:
    """Write each curve's name behind its last point, moved apart where two would overlap."""
    top = axes.get_ylim()[1]
    apart = 0.075 * top
    height = -apart
    for value, epoch, label, colour in sorted(ends):
        height = max(value, height + apart)
        axes.annotate(
            label,
            (epoch, value),
            xytext=(1.02, height),
            textcoords=axes.get_yaxis_transform(),
            color=colour,
            va="center",
            annotation_clip=False,
        )


def curves(
    trainings: Sequence[History | Run], figures: Sequence[str] = ("train_error",), title: str = ""
) -> Figure:
    """What was measured against the epoch: a panel a figure, a line a label.

    Args:
        trainings: histories, or stored runs; those with one label become a mean and a band.
        figures: columns of `Epoch`, for example `("train_error", "test_error")`.

    Raises:
        ValueError: an `Epoch` has no such figure.
    """
    for figure in figures:
        one_of("figures", figure, [name for name in Epoch.__dataclass_fields__ if name in NAMES])
    drawing, axes = _figure(len(figures), width=6.0 if len(figures) == 1 else 9.0, squeeze=False)
    for panel, figure in zip(axes[0], figures, strict=True):
        _draw_curves(panel, trainings, figure)
    drawing.suptitle(title, fontsize=11)
    return drawing


class LiveCurves:
    """A picture that grows while networks train: `train(..., live=curves)`.

    Hand the same object to several trainings, and their curves share the picture.
    """

    def __init__(self, figure: str = "train_error") -> None:
        self.figure = one_of(
            "figure", figure, [f for f in Epoch.__dataclass_fields__ if f in NAMES]
        )
        self.histories: list[History] = []
        self._display = None

    def __call__(self, history: History) -> None:
        if not any(history is known for known in self.histories):
            self.histories.append(history)
        picture = curves(self.histories, (self.figure,))
        if self._display is None:
            from IPython.display import display  # here, since a terminal has no need of IPython

            self._display = display(picture, display_id=True)
        else:
            self._display.update(picture)


def error_against_depth(
    runs: Sequence[Run | History],
    figures: Sequence[str] = ("train_error", "test_error"),
    title: str = "",
) -> Figure:
    """The error of the last epoch against depth: a dot a run, a line through the means.

    Args:
        runs: stored runs, or histories whose labels end in a depth, such as "plain-20".
        figures: columns of `Epoch`, one panel each.
    """
    drawing, axes = _figure(
        len(figures), width=4.5 * len(figures) + 0.5, sharey=True, squeeze=False
    )
    for panel, figure in zip(axes[0], figures, strict=True):
        kinds: dict[str, dict[int, list[float]]] = {}
        for run in runs:
            kind, depth = run.label.split("-")[0], _depth(run.label)
            value = getattr(run.epochs[-1], figure)
            kinds.setdefault(kind, {}).setdefault(depth, []).append(value)
        for kind, by_depth in kinds.items():
            depths, colour = sorted(by_depth), _colour(kind)
            means = [sum(by_depth[d]) / len(by_depth[d]) for d in depths]
            lows, highs = ([f(by_depth[d]) for d in depths] for f in (min, max))
            marker, dashes = ("s", "--") if kind == "plain" else ("o", "-")
            panel.fill_between(depths, lows, highs, color=colour, alpha=0.18, linewidth=0)
            panel.plot(depths, means, dashes, color=colour, marker=marker, label=kind)
            for depth in depths:
                panel.plot(
                    [depth] * len(by_depth[depth]), by_depth[depth], ".", color=colour, markersize=4
                )
        panel.set(xlabel="depth (layers)", ylabel=NAMES[figure], ylim=(0, None))
        panel.set_xticks(sorted({depth for by_depth in kinds.values() for depth in by_depth}))
        panel.tick_params(labelleft=True)
        panel.legend(frameon=False)
    drawing.suptitle(title, fontsize=11)
    return drawing


def gradient_norms(measured: Mapping[str, Sequence[LayerGradient]], title: str = "") -> Figure:
    """The gradient norm of each convolution, from the first to the last, on a logarithmic scale.

    Args:
        measured: for each label, what `diagnostics.gradient_norms` returned.
    """
    drawing, axes = _figure(width=7.5)
    for label, layers in measured.items():
        places = [index / max(1, len(layers) - 1) for index in range(len(layers))]
        axes.plot(
            places,
            [layer.gradient for layer in layers],
            "-" if "plain" not in label else "--",
            marker=".",
            color=_colour(label),
            label=label,
        )
    axes.set_yscale("log")
    axes.set_xticks([0, 0.5, 1], ["first layer", "half-way", "last layer"])
    axes.set(ylabel="norm of the gradient", title=title)
    axes.legend(frameon=False)
    return drawing


def images(data: Dataset, count: int = 20, columns: int = 10) -> Figure:
    """The first training images, each under the name of its class."""
    rows = -(-count // columns)
    with plt.rc_context(STYLE):
        drawing, axes = plt.subplots(
            rows,
            columns,
            figsize=(columns * 0.95, rows * 1.15),
            layout="constrained",
            squeeze=False,
        )
    plt.close(drawing)
    for panel in axes.flat:
        panel.axis("off")
    for panel, image, label in zip(
        axes.flat, data.train.images[:count].cpu(), data.train.labels[:count].tolist(), strict=False
    ):
        panel.imshow(image.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255)
        panel.set_title(data.class_names[label], fontsize=7)
    return drawing


def feature_maps(maps: Tensor, titles: Sequence[str] = (), columns: int = 8) -> Figure:
    """Channels of one feature map, C×H×W, as pictures; all on one grey scale."""
    maps = maps.detach().float().cpu()
    rows = -(-len(maps) // columns)
    low, high = maps.min().item(), maps.max().item()
    with plt.rc_context(STYLE):
        drawing, axes = plt.subplots(
            rows,
            min(columns, len(maps)),
            figsize=(1.2 * min(columns, len(maps)), 1.3 * rows),
            layout="constrained",
            squeeze=False,
        )
    plt.close(drawing)
    for panel in axes.flat:
        panel.axis("off")
    for index, (panel, channel) in enumerate(zip(axes.flat, maps, strict=False)):
        panel.imshow(channel, cmap="gray", vmin=low, vmax=high)
        panel.set_title(titles[index] if index < len(titles) else f"channel {index}", fontsize=8)
    return drawing


def network(table: ShapeTable, title: str = "") -> Figure:
    """A network as the row of boxes that its feature maps are: height H, thickness channels.

    Both are drawn as square roots, so that 224 pixels and 1, 3 channels and 512 fit one picture.
    """
    rows = [row for row in table if row.output and isinstance(row.output[0], int)]
    shapes = [("input", rows[0].input), *((row.name, row.output) for row in rows)]
    drawing, axes = _figure(width=max(7.0, 0.62 * len(shapes)), height=3.2)
    axes.axis("off")
    axes.set_aspect("equal")
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
        left += thickness + 0.95
    axes.set(xlim=(-0.6, left), ylim=(-3.3, 2.7), title=title)
    return drawing


def _size(shape: Sequence[int]) -> str:
    """A shape without its batch: 64×56×56, with the maps' size on a line of its own."""
    if len(shape) < 4:
        return str(shape[-1])
    return f"{shape[1]}\n{shape[2]}×{shape[3]}"


_BOX_COLOURS = {
    "Conv2d": "#56B4E9",
    "BatchNorm2d": "#CCCCCC",
    "ReLU": "#F0E442",
    "PaddingShortcut": "#009E73",
}


def block(module: nn.Module, input_shape: Sequence[int], title: str = "") -> Figure:
    """A block as wires and boxes, with the shape that was measured on every wire.

    Args:
        module: a `PlainBlock` or `BasicBlock`.
        input_shape: the shape of its input, N×C×H×W.
    """
    rows = {row.name: row for row in shape_table(module, input_shape)}
    branch = [rows[name] for name in ("conv1", "bn1", "relu", "conv2", "bn2")]
    # The one ReLU module runs twice, so its last row is the one behind the addition.
    detour = [row for name, row in rows.items() if name.startswith("downsample")]
    has_shortcut = hasattr(module, "downsample")

    drawing, axes = _figure(width=9.0, height=3.4 if has_shortcut else 2.2)
    axes.axis("off")
    axes.set_aspect("equal")
    step, end = 1.75, len(branch) * 1.75 + 0.6
    _wire(axes, (-0.7, 0), (end + 2.8, 0))
    axes.text(-0.8, 0, "x", ha="right", va="center", fontsize=13, style="italic")
    axes.text(end + 2.9, 0, "y", ha="left", va="center", fontsize=13, style="italic")
    _on_wire(axes, 0.0, -0.75, input_shape)
    for index, row in enumerate(branch):
        _box(axes, (index + 0.75) * step, 0, row)
        if row.kind == "Conv2d":
            _on_wire(axes, (index + 1.28) * step, -0.75, row.output)
    _box(axes, end + 1.65, 0, rows["relu"])
    _on_wire(axes, end + 2.5, -0.75, rows["bn2"].output)
    if has_shortcut:
        _shortcut(axes, end, input_shape, [r for r in detour if r.kind != "Identity"])
        label = "F(x): what the block learns"
    else:
        label = "F(x): all there is; no way around"
    axes.text(end / 2, -1.5, label, ha="center", color=NEUTRAL)
    axes.set(xlim=(-1.4, end + 3.4), ylim=(-1.8, 2.6 if has_shortcut else 0.8), title=title)
    return drawing


def _shortcut(axes: Axes, end: float, shape: Sequence[int], detour: list) -> None:
    """The wire around the branch, with what stands on it, and the addition it ends in."""
    for start, stop in (((-0.2, 0), (-0.2, 1.6)), ((-0.2, 1.6), (end, 1.6))):
        axes.plot(*zip(start, stop, strict=True), color=RESIDUAL, linewidth=2.2, zorder=1)
    axes.annotate(
        "", (end, 0.3), (end, 1.62), arrowprops={"arrowstyle": "-|>", "color": RESIDUAL, "lw": 2.2}
    )
    for index, row in enumerate(detour):
        _box(axes, end / 2 + (index - (len(detour) - 1) / 2) * 2.0, 1.6, row)
    name = "shortcut" if detour else "identity shortcut: x itself"
    axes.text(end / 2, 2.25, name, ha="center", color=RESIDUAL)
    _on_wire(axes, end - 0.9, 1.85, detour[-1].output if detour else shape)
    axes.add_patch(Circle((end, 0), 0.32, facecolor="white", edgecolor="black", zorder=3))
    axes.text(end, 0, "+", ha="center", va="center", fontsize=15, zorder=4)


def _wire(axes: Axes, start: tuple[float, float], stop: tuple[float, float]) -> None:
    axes.annotate("", stop, start, arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 1.2})


def _box(axes: Axes, x: float, y: float, row) -> None:
    """One layer, coloured by its kind."""
    names = {"Conv2d": "conv", "BatchNorm2d": "batch\nnorm", "PaddingShortcut": "zero\npadding"}
    text = names.get(row.kind, row.kind)
    if row.kind == "Conv2d":
        size = "1×1" if row.name.startswith("downsample") else "3×3"
        text = f"{text}\n{size}"
    axes.add_patch(
        FancyBboxPatch(
            (x - 0.5, y - 0.38),
            1.0,
            0.76,
            boxstyle="round,pad=0.02,rounding_size=0.1",
            facecolor=_BOX_COLOURS.get(row.kind, "white"),
            edgecolor="black",
            linewidth=0.8,
            zorder=2,
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=8, zorder=3)


def _on_wire(axes: Axes, x: float, y: float, shape: Sequence[int]) -> None:
    """The shape that travels on a wire, batch left out."""
    text = "×".join(str(size) for size in shape[1:])
    axes.text(x, y, text, ha="center", va="center", fontsize=8, family="monospace", zorder=4)
