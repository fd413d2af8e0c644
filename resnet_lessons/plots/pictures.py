"""Pictures of images and of feature maps."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from resnet_lessons.data import Dataset
from resnet_lessons.plots.style import PLAIN, ink, picture_grid, show_image


def images(data: Dataset, count: int = 20, columns: int = 10) -> Figure:
    """The first training images, each under the name of its class."""
    count = min(count, len(data.train))
    figure, panels = picture_grid(count, columns, size=0.95)
    shown = zip(panels, data.train.images[:count], data.train.labels.tolist(), strict=False)
    for panel, image, label in shown:
        show_image(panel, image)
        panel.set_title(data.class_names[label], fontsize=7)
    return figure


def guesses(data: Dataset, classes: Tensor, columns: int = 10) -> Figure:
    """The first test images, each under the class that a network guesses for it.

    A wrong guess is framed, and the right class stands in brackets below it.

    Args:
        classes: the guessed class numbers, one for each image to show, from the first one on.
    """
    figure, panels = picture_grid(len(classes), columns, size=0.95)
    labels, shown = data.test.labels.tolist(), data.test.images[: len(classes)]
    for panel, image, label, guess in zip(panels, shown, labels, classes.tolist(), strict=False):
        show_image(panel, image)
        title, colour = f"{data.class_names[guess]}\n", "black"
        if guess != label:
            title, colour = f"{title}({data.class_names[label]})", PLAIN
            frame = {"fill": False, "edgecolor": PLAIN, "linewidth": 4}
            panel.add_patch(Rectangle((0, 0), 1, 1, transform=panel.transAxes, **frame))
        panel.set_title(title, fontsize=7, color=ink(colour))
    return figure


def feature_maps(
    maps: Tensor, titles: Sequence[str] = (), columns: int = 8, size: float = 1.1
) -> Figure:
    """The channels of one feature map, C×H×W, as grey pictures on one common scale.

    Args:
        titles: one a channel; default, the channel's number.
        size: of each picture, in inches.
    """
    maps = maps.detach().float().cpu()
    titles = titles or [f"channel {number}" for number in range(len(maps))]
    low, high = maps.min().item(), maps.max().item()
    figure, panels = picture_grid(len(maps), columns, size)
    for panel, channel, title in zip(panels, maps, titles, strict=False):
        panel.imshow(channel.numpy(), cmap="gray", vmin=low, vmax=high)
        panel.set_title(title, fontsize=8)
    return figure
