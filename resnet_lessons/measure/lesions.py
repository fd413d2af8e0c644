"""Lesions: blocks of a trained network removed, or put into another order.

After A. Veit, M. Wilber, S. Belongie, "Residual Networks Behave Like Ensembles of Relatively
Shallow Networks", 2016 (arXiv:1605.06431), §4. Every function works on a copy.
"""

import copy
import random
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import whole_number
from resnet_lessons.measure.blocks import block_of, distinct, put, same_randomness
from resnet_lessons.training import in_mode


def removed(model: nn.Module, names: Iterable[str]) -> nn.Module:
    """Return a copy of `model` in which these blocks do nothing.

    A residual block (one with an attribute `downsample`) computes with F(x) = 0: its shortcut is
    left, and the ReLU after the addition where it has one. A block without a shortcut gives out
    what it takes, which only one that keeps the shape can do.

    Args:
        names: dotted names of modules, as `find_blocks` tells them.

    Raises:
        TypeError, ValueError: `names` is no list of different names of modules; and in the first
            forward pass of the copy, a block changes the shape and has no shortcut, or gives
            something other than its shortcut where the last layer of its branch gives zero.
    """
    trial = copy.deepcopy(model)
    for name in distinct(names):
        block = block_of(trial, name)
        kind = _ShortcutOnly if hasattr(block, "downsample") else _Nothing
        put(trial, name, kind(name, block))
    return trial


class _Nothing(nn.Module):
    """In the place of a block without a shortcut: x, if that has the shape that the block gave."""

    def __init__(self, name: str, block: nn.Module) -> None:
        super().__init__()
        self.name, self.block, self.checked = name, block, False
        self.training = block.training

    def forward(self, x: Tensor) -> Tensor:
        if not self.checked:
            with torch.no_grad(), same_randomness(x.device), in_mode(self.block, training=False):
                before, after = tuple(x.shape[1:]), tuple(self.block(x).shape[1:])
            if before != after:
                raise ValueError(
                    f"block {self.name!r} turns {before} into {after}, but it has no shortcut "
                    "that would do so without it; remove only blocks that keep the shape."
                )
            self.checked = True
        return x


class _ShortcutOnly(nn.Module):
    """A residual block whose branch ends in zeros."""

    def __init__(self, name: str, block: nn.Module) -> None:
        super().__init__()
        if block.downsample is None:
            block.downsample = nn.Identity()  # which is what None stands for
        self.name, self.block, self.end = name, block, None
        self.training = block.training

    def forward(self, x: Tensor) -> Tensor:
        if self.end is None:
            # At rest, so that what the shortcut's normalisation counts, it counts once.
            with torch.no_grad(), same_randomness(x.device), in_mode(self.block, training=False):
                self.end = [self._last_of_branch(x)]  # in a list, lest it be registered twice
                self._check(x)
        return _with_zeros(self.end, self.block, x)

    def _last_of_branch(self, x: Tensor) -> nn.Module:
        """The layer with weights that runs last in the block, the shortcut aside."""
        ran: list[nn.Module] = []
        shortcut = {*self.block.downsample.modules()}
        hooks = [
            layer.register_forward_hook(lambda layer, _, __: ran.append(layer))
            for layer in self.block.modules()
            if layer not in shortcut and any(True for _ in layer.parameters(recurse=False))
        ]
        try:
            self.block(x)
        finally:
            for hook in hooks:
                hook.remove()
        if not ran:
            raise ValueError(
                f"block {self.name!r} ran no layer with weights, but removing a block silences "
                "the last such layer of its branch; name a block that has one."
            )
        return ran[-1]

    def _check(self, x: Tensor) -> None:
        if _with_zeros([*self.end, self.block.downsample], self.block, x).any():
            raise ValueError(
                f"block {self.name!r} gives more than its shortcut when the last layer of its "
                "branch gives zero, but then it is not known where the branch ends; change the "
                "block by hand, in a copy of the network."
            )


def _with_zeros(layers: Iterable[nn.Module], block: nn.Module, x: Tensor) -> Tensor:
    """What `block` gives for x while these of its layers give zeros."""
    hooks = [
        layer.register_forward_hook(lambda _, __, output: torch.zeros_like(output))
        for layer in layers
    ]
    try:
        return block(x)
    finally:
        for hook in hooks:
            hook.remove()


def reordered(model: nn.Module, names: Iterable[str], order: Sequence[int]) -> nn.Module:
    """Return a copy of `model` in which these blocks stand in another order.

    At the place of `names[i]` stands the block that was called `names[order[i]]`.

    Raises:
        TypeError, ValueError: `names` is no list of different names of modules, `order` is not
            made of the numbers from 0 on, or a block would come to the place of one of another
            class or with weights of other shapes.
    """
    listed = distinct(names)
    if sorted(order) != list(range(len(listed))):
        raise ValueError(
            f"order is {order!r}, but it must hold each of the numbers from 0 to "
            f"{len(listed) - 1} once; pass for example order={list(range(len(listed)))[::-1]}."
        )
    trial = copy.deepcopy(model)
    blocks = [block_of(trial, name) for name in listed]
    for name, old, number in zip(listed, blocks, order, strict=True):
        if _kind(blocks[number]) != _kind(old):
            raise ValueError(
                f"block {listed[number]!r} would come to the place of {name!r}, but the two "
                "differ in class or in the shapes of their weights; exchange blocks of one shape."
            )
    for name, number in zip(listed, order, strict=True):
        put(trial, name, blocks[number])
    return trial


def swapped(model: nn.Module, one: str, other: str) -> nn.Module:
    """Return a copy of `model` in which two blocks stand in each other's place: see `reordered`."""
    return reordered(model, (one, other), (1, 0))


def shuffled(model: nn.Module, names: Iterable[str], seed: int = 0) -> nn.Module:
    """Return a copy in which blocks of one shape stand in a random order, each group by itself.

    Raises:
        TypeError, ValueError: `names` is no list of different names of modules, or `seed` is no
            whole number of at least 0.
    """
    draw = random.Random(whole_number("seed", seed, minimum=0))
    listed = distinct(names)
    order = list(range(len(listed)))
    for group in same_kind(model, listed):
        places = [listed.index(name) for name in group]
        for place, number in zip(places, draw.sample(places, len(places)), strict=True):
            order[place] = number
    return reordered(model, listed, order)


def _kind(block: nn.Module) -> tuple:
    """What two blocks must share to stand in each other's place."""
    return type(block), tuple(tensor.shape for tensor in block.state_dict().values())


def same_kind(model: nn.Module, names: Sequence[str]) -> list[list[str]]:
    """`names` in groups of blocks that can stand in each other's place."""
    groups: dict[tuple, list[str]] = {}
    for name in names:
        groups.setdefault(_kind(block_of(model, name)), []).append(name)
    return list(groups.values())
