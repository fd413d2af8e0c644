"""Loss and error of a network on a whole split."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.data import Dataset


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
