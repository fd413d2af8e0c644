"""Training and evaluating a classifier, with everything that was measured kept.

The default recipe is that of He et al. 2015 (arXiv:1512.03385, §4.2): SGD with momentum 0.9, weight
decay 1e-4, batches of 128, learning rate 0.1. The learning rate falls along a half cosine
(Loshchilov and Hutter 2017, arXiv:1608.03983) instead of the paper's two steps, because short
trainings end better that way; `schedule="steps"` is the paper's.
"""

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from resnet_lessons._arguments import one_of, real_number, whole_number
from resnet_lessons.data import Dataset, augment

# The learning rate as a fraction of its start, where t runs from 0 to 1 over the training.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
    "steps": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,
    "constant": lambda t: 1.0,
}


@dataclass(frozen=True)
class Epoch:
    """What one epoch measured. Errors are in percent, as in the paper; losses are cross-entropy.

    The training figures are running ones, as in He et al. 2015: they average over the batches of
    the epoch while the weights change, on augmented images where there is augmentation.
    """

    epoch: int
    lr: float
    train_loss: float
    train_error: float
    test_loss: float
    test_error: float
    seconds: float


@dataclass
class History:
    """The epochs of one training, in order: iterate it, index it, or read a column.

    Attributes:
        label: what the training is called in plots.
        seed: the seed of its batches and augmentation.
        epochs: one `Epoch` for each finished epoch.
        stopped: why the training ended before its last epoch, else None.
    """

    label: str
    seed: int
    epochs: list[Epoch] = field(default_factory=list)
    stopped: str | None = None

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def __getitem__(self, index: int) -> Epoch:
        return self.epochs[index]

    def column(self, name: str) -> list[float]:
        """One figure over all epochs, for example `history.column("train_error")`.

        Raises:
            ValueError: an `Epoch` has no such figure.
        """
        one_of("name", name, Epoch.__dataclass_fields__)
        return [getattr(epoch, name) for epoch in self.epochs]

    def __str__(self) -> str:
        lines = [f"{self.label} (seed {self.seed})"]
        lines.append("epoch      lr  train loss  train error %  test loss  test error %  seconds")
        lines += [
            f"{e.epoch:5d}  {e.lr:6.4f}  {e.train_loss:10.3f}  {e.train_error:13.2f}"
            f"  {e.test_loss:9.3f}  {e.test_error:12.2f}  {e.seconds:7.1f}"
            for e in self.epochs
        ]
        return "\n".join(lines + ([self.stopped] if self.stopped else []))


class _Diverged(Exception):
    """The loss is no longer a finite number."""


def train(
    model: nn.Module,
    data: Dataset,
    epochs: int,
    *,
    batch_size: int = 128,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    schedule: str = "cosine",
    augmented: bool = False,
    seed: int = 0,
    label: str | None = None,
    live: bool | Callable[[History], object] | None = None,
    progress: bool = True,
) -> History:
    """Train `model` in place to classify `data.train`, and test it after every epoch.

    The model moves to the device that holds the images. On the CPU, the same model, data,
    arguments and seed give the same history to the last digit. Ctrl-C (or the notebook's stop
    button) ends the training, and what was measured is returned.

    Args:
        model: takes float images N×C×H×W and gives scores N×classes.
        data: images and labels; normalised batch by batch, on their device.
        epochs: how often every training image is seen.
        batch_size: images a step; a single image left over is skipped, since batch normalisation
            cannot work with one.
        lr: learning rate at the start.
        momentum, weight_decay: of stochastic gradient descent.
        schedule: `"cosine"` down to zero, `"steps"` (÷10 at 50 % and at 75 % of the training, as
            in He et al. 2015), or `"constant"`.
        augmented: pad by 4, crop and flip the training images, as in He et al. 2015.
        seed: of the order of the images and of the augmentation; not of the model's weights.
        label: what the training is called; default, the name of the model's class.
        live: called with the history after every epoch; True for a curve that grows in the
            notebook; default, a curve where there is a notebook to show it in.
        progress: show a bar with both errors and the time left.

    Returns:
        What each finished epoch measured. A loss that stops being finite ends the training: a
        RuntimeWarning says what to try, and so does `History.stopped`.

    Raises:
        TypeError, ValueError: an argument is out of its range, or the model's scores do not fit
            the labels.
    """
    whole_number("epochs", epochs)
    whole_number("batch_size", batch_size, minimum=2)
    real_number("lr", lr, above=True)
    real_number("momentum", momentum)
    real_number("weight_decay", weight_decay)
    factor = SCHEDULES[one_of("schedule", schedule, SCHEDULES)]
    whole_number("seed", seed, minimum=0)
    report = _reporter(live)

    model.to(data.device)
    _check_scores(model, data)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
    )
    history = History(label or type(model).__name__, seed)
    generator = torch.Generator().manual_seed(seed)
    batches = len(batch_indices(len(data.train), batch_size))
    bar = tqdm(
        total=epochs * batches,
        desc=history.label,
        disable=not progress,
        file=sys.stdout,  # standard error would be shown on red in a notebook
        bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left{postfix}",
        mininterval=0.2,
    )
    # Layers that draw random numbers, such as dropout, draw them from the seed too, and the
    # reader's own random state is put back at the end.
    devices = [data.device] if data.device.type == "cuda" else []
    with bar, torch.random.fork_rng(devices), _in_mode(model, training=True):
        torch.manual_seed(seed)
        try:
            for number in range(1, epochs + 1):
                started = time.perf_counter()

                def scheduled(step: int, done: int = (number - 1) * batches) -> float:
                    return lr * factor((done + step) / (epochs * batches))

                loss, error = _train_epoch(
                    model, data, optimizer, scheduled, batch_size, augmented, generator, bar
                )
                test = evaluate(model, data)
                history.epochs.append(
                    Epoch(
                        epoch=number,
                        lr=scheduled(0),
                        train_loss=loss,
                        train_error=error,
                        test_loss=test.loss,
                        test_error=test.error,
                        seconds=time.perf_counter() - started,
                    )
                )
                bar.set_postfix_str(
                    f"epoch {number}/{epochs}: train error {error:.1f} %, "
                    f"test error {test.error:.1f} %"
                )
                report(history)
        except KeyboardInterrupt:
            history.stopped = (
                f"Interrupted in epoch {min(len(history) + 1, epochs)} of {epochs}; "
                f"the {len(history)} finished epochs are kept."
            )
            bar.set_postfix_str(history.stopped)
        except _Diverged:
            history.stopped = (
                f"The loss of {history.label} is no longer finite in epoch {len(history) + 1} of "
                f"{epochs}; try a smaller learning rate (it is {lr:g}; {lr / 10:g}, say), and look "
                "for infinite values in the weights."
            )
            warnings.warn(history.stopped, RuntimeWarning, stacklevel=2)
    return history


def _train_epoch(
    model: nn.Module,
    data: Dataset,
    optimizer: torch.optim.Optimizer,
    scheduled: Callable[[int], float],
    batch_size: int,
    augmented: bool,
    generator: torch.Generator,
    bar: tqdm,
) -> tuple[float, float]:
    """Take one step a batch, in a new order; return the running loss and error in percent."""
    model.train()
    order = torch.randperm(len(data.train), generator=generator).to(data.device)
    # Sums stay on the device: reading one makes the CPU wait for a GPU, so it is read now and then.
    loss_sum = torch.zeros((), device=data.device)
    wrong = torch.zeros((), dtype=torch.int64, device=data.device)
    seen = 0
    read_every = 1 if data.device.type == "cpu" else 20
    for step, batch in enumerate(batch_indices(len(order), batch_size)):
        for group in optimizer.param_groups:
            group["lr"] = scheduled(step)
        chosen = order[batch]
        images, labels = data.train.images[chosen], data.train.labels[chosen]
        if augmented:
            images = augment(images, generator)
        loss, scores = train_step(model, data.normalize(images), labels, optimizer)
        loss_sum += loss.detach() * len(labels)
        wrong += (scores.detach().argmax(1) != labels).sum()
        seen += len(labels)
        if step % read_every == 0 and not math.isfinite(loss_sum.item()):
            raise _Diverged
        bar.update()
    if not math.isfinite(loss_sum.item()):
        raise _Diverged
    return loss_sum.item() / seen, 100 * wrong.item() / seen


def train_step(
    model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer
) -> tuple[Tensor, Tensor]:
    """One step of gradient descent on one batch; returns the loss before it, and the scores.

    Args:
        images: float, N×C×H×W, normalised.
        labels: int64, N.
    """
    scores = model(images)
    loss = F.cross_entropy(scores, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss, scores


def batch_indices(images: int, batch_size: int) -> list[slice]:
    """Cut `images` images into batches; the last may be smaller, but is never a single image."""
    starts = range(0, images, batch_size)
    return [slice(start, start + batch_size) for start in starts if images - start > 1]


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
    with _in_mode(model, training=False):
        loss = torch.zeros((), dtype=torch.float64, device=data.device)
        wrong = torch.zeros((), dtype=torch.int64, device=data.device)
        for start in range(0, len(chosen), batch_size):
            labels = chosen.labels[start : start + batch_size]
            scores = model(data.normalize(chosen.images[start : start + batch_size]))
            loss += F.cross_entropy(scores, labels, reduction="sum")
            wrong += (scores.argmax(1) != labels).sum()
    return Evaluation(loss.item() / len(chosen), 100 * wrong.item() / len(chosen))


@contextmanager
def _in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Put the model into training or evaluation mode; afterwards each module is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _check_scores(model: nn.Module, data: Dataset) -> None:
    """Say at once, not after a minute, when the model's scores do not fit the labels."""
    if len(data.train) < 2:
        raise ValueError(
            f"{data.name} has 1 training image, but a batch must have at least 2; take more of "
            "them, for example with data.take(train=128)."
        )
    with _in_mode(model, training=False), torch.no_grad():
        scores = model(data.normalize(data.train.images[:2]))
    if scores.dim() != 2 or len(scores) != 2 or scores.shape[1] < data.num_classes:
        raise ValueError(
            f"the model gives scores of shape {tuple(scores.shape)} for 2 images, but "
            f"{data.name} has {data.num_classes} classes, so they must be "
            f"2×{data.num_classes}; build the model with num_classes={data.num_classes}."
        )


def in_notebook() -> bool:
    """Whether this runs in a Jupyter or Colab kernel, which can show pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def _reporter(live: bool | Callable[[History], object] | None) -> Callable[[History], object]:
    """What is called after each epoch: the given function, a live curve, or nothing."""
    if callable(live):
        return live
    if live or (live is None and in_notebook()):
        from resnet_lessons.plots import LiveCurves  # here, for matplotlib takes a second to load

        return LiveCurves()
    return lambda history: None
