"""How much a residual block adds to what it is given: F(x) against x."""

import copy
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_lessons._arguments import image_batch, whole_number


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
        """‖F(x)‖ / ‖shortcut(x)‖."""
        return self.branch / self.shortcut


def branch_sizes(model: nn.Module, images: Tensor, batch_size: int = 100) -> list[BranchSize]:
    """How large each residual branch is beside its shortcut, in the order of the blocks' names.

    A residual block is known by its attribute `downsample`, torchvision's name for the shortcut (a
    module, or None for the identity). F(x) is what the last convolution or normalisation gives that
    runs in the block, the shortcut's own aside.

    Args:
        model: measured in evaluation mode, on the device where it is; see `settled` for a network
            that was never trained.
        images: float, N×C×H×W, scaled as in training.
        batch_size: images at a time; it changes the memory needed, not the result.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W; `batch_size` is no positive
            whole number; or the model has no residual block.
    """
    whole_number("batch_size", batch_size)
    image_batch(images, images.shape[1] if hasattr(images, "shape") else 0, "branch_sizes")
    trial = copy.deepcopy(model).eval()
    watched = [
        _Watched(name, block)
        for name, block in trial.named_modules()
        if hasattr(block, "downsample")
    ]
    if not watched:
        raise ValueError(
            f"{type(model).__name__} has no block with an attribute `downsample`, but by it a "
            "residual block is known; pass a residual network of this course or of torchvision."
        )
    device = next((t.device for t in chain(trial.parameters(), trial.buffers())), images.device)
    with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        for batch in images.split(batch_size):
            trial(batch.to(device))
    return [BranchSize(block.name, *block.sizes()) for block in watched]


class _Watched:
    """Sums of squares in one block. They are taken at once, for later layers may work in place."""

    def __init__(self, name: str, block: nn.Module) -> None:
        self.name = name
        self.sums = {"branch": 0.0, "shortcut": 0.0}
        self.values = 0
        self.last = (0.0, 0)  # of the latest output in the branch
        shortcut = set(block.downsample.modules()) if block.downsample is not None else set()
        for module in block.modules():
            if isinstance(module, nn.Conv2d | _BatchNorm) and module not in shortcut:
                module.register_forward_hook(self._in_branch)
        if block.downsample is None:
            block.register_forward_pre_hook(lambda _, args: self._add("shortcut", args[0]))
        else:
            block.downsample.register_forward_hook(
                lambda _, __, output: self._add("shortcut", output)
            )
        block.register_forward_hook(self._block_ends)

    def _in_branch(self, _: nn.Module, __: tuple, output: Tensor) -> None:
        self.last = output.double().square().sum().item(), output.numel()

    def _add(self, term: str, values: Tensor) -> None:
        self.sums[term] += values.double().square().sum().item()

    def _block_ends(self, _: nn.Module, __: tuple, ___: Tensor) -> None:
        self.sums["branch"] += self.last[0]
        self.values += self.last[1]

    def sizes(self) -> tuple[float, float]:
        """Root mean squares of F(x) and of the shortcut, which have as many values."""
        return tuple((self.sums[term] / self.values) ** 0.5 for term in ("branch", "shortcut"))
