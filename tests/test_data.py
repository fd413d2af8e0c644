import gzip
import hashlib
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import draw_fashion_mnist_mini as tool
from resnet_lessons import data
from resnet_lessons.data import Dataset, Split, augment, channel_statistics, load

FOLDER = Path(data.__file__).parent / "fashion_mnist_mini"
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pixels(*shape, seed=0):
    return torch.randint(256, shape, generator=seeded(seed), dtype=torch.uint8)


def small(shape=(3, 4, 6), counts=(6, 4), **changes):
    """A set of random pixels with two classes."""
    train, test = counts
    images = pixels(train, *shape)
    mean, std = channel_statistics(images)
    fields = {
        "name": "small",
        "train": Split(images, torch.arange(train) % 2),
        "test": Split(pixels(test, *shape, seed=1), torch.arange(test) % 2),
        "class_names": ("even", "odd"),
        "mean": mean,
        "std": std,
    }
    return Dataset(**(fields | changes))


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


def test_load_takes_a_device(mini, monkeypatch):
    monkeypatch.setattr(data, "default_device", lambda: torch.device("meta"))
    monkeypatch.setattr(Dataset, "to", lambda self, device: device)
    assert load() == torch.device("meta")
    assert load(device="cpu") == "cpu"


@pytest.mark.parametrize("gpu, expected", [(True, "cuda"), (False, "cpu")])
def test_default_device_is_the_gpu_where_there_is_one(monkeypatch, gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert data.default_device() == torch.device(expected)


def test_load_names_the_nearest_data_set():
    message = "name is 'fashion-mnist-mimi'.*'fashion-mnist-mini'; did you mean"
    with pytest.raises(ValueError, match=message):
        load("fashion-mnist-mimi")


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
    monkeypatch.setattr(data, "_MINI_FILE", path)
    assert len(load(device="cpu").train) == 10_000
    damage(path)
    with pytest.raises(OSError, match="missing or damaged; install resnet_lessons again"):
        load(device="cpu")


# Split and Dataset


def test_normalize_gives_mean_0_and_std_1_on_the_training_images(mini):
    for dataset in (mini, small(), mini.pooled(2)):
        images = dataset.normalize(dataset.train.images)
        assert images.dtype == torch.float32 and images.shape == dataset.train.images.shape
        values = images.double().transpose(0, 1).flatten(1)
        torch.testing.assert_close(
            values.mean(1), torch.zeros(len(values)).double(), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(
            values.std(1, correction=0), torch.ones(len(values)).double(), atol=1e-5, rtol=0
        )


def test_normalize_follows_its_formula_and_leaves_its_input():
    dataset = small((2, 1, 1), mean=(0.5, 0.25), std=(0.5, 0.125))
    images = torch.tensor([0, 255, 51, 102], dtype=torch.uint8).view(2, 2, 1, 1)
    expected = torch.tensor([-1.0, 6.0, -0.6, 1.2]).view(2, 2, 1, 1)
    torch.testing.assert_close(dataset.normalize(images), expected)
    assert images.flatten().tolist() == [0, 255, 51, 102]


def test_normalize_refuses_what_is_not_raw_pixels():
    dataset = small()
    with pytest.raises(TypeError, match=r"float32 images, but it takes uint8.*\* 255\)\.round"):
        dataset.normalize(dataset.train.images.float())
    with pytest.raises(ValueError, match="given 1 channels, but small has 3"):
        dataset.normalize(dataset.train.images[:, :1])
    with pytest.raises(ValueError, match=r"unsqueeze\(0\)"):
        dataset.normalize(dataset.train.images[0])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 5), st.integers(0, 1000))
def test_channel_statistics_agree_with_numpy(count, channels, side, seed):
    images = pixels(count, channels, side, side, seed=seed)
    scaled = images.numpy().astype(np.float64) / 255
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(std, scaled.std(axis=(0, 2, 3)), atol=1e-12)


def test_channel_statistics_want_a_pixel():
    with pytest.raises(ValueError, match="at least one pixel to measure"):
        channel_statistics(pixels(0, 1, 2, 2))


def test_take_keeps_the_first_images(mini):
    part = mini.take(train=100, test=30)
    assert (len(part.train), len(part.test)) == (100, 30)
    assert torch.equal(part.train.images, mini.train.images[:100])
    assert torch.equal(part.test.labels, mini.test.labels[:30])
    assert (part.mean, part.std, part.name) == (mini.mean, mini.std, mini.name)
    assert (len(mini.take(test=1).train), len(mini.take(train=2_000).test)) == (10_000, 2_000)


def test_take_refuses_more_than_there_is_and_less_than_one(mini):
    with pytest.raises(
        ValueError, match=r"train is 10001, .* has only 10000 train images; .*10000"
    ):
        mini.take(train=10_001)
    with pytest.raises(ValueError, match="test is 0, but it must be at least 1"):
        mini.take(test=0)
    with pytest.raises(TypeError, match=r"train is 0\.5, but it must be a whole number"):
        mini.take(train=0.5)


def test_pooled_averages_squares_and_measures_again():
    dataset = small((1, 2, 4), counts=(2, 4))
    dataset.train.images[0] = torch.tensor([[[0, 1, 10, 20], [2, 4, 30, 41]]])
    half = dataset.pooled(2)
    assert half.train.images[0].tolist() == [[[2, 25]]]  # averages 1.75 and 25.25
    assert half.train.images.dtype == half.test.images.dtype == torch.uint8
    assert half.image_size == (1, 2) and len(half.test) == len(dataset.test)
    assert torch.equal(half.train.labels, dataset.train.labels)
    assert (half.mean, half.std) == channel_statistics(half.train.images)
    assert half.name == "small 1×2"


def test_pooling_twice_names_the_last_size_only(mini):
    few = mini.take(100, 10)
    assert few.pooled(2).name == "fashion-mnist-mini 14×14"
    assert few.pooled(2).pooled(7).name == "fashion-mnist-mini 2×2"
    assert torch.equal(few.pooled(1).train.images, few.train.images)


def test_pooled_wants_a_divisor(mini):
    with pytest.raises(ValueError, match="factor is 3, but it must divide the image size 28×28"):
        mini.pooled(3)
    for factor in (3, 4):  # each divides one side of 4×6 alone
        with pytest.raises(ValueError, match="must divide the image size 4×6"):
            small().pooled(factor)
    with pytest.raises(TypeError, match="factor is '2'"):
        mini.pooled("2")


def test_to_moves_every_tensor_and_keeps_the_rest():
    moved = small().to("cpu")
    assert moved.train.images.device == moved.test.labels.device == torch.device("cpu")
    assert repr(moved) == repr(small()) and moved.mean == small().mean


def test_repr_is_one_helpful_line(mini):
    assert repr(mini) == (
        "Dataset 'fashion-mnist-mini': 10,000 train + 2,000 test images 1×28×28, 10 classes, on cpu"
    )
    assert repr(mini.test) == "Split(2,000 images 1×28×28, cpu)"


LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    "images, labels, error, message",
    [
        (torch.rand(2, 1, 3, 3), LABELS, TypeError, r"Split was given torch.float32 images"),
        ([[1]], LABELS, TypeError, "Split was given a list"),
        (pixels(2, 3, 3), LABELS, ValueError, r"shape \(2, 3, 3\), but it takes four"),
        (pixels(0, 1, 3, 3), LABELS[:0], ValueError, "at least one image"),
        (pixels(2, 1, 0, 3), LABELS, ValueError, "at least one pixel"),
        (pixels(2, 1, 3, 3), LABELS.float(), TypeError, r"type torch.float32.*\.long\(\)"),
        (pixels(2, 1, 3, 3), [0, 1], TypeError, "labels of type list"),
        (pixels(3, 1, 3, 3), LABELS, ValueError, r"shape \(2,\), but 3 images"),
        (pixels(2, 1, 3, 3), LABELS[:, None], ValueError, r"shape \(2, 1\), but 2 images"),
        (pixels(2, 1, 3, 3), LABELS - 1, ValueError, "the label -1"),
        (pixels(2, 1, 3, 3), LABELS.to("meta"), ValueError, "labels on meta"),
    ],
)
def test_split_says_what_is_wrong(images, labels, error, message):
    with pytest.raises(error, match=message):
        Split(images, labels)


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"test": Split(pixels(2, 1, 4, 6), LABELS)},
            r"\(3, 4, 6\) on cpu .*\(1, 4, 6\).*same shape",
        ),
        ({"class_names": ("only",)}, "has the label 1, but its 1 class names allow 0 to 0"),
        ({"mean": (0.5,)}, "1 mean and 3 std values, but its images have 3 channels"),
        ({"std": (0.5, 0.0, 0.5)}, "each must be above 0"),
    ],
)
def test_dataset_says_what_is_wrong(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


# Augmentation


def every_crop(image, padding, flip):
    """All that augmentation may make of one image C×H×W, each built the slow way."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=torch.uint8)
    padded[:, padding : padding + height, padding : padding + width] = image
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[:, top : top + height, left : left + width]
            yield crop
            if flip:
                yield crop.flip(2)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 4),
    channels=st.integers(1, 3),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    padding=st.integers(0, 5),
    flip=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_augment_gives_a_crop_of_each_padded_image(
    count, channels, height, width, padding, flip, seed
):
    # No pixel is 0, so that padding shows, and no two images share one.
    values = torch.arange(1, 1 + count * channels * height * width, dtype=torch.uint8)
    images = values.view(count, channels, height, width)
    before = images.clone()
    changed = augment(images, seeded(seed), padding=padding, flip=flip)
    assert changed.shape == images.shape and changed.dtype == torch.uint8
    assert torch.equal(images, before)
    for image, result in zip(images, changed, strict=True):
        assert any(torch.equal(result, crop) for crop in every_crop(image, padding, flip))


@pytest.mark.parametrize("flip", [True, False])
def test_augment_draws_every_crop_of_every_image_equally_often(flip):
    image = torch.arange(1, 7, dtype=torch.uint8).view(1, 2, 3)
    crops = list(every_crop(image, padding=1, flip=flip))
    count = 200 * len(crops)
    changed = augment(image.expand(count, -1, -1, -1), seeded(), padding=1, flip=flip)
    found = [int((changed == crop).flatten(1).all(1).sum()) for crop in crops]
    # 200 are due for each, with a standard deviation of 14.
    assert sum(found) == count
    assert min(found) > 130 and max(found) < 270


def test_augment_follows_its_generator():
    images = pixels(64, 3, 8, 8)
    first = augment(images, seeded(1))
    assert torch.equal(first, augment(images, seeded(1)))
    assert not torch.equal(first, augment(images, seeded(2)))
    generator = seeded(1)
    assert torch.equal(first, augment(images, generator))
    assert not torch.equal(first, augment(images, generator))


def test_augment_without_a_generator_follows_manual_seed():
    images = pixels(64, 3, 8, 8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        assert torch.equal(augment(images), augment(images, seeded(1)))


def test_augment_with_nothing_to_do_copies():
    images = pixels(5, 3, 4, 6)
    before = images.clone()
    same = augment(images, padding=0, flip=False)
    assert torch.equal(same, images)
    same.zero_()
    assert torch.equal(images, before)


@CUDA
def test_augment_and_normalize_are_alike_on_the_gpu():
    dataset = small()
    images = dataset.train.images
    on_gpu = augment(images.cuda(), seeded(3))
    assert on_gpu.is_cuda and torch.equal(on_gpu.cpu(), augment(images, seeded(3)))
    torch.testing.assert_close(dataset.normalize(on_gpu).cpu(), dataset.normalize(on_gpu.cpu()))
    assert channel_statistics(images.cuda()) == channel_statistics(images)
    with pytest.raises(ValueError, match="must draw on the CPU"):
        augment(images, torch.Generator("cuda"))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"images": torch.rand(2, 3, 4, 4)}, TypeError, "augment was given torch.float32 images"),
        ({"images": pixels(3, 4, 4)}, ValueError, r"unsqueeze\(0\)"),
        ({"generator": 7}, TypeError, r"generator is 7, .*torch.Generator\(\).manual_seed\(0\)"),
        ({"padding": -1}, ValueError, "padding is -1, but it must be at least 0"),
        ({"padding": 1.5}, TypeError, "padding is 1.5, but it must be a whole number"),
        ({"flip": 0.5}, TypeError, "flip is 0.5, but it must be True or False"),
    ],
)
def test_augment_says_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        augment(**({"images": pixels(2, 3, 4, 4)} | arguments))


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
    root = os.environ.get("RESNET_LESSONS_DATA")
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
