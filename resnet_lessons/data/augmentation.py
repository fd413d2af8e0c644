"""Augmentation a whole batch at a time: random shifts and mirror images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from resnet_lessons._arguments import raw_pixels, true_or_false, whole_number
from resnet_lessons.data.valid import check_generator


def augment(
    images: Tensor,
    generator: torch.Generator | None = None,
    padding: int = 4,
    flip: bool = True,
) -> Tensor:
    """Shift each image at random, and mirror half of them: He et al. 2015 (arXiv:1512.03385), §4.2.

    Each image is padded with `padding` zeros on every side; a window of the original size is cut
    out at a place drawn for that image alone, and flipped left to right with probability 1/2.

    `images` are uint8, N×C×H×W, on any device, and stay as they are; so is the new tensor.

    Args:
        generator: a CPU generator (None: torch's own). The draws are made on the CPU and moved,
            so one seed augments alike on every device.
        padding: pixels on every side; 0 shifts nothing.
        flip: whether images may be mirrored.

    Raises:
        TypeError: `images` are not uint8, `generator` is no torch.Generator, `padding` is no
            whole number, or `flip` is neither True nor False.
        ValueError: `images` have not four dimensions, `generator` draws on another device than
            the CPU, or `padding` is negative.
    """
    raw_pixels(images, "augment")
    check_generator(generator)
    padding = whole_number("padding", padding, minimum=0)
    flip = true_or_false("flip", flip)
    count, _, height, width = images.shape
    top, left = torch.randint(2 * padding + 1, (2, count), generator=generator).to(images.device)
    padded = F.pad(images, (padding, padding, padding, padding))
    # Every window of every image, N×C×rows×columns×H×W: a view, of which one each is copied.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    cropped = windows[torch.arange(count, device=images.device), :, top, left]
    if not flip:
        return cropped
    mirror = torch.randint(2, (count, 1, 1, 1), generator=generator).bool().to(images.device)
    return torch.where(mirror, cropped.flip(3), cropped)
