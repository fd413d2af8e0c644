"""What runs a submission: cells first, then the answers, as the judge asks.

Nothing here is safe from the learner's code, which shares its process and may change all of it.
It need not be: a worker says what an answer gives, and never what that is worth.
"""

import contextlib
import importlib
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

import resnet_lessons
from resnet_grading.cells import Notebook, Silent, in_a_sentence
from resnet_grading.protocol import Channel, Lost, decode, encode
from resnet_grading.timing import TimeLimit, limited
from resnet_lessons.checks import answers
from resnet_lessons.checks.answers import Answer, Broke, ModuleView
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import NotAttempted, Verdict, Wrong

# What takes seconds to import, by a word that a notebook has which does so: imported before its
# time runs. Optimizers do it as they are made.
OFTEN = {
    "torchvision": "torchvision",
    "matplotlib": "matplotlib.pyplot",
    "optim": "torch._dynamo",
    "compile": "torch._dynamo",
}


def serve(end: socket.socket) -> None:
    """Answer the judge at the other end until it hangs up."""
    channel, worker = Channel(end), Worker()
    with contextlib.suppress(Lost):
        while True:
            request = decode(*channel.receive(), worker.modules.__getitem__)
            channel.send(worker.reply(request))


class Worker:
    """The state of one submission's process; `do_…` is what the judge may ask for."""

    def __init__(self) -> None:
        self.modules: list[ModuleView] = []
        self.notebook: Notebook | None = None
        self.answer: Answer | None = None
        self.seconds = 10.0
        quiet()

    def number(self, module: ModuleView) -> int:
        self.modules.append(module)
        return len(self.modules) - 1

    def reply(self, request: dict[str, object]) -> bytes:
        """The frame to send back: `{"gives": value}` or `{"raises": (kind, sentence)}`."""
        request = dict(request)
        work = getattr(self, f"do_{request.pop('do')}")
        try:
            return encode({"gives": work(**request)}, self.number)
        except (Wrong, NotAttempted, Broke) as error:
            raised = (type(error).__name__, str(error))
        except TimeLimit as error:
            raised = ("Broke", f"The code was stopped: it was {error}.")
        except BaseException as error:  # SystemExit, MemoryError, what cannot be encoded, …
            raised = ("Broke", f"The code stops with {in_a_sentence(error)}")
        return encode({"raises": raised}, self.number)

    def do_begin(self, names: list[str], seconds: float, patience: float) -> None:
        """Begin a notebook in which `names` are looked for."""
        limited.patience = patience
        self.notebook, self.seconds = Notebook(names, seconds), seconds

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
    answers.LIBRARIES += (str(Path(__file__).parent),)  # no line of ours is the learner's own
    room = resnet_lessons.training
    resnet_lessons.train = room.train = room.loop.train = untrained
    sys.modules["ipywidgets"] = sys.modules["resnet_lessons.widgets"] = Silent()


def import_early(words: Iterable[str] = ()) -> None:
    """Import what torch imports at its first backward pass, and what notebooks with `words` do."""
    os.environ["MPLBACKEND"] = "Agg"
    for name in ("torch.fx.experimental.symbolic_shapes", *map(OFTEN.get, words)):
        with contextlib.suppress(ImportError):  # another version of torch may not have it
            importlib.import_module(name)


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
