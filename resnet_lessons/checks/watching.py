"""What the learner's code does with a network that it is given."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Call:
    """One forward pass.

    Attributes:
        images: how many.
        training: whether the network, or a module inside, was in training mode.
        gradients: whether torch was told to keep what a backward pass needs.
    """

    images: int
    training: bool
    gradients: bool


class Watch:
    """Notes the calls of a network between `start` and `stop`."""

    def __init__(self, net: nn.Module) -> None:
        self.net, self.calls, self.handle = net, [], None

    def start(self) -> None:
        self.stop()
        self.calls = []
        self.handle = self.net.register_forward_pre_hook(self._note)

    def stop(self) -> list[Call]:
        if self.handle is not None:
            self.handle.remove()
        self.handle = None
        return self.calls

    def _note(self, net: nn.Module, args: tuple) -> None:
        training = any(module.training for module in net.modules())
        self.calls.append(Call(len(args[0]), training, torch.is_grad_enabled()))


def hooks(net: nn.Module) -> int:
    """How many hooks hang on a network and on the modules inside."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in net.modules() for kind in kinds)


class Functions(TorchFunctionMode):
    """Notes the names of torch's functions that are called in a `with` block: `"conv2d"`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        self.names.add(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))
