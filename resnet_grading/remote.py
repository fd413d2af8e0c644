"""An answer that lives in a worker, for probes that cannot tell it from one that lives here.

Every public method of `Answer` and `Module` has its like here, which sends name and arguments to
the worker and gives back what comes.
"""

import inspect
import time
from collections.abc import Callable

from resnet_grading.protocol import Broken, Channel, Lost, TimeIsUp, decode, encode
from resnet_lessons.checks.answers import Answer, Broke, Module
from resnet_lessons.checks.verdict import NotAttempted, Wrong

RAISED = {kind.__name__: kind for kind in (Broke, NotAttempted, Wrong)}
LONGEST = 1000  # characters of a sentence that a worker may say


class Stopped(Broke):
    """The worker had to be given up in the middle of a question."""


class Connection:
    """Asks a worker, one question at a time.

    Attributes:
        lost: why nothing more can be asked, else None.
        until: when all questions must have been answered, on the monotonic clock.
    """

    def __init__(self, channel: Channel, seconds: float) -> None:
        """`seconds`: the most that an answer may take."""
        self.channel, self.seconds = channel, seconds
        self.until = float("inf")
        self.lost: Lost | None = None

    def ask(self, what: str, timeout: float | None = None, **details: object) -> object:
        """What the worker gives back.

        Raises:
            Wrong, NotAttempted, Broke: as the worker's own `Answer` or `Module` would.
            Lost: nothing came, too late, or nonsense; then `lost` is set, and stays.
        """
        if self.lost:
            raise self.lost
        left = self.until - time.monotonic()
        timeout = min(left, timeout or self.seconds)
        try:
            if left <= 0:
                raise TimeIsUp
            self.channel.send(encode({"do": what, **details}, _number), timeout)
            reply = decode(
                *self.channel.receive(timeout), lambda number: RemoteModule(self, number)
            )
            return self._result(reply)
        except TimeIsUp:
            self.lost = TimeIsUp(
                "The time for the whole notebook was over."
                if timeout == left
                else f"The code was not done after {timeout:g} seconds, and was stopped."
            )
            raise self.lost from None
        except Lost as error:
            self.lost = error
            raise

    def put(self, what: str, **details: object) -> object:
        """Like `ask`, in the middle of a probe: a worker that is lost is the answer's fault."""
        try:
            return self.ask(what, **details)
        except Lost as error:
            raise Stopped(str(error)) from None

    def _module(self, number: int) -> "RemoteModule":
        return RemoteModule(self, number)

    def _result(self, reply: object) -> object:
        if isinstance(reply, dict) and len(reply) == 1:
            if "gives" in reply:
                return reply["gives"]
            kind, sentence = reply.get("raises") or (None, None)
            if kind in RAISED and isinstance(sentence, str):
                raise RAISED[kind](sentence[:LONGEST])
        raise Broken("It sent no answer to what was asked.")


def _number(module: Module) -> int:
    if not isinstance(module, RemoteModule):
        raise TypeError("Only a module that the worker holds can be handed to it.")
    return module.number


class RemoteAnswer(Answer):
    """The answer that the worker holds."""

    number = None

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class RemoteModule(Module):
    """The module that the worker knows by `number`."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection, self.number = connection, number


def public(kind: type) -> list[str]:
    """The methods by which probes look at an `Answer` or a `Module`."""
    methods = [name for name, thing in vars(kind).items() if inspect.isfunction(thing)]
    return [name for name in methods if not name.startswith("_") or name == "__call__"]


def _asking(name: str) -> Callable:
    def method(self: RemoteAnswer | RemoteModule, *args: object, **kwargs: object) -> object:
        details = {"module": self.number, "name": name, "args": args, "kwargs": kwargs}
        return self.connection.put("look", **details)

    return method


for _kind, _remote in ((Answer, RemoteAnswer), (Module, RemoteModule)):
    for _name in public(_kind):
        setattr(_remote, _name, _asking(_name))
