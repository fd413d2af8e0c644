"""Run a named experiment: `python -m resnet_lessons.lab degradation-mini`.

Trainings that are stored already are skipped, and one that was cut goes on from its last epoch.
"""

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
from resnet_lessons.lab.experiments import EXPERIMENTS, PlannedRun
from resnet_lessons.lab.results import COURSE, RunStore
from resnet_lessons.training import Ending, History, batch_indices, budget, train

STOPPED = "Stopped; what is finished is stored, and what was cut goes on from its last epoch."


def sweep(name: str, workers: int | None = None, store: RunStore = COURSE) -> None:
    """Train what experiment `name` still lacks and store it.

    Args:
        workers: how many trainings run at once, each in a process of its own. Default: on a GPU
            half of the CPU's cores, since a small network leaves most of a GPU idle; else one.
        store: where the runs are kept.

    Raises:
        ValueError: there is no such experiment.
        SystemExit: it was interrupted.
    """
    experiment = EXPERIMENTS[one_of("name", name, EXPERIMENTS)]
    stored = {run.key for run in store.read(name)} if name in store.available() else set()
    wanted = [run for run in experiment.runs if run.key not in stored]
    print(f"{name}: {len(stored)} trainings stored, {len(wanted)} to go")
    if not wanted:
        return
    data = images(name)
    workers = default_workers(data.device) if workers is None else whole_number("workers", workers)
    remaining = RemainingTime(wanted, data, workers)
    print(f"about {remaining}, {workers} at a time, on {data.device}", flush=True)
    trained = _one_by_one if workers == 1 else _at_once
    try:
        for run, history in trained(name, wanted, workers, store):
            remaining.remove(run)
            _store(name, run, history, data, store)
            print(f"{in_print(run)} is over; about {remaining} left", flush=True)
    except (KeyboardInterrupt, BrokenExecutor) as error:
        raise SystemExit(f"{STOPPED} Run again to go on.") from error


def default_workers(device: torch.device) -> int:
    """How many trainings run at once, see `sweep`."""
    return max(1, (os.cpu_count() or 1) // 2) if device.type == "cuda" else 1


@functools.lru_cache(maxsize=1)
def images(name: str) -> Dataset:
    """The images of an experiment, loaded once a process."""
    return EXPERIMENTS[name].data()


def in_print(run: PlannedRun) -> str:
    """What a training is called in print: `"plain-20 seed 0"`."""
    return f"{run.label} seed {run.seed}"


def checkpoint(store: RunStore, name: str, run: PlannedRun) -> Path:
    """Where a training is kept until it is over."""
    words = "".join(c if c.isalnum() else "-" for c in run.label).strip("-")
    return store.folder.parent / "unfinished" / name / f"{words}-seed{run.seed}.pt"


def finish(
    run: PlannedRun, data: Dataset, file: Path, progress: bool = False
) -> tuple[nn.Module, History]:
    """The network of a planned run and its history: trained, or as `file` keeps them.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    torch.manual_seed(run.seed)
    model = run.build(data.in_channels, data.num_classes)
    history = train(
        model,
        data,
        **run.recipe,
        seed=run.seed,
        label=in_print(run),
        checkpoint=file,
        progress=progress,
        live=False,
    )
    if history.ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    return model, history


def _finish_planned(name: str, number: int, store: RunStore, progress: bool = False) -> History:
    """Train run `number` of experiment `name`, or go on with it."""
    run = EXPERIMENTS[name].runs[number]
    return finish(run, run.images(images(name)), checkpoint(store, name, run), progress)[1]


def _one_by_one(
    name: str, wanted: list[PlannedRun], workers: int, store: RunStore
) -> Iterator[tuple[PlannedRun, History]]:
    for run in wanted:
        number = EXPERIMENTS[name].runs.index(run)
        yield run, _finish_planned(name, number, store, progress=True)


def _at_once(
    name: str, wanted: list[PlannedRun], workers: int, store: RunStore
) -> Iterator[tuple[PlannedRun, History]]:
    """The same in `workers` processes, in the order in which they end."""
    pool = ProcessPoolExecutor(
        workers,
        # A process that has used a GPU cannot be forked, so each begins afresh.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(max(1, (os.cpu_count() or 1) // workers),),
    )
    try:
        numbers = {EXPERIMENTS[name].runs.index(run): run for run in wanted}
        tasks = {
            pool.submit(_finish_planned, name, number, store): run
            for number, run in numbers.items()
        }
        for task in tqdm(as_completed(tasks), total=len(tasks), disable=None):
            yield tasks[task], task.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(threads: int) -> None:
    """What a process does first. Ctrl-C ends it at once: the last epoch is on disk."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(threads)


def _store(name: str, run: PlannedRun, history: History, data: Dataset, store: RunStore) -> None:
    if history.epochs:
        store.write(name, run, run.images(data), history, run.stored_recipe)
    else:
        print(f"{in_print(run)} is not stored: it {history.ending} in its first epoch")
    checkpoint(store, name, run).unlink(missing_ok=True)


class RemainingTime:
    """How long the trainings that are left will take: predicted, and corrected by what they took.

    Args:
        wanted: the trainings that are to come.
        data: their images.
        workers: how many run at once.
    """

    def __init__(self, wanted: list[PlannedRun], data: Dataset, workers: int) -> None:
        predicted: dict[tuple, float] = {}  # seeds take equally long
        self.seconds: dict[tuple, float] = {}
        for run in wanted:
            what = run.label, run.depth
            if what not in predicted:
                predicted[what] = _predict(run, data)
            self.seconds[run.key] = predicted[what]
        self.workers = workers
        self.started = time.perf_counter()
        self.done = 0.0

    def remove(self, run: PlannedRun) -> None:
        """One training is over."""
        self.done += self.seconds.pop(run.key)

    def __str__(self) -> str:
        ahead = sum(self.seconds.values())
        if not self.done:
            return budget.in_words(ahead / self.workers)
        return budget.in_words(ahead * (time.perf_counter() - self.started) / self.done)


def _predict(run: PlannedRun, data: Dataset) -> float:
    """Seconds that a training will take alone, judged by a few of its steps."""
    size, epochs = run.recipe["batch_size"], run.recipe["epochs"]
    data = run.images(data)
    model = run.build(data.in_channels, data.num_classes)
    epoch = budget.predict(model, data, 1, batch_size=size)
    steps = len(batch_indices(len(data.train), size))
    return epoch * (run.recipe.get("steps") or epochs * steps) / steps
