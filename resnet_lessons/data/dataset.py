"""Image sets as uint8 tensors that live on one device.

A set of small images fits into memory many times over, so no loader, worker or image file stands
between it and the network: a batch is an index into a tensor, `data.train.images[rows]`.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from resnet_lessons._arguments import raw_pixels, whole_number
from resnet_lessons.data.valid import check_dataset, check_split


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set: images (uint8, N×C×H×W) and their labels (int64, N).

    Raises:
        TypeError: the images are not uint8, or the labels not int64.
        ValueError: there are no images, a shape or length does not fit, a label is negative, or
            images and labels lie on different devices.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        check_split(self.images, self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images {_times(self.images.shape[1:])}, {self.images.device})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split that share their classes, their image shape and their device.

    `mean` and `std` hold one number a channel: those of the training images scaled to [0, 1], as
    `channel_statistics` measures them. For another normalization put others in their place, with
    `dataclasses.replace(data, mean=(0.5,), std=(0.5,))`; what changes pixels measures them again.

    `name` is that of the set that all this was made from, and stays. `scaling` tells how its
    images came to another size, "pooled" or "resized"; `some_classes`, whether it had more classes.

    Raises:
        ValueError: the splits differ in shape or device, a label has no class name, `mean` or `std`
            has not one number a channel, or a `std` is not above 0.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scaling: str | None = None
    some_classes: bool = False

    def __post_init__(self) -> None:
        check_dataset(self)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def in_channels(self) -> int:
        return self.train.images.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of every image, in pixels."""
        return tuple(self.train.images.shape[2:])

    @property
    def device(self) -> torch.device:
        return self.train.images.device

    @property
    def title(self) -> str:
        """What to call the set in front of people: its name, and what was made of it."""
        size = f" {_times(self.image_size)}" if self.scaling else ""
        classes = f", {self.num_classes} classes: {', '.join(self.class_names)}"
        return f"{self.name}{size}{classes if self.some_classes else ''}"

    def __repr__(self) -> str:
        return (
            f"Dataset {self.title!r}: {len(self.train):,} train + {len(self.test):,} test images "
            f"{_times(self.train.images.shape[1:])}, {self.num_classes} classes, on {self.device}"
        )

    def identity(self) -> dict[str, object]:
        """What tells these images from others, as plain values, alike on every device and machine.

        `checksum` is the CRC-32 of all pixels and labels; `mean` and `std` are rounded, since
        processors differ in the last digits.
        """
        checksum = 0
        for split in (self.train, self.test):
            for tensor in (split.images, split.labels):
                checksum = zlib.crc32(tensor.cpu().contiguous().numpy(), checksum)
        return {
            "name": str(self.name),
            "scaling": self.scaling,
            "image_shape": list(self.train.images.shape[1:]),
            "train": len(self.train),
            "test": len(self.test),
            "num_classes": self.num_classes,
            "mean": [round(float(mean), 6) for mean in self.mean],
            "std": [round(float(std), 6) for std in self.std],
            "checksum": f"{checksum:08x}",
        }

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the same set with all its tensors on `device`."""
        train, test = (
            Split(s.images.to(device), s.labels.to(device)) for s in (self.train, self.test)
        )
        return replace(self, train=train, test=test)

    def normalize(self, images: Tensor) -> Tensor:
        """Turn pixels into what a network takes: (images / 255 - mean) / std for every channel.

        From uint8, N×C×H×W, to float32 of the same shape, on the same device.

        Raises:
            TypeError: `images` are not uint8.
            ValueError: `images` have not four dimensions, or not this set's number of channels.
        """
        raw_pixels(images, "normalize")
        if images.shape[1] != self.in_channels:
            raise ValueError(
                f"normalize was given {images.shape[1]} channels, but {self.title} has "
                f"{self.in_channels}; normalize images with the data set that they come from."
            )
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=images.device).view(-1, 1, 1)
            for values in (self.mean, self.std)
        )
        return images.float().div_(255).sub_(mean).div_(std)

    def take(self, train: int | None = None, test: int | None = None) -> "Dataset":
        """Return the first `train` training and `test` test images (None: all of them).

        The images keep their order, which mixes the classes, so the first n are nearly balanced.
        `mean` and `std` stay as they are: an image is normalized alike in every subset.

        Raises:
            TypeError: a number is not whole.
            ValueError: a number is below 1, or above what there is.
        """
        splits = {}
        for part, count in (("train", train), ("test", test)):
            split = getattr(self, part)
            count = len(split) if count is None else whole_number(part, count)
            if count > len(split):
                raise ValueError(
                    f"{part} is {count}, but {self.title} has only {len(split)} {part} images; "
                    f"pass at most {part}={len(split)}, or None for all of them."
                )
            splits[part] = Split(split.images[:count], split.labels[:count])
        return replace(self, **splits)

    def pooled(self, factor: int) -> "Dataset":
        """Return the set with each `factor`×`factor` square of pixels averaged into one.

        The averages are rounded back to uint8, and `mean` and `std` are measured again.

        Raises:
            TypeError: `factor` is no whole number.
            ValueError: `factor` is below 1, or does not divide height and width; or the training
                images come out the same everywhere.
        """
        factor = whole_number("factor", factor)
        height, width = self.image_size
        if height % factor or width % factor:
            raise ValueError(
                f"factor is {factor}, but it must divide the image size {height}×{width}; "
                "choose a common divisor of both."
            )
        sides = height // factor, width // factor
        return self._sized("pooled", sides, lambda x: F.avg_pool2d(x.float(), factor).round())

    def resized(self, size: int | tuple[int, int]) -> "Dataset":
        """Return the set with all images brought to another size by bilinear interpolation.

        To within one grey level the pixels are those of PIL's `Image.resize` with `BILINEAR`, and
        so those of torchvision's `Resize` on PIL images; what shrinks is smoothed as it is there.
        `mean` and `std` are measured again. `size` is height and width in pixels, at least 2 each;
        one number stands for both.

        Raises:
            TypeError: `size` is neither a whole number nor two of them.
            ValueError: a side is below 2; or the training images come out the same everywhere.
        """
        pair = size if isinstance(size, tuple | list) else (size, size)
        if len(pair) != 2:
            raise TypeError(
                f"size is {size!r}, but it must be a whole number, or height and width; pass 96."
            )
        # torch mistakes the memory layout of images that are one pixel wide, and returns nonsense.
        sides = tuple(whole_number("size", side, minimum=2) for side in pair)

        def change(images: Tensor) -> Tensor:
            # On the CPU torch computes with uint8 as PIL does, and a set has one result everywhere.
            return F.interpolate(images.cpu(), sides, mode="bilinear", antialias=True)

        return self._sized("resized", sides, change)

    def in_colour(self) -> "Dataset":
        """Return the set with three channels, the grey one three times over; colour stays as it is.

        `mean` and `std` are repeated likewise.

        Raises:
            ValueError: the images have neither one channel nor three.
        """
        if self.in_channels not in (1, 3):
            raise ValueError(
                f"{self.title} has {self.in_channels} channels, but in_colour takes grey images "
                "with 1, or colour images with 3; choose the channels to keep first."
            )
        if self.in_channels == 3:
            return self
        train, test = (
            Split(s.images.repeat(1, 3, 1, 1), s.labels) for s in (self.train, self.test)
        )
        return replace(self, train=train, test=test, mean=self.mean * 3, std=self.std * 3)

    def _sized(
        self, scaling: str, sides: tuple[int, int], change: Callable[[Tensor], Tensor]
    ) -> "Dataset":
        """The set after `change` has given its images other sides, measured again."""
        splits = []
        for split in (self.train, self.test):
            images = split.images.new_empty((len(split), self.in_channels, *sides))
            # In pieces, for what is computed on the way may be four times as large as the result.
            for old, new in zip(split.images.split(2048), images.split(2048), strict=True):
                new.copy_(change(old))
            splits.append(Split(images, split.labels))
        train, test = splits
        mean, std = channel_statistics(train.images)
        return replace(self, train=train, test=test, mean=mean, std=std, scaling=scaling)


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure mean and standard deviation of each channel, for pixels scaled to [0, 1].

    A pixel has only 256 values, so counting them is exact, and needs no floating copy of the set.
    From `images`, uint8 N×C×H×W, come `(mean, std)`, each with one float a channel; `std` divides
    by the number of pixels.

    Raises:
        TypeError: `images` are not uint8.
        ValueError: `images` have not four dimensions, or no pixel.
    """
    raw_pixels(images, "channel_statistics")
    if images.numel() == 0:
        raise ValueError(
            f"channel_statistics was given images of shape {tuple(images.shape)}, but there must "
            "be at least one pixel to measure; pass the training images."
        )
    value = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).cpu().double() / channel.numel()
        mean.append((share * value).sum().item())
        std.append((share * (value - mean[-1]) ** 2).sum().sqrt().item())
    return tuple(mean), tuple(std)


def _times(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides))
