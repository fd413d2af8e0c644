"""Pictures of what a trained network is used for: explanations, detection."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor
from torch.nn import functional

from resnet_lessons.plots.style import PLAIN, RESIDUAL, picture_grid, show_image


def heatmaps(
    images: Tensor, maps: Tensor, titles: Sequence[str] = (), columns: int = 8, size: float = 1.2
) -> Figure:
    """Each image under its map: the stronger the colour, the larger the value.

    A line, seen in grey print, too, surrounds what is more than half of the largest value.

    Every map is scaled by its own largest value, so that strengths compare within an image only.
    Negative values are shown as nothing.

    Args:
        images: uint8, N×C×H×W.
        maps: N×h×w; enlarged to the images by bilinear interpolation.
        titles: one an image.
        size: of each picture, in inches.
    """
    figure, panels = picture_grid(len(images), columns, size)
    height, width = images.shape[2:]
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    maps = maps.detach().float().cpu().clamp(min=0)
    titles = titles or [""] * len(images)
    for panel, image, values, title in zip(panels, images, maps, titles, strict=False):
        show_image(panel, image)
        colour = values.new_tensor(to_rgb(PLAIN)).expand(*values.shape, 3)
        opacity = 0.8 * values / max(values.max().item(), 1e-30)
        veil = torch.cat([colour, opacity.unsqueeze(-1)], dim=-1)
        panel.imshow(veil.numpy(), extent=edges, interpolation="bilinear")
        enlarged = functional.interpolate(values[None, None], (height, width), mode="bilinear")
        _surround(panel, enlarged[0, 0])
        panel.set_title(title, fontsize=7)
    return figure


def _surround(panel: Axes, values: Tensor) -> None:
    """A white line with a dark edge where values pass half of the largest."""
    half = values.max().item() / 2
    if values.min().item() < half:
        line = panel.contour(values.numpy(), levels=[half], colors="white", linewidths=1.0)
        line.set_path_effects([withStroke(linewidth=2.0, foreground="black")])


def boxes(
    images: Sequence[Tensor],
    found: Sequence[Mapping[str, Tensor]],
    names: Sequence[str],
    truth: Sequence[Mapping[str, Tensor]] = (),
    threshold: float = 0.5,
    columns: int = 4,
    size: float = 2.2,
) -> Figure:
    """Pictures with the boxes that a detector found, in solid blue, and the true ones, dashed.

    Args:
        images: float, C×H×W each, values from 0 to 1.
        found: for each image, what torchvision's detectors give: `boxes`, `labels`, `scores`.
        names: of the classes, that of the background first.
        truth: for each image, its true `boxes`.
        threshold: boxes with a smaller score are left out.
        size: of each picture, in inches.
    """
    figure, panels = picture_grid(len(images), columns, size)
    for number, (panel, image, given) in enumerate(zip(panels, images, found, strict=False)):
        panel.imshow(image.detach().cpu().permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray")
        for box in truth[number]["boxes"].tolist() if truth else ():
            panel.add_patch(_frame(box, "white", "--"))
        kept = zip(given["boxes"], given["labels"].tolist(), given["scores"].tolist(), strict=True)
        for box, label, score in kept:
            if score < threshold:
                continue
            left, top, *_ = corners = box.tolist()
            panel.add_patch(_frame(corners, RESIDUAL, "-"))
            panel.annotate(
                f"{names[label]} {score:.2f}",
                (left - 0.5, top - 0.5),
                fontsize=6,
                color="white",
                va="bottom",
                annotation_clip=False,
                bbox={"facecolor": RESIDUAL, "edgecolor": "none", "pad": 1},
            )
    return figure


def _frame(box: Sequence[float], colour: str, dashes: str) -> Rectangle:
    left, top, right, bottom = (edge - 0.5 for edge in box)  # imshow's pixels begin at -0.5
    return Rectangle(
        (left, top),
        right - left,
        bottom - top,
        fill=False,
        edgecolor=colour,
        linestyle=dashes,
        linewidth=1.8,
    )
