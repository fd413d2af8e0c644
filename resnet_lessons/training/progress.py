"""How a training is watched: a bar of its steps, and a curve that grows with every epoch."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from resnet_lessons.training.history import History

Report = Callable[[History], object]

# Makes the curve that `train` shows where its `live` asks for one. Training draws nothing itself:
# whoever can draw puts a maker here, as `resnet_lessons.plots` does when it is imported.
show_live: Callable[[], Report] | None = None


def reporter(live: bool | Report | None) -> Report:
    """What is called with the history after every epoch; see `train`.

    Raises:
        RuntimeError: a curve is asked for, and nobody is there to draw it.
    """
    if callable(live):
        return live
    if live is None:
        live = in_notebook() and show_live is not None
    if live and show_live is None:
        raise RuntimeError(
            f"live is {live!r}, but nothing that draws is loaded; import resnet_lessons.plots, or "
            "pass a function of the history."
        )
    return show_live() if live else lambda history: None


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
