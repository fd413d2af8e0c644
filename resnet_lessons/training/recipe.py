"""How a network is trained, as numbers: the recipe of He et al. 2015 (arXiv:1512.03385, §4.2).

SGD with momentum 0.9, weight decay 1e-4, batches of 128, learning rate 0.1. By default the learning
rate falls along a half cosine (Loshchilov and Hutter 2017, arXiv:1608.03983) instead of in the
paper's two steps, because short trainings end better that way; `schedule="steps"` is the paper's.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from resnet_lessons._arguments import one_of, real_number, true_or_false, whole_number

# The learning rate as a fraction of its start, where t runs from 0 to 1 over the training.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
    "steps": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,
    "constant": lambda t: 1.0,
}


def batch_indices(images: int, batch_size: int) -> list[slice]:
    """Cut `images` images into batches; the last may be smaller, but is never a single image."""
    starts = range(0, images, batch_size)
    return [slice(start, start + batch_size) for start in starts if images - start > 1]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; `train` says what each means.

    Raises:
        TypeError, ValueError: a value is out of its range.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    steps: int | None = None
    warmup: int = 0
    augmented: bool = False
    padding: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        # As plain Python numbers, whatever kind was given: a checkpoint holds these and no others.
        checked = {
            "epochs": whole_number("epochs", self.epochs),
            "batch_size": whole_number("batch_size", self.batch_size, minimum=2),
            "lr": real_number("lr", self.lr, above=True),
            "momentum": real_number("momentum", self.momentum),
            "weight_decay": real_number("weight_decay", self.weight_decay),
            "schedule": str(one_of("schedule", self.schedule, SCHEDULES)),
            "steps": None if self.steps is None else whole_number("steps", self.steps),
            "warmup": whole_number("warmup", self.warmup, minimum=0),
            "augmented": true_or_false("augmented", self.augmented),
            "padding": whole_number("padding", self.padding, minimum=0),
            "seed": whole_number("seed", self.seed, minimum=0),
        }
        if checked["seed"] >= 2**64:
            raise ValueError(
                f"seed is {self.seed}, but a generator takes 64 bits; pass one below 2**64."
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def batches(self, images: int) -> list[slice]:
        """The batches of one epoch, see `batch_indices`."""
        return batch_indices(images, self.batch_size)

    def total_steps(self, images: int) -> int:
        """How many steps the whole training takes on `images` images.

        Raises:
            ValueError: `steps` asks for more than the epochs hold.
        """
        steps = self.epochs * len(self.batches(images))
        if self.steps is not None and self.steps > steps:
            raise ValueError(
                f"steps is {self.steps}, but {self.epochs} epochs of {images} images in batches of "
                f"{self.batch_size} hold only {steps}; raise epochs, or pass steps=None."
            )
        return self.steps or steps

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate of one step of `steps`, the first being 0."""
        if step < self.warmup:
            return self.lr / 10
        return self.lr * SCHEDULES[self.schedule](step / steps)
