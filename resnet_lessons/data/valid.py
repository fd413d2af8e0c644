"""What a split, a data set and a generator must be, each demand with a sentence of its own."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from resnet_lessons._arguments import raw_pixels

if TYPE_CHECKING:
    from resnet_lessons.data.dataset import Dataset


def check_split(images: Tensor, labels: Tensor) -> None:
    """Raise TypeError or ValueError unless these make a `Split`."""
    raw_pixels(images, "Split")
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        given = getattr(labels, "dtype", type(labels).__name__)
        raise TypeError(
            f"Split was given labels of type {given}, but labels are an int64 tensor; "
            "convert them, for example with torch.as_tensor(labels).long()."
        )
    if images.numel() == 0:
        raise ValueError(
            f"Split was given images of shape {tuple(images.shape)}, but it must hold at "
            "least one image of at least one pixel; check how the images were chosen."
        )
    if labels.shape != (len(images),):
        raise ValueError(
            f"Split was given labels of shape {tuple(labels.shape)}, but "
            f"{len(images)} images have labels of shape ({len(images)},); "
            "pass one label for each image."
        )
    if labels.device != images.device:
        raise ValueError(
            f"Split was given images on {images.device} and labels on "
            f"{labels.device}, but both belong on one device; move one with .to(device)."
        )
    if labels.min() < 0:
        raise ValueError(
            f"Split was given the label {int(labels.min())}, but labels count the "
            "classes from 0 on; renumber them, or drop the images without a class."
        )


def check_dataset(data: "Dataset") -> None:
    """Raise ValueError unless the parts of `data` fit each other."""
    train, test = (
        f"{tuple(s.images.shape[1:])} on {s.images.device}" for s in (data.train, data.test)
    )
    if train != test:
        raise ValueError(
            f"{data.title} has training images {train} and test images {test}, but both "
            "must have the same shape and device; convert one of them."
        )
    largest = int(max(data.train.labels.max(), data.test.labels.max()))
    if largest >= data.num_classes:
        raise ValueError(
            f"{data.title} has the label {largest}, but its {data.num_classes} class names "
            f"allow 0 to {data.num_classes - 1}; name every class, or mend the labels."
        )
    if not len(data.mean) == len(data.std) == data.in_channels:
        raise ValueError(
            f"{data.title} has {len(data.mean)} mean and {len(data.std)} std values, but its "
            f"images have {data.in_channels} channels; measure them with channel_statistics."
        )
    if not all(std > 0 for std in data.std):
        raise ValueError(
            f"{data.title} has std {data.std}, but each must be above 0, or there is nothing "
            "to divide by; leave out a channel that is the same everywhere."
        )


def check_generator(generator: object) -> None:
    """Raise TypeError or ValueError unless `generator` is None or draws on the CPU."""
    cure = "pass for example generator=torch.Generator().manual_seed(0)."
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is {generator!r}, but it must be a torch.Generator; {cure}")
    if generator is not None and generator.device.type != "cpu":
        raise ValueError(
            f"generator draws on {generator.device}, but it must draw on the CPU, so that one "
            f"seed augments alike on every device; {cure}"
        )
