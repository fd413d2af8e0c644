"""Loading an image set by its name: from the package, from this machine, or from the network.

A set that does not come with the package is looked for in the folder that the environment variable
RESNET_LESSONS_DATA names, then in the user's cache folder; then it is fetched, and kept in the
first of the two that can be written. RESNET_LESSONS_OFFLINE=1 keeps it from the network.
"""

import contextlib
import math
import os
import shutil
from pathlib import Path

import numpy as np
import torch

from resnet_lessons._arguments import one_of
from resnet_lessons._files import DiskError, alone, demand_space, is_writable, write_whole
from resnet_lessons._http import offline
from resnet_lessons.data.dataset import Dataset, Split, channel_statistics
from resnet_lessons.data.sets.fetching import DownloadError, download
from resnet_lessons.data.sets.formats import Arrays, Damaged, SetError, reading
from resnet_lessons.data.sets.published import CIFAR10, FASHION_CLASSES, FASHION_MNIST, Source

EMBEDDED = "fashion-mnist-mini"
# What does not come with the package, by name.
SOURCES = {source.name: source for source in (FASHION_MNIST, CIFAR10)}
_MINI_FILE = Path(__file__).parents[1] / "fashion_mnist_mini" / "images.npz"
_NOW = f'or go on with the images that come with the package, load("{EMBEDDED}").'


def load(
    name: str = EMBEDDED, device: torch.device | str | None = None, *, otherwise: str | None = None
) -> Dataset:
    """Return the data set `name`, as uint8 tensors on `device`.

    - "fashion-mnist-mini": 10,000 training and 2,000 test images of Fashion-MNIST (Xiao, Rasul and
      Vollgraf 2017, arXiv:1708.07747), 1×28×28, ten classes, 1,000 and 200 images of each. It comes
      with the package and needs no network.
    - "fashion-mnist": all its 60,000 + 10,000 images.
    - "cifar10": 50,000 + 10,000 images (Krizhevsky 2009), 3×32×32, ten classes.

    The last two are fetched once (31 and 170 MB) and kept, unless they are on this machine: see the
    top of this module.

    Args:
        name: of the set.
        device: where its tensors live (None: `default_device()`).
        otherwise: the name of a set that comes with the package, which is returned where `name`
            is not to be had; one printed line says so, and why. For a set in colour its grey
            images get three equal channels, so that the same network takes them.

    Raises:
        ValueError: there is no data set of that name, or `otherwise` may itself be missing.
        OSError: the set is damaged or not to be had; the message says what to do.
    """
    one_of("name", name, [EMBEDDED, *SOURCES])
    if otherwise is not None:
        one_of("otherwise", otherwise, [EMBEDDED])
    try:
        data = _load_published(SOURCES[name]) if name in SOURCES else _load_fashion_mnist_mini()
    except OSError as error:
        if otherwise is None or name == otherwise:
            raise
        data, note = _load_fashion_mnist_mini(), ""
        if len(SOURCES[name].image) == 3:
            data, note = data.in_colour(), ", its grey images in three equal channels"
        print(f"{getattr(error, 'problem', error)}, so this goes on with {otherwise}{note}.")
    return data.to(default_device() if device is None else device)


def default_device() -> torch.device:
    """Return the device to train on: CUDA where torch sees a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cache_folder() -> Path:
    """Return the folder in which fetched sets are kept, the user's cache for this package."""
    import platformdirs  # here, since the embedded set needs none

    return platformdirs.user_cache_path("resnet_lessons", appauthor=False)


def data_folder() -> Path | None:
    """Return the folder that the environment variable RESNET_LESSONS_DATA names, if it does.

    Raises:
        SetError: there is no such folder.
    """
    named = os.environ.get("RESNET_LESSONS_DATA")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise SetError(
            f"RESNET_LESSONS_DATA is {named!r}, but there is no such folder",
            "make it, correct the variable, or unset it.",
        )
    return folder


def _load_fashion_mnist_mini() -> Dataset:
    """Read the subset that comes with the package; tools/draw_fashion_mnist_mini.py drew it."""
    what = "it comes with the package and is missing or damaged"
    with (
        reading(_MINI_FILE, what, "install resnet_lessons again."),
        _MINI_FILE.open("rb") as raw,
        np.load(raw) as file,
    ):
        arrays = {
            f"{key}_{part}": file[f"{part}_{kind}"]
            for part in ("train", "test")
            for key, kind in (("x", "images"), ("y", "labels"))
        }
    return _dataset(EMBEDDED, arrays, FASHION_CLASSES)


def _load_published(source: Source) -> Dataset:
    """Find a set on this machine, or fetch it."""
    named = data_folder()
    arrays = source.find(named) if named else None
    if arrays is None:
        try:
            arrays = source.find(cache_folder())
        except Damaged as error:
            print(f"{error.problem}: fetching it again.")
    if arrays is None:
        arrays = _fetched(source, named)
    return _dataset(source.name, arrays, source.class_names)


def _fetched(source: Source, named: Path | None) -> Arrays:
    """Fetch a set, and keep it as one npz file; whoever comes at the same time waits for it."""
    name = source.name
    if offline():
        raise SetError(
            f"{name} is not on this machine, and RESNET_LESSONS_OFFLINE keeps it from the network",
            f"unset that variable, let RESNET_LESSONS_DATA name a folder with the set, {_NOW}",
        )
    folder = next(filter(is_writable, filter(None, (named, cache_folder()))), None)
    if folder is None:
        raise SetError(
            f"{name} is not on this machine, and {cache_folder()} cannot be written to keep it",
            f"let RESNET_LESSONS_DATA name a folder that you can write to, {_NOW}",
        )
    notice = f"Another process is fetching {name}; waiting for it."
    try:
        with alone(folder / f".{name}.lock", notice):
            # It may have been fetched while this process waited.
            with contextlib.suppress(Damaged):
                if (arrays := source.find(folder)) is not None:
                    return arrays
            arrays = _fetch(source, folder)
    except DownloadError as error:
        raise SetError(
            f"{name} is not on this machine, and no mirror gave it",
            "connect to the internet and call again, let RESNET_LESSONS_DATA name a folder with "
            f"the set, {_NOW}\n{error}",
        ) from error
    except DiskError as error:
        raise SetError(
            f"{error}, but they are needed to keep {name}",
            f"free some space, let RESNET_LESSONS_DATA name a folder with more, {_NOW}",
        ) from error
    print(f"{name} is kept in {folder / name}.npz.")
    return arrays


def _fetch(source: Source, folder: Path) -> Arrays:
    """Download the archives of a set into `folder`, and write the set there."""
    parts = folder / f"{source.name}.download"
    parts.mkdir(exist_ok=True)
    # With two thousand bytes for names and shapes.
    size = (source.train + source.test) * (math.prod(source.image) + 1) + 2000
    here = sum(file.stat().st_size for file in parts.iterdir())
    demand_space(parts, size + sum(archive.size for archive in source.archives) - here)
    files = [download(archive, parts) for archive in source.archives]
    read_from = files[0] if len(files) == 1 else parts
    arrays = source.check(read_from, source.read(read_from))
    write_whole(folder / f"{source.name}.npz", size, lambda file: np.savez(file, **arrays))
    shutil.rmtree(parts, ignore_errors=True)
    return arrays


def _dataset(name: str, arrays: Arrays, class_names: tuple[str, ...]) -> Dataset:
    """The data set on the CPU; images N×H×W×3 get their channels first."""
    splits = []
    for part in ("train", "test"):
        images = torch.tensor(arrays[f"x_{part}"])
        if images.dim() == 3:
            images = images.unsqueeze(1)
        elif images.shape[3] == 3:
            images = images.permute(0, 3, 1, 2).contiguous()
        splits.append(Split(images, torch.tensor(arrays[f"y_{part}"]).long()))
    train, test = splits
    mean, std = channel_statistics(train.images)
    return Dataset(name, train, test, class_names, mean, std)
