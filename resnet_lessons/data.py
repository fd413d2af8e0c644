"""Image sets as uint8 tensors that live on one device, and augmentation a whole batch at a time.

A set of small images fits into memory many times over, so no loader, worker or image file stands
between it and the network: a batch is an index into a tensor, `data.train.images[rows]`.
"""

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from resnet_lessons._arguments import one_of, whole_number


def _check_pixels(owner: str, images: object) -> None:
    """Check that `images` are raw pixels: a uint8 tensor N×C×H×W."""
    if not isinstance(images, Tensor):
        raise TypeError(
            f"{owner} was given a {type(images).__name__}, but it takes a uint8 tensor N×C×H×W; "
            "convert it first, for example with torch.as_tensor."
        )
    if images.dtype != torch.uint8:
        raise TypeError(
            f"{owner} was given {images.dtype} images, but it takes uint8 pixels from 0 to 255; "
            "pass the raw images, or bring back those scaled to [0, 1] with "
            "(images * 255).round().to(torch.uint8)."
        )
    if images.dim() != 4:
        raise ValueError(
            f"{owner} was given images of shape {tuple(images.shape)}, but it takes four "
            "dimensions N×C×H×W; add the missing one, with images.unsqueeze(1) for grey images "
            "N×H×W, with images.unsqueeze(0) for one image C×H×W."
        )


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
        _check_pixels("Split", self.images)
        if not isinstance(self.labels, Tensor) or self.labels.dtype != torch.int64:
            given = getattr(self.labels, "dtype", type(self.labels).__name__)
            raise TypeError(
                f"Split was given labels of type {given}, but labels are an int64 tensor; "
                "convert them, for example with torch.as_tensor(labels).long()."
            )
        if self.images.numel() == 0:
            raise ValueError(
                f"Split was given images of shape {tuple(self.images.shape)}, but it must hold at "
                "least one image of at least one pixel; check how the images were chosen."
            )
        if self.labels.shape != (len(self.images),):
            raise ValueError(
                f"Split was given labels of shape {tuple(self.labels.shape)}, but "
                f"{len(self.images)} images have labels of shape ({len(self.images)},); "
                "pass one label for each image."
            )
        if self.labels.device != self.images.device:
            raise ValueError(
                f"Split was given images on {self.images.device} and labels on "
                f"{self.labels.device}, but both belong on one device; move one with .to(device)."
            )
        if self.labels.min() < 0:
            raise ValueError(
                f"Split was given the label {int(self.labels.min())}, but labels count the "
                "classes from 0 on; renumber them, or drop the images without a class."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.images.shape[1:]))
        return f"Split({len(self):,} images {shape}, {self.images.device})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split that share their classes, their image shape and their device.

    `mean` and `std` hold one number a channel: those of the training images scaled to [0, 1], as
    `channel_statistics` measures them.

    Raises:
        ValueError: the splits differ in shape or device, a label has no class name, `mean` or
            `std` has not one number a channel, or a `std` is not above 0.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        train, test = (f"{tuple(s.images.shape[1:])} on {s.images.device}" for s in self._splits)
        if train != test:
            raise ValueError(
                f"{self.name} has training images {train} and test images {test}, but both "
                "must have the same shape and device; convert one of them."
            )
        largest = int(max(self.train.labels.max(), self.test.labels.max()))
        if largest >= self.num_classes:
            raise ValueError(
                f"{self.name} has the label {largest}, but its {self.num_classes} class names "
                f"allow 0 to {self.num_classes - 1}; name every class, or mend the labels."
            )
        if not len(self.mean) == len(self.std) == self.in_channels:
            raise ValueError(
                f"{self.name} has {len(self.mean)} mean and {len(self.std)} std values, but its "
                f"images have {self.in_channels} channels; measure them with channel_statistics."
            )
        if not all(std > 0 for std in self.std):
            raise ValueError(
                f"{self.name} has std {self.std}, but each must be above 0, or there is nothing "
                "to divide by; leave out a channel that is the same everywhere."
            )

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

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.train.images.shape[1:]))
        return (
            f"Dataset {self.name!r}: {len(self.train):,} train + {len(self.test):,} test images "
            f"{shape}, {self.num_classes} classes, on {self.device}"
        )

    def to(self, device: torch.device | str) -> "Dataset":
        """Return the same set with all its tensors on `device`."""
        train, test = (Split(s.images.to(device), s.labels.to(device)) for s in self._splits)
        return replace(self, train=train, test=test)

    def normalize(self, images: Tensor) -> Tensor:
        """Turn pixels into what a network takes: (images / 255 - mean) / std for every channel.

        Args:
            images: uint8, N×C×H×W, on any device.

        Returns:
            float32, N×C×H×W, on the device of `images`.

        Raises:
            TypeError: `images` are not uint8.
            ValueError: `images` have not four dimensions, or not this set's number of channels.
        """
        _check_pixels("normalize", images)
        if images.shape[1] != self.in_channels:
            raise ValueError(
                f"normalize was given {images.shape[1]} channels, but {self.name} has "
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
                    f"{part} is {count}, but {self.name} has only {len(split)} {part} images; "
                    f"pass at most {part}={len(split)}, or None for all of them."
                )
            splits[part] = Split(split.images[:count], split.labels[:count])
        return replace(self, **splits)

    def pooled(self, factor: int) -> "Dataset":
        """Return the set with each `factor`×`factor` square of pixels averaged into one.

        The averages are rounded back to uint8, `mean` and `std` are measured again, and the name
        gains the new size.

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
        train, test = (
            Split(F.avg_pool2d(s.images.float(), factor).round().to(torch.uint8), s.labels)
            for s in self._splits
        )
        name = self.name.removesuffix(f" {height}×{width}")
        name += f" {height // factor}×{width // factor}"
        mean, std = channel_statistics(train.images)
        return replace(self, name=name, train=train, test=test, mean=mean, std=std)

    @property
    def _splits(self) -> tuple[Split, Split]:
        return self.train, self.test


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure mean and standard deviation of each channel, for pixels scaled to [0, 1].

    A pixel has only 256 values, so counting them is exact, and needs no floating copy of the set.

    Args:
        images: uint8, N×C×H×W.

    Returns:
        `(mean, std)`, each with one float a channel; `std` divides by the number of pixels.

    Raises:
        TypeError: `images` are not uint8.
        ValueError: `images` have not four dimensions, or no pixel.
    """
    _check_pixels("channel_statistics", images)
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


def augment(
    images: Tensor,
    generator: torch.Generator | None = None,
    padding: int = 4,
    flip: bool = True,
) -> Tensor:
    """Shift each image at random, and mirror half of them: He et al. 2015 (arXiv:1512.03385), §4.2.

    Each image is padded with `padding` zeros on every side; a window of the original size is cut
    out at a place drawn for that image alone, and flipped left to right with probability 1/2.

    Args:
        images: uint8, N×C×H×W, on any device; left as they are.
        generator: a CPU generator (None: torch's own). The draws are made on the CPU and moved,
            so one seed augments alike on every device.
        padding: pixels on every side; 0 shifts nothing.
        flip: whether images may be mirrored.

    Returns:
        uint8, N×C×H×W: a new tensor on the device of `images`.

    Raises:
        TypeError: `images` are not uint8, `generator` is no torch.Generator, `padding` is no
            whole number, or `flip` is neither True nor False.
        ValueError: `images` have not four dimensions, `generator` draws on another device than
            the CPU, or `padding` is negative.
    """
    _check_pixels("augment", images)
    _check_generator(generator)
    padding = whole_number("padding", padding, minimum=0)
    if not isinstance(flip, bool):
        raise TypeError(f"flip is {flip!r}, but it must be True or False; pass flip=True.")
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


def _check_generator(generator: object) -> None:
    cure = "pass for example generator=torch.Generator().manual_seed(0)."
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is {generator!r}, but it must be a torch.Generator; {cure}")
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(
            f"generator draws on {generator.device}, but it must draw on the CPU, so that one "
            f"seed augments alike on every device; {cure}"
        )


def default_device() -> torch.device:
    """Return the device to train on: CUDA where torch sees a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


_FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_MINI_FILE = Path(__file__).parent / "fashion_mnist_mini" / "images.npz"


def _load_fashion_mnist_mini() -> Dataset:
    """Read the subset that comes with the package; tools/draw_fashion_mnist_mini.py drew it."""
    try:
        # Opened here, since np.load leaves a damaged file open, which locks it on Windows.
        with _MINI_FILE.open("rb") as raw, np.load(raw) as file:
            arrays = [
                torch.from_numpy(file[f"{part}_{kind}"])
                for part in ("train", "test")
                for kind in ("images", "labels")
            ]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(
            f"{_MINI_FILE} cannot be read ({type(error).__name__}), but it comes with the package "
            "and is missing or damaged; install resnet_lessons again."
        ) from error
    train_images, train_labels, test_images, test_labels = arrays
    mean, std = channel_statistics(train_images)
    return Dataset(
        name="fashion-mnist-mini",
        train=Split(train_images, train_labels.long()),
        test=Split(test_images, test_labels.long()),
        class_names=_FASHION_CLASSES,
        mean=mean,
        std=std,
    )


# What `load` knows by name; each loader returns its set on the CPU.
_LOADERS: dict[str, Callable[[], Dataset]] = {"fashion-mnist-mini": _load_fashion_mnist_mini}


def load(name: str = "fashion-mnist-mini", device: torch.device | str | None = None) -> Dataset:
    """Return the data set `name` on `device` (None: `default_device()`).

    "fashion-mnist-mini" is 10,000 training and 2,000 test images of Fashion-MNIST (Xiao, Rasul and
    Vollgraf 2017, arXiv:1708.07747): 1×28×28, ten classes, 1,000 and 200 images of each. It comes
    with the package and needs no network.

    Raises:
        ValueError: there is no data set of that name.
        OSError: the file that comes with the package is missing or damaged.
    """
    loader = _LOADERS[one_of("name", name, _LOADERS)]
    return loader().to(default_device() if device is None else device)
