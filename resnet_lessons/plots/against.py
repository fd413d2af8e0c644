"""Errors of the last epoch against a number: of layers, of images, of multiply-adds."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnet_lessons._arguments import one_of
from resnet_lessons.plots.style import (
    MARKERS,
    NAMES,
    NEUTRAL,
    OTHERS,
    RESIDUAL,
    Trained,
    from_zero,
    line_of,
    marker_of,
    mean_and_band,
    new_figure,
)

# Line, marker and colour of each kind of training, in the order in which they appear.
Look = tuple[str, str, str]
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

# For each kind, the errors at each number.
Errors = Mapping[str, Mapping[float, Sequence[float]]]


def error_against_depth(
    runs: Sequence[Trained],
    figures: Sequence[str] = ("train_error", "test_error"),
    title: str = "",
) -> Figure:
    """The error of the last epoch against depth: a dot a training, a line through the means.

    Args:
        runs: stored runs or histories, each with its kind and depth.
        figures: columns of `Epoch`, a panel each, all on one scale.

    Raises:
        ValueError: an `Epoch` has no such figure, or a training has no kind or depth.
    """
    for name in figures:
        one_of("figures", name, NAMES)
    drawing, axes = new_figure(len(figures), width=4.5 * len(figures) + 0.5, title=title)
    for panel, name in zip(axes[0], figures, strict=True):
        kinds = _by_kind(runs, name, "depth")
        for kind, errors in kinds.items():
            mean_and_band(panel, errors, **line_of(kind), marker=marker_of(kind), markersize=5)
            _dots(panel, errors, "black")
        panel.set(xlabel="depth (layers)", ylabel=NAMES[name])
        panel.set_xticks(_numbers(kinds))
        panel.legend(frameon=False, loc="upper left")
    from_zero(list(axes[0]))
    return drawing


def error_against_images(
    runs: Sequence[Trained], figure: str = "test_error", title: str = ""
) -> Figure:
    """The error of the last epoch against the number of labelled images, on a logarithmic axis.

    A dot a training, a line through the means, a band over the seeds.

    Args:
        runs: stored runs or histories, each with its kind and, as `x`, its number of images.
        figure: a column of `Epoch`.

    Raises:
        ValueError: an `Epoch` has no such figure, or a training has no kind or `x`.
    """
    one_of("figure", figure, NAMES)
    kinds = _by_kind(runs, figure, "x")
    drawing, axes = new_figure(width=7.0, title=title)
    panel = axes[0, 0]
    for number, (kind, errors) in enumerate(kinds.items()):
        mean_and_band(panel, errors, **_look(kind, _LOOKS, number))
        _dots(panel, errors, "black")
    _logarithmic(panel, _numbers(kinds))
    panel.set(xlabel="labelled images", ylabel=NAMES[figure])
    panel.legend(frameon=False)
    from_zero([panel])
    return drawing


def error_against_cost(
    runs: Sequence[Trained],
    figures: Sequence[str] = ("train_error", "test_error"),
    title: str = "",
) -> Figure:
    """The error of the last epoch against multiply-adds, on a logarithmic axis: a panel a figure.

    A dot a training, a line through the means; the kind "residual", the one to compare with, comes
    first, the others by name. Kinds of one cost stand a little apart, so that none hides another.
    The vertical axes do not begin at zero, for the differences are small.

    Args:
        runs: stored runs or histories, each with its kind and, as `x`, its cost in millions.
        figures: columns of `Epoch`.

    Raises:
        ValueError: an `Epoch` has no such figure, or a training has no kind or `x`.
    """
    for name in figures:
        one_of("figures", name, NAMES)
    width = 4.8 * len(figures) + 1.2
    drawing, axes = new_figure(len(figures), width=width, height=4.2, title=title)
    for panel, figure in zip(axes[0], figures, strict=True):
        kinds = _by_kind(runs, figure, "x")
        in_order = sorted(kinds, key=lambda kind: (kind != "residual", kind))
        for number, kind in enumerate(in_order):
            shift = 1 + _APART * (number - (len(kinds) - 1) / 2)
            apart = {cost * shift: values for cost, values in kinds[kind].items()}
            look = _look(kind, _MORE_LOOKS, number)
            mean_and_band(panel, apart, band=False, **look)
            _dots(panel, apart, look["color"])
        _logarithmic(panel, _numbers(kinds))
        panel.set(xlabel="million multiply-adds an image", ylabel=NAMES[figure])
    drawing.legend(*axes[0, 0].get_legend_handles_labels(), frameon=False, loc="outside right")
    return drawing


def _by_kind(runs: Iterable[Trained], figure: str, field: str) -> Errors:
    """The last value of a figure in each run, by its kind and the number in a field of it.

    Raises:
        ValueError: a run has no kind, or no such number.
    """
    kinds: dict[str, dict[float, list[float]]] = {}
    for run in runs:
        number = getattr(run, field, None)
        if run.kind is None or number is None:
            raise ValueError(
                f"the training {run.label!r} has the kind {run.kind!r} and the {field} {number!r}, "
                "but it is drawn in the line of its kind, at that number; set both, for example "
                f"with dataclasses.replace(training, kind='residual', {field}=20)."
            )
        if run.epochs:
            last = getattr(run.epochs[-1], figure)
            kinds.setdefault(run.kind, {}).setdefault(number, []).append(last)
    return {kind: dict(sorted(errors.items())) for kind, errors in kinds.items()}


def _numbers(kinds: Errors) -> list[float]:
    return sorted({number for errors in kinds.values() for number in errors})


def _look(kind: str, looks: Sequence[Look], number: int) -> dict[str, object]:
    dashes, marker, colour = looks[number % len(looks)]
    look = {"linestyle": dashes, "marker": marker, "color": colour}
    return {**look, "markersize": 5, "label": kind}


def _dots(axes: Axes, errors: Mapping[float, Sequence[float]], colour: str) -> None:
    """A dot a training."""
    for number, values in errors.items():
        axes.plot([number] * len(values), values, ".", color=colour, markersize=3)


def _logarithmic(axes: Axes, numbers: Sequence[float]) -> None:
    """A logarithmic axis with a tick at every number."""
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:,g}" for number in numbers])
    axes.minorticks_off()
