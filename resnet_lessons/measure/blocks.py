"""Which blocks a network is made of, as they run."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, one_of
from resnet_lessons.networks import PlainBlock


@dataclass(frozen=True)
class Block:
    """A block of a network.

    Attributes:
        name: its dotted name in the network.
        residual: whether it has a shortcut.
        keeps_shape: whether it gives the shape that it takes, so that it might as well be left out.
    """

    name: str
    residual: bool
    keeps_shape: bool


def find_blocks(
    model: nn.Module, images: Tensor, plain: tuple[type[nn.Module], ...] = (PlainBlock,)
) -> list[Block]:
    """The blocks of `model`, in the order in which they run.

    A residual block is known by its attribute `downsample`, torchvision's name for the shortcut
    (None there stands for the identity), a plain one by its class.

    Args:
        model: runs once, in evaluation mode, on the device where it is, and stays as it was.
        images: float, N×C×H×W; the first one is shown to it.
        plain: classes whose objects are blocks without a shortcut.

    Raises:
        TypeError, ValueError: `images` are no float tensor N×C×H×W, or none; or no block ran.
    """
    check_images("find_blocks", images)
    trial = copy.deepcopy(model).eval()
    found: dict[str, Block] = {}

    def watch(name: str, block: nn.Module) -> None:
        def hook(_: nn.Module, given: tuple, output: Tensor) -> None:
            residual = hasattr(block, "downsample")
            found.setdefault(name, Block(name, residual, given[0].shape == output.shape))

        block.register_forward_hook(hook)

    for name, module in trial.named_modules():
        if hasattr(module, "downsample") or isinstance(module, plain):
            watch(name, module)
    device = device_of(trial, images)
    with torch.no_grad(), same_randomness(device):
        trial(images[:1].to(device))
    if not found:
        raise ValueError(
            f"find_blocks was given a {type(model).__name__}, but no block ran in it; pass a "
            "network of PlainBlocks or residual blocks, or the classes of its own as plain=(…,)."
        )
    return list(found.values())


def block_of(model: nn.Module, name: str) -> nn.Module:
    """The module called `name` in `model`.

    Raises:
        ValueError: there is none.
    """
    modules = dict(model.named_modules())
    one_of("block", name, [known for known in modules if known])
    return modules[name]


def put(model: nn.Module, name: str, module: nn.Module) -> None:
    """Let `module` stand at the place called `name` in `model`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def distinct(names: Iterable[str]) -> list[str]:
    """`names` as a list.

    Raises:
        TypeError, ValueError: it is a single name, or one occurs twice.
    """
    if isinstance(names, str):
        raise TypeError(
            f"names is {names!r}, but it must be a list of names; pass names=[{names!r}]."
        )
    listed = list(names)
    if twice := [name for name in listed if listed.count(name) > 1]:
        raise ValueError(
            f"names holds {twice[0]!r} twice, but a block can be named once; leave one out."
        )
    return listed


def check_images(owner: str, images: Tensor) -> None:
    """Check that `images` are a float batch N×C×H×W of at least one image.

    How many channels a network takes, it says itself.

    Raises:
        TypeError, ValueError: they are not.
    """
    channels = images.shape[1] if isinstance(images, Tensor) and images.dim() == 4 else 0
    image_batch(images, channels, owner)
    if len(images) == 0:
        raise ValueError(
            f"{owner} was given no image (input shape {tuple(images.shape)}), but there must be "
            "one to measure with; pass at least one image."
        )


def device_of(model: nn.Module, images: Tensor) -> torch.device:
    """The device of the model, or of the images where it has no tensors."""
    return next((t.device for t in chain(model.parameters(), model.buffers())), images.device)


def same_randomness(device: torch.device) -> torch.random.fork_rng:
    """Inside, layers may draw random numbers; afterwards torch's random state is as it was."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])
