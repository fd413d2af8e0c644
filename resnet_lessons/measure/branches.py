"""How much a residual block adds to what it is given: F(x) against x."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.measure.blocks import check_images, device_of, same_randomness

Taken = TypeVar("Taken")


@dataclass(frozen=True)
class BranchSize:
    """The two terms of a residual block's sum.

    Attributes:
        name: the block's dotted name in the network.
        branch: root mean square of F(x), over all images, channels and pixels.
        shortcut: the same of what F(x) is added to: x, brought to the shape of F(x).
    """

    name: str
    branch: float
    shortcut: float

    @property
    def ratio(self) -> float:
        """‖F(x)‖ / ‖shortcut(x)‖; infinite where the shortcut brings nothing but zeros."""
        return self.branch / self.shortcut if self.shortcut else math.inf


@dataclass(frozen=True, eq=False)
class BranchTerms:
    """The two terms of a residual block's sum, value by value, and what the block gives.

    Attributes:
        name: the block's dotted name in the network.
        shortcut: N×C×H×W, what F(x) is added to: x, brought to the shape of F(x).
        branch: N×C×H×W, F(x).
        output: N×C×H×W, y; in most blocks relu(F(x) + shortcut(x)).
    """

    name: str
    shortcut: Tensor
    branch: Tensor
    output: Tensor


def branch_sizes(model: nn.Module, images: Tensor, batch_size: int = 100) -> list[BranchSize]:
    """How large each residual branch is beside its shortcut, in the order of the blocks' names.

    A residual block is known by its attribute `downsample`, torchvision's name for the shortcut (a
    module, or None for the identity). F(x) is what the last convolution or normalisation gives that
    runs in the block, the shortcut's own aside. A block that does not run is left out.

    Args:
        model: measured in evaluation mode, on the device where it is; see `settled` for a network
            that was never trained.
        images: float, N×C×H×W, scaled as in training.
        batch_size: images at a time; it changes the memory needed, not the result.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W, or none; `batch_size` is no
            positive whole number; or the model has no residual block.
    """
    whole_number("batch_size", batch_size)
    check_images("branch_sizes", images)
    trial = copy.deepcopy(model).eval()
    sums = [_Sums(name, block) for name, block in _residual_blocks(trial).items()]
    device = device_of(trial, images)
    with torch.no_grad(), same_randomness(device):
        for batch in images.split(batch_size):
            trial(batch.to(device))
    return [block.sizes() for block in sums if block.values]


def branch_terms(model: nn.Module, images: Tensor, block: str) -> BranchTerms:
    """F(x), what it is added to, and what comes out, in one residual block, for each image.

    What is a residual block, and what its F(x), is as in `branch_sizes`.

    Args:
        model: runs once, in evaluation mode, on the device where it is, and stays as it was.
        images: float, N×C×H×W, scaled as in training; all at once, so pass few.
        block: dotted name of a residual block, such as `"layer2.1"`.

    Returns:
        The three feature maps, on the device of the model.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W, or none; the model has no
            residual block, or none of that name; or that one does not run.
    """
    check_images("branch_terms", images)
    trial = copy.deepcopy(model).eval()
    blocks = _residual_blocks(trial)
    one_of("block", block, blocks)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    _watch(blocks[block], Tensor.clone, lambda *terms: found.append(terms))
    device = device_of(trial, images)
    with torch.no_grad(), same_randomness(device):
        trial(images.to(device))
    if not found:
        raise ValueError(
            f"block is {block!r}, but it does not run when {type(model).__name__} is given images; "
            "choose another one."
        )
    return BranchTerms(block, *found[-1])


def _residual_blocks(model: nn.Module) -> dict[str, nn.Module]:
    blocks = {name: part for name, part in model.named_modules() if hasattr(part, "downsample")}
    if not blocks:
        raise ValueError(
            f"{type(model).__name__} has no block with an attribute `downsample`, but by it a "
            "residual block is known; pass a residual network of this course or of torchvision."
        )
    return blocks


def _watch(
    block: nn.Module,
    take: Callable[[Tensor], Taken],
    done: Callable[[Taken, Taken, Taken], None],
) -> None:
    """At each run of `block`, call `done` with what `take` makes of shortcut(x), F(x) and y.

    `take` is called as soon as a tensor is there, for later layers may work in place.
    """
    latest: dict[str, Taken] = {}

    def take_as(term: str) -> Callable[[nn.Module, tuple, Tensor], None]:
        return lambda _, __, output: latest.update({term: take(output)})

    shortcut = set(block.downsample.modules()) if block.downsample is not None else set()
    for module in block.modules():
        if isinstance(module, nn.Conv2d | _BatchNorm) and module not in shortcut:
            module.register_forward_hook(take_as("branch"))  # the last one to run stays
    if block.downsample is None:
        block.register_forward_pre_hook(lambda _, args: latest.update(shortcut=take(args[0])))
    else:
        block.downsample.register_forward_hook(take_as("shortcut"))
    block.register_forward_hook(
        lambda _, __, output: done(latest["shortcut"], latest["branch"], take(output))
    )


class _Sums:
    """Sums of squares in one block, over all its runs."""

    def __init__(self, name: str, block: nn.Module) -> None:
        self.name, self.branch, self.shortcut, self.values = name, 0.0, 0.0, 0
        _watch(block, lambda x: (x.double().square().sum().item(), x.numel()), self._add)

    def _add(self, shortcut: tuple, branch: tuple, _: tuple) -> None:
        self.shortcut += shortcut[0]
        self.branch += branch[0]
        self.values += branch[1]

    def sizes(self) -> BranchSize:
        """Root mean squares of F(x) and of the shortcut, which have as many values."""
        roots = ((total / self.values) ** 0.5 for total in (self.branch, self.shortcut))
        return BranchSize(self.name, *roots)
