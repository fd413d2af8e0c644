"""An answer that lives in a worker, for probes that cannot tell it from one that lives here.

Every public method of `Answer` and `ModuleView` has its like here, which sends name and arguments
to the worker and gives back what comes.
"""

import inspect
import shutil
import socket
import time
from collections.abc import Callable

from resnet_grading.protocol import Broken, Channel, Lost, TimeIsUp, decode, encode
from resnet_grading.timing import PATIENCE, crowding
from resnet_lessons.checks.answers import Answer, Broke, ModuleView
from resnet_lessons.checks.verdict import NotAttempted, Wrong

RAISED = {kind.__name__: kind for kind in (Broke, NotAttempted, Wrong)}
GRACE = 2.0  # seconds that a worker has to stop by itself what ran too long
LONGEST = 1000  # characters of a sentence that a worker may say


class RemoteWorker:
    """A worker's process, which is asked one question at a time.

    Attributes:
        patience: times a limit in processor time that the clock may show.
        seconds: that an answer may take by the clock.
        lost: why nothing more can be asked, else None.
        until: when all questions must have been answered, on the monotonic clock.
    """

    def __init__(
        self, end: socket.socket, step: float, kill: Callable[[], None], folder: str
    ) -> None:
        """`step`: processor seconds that an answer may take; `folder`: where it may write."""
        self.channel, self.patience = Channel(end), PATIENCE * crowding()
        self.seconds = self.patience * step + GRACE
        self._kill, self._folder = kill, folder
        self.until = float("inf")
        self.lost: Lost | None = None

    def stop(self) -> None:
        """End it, and all that it has started and written."""
        self._kill()
        self.channel.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, what: str, timeout: float | None = None, **details: object) -> object:
        """What the worker gives back.

        Raises:
            Wrong, NotAttempted, Broke: as the worker's own `Answer` or `ModuleView` would.
            Lost: nothing came, too late, or nonsense; then `lost` is set, and stays.
        """
        if self.lost:
            raise self.lost
        left = self.until - time.monotonic()
        timeout = min(left, timeout or self.seconds)
        try:
            self.channel.send(encode({"do": what, **details}, _number), timeout)
            frame = self.channel.receive(timeout)
            return _result(decode(*frame, lambda number: RemoteModule(self, number)))
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


def _result(reply: object) -> object:
    if isinstance(reply, dict) and len(reply) == 1:
        if "gives" in reply:
            return reply["gives"]
        kind, sentence = reply.get("raises") or (None, None)
        if kind in RAISED and isinstance(sentence, str):
            raise RAISED[kind](sentence[:LONGEST])
    raise Broken("It sent no answer to what was asked.")


def _number(module: ModuleView) -> int:
    if not isinstance(module, RemoteModule):
        raise TypeError("Only a module that the worker holds can be handed to it.")
    return module.number


class RemoteAnswer(Answer):
    """The answer that the worker holds."""

    number = None

    def __init__(self, worker: RemoteWorker) -> None:
        self.worker = worker


class RemoteModule(ModuleView):
    """The module that the worker knows by `number`."""

    def __init__(self, worker: RemoteWorker, number: int) -> None:
        self.worker, self.number = worker, number


def public(kind: type) -> list[str]:
    """The methods by which probes look at an `Answer` or a `ModuleView`."""
    methods = [name for name, thing in vars(kind).items() if inspect.isfunction(thing)]
    return [name for name in methods if not name.startswith("_") or name == "__call__"]


def _asking(name: str) -> Callable:
    def method(self: RemoteAnswer | RemoteModule, *args: object, **kwargs: object) -> object:
        try:
            return self.worker.ask("look", module=self.number, name=name, args=args, kwargs=kwargs)
        except Lost as error:  # in the middle of a probe that is the answer's fault
            raise Broke(str(error)) from None

    return method


for _kind, _remote in ((Answer, RemoteAnswer), (ModuleView, RemoteModule)):
    for _name in public(_kind):
        setattr(_remote, _name, _asking(_name))
