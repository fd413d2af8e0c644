"""Plain values between two processes of which one trusts the other with nothing.

A frame is eight bytes (the lengths of what follows, big-endian), a header in JSON, and the raw
bytes of the tensors that the header describes. Modules travel as numbers. Reading a frame builds
numbers, words, containers, tensors, and the few records of `resnet_lessons.checks`: nothing else.
"""

import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import fields
from math import prod

import torch
from torch import Tensor

from resnet_lessons.checks.answers import ForwardPass, ModuleView
from resnet_lessons.checks.tracing import Operation
from resnet_lessons.checks.watching import Call

RECORDS = {kind.__name__: kind for kind in (ForwardPass, Operation, Call)}
CONTAINERS = {kind.__name__: kind for kind in (tuple, list, set)}
DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
        *("uint8", "int8", "int16", "int32", "int64", "bool"),
    )
}
MOST_WORDS = 4 << 20
MOST_NUMBERS = 256 << 20
SMALLEST = 1e-3  # seconds; a timeout of 0 would mean "do not wait at all"
FOREVER = 1e6


class Lost(Exception):
    """Nothing more can be expected from the worker; the message tells the learner why."""


class Ended(Lost):
    """Its process is gone."""

    def __init__(self) -> None:
        super().__init__("The code ended its own process (`os._exit`, a crash, or no memory left).")


class TimeIsUp(Lost):
    """It did not answer in time."""


class Broken(Lost):
    """It sent what no honest process sends."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The code disturbed the grading and was stopped: {what}")


def encode(value: object, number: Callable[[ModuleView], int]) -> bytes:
    """The frame of a value; `number` gives the number by which the other side knows a module.

    Raises:
        TypeError: the value holds something that is not plain.
    """
    tensors: list[Tensor] = []
    described = _describe(value, tensors, number)
    kinds = [[str(t.dtype).removeprefix("torch."), list(t.shape)] for t in tensors]
    header = json.dumps({"value": described, "tensors": kinds}).encode()
    body = b"".join(t.reshape(-1).view(torch.uint8).numpy().tobytes() for t in tensors)
    return struct.pack(">II", len(header), len(body)) + header + body


def _describe(value: object, tensors: list[Tensor], number: Callable[[ModuleView], int]) -> object:
    """The value in JSON: what is no number or word is a list whose first item tells its kind."""

    def again(item: object) -> object:
        return _describe(item, tensors, number)

    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        tensors.append(_dense(value))
        return ["tensor", len(tensors) - 1]
    if isinstance(value, ModuleView):
        return ["module", number(value)]
    for name, kind in CONTAINERS.items():
        if isinstance(value, kind):
            return [name, *map(again, value)]
    if isinstance(value, dict):
        return ["dict", *([again(key), again(item)] for key, item in value.items())]
    name = type(value).__name__
    if RECORDS.get(name) is type(value):
        return ["record", name, {f.name: again(getattr(value, f.name)) for f in fields(value)}]
    for kind in (bool, int, float, str):  # NumPy's float64, an enumeration, …
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(f"A {name} is no plain value.")


def _dense(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.dtype not in DTYPES.values():
        raise TypeError(f"A tensor of {tensor.dtype} is no plain value.")
    return tensor.resolve_conj().resolve_neg().contiguous()


def decode(header: bytes, body: bytes, module: Callable[[int], ModuleView]) -> object:
    """The value in a frame; `module` gives the module that a number stands for.

    Raises:
        Broken: the frame holds anything but such a value.
    """
    try:
        frame = json.loads(header)
        tensors, start = [], 0
        for name, shape in frame["tensors"]:
            dtype, shape = DTYPES[name], tuple(map(_size, shape))
            end = start + dtype.itemsize * prod(shape)
            tensors.append(_tensor(body[start:end], dtype, shape))
            start = end
        if start != len(body):
            raise ValueError("The tensors have another length than described.")
        return _build(frame["value"], tensors, module)
    except Exception as error:  # whatever a liar makes of it, RecursionError included
        raise Broken(f"It sent what cannot be read ({type(error).__name__}).") from None


def _size(number: object) -> int:
    if type(number) is not int or not 0 <= number <= MOST_NUMBERS:
        raise ValueError(number)
    return number


def _tensor(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if len(data) != dtype.itemsize * prod(shape):
        raise ValueError("A tensor has another length than described.")
    if not data:
        return torch.empty(shape, dtype=dtype)
    raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    if dtype is torch.bool:  # any other byte than 0 and 1 is undefined behaviour
        return (raw != 0).reshape(shape)
    return raw.view(dtype).reshape(shape)


def _build(described: object, tensors: list[Tensor], module: Callable[[int], ModuleView]) -> object:
    def again(item: object) -> object:
        return _build(item, tensors, module)

    if described is None or type(described) in (bool, int, float, str):
        return described
    if not isinstance(described, list):
        raise ValueError("A kind is missing.")
    kind, *items = described
    if kind == "tensor":
        return tensors[_size(items[0])]
    if kind == "module":
        return module(_size(items[0]))
    if kind in CONTAINERS:
        return CONTAINERS[kind](map(again, items))
    if kind == "dict":
        return {again(key): again(item) for key, item in items}
    if kind == "record":
        name, values = items
        return _record(RECORDS[name], {key: again(item) for key, item in values.items()})
    raise ValueError(f"{kind!r} is no kind of value.")


def _record(kind: type, values: dict[str, object]) -> object:
    """A record whose fields are of the kinds that the probes rely on."""
    record = kind(**values)
    if kind is ForwardPass and not isinstance(record.output, Tensor):
        raise TypeError("A forward pass gives a tensor.")
    if kind is Operation:
        whole = (record.output, *record.inputs, *record.shape)
        if not isinstance(record.name, str) or any(type(number) is not int for number in whole):
            raise TypeError("An operation is known by whole numbers.")
    return record


class Channel:
    """One end of a socket; every call says how long it may take."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, frame: bytes, seconds: float = FOREVER) -> None:
        """Raises: Lost."""
        try:
            self.end.settimeout(max(seconds, SMALLEST))
            self.end.sendall(frame)
        except TimeoutError:
            raise TimeIsUp from None
        except OSError:
            raise Ended from None

    def receive(self, seconds: float = FOREVER) -> tuple[bytes, bytes]:
        """Header and body of the next frame. Raises: Lost."""
        until = time.monotonic() + seconds
        words, numbers = struct.unpack(">II", self._exactly(8, until))
        if words > MOST_WORDS or numbers > MOST_NUMBERS:
            raise Broken(f"It sent more than {MOST_NUMBERS >> 20} MiB at once.")
        return self._exactly(words, until), self._exactly(numbers, until)

    def _exactly(self, count: int, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            if (left := until - time.monotonic()) <= 0:
                raise TimeIsUp
            try:
                self.end.settimeout(max(left, SMALLEST))
                part = self.end.recv(min(count - len(parts), 1 << 20))
            except TimeoutError:
                continue  # and say so above
            except OSError:
                part = b""
            if not part:
                raise Ended
            parts += part
        return bytes(parts)

    def close(self) -> None:
        self.end.close()
