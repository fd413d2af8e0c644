"""The set that comes with the package, and the tool that drew it."""

import gzip
import hashlib
import shutil
import struct
import zipfile
from pathlib import Path

import conftest
import numpy as np
import pytest
import torch

import draw_fashion_mnist_mini as tool
from resnet_lessons.data.sets import loading
from resnet_lessons.data.sets.loading import load

FOLDER = Path(loading.__file__).parents[1] / "fashion_mnist_mini"


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu")


# The embedded set


def test_mini_has_the_promised_sizes_types_and_classes(mini):
    assert mini.name == "fashion-mnist-mini"
    for split, count in ((mini.train, 10_000), (mini.test, 2_000)):
        assert len(split) == count
        assert split.images.shape == (count, 1, 28, 28) and split.images.dtype == torch.uint8
        assert split.labels.shape == (count,) and split.labels.dtype == torch.int64
        assert torch.bincount(split.labels).tolist() == [count // 10] * 10
    assert (mini.num_classes, mini.in_channels, mini.image_size) == (10, 1, (28, 28))
    assert mini.class_names[0] == "T-shirt/top" and mini.class_names[9] == "Ankle boot"
    assert mini.device == torch.device("cpu")


def test_mini_starts_as_fashion_mnist_does(mini):
    assert mini.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert mini.test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]


def test_mini_content_is_unchanged(mini):
    digest = hashlib.sha256()
    for split in (mini.train, mini.test):
        digest.update(split.images.numpy().tobytes())
        digest.update(split.labels.to(torch.uint8).numpy().tobytes())
    known = "d5b91c929ef64cdf3fac6a13820932f698037ef77030a9584f3d6499a1ccee00"
    assert digest.hexdigest() == known


@pytest.mark.parametrize("count", [500, 1000, 5000])
def test_every_prefix_of_mini_is_nearly_balanced(mini, count):
    shares = torch.bincount(mini.train.labels[:count], minlength=10) * 10 / count
    assert shares.min() > 0.75 and shares.max() < 1.25


def test_mini_holds_no_image_twice_and_none_of_the_test_in_training(mini):
    train, test = (
        {image.tobytes() for image in split.images.numpy()} for split in (mini.train, mini.test)
    )
    assert len(train) == 10_000 and len(test) == 2_000 and not train & test


def test_mini_file_is_small_undated_and_licensed():
    file = FOLDER / "images.npz"
    assert file.stat().st_size < 5.5e6
    with zipfile.ZipFile(file) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    licence = (FOLDER / "LICENSE").read_text(encoding="utf-8")
    assert "The MIT License (MIT)" in licence
    assert "Copyright © 2017 Zalando SE, https://tech.zalando.com" in licence


def replace_middle(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>not found</html>"),
        lambda path: path.write_bytes(path.read_bytes()[:-1000]),
        replace_middle,
        lambda path: np.savez(path, train_images=np.zeros(3)),
    ],
    ids=["missing", "empty", "another file", "cut short", "bytes lost", "arrays missing"],
)
def test_a_damaged_file_says_how_to_mend_it(monkeypatch, tmp_path, damage):
    path = tmp_path / "images.npz"
    shutil.copyfile(FOLDER / "images.npz", path)
    monkeypatch.setattr(loading, "_MINI_FILE", path)
    assert len(load(device="cpu").train) == 10_000
    damage(path)
    with pytest.raises(OSError, match="missing or damaged; install resnet_lessons again"):
        load(device="cpu")


# The tool that drew the embedded set


def test_tool_picks_the_first_of_each_class_in_file_order():
    labels = np.array([2, 0, 2, 2, 1, 0, 0, 1, 1], dtype=np.uint8)
    assert tool.first_of_each_class(labels, 2).tolist() == [0, 1, 2, 4, 5, 7]


def test_tool_knows_an_archive_under_any_gzip_header():
    name = "t10k-labels-idx1-ubyte"
    packed = gzip.compress(b"pixels", mtime=5)[10:]
    published = b"\x1f\x8b\x08\x08" + struct.pack("<I", 1504176627) + b"\0\x03"
    published += name.encode() + b"\0" + packed
    renamed = b"\x1f\x8b\x08\x08" + struct.pack("<I", 1) + b"\0\x03other\0" + packed
    nameless = b"\x1f\x8b\x08\x00" + struct.pack("<I", 1) + b"\x02\xff" + packed
    for archive in (published, renamed, nameless):
        assert tool.with_published_header(name, archive) == published
    assert gzip.decompress(published) == b"pixels"


def test_tool_refuses_missing_and_foreign_archives(tmp_path):
    with pytest.raises(SystemExit, match=r"train-images-idx3-ubyte\.gz does not exist"):
        tool.main([str(tmp_path)])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"digits"))
    with pytest.raises(SystemExit, match=r"has the md5 .* the published one is 8d4fb7e6c68d591d"):
        tool.main([str(tmp_path)])


def originals():
    """The folder with the original archives, if RESNET_LESSONS_DATA leads to it."""
    root = conftest.DATA
    folders = [Path(root), Path(root, "FashionMNIST", "raw")] if root else []
    found = [folder for folder in folders if (folder / "train-images-idx3-ubyte.gz").is_file()]
    return found[0] if found else None


@pytest.mark.skipif(originals() is None, reason="RESNET_LESSONS_DATA has no Fashion-MNIST archives")
def test_tool_draws_what_is_embedded(monkeypatch, tmp_path, capsys):
    tool.main([str(originals()), "--check"])
    assert "holds what the archives give" in capsys.readouterr().out

    changed = tmp_path / "images.npz"
    with np.load(FOLDER / "images.npz") as file:
        arrays = dict(file)
    assert tool.same_content(arrays, FOLDER / "images.npz")
    arrays["test_images"][-1, 0, 0, 0] ^= 1
    np.savez(changed, **arrays)
    monkeypatch.setattr(tool, "TARGET", changed)
    with pytest.raises(SystemExit, match="differs from what the archives give"):
        tool.main([str(originals()), "--check"])
