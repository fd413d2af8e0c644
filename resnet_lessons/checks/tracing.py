"""Which operations a network does, whatever its modules are called and however it is written.

`nn.Conv2d`, `F.conv2d` and a lazy layer all end in the same call, and that is where this looks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What a call is named, whichever of torch's spellings it has.
NAMES = {
    "conv2d": "conv2d",
    "linear": "linear",
    "batch_norm": "batch_norm",
    "relu": "relu",
    "relu_": "relu",
    "clamp": "relu",
    "clamp_min": "relu",
    "threshold": "relu",
    "add": "add",
    "add_": "add",
    "__add__": "add",
    "__radd__": "add",
    "__iadd__": "add",
    "sub": "sub",
    "sub_": "sub",
    "__sub__": "sub",
    "__rsub__": "sub",
    "__isub__": "sub",
    "cat": "cat",
    "concat": "cat",
    "pad": "pad",
    "max_pool2d": "max_pool2d",
    "max_pool2d_with_indices": "max_pool2d",
    "avg_pool2d": "avg_pool2d",
    "adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "mean": "mean",
    "flatten": "flatten",
}


@dataclass(frozen=True)
class Operation:
    """One call.

    Attributes:
        name: a value of `NAMES`.
        inputs: numbers of the tensors that went in; 0 is the network's input.
        output: number of the tensor that came out.
        shape: its shape.
        weight, bias: names of the network's parameters that the call used, else None.
        running: names of the running mean and variance of a batch normalisation, else None.
        settings: stride, padding, dilation and groups of a convolution.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    shape: tuple[int, ...]
    weight: str | None = None
    bias: str | None = None
    running: tuple[str, str] | None = None
    settings: dict[str, object] = field(default_factory=dict)


def trace(net: nn.Module, x: Tensor) -> list[Operation]:
    """Run `net` on `x` once, as it is, and return the operations of `NAMES` in their order."""
    names = {id(tensor): name for name, tensor in (*net.named_parameters(), *net.named_buffers())}
    watch = _Watch(names, x)
    with watch:
        net(x)
    return watch.operations


class _Watch(TorchFunctionMode):
    def __init__(self, names: dict[int, str], x: Tensor) -> None:
        super().__init__()
        self.names = names
        self.operations: list[Operation] = []
        self.kept: list[Tensor] = [x]  # a tensor that lives on shares its id with no other
        self.numbers: dict[int, int] = {id(x): 0}
        self.count = 1

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        inputs = tuple(self._number(value) for value in _tensors((*args, *kwargs.values())))
        output = func(*args, **kwargs)
        if isinstance(output, Tensor):
            self._note(func, args, kwargs, inputs, output)
        elif isinstance(output, list | tuple):  # split and its like
            for part in _tensors(tuple(output)):
                self._note(func, args, kwargs, inputs, part)
        return output

    def _note(
        self, func: Callable, args: tuple, kwargs: dict, inputs: tuple, output: Tensor
    ) -> None:
        name = NAMES.get(getattr(func, "__name__", ""))
        if not any(number >= 0 for number in inputs):  # nothing of the signal went in
            return
        if name is None and id(output) in self.numbers:  # a view of itself, a property, …
            return
        if name is None:  # anything else hands the signal on
            self.kept.append(output)
            self.numbers[id(output)] = next(number for number in inputs if number >= 0)
            return
        self.kept.append(output)
        self.numbers[id(output)] = number = self.count  # also where it was changed in place
        self.count += 1
        if name is not None:
            found = self._parameters(func, name, args, kwargs)
            self.operations.append(Operation(name, inputs, number, tuple(output.shape), **found))

    def _parameters(self, func: Callable, name: str, args: tuple, kwargs: dict) -> dict:
        orders = {
            "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
            "linear": ("input", "weight", "bias"),
            "batch_norm": ("input", "running_mean", "running_var", "weight", "bias"),
        }
        if name not in orders:
            return {}
        order = orders[name]
        if func is torch.batch_norm:  # the same, in another order
            order = ("input", "weight", "bias", "running_mean", "running_var")
        given = {**dict(zip(order, args, strict=False)), **kwargs}
        found = {key: self.names.get(id(given.get(key))) for key in ("weight", "bias")}
        if name == "conv2d":
            standard = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
            found["settings"] = {
                key: _pair(given.get(key, value)) if key != "groups" else given.get(key, value)
                for key, value in standard.items()
            }
        if name == "batch_norm":
            running = [self.names.get(id(given.get(k))) for k in ("running_mean", "running_var")]
            found["running"] = tuple(running) if all(running) else None
        return found

    def _number(self, tensor: Tensor) -> int:
        """The number of a tensor; parameters and constants get none of their own, but -1."""
        return self.numbers.get(id(tensor), -1)


def _tensors(values: tuple) -> list[Tensor]:
    """The tensors among the values, and in lists and tuples among them."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(_tensors(tuple(value)))
    return found


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int) else value
