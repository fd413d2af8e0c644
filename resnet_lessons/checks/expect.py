"""Comparisons that the probes share; each raises `Wrong` with what was seen."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.verdict import Wrong

# Not to be returned where a learner's own work is asked for.
FOREIGN = ("resnet_lessons.", "torchvision.", "timm.", "d2l.")


def equal(
    seen: object, right: object, what: str, wrong: Mapping[str, object] | None = None
) -> None:
    """Two plain values: numbers, words, or tuples of them. `what`: "the output's height".

    Args:
        wrong: what known mistakes give, by a sentence that names the mistake: it is told where it
            fits.
    """
    if isinstance(seen, Tensor | ModuleView):  # neither is equal to a plain value
        raise Wrong(f"{_capital(what)} is {_worded(seen)}; expected is {_worded(right)}.")
    if isinstance(seen, bool) != isinstance(right, bool) or seen != right:
        named = [mistake for mistake, value in (wrong or {}).items() if value == seen]
        said = f"{_capital(what)} is {_worded(seen)}; expected is {_worded(right)}."
        raise Wrong(" ".join([said, *named[:1]]))


def near(
    seen: object,
    right: float,
    what: str,
    relative: float = 1e-4,
    wrong: Mapping[str, float] | None = None,
) -> None:
    """A number, up to rounding. `wrong`: what known mistakes give, by the sentence for each."""
    if isinstance(seen, Tensor) and seen.numel() == 1:
        seen = seen.item()
    if isinstance(seen, bool) or not isinstance(seen, int | float):
        raise Wrong(f"{_capital(what)} is {_worded(seen)}; a number is asked for.")
    if not abs(seen - right) <= relative * max(abs(right), 1e-8):
        for mistake, value in (wrong or {}).items():
            if abs(seen - value) <= relative * max(abs(value), 1e-8):
                raise Wrong(mistake)
        raise Wrong(f"{_capital(what)} is {seen:.6g}; expected is {right:.6g}.")


def shape(seen: object, right: tuple[int, ...], what: str = "the output") -> None:
    """The shape of a tensor."""
    if not isinstance(seen, Tensor):
        raise Wrong(f"{_capital(what)} is {_worded(seen)}; a tensor is asked for.")
    if tuple(seen.shape) != tuple(right):
        raise Wrong(f"{_capital(what)} has shape {times(seen.shape)}; expected is {times(right)}.")


def close(
    seen: object,
    right: Tensor,
    what: str = "the output",
    wrong: Mapping[str, Tensor] | None = None,
    tolerance: float = 1e-4,
) -> None:
    """A tensor, up to rounding.

    Args:
        wrong: what the tensor would be with a known mistake, by a sentence that names the mistake:
            it is told where it fits.
        tolerance: relative to the largest value in `right`.
    """
    shape(seen, right.shape, what)
    scale = max(right.abs().max().item(), 1e-6)
    if not seen.dtype.is_floating_point:
        seen = seen.to(right.dtype)
    apart = (seen - right).abs().max().item()
    if apart <= tolerance * scale:  # not true of NaN
        return
    for mistake, value in (wrong or {}).items():
        if value.shape == seen.shape and (seen - value).abs().max().item() <= tolerance * scale:
            raise Wrong(mistake)
    if not seen.isfinite().all():
        raise Wrong(f"{_capital(what)} contains values that are infinite or no number.")
    raise Wrong(
        f"{_capital(what)} differs from the expected one by up to {apart:.3g} "
        f"(its values go up to {scale:.3g})."
    )


def unchanged(run: object) -> None:
    """The input of a `ForwardPass` was left alone."""
    if run.changed_input:
        raise Wrong("The input tensor has other values after the call than before.")


def own_work(
    answer: Answer, module: ModuleView | None = None, allowed: tuple[str, ...] = ()
) -> None:
    """The class is the learner's own, and so is what it is made of, down to torch's layers."""
    inside = {kind for _, kind in module.layers()} | module.borrowed() if module else set()
    for name in sorted(answer.origins() | inside):
        if name.startswith(FOREIGN) and name.rpartition(".")[2] not in allowed:
            raise Wrong(
                f"It is, or contains, `{name}`, which is there already; here you write it yourself."
            )


def as_module(thing: object, what: str = "The call") -> ModuleView:
    """What the answer gave is a module."""
    if not isinstance(thing, ModuleView):
        raise Wrong(f"{what} gives {_worded(thing)}; an `nn.Module` is asked for.")
    return thing


@torch.no_grad()
def stir(net: nn.Module) -> nn.Module:
    """Give every parameter and statistic of a reference values of its own, and return it.

    Fresh batch normalisations scale by 1 and shift by 0, and forgive a missing or a doubled one.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(std=0.3)
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 1.5)
    return net


def times(numbers: tuple[int, ...]) -> str:
    """`(2, 8, 6, 6)` as `"2×8×6×6"`."""
    return "×".join(str(int(number)) for number in numbers) or "that of a number"


def _worded(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {times(value.shape)}"
    if isinstance(value, ModuleView):
        return "a module"
    text = repr(value)
    return f"`{text}`" if len(text) <= 80 else f"a {type(value).__name__}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
