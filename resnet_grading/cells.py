"""Running the cells of a notebook that may be damaged: as much of it as can be run is run.

There is no IPython here: lines with `%` or `!` do nothing. A cell goes statement by statement, and
one that fails does not stop those after it: answers are judged by what they do, not by whether all
the rest of a notebook works.
"""

import ast
import builtins
import codeop
import contextlib
import linecache
import re
import sys
import traceback
import types
from dataclasses import dataclass

from resnet_grading.timing import TimeLimit, limited

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
# A cell magic that runs the rest of its cell as Python.
PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "python", "python3", "debug"}
MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}|[\w., ]+=\s*[%!].*)$")
CONTINUED = ("else", "elif", "except", "finally", ")", "]", "}", "#")
FIRST_CELL = """
import math
import numpy as np
import resnet_lessons
import torch
import torch.nn.functional as F
from resnet_lessons import *
from resnet_lessons import checks
from torch import nn
from torch.nn import functional
"""
LONGEST = 300


@dataclass
class Failure:
    """A statement that failed: in which cell, how, and what would run it again."""

    cell: int
    sentence: str
    code: types.CodeType | None = None
    missing: bool = False  # because of a name that a later cell may define


def supplied() -> dict[str, object]:
    """What a sheet's first cell imports, for a notebook that has lost that cell."""
    known: dict[str, object] = {}
    exec(FIRST_CELL, known)
    return {**known, "get_ipython": Silent(), "display": Silent()}


class Silent:
    """Takes any call and any attribute, and does nothing: IPython and widgets where none are.

    Called, it gives the function that it decorates, or another with the keywords as attributes.
    """

    __path__ = ()  # a package, if it stands for one

    def __init__(self, *args: object, **attributes: object) -> None:
        vars(self).update(attributes)

    def __getattr__(self, name: str) -> "Silent":
        if name.startswith("__"):
            raise AttributeError(name)
        return Silent()

    def __call__(self, *args: object, **kwargs: object) -> object:
        return args[0] if args and callable(args[0]) else Silent(**kwargs)

    def __mro_entries__(self, bases: tuple) -> tuple[type]:
        return (Silent,)


class Notebook:
    """The state that cells share.

    Attributes:
        failures: what did not work, in order.
        answers: for each name of interest the things it has stood for, in order.
    """

    def __init__(self, names: list[str], seconds: float) -> None:
        """`names`: expressions to look for; `seconds`: for each statement."""
        self.seconds = seconds
        self.main = types.ModuleType("__main__")
        # Behind the learner's own names, where it hides none of them and is no answer.
        self.main.__builtins__ = {**vars(builtins), **supplied()}
        sys.modules["__main__"] = self.main
        self.failures: list[Failure] = []
        self.answers: dict[str, list[object]] = {name: [] for name in names}

    def run(self, number: int, source: str) -> None:
        """Run a cell; nothing that it does raises here."""
        compiler = codeop.Compile()  # remembers `from __future__ import …` for the rest of the cell
        for text, tree in parts(source):
            filename = f"<cell {number}, line {1 + len(linecache.cache)}>"
            linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
            if isinstance(tree, SyntaxError):
                self.failures.append(Failure(number, in_a_sentence(tree)))
                continue
            overtime = False
            for node in tree.body:
                if overtime and not isinstance(node, DEFINITIONS):
                    continue
                try:
                    code = compiler(ast.Module([node], []), filename, "exec")
                except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                    self.failures.append(Failure(number, in_a_sentence(error)))
                else:
                    overtime |= self._execute(number, code)
        self._note()

    def again(self) -> None:
        """Run once more, in order, what failed for want of a name, as long as that helps."""
        waiting = len(self.failures) + 1
        while waiting > (waiting := sum(failure.missing for failure in self.failures)):
            failures, self.failures = self.failures, []
            for failure in failures:
                if failure.missing:
                    self._execute(failure.cell, failure.code)
                else:
                    self.failures.append(failure)
            self._note()

    def _execute(self, number: int, code: types.CodeType) -> bool:
        """Run a statement; whether it ran out of time."""
        try:
            with limited(self.seconds):
                exec(code, self.main.__dict__)
        except BaseException as error:
            missing = isinstance(error, NameError)
            self.failures.append(Failure(number, in_a_sentence(error), code, missing))
            return isinstance(error, TimeLimit)
        return False

    def _note(self) -> None:
        """Look what the expressions of names stand for now, where there is such a thing."""
        for expression, things in self.answers.items():
            with contextlib.suppress(Exception):
                thing = eval(expression, {"__builtins__": {}}, self.main.__dict__)
                if thing is not None and not (things and things[-1] is thing):
                    things.append(thing)


def parts(source: str) -> list[tuple[str, ast.Module | SyntaxError]]:
    """A cell as Python, whole; or in pieces, where the whole cannot be read."""
    source = source.replace("\r\n", "\n").replace("\x00", "")
    for clean in (str, without_magics):
        text = clean(source)
        tree = _parsed(text)
        if isinstance(tree, ast.Module):
            return [(text, tree)]
    pieces = [(piece, _parsed(piece)) for piece in split(text)]
    return pieces if len(pieces) > 1 else [(text, tree)]


def _parsed(text: str) -> ast.Module | SyntaxError:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxError(f"too deeply nested to be read ({type(error).__name__})")


def without_magics(source: str) -> str:
    """The cell with `pass` for every line that only IPython understands."""
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        words = first[2:].split()
        return without_magics(rest) if words and words[0] in PYTHON_MAGICS else ""
    return "\n".join(MAGIC.sub(r"\1pass", line) for line in source.split("\n"))


def split(source: str) -> list[str]:
    """The cell cut before each line that begins a statement at its left edge."""
    pieces: list[list[str]] = [[]]
    decorated = False
    for line in source.split("\n"):
        begins = bool(line) and not line[0].isspace() and not line.startswith(CONTINUED)
        if begins and not decorated:
            pieces.append([])
        if line.strip():
            decorated = line.startswith("@")
        pieces[-1].append(line)
    return [text for piece in pieces if (text := "\n".join(piece)).strip()]


def in_a_sentence(error: BaseException) -> str:
    """The error's name, message and line, in one line."""
    if isinstance(error, TimeLimit):
        return f"stopped: {error}"
    if isinstance(error, SystemExit):
        return "SystemExit: the cell calls `sys.exit` or the like"
    try:
        message = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    except Exception:  # a `__str__` of the learner's own
        message = ""
    line = _line(error)
    message = message if len(message) <= LONGEST else f"{message[:LONGEST]} …"
    said = f"{type(error).__name__}: {message}".rstrip(": ")
    return f"{said} (in the line `{line[:LONGEST]}`)" if line else said


def _line(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return (error.text or "").strip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.line for frame in frames if frame.filename.startswith("<cell ") and frame.line]
    return own[-1] if own else ""
