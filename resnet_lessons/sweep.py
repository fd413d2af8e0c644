"""Run a named experiment into `results/`: `python -m resnet_lessons.sweep degradation-mini`.

An experiment is a list of trainings that differ in network, depth and seed alone. Trainings that
are stored already are skipped, so an interrupted sweep goes on where it was. At the end the
experiment's picture and table are made again from what is stored.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch

from resnet_lessons import results
from resnet_lessons.cifar import cifar_resnet
from resnet_lessons.data import Dataset, load
from resnet_lessons.training import train


@dataclass(frozen=True)
class Experiment:
    """Which networks are trained, on what, and how.

    Attributes:
        depths: layers of the networks; each is trained plain and residual.
        seeds: each draws its own weights and order of images.
        width: channels of the first stage.
        data: loads the images.
        recipe: keyword arguments of `train`.
    """

    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    width: int
    data: Callable[[], Dataset]
    recipe: dict


EXPERIMENTS = {
    "degradation-mini": Experiment(
        depths=(8, 20, 32, 44, 56),
        seeds=(0, 1, 2),
        width=8,
        data=lambda: load("fashion-mnist-mini").pooled(2),
        recipe={"epochs": 12, "batch_size": 128, "lr": 0.1, "weight_decay": 1e-4},
    ),
}


def sweep(name: str) -> None:
    """Train what experiment `name` still lacks and store it, one training at a time."""
    experiment = EXPERIMENTS[name]
    stored = set()
    if name in results.available():
        stored = {(run.net, run.depth, run.seed) for run in results.read(name)}
    wanted = [
        (net, depth, seed)
        for seed in experiment.seeds
        for depth in experiment.depths
        for net in ("plain", "residual")
        if (net, depth, seed) not in stored
    ]
    print(f"{name}: {len(stored)} trainings stored, {len(wanted)} to go")
    data = experiment.data()
    for net, depth, seed in wanted:
        torch.manual_seed(seed)
        model = cifar_resnet(
            depth,
            residual=net == "residual",
            width=experiment.width,
            in_channels=data.in_channels,
            num_classes=data.num_classes,
        )
        history = train(
            model, data, **experiment.recipe, seed=seed, label=f"{net}-{depth} seed {seed}"
        )
        if history.stopped and history.stopped.startswith("Interrupted"):
            raise SystemExit("Stopped; what is finished is stored. Run again to go on.")
        if not history.epochs:
            print(f"{history.label} is not stored: {history.stopped}")
            continue
        recipe = {**experiment.recipe, "width": experiment.width}
        results.write(name, net, depth, data, history, recipe)


def table(name: str) -> str:
    """The stored errors of an experiment as a Markdown table: mean, smallest and largest."""
    runs = results.read(name)
    lines = ["| net | trainings | training error % | test error % |", "| --- | --- | --- | --- |"]
    for net, depth in sorted({(run.net, run.depth) for run in runs}):
        last = [run.epochs[-1] for run in runs if (run.net, run.depth) == (net, depth)]
        cells = []
        for figure in ("train_error", "test_error"):
            errors = [getattr(epoch, figure) for epoch in last]
            mean = sum(errors) / len(errors)
            cells.append(f"{mean:.1f} ({min(errors):.1f} to {max(errors):.1f})")
        lines.append(f"| {net}-{depth} | {len(last)} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def draw(name: str) -> None:
    """Draw the experiment's errors against depth into `results/`."""
    from resnet_lessons import plots  # here, since training needs no matplotlib

    title = "Networks of equal parameters: a dot is a training, a band spans the seeds"
    picture = plots.error_against_depth(results.read(name), title=title)
    picture.savefig(results.FOLDER / f"{name}.png", dpi=110)


def tell(name: str) -> None:
    """Put the experiment's table into `results/README.md`, in place of the one that is there."""
    readme = results.FOLDER / "README.md"
    mark, end = f"<!-- table of {name} -->", "<!-- end of table -->"
    before, begun, rest = readme.read_text(encoding="utf-8").partition(mark)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(
            f"{readme.name} in results lacks the line {mark!r} or, below it, {end!r}, but the "
            "table belongs between the two; write both where it shall stand."
        )
    readme.write_text(f"{before}{mark}\n{table(name)}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    name = parser.parse_args().experiment
    sweep(name)
    draw(name)
    tell(name)
    print(table(name))


if __name__ == "__main__":
    main()
