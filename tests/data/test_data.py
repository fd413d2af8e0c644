"""Splits, data sets, and what a set makes of itself."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from images import made_of, pixels, small
from PIL import Image

from resnet_lessons.data.dataset import Dataset, Split, channel_statistics
from resnet_lessons.data.sets.loading import load

LABELS = torch.tensor([0, 1])


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu")


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
    assert (half.name, half.scaling, half.title) == ("small", "pooled", "small 1×2")


def test_a_title_names_the_last_size_only(mini):
    few = mini.take(100, 10)
    assert few.pooled(2).title == "fashion-mnist-mini 14×14"
    assert few.pooled(2).pooled(7).title == "fashion-mnist-mini 2×2"
    assert few.pooled(2).name == few.title == "fashion-mnist-mini"
    assert torch.equal(few.pooled(1).train.images, few.train.images)


def test_pooled_wants_a_divisor(mini):
    with pytest.raises(ValueError, match="factor is 3, but it must divide the image size 28×28"):
        mini.pooled(3)
    for factor in (3, 4):  # each divides one side of 4×6 alone
        with pytest.raises(ValueError, match="must divide the image size 4×6"):
            small().pooled(factor)
    with pytest.raises(TypeError, match="factor is '2'"):
        mini.pooled("2")


def resized_by_pil(images, height, width):
    """Images N×C×H×W, each resized as torchvision's Resize does it to a PIL image."""
    results = []
    for image in images.numpy():
        picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
        found = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
        results.append(found.reshape(height, width, len(image)).transpose(2, 0, 1))
    return torch.tensor(np.stack(results))


SIDES = st.integers(2, 40)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 3]), SIDES, SIDES, SIDES, SIDES, st.booleans(), st.integers(0, 1000))
def test_resized_is_what_pil_gives_to_one_grey_level(channels, h, w, height, width, hard, seed):
    images = pixels(3, channels, h, w, seed=seed)
    if hard:  # black and white alone, where rounding shows most
        images = images.bitwise_and(1) * 255
    images[0, :, 0, 0] = 7  # so that no channel is the same everywhere
    try:
        resized = made_of(images).resized((height, width))
    except ValueError as error:  # the average of few pixels may be the same in all images
        assert "nothing to divide by" in str(error)
        return
    expected = resized_by_pil(images, height, width)
    assert resized.train.images.dtype == torch.uint8
    assert (resized.train.images.int() - expected.int()).abs().max() <= 1
    assert torch.equal(resized.test.images, resized.train.images[:2])


def test_resized_smooths_what_it_shrinks():
    stripes = small((1, 8, 8))
    stripes.train.images[:] = 0
    stripes.train.images[:, :, :, ::4] = 200  # every fourth column: half of what is left, or none
    shrunk = stripes.resized(2).train.images
    assert shrunk.min() > 25 and shrunk.max() < 100


def test_resized_measures_again_and_names_the_size():
    dataset = small((3, 4, 6), counts=(6, 4))
    larger = dataset.resized((5, 8))
    assert larger.image_size == (5, 8) and larger.title == "small 5×8"
    assert (larger.name, larger.scaling) == ("small", "resized")
    assert torch.equal(larger.train.labels, dataset.train.labels) and len(larger.test) == 4
    assert (larger.mean, larger.std) == channel_statistics(larger.train.images)
    assert larger.resized(7).title == "small 7×7" and larger.resized(7).image_size == (7, 7)
    assert larger.resized([7, 9]).image_size == (7, 9)
    same = dataset.resized((4, 6))
    assert torch.equal(same.train.images, dataset.train.images) and same.mean == dataset.mean


def test_a_set_is_resized_in_pieces_without_a_seam():
    """More images than are taken at once, of which each is as it is alone."""
    images = pixels(2100, 1, 3, 3)
    for change in (lambda data: data.resized(6), lambda data: data.pooled(3)):
        whole, last = change(made_of(images)), change(made_of(images[-100:]))
        assert torch.equal(whole.train.images[-100:], last.train.images)


@pytest.mark.parametrize(
    "size, error, message",
    [
        (1, ValueError, "size is 1, but it must be at least 2"),
        ((8, 0), ValueError, "size is 0, but it must be at least 2"),
        (9.5, TypeError, r"size is 9\.5, but it must be a whole number"),
        (
            (8, 8, 8),
            TypeError,
            r"size is \(8, 8, 8\), but it must be .*height and width; pass 96",
        ),
        ("96", TypeError, "size is '96'"),
    ],
)
def test_resized_says_what_is_wrong(size, error, message):
    with pytest.raises(error, match=message):
        small().resized(size)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_set_on_the_gpu_is_changed_alike():
    dataset = small((1, 8, 8))
    there = dataset.to("cuda")
    for change in (lambda data: data.resized(13), lambda data: data.pooled(2), Dataset.in_colour):
        here, moved = change(dataset), change(there)
        assert moved.train.images.is_cuda and moved.test.images.is_cuda
        assert torch.equal(moved.train.images.cpu(), here.train.images)
        assert moved.identity() == here.identity()


def test_grey_becomes_three_equal_channels(mini):
    grey = mini.take(20, 10)
    colour = grey.in_colour()
    assert (colour.in_channels, colour.image_size, colour.title) == (3, (28, 28), grey.title)
    for channel in range(3):
        assert torch.equal(colour.train.images[:, channel], grey.train.images[:, 0])
        assert torch.equal(colour.test.images[:, channel], grey.test.images[:, 0])
    assert (colour.mean, colour.std) == (grey.mean * 3, grey.std * 3)
    expected = grey.normalize(grey.test.images).expand(-1, 3, -1, -1)
    assert torch.equal(colour.normalize(colour.test.images), expected)
    colour.train.images[0, 0] = 77
    assert not (grey.train.images[0] == 77).all() and not (colour.train.images[0, 1] == 77).all()


def test_colour_stays_and_two_channels_are_neither():
    dataset = small()
    assert dataset.in_colour() is dataset
    with pytest.raises(ValueError, match="small has 2 channels, but in_colour takes grey images"):
        small((2, 4, 6)).in_colour()


def test_another_normalization_is_set_with_replace():
    """As lesson nine has it: (x - 0.5) / 0.5 of images in [0, 1], from -1 to 1."""
    halves = replace(small(), mean=(0.5,) * 3, std=(0.5,) * 3)
    images = torch.tensor([0, 255]).to(torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert halves.normalize(images)[:, 0].flatten().tolist() == [-1, 1]
    assert halves.take(2, 2).mean == halves.to("cpu").mean == (0.5,) * 3


def test_to_moves_every_tensor_and_keeps_the_rest():
    moved = small().to("cpu")
    assert moved.train.images.device == moved.test.labels.device == torch.device("cpu")
    assert repr(moved) == repr(small()) and moved.mean == small().mean


def test_repr_is_one_helpful_line(mini):
    assert repr(mini) == (
        "Dataset 'fashion-mnist-mini': 10,000 train + 2,000 test images 1×28×28, 10 classes, on cpu"
    )
    assert repr(mini.test) == "Split(2,000 images 1×28×28, cpu)"


# What a set is


def changed(part, **tensors):
    """The small set with one value of its `part` turned into another."""
    data = small()
    for name, value in tensors.items():
        getattr(getattr(data, part), name).view(-1)[-1] ^= value
    return data


OTHERS = {
    "a pixel": changed("train", images=1),
    "a test pixel": changed("test", images=1),
    "a label": changed("train", labels=1),
    "a test label": changed("test", labels=1),
    "a name": small(name="smaller"),
    "fewer": small().take(5),
    "fewer tests": small().take(test=3),
    "a shape": small((3, 6, 4)),
    "grey": small((1, 4, 6)),
    "a class": small(class_names=("even", "odd", "neither")),
    "a mean": replace(small(), mean=(0.5,) * 3),
    "a deviation": replace(small(), std=(0.5,) * 3),
    "pooled": small().pooled(1),
    "resized": small().resized((4, 6)),
}


def test_equal_sets_have_one_identity():
    assert small().identity() == small().to("cpu").take(6, 4).in_colour().identity()
    assert small().pooled(2).identity() == small().pooled(2).identity()


def test_the_identity_tells_every_set_from_every_other():
    found = [json.dumps(data.identity()) for data in (small(), *OTHERS.values())]
    assert len(set(found)) == len(found)


def test_the_identity_is_of_plain_values_and_known(mini):
    identity = mini.pooled(2).identity()
    assert json.loads(json.dumps(identity)) == identity
    assert identity == {
        "name": "fashion-mnist-mini",
        "scaling": "pooled",
        "image_shape": [1, 14, 14],
        "train": 10_000,
        "test": 2_000,
        "num_classes": 10,
        "mean": [0.286658],
        "std": [0.331153],
        "checksum": "f4ecb263",
    }


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
