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
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from resnet_lessons._arguments import one_of, real_number, whole_number
from resnet_lessons.data import Dataset, augment
from resnet_lessons.history import Epoch, History

# The learning rate as a fraction of its start, where t runs from 0 to 1 over the training.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
    "steps": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,
    "constant": lambda t: 1.0,
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; `train` says what each means.

    Raises:
        TypeError, ValueError: a value is out of its range.
    """

    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    augmented: bool
    seed: int

    def __post_init__(self) -> None:
        whole_number("epochs", self.epochs)
        whole_number("batch_size", self.batch_size, minimum=2)
        real_number("lr", self.lr, above=True)
        real_number("momentum", self.momentum)
        real_number("weight_decay", self.weight_decay)
        one_of("schedule", self.schedule, SCHEDULES)
        whole_number("seed", self.seed, minimum=0)

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate of one step of `steps`, the first being 0."""
        return self.lr * SCHEDULES[self.schedule](step / steps)


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
    channels_last: bool | None = None,
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
        channels_last: keep the channels of a pixel next to each other in memory while training;
            default, where that is faster: on a CPU, if every convolution has at least 16 channels.
        progress: show a bar with the loss, both errors and the time left.

    Returns:
        What each finished epoch measured. A loss that stops being finite ends the training: a
        RuntimeWarning says what to try, and so does `History.stopped`.

    Raises:
        TypeError, ValueError: an argument is out of its range, or the model's scores do not fit
            the labels.
    """
    recipe = Recipe(epochs, batch_size, lr, momentum, weight_decay, schedule, augmented, seed)
    report = _reporter(live)
    model.to(data.device)
    _check_scores(model, data)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
    )
    generator = torch.Generator().manual_seed(seed)
    history = History(label or type(model).__name__, seed)
    steps = epochs * len(batch_indices(len(data.train), batch_size))
    bar = _progress_bar(history.label, steps, progress)
    with bar, own_random_state(data.device), _in_mode(model, True), layout(model, channels_last):
        torch.manual_seed(seed)
        try:
            for number in range(1, epochs + 1):
                epoch = _epoch(model, data, recipe, number, optimizer, generator, bar)
                history.epochs.append(epoch)
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


class _Diverged(Exception):
    """The loss is no longer a finite number."""


def _epoch(
    model: nn.Module,
    data: Dataset,
    recipe: Recipe,
    number: int,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    bar: tqdm,
) -> Epoch:
    """Take one step a batch, in a new order, then test."""
    started = time.perf_counter()
    order = torch.randperm(len(data.train), generator=generator).to(data.device)
    batches = batch_indices(len(order), recipe.batch_size)
    first, steps = (number - 1) * len(batches), recipe.epochs * len(batches)
    # Sums stay on the device: reading one makes the CPU wait for a GPU, so it is read now and then.
    loss_sum = torch.zeros((), device=data.device)
    wrong = torch.zeros((), dtype=torch.int64, device=data.device)
    read_every = 1 if data.device.type == "cpu" else 20
    seen = 0
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr_at(first + step, steps)
        chosen = order[batch]
        images, labels = data.train.images[chosen], data.train.labels[chosen]
        if recipe.augmented:
            images = augment(images, generator)
        loss, scores = train_step(model, data.normalize(images), labels, optimizer)
        loss_sum += loss.detach() * len(labels)
        wrong += (scores.detach().argmax(1) != labels).sum()
        seen += len(labels)
        if step % read_every == 0 or step == len(batches) - 1:
            mean_loss, error = loss_sum.item() / seen, 100 * wrong.item() / seen
            if not math.isfinite(mean_loss):
                raise _Diverged
            figures = f"loss {mean_loss:.3f}, train error {error:.1f} %"
            bar.set_postfix_str(f"epoch {number}/{recipe.epochs}: {figures}", refresh=False)
        bar.update()
    test = evaluate(model, data)
    bar.set_postfix_str(f"epoch {number}/{recipe.epochs}: {figures}, test error {test.error:.1f} %")
    return Epoch(
        epoch=number,
        lr=recipe.lr_at(first, steps),
        train_loss=mean_loss,
        train_error=error,
        test_loss=test.loss,
        test_error=test.error,
        seconds=time.perf_counter() - started,
    )


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
        loss, wrong = 0.0, 0
        for start in range(0, len(chosen), batch_size):
            labels = chosen.labels[start : start + batch_size]
            scores = model(data.normalize(chosen.images[start : start + batch_size]))
            loss += F.cross_entropy(scores, labels, reduction="sum").item()
            wrong += (scores.argmax(1) != labels).sum().item()
    return Evaluation(loss / len(chosen), 100 * wrong / len(chosen))


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


@contextmanager
def layout(model: nn.Module, channels_last: bool | None = None) -> Iterator[None]:
    """Lay the weights out in memory as `train` does; afterwards they are as torch makes them.

    Args:
        channels_last: see `train`. Against the usual layout, a step of the 6n+2 networks took
            0.81 to 0.85 of the time on two CPU cores at 16 channels, and 1.13 at 8.
    """
    if channels_last is None:
        convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        on_cpu = all(module.weight.device.type == "cpu" for module in convolutions)
        channels_last = on_cpu and min((c.out_channels for c in convolutions), default=0) >= 16
    if not channels_last:
        yield
        return
    model.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        model.to(memory_format=torch.contiguous_format)


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Layers such as dropout may draw random numbers inside; the caller's state stays as it is."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def _progress_bar(label: str, steps: int, shown: bool) -> tqdm:
    return tqdm(
        total=steps,
        desc=label,
        disable=not shown,
        file=sys.stdout,  # standard error would be shown on red in a notebook
        bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} left{postfix}",
        mininterval=0.2,
    )


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
