"""Training a classifier, with everything that was measured kept: Ctrl-C, a killed process, a full
disk or a loss that explodes costs an epoch at most.
"""

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import nn
from tqdm import tqdm

from resnet_lessons._arguments import true_or_false
from resnet_lessons.data import Dataset
from resnet_lessons.training.acceleration import Arithmetic, layout
from resnet_lessons.training.acceleration import compiled as compiled_forward
from resnet_lessons.training.checkpoint import Checkpoint, identity
from resnet_lessons.training.evaluation import in_mode
from resnet_lessons.training.history import Ending, History
from resnet_lessons.training.loop import Diverged, Training
from resnet_lessons.training.recipe import Recipe


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
    steps: int | None = None,
    warmup: int = 0,
    augmented: bool = False,
    padding: int = 4,
    seed: int = 0,
    label: str | None = None,
    live: bool | Callable[[History], object] | None = None,
    checkpoint: str | os.PathLike | None = None,
    channels_last: bool | None = None,
    mixed_precision: bool | None = None,
    compiled: bool = False,
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
        steps: end after so many steps, in the middle of an epoch if need be (the paper's 64,000);
            default, when the epochs are over.
        warmup: steps at a tenth of the learning rate before it starts; the paper's ResNet-110 has
            about 400.
        augmented: pad, crop and flip the training images, as in He et al. 2015.
        padding: pixels on every side for `augmented`; the paper's 4 are for 32×32 images.
        seed: of the order of the images and of the augmentation; not of the model's weights.
        label: what the training is called; default, the name of the model's class.
        live: called with the history after every epoch; True for a curve that grows in the
            notebook; default, a curve where there is a notebook to show it in.
        checkpoint: a file to keep the training in after every epoch. Where it holds this training
            already, weights and history are read from it and the training goes on from there, or
            is over at once. On the CPU the result is that of a training never cut, bit for bit.
        channels_last: see `acceleration.layout`; default, where that is faster.
        mixed_precision: see `acceleration.Arithmetic`; default, on a GPU with tensor cores.
        compiled: run the training steps through `torch.compile`, which takes some ten seconds
            before the first and makes the others faster.
        progress: show a bar with the loss, both errors and the time left.

    Returns:
        What each finished epoch measured. A loss that stops being finite ends the training: a
        RuntimeWarning says what to try, and so does `History.stopped`.

    Raises:
        TypeError, ValueError: an argument is out of its range, the model's scores do not fit the
            labels, or the checkpoint is damaged or of another training.
        RuntimeError: `compiled`, on a machine that cannot compile.
    """
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        schedule=schedule,
        steps=steps,
        warmup=warmup,
        augmented=augmented,
        padding=padding,
        seed=seed,
    )
    true_or_false("compiled", compiled)
    check_types(model, data)
    total = recipe.total_steps(len(data.train))
    report = _reporter(live)
    model.to(data.device)
    check_scores(model, data)
    history = History(label or type(model).__name__, seed)
    bar = progress_bar(history.label, total, progress)
    with bar, own_random_state(data.device), in_mode(model, True), layout(model, channels_last):
        seed_layers(data.device, seed)
        forward = compiled_forward(model, batch_size) if compiled else model
        arithmetic = Arithmetic(data.device, mixed_precision)
        training = Training(model, forward, data, recipe, history, arithmetic, bar)
        file = Checkpoint(checkpoint, identity(model, data, recipe)) if checkpoint else None
        if file:
            training.restore(file)
            if history.epochs:
                report(history)
        try:
            while training.step < total:
                training.epoch()
                if file:
                    file.write(training.state())
                report(history)
            history.ending = Ending.FINISHED
        except KeyboardInterrupt:
            history.ending = Ending.INTERRUPTED
            history.stopped = interrupted(history, recipe)
            bar.set_postfix_str(history.stopped)
        except Diverged:
            history.ending = Ending.DIVERGED
            history.stopped = diverged(history, recipe)
            warnings.warn(history.stopped, RuntimeWarning, stacklevel=2)
    return history


def interrupted(history: History, recipe: Recipe) -> str:
    """What is said where a training was ended before its time."""
    at = min(len(history) + 1, recipe.epochs)
    return (
        f"Interrupted in epoch {at} of {recipe.epochs}; "
        f"the {len(history)} finished epochs are kept."
    )


def diverged(history: History, recipe: Recipe) -> str:
    """What is said where the loss is no longer finite, and what to try."""
    return (
        f"The loss of {history.label} is no longer finite in epoch {len(history) + 1} of "
        f"{recipe.epochs}; try a smaller learning rate (it is {recipe.lr:g}; {recipe.lr / 10:g}, "
        "say), and look for infinite values in the weights."
    )


def own_random_state(device: torch.device) -> AbstractContextManager:
    """Layers such as dropout may draw random numbers inside; the caller's state stays as it is."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def seed_layers(device: torch.device, seed: int) -> None:
    """Seed what layers draw from on `device`; `torch.manual_seed` would seed every GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def progress_bar(label: str, steps: int, shown: bool) -> tqdm:
    """A bar of so many steps, with the time left and what is written behind it."""
    return tqdm(
        total=steps,
        desc=label,
        disable=not shown,
        file=sys.stdout,  # standard error would be shown on red in a notebook
        bar_format="{desc} {percentage:3.0f}%|{bar:12}| {elapsed}, {remaining} left{postfix}",
        mininterval=0.2,
    )


def check_types(model: object, data: object) -> None:
    """Say what cannot be trained, or trained on.

    Raises:
        TypeError: `model` is no network, or `data` no `Dataset`.
        ValueError: it has fewer than two training images.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is {model!r}, but it must be a network, an object of torch.nn.Module; pass for "
            "example cifar_resnet(20, in_channels=1)."
        )
    if not isinstance(data, Dataset):
        raise TypeError(
            f"data is a {type(data).__name__}, but it must be a Dataset with images and labels; "
            "pass for example load()."
        )
    if len(data.train) < 2:
        raise ValueError(
            f"{data.name} has 1 training image, but a batch must have at least 2; take more of "
            "them, for example with data.take(train=128)."
        )


def check_scores(model: nn.Module, data: Dataset) -> None:
    """Say at once, not after a minute, when the model's scores do not fit the labels."""
    with in_mode(model, training=False), torch.no_grad():
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
