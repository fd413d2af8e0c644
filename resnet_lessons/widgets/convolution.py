"""Explorer: the size of a convolution's output, and what one of its pixels sees."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from resnet_lessons._arguments import whole_number
from resnet_lessons.plots.style import NEUTRAL, PLAIN, RESIDUAL, new_figure
from resnet_lessons.widgets.explorer import Explorer, Shown, slider


def convolution(
    size: int = 7, kernel: int = 3, stride: int = 2, padding: int = 1, dilation: int = 1
) -> Explorer:
    """Move size, kernel, stride, padding and dilation; see the formula, and what a pixel sees.

    The arguments are what it begins with, for an image that is `size` pixels high and wide.

    Raises:
        TypeError, ValueError: an argument is not within the reach of its slider.
    """
    controls = {
        "size": slider("input size", size, 1, 16),
        "kernel": slider("kernel size", kernel, 1, 7),
        "stride": slider("stride", stride, 1, 4),
        "padding": slider("padding", padding, 0, 4),
        "dilation": slider("dilation", dilation, 1, 3),
        "pixel": slider("output pixel", 1, 1, 16),
    }
    given = {"size": size, "kernel": kernel, "stride": stride, "padding": padding}
    for name, value in {**given, "dilation": dilation}.items():
        whole_number(name, value, minimum=controls[name].min)
        if value > controls[name].max:
            raise ValueError(
                f"{name} is {value}, but the slider ends at {controls[name].max}; "
                f"pass at most that."
            )
    return Explorer(controls, answer)


def answer(size: int, kernel: int, stride: int, padding: int, dilation: int, pixel: int) -> Shown:
    """What the explorer shows; `pixel` counts the output's from 1, the last one at most."""
    padded, covered = size + 2 * padding, dilation * (kernel - 1) + 1
    formula = (
        f"⌊({size} + 2·{padding} - {dilation}·({kernel} - 1) - 1) / {stride}⌋ + 1 = "
        f"⌊{padded - covered} / {stride}⌋ + 1"
    )
    if covered > padded:
        return Shown(
            (
                f"{formula}: there is no place for the kernel.",
                f"It covers {covered} pixels, and with its padding the image has only {padded}. "
                f"Take a padding of at least {-(-(covered - size) // 2)}, or a smaller kernel.",
            ),
            _picture(size, padding, 0, []),
            fault=True,
        )
    out = (padded - covered) // stride + 1
    pixel = min(pixel, out)
    first = (pixel - 1) * stride
    seen = [first + dilation * step for step in range(kernel)]
    inside = sum(padding <= place < padding + size for place in seen)
    unseen = padded - ((out - 1) * stride + covered)
    lines = [
        f"{formula} = {out}: {size}×{size} becomes {out}×{out}.",
        f"Pixel {pixel} of a row sees {kernel} places of the input's row, {inside} of them pixels "
        f"and {kernel - inside} padding.",
    ]
    if unseen:
        lines.append(f"The last {unseen} of the padded row are never seen: a step did not fit.")
    return Shown(tuple(lines), _picture(size, padding, out, seen, pixel))


def _picture(size: int, padding: int, out: int, seen: list[int], pixel: int = 0) -> Figure:
    """The padded input with what the pixel sees, and the output with the pixel."""
    drawing, axes = new_figure(2, width=7.0, height=3.0)
    left, right = axes[0]
    padded = size + 2 * padding
    for row in range(padded):
        for column in range(padded):
            real = all(padding <= place < padding + size for place in (row, column))
            looked_at = row in seen and column in seen
            colour = RESIDUAL if looked_at else ("#E8E8E8" if real else "white")
            _cell(left, row, column, colour, "-" if real else ":")
    for row in range(out):
        for column in range(out):
            here = row == column == pixel - 1
            _cell(right, row, column, PLAIN if here else "#E8E8E8", "-")
    around = f", padding {padding}" if padding else ""
    for panel, side, title in (
        (left, padded, f"input {size}×{size}{around}"),
        (right, max(out, 1), f"output {out}×{out}" if out else "no output"),
    ):
        panel.set(xlim=(-0.2, side + 0.2), ylim=(side + 0.2, -0.2), title=title)
        panel.set_aspect("equal")
        panel.axis("off")
    return drawing


def _cell(axes: Axes, row: int, column: int, colour: str, line: str) -> None:
    axes.add_patch(
        Rectangle(
            (column, row), 1, 1, facecolor=colour, edgecolor=NEUTRAL, linestyle=line, linewidth=0.7
        )
    )
