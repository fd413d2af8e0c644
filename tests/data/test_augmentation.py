"""Random shifts and mirror images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from images import pixels, seeded, small

from resnet_lessons.data.augmentation import augment
from resnet_lessons.data.dataset import channel_statistics

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


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
