"""Copying the weights of a reference into a learner's network, whose names may be its own.

Layers are paired by what they do, not by what they are called: by the shape of their weights, by
how many convolutions stand before them on the longest way from the input, and then by the order in
which they run.
"""

from collections import defaultdict

from torch import Tensor

from resnet_lessons.checks.answers import ModuleView
from resnet_lessons.checks.tracing import Operation
from resnet_lessons.checks.verdict import Wrong

Key = tuple[object, ...]


def copy_weights(learner: ModuleView, reference: ModuleView, x: Tensor) -> None:
    """Give `learner` the parameters and statistics of `reference`, both run on `x` to see them.

    Raises:
        Wrong: the two do not have the same layers.
    """
    own = {**learner.parameters(), **learner.buffers()}
    values = {**reference.parameters(), **reference.buffers()}
    mine, theirs = _layers(learner.trace(x), own), _layers(reference.trace(x), values)
    if count(mine) != count(theirs):
        raise Wrong(
            f"In a forward pass your network runs {in_words(mine)}; "
            f"expected are {in_words(theirs)}."
        )
    for name in ("conv2d", "batch_norm", "linear"):
        for one, other in _pairs(mine[name], theirs[name]):
            learner.load(_copied(one, other, own, values))


def count(layers: dict[str, list[tuple[Key, Operation]]]) -> dict[str, int]:
    """How many layers of each kind there are."""
    return {name: len(found) for name, found in layers.items()}


def in_words(layers: dict[str, list[tuple[Key, Operation]]]) -> str:
    """`"2 convolutions, 2 batch normalisations and 1 linear layer"`."""
    names = {
        "conv2d": "convolution",
        "batch_norm": "batch normalisation",
        "linear": "linear layer",
    }
    parts = [
        f"{len(layers[key])} {name}{'' if len(layers[key]) == 1 else 's'}"
        for key, name in names.items()
        if layers[key]
    ]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "no such layer"


def _layers(
    operations: list[Operation], values: dict[str, Tensor]
) -> dict[str, list[tuple[Key, Operation]]]:
    """The layers with weights, by kind, each with what tells it from the others."""
    depth: dict[int, int] = {0: 0}
    keys: dict[int, Key] = {}
    found: dict[str, list[tuple[Key, Operation]]] = defaultdict(list)
    for name in ("conv2d", "batch_norm", "linear"):
        found[name] = []
    for operation in operations:
        before = max((depth.get(number, 0) for number in operation.inputs), default=0)
        depth[operation.output] = before + (operation.name == "conv2d")
        if operation.weight is None:
            continue
        key: Key = (operation.name, before, tuple(values[operation.weight].shape))
        if operation.name == "batch_norm":  # known by the convolution that it normalises
            key = ("batch_norm", *keys.get(operation.inputs[0], key))
        keys[operation.output] = key
        found[operation.name].append((key, operation))
    return found


def _pairs(
    mine: list[tuple[Key, Operation]], theirs: list[tuple[Key, Operation]]
) -> list[tuple[Operation, Operation]]:
    """Layers of equal key, in the order in which they run; where keys disagree, by order alone."""

    def grouped(layers: list[tuple[Key, Operation]]) -> dict[Key, list[Operation]]:
        groups: dict[Key, list[Operation]] = defaultdict(list)
        for key, operation in layers:
            groups[key].append(operation)
        return groups

    ours, others = grouped(mine), grouped(theirs)
    if {key: len(group) for key, group in ours.items()} == {
        key: len(group) for key, group in others.items()
    }:
        return [pair for key in ours for pair in zip(ours[key], others[key], strict=True)]
    return [(one, other) for (_, one), (_, other) in zip(mine, theirs, strict=True)]


def _copied(
    one: Operation, other: Operation, own: dict[str, Tensor], values: dict[str, Tensor]
) -> dict[str, Tensor]:
    """What to write into the layer `one`, by its own names."""
    pairs = {one.weight: other.weight, one.bias: other.bias}
    if one.running and other.running:
        pairs.update(zip(one.running, other.running, strict=True))
    copied: dict[str, Tensor] = {}
    for target, source in pairs.items():
        if target is None or source is None:
            continue
        if own[target].shape != values[source].shape:
            raise Wrong(
                f"A {_NAMES[one.name]} of yours has weights of shape {tuple(own[target].shape)}; "
                f"the one that runs at its place should have {tuple(values[source].shape)}."
            )
        copied[target] = values[source]
    return copied


_NAMES = {
    "conv2d": "convolution",
    "batch_norm": "batch normalisation",
    "linear": "linear layer",
}
