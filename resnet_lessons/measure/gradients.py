"""How large signal and gradient are in each layer, on a copy of the network."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import whole_number
from resnet_lessons.data import Dataset, Split


@dataclass(frozen=True)
class LayerGradient:
    """The gradient of the loss for one layer's weights.

    Attributes:
        name: the layer's dotted name in the network.
        gradient: Euclidean norm of the gradient.
        weight: Euclidean norm of the weights themselves.
    """

    name: str
    gradient: float
    weight: float


def gradient_norms(model: nn.Module, data: Dataset, images: int = 512) -> list[LayerGradient]:
    """How large the gradient is in each convolution, from the input to the output.

    He et al. 2015 (arXiv:1512.03385, §4.1) made this check of their plain networks: if gradients
    vanished on the way back, those of the first layers would be many orders of magnitude smaller
    than those of the last.

    Args:
        model: measured as it trains: batch normalisation uses the statistics of the batch.
        data: the first training images are one batch, unaugmented.
        images: how many of them.

    Raises:
        TypeError, ValueError: `images` is no whole number between 2 and the size of the set.
    """
    batch = _batch(data, images)
    trial = copy.deepcopy(model).to(data.device).train().requires_grad_()
    with torch.random.fork_rng(_gpus(data.device)):
        F.cross_entropy(trial(data.normalize(batch.images)), batch.labels).backward()
    return [
        LayerGradient(name, _norm(layer.weight.grad), _norm(layer.weight))
        for name, layer in trial.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]


def _batch(data: Dataset, images: int) -> Split:
    """The first training images, if there are so many."""
    if whole_number("images", images, minimum=2) > len(data.train):
        raise ValueError(
            f"images is {images}, but {data.name} has only {len(data.train)} training images; "
            f"pass at most images={len(data.train)}."
        )
    return data.take(train=images).train


def _gpus(device: torch.device) -> list[torch.device]:
    """Whose random state is kept: layers such as dropout draw random numbers."""
    return [device] if device.type == "cuda" else []


def _norm(tensor: Tensor) -> float:
    """In double precision, since the squares of a vanishing gradient are zero in single."""
    return tensor.detach().double().norm().item()


@dataclass(frozen=True)
class LayerSignal:
    """What arrives at a layer.

    Attributes:
        name: the layer's dotted name in the network.
        size: root mean square of its input, over all images, channels and pixels.
    """

    name: str
    size: float


def signal_sizes(model: nn.Module, data: Dataset, images: int = 512) -> list[LayerSignal]:
    """How large the signal is that arrives at each convolution, in the order of the layers' names.

    Args:
        model, images: as in `gradient_norms`.
        data: the first training images are one batch, unaugmented.

    Raises:
        TypeError, ValueError: as `gradient_norms`.
    """
    batch = _batch(data, images)
    trial = copy.deepcopy(model).to(data.device).train()
    sizes: dict[str, float] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple], None]:
        def hook(_: nn.Module, args: tuple) -> None:
            (given,) = args
            sizes[name] = _norm(given) / given.numel() ** 0.5

        return hook

    for name, layer in trial.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(watch(name))
    with torch.no_grad(), torch.random.fork_rng(_gpus(data.device)):
        trial(data.normalize(batch.images))
    names = [name for name, _ in trial.named_modules() if name in sizes]
    return [LayerSignal(name, sizes[name]) for name in names]
