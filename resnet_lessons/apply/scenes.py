"""Drawn pictures for detection and segmentation: discs and rectangles on a noisy ground.

They are no photos, and are not meant to stand for any: where everything is drawn, the right box and
the right mask are known exactly, and a network learns them while you wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from resnet_lessons._arguments import whole_number

CLASS_NAMES = ("background", "disc", "rectangle")


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture, and what is in it.

    Attributes:
        image: float, 3×size×size, values from 0 to 1.
        boxes: float, M×4, one box an object: left, top, right, bottom, in pixels; a pixel in the
            leftmost column has its left edge at 0 and its right edge at 1.
        labels: int64, M: the class of each object, 1 for a disc, 2 for a rectangle.
        mask: int64, size×size: the class of each pixel, 0 for the background.
    """

    image: Tensor
    boxes: Tensor
    labels: Tensor
    mask: Tensor

    @property
    def target(self) -> dict[str, Tensor]:
        """The boxes and labels, as torchvision's detectors take them."""
        return {"boxes": self.boxes, "labels": self.labels}


def draw_scenes(count: int, size: int = 96, objects: int = 3, seed: int = 0) -> list[Scene]:
    """`count` scenes with one to `objects` objects each, which do not touch.

    Objects are a sixth to a third of the picture wide and high, discs as high as wide, in any
    colour that is far from the ground's. On the CPU; the same arguments draw the same scenes.

    Raises:
        TypeError, ValueError: an argument is no whole number, or the size is below 32.
    """
    whole_number("count", count)
    whole_number("size", size, minimum=32)
    whole_number("objects", objects)
    generator = torch.Generator().manual_seed(whole_number("seed", seed, minimum=0))
    return [_draw(size, objects, generator) for _ in range(count)]


def _draw(size: int, objects: int, generator: torch.Generator) -> Scene:
    ground = torch.rand(3, 1, 1, generator=generator)
    image = ground.expand(3, size, size).clone()
    mask = torch.zeros(size, size, dtype=torch.int64)
    boxes, labels = [], []
    for box, label in _places(size, objects, generator):
        inside = _inside(box, label, size)
        # Half-way round the circle of brightness, give or take: never close to the ground.
        colour = (ground + 0.35 + 0.3 * torch.rand(3, 1, 1, generator=generator)) % 1
        image = torch.where(inside, colour, image)
        mask[inside] = label
        boxes.append(box)
        labels.append(label)
    noise = 0.05 * torch.randn(3, size, size, generator=generator)
    return Scene(
        image=(image + noise).clamp(0, 1),
        boxes=torch.tensor(boxes, dtype=torch.float32),
        labels=torch.tensor(labels),
        mask=mask,
    )


def _places(
    size: int, objects: int, generator: torch.Generator
) -> Iterator[tuple[tuple[int, int, int, int], int]]:
    """Boxes with a free pixel between any two, and a class for each."""

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    free = torch.ones(size, size, dtype=torch.bool)
    for _ in range(draw(1, objects)):
        label = draw(1, 2)
        width, height = draw(size // 6, size // 3), draw(size // 6, size // 3)
        if label == 1:
            height = width
        left, top = draw(0, size - width), draw(0, size - height)
        right, bottom = left + width, top + height
        # A place that is taken stays empty: the picture has one object less. The first always fits.
        around = slice(max(0, top - 1), bottom + 1), slice(max(0, left - 1), right + 1)
        if free[around].all():
            free[around] = False
            yield (left, top, right, bottom), label


def _inside(box: tuple[int, int, int, int], label: int, size: int) -> Tensor:
    """The pixels of an object: size×size."""
    left, top, right, bottom = box
    centres = torch.arange(size) + 0.5
    x = (centres - (left + right) / 2) / ((right - left) / 2)  # −1 to 1 inside the box
    y = ((centres - (top + bottom) / 2) / ((bottom - top) / 2))[:, None]
    if label == 1:
        return x**2 + y**2 <= 1
    return (x.abs() <= 1) & (y.abs() <= 1)
