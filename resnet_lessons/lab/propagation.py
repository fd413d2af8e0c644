"""Measurements of what runs through a network, for `mechanisms`: signals, gradients, corrections.

Each function yields values and their places, given a network, the images and a seed.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from statistics import mean

from torch import Tensor, nn

from resnet_lessons.data import Dataset
from resnet_lessons.lab.experiments import MINI
from resnet_lessons.lab.results import Value
from resnet_lessons.measure import (
    autocorrelation,
    branch_sizes,
    gradient_norms,
    gradients_along_line,
    settled,
    signal_sizes,
    without_batch_norm,
)
from resnet_lessons.training import train

Measure = Callable[[nn.Module, Dataset, int], Iterator[Value]]
LAGS = (1, 2, 4, 8, 16, 32)
LINES = 8  # between the first images, two by two


def without_norm(measure: Measure) -> Measure:
    """The same measurement with nothing in the place of the batch normalisations."""
    return lambda net, data, seed: measure(without_batch_norm(net), data, seed)


def with_statistics(measure: Measure) -> Measure:
    """The same measurement in a network that is not trained, and has no statistics yet."""
    return lambda net, data, seed: measure(settled(net, _batch(data)), data, seed)


def gradients(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """The gradient in the stem, in the first layer of each block, and in the last of all."""
    *layers, last = gradient_norms(net, data)
    for layer in (*layers, last):
        if layer.name.endswith("conv1") or layer is last:
            yield {"layer": layer.name, "value": layer.gradient}


def gradients_after_a_step(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """The same after one step of training, by the recipe of the networks."""
    trial = copy.deepcopy(net)
    train(trial, data, **MINI, steps=1, seed=seed, progress=False, live=False)
    yield from gradients(trial, data, seed)


def weights(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """The norm of each layer's weights."""
    for layer in gradient_norms(net, data):
        yield {"layer": layer.name, "value": layer.weight}


def signals(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """What arrives at each block, and at the stem."""
    for layer in signal_sizes(net, data):
        if layer.name.endswith("conv1"):
            yield {"layer": layer.name, "value": layer.size}


def shattering(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """Autocorrelation of the gradient by the input, mean over lines between images."""
    images = data.normalize(data.train.images[: 2 * LINES])
    lines = [gradients_along_line(net, *images[2 * k : 2 * k + 2]) for k in range(LINES)]
    found = [autocorrelation(line, LAGS) for line in lines]
    for number, lag in enumerate(LAGS):
        yield {"lag": lag, "value": mean(one[number] for one in found)}


def branches(net: nn.Module, data: Dataset, seed: int) -> Iterator[Value]:
    """F(x) as a multiple of x, in each block."""
    for block in branch_sizes(net, _batch(data)):
        yield {"block": block.name, "value": block.ratio}


def _batch(data: Dataset) -> Tensor:
    return data.normalize(data.train.images[:500])


# Figures for the table


def at(values: Sequence[Value], **place: object) -> list[float]:
    """The values at all places that have these fields: `at(values, lag=1)`."""
    return [
        one["value"]
        for one in values
        if all(name in one and one[name] == wanted for name, wanted in place.items())
    ]


def first(values: Sequence[Value]) -> float:
    """The first place's value."""
    return values[0]["value"]


def first_over_last(values: Sequence[Value]) -> float:
    """The first place's value as a multiple of the last one's."""
    return first(values) / values[-1]["value"]


def growth_over_blocks(values: Sequence[Value]) -> float:
    """What arrives at the last block, as a multiple of what arrives at the first."""
    return values[-1]["value"] / values[1]["value"]  # the stem aside


def next_lag(values: Sequence[Value]) -> float:
    """The autocorrelation of neighbours."""
    (value,) = at(values, lag=1)
    return value


def mean_value(values: Sequence[Value]) -> float:
    """The mean over all places."""
    return mean(at(values))
