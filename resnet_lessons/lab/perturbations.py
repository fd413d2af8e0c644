"""Measurements in changed networks, for `mechanisms`: lesions, paths, and slices of the loss.

Each function yields places and values, given a network, the images and a seed; the dictionaries
below them hold the figures that are computed from the values of one network.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import mean

from torch import nn

from resnet_lessons.data import Dataset
from resnet_lessons.measure import (
    find_blocks,
    gradient_by_length,
    lesion_errors,
    loss_along,
    random_direction,
    sample_path_gradients,
)

Values = Mapping[str, float]
TEST_IMAGES = 500  # lesions are many, and each needs the test images once
DRAWS = 5
LESIONS = {
    "removed": {"kind": "removed"},
    "removed, statistics measured anew": {"kind": "removed", "recalibration": 500},
    "swapped": {"kind": "swapped"},
    "swapped, statistics measured anew": {"kind": "swapped", "recalibration": 500},
}
COUNTS = (0, 1, 3, 5)
SLICES = {
    f"{normalisation}, {name}": (normalisation, training)
    for normalisation in ("filter", "whole")
    for name, training in (("running statistics", False), ("statistics of the batch", True))
}
AT = tuple(step / 4 for step in range(-4, 5))
DIRECTIONS = 3


def lesions(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """Test errors after random lesions of the blocks that keep the shape."""
    some = data.take(test=TEST_IMAGES)
    blocks = find_blocks(net, data.normalize(data.train.images[:1]))
    names = [block.name for block in blocks if block.keeps_shape]
    for title, options in LESIONS.items():
        found = lesion_errors(net, some, names, COUNTS, draws=DRAWS, seed=seed, **options)
        for number, lesion in enumerate(found):
            yield f"{title}: {lesion.count} (lesion {number})", lesion.error


def single_lesions(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """Test errors without lesion, and after each block of a residual network is removed in turn."""
    some = data.take(test=TEST_IMAGES)
    blocks = find_blocks(net, data.normalize(data.train.images[:1]))
    names = [block.name for block in blocks]
    whole, *others = lesion_errors(net, some, names, (0, 1), draws=len(names))
    yield "nothing", whole.error
    for lesion, block in zip(others, blocks, strict=True):
        yield f"{block.name}{'' if block.keeps_shape else ' (downsamples)'}", lesion.error


def paths(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """Gradient by path length: of all paths together, exactly, and of single ones, sampled."""
    images, labels = data.normalize(data.train.images[:64]), data.train.labels[:64]
    for at in gradient_by_length(net, images, labels):
        yield f"paths of length {at.length}", at.paths
        yield f"norm of length {at.length}", at.norm
        yield f"share of length {at.length}", at.share
    sampled = sample_path_gradients(net, images, labels, samples=10, seed=seed)
    for length in sorted({path.length for path in sampled}):
        norms = [path.norm for path in sampled if path.length == length]
        yield f"norm of one of length {length}", mean(norms)


def slices(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The loss of 256 training images along three random directions."""
    images, labels = data.normalize(data.train.images[:256]), data.train.labels[:256]
    for title, (normalisation, training) in SLICES.items():
        for number in range(DIRECTIONS):
            direction = random_direction(net, number, normalisation)
            for a, loss in zip(
                AT, loss_along(net, images, labels, direction, AT, training), strict=True
            ):
                yield f"{title}: direction {number} at {a:g}", loss


# Figures for the table


def _column(values: Values, start: str) -> list[float]:
    return [value for place, value in values.items() if place.startswith(start)]


def _error(title: str, count: int) -> Callable[[Values], float]:
    return lambda values: mean(_column(values, f"{title}: {count} ("))


LESION_FIGURES = {
    "test error %, whole": _error("removed", 0),
    "… 1 block removed": _error("removed", 1),
    "… 3 blocks removed": _error("removed", 3),
    "… 1 removed, statistics measured anew": _error("removed, statistics measured anew", 1),
    "… 3 removed, statistics measured anew": _error("removed, statistics measured anew", 3),
    "… 1 pair swapped": _error("swapped", 1),
    "… 3 pairs swapped": _error("swapped", 3),
}


def _rise(values: Values, downsamples: bool) -> float:
    errors = [
        error
        for place, error in values.items()
        if place != "nothing" and place.endswith("(downsamples)") == downsamples
    ]
    return mean(errors) - values["nothing"]


def _rise_first_stage(values: Values) -> float:
    return mean(_column(values, "layer1.")) - values["nothing"]


SINGLE_FIGURES = {
    "points of error without a block that downsamples": lambda v: _rise(v, True),
    "… without one that does not": lambda v: _rise(v, False),
    "… without one of the first stage": _rise_first_stage,
}


def _lengths(values: Values, kind: str) -> list[float]:
    """The values of all lengths, from 0 on."""
    count = sum(place.startswith("paths of length") for place in values)
    return [values[f"{kind} of length {length}"] for length in range(count)]


def _mean_length(weights: list[float]) -> float:
    return sum(length * weight for length, weight in enumerate(weights)) / sum(weights)


def _products(values: Values) -> list[float]:
    pairs = zip(_lengths(values, "paths"), _lengths(values, "norm of one"), strict=True)
    return [count * norm for count, norm in pairs]


def _factor_a_branch(values: Values) -> float:
    """What one more branch multiplies a path's gradient with, on the geometric mean."""
    norms = _lengths(values, "norm of one")
    return math.exp(math.log(norms[-1] / norms[0]) / (len(norms) - 1))


PATH_FIGURES = {
    "mean path length, each path counted once": lambda v: _mean_length(_lengths(v, "paths")),
    "… weighted with number × norm of one": lambda v: _mean_length(_products(v)),
    "… weighted with the norm of their exact sum": lambda v: _mean_length(_lengths(v, "norm")),
    "gradient of one path, factor a branch": _factor_a_branch,
    "number × norm of one, as a multiple of the norm of the sum": lambda v: (
        sum(_products(v)) / sum(_lengths(v, "norm"))
    ),
}


def _rise_along(title: str, distance: float) -> Callable[[Values], float]:
    def rise(values: Values) -> float:
        return mean(
            values[f"{title}: direction {number} at {a:g}"]
            - values[f"{title}: direction {number} at 0"]
            for number in range(DIRECTIONS)
            for a in (-distance, distance)
        )

    return rise


SLICE_FIGURES = {
    "loss at the weights": lambda v: v["filter, running statistics: direction 0 at 0"],
    **{f"… rise at distance 0.5, {title}": _rise_along(title, 0.5) for title in SLICES},
}
