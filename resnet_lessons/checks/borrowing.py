"""Which finished networks a learner's code runs, however it hides them.

A class can be told another name and module, and an instance can be kept where no one looks; but to
be of use its methods have to run, and they are the code of the file that they were written in.
"""

import sys
from pathlib import Path
from types import CodeType, FrameType

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ("torchvision", "timm", "d2l")
METHODS = ("__init__", "forward", "_forward_impl")
OWN = ("checks",)  # what looks at the learner's code is not what it borrows


class Borrowing:
    """While it is entered, notes the classes of finished networks that are made or run.

    Of those that run inside each other the outermost is noted: what the learner's code called.

    Attributes:
        names: such as `"resnet_lessons.networks.blocks.BasicBlock"`.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._known: dict[CodeType, str | None] = {}
        self._depth = 0

    def __enter__(self) -> "Borrowing":
        self._depth, self._before = 0, sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(self._before)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        if code not in self._known:
            self._known[code] = origin(code)
        name = self._known[code]
        if name is None:
            return
        if event == "call":
            if self._depth == 0:
                self.names.add(name)
            self._depth += 1
        else:
            self._depth -= 1


def origin(code: CodeType) -> str | None:
    """Module and class of a finished network's method, told by the file of its code; else None."""
    owner, _, method = code.co_qualname.rpartition(".")
    if method not in METHODS or not owner:
        return None
    path = Path(code.co_filename)
    if path.is_relative_to(PACKAGE):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        return None if parts[1] in OWN else f"{'.'.join(parts)}.{owner}"
    parts = path.with_suffix("").parts
    for library in LIBRARIES:
        if library in parts:
            return f"{'.'.join(parts[parts.index(library) :])}.{owner}"
    return None
