"""Measurements of what runs through a network, for `mechanisms`: signals, gradients, corrections.

Each function yields places and values, given a network, the images and a seed.
"""

import copy
from collections.abc import Iterator, Mapping
from statistics import mean

from torch import Tensor, nn

from resnet_lessons.data import Dataset
from resnet_lessons.lab.experiments import MINI
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

Values = Mapping[str, float]
LAGS = (1, 2, 4, 8, 16, 32)
LINES = 8  # between the first images, two by two


def gradients(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The gradient in the stem, in the first layer of each block, and in the last of all."""
    *layers, last = gradient_norms(net, data)
    for layer in (*layers, last):
        if layer.name.endswith("conv1") or layer is last:
            yield layer.name, layer.gradient


def gradients_without_norm(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The same with nothing in the place of the batch normalisations."""
    yield from gradients(without_batch_norm(net), data, seed)


def gradients_after_a_step(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The same after one step of training, by the recipe of the networks."""
    trial = copy.deepcopy(net)
    train(trial, data, **MINI, steps=1, seed=seed, progress=False, live=False)
    yield from gradients(trial, data, seed)


def weights(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The norm of each layer's weights."""
    yield from ((layer.name, layer.weight) for layer in gradient_norms(net, data))


def signals(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """What arrives at each block, and at the stem."""
    for layer in signal_sizes(net, data):
        if layer.name.endswith("conv1"):
            yield layer.name, layer.size


def signals_without_norm(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The same with nothing in the place of the batch normalisations."""
    yield from signals(without_batch_norm(net), data, seed)


def shattering(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """Autocorrelation of the gradient by the input, mean over lines between images."""
    images = data.normalize(data.train.images[: 2 * LINES])
    lines = [gradients_along_line(net, *images[2 * k : 2 * k + 2]) for k in range(LINES)]
    found = [autocorrelation(line, LAGS) for line in lines]
    for number, lag in enumerate(LAGS):
        yield f"lag {lag}", mean(one[number] for one in found)


def shattering_at_the_start(
    net: nn.Module, data: Dataset, seed: int
) -> Iterator[tuple[str, float]]:
    """The same in a network that is not trained, and has no statistics yet."""
    yield from shattering(settled(net, _batch(data)), data, seed)


def shattering_without_norm(
    net: nn.Module, data: Dataset, seed: int
) -> Iterator[tuple[str, float]]:
    """The same with nothing in the place of the batch normalisations."""
    yield from shattering(without_batch_norm(net), data, seed)


def branches(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """F(x) as a multiple of x, in each block."""
    yield from ((block.name, block.ratio) for block in branch_sizes(net, _batch(data)))


def branches_at_the_start(net: nn.Module, data: Dataset, seed: int) -> Iterator[tuple[str, float]]:
    """The same in a network that is not trained, and has no statistics yet."""
    yield from branches(settled(net, _batch(data)), data, seed)


def _batch(data: Dataset) -> Tensor:
    return data.normalize(data.train.images[:500])


# Figures for the table


def first(values: Values) -> float:
    """The first place's value."""
    return next(iter(values.values()))


def first_over_last(values: Values) -> float:
    """The first place's value as a multiple of the last one's."""
    return first(values) / list(values.values())[-1]


def growth_over_blocks(values: Values) -> float:
    """What arrives at the last block, as a multiple of what arrives at the first."""
    _, first, *_, last = values.values()  # the stem aside
    return last / first
