"""Explorer: the size of a convolution's output, and what one of its pixels sees."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from resnet_lessons._arguments import whole_number
from resnet_lessons.plots import style
from resnet_lessons.widgets.explorer import Explorer, Shown, slider

PIXEL = "#E8E8E8"


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
    drawing, axes = style.new_figure(2, width=7.0, height=3.0)
    padded = size + 2 * padding
    colours = np.ones((padded, padded, 3))  # padding is white
    colours[padding : padding + size, padding : padding + size] = to_rgb(PIXEL)
    colours[np.ix_(seen, seen)] = to_rgb(style.RESIDUAL)
    around = f", padding {padding}" if padding else ""
    _grid(axes[0, 0], colours, f"input {size}×{size}{around}")
    edges = {"edgecolor": "black", "linewidth": 1.6, "fill": False}
    axes[0, 0].add_patch(Rectangle((padding - 0.5, padding - 0.5), size, size, **edges))
    colours = np.tile(to_rgb(PIXEL), (out, out, 1))
    if out:
        colours[pixel - 1, pixel - 1] = to_rgb(style.PLAIN)
    _grid(axes[0, 1], colours, f"output {out}×{out}" if out else "no output")
    return drawing


def _grid(axes: Axes, colours: np.ndarray, title: str) -> None:
    """Square cells of these colours, with lines between them."""
    axes.set_title(title)
    axes.axis("off")
    side = len(colours)
    if side:
        axes.imshow(colours, interpolation="nearest")
        lines = np.arange(side + 1) - 0.5
        # Not clipped, for the last one is on the edge.
        thin = {"color": style.NEUTRAL, "linewidth": 0.6, "clip_on": False}
        axes.vlines(lines, -0.5, side - 0.5, **thin)
        axes.hlines(lines, -0.5, side - 0.5, **thin)
