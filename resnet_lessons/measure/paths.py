"""Paths through a residual network, and the gradient that comes back along them.

A chain of n residual blocks is a sum of 2ⁿ paths: at each block, a path goes through the residual
branch or along the shortcut. Its length is the number of branches. Going backwards, every block
multiplies the gradient with the transposed Jacobian of its branch plus that of its shortcut, at the
values of the forward pass of the whole network; multiplied out, this is a sum over the paths, too.

After A. Veit, M. Wilber, S. Belongie, "Residual Networks Behave Like Ensembles of Relatively
Shallow Networks", 2016 (arXiv:1605.06431), §5. The exact sum over all paths of one length is ours.
"""

import copy
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from resnet_lessons._arguments import true_or_false, whole_number
from resnet_lessons.measure.blocks import check_images, device_of, find_blocks, same_randomness

Loss = Callable[[Tensor, Tensor], Tensor]


def path_counts(blocks: int) -> list[int]:
    """How many paths of each length 0, 1, …, `blocks` a chain of residual blocks has: C(n, k).

    Raises:
        TypeError, ValueError: `blocks` is no whole number of at least 0.
    """
    blocks = whole_number("blocks", blocks, minimum=0)
    return [math.comb(blocks, length) for length in range(blocks + 1)]


@dataclass(frozen=True)
class LengthGradient:
    """The gradient that all paths of one length bring to the input together.

    Attributes:
        length: residual branches on each of these paths.
        paths: how many there are.
        norm: Euclidean norm of the sum of their gradients, as a multiple of the norm of the whole
            gradient, which is the sum over all lengths.
        share: the component of that sum along the whole gradient, as a fraction of it. The shares
            of all lengths add up to 1; one that points away from the whole is negative.
    """

    length: int
    paths: int
    norm: float
    share: float


@dataclass(frozen=True)
class PathGradient:
    """The gradient that a single path brings to the input.

    Attributes:
        length: residual branches on the path.
        branches: the blocks whose branch it takes.
        norm: Euclidean norm, as a multiple of the norm of the whole gradient.
    """

    length: int
    branches: tuple[str, ...]
    norm: float


def gradient_by_length(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    training: bool = True,
    loss: Loss = F.cross_entropy,
) -> list[LengthGradient]:
    """The gradient of the loss at the input, split exactly by the length of the paths.

    Not sampled: behind each block the gradients of all lengths are kept apart, so that n blocks
    take about n backward passes instead of 2ⁿ.

    Args:
        model: a chain of residual blocks, known by their attribute `downsample`; what stands before
            the first and behind the last belongs to every path. A ReLU behind the addition, and
            layers that branch and shortcut share, belong to the block on either way through it.
        images: float, N×C×H×W, scaled as in training; one batch.
        labels: int64, N.
        training: batch normalisation uses the statistics of the batch, as while a network trains;
            with False, the running ones.
        loss: of scores and labels, for the whole batch.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W, or none; `training` is not True
            or False; or the network has no residual block, or is no chain of them.
    """
    chain = _Chain(model, images, labels, training, loss)
    sums = [chain.head]  # the gradient of each length, shortest first
    for block in tqdm(chain.backwards, desc="paths", disable=None, leave=False):
        branches = [chain.through_branch(block, gradient) for gradient in sums]
        shortcuts = [
            chain.through(block, gradient) - branch
            for gradient, branch in zip(sums, branches, strict=True)
        ]
        none = torch.zeros_like(branches[0])
        sums = [a + b for a, b in zip([*shortcuts, none], [none, *branches], strict=True)]
    square = chain.whole.square().sum()
    measured = []
    for length, gradient in enumerate(map(chain.to_input, sums)):
        norm = (gradient.norm() / square.sqrt()).item()
        share = ((gradient * chain.whole).sum() / square).item()
        measured.append(LengthGradient(length, math.comb(len(chain.names), length), norm, share))
    return measured


def sample_path_gradients(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    lengths: Iterable[int] | None = None,
    samples: int = 10,
    seed: int = 0,
    training: bool = True,
    loss: Loss = F.cross_entropy,
) -> list[PathGradient]:
    """The gradient along single random paths, as Veit et al. (§5) measure it.

    A batch runs forward through the whole network. On the way back, `length` random blocks pass
    the gradient through their branch only, and the others along their shortcut only.

    Args:
        lengths: default, all from 0 to the number of blocks.
        samples: random paths of each length (some may be drawn twice).
        seed: of the paths.
        model, images, labels, training, loss: as in `gradient_by_length`; the paper draws a new
            batch for each path, here all paths share one.

    Raises:
        TypeError, ValueError: as `gradient_by_length`, or a length is not to be had.
    """
    whole_number("samples", samples)
    draw = random.Random(whole_number("seed", seed, minimum=0))
    chain = _Chain(model, images, labels, training, loss)
    blocks = len(chain.names)
    every = []
    for length in range(blocks + 1) if lengths is None else lengths:
        if whole_number("lengths", length, minimum=0) > blocks:
            raise ValueError(
                f"lengths holds {length}, but the network has {blocks} residual blocks; pass "
                f"numbers from 0 to {blocks}."
            )
        every += [length] * samples
    paths = []
    for length in tqdm(every, desc="paths", disable=None, leave=False):
        chosen = {*draw.sample(range(blocks), length)}
        gradient = chain.head
        for block in chain.backwards:
            branch = chain.through_branch(block, gradient)
            gradient = branch if block in chosen else chain.through(block, gradient) - branch
        norm = (chain.to_input(gradient).norm() / chain.whole.norm()).item()
        paths.append(PathGradient(length, tuple(chain.names[b] for b in sorted(chosen)), norm))
    return paths


class _Chain:
    """A forward pass that is cut before each block, so that gradients go back block by block.

    Attributes:
        names: of the blocks, in the order of the forward pass.
        backwards: their numbers, the last one first.
        head: the gradient of the loss behind the last block.
        whole: that at the input, in double precision, from an ordinary backward pass.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, labels: Tensor, training: bool, loss: Loss
    ) -> None:
        check_images("paths", images)
        true_or_false("training", training)
        trial = copy.deepcopy(model).train(training).requires_grad_(False)
        self.names = [block.name for block in find_blocks(trial, images) if block.residual]
        if not self.names:
            raise ValueError(
                f"paths were asked of a {type(model).__name__}, but it has no residual block, so "
                "it is one single path; pass a network with shortcuts."
            )
        self.backwards = range(len(self.names) - 1, -1, -1)
        self.device = device_of(trial, images)
        images, labels = images.to(self.device), labels.to(self.device)
        with torch.enable_grad(), same_randomness(self.device):
            state = torch.get_rng_state()
            self.images = images.detach().clone().requires_grad_()
            self.whole = torch.autograd.grad(loss(trial(self.images), labels), self.images)[
                0
            ].double()
            torch.set_rng_state(state)  # so that dropout draws the same once more
            self._cut(trial)
            self.ends.append(loss(trial(self.images), labels))
        self.head = self._back(-1, torch.ones_like(self.ends[-1]))
        self._check()

    def _cut(self, model: nn.Module) -> None:
        """Let every segment begin with a leaf: the images, what each block takes, the last output.

        Segment 0 ends before the first block; then one segment ends behind each block (or, if
        something stands between two blocks, behind that); the last one ends with the loss.
        """
        self.starts, self.ends, self.shortcut_open = [self.images], [], True

        def cut(given: Tensor) -> Tensor:
            self.ends.append(given)
            self.starts.append(given.detach().requires_grad_())
            return self.starts[-1].clone()  # for the block may begin with a ReLU in place

        def gate(_: nn.Module, __: tuple, output: Tensor) -> Tensor:
            output = output.clone()  # an identity gives the very tensor that the branch takes, too
            output.register_hook(lambda g: g if self.shortcut_open else torch.zeros_like(g))
            return output

        for name in self.names:
            block = model.get_submodule(name)
            if block.downsample is None:
                block.downsample = nn.Identity()  # which is what None stands for
            block.register_forward_pre_hook(lambda _, given: (cut(given[0]), *given[1:]))
            block.downsample.register_forward_hook(gate)
        block.register_forward_hook(lambda _, __, output: cut(output))

    def _back(self, segment: int, gradient: Tensor) -> Tensor:
        """From the end of a segment to its start."""
        start, end = self.starts[segment], self.ends[segment]
        # Zero where nothing leads from the one to the other; `_check` tells what that means.
        return torch.autograd.grad(end, start, gradient, True, materialize_grads=True)[0]

    def through(self, block: int, gradient: Tensor) -> Tensor:
        """The gradient before a block, from that behind it."""
        return self._back(block + 1, gradient)

    def through_branch(self, block: int, gradient: Tensor) -> Tensor:
        """The part of it that comes through the residual branch."""
        self.shortcut_open = False
        try:
            return self._back(block + 1, gradient)
        finally:
            self.shortcut_open = True

    def to_input(self, gradient: Tensor) -> Tensor:
        """The gradient at the images, in double precision, from that before the first block."""
        return self._back(0, gradient).double()

    def _check(self) -> None:
        """The cut pass must give the gradient of the uncut one: else other ways lead around."""
        gradient = self.head
        for block in self.backwards:
            gradient = self.through(block, gradient)
        difference = (self.to_input(gradient) - self.whole).norm() / self.whole.norm()
        if not difference < 1e-2:
            raise ValueError(
                "the gradient does not come back block by block (it differs from the whole one by "
                f"{difference:.0%}), but paths are counted in a chain of blocks; pass a network "
                "whose residual blocks follow one another."
            )
