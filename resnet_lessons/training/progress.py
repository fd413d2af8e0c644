"""How a training is watched: a bar of its steps, and a curve that grows with every epoch."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from resnet_lessons.training.history import History

Report = Callable[[History], object]


def nothing(history: History) -> None:
    """Show nothing."""


def show_live() -> Report:
    """Make the curve that `train` shows where its `live` asks for one.

    Training draws nothing itself: the package, which knows the pictures, puts their maker here.
    """
    return nothing


def reporter(live: bool | Report | None) -> Report:
    """What is called with the history after every epoch; see `train`."""
    if callable(live):
        return live
    return show_live() if live or (live is None and in_notebook()) else nothing


def in_notebook() -> bool:
    """Whether this runs in a Jupyter or Colab kernel, which can show pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


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
