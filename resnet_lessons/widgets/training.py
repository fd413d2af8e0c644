"""Explorer: train a plain and a residual network side by side, with a pause and a stop button."""

import asyncio
import time

import torch
from ipywidgets import Button, HBox, IntProgress
from matplotlib.figure import Figure
from torch import nn

from resnet_lessons import budget
from resnet_lessons._arguments import one_of, real_number, whole_number
from resnet_lessons.data import Dataset
from resnet_lessons.networks import cifar_resnet
from resnet_lessons.plots import curves
from resnet_lessons.training import Ending, History, Recipe, TrainingLoop
from resnet_lessons.widgets.explorer import Explorer, Shown, menu

KINDS = ("plain", "residual")
DEPTHS = (8, 20, 32, 44, 56)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
AT_A_TIME = 0.05  # seconds of training before the kernel looks for what else there is to do


def training(
    data: Dataset,
    depth: int = 20,
    epochs: int = 12,
    lr: float = 0.1,
    *,
    width: int = 8,
    seed: int = 0,
) -> "TrainingExplorer":
    """Train a pair with the same parameters, first weights and batches, in turn, step by step.

    Start, pause, resume and stop by button; the notebook answers while it trains. The recipe is
    that of `train`.

    Args:
        data: images and labels of the training; the test is taken after every epoch.
        depth: layers that the menu begins with, one of 8, 20, 32, 44, 56.
        epochs: of the whole training.
        lr: learning rate that the menu begins with, one of 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.
        width: channels of the first stage.
        seed: of the first weights and of the order of the images.

    Raises:
        TypeError, ValueError: an argument is out of its range.
    """
    one_of("depth", str(depth), [str(choice) for choice in DEPTHS])
    one_of("lr", f"{real_number('lr', lr):g}", [f"{choice:g}" for choice in RATES])
    for name, number in (("epochs", epochs), ("width", width)):
        whole_number(name, number)
    whole_number("seed", seed, minimum=0)
    if not isinstance(data, Dataset):
        raise TypeError(
            f"data is a {type(data).__name__}, but it must be a Dataset with images and labels; "
            "pass for example load()."
        )
    return TrainingExplorer(data, depth, epochs, float(lr), width, seed)


class TrainingExplorer(Explorer):
    """Two trainings that take steps in turn while the kernel has nothing else to do.

    A step is taken on the kernel's main thread, between two messages: what you run meanwhile waits
    for a step at most, and sees networks that are at rest.

    Attributes:
        histories: what each of the two trainings measured; empty before the first start.
        nets: the two networks, by name.
    """

    def __init__(
        self, data: Dataset, depth: int, epochs: int, lr: float, width: int, seed: int
    ) -> None:
        self._data, self._epochs, self._width, self._seed = data, epochs, width, seed
        self._pair: tuple[TrainingLoop, ...] = ()
        self._running, self._failure = False, ""
        self._go = Button(description="Start", button_style="primary")
        self._end = Button(description="Stop", disabled=True)
        self._bar = IntProgress(value=0, min=0, max=1, description="not begun")
        self._bar.style.description_width = "9em"
        self._go.on_click(lambda _: self._heard(self._toggle))
        self._end.on_click(lambda _: self._heard(self.stop))
        try:
            # A button may be heard on another thread, where JupyterLab lets widgets answer while a
            # cell runs. What it asks for is done on this one.
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        controls = {"depth": menu("depth", depth, DEPTHS), "lr": menu("learning rate", lr, RATES)}
        super().__init__(controls, self._answer, (HBox([self._go, self._end]), self._bar))

    @property
    def histories(self) -> list[History]:
        return [one.history for one in self._pair]

    @property
    def nets(self) -> dict[str, nn.Module]:
        return {one.history.label: one.model for one in self._pair}

    # --- what the buttons do, and code may ---

    def start(self) -> None:
        """Begin a training with the chosen settings; the curves of the one before are left.

        Raises:
            RuntimeError: nothing runs in the background here, as in a script; `advance` will do.
        """
        if self._loop is None:
            raise RuntimeError(
                "start() is for a notebook, where the kernel trains between two cells, and here is "
                f"none; call advance({self._epochs}) to train at once."
            )
        self.stop()
        self._begin()
        self.resume()

    def pause(self) -> None:
        """Rest after the present step; the networks stay as they are."""
        self._running = False
        self._refresh()

    def resume(self) -> None:
        """Go on after a pause."""
        if not self._running and self._under_way():
            self._running = True
            self._task = self._loop.create_task(self._train())
            self._refresh()

    def stop(self) -> None:
        """End the training; its finished epochs and its curves stay."""
        self._running = False
        for one in self._pair:
            one.stop()
        self._refresh()

    def advance(self, epochs: int = 1) -> "TrainingExplorer":
        """Train so many epochs at once, and pause; begins a training if none is under way.

        Returns:
            This explorer, so that a cell can end with the call.
        """
        whole_number("epochs", epochs)
        if not self._under_way():
            self._begin()
        goal = max(map(len, self.histories)) + epochs
        while any(not one.over and len(one.history) < goal for one in self._pair):
            self._step()
        self.pause()
        return self

    # --- how it trains ---

    def _under_way(self) -> bool:
        return any(not one.over for one in self._pair)

    def _begin(self) -> None:
        depth, lr = self.controls["depth"].value, self.controls["lr"].value
        data, pair = self._data, []
        for kind in KINDS:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._seed)
                net = cifar_resnet(
                    depth,
                    residual=kind == "residual",
                    width=self._width,
                    num_classes=data.num_classes,
                    in_channels=data.train.images.shape[1],
                )
            recipe = Recipe(epochs=self._epochs, lr=lr, seed=self._seed)
            pair.append(TrainingLoop(net, data, recipe, kind=kind))
        self._pair, self._failure = tuple(pair), ""

    def _step(self) -> bool:
        """One step of each that is under way; say whether these have finished an epoch with it."""
        return all([one.advance() for one in self._pair if not one.over])

    def _slice(self) -> bool:
        """Steps for a moment, but no further than an epoch's end; say whether it is reached."""
        until = time.perf_counter() + AT_A_TIME
        while True:
            finished = self._step()
            if finished or not self._under_way() or time.perf_counter() >= until:
                return finished

    async def _train(self) -> None:
        """Train until there is nothing left, or somebody says otherwise."""
        try:
            while self._running and self._under_way():
                finished = self._slice()
                if finished or not self._under_way():
                    self._refresh()
                self._show_progress()
                await asyncio.sleep(0.002)  # long enough for a message to come through
        except (Exception, KeyboardInterrupt) as error:
            # Nobody waits for this task, so nobody else would say what became of it.
            if isinstance(error, Exception):
                self._failure = f"{type(error).__name__}: {error}".splitlines()[0]
            self.stop()
        self._running = self._running and self._under_way()
        self._refresh()

    # --- what it shows ---

    def _heard(self, action) -> None:
        if self._loop is None:
            action()
        else:
            self._loop.call_soon_threadsafe(action)

    def _toggle(self) -> None:
        if self._running:
            self.pause()
        elif self._under_way():
            self.resume()
        else:
            self.start()

    def _refresh(self) -> None:
        under_way = self._under_way()
        self._go.description = "Pause" if self._running else "Resume" if under_way else "Start"
        self._end.disabled = not under_way
        for control in self.controls.values():
            control.disabled = under_way  # they are of the next training
        self._show_progress()
        self._follow()

    def _show_progress(self) -> None:
        taken = sum(one.taken for one in self._pair)
        self._bar.max = max(1, sum(one.steps for one in self._pair))
        self._bar.value = taken
        if self._running and taken:
            seconds = sum(one.seconds for one in self._pair) * (self._bar.max / taken - 1)
            self._bar.description = f"{budget.in_words(seconds)} left"
        elif self._pair:
            self._bar.description = f"{100 * taken // self._bar.max} % done"

    def _answer(self, depth: int, lr: float) -> Shown:
        lines, ill = [self._state(depth, lr)], [f"Failed: {self._failure}"] if self._failure else []
        for history in self.histories:
            if history.epochs:
                last = history[-1]
                lines.append(
                    f"{history.label} after epoch {last.epoch}: training error "
                    f"{last.train_error:.1f} %, test error {last.test_error:.1f} %."
                )
            if history.ending is Ending.DIVERGED:
                ill.append(history.ending_in_words())
        return Shown((*lines, *ill), self._picture(), fault=bool(ill))

    def _state(self, depth: int, lr: float) -> str:
        if not self._under_way():
            ended = ""
            if self._pair:
                finished = max(map(len, self.histories))
                ended = f"Ended after {finished} of {self._epochs} epochs. "
            return (
                f"{ended}Start trains plain-{depth} and residual-{depth} for {self._epochs} epochs "
                f"at a learning rate of {lr:g}."
            )
        at = 1 + min(len(one.history) for one in self._pair if not one.over)
        how = "Training" if self._running else "Paused"
        rate = self._pair[0].recipe.lr
        return f"{how} in epoch {at} of {self._epochs}, learning rate {rate:g}."

    def _picture(self) -> Figure | None:
        """Both errors of both networks, on axes that leave room for the epochs to come."""
        if not any(self.histories):
            return None
        drawing = curves(self.histories, ("train_error", "test_error"))
        for panel in drawing.axes:
            panel.set_xlim(0.8, self._epochs + 0.2)
        return drawing
