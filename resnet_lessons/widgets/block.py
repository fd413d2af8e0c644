"""Explorer: a residual block with the shape on every wire, and the addition that fails."""

from ipywidgets import Dropdown

from resnet_lessons import plots
from resnet_lessons._arguments import one_of
from resnet_lessons.networks import BasicBlock, PlainBlock
from resnet_lessons.widgets.explorer import Explorer, Shown, menu

CHANNELS = (16, 32, 64, 128, 256)
STRIDES = (1, 2, 4)
SHORTCUTS = ("none", "identity", "projection", "padding")
SIZE = 28


def block(
    in_channels: int = 64, out_channels: int = 128, stride: int = 2, shortcut: str = "identity"
) -> Explorer:
    """Choose channels, stride and shortcut; see the block, or where its shapes disagree.

    The arguments are what it begins with, for a feature map of 28×28 pixels.

    Raises:
        ValueError: an argument is not among the choices of its menu.
    """
    controls = {
        "in_channels": _menu("in_channels", "channels in", in_channels, CHANNELS),
        "out_channels": _menu("out_channels", "channels out", out_channels, CHANNELS),
        "stride": _menu("stride", "stride", stride, STRIDES),
        "shortcut": _menu("shortcut", "shortcut", shortcut, SHORTCUTS),
    }
    return Explorer(controls, answer)


def _menu(name: str, label: str, value: object, choices: tuple) -> Dropdown:
    one_of(name, str(value), [str(choice) for choice in choices])
    return menu(label, value, choices)


def answer(in_channels: int, out_channels: int, stride: int, shortcut: str) -> Shown:
    """What the explorer shows."""
    given = (1, in_channels, SIZE, SIZE)
    side = -(-SIZE // stride)
    into, out = f"{in_channels}×{SIZE}×{SIZE}", f"{out_channels}×{side}×{side}"
    plain = PlainBlock(in_channels, out_channels, stride)
    weights = sum(p.numel() for p in plain.parameters())
    if shortcut == "none":
        return Shown(
            (f"No shortcut: {into} becomes {out}, a plain block of {weights:,} parameters.",),
            plots.block(plain, given),
        )
    changes = in_channels != out_channels or stride != 1
    if shortcut == "identity" and changes:
        return Shown(
            (
                f"F(x) is {out}, and x is {into}: "
                f"{_disagreements(in_channels, out_channels, stride)}, so they cannot be added.",
                "Bring x to the shape of F(x), by a projection or by padding.",
            ),
            plots.misfit(plain, given),
            fault=True,
        )
    if shortcut == "padding" and out_channels < in_channels:
        return Shown(
            (
                f"Padding can only add channels, and {out_channels} are fewer than {in_channels}.",
                "Take a projection.",
            ),
            fault=True,
        )
    kind = "padding" if shortcut == "padding" else "projection"
    made = BasicBlock(in_channels, out_channels, stride, kind)
    more = sum(p.numel() for p in made.parameters()) - weights
    if not changes:
        way = "x fits as it is, so the shortcut is the identity"
    else:
        way = f"{into} is brought to {out} by the shortcut"
    count = f"{weights + more:,} parameters, {more:,} of them in the shortcut"
    return Shown((f"F(x) is {out}; {way}. {count}.",), plots.block(made, given))


def _disagreements(in_channels: int, out_channels: int, stride: int) -> str:
    found = ["their channels"] if in_channels != out_channels else []
    found += ["their heights", "their widths"] if stride != 1 else []
    words = " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
    return f"{words} differ"
