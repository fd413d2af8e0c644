"""Reading image sets from the files that they are published in, and checking what was read.

Whatever the format, a set comes out as the four uint8 arrays that Keras names `x_train`, `y_train`,
`x_test` and `y_test`: images N×H×W or N×H×W×3, labels N.
"""

import gzip
import io
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]
CURE = "put a whole one in its place, or take it away."
# The names of Fashion-MNIST's files, those of MNIST, and what each holds.
IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
# What the pickles of CIFAR-10 ask for, to make their arrays.
ALLOWED = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
}
RECORD = 1 + 3 * 32 * 32  # bytes of one image and its label in CIFAR-10's binary version


class Damaged(OSError):
    """A file is there, but not what it should be: the message says what is wrong, and the cure."""


@dataclass(frozen=True)
class Form:
    """What the arrays of a set must be.

    Attributes:
        name: of the set.
        image: shape of one image.
        train, test: how many images there are.
        first: the labels that the training images begin with. They tell the set from others of
            the same form, MNIST say, and the published order from others.
    """

    name: str
    image: tuple[int, ...]
    train: int
    test: int
    first: tuple[int, ...]

    def check(self, path: Path, arrays: Arrays) -> Arrays:
        """Return `arrays` with uint8 labels of shape N.

        Raises:
            Damaged: they are not what they must be; `path` is the file that they were read from.
        """
        counts = {"train": self.train, "test": self.test}
        checked = {}
        for part, count in counts.items():
            images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
            shape = (count, *self.image)
            if images.dtype != np.uint8 or images.shape != shape:
                raise Damaged(
                    f"{path} has x_{part} of {images.dtype} and shape {images.shape}, but the "
                    f"images of {self.name} are uint8 and {shape}; {CURE}"
                )
            if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
                raise Damaged(
                    f"{path} has y_{part} of {labels.dtype} and shape {labels.shape}, but the "
                    f"labels of {self.name} are whole numbers of shape ({count},); {CURE}"
                )
            if labels.min() < 0 or labels.max() > 9:
                raise Damaged(
                    f"{path} has labels from {labels.min()} to {labels.max()} in y_{part}, but "
                    f"those of {self.name} go from 0 to 9; {CURE}"
                )
            checked |= {f"x_{part}": images, f"y_{part}": labels.reshape(-1).astype(np.uint8)}
        first = tuple(checked["y_train"][: len(self.first)].tolist())
        if first != self.first:
            raise Damaged(
                f"{path} begins with the labels {first}, but {self.name} in its published order "
                f"begins with {self.first}; {CURE}"
            )
        return checked


def read_npz(path: Path) -> Arrays:
    """Read the four arrays from a file of `numpy.savez`.

    Raises:
        Damaged: it cannot be read, or an array is missing.
    """
    try:
        # Opened here, since np.load leaves a damaged file open, which locks it on Windows.
        with path.open("rb") as raw, np.load(raw) as file:
            return {key: file[key] for key in IDX}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise Damaged(
            f"{path} cannot be read ({_short(error)}), but it should be an npz file with the "
            f"arrays {', '.join(IDX)}; {CURE}"
        ) from error


def has_idx(folder: Path) -> bool:
    """Whether there is any of Fashion-MNIST's four files in `folder`, packed or not."""
    return any((folder / f"{name}{end}").is_file() for name in IDX.values() for end in (".gz", ""))


def read_idx(folder: Path) -> Arrays:
    """Read Fashion-MNIST's four files, packed by gzip or not.

    They are IDX files, as those of MNIST: two zeros, the type (8: uint8), the number of dimensions,
    each dimension in four bytes, the highest first, and then the values.

    Raises:
        Damaged: one is missing, or cannot be read.
    """
    arrays = {}
    for key, name in IDX.items():
        path = folder / f"{name}.gz"
        path = path if path.is_file() else folder / name
        try:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            if content[:3] != b"\0\0\x08":
                raise ValueError("it is no IDX file of uint8 values")
            shape = np.frombuffer(content, ">u4", content[3], offset=4).astype(int)
            values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
            arrays[key] = values.reshape(shape)  # fails unless there are as many as it says
        except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
            raise Damaged(
                f"{path} cannot be read ({_short(error)}), but it is one of the four IDX files of "
                f"the set; {CURE}"
            ) from error
    return arrays


def has_cifar(path: Path) -> bool:
    """Whether there is anything of CIFAR-10 at `path`, an archive or the folder in one."""
    return path.is_file() or any((path / f"{name}{end}").is_file() for name, end in _batch_files())


def read_cifar(path: Path) -> Arrays:
    """Read CIFAR-10, its Python or its binary version, from the archive or the folder in it.

    Raises:
        Damaged: a file is missing, or cannot be read.
    """
    try:
        contents = dict(_tar_contents(path) if path.is_file() else _folder_contents(path))
        images, labels = [], []
        for name in BATCHES:
            if f"{name}.bin" in contents:
                batch = np.frombuffer(contents[f"{name}.bin"], np.uint8).reshape(-1, RECORD)
                pixels, classes = batch[:, 1:], batch[:, 0]
            elif name in contents:
                batch = _ArraysOnly(io.BytesIO(contents[name]), encoding="bytes").load()
                pixels, classes = batch[b"data"], np.asarray(batch[b"labels"])
            else:
                raise ValueError(f"{name} is missing")
            images.append(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels.append(classes)
    except Exception as error:  # a damaged pickle may fail in any way
        raise Damaged(
            f"{path} cannot be read ({_short(error)}), but it should be CIFAR-10, in its Python "
            f"or its binary version; {CURE}"
        ) from error
    x_train, y_train = np.concatenate(images[:5]), np.concatenate(labels[:5])
    return {"x_train": x_train, "y_train": y_train, "x_test": images[5], "y_test": labels[5]}


def _batch_files() -> list[tuple[str, str]]:
    return [(name, end) for name in BATCHES for end in ("", ".bin")]


def _folder_contents(folder: Path) -> Iterable[tuple[str, bytes]]:
    for name, end in _batch_files():
        if (path := folder / f"{name}{end}").is_file():
            yield path.name, path.read_bytes()


def _tar_contents(path: Path) -> Iterable[tuple[str, bytes]]:
    """Read the batches of an archive in one pass; nothing is unpacked to the disk."""
    wanted = {f"{name}{end}" for name, end in _batch_files()}
    with gzip.open(path) as raw:
        with tarfile.open(fileobj=raw, mode="r|") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in wanted and member.isfile():
                    yield name, archive.extractfile(member).read()
        while raw.read(1 << 20):  # gzip compares its checksum only at the very end
            pass


class _ArraysOnly(pickle.Unpickler):
    """Reads numbers, texts, lists, dictionaries and arrays; all else might run code."""

    def find_class(self, module: str, name: str) -> Callable:
        # numpy 2 renamed its module; CIFAR-10 was written by numpy 1.
        known = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if known not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which might run code")
        return ALLOWED[known]


def _short(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:120]
