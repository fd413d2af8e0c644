"""Explorer: the stored trainings at one depth, plain beside residual."""

from statistics import mean

from resnet_lessons import plots
from resnet_lessons.lab import Run, results
from resnet_lessons.widgets.explorer import Explorer, Shown, menu

FIGURES = {"training error": "train_error", "test error": "test_error"}


def depth(experiment: str = "degradation-mini", layers: int | None = None) -> Explorer:
    """Choose a depth of a stored experiment; see both kinds' curves, and the gap at the end.

    Args:
        experiment: one with plain and residual networks of several depths.
        layers: the depth that it begins with; default, the largest that both kinds have.

    Raises:
        ValueError: no such experiment is stored, or it has no pair, or none of so many layers.
    """
    runs = results.read(experiment)
    by_kind = [{run.depth for run in runs if run.kind == kind} for kind in ("plain", "residual")]
    depths = sorted(set.intersection(*by_kind))
    if not depths:
        raise ValueError(
            f"experiment is {experiment!r}, but it has no plain and residual networks of one "
            "depth; choose 'degradation-mini'."
        )
    layers = depths[-1] if layers is None else layers
    if layers not in depths:
        raise ValueError(
            f"layers is {layers}, but {experiment} has networks of {', '.join(map(str, depths))} "
            "layers; choose one of them."
        )
    controls = {
        "layers": menu("layers", layers, tuple(depths)),
        "figure": menu("figure", "training error", tuple(FIGURES)),
    }
    return Explorer(controls, lambda layers, figure: answer(runs, layers, figure))


def answer(runs: list[Run], layers: int, figure: str) -> Shown:
    """What the explorer shows of these runs."""
    column = FIGURES[figure]
    shown = [run for run in runs if run.depth == layers and run.kind in ("plain", "residual")]
    ends = {
        kind: [getattr(run.epochs[-1], column) for run in shown if run.kind == kind]
        for kind in ("plain", "residual")
    }
    gap = mean(ends["plain"]) - mean(ends["residual"])
    words = [
        f"{kind}-{layers} ends at {mean(values):.1f} % (seeds: "
        f"{', '.join(f'{value:.1f}' for value in sorted(values))})"
        for kind, values in ends.items()
    ]
    text = f"{figure.capitalize()}: {'; '.join(words)}. The plain mean is {abs(gap):.1f} points "
    text += "higher." if gap >= 0 else "lower."
    return Shown((text,), plots.curves(shown, (column,)))
