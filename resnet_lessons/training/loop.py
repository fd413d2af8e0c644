"""The training loop, and its two drivers: `train` runs it through, `advance` takes a step.

Everything that was measured is kept: Ctrl-C, a killed process, a full disk or a loss that explodes
costs an epoch at most.
"""

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import true_or_false
from resnet_lessons.data import Dataset, augment
from resnet_lessons.training.acceleration import Arithmetic, layout
from resnet_lessons.training.acceleration import compiled as compiled_forward
from resnet_lessons.training.checkpoint import Checkpoint, identity
from resnet_lessons.training.evaluation import (
    check_scores,
    evaluate,
    first_scores,
    in_mode,
    scores_alone,
)
from resnet_lessons.training.history import Ending, Epoch, History
from resnet_lessons.training.progress import Report, progress_bar, reporter
from resnet_lessons.training.random_state import (
    own_random_state,
    random_state,
    seed_layers,
    set_random_state,
)
from resnet_lessons.training.recipe import Recipe


class TrainingLoop:
    """A training that rests after every step, and all that decides what comes next.

    Between two calls of `advance` the model is in the mode that it was in before, and the caller's
    random state is as if nothing had been drawn. On the CPU the history is that of
    `train(..., channels_last=False)` to the last digit, however often it rests.

    Args:
        recipe: how the model is trained.
        model, data, label, kind: as for `train`.

    Attributes:
        history: one `Epoch` for each finished epoch; its seconds leave the rests out.
        steps: how many the whole training takes.
        taken: how many were taken.
        seconds: how long the steps and tests so far took.

    Raises:
        TypeError, ValueError: an argument is out of its range, or the model's scores do not fit
            the labels.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Dataset,
        recipe: Recipe,
        *,
        label: str | None = None,
        kind: str | None = None,
    ) -> None:
        _check_types(model, data, kind)
        self.steps, self.taken, self.seconds = recipe.total_steps(len(data.train)), 0, 0.0
        model.to(data.device)
        check_scores(model, data)
        self.model, self.data, self.recipe = model, data, recipe
        self.history = _begun(model, recipe, label, kind)
        self.forward: Callable[[Tensor], Tensor] = model
        self.arithmetic = Arithmetic(data.device)
        self.bar = progress_bar(self.history.label, self.steps, shown=False)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        self.generator = torch.Generator().manual_seed(recipe.seed)
        with own_random_state(data.device):
            seed_layers(data.device, recipe.seed)
            self._random = random_state(data.device)
        self.work = self._work()

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.history.ending is not None

    def advance(self) -> bool:
        """Take one step, or, where an epoch's steps are all taken, test.

        Ctrl-C, or a loss that is no longer finite, ends the training; `history.ending` says so.

        Returns:
            Whether an epoch is finished by it.
        """
        if self.over:
            return False
        with self.at_work():
            try:
                return next(self.work, False)
            except BaseException as error:
                self.stop()  # what an error has left half done cannot go on
                if not isinstance(error, KeyboardInterrupt):
                    raise
                return False

    def stop(self) -> None:
        """End it here; the finished epochs stay in `history`."""
        if not self.over:
            self.history.ending = Ending.INTERRUPTED

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside, the model trains and draws random numbers of its own."""
        device = self.data.device
        with own_random_state(device), in_mode(self.model, training=True):
            set_random_state(device, self._random)
            try:
                yield
            finally:
                self._random = random_state(device)

    def _work(self) -> Iterator[bool]:
        """All steps, with a rest after each and after each test, which ends an epoch: then True."""
        while not self.over:
            yield from self._epoch()

    def _epoch(self) -> Iterator[bool]:
        """One step a batch, in a new order, then a test."""
        started, seconds_before = time.perf_counter(), self.seconds
        data, recipe, first = self.data, self.recipe, self.taken
        order = torch.randperm(len(data.train), generator=self.generator).to(data.device)
        batches = recipe.batches(len(order))[: self.steps - first]
        # Sums stay on the device: reading one makes the CPU wait for a GPU, so only now and then.
        loss_sum = torch.zeros((), device=data.device)
        wrong = torch.zeros((), dtype=torch.int64, device=data.device)
        read_every = 1 if data.device.type == "cpu" else 20
        seen = 0
        for step, batch in enumerate(batches):
            loss, scores, labels = self._step(order[batch])
            loss_sum += loss.detach() * len(labels)
            wrong += (scores.detach().argmax(1) != labels).sum()
            seen += len(labels)
            if step % read_every == 0 or step == len(batches) - 1:
                mean_loss, error = loss_sum.item() / seen, 100 * wrong.item() / seen
                if not math.isfinite(mean_loss):
                    self.history.ending = Ending.DIVERGED
                    return
                figures = f"loss {mean_loss:.3f}, train error {error:.1f} %"
                self._show(len(self.history) + 1, figures, refresh=False)
            self.bar.update()
            self.seconds += time.perf_counter() - started
            yield False
            started = time.perf_counter()
        test = evaluate(self.model, data)
        self._show(len(self.history) + 1, f"{figures}, test error {test.error:.1f} %")
        self.seconds += time.perf_counter() - started
        self.history.epochs.append(
            Epoch(
                epoch=len(self.history) + 1,
                lr=recipe.lr_at(first, self.steps),
                train_loss=mean_loss,
                train_error=error,
                test_loss=test.loss,
                test_error=test.error,
                seconds=self.seconds - seconds_before,
            )
        )
        if self.taken == self.steps:
            self.history.ending = Ending.FINISHED
        yield True

    def _step(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step on some of the training images: loss, scores and labels."""
        data, recipe = self.data, self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr_at(self.taken, self.steps)
        images, labels = data.train.images[chosen], data.train.labels[chosen]
        if recipe.augmented:
            images = augment(images, self.generator, recipe.padding)
        parts = data.normalize(images), labels, self.optimizer, self.arithmetic
        loss, scores = train_step(self.forward, *parts)
        self.taken += 1
        return loss, scores, labels

    def _show(self, epoch: int, figures: str, refresh: bool = True) -> None:
        self.bar.set_postfix_str(f"epoch {epoch}/{self.recipe.epochs}: {figures}", refresh)

    def state(self) -> dict[str, object]:
        """Everything that `restore` needs, as tensors and plain values, after a finished epoch."""
        return {
            "epochs": [asdict(epoch) for epoch in self.history],
            "taken": self.taken,
            "model": self.model.state_dict(),
            "scores": first_scores(self.model, self.data).cpu(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.arithmetic.scaler.state_dict(),
            "order": self.generator.get_state(),
            "layers": random_state(self.data.device),
        }

    def restore(self, file: Checkpoint) -> None:
        """Become, while at work, the training that the file holds, if there is one, and say so."""
        state = file.read()
        if state is None:
            return
        file.load_weights(self.model, self.data, state)
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"] and self.arithmetic.scaler.is_enabled():
            self.arithmetic.scaler.load_state_dict(state["scaler"])
        self.generator.set_state(state["order"])
        set_random_state(self.data.device, state["layers"])
        self.taken = state["taken"]
        self.history.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.history.restored = len(self.history)
        if self.taken == self.steps:
            self.history.ending = Ending.FINISHED
        self.bar.initial = self.taken  # so that the time left is judged by this run's steps alone
        self.bar.update(self.taken)
        self._show(len(self.history), f"read from {file.path.name}")


@torch.enable_grad()
def train_step(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    arithmetic: Arithmetic | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of gradient descent on one batch; returns the loss before it, and the scores.

    It does so wherever gradients are turned off, too.

    Args:
        images: float, N×C×H×W, normalised.
        labels: int64, N.
        arithmetic: None: all in float32.

    Raises:
        TypeError: the model gives something else than scores.
    """
    arithmetic = arithmetic or Arithmetic(images.device, mixed_precision=False)
    with arithmetic.narrow():
        scores = scores_alone(model(images))
        loss = F.cross_entropy(scores, labels)
    optimizer.zero_grad()
    arithmetic.scaler.scale(loss).backward()
    arithmetic.scaler.step(optimizer)
    arithmetic.scaler.update()
    return loss, scores


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
    kind: str | None = None,
    live: bool | Report | None = None,
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
        label: what the training is called; default, kind and depth (`"plain-20"`) where both are
            known, else the name of the model's class.
        kind: what is compared, for example `"plain"` or `"residual"`; default, the model's own
            attribute `kind`, if it has one.
        live: called with the history after every epoch; True for a curve that grows in the
            notebook; default, such a curve where there is a notebook to show it in.
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
        RuntimeWarning says what to try, and so does the printed history; `History.ending` tells
        endings apart.

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
    report = reporter(live)
    loop = TrainingLoop(model, data, recipe, label=label, kind=kind)
    loop.arithmetic = Arithmetic(data.device, mixed_precision)
    loop.bar = progress_bar(loop.history.label, loop.steps, progress)
    if true_or_false("compiled", compiled):
        loop.forward = compiled_forward(model, recipe.batch_size)
    file = Checkpoint(checkpoint, identity(model, data, recipe)) if checkpoint else None
    history = loop.history
    with loop.bar, loop.at_work(), layout(model, channels_last):
        if file:
            loop.restore(file)
            if history.epochs:
                report(history)
        try:
            for epoch_is_over in loop.work:
                if epoch_is_over:
                    if file:
                        file.write(loop.state())
                    report(history)
        except KeyboardInterrupt:
            history.ending = Ending.INTERRUPTED
            loop.bar.set_postfix_str(history.ending_in_words())
    if history.ending is Ending.DIVERGED:
        warnings.warn(history.ending_in_words(), RuntimeWarning, stacklevel=2)
    return history


def _begun(model: nn.Module, recipe: Recipe, label: str | None, kind: str | None) -> History:
    """The history of a training that begins, with what the model tells of itself."""
    kind, depth = kind or getattr(model, "kind", None), getattr(model, "depth", None)
    kind = kind if isinstance(kind, str) else None
    depth = depth if isinstance(depth, int) else None
    named = f"{kind}-{depth}" if kind and depth else type(model).__name__
    return History(label or named, recipe.seed, kind=kind, depth=depth, recipe=recipe)


def _check_types(model: object, data: object, kind: object) -> None:
    """Say what cannot be trained, or trained on.

    Raises:
        TypeError: `model` is no network, `data` no `Dataset`, or `kind` no text.
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
    if not isinstance(kind, str | None):
        raise TypeError(
            f"kind is {kind!r}, but it must be text or None; pass for example kind='plain'."
        )
    if len(data.train) < 2:
        raise ValueError(
            f"{data.name} has 1 training image, but a batch must have at least 2; take more of "
            "them, for example with data.take(train=128)."
        )
