"""How much time a notebook may spend, and how much a training will take before it starts.

Three budgets: `quick` (seconds a training; for a first look and for automatic tests), `cpu`
(minutes, for a laptop) and `gpu` (the full experiment). The budget is `gpu` where torch sees a
CUDA device, else `cpu`; the environment variable RESNET_LESSONS_BUDGET overrides it.
"""

import copy
import os
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.data import Dataset
from resnet_lessons.training.acceleration import Arithmetic, layout
from resnet_lessons.training.evaluation import evaluate
from resnet_lessons.training.loop import train_step
from resnet_lessons.training.random_state import own_random_state
from resnet_lessons.training.recipe import batch_indices

VARIABLE = "RESNET_LESSONS_BUDGET"
NAMES = ("quick", "cpu", "gpu")
Value = TypeVar("Value")


def name() -> str:
    """The budget in force: `"quick"`, `"cpu"` or `"gpu"`.

    Raises:
        ValueError: RESNET_LESSONS_BUDGET is set to something else.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return one_of(VARIABLE, chosen, NAMES)
    return "gpu" if torch.cuda.is_available() else "cpu"


def choose(*, quick: Value, cpu: Value, gpu: Value) -> Value:
    """The one of three values that belongs to the budget in force."""
    return {"quick": quick, "cpu": cpu, "gpu": gpu}[name()]


def predict(
    model: nn.Module, data: Dataset, epochs: int, *, batch_size: int = 128, steps: int = 3
) -> float:
    """Seconds that `train(model, data, epochs)` will take on this machine, by timing a few steps.

    A copy of the model takes `steps` steps, after one to warm up, and tests one batch; the model
    itself, its gradients and the random state stay as they are.

    Args:
        steps: how many to time; their median counts.

    Raises:
        TypeError, ValueError: an argument is no positive whole number.
    """
    whole_number("epochs", epochs)
    whole_number("batch_size", batch_size, minimum=2)
    whole_number("steps", steps)
    trial = copy.deepcopy(model).to(data.device).train()
    optimizer = torch.optim.SGD(trial.parameters(), lr=0.0, momentum=0.9, weight_decay=1e-4)
    some = data.take(train=min(len(data.train), batch_size), test=min(len(data.test), 500))
    images, labels = data.normalize(some.train.images), some.train.labels

    parts = trial, images, labels, optimizer, Arithmetic(data.device)
    with own_random_state(data.device), layout(trial):
        train_step(*parts)
        step = sorted(_seconds(lambda: train_step(*parts)[0].item()) for _ in range(steps))[
            steps // 2
        ]
        test = _seconds(lambda: evaluate(trial, some)) * len(data.test) / len(some.test)
    return epochs * (step * len(batch_indices(len(data.train), batch_size)) + test)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_words(seconds: float) -> str:
    """A duration as a person says it: `"40 seconds"`, `"3 minutes"`, `"2.5 hours"`."""
    if seconds < 1.5:
        return "1 second"
    if seconds < 90:
        return f"{round(seconds)} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
