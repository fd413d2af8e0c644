"""Pictures of images and of feature maps."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from resnet_lessons.data import Dataset
from resnet_lessons.plots.style import picture_grid


def images(data: Dataset, count: int = 20, columns: int = 10) -> Figure:
    """The first training images, each under the name of its class."""
    count = min(count, len(data.train))
    figure, panels = picture_grid(count, columns, size=0.95)
    shown = zip(panels, data.train.images[:count].cpu(), data.train.labels.tolist(), strict=False)
    for panel, image, label in shown:
        panel.imshow(image.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255)
        panel.set_title(data.class_names[label], fontsize=7)
    return figure


def feature_maps(maps: Tensor, titles: Sequence[str] = (), columns: int = 8) -> Figure:
    """The channels of one feature map, C×H×W, as grey pictures on one common scale.

    Args:
        titles: one a channel; default, the channel's number.
    """
    maps = maps.detach().float().cpu()
    titles = titles or [f"channel {number}" for number in range(len(maps))]
    low, high = maps.min().item(), maps.max().item()
    figure, panels = picture_grid(len(maps), columns, size=1.1)
    for panel, channel, title in zip(panels, maps, titles, strict=False):
        panel.imshow(channel, cmap="gray", vmin=low, vmax=high)
        panel.set_title(title, fontsize=8)
    return figure
