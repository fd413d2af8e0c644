"""Run a named experiment into `results/`: `python -m resnet_lessons.lab.sweep degradation-mini`.

Trainings that are stored already are skipped, and one that was cut goes on from its last epoch. At
the end the experiment's picture and table are made again from what is stored.
"""

import argparse
import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.data import Dataset
from resnet_lessons.lab import report, results
from resnet_lessons.lab.experiments import EXPERIMENTS, Training
from resnet_lessons.training import Ending, History, batch_indices, budget, train

STOPPED = "Stopped; what is finished is stored, and what was cut goes on from its last epoch."


def sweep(name: str, workers: int | None = None) -> None:
    """Train what experiment `name` still lacks and store it.

    Args:
        workers: how many trainings run at once, each in a process of its own. Default: on a GPU
            half of the CPU's cores, since a small network leaves most of a GPU idle; else one.

    Raises:
        ValueError: there is no such experiment.
        SystemExit: it was interrupted.
    """
    experiment = EXPERIMENTS[one_of("name", name, EXPERIMENTS)]
    stored = set()
    if name in results.available():
        stored = {(run.net, run.depth, run.seed) for run in results.read(name)}
    wanted = [training for training in experiment.trainings if training.key not in stored]
    print(f"{name}: {len(stored)} trainings stored, {len(wanted)} to go")
    if not wanted:
        return
    data = images(name)
    workers = default_workers(data.device) if workers is None else whole_number("workers", workers)
    left = Left(wanted, data, workers)
    print(f"about {left}, {workers} at a time, on {data.device}", flush=True)
    trained = _one_by_one if workers == 1 else _at_once
    try:
        for training, history in trained(name, wanted, workers):
            left.remove(training)
            _store(name, training, history, data)
            print(f"{label(training)} is over; about {left} left", flush=True)
    except (KeyboardInterrupt, BrokenExecutor) as error:
        raise SystemExit(f"{STOPPED} Run again to go on.") from error


def default_workers(device: torch.device) -> int:
    """How many trainings run at once, see `sweep`."""
    return max(1, (os.cpu_count() or 1) // 2) if device.type == "cuda" else 1


@functools.lru_cache(maxsize=1)
def images(name: str) -> Dataset:
    """The images of an experiment, loaded once a process."""
    return EXPERIMENTS[name].data()


def label(training: Training) -> str:
    """What a training is called in print: `"plain-20 seed 0"`."""
    return f"{training.net}-{training.depth} seed {training.seed}"


def checkpoint(name: str, training: Training) -> Path:
    """Where a training is kept until it is over."""
    words = "".join(c if c.isalnum() else "-" for c in training.net).strip("-")
    folder = results.FOLDER.parent / "unfinished" / name
    return folder / f"{words}-{training.depth}-seed{training.seed}.pt"


def run(name: str, number: int, progress: bool = False) -> History:
    """Train training `number` of experiment `name`, or go on with it.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    training = EXPERIMENTS[name].trainings[number]
    return finish(training, training.images(images(name)), checkpoint(name, training), progress)[1]


def finish(
    training: Training, data: Dataset, file: Path, progress: bool = False
) -> tuple[nn.Module, History]:
    """The network of `training` and its history: trained, or as `file` keeps them.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    torch.manual_seed(training.seed)
    model = training.build(data.in_channels, data.num_classes)
    history = train(
        model,
        data,
        **training.recipe,
        seed=training.seed,
        label=label(training),
        checkpoint=file,
        progress=progress,
        live=False,
    )
    if history.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    return model, history


def _one_by_one(
    name: str, wanted: list[Training], workers: int
) -> Iterator[tuple[Training, History]]:
    for training in wanted:
        yield training, run(name, EXPERIMENTS[name].trainings.index(training), progress=True)


def _at_once(name: str, wanted: list[Training], workers: int) -> Iterator[tuple[Training, History]]:
    """The same in `workers` processes, in the order in which they end."""
    pool = ProcessPoolExecutor(
        workers,
        # A process that has used a GPU cannot be forked, so each begins afresh.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(results.FOLDER, max(1, (os.cpu_count() or 1) // workers)),
    )
    try:
        numbers = [EXPERIMENTS[name].trainings.index(training) for training in wanted]
        tasks = {
            pool.submit(run, name, number): training
            for number, training in zip(numbers, wanted, strict=True)
        }
        for task in tqdm(as_completed(tasks), total=len(tasks), disable=None):
            yield tasks[task], task.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(folder: Path, threads: int) -> None:
    """What a process does first. Ctrl-C ends it at once: the last epoch is on disk."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(threads)
    results.FOLDER = folder


def _store(name: str, training: Training, history: History, data: Dataset) -> None:
    if history.epochs:
        recipe = {**training.recipe, **training.settings}
        data = training.images(data)
        results.write(name, training.net, training.depth, data, history, recipe)
    else:
        print(f"{history.label} is not stored: {history.ending_in_words()}")
    checkpoint(name, training).unlink(missing_ok=True)


class Left:
    """How long the trainings that are left will take: predicted, and corrected by what they took.

    Args:
        wanted: the trainings that are to come.
        data: their images.
        workers: how many run at once.
    """

    def __init__(self, wanted: list[Training], data: Dataset, workers: int) -> None:
        predicted = {}
        for training in wanted:
            kind = training.net, training.depth
            if kind not in predicted:
                predicted[kind] = _predict(training, data)
        self.seconds = {training.key: predicted[training.key[:2]] for training in wanted}
        self.workers = workers
        self.started = time.perf_counter()
        self.done = 0.0

    def remove(self, training: Training) -> None:
        """One training is over."""
        self.done += self.seconds.pop(training.key)

    def __str__(self) -> str:
        ahead = sum(self.seconds.values())
        if not self.done:
            return budget.in_words(ahead / self.workers)
        return budget.in_words(ahead * (time.perf_counter() - self.started) / self.done)


def _predict(training: Training, data: Dataset) -> float:
    """Seconds that a training will take alone, judged by a few of its steps."""
    size, epochs = training.recipe["batch_size"], training.recipe["epochs"]
    data = training.images(data)
    model = training.build(data.in_channels, data.num_classes)
    epoch = budget.predict(model, data, 1, batch_size=size)
    steps = len(batch_indices(len(data.train), size))
    return epoch * (training.recipe.get("steps") or epochs * steps) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    parser.add_argument("--workers", type=int, help="trainings at once")
    options = parser.parse_args()
    name = options.experiment
    results.measure_elsewhere_when_installed()
    sweep(name, options.workers)
    if name in results.available():
        report.draw(name)
        report.tell(name)
        print(report.table(name))


if __name__ == "__main__":
    main()
