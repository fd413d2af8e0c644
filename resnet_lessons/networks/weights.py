"""Loading a state dict, from a file or from memory: whole, strictly, and saying what is wrong."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

# Where checkpoints keep the state dict; those of `train` under "state" and there under "model".
WRAPPERS = ("state_dict", "model_state_dict", "model", "state")
Network = TypeVar("Network", bound=nn.Module)


def load_weights(
    model: Network, source: str | os.PathLike | Mapping[str, Tensor], head: bool = True
) -> Network:
    """Load a state dict into `model`, in place and strictly, and return `model`.

    Every tensor must be there, fit, and be used; where one is not, nothing is loaded. What wraps a
    state dict is taken off first: the checkpoint around it (that of `train`, or one with a
    "state_dict", "model_state_dict" or "model"), the `module.` that DataParallel puts before each
    name, and torch.compile's `_orig_mod.`. `model` itself may be wrapped by these two.

    Args:
        model: the network to fill.
        source: a state dict, or the path of a file that torch.save wrote. Only tensors and plain
            containers are read from it (`weights_only`), so that no file can run code.
        head: False leaves the last linear layer of `model` as it is, for other classes.

    Raises:
        OSError: there is no such file.
        TypeError, ValueError: the source is no state dict, or is one of another network, of other
            classes, or of images with other channels; the message says which.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}, but it must be the network to fill; pass it first "
            "and the weights second."
        )
    given = _state_dict(source)
    own = {_plain(name): name for name in model.state_dict()}
    last = _last_linear(model)
    if not head:
        given = {name: tensor for name, tensor in given.items() if name not in last}
        own = {plain: name for plain, name in own.items() if plain not in last}
    _check_names(model, own, given)
    _check_shapes(model, own, given, last)
    model.load_state_dict({own[name]: tensor for name, tensor in given.items()}, strict=False)
    return model


def read_weights(path: str | os.PathLike) -> object:
    """What torch.save wrote to `path`, on the CPU: tensors and plain containers, nothing else.

    Raises:
        OSError: there is no such file, or it may not be read.
        ValueError: the file is damaged, or holds what could run code.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"weights are to be read from {path}, but there is no such file; check the "
            f"path, which starts from {Path.cwd()} if it is relative."
        )
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a strange file, which is reported below
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can lead to any
            raise ValueError(_why_unread(path, error)) from error


def _why_unread(path: Path, error: Exception) -> str:
    if "Unsupported global" in str(error):
        return (
            f"{path} holds other things than tensors, a whole pickled model perhaps, "
            "but such a file could run any code, so only tensors are read; save "
            "model.state_dict() in its place."
        )
    return (
        f"{path} is damaged or something else, a web page perhaps, but it must be a "
        "whole file that torch.save wrote; delete it, and save or download it again."
    )


def _state_dict(source: object) -> dict[str, Tensor]:
    """The tensors of `source` by their plain names."""
    state = read_weights(source) if isinstance(source, str | os.PathLike) else source
    while isinstance(state, Mapping):
        inside = [state[key] for key in WRAPPERS if isinstance(state.get(key), Mapping)]
        if not inside:
            break
        state = inside[0]
    if isinstance(state, nn.Module) or not isinstance(state, Mapping):
        raise TypeError(
            f"the weights are a {type(state).__name__}, but they must be a state dict or the path "
            "of a file that holds one; pass for example net.state_dict()."
        )
    tensors = {_plain(str(n)): value for n, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        found = ", ".join(map(repr, list(state)[:5])) or "nothing"
        raise ValueError(
            f"the weights hold {found}, but a state dict holds tensors by their names; pass that "
            "part of the checkpoint which does."
        )
    return tensors


def _plain(name: str) -> str:
    """The tensor's name in the network itself, without what wraps the network or a part of it."""
    return name.replace("_orig_mod.", "").removeprefix("module.")


def _last_linear(model: nn.Module) -> tuple[str, ...]:
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return tuple(_plain(f"{names[-1]}.{end}") for end in ("weight", "bias")) if names else ()


def _check_names(model: nn.Module, own: Mapping[str, str], given: Mapping[str, Tensor]) -> None:
    # Old files lack the counter, and load_state_dict then leaves it at its start.
    lacking = [n for n in own if n not in given and not n.endswith("num_batches_tracked")]
    strange = [name for name in given if name not in own]
    if not lacking and not strange:
        return
    found = [
        f"{verb} {names[0]!r}" + (f" and {len(names) - 1} others" if len(names) > 1 else "")
        for verb, names in (("lack", lacking), ("have in excess", strange))
        if names
    ]
    there, here = _stages(given), _stages(own)
    stages = f" (they are of {there}, not {here})" if there != here else ""
    raise ValueError(
        f"the weights {' and '.join(found)}{stages}, but they must have every name of the "
        f"{_kind(model)} and no other; build the network that they were saved from."
    )


def _check_shapes(
    model: nn.Module, own: Mapping[str, str], given: Mapping[str, Tensor], last: tuple[str, ...]
) -> None:
    state = model.state_dict()
    there = {name: tuple(tensor.shape) for name, tensor in given.items()}
    here = {name: tuple(state[own[name]].shape) for name in given}
    other = [name for name in given if there[name] != here[name]]
    if not other:
        return
    if set(other) <= set(last):
        raise ValueError(
            f"the weights are for {there[other[0]][0]} classes, but the {_kind(model)} was built "
            f"with num_classes={here[other[0]][0]}; build it with num_classes="
            f"{there[other[0]][0]}, or keep its own head with load_weights(…, head=False)."
        )
    name = next(name for name in other if name not in last)
    first = next(n for n in own if n in given and given[n].dim() != 1)  # the first convolution
    if name == first and there[name][:1] + there[name][2:] == here[name][:1] + here[name][2:]:
        channels, built = there[name][1], here[name][1]
        grey = built == 1 and channels == 3
        raise ValueError(
            f"the weights are for images of {channels} channels, but the {_kind(model)} was built "
            f"with in_channels={built}; build it with in_channels={channels}"
            + (", and give it grey images as x.expand(-1, 3, -1, -1)." if grey else ".")
        )
    shapes = ["×".join(map(str, side[name])) or "one number" for side in (there, here)]
    raise ValueError(
        f"{name} is {shapes[0]} in the weights, but {shapes[1]} in the {_kind(model)}; build the "
        "network that they were saved from, with the same arguments."
    )


def _stages(names: Iterable[str]) -> str:
    """The blocks of a network by its names, as in "3, 4, 6, 3 bottlenecks"."""
    names = list(names)
    matches = (re.match(r"layer(\d+)\.(\d+)\.", name) for name in names)
    blocks = Counter(stage for stage, _ in {match.groups() for match in matches if match})
    kind = "bottlenecks" if any(".conv3." in name for name in names) else "basic blocks"
    return f"{', '.join(str(blocks[stage]) for stage in sorted(blocks)) or 'no'} {kind}"


def _kind(model: nn.Module) -> str:
    inner = getattr(model, "_orig_mod", None) or getattr(model, "module", None)
    return type(inner if isinstance(inner, nn.Module) else model).__name__
