"""Draw the embedded part of Fashion-MNIST from the four original archives.

    python tools/draw_fashion_mnist_mini.py SOURCE_FOLDER           write the file
    python tools/draw_fashion_mnist_mini.py SOURCE_FOLDER --check   compare the file, write nothing

Of each class the first 1,000 training and the first 200 test images are kept, in file order. One
machine writes the same bytes each time; --check compares the pixels and labels, since another
zlib may pack them into other bytes.
"""

import argparse
import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "resnet_lessons" / "data" / "fashion_mnist_mini" / "images.npz"
PER_CLASS = {"train": 1000, "test": 200}
SOURCES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
# For each archive the md5 that its authors publish (github.com/zalandoresearch/fashion-mnist), and
# the moment that its gzip header names, in seconds since 1970: two moments on 31 August 2017.
PUBLISHED = {
    "train-images-idx3-ubyte": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 1504176606),
    "train-labels-idx1-ubyte": ("25c81989df183df01b3e8a0aad5dffbe", 1504176606),
    "t10k-images-idx3-ubyte": ("bef4ecab320f06d8554ea6380940ec79", 1504176627),
    "t10k-labels-idx1-ubyte": ("bb300cfdad3c16e7a12a480ee83cd310", 1504176627),
}


def with_published_header(name: str, archive: bytes) -> bytes:
    """Return `archive` with the gzip header (RFC 1952, §2.3) that it was published with.

    Some mirrors write a header of their own, without the name and with another date, before the
    same packed data. That changes the md5 of the archive, though not a bit of what it holds.
    """
    names_file = len(archive) > 10 and archive[3] == 8
    start = archive.find(b"\0", 10) + 1 if names_file else 10
    _, packed_at = PUBLISHED[name]
    header = b"\x1f\x8b\x08\x08" + struct.pack("<I", packed_at) + b"\x00\x03"
    return header + name.encode() + b"\0" + archive[start:]


def read_original(folder: Path, name: str) -> np.ndarray:
    """Return what `name`.gz holds, verified: images N×28×28 or labels N, uint8."""
    path = folder / f"{name}.gz"
    if not path.is_file():
        sys.exit(f"{path} does not exist, but the four original archives are needed; get them.")
    archive = with_published_header(name, path.read_bytes())
    expected, _ = PUBLISHED[name]
    found = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    if found != expected:
        sys.exit(f"{path} has the md5 {found}, but the published one is {expected}; get it again.")
    content = gzip.decompress(archive)
    # The idx format: two zero bytes, the type, the number of dimensions, then each as 32 bits.
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def first_of_each_class(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Return where the first `per_class` labels of each class stand, in ascending order."""
    rows = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(rows))


def draw(folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the subset by name: images uint8 N×1×28×28, labels uint8 N."""
    arrays = {key: read_original(folder, name) for key, name in SOURCES.items()}
    for part, per_class in PER_CLASS.items():
        rows = first_of_each_class(arrays[f"{part}_labels"], per_class)
        arrays[f"{part}_images"] = arrays[f"{part}_images"][rows, None]
        arrays[f"{part}_labels"] = arrays[f"{part}_labels"][rows]
    return arrays


def same_content(arrays: dict[str, np.ndarray], path: Path) -> bool:
    """Tell whether the file `path` holds just these arrays."""
    with np.load(path) as file:
        return set(file) == set(arrays) and all(
            file[key].dtype == array.dtype and np.array_equal(file[key], array)
            for key, array in arrays.items()
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source_folder", type=Path, help="where the four .gz archives lie")
    parser.add_argument("--check", action="store_true", help="compare the file, write nothing")
    options = parser.parse_args(arguments)
    arrays = draw(options.source_folder)
    if not options.check:
        # numpy dates every member of the archive 1 January 1980, so the bytes do not change.
        np.savez_compressed(TARGET, **arrays)
        print(f"{TARGET}: {TARGET.stat().st_size:,} bytes written")
    elif same_content(arrays, TARGET):
        print(f"{TARGET} holds what the archives give")
    else:
        sys.exit(f"{TARGET} differs from what the archives give; draw it again without --check.")


if __name__ == "__main__":
    main()
