"""A training that is taken a step at a time, so that something else can happen in between."""

import time

import torch
from torch import Tensor, nn

from resnet_lessons.data import Dataset
from resnet_lessons.training.acceleration import Arithmetic
from resnet_lessons.training.evaluation import in_mode
from resnet_lessons.training.history import History
from resnet_lessons.training.loop import Diverged, Training
from resnet_lessons.training.recipe import Recipe
from resnet_lessons.training.train import (
    check_scores,
    check_types,
    diverged,
    interrupted,
    own_random_state,
    progress_bar,
    seed_layers,
)


class SteppedTraining:
    """What `train` does with its usual recipe, but no further than it is told.

    Between two steps the model is in the mode that it was in before, and the caller's random state
    is as if nothing had been drawn. On the CPU the history is that of
    `train(..., channels_last=False)` to the last digit, however often it rests.

    Args:
        model, data, epochs, lr, seed, label: as for `train`.

    Attributes:
        history: one `Epoch` for each finished epoch; its seconds leave the rests out.
        steps: how many the whole training takes.
        taken: how many were taken.
        seconds: how long all that was done so far took.

    Raises:
        TypeError, ValueError: an argument is out of its range, or the model's scores do not fit
            the labels.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Dataset,
        epochs: int,
        *,
        lr: float = 0.1,
        seed: int = 0,
        label: str | None = None,
    ) -> None:
        self.recipe = Recipe(epochs=epochs, lr=lr, seed=seed)
        check_types(model, data)
        self.steps = self.recipe.total_steps(len(data.train))
        self.taken, self.seconds = 0, 0.0
        model.to(data.device)
        check_scores(model, data)
        self.model, self.device = model, data.device
        self.history = History(label or type(model).__name__, seed)
        with own_random_state(self.device):
            seed_layers(self.device, seed)
            self._random = self._random_state()
        arithmetic, bar = Arithmetic(self.device), progress_bar("", self.steps, shown=False)
        self._training = Training(model, model, data, self.recipe, self.history, arithmetic, bar)
        self._epoch = self._training.steps_of_an_epoch()

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: all epochs are finished, or it was stopped."""
        return self._training.step >= self.steps or self.history.stopped is not None

    def advance(self) -> bool:
        """Take one step, or, where an epoch's steps are all taken, test.

        A loss that is no longer finite, or Ctrl-C, ends the training; `history.stopped` says so.

        Returns:
            Whether an epoch is finished by it.
        """
        if self.over:
            return False
        started, before = time.perf_counter(), len(self.history)
        with own_random_state(self.device), in_mode(self.model, training=True):
            self._set_random_state()
            try:
                self._step_or_test()
            except Diverged:
                self.history.stopped = diverged(self.history, self.recipe)
            except KeyboardInterrupt:
                self.stop()
            self._random = self._random_state()
        self.seconds += time.perf_counter() - started
        return len(self.history) > before

    def stop(self) -> None:
        """End it here; the finished epochs stay in `history`."""
        if not self.over:
            self.history.stopped = interrupted(self.history, self.recipe)

    def _step_or_test(self) -> None:
        try:
            next(self._epoch)
            self.taken += 1
        except StopIteration:
            self._epoch = self._training.steps_of_an_epoch()

    def _random_state(self) -> tuple[Tensor, ...]:
        """What layers draw from, on the CPU and on the GPU that it trains on."""
        on_gpu = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return torch.get_rng_state(), *on_gpu

    def _set_random_state(self) -> None:
        torch.set_rng_state(self._random[0])
        for state in self._random[1:]:
            torch.cuda.set_rng_state(state, self.device)
