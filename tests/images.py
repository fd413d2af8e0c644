"""Random pixels, and data sets of them, that several test files use."""

import torch

from resnet_lessons.data.dataset import Dataset, Split, channel_statistics


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


def made_of(images):
    """A set with these training images, of which the first two are its test images, too."""
    labels = torch.arange(len(images)) % 2
    halves = (0.5,) * images.shape[1]
    test = Split(images[:2].clone(), labels[:2])
    return Dataset("made", Split(images, labels), test, ("even", "odd"), halves, halves)
