"""What a check says: one short box, in words, instead of a traceback."""

from dataclasses import dataclass
from html import escape


class Wrong(Exception):
    """An answer is wrong; the message says in a sentence or two what was seen."""


class NotAttempted(Exception):
    """There is no answer yet; the message says how that shows."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of an exercise's probes; shows itself as the last value of a cell.

    Attributes:
        exercise: number and title, such as "3.1 Write the residual block".
        state: `"right"`, `"wrong"` or `"not attempted"`.
        passed: probes that were passed, in order, before the first that failed.
        probes: how many there are.
        probe: name of the probe that failed, else "".
        seen: what it saw, in a sentence or two, else "".
        idea: what it defends, else "".
        hint: where to look, else "".
    """

    exercise: str
    state: str
    passed: int
    probes: int
    probe: str = ""
    seen: str = ""
    idea: str = ""
    hint: str = ""

    @property
    def right(self) -> bool:
        return self.state == "right"

    @property
    def share(self) -> float:
        """What was reached, from 0 to 1: the share of probes before the first that failed."""
        return self.passed / self.probes

    @property
    def headline(self) -> str:
        if self.right:
            return f"✓ {self.exercise}: right ({self.probes} of {self.probes} probes)"
        if self.state == "not attempted":
            return f"○ {self.exercise}: not attempted yet"
        return f"✗ {self.exercise}: {self.probe} ({self.passed} of {self.probes} probes passed)"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What stands under the headline: a word for each line, and the line."""
        named = (("Seen", self.seen), ("Idea", self.idea), ("Hint", self.hint))
        return [(word, text) for word, text in named if text]

    def __repr__(self) -> str:
        return "\n".join([self.headline, *(f"  {word}: {text}" for word, text in self.lines)])

    def _repr_html_(self) -> str:
        # Colours that stand out on a light and on a dark page; the text takes the page's own.
        colour = {"right": "#009E73", "wrong": "#D55E00"}.get(self.state, "#888888")
        rows = "".join(
            f'<div style="margin-top:.3em"><b>{word}.</b> {_code(text)}</div>'
            for word, text in self.lines
        )
        return (
            f'<div style="border-left:.35em solid {colour};padding:.3em .8em;max-width:54em">'
            f"<b>{_code(self.headline)}</b>{rows}</div>"
        )


def _code(text: str) -> str:
    """HTML of a text in which `backticks` mark code."""
    parts = escape(text, quote=False).split("`")
    if len(parts) % 2 == 0:  # one without a partner is just a character
        return "`".join(parts)
    return "".join(
        f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)
    )
