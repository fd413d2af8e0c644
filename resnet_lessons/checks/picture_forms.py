"""Cases of exercises that draw: their lines, and the words at their axes.

A picture is seen as its panels, see `pictures.drawn`. The solution draws on a
`matplotlib.figure.Figure`, which it imports when it is called.

    Lines("where the points stand", [(TRAIN, TEST)], labels=("train", "test"), idea="…", hint="…")
    Axes("legend and axes", [(TRAIN, TEST)], xlabel=("depth", "layers"), ylabel=("error",), …)

A case that looks at something else in the picture is a `Case` whose `see` begins with `panel`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from resnet_lessons.checks.answers import Answer
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.forms import Call, Case, Sight
from resnet_lessons.checks.verdict import Wrong

Panel = dict[str, object]


def panel(seen: object) -> Panel:
    """The one panel of a picture in which lines are drawn."""
    if not isinstance(seen, tuple) or not all(isinstance(p, dict) and "lines" in p for p in seen):
        raise Wrong("It gives no figure: return the one that `plt.subplots()` made.")
    panels = [each for each in seen if each["lines"]]
    if len(panels) != 1:
        raise Wrong(f"The figure has {len(panels)} panels with lines; expected is one.")
    return panels[0]


def labelled(panel: Panel, word: str) -> Panel:
    """The one line that has `word` in its label, in any case of its letters."""
    lines = [line for line in panel["lines"] if word in line["label"].lower()]
    if len(lines) == 1:
        return lines[0]
    labels = [line["label"] for line in panel["lines"] if not line["label"].startswith("_")]
    found = ", ".join(f"`{label}`" for label in labels) or "none"
    raise Wrong(
        f"{len(lines) or 'No'} line{'s have' if len(lines) > 1 else ' has'} `{word}` in the label; "
        f"expected is one. Labels are: {found}."
    )


def near(some: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two rows of numbers are the same, up to rounding."""
    return len(some) == len(others) and all(
        abs(one - other) < 1e-6 * max(abs(other), 1)
        for one, other in zip(some, others, strict=True)
    )


def same_points(
    seen: Panel, right: Panel, what: str, wrong: Mapping[str, Panel] | None = None
) -> None:
    """Two lines go through the same points; `what` they are on each axis: `"depths, means"`."""
    of_x, of_y = what.split(", ")
    if not near(seen["x"], right["x"]):
        said = (
            f"The points of the line `{seen['label']}` stand at {_listed(seen['x'])} on the x axis"
        )
        if near(sorted(seen["x"]), right["x"]):
            said += ", in this order, so the line runs to and fro"
        raise Wrong(f"{said}; expected are the {of_x} {_listed(right['x'])}.")
    if not near(seen["y"], right["y"]):
        raise Wrong(
            f"The line `{seen['label']}` goes through {_listed(seen['y'])}; expected are the "
            f"{of_y} {_listed(right['y'])}. {' '.join(wrong or ())}".rstrip()
        )


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers[:8])


def drawn(seen: Panel, right: Panel, what: str, wrong: object = None) -> None:
    """A line is there, whatever its points."""


@dataclass(frozen=True, kw_only=True)
class Lines(Case):
    """The points of the lines, each found by a word in its label.

    Attributes:
        labels: the words, in small letters; the solution's lines have them too.
        what: the numbers on both axes, in words: `"depths, means"`.
        compare: `drawn` where it is enough that the lines are there.
    """

    labels: tuple[str, ...]
    compare: Callable[..., None] = same_points

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        seen = panel(self.see(answer, *given.args, **given.kwargs))
        for word in self.labels:
            yield self.words(exercise, given), labelled(seen, word)


@dataclass(frozen=True, kw_only=True)
class Axes(Case):
    """The labels of both axes, and the legend.

    Attributes:
        xlabel, ylabel: words in small letters, of which the label must contain one.
    """

    xlabel: tuple[str, ...]
    ylabel: tuple[str, ...]

    def look(self, exercise: Exercise, answer: Answer) -> None:
        for given in self.calls():
            seen = panel(self.see(answer, *given.args, **given.kwargs))
            for axis in ("xlabel", "ylabel"):
                words = getattr(self, axis)
                if not any(word in seen[axis].lower() for word in words):
                    wanted = " or ".join(f"`{word}`" for word in words)
                    raise Wrong(
                        f"The {axis} is `{seen[axis]}`; expected is one with {wanted} in it."
                    )
            if not seen["legend"]:
                raise Wrong("There is no legend, so nobody sees which line is which.")
