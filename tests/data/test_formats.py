"""Reading sets in the formats in which they are published, and knowing the damaged ones."""

import gzip
import os
import pickle
from itertools import product

import numpy as np
import pytest
import tiny_sets as tiny
from tiny_sets import CIFAR, FASHION

from resnet_lessons.data.sets.formats import BATCHES, IDX, Damaged, read_cifar, read_idx, read_npz

GREY, COLOUR = tiny.arrays(FASHION), tiny.arrays(CIFAR)


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[key], second[key]) for key in first
    )


# What is read


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read(tmp_path, packed):
    assert same(read_idx(tiny.save_idx(tmp_path, GREY, packed)), GREY)


@pytest.mark.parametrize("binary", [False, True])
def test_cifar_is_read_from_its_archive_and_its_folder(tmp_path, binary):
    files = tiny.batches(COLOUR, binary)
    for name, raw in files.items():
        tiny.save(tmp_path / "folder" / name, raw)
    assert same(read_cifar(tmp_path / "folder"), COLOUR)
    assert same(read_cifar(tiny.save(tmp_path / "c.tar.gz", tiny.as_tar(files))), COLOUR)


def test_a_pickle_of_python_2_is_what_the_authors_wrote():
    raw = tiny.batches(COLOUR)["data_batch_1"]
    assert raw.startswith(b"\x80\x02}q\x00(U\x0bbatch_label")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in raw and b"_codecs" not in raw


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_pickle_that_numpy_2_wrote_is_read(tmp_path, protocol):
    for name, raw in tiny.batches(COLOUR).items():
        batch = pickle.loads(raw, encoding="bytes")
        tiny.save(tmp_path / name, pickle.dumps(batch, protocol=protocol))
    assert same(read_cifar(tmp_path), COLOUR)


def test_the_red_of_a_pixel_comes_first(tmp_path):
    """Byte by byte: the label, all red, all green, all blue values, each row by row."""
    record = bytes([3, 200, *[0] * 1022, 201, 100, *[0] * 1023, 50, *[0] * 1023])
    for name in BATCHES:
        tiny.save(tmp_path / f"{name}.bin", record)
    found = read_cifar(tmp_path)
    assert found["x_test"].shape == (1, 32, 32, 3) and found["y_test"].tolist() == [3]
    assert found["x_test"][0, 0, 0].tolist() == [200, 100, 50]
    assert found["x_test"][0, 31, 31].tolist() == [201, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, ">i2"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_labels_of_any_whole_type_and_with_a_second_dimension_are_taken(tmp_path, dtype, shape):
    changed = COLOUR | {key: COLOUR[key].astype(dtype).reshape(shape) for key in IDX if "y" in key}
    path = tiny.save(tmp_path / "cifar10.npz", tiny.as_npz(changed))
    found = CIFAR.check(path, read_npz(path))
    assert same(found, COLOUR) and found["y_train"].dtype == np.uint8


# What is damaged


def damaged_npz(path, **changes):
    tiny.save(path, tiny.as_npz(COLOUR | changes))
    CIFAR.check(path, read_npz(path))


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"x_train": COLOUR["x_train"][:-1]}, r"x_train of uint8 and shape \(49, 32, 32, 3\)"),
        ({"x_test": COLOUR["x_test"] / 255}, "x_test of float64"),
        ({"x_test": COLOUR["x_test"].transpose(0, 3, 1, 2)}, r"shape \(15, 3, 32, 32\)"),
        ({"y_test": COLOUR["y_test"][1:]}, r"y_test of uint8 and shape \(14,\)"),
        ({"y_test": COLOUR["y_test"] * 1.0}, "y_test of float64"),
        ({"y_test": COLOUR["y_test"][None]}, r"shape \(1, 15\)"),
        ({"y_test": np.full(15, 10)}, "labels from 10 to 10 in y_test.* from 0 to 9"),
        ({"y_train": np.full(50, -1)}, "labels from -1 to -1 in y_train"),
        ({"y_train": COLOUR["y_train"][::-1]}, r"published order begins with \(6, 9, 9, 4, 1,"),
    ],
)
def test_arrays_that_are_not_those_of_the_set_are_named(tmp_path, changes, problem):
    path = tmp_path / "cifar10.npz"
    damaged_npz(path)
    with pytest.raises(Damaged, match=problem) as caught:
        damaged_npz(path, **changes)
    assert str(caught.value).startswith(f"{path} ")
    assert str(caught.value).endswith("; put a whole one in its place, or take it away.")


def flip(raw):
    """Lose some bytes in the middle."""
    return raw[: len(raw) // 2] + bytes(64) + raw[len(raw) // 2 + 64 :]


DAMAGE = {
    "empty": lambda raw: b"",
    "cut short": lambda raw: raw[: len(raw) * 2 // 3],
    "a web page": lambda raw: b"<html>not found</html>",
    "bytes lost": flip,
}
PLAIN = ["empty", "cut short", "a web page"]


def refuses(read, path):
    with pytest.raises(Damaged) as caught:
        read(path)
    what, cure = str(caught.value).split("; ")
    assert " cannot be read (" in what and cure == "put a whole one in its place, or take it away."
    assert "\n" not in what
    return what


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_npz_is_named(tmp_path, damage):
    path = tiny.save(tmp_path / "cifar10.npz", damage(tiny.as_npz(COLOUR)))
    assert refuses(read_npz, path).startswith(f"{path} ")


def test_an_npz_without_an_array_is_named(tmp_path):
    content = {key: COLOUR[key] for key in IDX if key != "y_test"}
    path = tiny.save(tmp_path / "cifar10.npz", tiny.as_npz(content))
    assert "y_test" in refuses(read_npz, path)


def test_an_npz_with_pickles_in_it_runs_nothing(tmp_path):
    content = COLOUR | {"y_test": np.array([Trap()] * 15)}
    path = tiny.save(tmp_path / "cifar10.npz", tiny.as_npz(content))
    refuses(read_npz, path)


# Nothing tells that bytes of an unpacked file were lost.
@pytest.mark.parametrize("packed, damage", [*product([True], DAMAGE), *product([False], PLAIN)])
def test_a_damaged_idx_file_is_named(tmp_path, packed, damage):
    tiny.save_idx(tmp_path, GREY, packed)
    path = tmp_path / (IDX["x_train"] + (".gz" if packed else ""))
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert refuses(read_idx, tmp_path).startswith(f"{path} ")


@pytest.mark.parametrize(
    "raw",
    [
        tiny.as_idx(GREY["y_test"]) + b"\0",
        b"\0\0\x0d" + tiny.as_idx(GREY["y_test"])[3:],
        tiny.as_idx(np.zeros(0, np.uint8))[:6],
        b"\0\0\x08\x03" + b"\xff" * 12,
    ],
    ids=["too long", "floats", "half a head", "too large"],
)
def test_an_idx_file_of_another_kind_is_named(tmp_path, raw):
    tiny.save_idx(tmp_path, GREY)
    tiny.save(tmp_path / f"{IDX['y_test']}.gz", gzip.compress(raw))
    refuses(read_idx, tmp_path)


def test_a_missing_idx_file_is_named(tmp_path):
    tiny.save_idx(tmp_path, GREY)
    (tmp_path / f"{IDX['y_train']}.gz").unlink()
    assert IDX["y_train"] in refuses(read_idx, tmp_path)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_archive_is_named(tmp_path, damage):
    whole = tiny.as_tar(tiny.batches(COLOUR))
    refuses(read_cifar, tiny.save(tmp_path / "cifar-10-python.tar.gz", damage(whole)))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("damage", [None, *PLAIN])
def test_a_damaged_or_missing_batch_is_named(tmp_path, damage, binary):
    files = tiny.batches(COLOUR, binary)
    for name, raw in files.items():
        if not name.startswith("data_batch_3"):
            tiny.save(tmp_path / name, raw)
        elif damage:
            tiny.save(tmp_path / name, DAMAGE[damage](raw))
    with pytest.raises(Damaged):
        CIFAR.check(tmp_path, read_cifar(tmp_path))


class Trap:
    """What would make a folder, if it were read without care."""

    def __reduce__(self):
        return os.mkdir, ("trap",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_does_not(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    files = tiny.batches(COLOUR)
    files["data_batch_2"] = pickle.dumps({"data": Trap()}, protocol=protocol)
    path = tiny.save(tmp_path / "c.tar.gz", tiny.as_tar(files))
    assert f"it asks for {os.mkdir.__module__}.mkdir, which might run code" in refuses(
        read_cifar, path
    )
    assert not (tmp_path / "trap").exists()
    pickle.loads(files["data_batch_2"])
    assert (tmp_path / "trap").exists(), "the trap does not work"
