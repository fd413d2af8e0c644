"""What a training measured, epoch by epoch."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from resnet_lessons._arguments import one_of


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


class Ending(StrEnum):
    """How a training ended."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"


@dataclass
class History:
    """The epochs of one training, in order: iterate it, index it, or read a column.

    Attributes:
        label: what the training is called in plots.
        seed: the seed of its batches and augmentation.
        epochs: one `Epoch` for each finished epoch.
        stopped: why the training ended before its last epoch, else None.
        restored: how many of the epochs were read from a checkpoint.
        kind: of the network, `"plain"` or `"residual"` say; pictures take their colours from it.
        depth: layers with weights.
        x: the number that is varied, of images or multiply-adds; for pictures against it.
        ending: how it ended; None while it has not.
    """

    label: str
    seed: int
    epochs: list[Epoch] = field(default_factory=list)
    stopped: str | None = None
    restored: int = 0
    kind: str | None = None
    depth: int | None = None
    x: float | None = None
    ending: Ending | None = None

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
