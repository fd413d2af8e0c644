"""The training loop: one epoch of steps, and everything that decides what comes next."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from resnet_lessons.data import Dataset, augment
from resnet_lessons.training.acceleration import Arithmetic
from resnet_lessons.training.checkpoint import Checkpoint
from resnet_lessons.training.evaluation import evaluate
from resnet_lessons.training.history import Epoch, History
from resnet_lessons.training.recipe import Recipe


class Diverged(Exception):
    """The loss is no longer a finite number."""


class Training:
    """A training under way: what decides all that comes next, and so belongs in a checkpoint."""

    def __init__(
        self,
        model: nn.Module,
        forward: Callable[[Tensor], Tensor],
        data: Dataset,
        recipe: Recipe,
        history: History,
        arithmetic: Arithmetic,
        bar: tqdm,
    ) -> None:
        self.model, self.forward, self.data, self.recipe = model, forward, data, recipe
        self.history, self.arithmetic, self.bar = history, arithmetic, bar
        self.step = 0
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        self.generator = torch.Generator().manual_seed(recipe.seed)

    def epoch(self) -> None:
        """Take one step a batch, in a new order, then test."""
        for _ in self.steps_of_an_epoch():
            pass

    def steps_of_an_epoch(self) -> Iterator[None]:
        """The same, with a rest after every step and before the test; `Epoch.seconds` has none."""
        worked, started = 0.0, time.perf_counter()
        data, recipe, number = self.data, self.recipe, len(self.history) + 1
        order = torch.randperm(len(data.train), generator=self.generator).to(data.device)
        first, total = self.step, recipe.total_steps(len(order))
        batches = recipe.batches(len(order))[: total - first]
        # Sums stay on the device: reading one makes the CPU wait for a GPU, so only now and then.
        loss_sum = torch.zeros((), device=data.device)
        wrong = torch.zeros((), dtype=torch.int64, device=data.device)
        read_every = 1 if data.device.type == "cpu" else 20
        seen = 0
        for step, batch in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.lr_at(first + step, total)
            images, labels = data.train.images[order[batch]], data.train.labels[order[batch]]
            if recipe.augmented:
                images = augment(images, self.generator, recipe.padding)
            loss, scores = train_step(
                self.forward, data.normalize(images), labels, self.optimizer, self.arithmetic
            )
            loss_sum += loss.detach() * len(labels)
            wrong += (scores.detach().argmax(1) != labels).sum()
            seen += len(labels)
            if step % read_every == 0 or step == len(batches) - 1:
                mean_loss, error = loss_sum.item() / seen, 100 * wrong.item() / seen
                if not math.isfinite(mean_loss):
                    raise Diverged
                figures = f"loss {mean_loss:.3f}, train error {error:.1f} %"
                self._show(number, figures, refresh=False)
            self.bar.update()
            worked += time.perf_counter() - started
            yield
            started = time.perf_counter()
        test = evaluate(self.model, data)
        self._show(number, f"{figures}, test error {test.error:.1f} %")
        self.step = first + len(batches)
        self.history.epochs.append(
            Epoch(
                epoch=number,
                lr=recipe.lr_at(first, total),
                train_loss=mean_loss,
                train_error=error,
                test_loss=test.loss,
                test_error=test.error,
                seconds=worked + time.perf_counter() - started,
            )
        )

    def _show(self, number: int, figures: str, refresh: bool = True) -> None:
        self.bar.set_postfix_str(f"epoch {number}/{self.recipe.epochs}: {figures}", refresh)

    def state(self) -> dict[str, object]:
        """Everything that `restore` needs, as tensors and plain values."""
        device = self.data.device
        return {
            "epochs": [asdict(epoch) for epoch in self.history],
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.arithmetic.scaler.state_dict(),
            "order": self.generator.get_state(),
            "layers": torch.get_rng_state(),
            "layers on gpu": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def restore(self, file: Checkpoint) -> None:
        """Become the training that the file holds, if there is one, and say so."""
        state = file.read()
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"] and self.arithmetic.scaler.is_enabled():
            self.arithmetic.scaler.load_state_dict(state["scaler"])
        self.generator.set_state(state["order"])
        torch.set_rng_state(state["layers"])
        if state["layers on gpu"] is not None and self.data.device.type == "cuda":
            torch.cuda.set_rng_state(state["layers on gpu"], self.data.device)
        self.step = state["step"]
        self.history.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.history.restored = len(self.history)
        self.bar.initial = self.step  # so that the time left is judged by this run's steps alone
        self.bar.update(self.step)
        self._show(len(self.history), f"read from {file.path.name}")


def train_step(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    arithmetic: Arithmetic | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of gradient descent on one batch; returns the loss before it, and the scores.

    Args:
        images: float, N×C×H×W, normalised.
        labels: int64, N.
        arithmetic: None: all in float32.
    """
    arithmetic = arithmetic or Arithmetic(images.device, mixed_precision=False)
    with arithmetic.narrow():
        scores = model(images)
        loss = F.cross_entropy(scores, labels)
    optimizer.zero_grad()
    arithmetic.scaler.scale(loss).backward()
    arithmetic.scaler.step(optimizer)
    arithmetic.scaler.update()
    return loss, scores
