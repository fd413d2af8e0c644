"""The stored runs of an experiment in short: a table, and a picture in `results/`."""

from collections.abc import Mapping
from functools import partial

from resnet_lessons import plots
from resnet_lessons.lab.experiments import EXPERIMENTS
from resnet_lessons.lab.results import COURSE, Run, RunStore
from resnet_lessons.training import Ending

PICTURES = {
    "depth": plots.error_against_depth,
    "images": plots.error_against_images,
    "changes": plots.changes,
    "cost": plots.error_against_cost,
    "curves": partial(plots.curves, figures=("train_error", "test_error")),
}


def table(name: str, store: RunStore = COURSE) -> str:
    """The stored errors of an experiment as a Markdown table: mean, smallest and largest."""
    runs = in_order(name, store)
    published = EXPERIMENTS[name].published if name in EXPERIMENTS else {}
    head = ["net", "trainings", "training error %", "test error %"]
    head += ["test error % as published"] if published else []
    rows = [head, ["---"] * len(head)]
    rows += [
        _row([run for run in runs if run.label == label], published)
        for label in dict.fromkeys(run.label for run in runs)
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    early = [run for run in runs if run.ending is not Ending.FINISHED]
    notes = [
        f"{run.label} seed {run.seed} {run.ending} after {len(run.epochs)} epochs." for run in early
    ]
    return "\n".join([*lines, "", *notes] if notes else lines)


def _row(runs: list[Run], published: Mapping[tuple[str, int], str]) -> list[str]:
    """The row of runs that differ in their seeds alone."""
    cells = [runs[0].label, str(len(runs))]
    for figure in ("train_error", "test_error"):
        errors = [getattr(run.epochs[-1], figure) for run in runs]
        span = f" ({min(errors):.1f} to {max(errors):.1f})" if len(errors) > 1 else ""
        cells.append(f"{sum(errors) / len(errors):.1f}{span}")
    return cells + ([published.get((runs[0].kind, runs[0].depth), "")] if published else [])


def in_order(name: str, store: RunStore = COURSE) -> list[Run]:
    """The stored runs in the order in which they are to be read, the experiment's own."""
    runs, experiment = store.read(name), EXPERIMENTS.get(name)
    if experiment and experiment.picture != "depth":
        order = list(dict.fromkeys(run.label for run in experiment.runs))
        place = {label: number for number, label in enumerate(order)}
        runs.sort(key=lambda run: place.get(run.label, len(order)))
    return runs


def draw(name: str, store: RunStore = COURSE) -> None:
    """Draw the experiment's errors beside its file."""
    experiment = EXPERIMENTS[name]
    picture = PICTURES[experiment.picture](in_order(name, store), title=experiment.title)
    picture.savefig(store.folder / f"{name}.png", dpi=110)


def put_into_readme(name: str, text: str, store: RunStore = COURSE) -> None:
    """Put a table into the store's README.md, in place of the one that is there.

    Args:
        name: of the experiment, or of what else the table is of.
        text: the table.
        store: a folder without such a file is left as it is.

    Raises:
        ValueError: the file has no place for it.
    """
    readme = store.folder / "README.md"
    if not readme.exists():  # runs that are kept elsewhere than in the repository
        return
    mark, end = f"<!-- table of {name} -->", "<!-- end of table -->"
    before, begun, rest = readme.read_text(encoding="utf-8").partition(mark)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(
            f"{readme.name} in results lacks the line {mark!r} or, below it, {end!r}, but the "
            "table belongs between the two; write both where it shall stand."
        )
    readme.write_text(f"{before}{mark}\n{text}\n{end}{after}", encoding="utf-8")
