"""The stored runs of an experiment as a table and a picture in `results/`."""

from resnet_lessons import plots
from resnet_lessons.lab import results
from resnet_lessons.lab.experiments import EXPERIMENTS


def table(name: str) -> str:
    """The stored errors of an experiment as a Markdown table: mean, smallest and largest."""
    runs = in_order(name)
    experiment = EXPERIMENTS.get(name)
    published = experiment.published if experiment else {}
    kinds = list(dict.fromkeys((run.net, run.depth) for run in runs))
    head = ["net", "trainings", "training error %", "test error %"]
    head += ["test error % as published"] if published else []
    rows = [head, ["---"] * len(head)]
    for kind in kinds:
        those = [run for run in runs if (run.net, run.depth) == kind]
        cells = [those[0].label, str(len(those))]
        for figure in ("train_error", "test_error"):
            errors = [getattr(run.epochs[-1], figure) for run in those]
            mean = sum(errors) / len(errors)
            span = f" ({min(errors):.1f} to {max(errors):.1f})" if len(errors) > 1 else ""
            cells.append(f"{mean:.1f}{span}")
        cells += [published.get(kind, "")] if published else []
        rows.append(cells)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    stopped = [f"{run.label} seed {run.seed}: {run.stopped}" for run in runs if run.stopped]
    return "\n".join([*lines, "", *stopped] if stopped else lines)


def in_order(name: str) -> list[results.Run]:
    """The stored runs in the order in which they are to be read, the experiment's own."""
    runs, experiment = results.read(name), EXPERIMENTS.get(name)
    if experiment and experiment.picture != "depth":
        order = [training.key[:2] for training in experiment.trainings]
        place = {kind: number for number, kind in enumerate(order)}
        runs.sort(key=lambda run: place.get((run.net, run.depth), len(order)))
    return runs


def draw(name: str) -> None:
    """Draw the experiment's errors into `results/`."""
    experiment, runs = EXPERIMENTS[name], in_order(name)
    if experiment.picture == "depth":
        picture = plots.error_against_depth(runs, title=experiment.title)
    elif experiment.picture == "images":
        picture = plots.error_against_images(runs, title=experiment.title)
    elif experiment.picture == "changes":
        order = [training.key[:2] for training in experiment.trainings]
        runs.sort(key=lambda run: order.index((run.net, run.depth)))
        picture = plots.changes(runs, title=experiment.title)
    elif experiment.picture == "cost":
        picture = plots.error_against_cost(runs, title=experiment.title)
    else:
        picture = plots.curves(runs, ("train_error", "test_error"), title=experiment.title)
    picture.savefig(results.FOLDER / f"{name}.png", dpi=110)


def tell(name: str, text: str | None = None) -> None:
    """Put a table into `results/README.md`, in place of the one that is there.

    Args:
        name: of the experiment, or of what else the table is of.
        text: the table; default, the experiment's.

    Raises:
        ValueError: the file has no place for it.
    """
    readme = results.FOLDER / "README.md"
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
    readme.write_text(f"{before}{mark}\n{text or table(name)}\n{end}{after}", encoding="utf-8")
