"""Measurements in changed networks, for `mechanisms`: lesions, paths, and slices of the loss.

Each function yields values and their places, given a network, the images and a seed; the
dictionaries below them hold the figures that are computed from the values of one network.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from statistics import mean

from torch import nn

from resnet_lessons.data import Dataset
from resnet_lessons.lab.propagation import at
from resnet_lessons.lab.results import Value
from resnet_lessons.measure import (
    find_blocks,
    gradient_by_length,
    lesion_errors,
    loss_along,
    random_direction,
    sample_path_gradients,
)

Values = Sequence[Value]
TEST_IMAGES = 500  # lesions are many, and each needs the test images once
DRAWS = 5
ANEW = 500  # images that statistics are measured anew on, where they are
COUNTS = (0, 1, 3, 5)
SCALES, STATISTICS = ("filter", "whole"), ("running statistics", "statistics of the batch")
AT = tuple(step / 4 for step in range(-4, 5))
DIRECTIONS = 3


def lesions(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """Test errors after random lesions of the blocks that keep the shape."""
    some = data.take(test=TEST_IMAGES)
    blocks = find_blocks(net, data.normalize(data.train.images[:1]))
    names = [block.name for block in blocks if block.keeps_shape]
    for kind in ("removed", "swapped"):
        for anew in (0, ANEW):
            options = {"draws": DRAWS, "seed": seed, "kind": kind}
            options |= {"recalibration": anew} if anew else {}
            found = lesion_errors(net, some, names, COUNTS, **options)
            for number, lesion in enumerate(found):
                place = {"lesion": kind, "anew": anew, "count": lesion.count, "number": number}
                yield {**place, "value": lesion.error}


def single_lesions(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """Test errors without lesion, and after each block of a residual network is removed in turn."""
    some = data.take(test=TEST_IMAGES)
    blocks = find_blocks(net, data.normalize(data.train.images[:1]))
    names = [block.name for block in blocks]
    whole, *others = lesion_errors(net, some, names, (0, 1), draws=len(names))
    yield {"block": None, "value": whole.error}
    stage = 1
    for lesion, block in zip(others, blocks, strict=True):
        stage += not block.keeps_shape
        place = {"block": block.name, "stage": stage, "downsamples": not block.keeps_shape}
        yield {**place, "value": lesion.error}


def paths(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """Gradient by path length: of all paths together, exactly, and of single ones, sampled."""
    images, labels = data.normalize(data.train.images[:64]), data.train.labels[:64]
    for found in gradient_by_length(net, images, labels):
        for figure in ("paths", "norm", "share"):
            yield {"figure": figure, "length": found.length, "value": getattr(found, figure)}
    sampled = sample_path_gradients(net, images, labels, samples=10, seed=seed)
    for length in sorted({path.length for path in sampled}):
        norms = [path.norm for path in sampled if path.length == length]
        yield {"figure": "norm of one", "length": length, "value": mean(norms)}


def slices(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """The loss of 256 training images along three random directions."""
    images, labels = data.normalize(data.train.images[:256]), data.train.labels[:256]
    for scale, statistics in product(SCALES, STATISTICS):
        for number in range(DIRECTIONS):
            direction = random_direction(net, number, scale)
            training = statistics == "statistics of the batch"
            losses = loss_along(net, images, labels, direction, AT, training)
            for distance, loss in zip(AT, losses, strict=True):
                place = {"scale": scale, "statistics": statistics, "direction": number}
                yield {**place, "distance": distance, "value": loss}


# Figures for the table


def _error(lesion: str, count: int, anew: int = 0) -> Callable[[Values], float]:
    return lambda values: mean(at(values, lesion=lesion, count=count, anew=anew))


LESION_FIGURES = {
    "test error %, whole": _error("removed", 0),
    "… 1 block removed": _error("removed", 1),
    "… 3 blocks removed": _error("removed", 3),
    "… 1 removed, statistics measured anew": _error("removed", 1, ANEW),
    "… 3 removed, statistics measured anew": _error("removed", 3, ANEW),
    "… 1 pair swapped": _error("swapped", 1),
    "… 3 pairs swapped": _error("swapped", 3),
}


def _rise_without(**blocks: object) -> Callable[[Values], float]:
    """Points of error that a block of these is worth, on the mean."""
    return lambda values: mean(at(values, **blocks)) - at(values, block=None)[0]


SINGLE_FIGURES = {
    "points of error without a block that downsamples": _rise_without(downsamples=True),
    "… without one that does not": _rise_without(downsamples=False),
    "… without one of the first stage": _rise_without(stage=1),
}


def _mean_length(weights: list[float]) -> float:
    return sum(length * weight for length, weight in enumerate(weights)) / sum(weights)


def _products(values: Values) -> list[float]:
    pairs = zip(at(values, figure="paths"), at(values, figure="norm of one"), strict=True)
    return [count * norm for count, norm in pairs]


def _factor_a_branch(values: Values) -> float:
    """What one more branch multiplies a path's gradient with, on the geometric mean."""
    norms = at(values, figure="norm of one")
    return math.exp(math.log(norms[-1] / norms[0]) / (len(norms) - 1))


PATH_FIGURES = {
    "mean path length, each path counted once": lambda v: _mean_length(at(v, figure="paths")),
    "… weighted with number × norm of one": lambda v: _mean_length(_products(v)),
    "… weighted with the norm of their exact sum": lambda v: _mean_length(at(v, figure="norm")),
    "gradient of one path, factor a branch": _factor_a_branch,
    "number × norm of one, as a multiple of the norm of the sum": lambda v: (
        sum(_products(v)) / sum(at(v, figure="norm"))
    ),
}


def _rise_along(distance: float, **slices: object) -> Callable[[Values], float]:
    """How much the loss rises at a distance to both sides, mean over all directions."""

    def rise(values: Values) -> float:
        low, whole, high = (at(values, distance=d, **slices) for d in (-distance, 0, distance))
        pairs = zip(low, whole, high, strict=True)
        return mean(end - middle for one, middle, other in pairs for end in (one, other))

    return rise


SLICE_FIGURES = {
    "loss at the weights": lambda values: at(values, distance=0)[0],
    **{
        f"… rise at distance 0.5, {scale}, {statistics}": _rise_along(
            0.5, scale=scale, statistics=statistics
        )
        for scale, statistics in product(SCALES, STATISTICS)
    },
}
