"""Loss and error of a network on a whole split, and whether it gives scores at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.data import Dataset
from resnet_lessons.training.random_state import own_random_state, seed_layers


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy and error in percent over a whole split."""

    loss: float
    error: float


@torch.no_grad()
def evaluate(
    model: nn.Module, data: Dataset, split: str = "test", batch_size: int = 500
) -> Evaluation:
    """Loss and error of `model` on all images of a split, in evaluation mode, without gradients.

    The model must be on the device that holds the images; it is left in the mode it was in.

    Args:
        split: `"test"` or `"train"`.
        batch_size: images at a time; it changes the memory needed, not the result.

    Raises:
        TypeError, ValueError: an argument is out of its range.
    """
    one_of("split", split, ("test", "train"))
    whole_number("batch_size", batch_size)
    chosen = getattr(data, split)
    # Sums stay on the device: reading one makes the CPU wait for a GPU, so it is read at the end.
    loss = torch.zeros((), dtype=torch.float64, device=data.device)
    wrong = torch.zeros((), dtype=torch.int64, device=data.device)
    with in_mode(model, training=False):
        for start in range(0, len(chosen), batch_size):
            labels = chosen.labels[start : start + batch_size]
            scores = model(data.normalize(chosen.images[start : start + batch_size]))
            loss += F.cross_entropy(scores, labels, reduction="sum")
            wrong += (scores.argmax(1) != labels).sum()
    return Evaluation(loss.item() / len(chosen), 100 * wrong.item() / len(chosen))


@contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Put the model into training or evaluation mode; afterwards each module is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def first_scores(model: nn.Module, data: Dataset) -> Tensor:
    """What the net makes of the first two training images, in evaluation mode: scores 2×classes.

    It tells nets apart that have the same weights, such as a plain and a residual one of one depth.
    """
    with own_random_state(data.device), in_mode(model, training=False), torch.no_grad():
        seed_layers(data.device, 0)
        return scores_alone(model(data.normalize(data.train.images[:2])))


def check_scores(model: nn.Module, data: Dataset) -> None:
    """Say at once, not after a minute, when the model's scores do not fit the labels."""
    scores = first_scores(model, data)
    if scores.dim() != 2 or len(scores) != 2 or scores.shape[1] < data.num_classes:
        raise ValueError(
            f"the model gives scores of shape {tuple(scores.shape)} for 2 images, but "
            f"{data.name} has {data.num_classes} classes, so they must be "
            f"2×{data.num_classes}; build the model with num_classes={data.num_classes}."
        )


def scores_alone(found: object) -> Tensor:
    """What the model gives, if that is scores alone."""
    if not isinstance(found, Tensor):
        raise TypeError(
            f"the model gives a {type(found).__name__}, but it must give one tensor of scores "
            "N×classes; leave out its auxiliary outputs, for example with aux_logits=False."
        )
    return found
