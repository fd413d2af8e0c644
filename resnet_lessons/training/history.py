"""What a training measured, epoch by epoch, and why it ended."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from resnet_lessons._arguments import one_of
from resnet_lessons.training.recipe import Recipe


class Ending(enum.StrEnum):
    """Why a training ended: its epochs are over, somebody stopped it, or its loss exploded."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


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
        ending: why it ended; None while it runs.
        restored: how many of the epochs were read from a checkpoint.
        kind: what is compared, for example `"plain"` or `"residual"`, where it is known;
            pictures take their colours from it.
        depth: layers with weights, where it is known.
        recipe: how the network is trained, where it is known.
        x: the number that is varied, of images or multiply-adds; for pictures against it.
    """

    label: str
    seed: int
    epochs: list[Epoch] = field(default_factory=list)
    ending: Ending | None = None
    restored: int = 0
    kind: str | None = None
    depth: int | None = None
    recipe: Recipe | None = None
    x: float | None = None

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

    def ending_in_words(self) -> str:
        """Why it ended before its time, and what to try; empty where it did not.

        The words are for people. What is to be decided by them is decided by `ending`.
        """
        at, of, rate = len(self) + 1, "", ""
        if self.recipe:
            at, lr = min(at, self.recipe.epochs), self.recipe.lr
            of, rate = f" of {self.recipe.epochs}", f" (it is {lr:g}; {lr / 10:g}, say)"
        if self.ending is Ending.INTERRUPTED:
            return f"Interrupted in epoch {at}{of}; the {len(self)} finished epochs are kept."
        if self.ending is Ending.DIVERGED:
            return (
                f"The loss of {self.label} is no longer finite in epoch {at}{of}; try a smaller "
                f"learning rate{rate}, and look for infinite values in the weights."
            )
        return ""

    def __str__(self) -> str:
        lines = [f"{self.label} (seed {self.seed})"]
        lines.append("epoch      lr  train loss  train error %  test loss  test error %  seconds")
        lines += [
            f"{e.epoch:5d}  {e.lr:6.4f}  {e.train_loss:10.3f}  {e.train_error:13.2f}"
            f"  {e.test_loss:9.3f}  {e.test_error:12.2f}  {e.seconds:7.1f}"
            for e in self.epochs
        ]
        return "\n".join(filter(None, [*lines, self.ending_in_words()]))
