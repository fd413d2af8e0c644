"""Loading sets: where they are looked for, how they are fetched, and what to do without them."""

import importlib.util
import multiprocessing
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import conftest
import numpy as np
import platformdirs
import pytest
import tiny_sets as tiny
import torch
from mirrors import Mirrors, breaks_off, corrupted, missing, nobody, throttled, well
from tiny_sets import CIFAR, FASHION

from resnet_lessons.data.dataset import Dataset
from resnet_lessons.data.sets import loading
from resnet_lessons.data.sets.fetching import Patience
from resnet_lessons.data.sets.loading import load
from resnet_lessons.data.sets.published import CIFAR10, FASHION_MNIST

GREY, COLOUR = tiny.arrays(FASHION), tiny.arrays(CIFAR)
CIFAR_TAR = tiny.as_tar(tiny.batches(COLOUR))


@pytest.fixture(autouse=True)
def no_mirrors(monkeypatch):
    """Few images, and no mirror at all, until a test adds some."""
    offer(monkeypatch, FASHION)
    offer(monkeypatch, CIFAR)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    folder = tmp_path / "cache"
    monkeypatch.setattr(loading, "cache_folder", lambda: folder)
    return folder


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The folder that RESNET_LESSONS_DATA names."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("RESNET_LESSONS_DATA", str(folder))
    return folder


@pytest.fixture
def mirrors(monkeypatch):
    monkeypatch.delenv("RESNET_LESSONS_OFFLINE")
    with Mirrors() as running:
        yield running


def offer(monkeypatch, source, *archives):
    source = replace(source, archives=archives)
    monkeypatch.setitem(loading.SOURCES, source.name, source)


def offer_cifar(monkeypatch, mirrors, *ways):
    addresses = [way if isinstance(way, str) else mirrors.add(CIFAR_TAR, way) for way in ways]
    offer(monkeypatch, CIFAR, tiny.archive("cifar-10-python.tar.gz", CIFAR_TAR, *addresses))


def is_of(data, arrays):
    """Whether a data set holds these images and labels."""
    for part, split in (("train", data.train), ("test", data.test)):
        images = arrays[f"x_{part}"]
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        if not np.array_equal(split.images, images):
            return False
        if split.labels.tolist() != arrays[f"y_{part}"].tolist():
            return False
    return data.train.images.is_contiguous()


# Sets on this machine


GREY_LAYOUTS = {
    "fashion-mnist.npz": lambda at: tiny.save(at / "fashion-mnist.npz", tiny.as_npz(GREY)),
    "four files": lambda at: tiny.save_idx(at, GREY),
    "unpacked": lambda at: tiny.save_idx(at, GREY, packed=False),
    "torchvision's": lambda at: tiny.save_idx(at / "FashionMNIST" / "raw", GREY),
    "a folder": lambda at: tiny.save_idx(at / "fashion-mnist", GREY),
}


@pytest.mark.parametrize("layout", GREY_LAYOUTS.values(), ids=GREY_LAYOUTS)
def test_fashion_mnist_is_found_in_the_folder_that_is_named(folder, cache, layout):
    layout(folder)
    data = load("fashion-mnist", "cpu")
    assert is_of(data, GREY)
    assert repr(data) == (
        "Dataset 'fashion-mnist': 50 train + 15 test images 1×28×28, 10 classes, on cpu"
    )
    assert data.class_names == load(device="cpu").class_names
    scaled = GREY["x_train"] / 255
    np.testing.assert_allclose((data.mean[0], data.std[0]), (scaled.mean(), scaled.std()))
    assert not cache.exists()


def save_batches(folder, binary=False):
    for name, raw in tiny.batches(COLOUR, binary).items():
        tiny.save(folder / name, raw)


COLOUR_LAYOUTS = {
    "cifar10.npz": lambda at: tiny.save(at / "cifar10.npz", tiny.as_npz(COLOUR)),
    "torchvision's": lambda at: save_batches(at / "cifar-10-batches-py"),
    "the batches": save_batches,
    "the archive": lambda at: tiny.save(at / "cifar-10-python.tar.gz", CIFAR_TAR),
    "binary": lambda at: save_batches(at / "cifar-10-batches-bin", binary=True),
    "binary archive": lambda at: tiny.save(
        at / "cifar-10-binary.tar.gz", tiny.as_tar(tiny.batches(COLOUR, binary=True))
    ),
}


@pytest.mark.parametrize("layout", COLOUR_LAYOUTS.values(), ids=COLOUR_LAYOUTS)
def test_cifar10_is_found_in_the_folder_that_is_named(folder, cache, layout):
    layout(folder)
    data = load("cifar10", "cpu")
    assert is_of(data, COLOUR)
    assert repr(data) == "Dataset 'cifar10': 50 train + 15 test images 3×32×32, 10 classes, on cpu"
    assert data.class_names[0] == "airplane" and data.class_names[9] == "truck"
    np.testing.assert_allclose(data.mean, (COLOUR["x_train"] / 255).mean(axis=(0, 1, 2)))
    assert not cache.exists()


def test_the_folder_goes_before_the_cache_and_the_cache_before_the_network(
    folder, cache, mirrors, monkeypatch
):
    others = [tiny.arrays(CIFAR, seed) for seed in (1, 2)]
    offer_cifar(monkeypatch, mirrors, well)
    tiny.save(cache / "cifar10.npz", tiny.as_npz(others[0]))
    assert is_of(load("cifar10", "cpu"), others[0])
    tiny.save(folder / "cifar10.npz", tiny.as_npz(others[1]))
    assert is_of(load("cifar10", "cpu"), others[1])
    assert mirrors.asked == []


def test_the_cache_is_that_of_the_user():
    assert loading.cache_folder() == Path(platformdirs.user_cache_dir("resnet_lessons", False))
    if sys.platform.startswith("linux"):
        assert loading.cache_folder() == Path(conftest.EMPTY.name, "resnet_lessons")


def test_a_tilde_in_the_variable_is_the_home_folder(folder, cache, monkeypatch):
    tiny.save(folder / "cifar10.npz", tiny.as_npz(COLOUR))
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    monkeypatch.setenv("RESNET_LESSONS_DATA", "~/data")
    assert is_of(load("cifar10", "cpu"), COLOUR)


def test_a_folder_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RESNET_LESSONS_DATA", str(tmp_path / "dat"))
    message = r"RESNET_LESSONS_DATA is '.*dat', but there is no such folder; make it, correct"
    with pytest.raises(OSError, match=message):
        load("cifar10")
    assert len(load(device="cpu").test) == 2000  # what comes with the package needs no folder


@pytest.mark.parametrize("layout", ["cifar10.npz", "the archive", "torchvision's"])
def test_a_damaged_set_in_the_folder_is_named_and_left(folder, cache, layout):
    COLOUR_LAYOUTS[layout](folder)
    path = sorted(path for path in folder.rglob("*") if path.is_file())[0]
    path.write_bytes(path.read_bytes()[:1000])
    place = re.escape(str(folder))
    with pytest.raises(OSError, match=f"^{place}.* cannot be read .*; put a whole one in its"):
        load("cifar10")
    assert path.stat().st_size == 1000


def test_mnist_is_not_taken_for_fashion_mnist(folder, cache):
    digits = GREY | {"y_train": np.roll(GREY["y_train"], 1)}
    tiny.save_idx(folder, digits)
    with pytest.raises(OSError, match="fashion-mnist in its published order begins with"):
        load("fashion-mnist")


# Fetching


def test_a_set_is_fetched_once_and_kept_as_one_file(cache, mirrors, monkeypatch, capsys):
    offer_cifar(monkeypatch, mirrors, missing, corrupted, well)
    assert is_of(load("cifar10", "cpu"), COLOUR)
    path = cache / "cifar10.npz"
    assert capsys.readouterr().out == f"cifar10 is kept in {path}.\n"
    assert [file.name for file in sorted(cache.iterdir())] == [".cifar10.lock", "cifar10.npz"]
    with np.load(path) as kept:
        assert all(kept[key].dtype == np.uint8 for key in COLOUR)
        assert all(np.array_equal(kept[key], COLOUR[key]) for key in COLOUR)
    count = len(mirrors.asked)
    assert is_of(load("cifar10", "cpu"), COLOUR)
    assert len(mirrors.asked) == count and capsys.readouterr().out == ""


def test_fashion_mnist_is_fetched_in_its_four_files(cache, mirrors, monkeypatch, tmp_path):
    tiny.save_idx(tmp_path / "published", GREY)
    files = {path.name: path.read_bytes() for path in (tmp_path / "published").iterdir()}
    offer(
        monkeypatch,
        FASHION,
        *(tiny.archive(name, raw, mirrors.add(raw, well)) for name, raw in files.items()),
    )
    assert is_of(load("fashion-mnist", "cpu"), GREY)
    assert [file.name for file in cache.glob("f*")] == ["fashion-mnist.npz"]


def test_a_fetched_set_is_kept_in_the_folder_that_is_named(folder, cache, mirrors, monkeypatch):
    offer_cifar(monkeypatch, mirrors, well)
    load("cifar10", "cpu")
    assert (folder / "cifar10.npz").is_file() and not cache.exists()


def test_a_named_folder_that_cannot_be_written_is_passed_over(folder, cache, mirrors, monkeypatch):
    monkeypatch.setattr(loading, "is_writable", lambda place: place != folder)
    cache.mkdir()
    offer_cifar(monkeypatch, mirrors, well)
    load("cifar10", "cpu")
    assert (cache / "cifar10.npz").is_file() and not list(folder.iterdir())


def test_a_cache_that_cannot_be_written_is_named(mirrors, monkeypatch, tmp_path):
    cache = tmp_path / "file" / "cache"
    (tmp_path / "file").touch()
    monkeypatch.setattr(loading, "cache_folder", lambda: cache)
    offer_cifar(monkeypatch, mirrors, well)
    message = f"{cache} cannot be written to keep it; let RESNET_LESSONS_DATA name a folder"
    with pytest.raises(OSError, match=re.escape(message)):
        load("cifar10")
    assert mirrors.asked == []


def test_a_damaged_file_in_the_cache_is_fetched_again(cache, mirrors, monkeypatch, capsys):
    offer_cifar(monkeypatch, mirrors, well)
    path = tiny.save(cache / "cifar10.npz", tiny.as_npz(COLOUR)[:5000])
    assert is_of(load("cifar10", "cpu"), COLOUR)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{path} cannot be read (") and said[0].endswith(
        ": fetching it again."
    )
    assert said[1:] == [f"cifar10 is kept in {path}."]
    assert is_of(load("cifar10", "cpu"), COLOUR) and capsys.readouterr().out == ""


def test_an_interrupted_fetch_goes_on(cache, mirrors, monkeypatch):
    half = len(CIFAR_TAR) // 2
    offer_cifar(monkeypatch, mirrors, breaks_off(half))
    monkeypatch.setattr("resnet_lessons.data.sets.fetching.TRIES", 1)
    with pytest.raises(OSError, match="broke off"):
        load("cifar10")
    assert not (cache / "cifar10.npz").exists()
    offer_cifar(monkeypatch, mirrors, well)
    assert is_of(load("cifar10", "cpu"), COLOUR)
    assert mirrors.ranges("well") == [f"bytes={half}-"]


@pytest.mark.parametrize("free", [10**6, 100])
def test_a_full_disk_is_told_in_one_sentence(cache, mirrors, monkeypatch, free):
    """The archive and the file that is made of it must both find room."""
    offer_cifar(monkeypatch, mirrors, well)
    needed = len(CIFAR_TAR) + 65 * (32 * 32 * 3 + 1)
    usage = type("Usage", (), {"free": min(free, needed - 1)})
    monkeypatch.setattr("resnet_lessons._files.shutil.disk_usage", lambda folder: usage)
    message = r"cannot take the [\d,]+ bytes .*\(the disk is full\).* needed to keep cifar10; free"
    with pytest.raises(OSError, match=message):
        load("cifar10")
    assert mirrors.asked == []


def test_a_disk_that_fills_up_at_the_end_leaves_no_half_file(cache, mirrors, monkeypatch):
    offer_cifar(monkeypatch, mirrors, well)

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="free some space, let RESNET_LESSONS_DATA name a folder"):
        load("cifar10")
    assert list(cache.glob("*.npz*")) == []
    monkeypatch.undo()


# Two processes


def load_with_one_thread():
    torch.set_num_threads(1)  # which other threads of this process may have held are gone
    load("cifar10", "cpu")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a new process would first load torch")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_two_processes_fetch_a_set_once(cache, mirrors, monkeypatch, capsys):
    offer_cifar(monkeypatch, mirrors, throttled(len(CIFAR_TAR)))
    other = multiprocessing.get_context("fork").Process(target=load_with_one_thread)
    other.start()
    try:
        end = time.monotonic() + 60
        while not mirrors.asked:
            assert other.is_alive() and time.monotonic() < end
            time.sleep(0.01)
        assert is_of(load("cifar10", "cpu"), COLOUR)
        other.join(60)
        assert other.exitcode == 0
    finally:
        other.kill()
        other.join()
    assert mirrors.asked == [("throttled-0", None)]
    assert "Another process is fetching cifar10; waiting for it.\n" in capsys.readouterr().out


# Without network


def test_without_network_the_error_names_the_set_what_was_tried_and_what_works(
    cache, mirrors, monkeypatch
):
    offer_cifar(monkeypatch, mirrors, nobody(), "http://mirror.invalid/cifar", missing)
    start = time.monotonic()
    with pytest.raises(OSError) as caught:
        load("cifar10")
    assert time.monotonic() - start < 5
    sentence, what, *tried = str(caught.value).splitlines()
    assert sentence.startswith("cifar10 is not on this machine, and no mirror gave it; connect to")
    assert 'load("fashion-mnist-mini")' in sentence and "RESNET_LESSONS_DATA" in sentence
    assert what == "cifar-10-python.tar.gz could not be fetched:"
    assert [line.split(":")[0] for line in tried] == [
        "  127.0.0.1",
        "  mirror.invalid",
        "  127.0.0.1",
    ]


@pytest.mark.parametrize("value", ["1", "true"])
def test_offline_no_mirror_is_asked(cache, mirrors, monkeypatch, value):
    monkeypatch.setenv("RESNET_LESSONS_OFFLINE", value)
    offer_cifar(monkeypatch, mirrors, well)
    message = "RESNET_LESSONS_OFFLINE keeps it from the network; unset .*fashion-mnist-mini"
    with pytest.raises(OSError, match=message):
        load("cifar10")
    assert mirrors.asked == [] and not cache.exists()


@pytest.mark.parametrize("value", ["0", ""])
def test_offline_can_be_switched_off(cache, mirrors, monkeypatch, value):
    monkeypatch.setenv("RESNET_LESSONS_OFFLINE", value)
    offer_cifar(monkeypatch, mirrors, well)
    assert is_of(load("cifar10", "cpu"), COLOUR)


def test_otherwise_goes_on_in_grey_and_says_so(cache, capsys):
    data = load("fashion-mnist", "cpu", otherwise="fashion-mnist-mini")
    assert data.name == "fashion-mnist-mini" and data.in_channels == 1
    assert capsys.readouterr().out == (
        "fashion-mnist is not on this machine, and RESNET_LESSONS_OFFLINE keeps it from the "
        "network, so this goes on with fashion-mnist-mini.\n"
    )


def test_otherwise_goes_on_in_colour_where_that_is_wanted(cache, mirrors, monkeypatch, capsys):
    offer_cifar(monkeypatch, mirrors, nobody())
    data = load("cifar10", "cpu", otherwise="fashion-mnist-mini")
    assert data.in_channels == 3 and len(data.mean) == 3
    assert torch.equal(data.test.images[:, :1], load(device="cpu").test.images)
    assert capsys.readouterr().out == (
        "cifar10 is not on this machine, and no mirror gave it, so this goes on with "
        "fashion-mnist-mini, its grey images in three equal channels.\n"
    )


def test_otherwise_says_that_a_set_is_damaged(folder, cache, capsys):
    path = tiny.save(folder / "cifar10.npz", b"")
    load("cifar10", "cpu", otherwise="fashion-mnist-mini")
    line = capsys.readouterr().out
    assert line.startswith(f"{path} cannot be read (") and line.count("\n") == 1


def test_otherwise_is_not_needed_where_the_set_is(folder, cache, capsys):
    tiny.save(folder / "cifar10.npz", tiny.as_npz(COLOUR))
    assert is_of(load("cifar10", "cpu", otherwise="fashion-mnist-mini"), COLOUR)
    assert capsys.readouterr().out == ""


def test_otherwise_is_a_set_that_cannot_fail():
    with pytest.raises(ValueError, match="otherwise is 'cifar10', but it must be one of 'fashion"):
        load("fashion-mnist", otherwise="cifar10")


# Names and devices


def test_load_takes_a_device(monkeypatch):
    monkeypatch.setattr(loading, "default_device", lambda: torch.device("meta"))
    monkeypatch.setattr(Dataset, "to", lambda self, device: device)
    assert load() == torch.device("meta")
    assert load(device="cpu") == "cpu"


@pytest.mark.parametrize("gpu, expected", [(True, "cuda"), (False, "cpu")])
def test_default_device_is_the_gpu_where_there_is_one(monkeypatch, gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert loading.default_device() == torch.device(expected)


@pytest.mark.parametrize(
    "name, nearest",
    [
        ("fashion-mnist-mimi", "fashion-mnist-mini"),
        ("FashionMNIST", "fashion-mnist"),
        ("cifar-10", "cifar10"),
    ],
)
def test_load_names_the_nearest_data_set(name, nearest):
    message = f"name is '{name}', .*'fashion-mnist-mini', .*; did you mean '{nearest}'"
    with pytest.raises(ValueError, match=message):
        load(name)


# The published sets


def test_mirrors_are_many_and_the_throttled_one_is_the_last():
    for source in (FASHION_MNIST, CIFAR10):
        for archive in source.archives:
            assert len(archive.mirrors) >= 4
            assert all(mirror.endswith(f"/{archive.name}") for mirror in archive.mirrors)
            assert len(archive.mirrors) * Patience().answer < Patience().silence
    assert "cs.toronto.edu" in CIFAR10.archives[0].mirrors[-1]


@pytest.mark.parametrize("source, file", [(FASHION_MNIST, "mnist.py"), (CIFAR10, "cifar.py")])
def test_names_and_md5_are_those_in_torchvision(source, file):
    # Read, and not imported, which takes seconds.
    package = Path(importlib.util.find_spec("torchvision").origin).parent
    text = (package / "datasets" / file).read_text(encoding="utf-8")
    for archive in source.archives:
        assert f'"{archive.name}"' in text and f'"{archive.md5}"' in text


REAL = [
    ("fashion-mnist", (60_000, 10_000), 1, (0.2860,), (0.3530,)),
    ("cifar10", (50_000, 10_000), 3, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
]


@pytest.mark.skipif(not conftest.DATA, reason="RESNET_LESSONS_DATA names no folder with real sets")
@pytest.mark.parametrize("name, sizes, channels, mean, std", REAL, ids=[row[0] for row in REAL])
def test_the_real_sets_are_read(monkeypatch, name, sizes, channels, mean, std):
    monkeypatch.undo()
    monkeypatch.setenv("RESNET_LESSONS_DATA", conftest.DATA)
    try:
        data = load(name, "cpu")
    except OSError as error:
        pytest.skip(str(error).partition("; ")[0])
    assert (len(data.train), len(data.test)) == sizes and data.in_channels == channels
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    np.testing.assert_allclose(data.mean, mean, atol=6e-5)
    np.testing.assert_allclose(data.std, std, atol=6e-5)
