"""Explorer: switch blocks of trained networks off, and see what they can still do."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import nn

from resnet_lessons.data import Dataset
from resnet_lessons.measure import find_blocks, removed
from resnet_lessons.plots import style
from resnet_lessons.training import evaluate
from resnet_lessons.widgets.explorer import Explorer, Shown, Ticks


def lesions(
    nets: Mapping[style.Network, nn.Module], data: Dataset, off: tuple[str, ...] = ()
) -> Explorer:
    """Tick blocks that are left out; see each network's test error.

    Args:
        nets: trained networks by kind and depth, such as ("plain", 20); those blocks can be chosen
            that keep the shape in all of them.
        data: its test images are used. A few hundred are enough for an answer at once.
        off: blocks that are off at the beginning.

    Raises:
        ValueError: there is no network, no common block that keeps the shape, or no such block as
            `off` names.
    """
    if not nets:
        raise ValueError(
            "nets has no network, but blocks of at least one are to be left out; pass for example "
            "{('plain', 20): net}."
        )
    batch = data.normalize(data.test.images[:2])
    found = [
        [block.name for block in find_blocks(net, batch) if block.keeps_shape]
        for net in nets.values()
    ]
    names = tuple(name for name in found[0] if all(name in others for others in found[1:]))
    if not names or not set(off) <= set(names):
        raise ValueError(
            f"off is {tuple(off)}, but the blocks that keep the shape in all networks are "
            f"{', '.join(names) or 'none'}; choose among them."
        )
    control = Ticks("blocks left out", off, names)
    whole = {name: evaluate(net, data).error for name, net in nets.items()}
    return Explorer({"off": control}, lambda off: answer(nets, data, whole, off))


def answer(
    nets: Mapping[style.Network, nn.Module],
    data: Dataset,
    whole: Mapping[style.Network, float],
    off: tuple[str, ...],
) -> Shown:
    """What the explorer shows; `whole` are the errors of the networks as they are, in percent."""
    errors = dict(whole)
    if off:
        errors = {name: evaluate(removed(net, off), data).error for name, net in nets.items()}
    guessing = 100 * (1 - 1 / data.num_classes)
    lines = [f"Left out: {', '.join(off) or 'nothing'}. Guessing has an error of {guessing:.0f} %."]
    lines += [
        f"{style.name_of(net)}: test error {error:.1f} %, {error - whole[net]:+.1f} points."
        for net, error in errors.items()
    ]
    return Shown(tuple(lines), _picture(errors, whole, guessing))


def _picture(
    errors: Mapping[style.Network, float], whole: Mapping[style.Network, float], guessing: float
) -> Figure:
    """A bar a network, a line where it stood whole, and one where guessing stands."""
    drawing, axes = style.new_figure(width=6.0, height=0.9 + 0.5 * len(errors))
    panel = axes[0, 0]
    for place, (network, error) in enumerate(errors.items()):
        panel.barh(place, error, color=style.colour_of(network), height=0.6)
        panel.plot([whole[network]] * 2, [place - 0.4, place + 0.4], color="black")
    panel.axvline(guessing, color="black", linestyle=":")
    panel.set_yticks(range(len(errors)), list(map(style.name_of, errors)))
    panel.invert_yaxis()
    panel.set(xlim=(0, 100), xlabel="test error (%); black: whole, dotted: guessing")
    return drawing
