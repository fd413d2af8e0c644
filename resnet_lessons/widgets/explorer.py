"""What all explorers are: labelled controls, and below them what they show.

Written for ipywidgets 7.7, which Colab has, as for 8.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import ipywidgets
import traitlets
from matplotlib.figure import Figure

VIEW = "application/vnd.jupyter.widget-view+json"
DPI = 90


@dataclass(frozen=True)
class Shown:
    """What an explorer shows for some values of its controls.

    Attributes:
        text: in words, a line each; with `numbers` it says all that the picture says.
        picture: or None, where the values allow none.
        fault: whether the values do not go together; the text then says why, and what would.
        table: rows of words, the first one the head; the first column is set left, others right.
        numbers: what the picture says in more detail, a line each; they stand below it.
    """

    text: tuple[str, ...]
    picture: Figure | None = None
    fault: bool = False
    table: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[str, ...] = ()

    def html(self) -> str:
        """The lines, and between them the picture, whose alternative text they are."""
        colour = "#D55E00" if self.fault else "#0072B2"
        lines = "<br>".join(escape(line) for line in self.text)
        parts = [f'<div style="border-left:.35em solid {colour};padding:0 .8em">{lines}</div>']
        if self.table:
            parts.append(_html_table(self.table))
        if self.picture is not None:
            data = io.BytesIO()
            self.picture.savefig(data, format="png", dpi=DPI)
            coded = base64.b64encode(data.getvalue()).decode()
            said = escape(" ".join([*self.text, *self.numbers]), quote=True)
            parts.append(
                f'<img alt="{said}" style="max-width:100%" src="data:image/png;base64,{coded}">'
            )
        if self.numbers:
            lines = "<br>".join(escape(line) for line in self.numbers)
            parts.append(f'<div style="padding:0 .8em">{lines}</div>')
        return "".join(parts)

    def plain(self) -> str:
        """The lines and the table, for a terminal."""
        widths = [max(map(len, column)) for column in zip(*self.table, strict=True)]
        rows = [
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in self.table
        ]
        return "\n".join([*self.text, *rows, *self.numbers])


def _html_table(table: tuple[tuple[str, ...], ...]) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        sides = ["left", *["right"] * (len(cells) - 1)]
        made = (
            f'<{tag} style="text-align:{side};padding:.1em .8em">{escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    head, *body = table
    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in body)}</table>"


class Explorer:
    """Controls, and an answer that follows them.

    Shows itself as the last value of a cell: with a kernel as widgets, without one as the answer to
    the values that it began with, or was left with.

    Attributes:
        controls: by name; set `explorer.controls["stride"].value` to move one from code.
        shown: the present answer.

    Args:
        controls: widgets with a `value` and a description.
        answer: is called with the controls' values, by name.
        below: what stands between the controls and the answer: buttons, say.
    """

    def __init__(
        self,
        controls: Mapping[str, ipywidgets.Widget],
        answer: Callable[..., Shown],
        below: Sequence[ipywidgets.Widget] = (),
    ) -> None:
        self.controls = dict(controls)
        self._answer = answer
        self._values: dict[str, object] = {}
        self._view = ipywidgets.HTML()
        for control in self.controls.values():
            if not isinstance(control, Ticks):
                control.style.description_width = "9em"
            control.observe(self._follow, "value")
        self._box = ipywidgets.VBox([*self.controls.values(), *below, self._view])
        self._follow()

    def _follow(self, change: object = None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        if change is not None and values == self._values:
            return  # one control has moved another, and that was heard first
        self._values = values
        self.shown = self._answer(**values)
        self._view.value = self.shown.html()

    def __repr__(self) -> str:
        values = (f"{name}={control.value!r}" for name, control in self.controls.items())
        return f"{', '.join(values)}\n{self.shown.plain()}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict:
        settings = escape(repr(self).splitlines()[0])
        return {
            VIEW: {"version_major": 2, "version_minor": 0, "model_id": self._box.model_id},
            "text/plain": repr(self),
            "text/html": f"<div><code>{settings}</code></div>{self._view.value}",
        }


def slider(label: str, value: int, low: int, high: int) -> ipywidgets.IntSlider:
    """A slider over whole numbers that answers while it is moved; arrow keys move it, too.

    Its label stands beside it, but ipywidgets does not tie the two, so that a screen reader says
    the value alone.
    """
    return ipywidgets.IntSlider(value=value, min=low, max=high, description=label)


def menu(label: str, value: object, choices: tuple) -> ipywidgets.Dropdown:
    """A menu of a few choices."""
    return ipywidgets.Dropdown(value=value, options=list(choices), description=label)


def steps(label: str, value: object, choices: Sequence) -> ipywidgets.SelectionSlider:
    """A slider over many choices in their order; arrow keys move it, too."""
    wide = ipywidgets.Layout(width="38em", max_width="100%")
    return ipywidgets.SelectionSlider(
        value=value, options=list(choices), description=label, layout=wide
    )


class Ticks(ipywidgets.HBox):
    """Boxes to tick, any number of them; Tab goes from one to the next and the space bar ticks it.

    JupyterLab takes arrow keys for itself where a list has the focus, so a list would be for the
    mouse alone.

    Attributes:
        value: the choices that are ticked, in their order; can be set.
        options: all choices.
    """

    value = traitlets.Tuple()

    def __init__(self, label: str, value: Sequence[str], choices: Sequence[str]) -> None:
        self.description, self.options = label, tuple(choices)
        self._boxes = {
            name: ipywidgets.Checkbox(
                description=name, indent=False, layout=ipywidgets.Layout(width="auto")
            )
            for name in choices
        }
        super().__init__(
            [ipywidgets.Label(label), *self._boxes.values()],
            layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="0 1em"),
        )
        for box in self._boxes.values():
            box.observe(self._ticked, "value")
        self.value = tuple(value)

    def _ticked(self, _: object) -> None:
        self.value = tuple(name for name, box in self._boxes.items() if box.value)

    @traitlets.observe("value")
    def _tick(self, change: dict) -> None:
        with self.hold_trait_notifications():  # one answer, not one for every box
            for name, box in self._boxes.items():
                box.value = name in change["new"]
