"""The loss around a network's weights, along random directions.

After H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the Loss Landscape of Neural
Nets", 2018 (arXiv:1712.09913). A random direction is a tensor for every weight; the loss is
measured at θ + a·direction, or at θ + a·first + b·second.

Batch normalisation makes the length of a filter meaningless: twice the filter is the same function.
A step of fixed length is then large for short filters and small for long ones, so two networks
can be compared only if the direction is measured by the filters, which `"filter"` does.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from resnet_lessons._arguments import one_of, true_or_false, whole_number
from resnet_lessons.measure.blocks import device_of, same_randomness

NORMALISATIONS = ("filter", "layer", "whole", "none")
Direction = Mapping[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def random_direction(model: nn.Module, seed: int = 0, normalisation: str = "filter") -> Direction:
    """A random direction in the space of the weights: a tensor for every parameter, by its name.

    Its values are drawn from a standard normal distribution. Parameters with fewer than two
    dimensions (biases, and the scales and shifts of batch normalisations) do not move, as in the
    code of Li et al.

    Args:
        seed: the same seed gives the same direction, before it is normalised, for all models whose
            parameters have the same shapes in the same order, on any device.
        normalisation: what has the norm of the weights themselves:
            `"filter"`, every filter (each slice along the first dimension: the weights that lead
            to one channel or one score), as Li et al. propose;
            `"layer"`, every tensor;
            `"whole"`, only all of them together, which is no more than a choice of the unit;
            `"none"`, nothing: the values stay as they are drawn.

    Raises:
        TypeError, ValueError: an argument is out of its range.
    """
    one_of("normalisation", normalisation, NORMALISATIONS)
    draw = torch.Generator().manual_seed(whole_number("seed", seed, minimum=0))
    direction, weights = {}, {}
    for name, weight in model.named_parameters():
        drawn = torch.randn(weight.shape, generator=draw, dtype=torch.float64)
        weights[name] = weight.detach().cpu().double()
        direction[name] = drawn if weight.dim() > 1 else torch.zeros_like(drawn)
    if normalisation == "whole":
        moving = [name for name, weight in weights.items() if weight.dim() > 1]
        squares = [sum(t[n].square().sum() for n in moving) for t in (weights, direction)]
        direction = {n: d * (squares[0] / squares[1]).sqrt() for n, d in direction.items()}
    elif normalisation != "none":
        keep = 1 if normalisation == "filter" else 0
        for name in [name for name, weight in weights.items() if weight.dim() > 1]:
            weight, drawn = weights[name].flatten(keep), direction[name].flatten(keep)
            factor = weight.norm(dim=-1, keepdim=True) / drawn.norm(dim=-1, keepdim=True)
            direction[name] = (drawn * factor).view_as(direction[name])
    return {name: direction[name].to(weight) for name, weight in model.named_parameters()}


def loss_along(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    direction: Direction,
    at: Iterable[float],
    training: bool = False,
    loss: Loss = F.cross_entropy,
) -> list[float]:
    """The loss at θ + a·direction, for each a: a slice in one dimension.

    Args:
        model: stays as it was: weights, running statistics, mode and gradients.
        images: float, scaled as in training; they go through the model as one batch.
        labels: int64, N, or whatever else `loss` takes.
        direction: what `random_direction` gave for this model.
        at: the values of a.
        training: False: batch normalisation uses the running statistics, which were measured at θ
            and are wrong elsewhere; True: those of the batch, at each point.
        loss: of scores and labels, as one number.

    Raises:
        TypeError, ValueError: the direction does not fit the model, or an argument is out of its
            range.
    """
    values = list(at)
    points = [(a,) for a in values]
    return _losses(model, images, labels, (direction,), points, training, loss)


def loss_over_plane(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    directions: Sequence[Direction],
    at: Iterable[float],
    training: bool = False,
    loss: Loss = F.cross_entropy,
) -> Tensor:
    """The loss at θ + a·first + b·second, for all pairs of values: a slice in two dimensions.

    Args:
        directions: the first and the second.
        at: the values of a, and of b.
        model, images, labels, training, loss: as in `loss_along`.

    Returns:
        float64, len(at)×len(at); row i, column j is the loss at b = at[i], a = at[j].

    Raises:
        TypeError, ValueError: there are not two directions, or see `loss_along`.
    """
    if len(directions) != 2:
        raise ValueError(
            f"loss_over_plane was given {len(directions)} directions, but a plane has two; pass "
            "for example (random_direction(net, 0), random_direction(net, 1))."
        )
    values = list(at)
    points = [(a, b) for b in values for a in values]
    losses = _losses(model, images, labels, directions, points, training, loss)
    return torch.tensor(losses, dtype=torch.float64).view(len(values), len(values))


@torch.no_grad()
def _losses(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    directions: Sequence[Direction],
    points: Sequence[tuple[float, ...]],
    training: bool,
    loss: Loss,
) -> list[float]:
    true_or_false("training", training)
    for direction in directions:
        _check_direction(model, direction)
    trial = copy.deepcopy(model).train(training)
    device = device_of(trial, images)
    images, labels = images.to(device), labels.to(device)
    weights = dict(trial.named_parameters())
    centre = {name: weight.clone() for name, weight in weights.items()}
    losses = []
    for point in tqdm(points, desc="loss", disable=None, leave=False):
        for name, weight in weights.items():
            weight.copy_(centre[name])
            for a, direction in zip(point, directions, strict=True):
                weight.add_(direction[name].to(weight), alpha=float(a))
        # The same random numbers at every point, for layers such as dropout.
        with same_randomness(device):
            losses.append(loss(trial(images), labels).item())
    return losses


def _check_direction(model: nn.Module, direction: Direction) -> None:
    shapes = {name: weight.shape for name, weight in model.named_parameters()}
    given = {name: tensor.shape for name, tensor in direction.items()}
    if shapes != given:
        wrong = next(n for n in {**shapes, **given} if shapes.get(n) != given.get(n))
        raise ValueError(
            f"the direction has {_shape(given.get(wrong))} for {wrong!r}, but the model has "
            f"{_shape(shapes.get(wrong))}; draw one for this model: random_direction(model)."
        )


def _shape(shape: torch.Size | None) -> str:
    return "nothing" if shape is None else f"the shape {tuple(shape)}"
