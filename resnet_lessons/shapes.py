"""One call for the tensor shape at every joint between modules: `shape_table(model, input_shape)`.

The course prints such a table after everything it builds, for most faults in a network are a shape
that is not what its author thought.
"""

import difflib
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import nn

from ._arguments import whole_number

Shape = tuple[int, ...]
Shapes = Shape | tuple[Shape, ...] | None

_HEADER = ("module", "kind", "input", "output", "parameters", "multiply-adds")
_ALIGN = "<<<<>>"


class ShapeRow(NamedTuple):
    """One call of one module.

    `input` and `output` are the shape of the one tensor, batch first; a tuple of shapes where there
    are several (found inside lists, tuples, dicts and dataclasses, in order; what is no tensor is
    left out); None where there is no tensor at all. `parameters` that an earlier row has counted
    count 0 here. `multiply_adds` are for the whole batch.
    """

    name: str
    kind: str
    input: Shapes
    output: Shapes
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, repr=False)
class ShapeTable(Sequence):
    """The rows of `shape_table` in order of execution, and the totals of the whole model.

    `table[0]` and `table["layer1.0"]` give a row (of several calls the first), `table[2:5]` a
    shorter table with the same totals. `parameters` is every parameter of the model, once;
    `multiply_adds` all those of the run, so both include what no row shows.
    """

    rows: tuple[ShapeRow, ...]
    kind: str
    input: Shapes
    output: Shapes
    parameters: int
    multiply_adds: int

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, key: object) -> bool:
        return key in self.rows or any(row.name == key for row in self.rows)

    def __getitem__(self, key: int | slice | str) -> "ShapeRow | ShapeTable":
        if isinstance(key, slice):
            return replace(self, rows=self.rows[key])
        if not isinstance(key, str):
            return self.rows[key]
        names = [row.name for row in self.rows]
        if key in names:
            return self.rows[names.index(key)]
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.4)
        cure = f"did you mean {near[0]!r}?" if near else "print the table for its names."
        raise KeyError(f"no row is named {key!r}; {cure}")

    def __repr__(self) -> str:
        body, foot = self._cells()
        lines = [_HEADER, *body, *foot]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        form = "  ".join(f"{{:{align}{w}}}" for align, w in zip(_ALIGN, widths, strict=True))
        texts = [form.format(*line) for line in lines]
        rule = "─" * len(texts[0])
        return "\n".join([texts.pop(0), rule, *texts[: len(body)], rule, *texts[len(body) :]])

    def _repr_html_(self) -> str:
        # No colours: the notebook's theme, light or dark, sets them.
        body, foot = self._cells()
        title = html.escape(f"{self.kind}: {_text(self.input)} → {_text(self.output)}")
        return (
            f'<div role="region" aria-label="{title}" tabindex="0" style="overflow-x:auto">'
            f'<table><caption style="text-align:left">{title}</caption>'
            f"<thead>{_html_row(_HEADER, scope='col')}</thead>"
            f"<tbody>{''.join(map(_html_row, body))}</tbody>"
            f"<tfoot>{''.join(map(_html_row, foot))}</tfoot></table></div>"
        )

    def _cells(self) -> tuple[list[list[str]], list[list[str]]]:
        """The body and the footer; what no row shows has a line of its own in the footer."""
        body = [_line(row.name or "(model)", row) for row in self.rows]
        total = _line("total", self)
        parameters = self.parameters - sum(row.parameters for row in self.rows)
        multiply_adds = self.multiply_adds - sum(row.multiply_adds for row in self.rows)
        rest = ["in no row", "", "", "", f"{parameters:,}", f"{multiply_adds:,}"]
        return body, [rest, total] if parameters or multiply_adds else [total]


def shape_table(model: nn.Module, input_shape: Any, depth: int | None = None) -> ShapeTable:
    """Run `model` once and return the shapes at its joints, with parameters and multiply-adds.

    The model runs in eval mode without gradients, and is left as it was found, also after an error:
    training flags, hooks, running statistics, gradients, torch's random state. Hooks of your own
    run as in any forward pass. On the meta device the run costs nothing.

    A call inside a module that has a row belongs to that row. Multiply-adds are those of
    convolutions and matrix products: half of what the installed `torch.utils.flop_counter` counts,
    which leaves out normalization, activations, pooling and fused recurrent layers, and in old
    releases attention on the CPU.

    Args:
        model: any module; its lazy modules must have seen a batch.
        input_shape: a shape with the batch first, as (1, 3, 224, 224), for zeros of the model's
            device and float type; or a tensor to use in their place (token ids, say); or a list of
            such shapes and tensors, one for each input.
        depth: None unfolds the model and its containers (a Sequential, and what has no forward of
            its own, as ModuleList) and stops at every other module: the stem, each block, the head.
            A number gives the modules whose dotted name has that many parts, and those above them
            that have no children; 0 gives the model as one row, whose name is "".

    Raises:
        TypeError: `model` is no module, or `input_shape` or `depth` is none of the above.
        ValueError: a size is below 1, `depth` below 0, a lazy module is unused, or a module fails
            on its input; the message names that module, its input's shape and torch's reason.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is {model!r}, but it must be an nn.Module; build the network first, "
            "for example with resnet18()."
        )
    if depth is not None:
        depth = whole_number("depth", depth, minimum=0)
    if any(map(nn.parameter.is_lazy, _state(model))):
        raise ValueError(
            f"model is a {type(model).__name__} with lazy modules that have no shape yet, but each "
            "parameter must have one; call the model once on a batch first."
        )
    inputs = _inputs(model, input_shape)

    # Imported only here: with what torch loads when a counter first counts, it takes seconds that
    # `import resnet_lessons` need not spend. (Training loads the same, so it is spent once.)
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    recorder = _Recorder(model, depth, lambda: counter.get_total_flops() // 2)
    with recorder.attached(), counter:
        try:
            output = model(*inputs)
        except Exception as error:
            raise ValueError(recorder.failure(_shapes(inputs), error)) from error
    return ShapeTable(
        rows=tuple(recorder.rows),
        kind=type(model).__name__,
        input=_shapes(inputs),
        output=_shapes(output),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        multiply_adds=recorder.multiply_adds(),
    )


class _Recorder:
    """Hooks on every module of a model: a row for the calls at its joints, a trail for errors."""

    def __init__(self, model: nn.Module, depth: int | None, multiply_adds: Callable[[], int]):
        self.model = model
        self.multiply_adds = multiply_adds  # the running total
        self.joints: dict[nn.Module, str] = {}
        for name, module in _joints(model, depth):
            self.joints.setdefault(module, name)
        self.rows: list[ShapeRow] = []
        self.running: list[tuple[nn.Module, Shapes, int]] = []  # entered, not left; outermost first
        self.counted: set[nn.Parameter] = set()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hooks on, eval mode, no gradients; and everything back as it was at the end."""
        devices = {tensor.device for tensor in _state(self.model) if tensor.is_cuda}
        fused_attention = torch.backends.mha.get_fastpath_enabled()
        with torch.no_grad(), torch.random.fork_rng(devices=list(devices)), ExitStack() as undo:
            # Attention's fused kernel does its matrix products where the counter cannot see them.
            undo.callback(torch.backends.mha.set_fastpath_enabled, fused_attention)
            torch.backends.mha.set_fastpath_enabled(False)
            for module in self.model.modules():
                undo.callback(setattr, module, "training", module.training)
                module.training = False  # not by eval(), which a module may override
                undo.callback(module.register_forward_pre_hook(self.enter, with_kwargs=True).remove)
                undo.callback(module.register_forward_hook(self.leave, with_kwargs=True).remove)
            yield

    def enter(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        self.running.append((module, _shapes((args, kwargs)), self.multiply_adds()))

    def leave(self, module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        entered, shapes, before = self.running.pop()
        while entered is not module:  # it raised, and the forward around it caught the error
            entered, shapes, before = self.running.pop()
        if module not in self.joints or any(outer in self.joints for outer, _, _ in self.running):
            return
        fresh = set(module.parameters()) - self.counted
        self.counted |= fresh
        parameters = sum(parameter.numel() for parameter in fresh)
        cost = self.multiply_adds() - before
        name, kind = self.joints[module], type(module).__name__
        self.rows.append(ShapeRow(name, kind, shapes, _shapes(output), parameters, cost))

    def failure(self, shapes: Shapes, error: Exception) -> str:
        module, shapes, _ = self.running[-1] if self.running else (self.model, shapes, 0)
        name = next(name for name, each in self.model.named_modules() if each is module)
        where = f"module {name!r}" if name else "the model"
        reason = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        return (
            f"{where} ({type(module).__name__}) failed on input {_text(shapes)}, with "
            f"{type(error).__name__}: {reason}; make the module before it give out what it takes, "
            "or change input_shape, whose first number is the batch."
        )


def _joints(
    module: nn.Module, depth: int | None, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module wherever unfolding stops; see `shape_table` for where that is."""
    # A subclass of Sequential with a forward of its own does more than call its children in turn,
    # unless it says that it does not.
    container = type(module).forward in (nn.Sequential.forward, nn.Module.forward)
    container |= getattr(module, "is_container", False) is True
    unfold = (not path or container) if depth is None else len(path) < depth
    children = list(module.named_children()) if unfold else []
    for name, child in children:
        yield from _joints(child, depth, (*path, name))
    if not children:
        yield ".".join(path), module


def _state(model: nn.Module) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()]


def _inputs(model: nn.Module, given: Any) -> list[torch.Tensor]:
    items = given if isinstance(given, (tuple, list)) else []
    if any(isinstance(item, (tuple, list, torch.Tensor)) for item in items):
        return [_input(model, f"input_shape[{i}]", item) for i, item in enumerate(items)]
    return [_input(model, "input_shape", given)]


def _input(model: nn.Module, name: str, given: Any) -> torch.Tensor:
    if isinstance(given, torch.Tensor):
        return given.detach().clone()  # a first layer in place would write into the caller's tensor
    if not isinstance(given, (tuple, list)) or not given:
        raise (ValueError if given in ((), []) else TypeError)(
            f"{name} is {given!r}, but it must be a tensor or a tuple of whole numbers with the "
            "batch first; pass for example (1, 3, 224, 224)."
        )
    sizes = [whole_number(f"{name}[{i}]", size) for i, size in enumerate(given)]
    device = next((tensor.device for tensor in _state(model)), None)
    dtype = next((tensor.dtype for tensor in _state(model) if tensor.is_floating_point()), None)
    return torch.zeros(sizes, device=device, dtype=dtype)


def _shapes(value: object) -> Shapes:
    shapes = [tuple(tensor.shape) for tensor in _tensors(value)]
    return shapes[0] if len(shapes) == 1 else tuple(shapes) or None


def _tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    elif is_dataclass(type(value)):
        value = [getattr(value, field.name) for field in fields(value)]
    items = value if isinstance(value, (tuple, list)) else []
    return [tensor for item in items for tensor in _tensors(item)]


def _text(shapes: Shapes) -> str:
    if shapes is None:
        return "–"
    if any(isinstance(size, tuple) for size in shapes):
        return ", ".join(map(_text, shapes))
    return "×".join(map(str, shapes)) or "scalar"


def _line(name: str, row: ShapeRow | ShapeTable) -> list[str]:
    numbers = f"{row.parameters:,}", f"{row.multiply_adds:,}"
    return [name, row.kind, _text(row.input), _text(row.output), *numbers]


def _html_row(cells: Sequence[str], scope: str = "row") -> str:
    line = ""
    for i, (cell, align) in enumerate(zip(cells, _ALIGN, strict=True)):
        tag = f'th scope="{scope}"' if i == 0 or scope == "col" else "td"
        side = "left" if align == "<" else "right"
        line += f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag[:2]}>'
    return f"<tr>{line}</tr>"
