"""How large the gradient of the loss is in each layer, on a copy of the network."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import whole_number
from resnet_lessons.data import Dataset


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
    if whole_number("images", images, minimum=2) > len(data.train):
        raise ValueError(
            f"images is {images}, but {data.name} has only {len(data.train)} training images; "
            f"pass at most images={len(data.train)}."
        )
    batch = data.take(train=images).train
    trial = copy.deepcopy(model).to(data.device).train().requires_grad_()
    devices = [data.device] if data.device.type == "cuda" else []
    with torch.random.fork_rng(devices):  # layers such as dropout draw random numbers
        F.cross_entropy(trial(data.normalize(batch.images)), batch.labels).backward()
    return [
        LayerGradient(name, _norm(layer.weight.grad), _norm(layer.weight))
        for name, layer in trial.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]


def _norm(tensor: Tensor) -> float:
    """In double precision, since the squares of a vanishing gradient are zero in single."""
    return tensor.detach().double().norm().item()
