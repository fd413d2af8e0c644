"""What runs a submission: cells first, then the answers, as the judge asks.

Nothing here is safe from the learner's code, which shares its process and may change all of it.
It need not be: a worker says what an answer gives, and never what that is worth.
"""

import contextlib
import importlib
import os
import socket
import sys
import types
from collections.abc import Callable

import torch

import resnet_lessons
from resnet_lessons.checks.answers import Answer, Broke, Module
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import NotAttempted, Verdict, Wrong
from resnet_lessons.grading.cells import Notebook, in_a_sentence
from resnet_lessons.grading.timing import TimeLimit, limited
from resnet_lessons.grading.wire import Channel, Lost, read, write

# Takes a second or more to import: done once for all workers, if a notebook has the word in it.
OFTEN = {"torchvision": "torchvision", "matplotlib": "matplotlib.pyplot"}


def serve(end: socket.socket, about: dict[str, object]) -> None:
    """Answer the judge at the other end until it hangs up.

    `about` says what this process cannot do; it is told before any code of the learner's runs.
    """
    channel = Channel(end)
    worker = _Worker(about)
    while True:
        try:
            header, body = channel.receive()
            request = read(header, body, worker.modules.__getitem__)
            channel.send(write(worker.reply(request), worker.number))
        except Lost:
            return


class _Worker:
    def __init__(self, about: dict[str, object]) -> None:
        self.about = about
        self.modules: list[Module] = []
        self.notebook: Notebook | None = None
        self.answer: Answer | None = None
        self.seconds = 10.0
        quiet()

    def number(self, module: Module) -> int:
        self.modules.append(module)
        return len(self.modules) - 1

    def reply(self, request: dict[str, object]) -> dict[str, object]:
        """What to send back: `{"gives": value}` or `{"raises": (kind, sentence)}`."""
        request = dict(request)
        work = getattr(self, f"do_{request.pop('do')}")
        try:
            reply = {"gives": work(**request)}
            write(reply, lambda module: 0)  # so that what cannot be sent is told of
            return reply
        except (Wrong, NotAttempted, Broke) as error:
            return {"raises": (type(error).__name__, str(error))}
        except TimeLimit as error:
            return {"raises": ("Broke", f"The code was stopped: it was {error}.")}
        except BaseException as error:  # SystemExit, MemoryError, …
            return {"raises": ("Broke", f"The code stops with {in_a_sentence(error)}")}

    def do_hello(self, names: list[str], seconds: float) -> dict[str, object]:
        """Begin a notebook in which `names` are looked for; says what is not possible here."""
        self.notebook, self.seconds = Notebook(names, seconds), seconds
        return self.about

    def do_cell(self, number: int, source: str) -> None:
        self.notebook.run(number, source)

    def do_again(self) -> list[tuple[int, str]]:
        """Repeat what failed for want of a name; gives all that failed, by cell."""
        self.notebook.again()
        return [(failure.cell, failure.sentence) for failure in self.notebook.failures]

    def do_count(self, name: str) -> int:
        """How many things a name has stood for."""
        return len(self.notebook.answers[name])

    def do_choose(self, name: str, place: int, seed: int) -> None:
        """From now on the answer is what `name` stood for at that place."""
        torch.manual_seed(seed)
        self.modules.clear()
        self.answer = Answer(self.notebook.answers[name][place])

    def do_look(self, module: int | None, name: str, args: tuple, kwargs: dict) -> object:
        """Call a method of the answer, or of a module that it gave."""
        thing = self.answer if module is None else self.modules[module]
        with limited(self.seconds):
            return getattr(thing, name)(*args, **kwargs)


def quiet() -> None:
    """Checks, trainings and widgets in the cells of a notebook do nothing while it is graded."""

    def right(self: Exercise, answer: object = None, *others: object) -> Verdict:
        return Verdict(f"{self.number} {self.title}", "right", 1, 1)

    def untrained(*args: object, **kwargs: object) -> None:
        raise RuntimeError("nothing is trained while a notebook is graded")

    Exercise.__call__ = right
    room = resnet_lessons.training
    resnet_lessons.train = room.train = room.loop.train = untrained
    for name in ("ipywidgets", "resnet_lessons.widgets"):
        sys.modules[name] = _NoWidgets(name)


class _NoWidget:
    """A widget that is not there: takes what a real one takes."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.value = kwargs.get("value")

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


class _NoWidgets(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("interact", "interactive", "interact_manual"):
            return lambda *args, **kwargs: args[0] if args else (lambda function: function)
        return _NoWidget


def warm_up() -> None:
    """Import what torch imports at its first backward pass, which takes seconds."""
    with contextlib.suppress(ImportError):  # another version of torch may not have it
        importlib.import_module("torch.fx.experimental.symbolic_shapes")


def warm_up_more(wants: list[str]) -> None:
    """Import what the cells of some sheets import."""
    os.environ["MPLBACKEND"] = "Agg"
    for name in OFTEN:
        if name in wants:
            with contextlib.suppress(ImportError):
                importlib.import_module(OFTEN[name])


def silence() -> None:
    """From now on the process reads nothing and prints into nothing, however much it prints."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, closefd=False, encoding="utf-8")  # noqa: SIM115 (for good)
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
