"""A learner's answer, seen from outside: it is called with values and gives values back.

A probe knows an answer only through `Answer` and `ModuleView`. What goes in and what comes out are
tensors, numbers, words, tuples, lists and dictionaries of these, so the answer may as well live in
another process. Nothing here judges.
"""

import linecache
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

import resnet_lessons
from resnet_lessons.checks.borrowing import Borrowing
from resnet_lessons.checks.pictures import drawn
from resnet_lessons.checks.tracing import Operation, trace
from resnet_lessons.checks.verdict import NotAttempted, Wrong
from resnet_lessons.checks.watching import Call, Functions, Watch, hooks

PACKAGE = str(Path(__file__).parents[1])
LIBRARIES = ("site-packages", "dist-packages", str(Path(linecache.__file__).parent))


class Broke(Exception):
    """The learner's code stopped with an error; the message names it and the line."""


class Answer:
    """What a learner wrote: a value, a function, or a class.

    Raises:
        NotAttempted: it is `...` or None, as in an untouched exercise.
    """

    def __init__(self, thing: object) -> None:
        self._thing = thing
        self._borrowing = Borrowing()

    def value(self) -> object:
        """The answer itself, where it is a plain value."""
        return _plain(self._attempted())

    def origins(self) -> set[str]:
        """Module and name of the class and its bases, or of the function: `"__main__.Block"`.

        So, too, of the finished networks that it made or ran when it was called.
        """
        thing = self._attempted()
        kinds = thing.__mro__ if isinstance(thing, type) else (thing, type(thing))
        named = {
            f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"
            for kind in kinds
        }
        return named | self._borrowing.names

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Call it, and see what it gives; a module comes back as a `ModuleView`.

        Raises:
            NotAttempted: it gives nothing, or raises NotImplementedError.
            Broke: it raises another error.
            Wrong: it cannot be called, or gives something that is no plain value.
        """
        thing = self._attempted()
        if not callable(thing):
            raise Wrong(
                f"The answer is {_short(thing)}, but a function or a class is asked for, which "
                "can be called."
            )
        args = [_given(value) for value in args]
        kwargs = {name: _given(value) for name, value in kwargs.items()}
        with self._borrowing:
            return _result(lambda: thing(*args, **kwargs))

    def keeps(self, *args: object, **kwargs: object) -> bool:
        """Call it, and say whether the tensors that it was given have kept their values."""
        thing, given = self._attempted(), [_given(value) for value in args]
        _result(lambda: thing(*given, **kwargs))
        tensors = [pair for pair in zip(given, args, strict=True) if isinstance(pair[1], Tensor)]
        return all(torch.equal(one, other) for one, other in tensors)

    def uses(self, *args: object, **kwargs: object) -> set[str]:
        """Call it, and name the functions of torch that it calls: `{"conv2d", "pad"}`."""
        with Functions() as functions:
            self(*args, **kwargs)
        return functions.names

    def make(self, name: str, *args: object, seed: int = 0, **kwargs: object) -> "ModuleView":
        """A network of the course, `resnet_lessons.<name>(…)`, to hand to the answer."""
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            return ModuleView(getattr(resnet_lessons, name)(*args, **kwargs))

    def _attempted(self) -> object:
        if self._thing is None or self._thing is ...:
            raise NotAttempted("There is no answer here yet.")
        return self._thing


@dataclass
class ForwardPass:
    """One forward pass, and a backward pass where it was asked for.

    Attributes:
        output: what the module gave.
        changed_input: whether the tensor that was handed in has other values now.
        input_gradient: gradient with respect to the input; None without a backward pass.
        gradients: gradients of the parameters; None for a parameter that got none.
    """

    output: Tensor
    changed_input: bool
    input_gradient: Tensor | None = None
    gradients: dict[str, Tensor | None] = field(default_factory=dict)


class ModuleView:
    """A learner's module, or one of the course's that the learner's code is given."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self._watch = Watch(net)
        self._borrowing = Borrowing()

    def watch(self) -> None:
        """From now on note every call."""
        self._watch.start()

    def calls(self) -> list[Call]:
        """The calls since `watch`, which ends here."""
        return self._watch.stop()

    def hooks(self) -> int:
        """How many hooks hang on the module and on those inside."""
        return hooks(self.net)

    def set_mode(self, training: bool) -> None:
        """Put it and all modules inside into training or evaluation mode."""
        self.net.train(training)

    def modes(self) -> dict[str, bool]:
        """Whether it and the modules inside, by name, are in training mode."""
        return {name: module.training for name, module in self.net.named_modules()}

    def inside(self, name: str) -> "ModuleView":
        """A new module that has this one as its only part, called `name`."""
        outer = nn.Sequential()
        outer.add_module(name, self.net)
        return ModuleView(outer)

    def prepare(self, *shape: int) -> list[str]:
        """Run once with ones, so that lazy layers get their shape.

        Returns the parameters that appear only then, without those of lazy layers.
        """
        lazy = {
            name
            for name, parameter in self.net.named_parameters()
            if isinstance(parameter, nn.parameter.UninitializedParameter)
        }
        before = {name for name, _ in self.net.named_parameters()}
        _result(lambda: self._silent(torch.ones(*shape)))
        return sorted({name for name, _ in self.net.named_parameters()} - before - lazy)

    @torch.no_grad()
    def _silent(self, x: Tensor) -> Tensor:
        """A forward pass that leaves statistics and mode as they are (lazy ones are drawn)."""
        mode = self.net.training
        try:
            with self._borrowing:
                return self.net.eval()(x)
        finally:
            self.net.train(mode)

    def parameters(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.net.named_parameters()}

    def buffers(self) -> dict[str, Tensor]:
        return {name: b.detach().clone() for name, b in self.net.named_buffers()}

    def trainable(self) -> list[str]:
        """Names of the parameters that an optimizer would change."""
        return [name for name, p in self.net.named_parameters() if p.requires_grad]

    def layers(self) -> list[tuple[str, str]]:
        """Name and class of every module inside: `("conv1", "torch.nn.modules.conv.Conv2d")`."""
        kinds = ((name, type(module)) for name, module in self.net.named_modules())
        return [(name, f"{kind.__module__}.{kind.__qualname__}") for name, kind in kinds]

    def borrowed(self) -> set[str]:
        """The finished networks that `prepare` and `run` saw at work inside."""
        return self._borrowing.names

    @torch.no_grad()
    def load(self, values: dict[str, Tensor]) -> None:
        """Write parameters and buffers, by their names."""
        own = {**dict(self.net.named_parameters()), **dict(self.net.named_buffers())}
        for name, value in values.items():
            own[name].copy_(value)

    def run(
        self, x: Tensor, training: bool = False, gradient: Tensor | None = None, **kwargs: object
    ) -> ForwardPass:
        """Run it on `x`, and backwards from `gradient` of the output where one is given.

        Raises:
            NotAttempted: it gives nothing.
            Broke: it stops with an error.
            Wrong: it gives no tensor, or nothing to go back through.
        """
        self.net.train(training)
        self.net.zero_grad(set_to_none=True)
        leaf = x.clone().requires_grad_(gradient is not None)
        handed = leaf.clone()  # a leaf could not be changed in place, and this shall be seen
        with torch.set_grad_enabled(gradient is not None), self._borrowing:
            output = _called(lambda: self.net(handed, **kwargs))
        if not isinstance(output, Tensor):
            raise Wrong(f"It gives {_short(output)}, but a tensor is asked for.")
        run = ForwardPass(output.detach().clone(), not torch.equal(handed.detach(), leaf.detach()))
        if gradient is not None and gradient.shape == output.shape:
            if output.requires_grad:
                _called(lambda: output.backward(gradient) or True)
            zero = torch.zeros_like(leaf)
            run.input_gradient = zero if leaf.grad is None else leaf.grad.clone()
            run.gradients = {
                name: None if p.grad is None else p.grad.clone()
                for name, p in self.net.named_parameters()
            }
        return run

    def trace(self, x: Tensor) -> list[Operation]:
        """The operations of a forward pass in evaluation mode, in their order."""
        self.net.eval()
        with torch.no_grad():
            return _called(lambda: trace(self.net, x.clone()))


def _given(value: object) -> object:
    """What the answer is called with: a copy of a tensor, the net of a `ModuleView`."""
    if isinstance(value, ModuleView):
        return value.net
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, list | tuple):
        return type(value)(_given(item) for item in value)
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items()}
    return value


def _called(work: object) -> object:
    """The result of the learner's code, or what became of it in a sentence."""
    try:
        result = work()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1].line or ""
        if str(error) and "NotImplementedError" not in last:  # torch's own
            raise Broke(_told(error)) from None
        raise NotAttempted("The code says that it is not written yet.") from None
    except (Wrong, NotAttempted, Broke):
        raise
    except Exception as error:
        raise Broke(_told(error)) from None
    if result is None or result is ...:
        raise NotAttempted("Called, it gives nothing: not written yet, or `return` is missing.")
    return result


def _result(work: object) -> object:
    return _plain(_called(work))


def _told(error: Exception) -> str:
    """The error in one sentence, with the learner's own line that led to it."""
    message = " ".join(str(error).split())
    message = message if len(message) <= 300 else f"{message[:300]} …"
    said = f"The code stops with {type(error).__name__}: {message}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(PACKAGE)
        and not any(library in frame.filename for library in LIBRARIES)
        and frame.line
    ]
    return f"{said} (in the line `{own[-1].line}`)" if own else said


def _plain(value: object) -> object:
    """The value with nothing in it but tensors, numbers, words and containers of these."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, nn.Module):
        return ModuleView(value)
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, list | tuple):  # torch.Size is a tuple
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _plain(value.tolist())
    if hasattr(value, "get_lines") or hasattr(value, "add_axes"):  # Axes, and a Figure
        return drawn(value)
    raise Wrong(f"It gives {_short(value)}, and nobody asked for such a thing.")


def _short(value: object) -> str:
    text = repr(value)
    return f"`{text}`" if len(text) <= 60 else f"a {type(value).__name__}"
