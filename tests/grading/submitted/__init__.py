"""Notebooks as they are really handed in: right, damaged, and dishonest.

Each is a list of code cells for sheet 03, with the points that it must get, by exercise, and words
that must be said of it. `right`, `damaged` and `dishonest` decorate functions that return the
cells, and are called like what befell the notebook.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import jupytext

from build_notebooks import sources

SHEET = jupytext.read(next(path for path in sources() if path.match("exercises/03_*.md")))
CODE = [cell for cell in SHEET.cells if cell.cell_type == "code"]
SOLVED = [cell.source for cell in CODE]
SETUP = "import torch\nfrom torch import nn\nfrom torch.nn import functional\n"
SETUP += "from resnet_lessons import checks"
KIND, PADDING, PROJECTION, BLOCK, ZERO = (
    cell.source for cell in CODE if "answer" in cell.metadata.get("tags", [])
)
ALL = {
    "shortcut_kind": 2,
    "padding_shortcut": 4,
    "projection_shortcut": 5,
    "residual_block": 10,
    "zero_branch": 4,
}
NONE = dict.fromkeys(ALL, 0)


@dataclass
class Case:
    """One notebook.

    Attributes:
        cells: its code.
        points: of exercises; 0 of those not named.
        says: words that feedback must have, by the exercise that says it, "" for the cells.
        look: words among what the grader is asked to look at.
        limits: other than the tests' usual ones.
        linux: whether it takes what only Linux limits.
    """

    name: str
    kind: str
    cells: list[str]
    points: dict[str, float]
    says: dict[str, str] = field(default_factory=dict)
    look: str = ""
    limits: dict[str, float] = field(default_factory=dict)
    linux: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


CASES: list[Case] = []


def _case(kind: str) -> Callable:
    def decorate(
        points: dict[str, float], look: str = "", linux: bool = False, **limits: float
    ) -> Callable:
        def add(make: Callable) -> Callable:
            cells, says = make(), {}
            if isinstance(cells, tuple):
                cells, says = cells
            name = make.__name__.replace("_", " ")
            CASES.append(Case(name, kind, cells, points, says, look, limits, linux))
            return make

        return add

    return decorate


right, damaged, dishonest = map(_case, ("right", "damaged", "dishonest"))
K = {"shortcut_kind": 2}
P = {"padding_shortcut": 4}

from submitted import damages, frauds  # noqa: E402, F401  (they fill CASES)
