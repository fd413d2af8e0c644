"""Errors against a number in the names of the trainings: of images, of multiply-adds."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnet_lessons._arguments import one_of
from resnet_lessons.lab import Run
from resnet_lessons.plots.style import (
    MARKERS,
    NAMES,
    NEUTRAL,
    OTHERS,
    RESIDUAL,
    from_zero,
    new_figure,
)
from resnet_lessons.training import History

Look = tuple[str, str, str]
# Line, marker and colour of each kind of training, in the order in which they appear.
_LOOKS: tuple[Look, ...] = (
    ("--", "s", NEUTRAL),
    (":", "^", "#E69F00"),
    ("-", "o", RESIDUAL),
    ("-.", "D", "#009E73"),
)
_MORE_LOOKS: tuple[Look, ...] = (
    ("-", "o", RESIDUAL),
    *(("--", marker, colour) for marker, colour in zip((*MARKERS[1:], "X"), OTHERS, strict=True)),
)
_APART = 0.035  # of a kind from the next one, as a part of the number they belong to


def error_against_images(
    runs: Sequence[Run | History], figure: str = "test_error", title: str = ""
) -> Figure:
    """The error of the last epoch against the number of labelled images, on a logarithmic axis.

    A dot a training, a line through the means, a band over the seeds.

    Args:
        runs: stored runs or histories, called for example "fine-tuned, 80 images".
        figure: a column of `Epoch`.

    Raises:
        ValueError: an `Epoch` has no such figure, or a name has no number of images.
    """
    one_of("figure", figure, NAMES)
    kinds = _by_kind(runs, figure, " images", "the number of its images", "fine-tuned, 80 images")
    drawing, axes = new_figure(width=7.0)
    for number, (kind, errors) in enumerate(kinds.items()):
        _draw_kind(axes[0, 0], kind, errors, _LOOKS[number % len(_LOOKS)])
    _finish(axes[0, 0], kinds, figure, "labelled images")
    axes[0, 0].legend(frameon=False)
    from_zero([axes[0, 0]])
    drawing.suptitle(title, fontsize=11)
    return drawing


def error_against_cost(
    runs: Sequence[Run | History],
    figures: Sequence[str] = ("train_error", "test_error"),
    title: str = "",
) -> Figure:
    """The error of the last epoch against multiply-adds, on a logarithmic axis: a panel a figure.

    A dot a training, a line through the means; the kind "residual", the one to compare with, comes
    first. Kinds of one cost stand a little apart, so that none hides another. The vertical axes do
    not begin at zero, for the differences are small.

    Args:
        runs: stored runs or histories, called for example "HRNet, 1.2 million".
        figures: columns of `Epoch`.

    Raises:
        ValueError: an `Epoch` has no such figure, or a name has no number of multiply-adds.
    """
    for name in figures:
        one_of("figures", name, NAMES)
    drawing, axes = new_figure(len(figures), width=4.8 * len(figures) + 1.2, height=4.2)
    for panel, figure in zip(axes[0], figures, strict=True):
        unit = "the number of its multiply-adds"
        kinds = _by_kind(runs, figure, " million", unit, "HRNet, 1.2 million")
        kinds = dict(sorted(kinds.items(), key=lambda item: item[0] != "residual"))
        for number, (kind, errors) in enumerate(kinds.items()):
            shift = 1 + _APART * (number - (len(kinds) - 1) / 2)
            apart = {cost * shift: values for cost, values in errors.items()}
            _draw_kind(panel, kind, apart, _MORE_LOOKS[number % len(_MORE_LOOKS)], band=False)
        _finish(panel, kinds, figure, "million multiply-adds an image")
    drawing.legend(*axes[0, 0].get_legend_handles_labels(), frameon=False, loc="outside right")
    drawing.suptitle(title, fontsize=11)
    return drawing


def _by_kind(
    runs: Sequence[Run | History], figure: str, unit: str, what: str, example: str
) -> dict[str, dict[float, list[float]]]:
    """The last value of a figure in each run, by kind and number, as its name has them.

    Raises:
        ValueError: a name has no number before `unit`.
    """
    kinds: dict[str, dict[float, list[float]]] = {}
    for run in runs:
        kind, _, rest = run.label.rpartition(", ")
        digits = rest.removesuffix(unit).replace(",", "")
        if not kind or not digits.replace(".", "", 1).isdigit():
            raise ValueError(
                f"a training is called {run.label!r}, but {what} is read from its name; "
                f"call it for example {example!r}."
            )
        if run.epochs:
            last = getattr(run.epochs[-1], figure)
            kinds.setdefault(kind, {}).setdefault(float(digits), []).append(last)
    return {kind: dict(sorted(errors.items())) for kind, errors in kinds.items()}


def _draw_kind(
    axes: Axes, kind: str, errors: Mapping[float, Sequence[float]], look: Look, band: bool = True
) -> None:
    """One kind of training: a dot each, a line through the means, perhaps a band over the range."""
    dashes, marker, colour = look
    numbers = list(errors)
    if band:
        low, high = ([pick(values) for values in errors.values()] for pick in (min, max))
        axes.fill_between(numbers, low, high, color=colour, alpha=0.18, linewidth=0)
    means = [sum(values) / len(values) for values in errors.values()]
    axes.plot(numbers, means, dashes, color=colour, marker=marker, markersize=5, label=kind)
    dots = "black" if band else colour
    for number, values in errors.items():
        axes.plot([number] * len(values), values, ".", color=dots, markersize=3)


def _finish(axes: Axes, kinds: Mapping[str, Mapping], figure: str, xlabel: str) -> None:
    """The logarithmic axis, with a tick at every number."""
    numbers = sorted({number for errors in kinds.values() for number in errors})
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:,g}" for number in numbers])
    axes.minorticks_off()
    axes.set(xlabel=xlabel, ylabel=NAMES[figure])
