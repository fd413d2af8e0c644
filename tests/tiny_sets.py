"""Tiny data sets in the published formats, which are written here as their authors wrote them."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from dataclasses import replace

import numpy as np

from resnet_lessons.data.sets.fetching import Archive
from resnet_lessons.data.sets.formats import BATCHES, IDX
from resnet_lessons.data.sets.published import CIFAR10, FASHION_MNIST

TRAIN, TEST = 50, 15


def tiny(source, *archives):
    """A source as published, but with few images; it is fetched from `archives`."""
    return replace(source, train=TRAIN, test=TEST, archives=archives)


FASHION, CIFAR = tiny(FASHION_MNIST), tiny(CIFAR10)


def arrays(source, seed=0):
    """Random images and labels; the first labels are as published."""
    draw = np.random.default_rng(seed)
    found = {}
    for part, count in (("train", TRAIN), ("test", TEST)):
        found[f"x_{part}"] = draw.integers(256, size=(count, *source.image), dtype=np.uint8)
        found[f"y_{part}"] = draw.integers(10, size=count, dtype=np.uint8)
    found["y_train"][: len(source.first)] = source.first
    return found


def save(path, content):
    """Write a file, in folders that are made; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def as_npz(content):
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def as_idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def save_idx(folder, content, packed=True):
    for key, name in IDX.items():
        raw = as_idx(content[key])
        save(folder / f"{name}.gz", gzip.compress(raw)) if packed else save(folder / name, raw)
    return folder


class Python2Pickler(pickle._Pickler):
    """Writes texts and bytes as Python 2 did, which knew one type for both."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_string(self, text):
        raw = text if isinstance(text, bytes) else text.encode("ascii")
        head = b"U" + bytes([len(raw)]) if len(raw) < 256 else b"T" + struct.pack("<i", len(raw))
        self.write(head + raw)
        self.memoize(text)

    dispatch[bytes] = dispatch[str] = save_string


def as_python2(thing):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(thing)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")  # as numpy 1 named it


def batches(content, binary=False):
    """The files of CIFAR-10 by name: five of training images, one of test images."""
    parts = [*zip(*(np.split(content[f"{key}_train"], 5) for key in "xy"), strict=True)]
    parts.append((content["x_test"], content["y_test"]))
    files = {}
    for name, (images, labels) in zip(BATCHES, parts, strict=True):
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        if binary:
            files[f"{name}.bin"] = np.column_stack([labels, rows]).tobytes()
        else:
            batch = {"batch_label": name, "labels": labels.tolist(), "data": rows}
            files[name] = as_python2(batch | {"filenames": [f"{n}.png" for n in range(len(rows))]})
    return files


def as_tar(files, folder="cifar-10-batches-py"):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, raw in ({"readme.html": b"<html>"} | files).items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return content.getvalue()


def archive(name, content, *mirrors):
    return Archive(name, len(content), hashlib.md5(content).hexdigest(), mirrors)
