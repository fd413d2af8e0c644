"""Curves: what trainings measured, epoch by epoch."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from resnet_lessons._arguments import one_of, real_number
from resnet_lessons.plots.style import (
    COLOURS,
    MARKERS,
    NAMES,
    OTHERS,
    Trained,
    colour_of,
    from_zero,
    ink,
    marker_of,
    new_figure,
    spread,
    whole_numbers,
)
from resnet_lessons.training import History

# A curve's last point, for its name: value, epoch, label, colour.
End = tuple[float, int, str, tuple[float, ...]]


def curves(
    trainings: Sequence[Trained], figures: Sequence[str] = ("train_error",), title: str = ""
) -> Figure:
    """What was measured against the epoch: a panel a figure, a line a label.

    Args:
        trainings: histories, or stored runs; those with one label become a mean and a band.
        figures: columns of `Epoch`, for example `("train_error", "test_error")`.

    Raises:
        ValueError: an `Epoch` has no such figure.
    """
    for name in figures:
        one_of("figures", name, NAMES)
    width = 6.0 if len(figures) == 1 else 9.0
    drawing, axes = new_figure(len(figures), width=width, title=title)
    ends = [
        _draw_curves(panel, trainings, name) for panel, name in zip(axes[0], figures, strict=True)
    ]
    if all(name.endswith("error") for name in figures):  # to be compared, so on one scale
        from_zero(list(axes[0]))
    for panel, labels in zip(axes[0], ends, strict=True):
        from_zero([panel])
        _label_ends(panel, labels)
    return drawing


class LiveCurves:
    """A picture that grows while networks train: `train(..., live=curves)`.

    Hand the same object to several trainings, and their curves share the picture.

    Args:
        figure: the column of `Epoch` that it shows.

    Raises:
        ValueError: an `Epoch` has no such figure.
    """

    def __init__(self, figure: str = "train_error") -> None:
        self.figure = one_of("figure", figure, NAMES)
        self.histories: list[History] = []
        self._display = None

    def __call__(self, history: History) -> None:
        if not any(history is known for known in self.histories):
            self.histories.append(history)
        picture = curves(self.histories, (self.figure,))
        if self._display is None:
            from IPython.display import display  # here, since a terminal has no need of IPython

            self._display = display(picture, display_id=True)
        else:
            self._display.update(picture)


def curves_by_kind(
    trainings: Sequence[Trained],
    figures: Sequence[str] = ("train_error", "test_error"),
    title: str = "",
    top: float | None = None,
) -> Figure:
    """`curves` with a panel a kind of network: plain left and residual right, on one scale.

    He et al. 2015 (arXiv:1512.03385, Fig. 6) compare their networks like this.

    Args:
        trainings: histories, or stored runs; those with one label become a mean and a band.
        figures: columns of `Epoch`, a row of panels each.
        top: where the axes end, so that small differences can be seen; default, at the largest
            value.

    Raises:
        TypeError, ValueError: an `Epoch` has no such figure, or `top` is no number above 0.
    """
    for name in figures:
        one_of("figures", name, NAMES)
    if top is not None:
        real_number("top", top, above=True)
    kinds: dict[str | None, list[Trained]] = {}
    for training in trainings:
        kinds.setdefault(training.kind, []).append(training)
    height = 0.6 + 2.7 * len(figures)
    drawing, axes = new_figure(len(kinds), len(figures), 9.0, height, title)
    for row, name in zip(axes, figures, strict=True):
        drawn = zip(row, kinds.values(), strict=True)
        ends = [_draw_curves(panel, group, name) for panel, group in drawn]
        from_zero(list(row), top)
        for panel, labels in zip(row, ends, strict=True):
            _label_ends(panel, labels)
    return drawing


def _draw_curves(axes: Axes, trainings: Iterable[Trained], figure: str) -> list[End]:
    """One line a label, a band where several trainings share it; return where each line ends."""
    by_label: dict[str, list[list[float]]] = {}
    networks = {}
    for training in trainings:
        column = [getattr(epoch, figure) for epoch in training.epochs]
        if column:
            by_label.setdefault(training.label, []).append(column)
            networks.setdefault(training.label, (training.kind, training.depth))
    dashes = "--" if figure.startswith("test") else "-"
    ends = []
    others = [label for label in by_label if networks[label][0] not in COLOURS]
    for label, columns in by_label.items():
        epochs = range(1, min(map(len, columns)) + 1)
        low, high, mean = zip(
            *((min(c), max(c), sum(c) / len(c)) for c in zip(*columns, strict=False)), strict=True
        )
        colour, marker = colour_of(networks[label]), marker_of(networks[label])
        if len(others) > 1 and label in others:
            place = others.index(label) % len(OTHERS)
            colour, marker = to_rgb(OTHERS[place]), MARKERS[place]
        look = {
            "color": colour,
            "marker": marker,
            "markersize": 3.5,
            "label": label,
            "markevery": spread(len(epochs)),
        }
        axes.plot(epochs, mean, dashes, **look)
        if len(columns) > 1:
            axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        ends.append((mean[-1], epochs[-1], label, colour))
    whole_numbers(axes)
    axes.set(xlabel="epoch", ylabel=NAMES[figure])
    return ends


def _label_ends(axes: Axes, ends: list[End]) -> None:
    """Write each curve's name beside its last point, moved apart where two would overlap."""
    if not ends:
        return
    ends = sorted(ends)
    apart = 0.075 * axes.get_ylim()[1]
    heights = []
    for value, *_ in ends:
        heights.append(max(value, heights[-1] + apart) if heights else value)
    # Moving apart went upwards only; half of the way back, the names stand around their curves.
    back = sum(height - end[0] for height, end in zip(heights, ends, strict=True)) / len(ends)
    for height, (value, epoch, label, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            label,
            (epoch, value),
            xytext=(1.02, height - back),
            textcoords=axes.get_yaxis_transform(),
            color=ink(colour),
            va="center",
            annotation_clip=False,
        )
