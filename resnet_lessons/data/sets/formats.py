"""Reading image sets from the files that they are published in.

Whatever the format, a set comes out as the four uint8 arrays that Keras names `x_train`, `y_train`,
`x_test` and `y_test`: images N×H×W or N×H×W×3, labels N. Each reader returns None where nothing of
the set is at its path, and raises `Damaged` where a file is missing or cannot be read.
"""

import contextlib
import gzip
import io
import pickle
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from resnet_lessons._http import reason

Arrays = dict[str, np.ndarray]
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


class SetError(OSError):
    """A set is not to be had: `problem` says why, `cure` what to do; the message says both."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem}; {cure}")
        self.problem, self.cure = problem, cure


class Damaged(SetError):
    """A file is there, but not what it should be."""

    def __init__(
        self, problem: str, cure: str = "put a whole one in its place, or take it away."
    ) -> None:
        super().__init__(problem, cure)


@contextlib.contextmanager
def reading(path: Path, but: str, *cure: str) -> Iterator[None]:
    """Name `path` where what is done meanwhile fails: damaged files make readers fail in any way.

    Raises:
        Damaged: it failed; `but` says what the file should be.
    """
    try:
        yield
    except Exception as error:
        raise Damaged(f"{path} cannot be read ({reason(error)}), but {but}", *cure) from error


def read_npz(path: Path) -> Arrays | None:
    """Read the four arrays from a file of `numpy.savez`."""
    if not path.is_file():
        return None
    # Opened here, since np.load leaves a damaged file open, which locks it on Windows.
    with (
        reading(path, f"it should be an npz file with the arrays {', '.join(IDX)}"),
        path.open("rb") as raw,
        np.load(raw) as file,
    ):
        return {key: file[key] for key in IDX}


def read_idx(folder: Path) -> Arrays | None:
    """Read Fashion-MNIST's four files, packed by gzip or not.

    They are IDX files, as those of MNIST: two zeros, the type (8: uint8), the number of dimensions,
    each dimension in four bytes, the highest first, and then the values.
    """
    files = {key: folder / f"{name}.gz" for key, name in IDX.items()}
    files = {key: path if path.is_file() else path.with_suffix("") for key, path in files.items()}
    if not any(path.is_file() for path in files.values()):
        return None
    arrays = {}
    for key, path in files.items():
        with reading(path, "it is one of the four IDX files of the set"):
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            if content[:3] != b"\0\0\x08":
                raise ValueError("it is no IDX file of uint8 values")
            shape = np.frombuffer(content, ">u4", content[3], offset=4).astype(int)
            values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
            arrays[key] = values.reshape(shape)  # fails unless there are as many as it says
    return arrays


def read_cifar(path: Path) -> Arrays | None:
    """Read CIFAR-10, its Python or its binary version, from the archive or the folder in it."""
    images, labels = [], []
    with reading(path, "it should be CIFAR-10, in its Python or its binary version"):
        contents = _tar_contents(path) if path.is_file() else _folder_contents(path)
        if not contents and not path.is_file():
            return None
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
        x_train, y_train = np.concatenate(images[:5]), np.concatenate(labels[:5])
    return {"x_train": x_train, "y_train": y_train, "x_test": images[5], "y_test": labels[5]}


def _folder_contents(folder: Path) -> dict[str, bytes]:
    files = [folder / f"{name}{end}" for name in BATCHES for end in ("", ".bin")]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def _tar_contents(path: Path) -> dict[str, bytes]:
    """Read the batches of an archive in one pass; nothing is unpacked to the disk."""
    contents = {}
    with gzip.open(path) as raw:
        with tarfile.open(fileobj=raw, mode="r|") as archive:
            for member in archive:
                name = Path(member.name).name
                if name.removesuffix(".bin") in BATCHES and member.isfile():
                    contents[name] = archive.extractfile(member).read()
        while raw.read(1 << 20):  # gzip compares its checksum only at the very end
            pass
    return contents


class _ArraysOnly(pickle.Unpickler):
    """Reads numbers, texts, lists, dictionaries and arrays; all else might run code."""

    def find_class(self, module: str, name: str) -> Callable:
        # numpy 2 renamed its module; CIFAR-10 was written by numpy 1.
        known = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if known not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which might run code")
        return ALLOWED[known]
