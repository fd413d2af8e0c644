"""Argument checks that speak in one sentence: the value, what was expected, and the cure."""

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

import torch


def whole_number(name: str, value: object, minimum: int = 1) -> int:
    """Return `value` as an int, or say why it cannot be one.

    Raises:
        TypeError: `value` is no whole number (booleans count as none).
        ValueError: `value` is below `minimum`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(
            f"{name} is {value!r}, but it must be a whole number of at least {minimum}; "
            f"pass for example {name}={max(minimum, 1)}."
        )
    if value < minimum:
        raise ValueError(
            f"{name} is {value}, but it must be at least {minimum}; "
            f"pass for example {name}={max(minimum, 1)}."
        )
    return int(value)


def whole_numbers(name: str, values: object) -> None:
    """Check that `values` is a sequence of positive whole numbers, at least one.

    Raises:
        TypeError: it is no sequence, or one of them is no whole number.
        ValueError: it is empty, or one of them is below 1.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise (ValueError if isinstance(values, Sequence) else TypeError)(
            f"{name} is {values!r}, but it must be a row of positive whole numbers; pass for "
            f"example {name}=(1, 2, 4)."
        )
    for number, value in enumerate(values):
        whole_number(f"{name}[{number}]", value)


def real_number(name: str, value: object, minimum: float = 0.0, *, above: bool = False) -> float:
    """Return `value` as a float of at least `minimum` (or strictly above it), or say why not.

    Raises:
        TypeError: `value` is no real number.
        ValueError: `value` is too small, infinite or not a number.
    """
    bound = f"{'above' if above else 'at least'} {minimum:g}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}, but it must be a number {bound}; pass a float.")
    number = float(value)
    fits = number > minimum if above else number >= minimum
    if not fits or number == float("inf"):
        raise ValueError(
            f"{name} is {value}, but it must be a finite number {bound}; choose another {name}."
        )
    return number


def true_or_false(name: str, value: object) -> bool:
    """Return `value` if it is True or False: a word or a number would silently count as True.

    Raises:
        TypeError: `value` is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(
            f"{name} is {value!r}, but it must be True or False; pass for example {name}=True."
        )
    return value


def one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`, else name the choices and the nearest one.

    Raises:
        ValueError: `value` is none of `choices`.
    """
    choices = list(choices)
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.4)
        cure = f"did you mean {near[0]!r}?" if near else "choose one of them."
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} is {value!r}, but it must be one of {listed}; {cure}")
    return value


def image_batch(x: torch.Tensor, channels: int, owner: str) -> None:
    """Check that `x` is a float batch N×C×H×W with `channels` channels, as `owner` needs it.

    It may stand in a forward pass: scripting, tracing, exporting and compiling pass it by.

    Raises:
        TypeError: `x` is no tensor, or holds whole numbers (raw uint8 images, say).
        ValueError: `x` has not four dimensions, or not `channels` channels.
    """
    if not torch.jit.is_scripting():  # the one question behind which TorchScript compiles nothing
        _check_image_batch(x, channels, owner)


def computes(x: object) -> bool:
    """Whether a forward pass on `x` computes, and not only records operations for a program.

    While torch.compile, torch.export, torch.jit.trace or torch.fx record, a question about a value
    or a size has no answer, or would make it part of the program.
    """
    recording = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not (recording or isinstance(x, torch.fx.Proxy))


def _check_image_batch(x: object, channels: int, owner: str) -> None:
    if not computes(x):
        return
    if not isinstance(x, torch.Tensor):
        raise TypeError(
            f"{owner} was given a {type(x).__name__}, but it takes a tensor N×C×H×W; "
            "convert it first, for example with torch.as_tensor."
        )
    if not x.is_floating_point():
        raise TypeError(
            f"{owner} was given {x.dtype} values, but it computes with floats; "
            "scale the images first, for example with data.normalize(images)."
        )
    if x.dim() != 4:
        raise ValueError(
            f"{owner} was given a tensor of shape {tuple(x.shape)}, but it takes four dimensions "
            "N×C×H×W; reshape it, for example with x.unsqueeze(0) if it is one image C×H×W, or "
            "x.unsqueeze(1) if it is a batch N×H×W of grey images."
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"{owner} was given {x.shape[1]} channels (input shape {tuple(x.shape)}), but it was "
            f"built for {channels}; build it with in_channels={x.shape[1]}, or make the module "
            f"before it give out {channels} channels."
        )


def raw_pixels(images: object, owner: str) -> None:
    """Check that `images` are raw pixels: a uint8 tensor N×C×H×W, as `owner` needs it.

    Raises:
        TypeError: `images` are no tensor, or not uint8.
        ValueError: `images` have not four dimensions.
    """
    if not isinstance(images, torch.Tensor):
        raise TypeError(
            f"{owner} was given a {type(images).__name__}, but it takes a uint8 tensor N×C×H×W; "
            "convert it first, for example with torch.as_tensor."
        )
    if images.dtype != torch.uint8:
        raise TypeError(
            f"{owner} was given {images.dtype} images, but it takes uint8 pixels from 0 to 255; "
            "pass the raw images, or bring back those scaled to [0, 1] with "
            "(images * 255).round().to(torch.uint8)."
        )
    if images.dim() != 4:
        raise ValueError(
            f"{owner} was given images of shape {tuple(images.shape)}, but it takes four "
            "dimensions N×C×H×W; add the missing one, with images.unsqueeze(1) for grey images "
            "N×H×W, with images.unsqueeze(0) for one image C×H×W."
        )
