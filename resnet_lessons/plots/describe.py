"""What a picture shows, in words: its alternative text, made from what was drawn."""

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

MOST_LETTERS = 1000
MOST_BARS = 16  # more are counted, not listed


class DescribedFigure(Figure):
    """A figure that a terminal, and whoever cannot see it, gets in words."""

    def __repr__(self) -> str:
        return describe(self)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict, Mapping[str, Mapping[str, str]]]:
        """No form of its own: IPython makes the PNG, and this is what it says about it."""
        return {}, {"image/png": {"alt": describe(self)}}


def describe(figure: Figure) -> str:
    """Say what a figure shows: titles, axes, named curves with their ends, bars, what is written.

    Of pictures without axes, images and feature maps, titles and writing are said. Nothing is drawn
    for it. At most `MOST_LETTERS` letters.
    """
    panels = [panel for panel in figure.axes if panel.has_data() or panel.texts or panel.patches]
    panels = [panel for panel in panels if not hasattr(panel, "_colorbar")]
    said = [figure.get_suptitle()]
    pictures = [panel for panel in panels if panel.images and not panel.axison]
    if pictures:
        titles = "; ".join(words for words in map(_words, pictures) if words)
        count = "A picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
        said.append(f"{count}: {titles}" if titles else count)
    said += [_panel(panel) for panel in panels if panel not in pictures]
    text = " ".join(_sentence(part) for part in said if part) or "An empty picture."
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1].rstrip()}…"


def _panel(panel: Axes) -> str:
    """One panel: its title, its axes, and what stands on them."""
    axes = " against ".join(filter(None, (panel.get_ylabel(), panel.get_xlabel())))
    parts = [part for part in (_title(panel), " ".join(axes.split())) if part]
    curves = [_curve(*points) for points in _curves(panel)]
    bars = [_bars(panel, group) for group in panel.containers if isinstance(group, BarContainer)]
    shown = [*filter(None, curves), *bars]
    if not panel.axison:  # a drawing of boxes and wires; elsewhere what is written names a curve
        legends = [text for legend in panel.figure.legends for text in legend.get_texts()]
        written = [" ".join(text.get_text().split()) for text in (*panel.texts, *legends)]
        shown.append(f"A drawing of {'; '.join(filter(None, written))}")
    return ": ".join([*parts, "; ".join(shown)] if shown else parts)


def _curves(panel: Axes) -> Iterable[tuple[str, list[float], list[float]]]:
    """The name and the points of each line that has a name and a point; one name once."""
    seen = set()
    for line in panel.lines:
        name, across, up = line.get_label(), list(line.get_xdata()), list(line.get_ydata())
        if line.get_marker() == "|":  # stands in a row of its own, at its value
            across, up = up, across
        if not name.startswith("_") and name not in seen and up:
            seen.add(name)
            yield name, across, up


def _curve(name: str, across: list[float], up: list[float]) -> str:
    if len(up) == 1:
        return f"{name} {_number(up[0])}"
    ends = (f"{_number(up[end])} at {_number(across[end])}" for end in (0, -1))
    return f"{name} from {' to '.join(ends)}"


def _bars(panel: Axes, bars: BarContainer) -> str:
    """Each bar with the name of the tick that it stands at, or their number and the largest."""
    upright = bars.orientation != "horizontal"
    heights = [bar.get_height() if upright else bar.get_width() for bar in bars]
    middles = [bar.get_center()[0 if upright else 1] for bar in bars]
    axis = panel.xaxis if upright else panel.yaxis
    written = [label.get_text() for label in axis.get_ticklabels()]
    names = {
        round(float(at), 6): text for at, text in zip(axis.get_ticklocs(), written, strict=False)
    }
    called = [names.get(round(float(at), 6)) or _number(at) for at in middles]
    if len(heights) <= MOST_BARS:
        pairs = zip(called, heights, strict=True)
        return ", ".join(f"{name} {_number(height)}" for name, height in pairs)
    tallest = max(range(len(heights)), key=heights.__getitem__)
    return (
        f"{len(heights)} bars from {_number(middles[0])} to {_number(middles[-1])}, the longest "
        f"{_number(heights[tallest])} at {_number(middles[tallest])}"
    )


def _words(picture: Axes) -> str:
    """The title of a picture, and what is written on it, such as the names of found things."""
    return ", ".join(filter(None, (_title(picture), *(text.get_text() for text in picture.texts))))


def _title(panel: Axes) -> str:
    return " ".join(panel.get_title().split())


def _number(value: float) -> str:
    return f"{float(value):,.0f}" if abs(value) >= 1000 else f"{float(value):.3g}"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
