"""Loading an image set by its name."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset, Split, channel_statistics


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
