"""Explorer: what one residual block of a trained network does with one image."""

import copy
import functools

import numpy as np
import torch
from torch import Tensor, nn

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.data import Dataset
from resnet_lessons.measure import (
    BranchTerms,
    branch_sizes,
    branch_terms,
    device_of,
    find_blocks,
    same_randomness,
)
from resnet_lessons.plots import inside as pictures
from resnet_lessons.widgets.explorer import Explorer, Shown, menu, steps

CHANNELS = 6  # drawn of a block
CLASSES = 10  # drawn of the scores
FEW = 8  # images by which the channels to draw are chosen


def inside(
    net: nn.Module, data: Dataset, block: str | None = None, image: int = 0, images: int = 100
) -> Explorer:
    """Choose a test image and a block; see x, F(x) and y = F(x) + x in it, and the class scores.

    The network is shown as it is now: what it learns afterwards, only a new explorer shows.

    Args:
        net: with residual blocks, known by their attribute `downsample`; gives one score a class.
        data: its first test images can be chosen, all of them or only those that `net` gets wrong.
        block: dotted name of the block that it begins with, such as "layer2.1"; default, the first.
        image: number of the test image that it begins with, counted from 0.
        images: how many can be chosen, at most.

    Raises:
        TypeError, ValueError: `net` has no residual block, does not take the images, or does not
            score the classes of `data`; or another argument is out of its range.
    """
    look = _Look(net, data, whole_number("images", images))
    names = tuple(look.blocks)
    one_of("block", names[0] if block is None else block, names)
    if whole_number("image", image, minimum=0) >= len(look.labels):
        raise ValueError(
            f"image is {image}, but the images to choose from are 0 to {len(look.labels) - 1}; "
            "choose one of them, or pass a larger `images`."
        )
    # Without a wrong guess there is nothing to choose; a slider cannot be empty.
    which = menu("images", "all", ("all", "misclassified") if look.wrong else ("all",))
    slider = steps("test image", image, look.all)

    def offer(change: dict) -> None:
        slider.options = look.wrong if change["new"] == "misclassified" else look.all

    which.observe(offer, "value")  # before the explorer itself listens
    controls = {"show": which, "image": slider, "block": steps("block", block or names[0], names)}
    return Explorer(controls, functools.partial(answer, look))


class _Look:
    """A copy of the network, its scores, and what was measured in it so far.

    Attributes:
        all, wrong: numbers of the images, and of those that are misclassified.
        labels: the right class of each.
        scores: softmax, images × classes.
        blocks: by name, in the order in which they run.
    """

    def __init__(self, net: nn.Module, data: Dataset, count: int) -> None:
        _check(net, data)
        self.data = data.take(test=min(count, len(data.test)))
        self.net = copy.deepcopy(net).eval()
        self.labels = self.data.test.labels.tolist()
        self.sizes = functools.lru_cache(maxsize=256)(self._sizes)
        self.terms = functools.lru_cache(maxsize=32)(self._terms)
        self.channels = functools.lru_cache(maxsize=None)(self._channels)
        self.sizes(0)  # refuses a network without residual blocks
        found = find_blocks(self.net, self._input([0]))
        self.blocks = {block.name: block for block in found if block.residual}
        self.scores = self._scores()
        guesses = self.scores.argmax(1).tolist()
        self.all = tuple(range(len(self.labels)))
        self.wrong = tuple(n for n in self.all if guesses[n] != self.labels[n])

    def _input(self, numbers: list[int]) -> Tensor:
        return self.data.normalize(self.data.test.images[numbers])

    def _scores(self) -> Tensor:
        device = device_of(self.net, self.data.test.images)
        parts = []
        with torch.no_grad(), same_randomness(device):
            for numbers in torch.arange(len(self.labels)).split(100):
                parts.append(self.net(self._input(numbers.tolist()).to(device)))
        classes = self.data.num_classes
        if not isinstance(parts[0], Tensor) or parts[0].shape[1:] != (classes,):
            given = getattr(parts[0], "shape", (0, type(parts[0]).__name__))[1:]
            raise ValueError(
                f"net gives {'×'.join(map(str, given))} for an image, but {self.data.name} has "
                f"{classes} classes; pass a network with num_classes={classes}."
            )
        return torch.cat(parts).softmax(1).cpu()

    def _sizes(self, image: int) -> dict[str, float]:
        """F(x) as a multiple of x in each block."""
        return {size.name: size.ratio for size in branch_sizes(self.net, self._input([image]))}

    def _terms(self, image: int, block: str) -> BranchTerms:
        return branch_terms(self.net, self._input([image]), block)

    def _channels(self, block: str) -> list[int]:
        """Those that y is largest in, over a few images: the same for all images of the slider."""
        few = self._input(list(self.all[:FEW]))
        size = branch_terms(self.net, few, block).output.square().mean((0, 2, 3))
        return sorted(size.topk(min(CHANNELS, len(size))).indices.tolist())


def _check(net: nn.Module, data: Dataset) -> None:
    if not isinstance(net, nn.Module):
        raise TypeError(
            f"net is a {type(net).__name__}, but it must be a network; pass for example a trained "
            "cifar_resnet(20)."
        )
    if not isinstance(data, Dataset):
        raise TypeError(
            f"data is a {type(data).__name__}, but it must be a Dataset with test images; pass for "
            "example load()."
        )
    first = next((part for part in net.modules() if isinstance(part, nn.Conv2d)), None)
    if first is not None and first.in_channels != data.in_channels:
        raise ValueError(
            f"net takes images of {first.in_channels} channels, but those of {data.name} have "
            f"{data.in_channels}; pass data.in_colour(), or a network built for "
            f"{data.in_channels}."
        )


def answer(look: _Look, show: str, image: int, block: str) -> Shown:
    """What the explorer shows of test image number `image`, one of those that `show` offers."""
    terms, channels, ratios = look.terms(image, block), look.channels(block), look.sizes(image)
    names, right, scores = look.data.class_names, look.labels[image], look.scores[image]
    guess, drawn = int(scores.argmax()), _drawn_classes(scores, right)
    rule, mark = _rule(terms)
    maps = {
        name: term[0, channels].float().cpu().numpy()
        for name, term in (("x", terms.shortcut), ("F(x)", terms.branch), (mark, terms.output))
    }
    # One value in a hundred may lie beyond the scale; alone it would make all others look like 0.
    limit = float(np.quantile(np.abs([*maps.values()]), 0.99)) or 1.0
    shape = "×".join(map(str, terms.output.shape[1:]))
    way = "" if look.blocks[block].keeps_shape else ", x brought to this shape by the shortcut"
    text = (
        f"Test image {image}, one of {_count(look, show)}: {names[right]}. "
        f"The network says {names[guess]}, "
        f"{'rightly' if guess == right else 'wrongly'}.",
        _say_scores(scores, names, right, drawn),
        f"Block {block}: {rule}, {shape}{way}. {_say_ratio(ratios[block])}",
        _say_maps(channels, terms.output.shape[1], limit),
    )
    numbers = (
        _say_ranges([*maps.values()]),
        _say_channels([*maps.values()], channels),
        "F(x) as a multiple of x in all blocks: "
        + ", ".join(f"{name} {ratios[name]:.2f}" for name in look.blocks)
        + ".",
    )
    picture, panels = pictures.panels()
    pictures.draw_image(panels["image"], look.data.test.images[image], f"test image {image}")
    title = f"block {block}, channels:"
    pictures.draw_maps(panels["maps"], panels["shades"], maps, channels, limit, title)
    percent = {names[number]: 100 * scores[number].item() for number in drawn}
    pictures.draw_scores(panels["scores"], percent, names[right])
    by_block = {name: ratios[name] for name in look.blocks}
    pictures.draw_ratios(panels["ratios"], by_block, block)
    return Shown(text, picture, numbers=numbers)


def _count(look: _Look, show: str) -> str:
    return f"{len(look.wrong)} misclassified" if show == "misclassified" else str(len(look.all))


def _rule(terms: BranchTerms) -> tuple[str, str]:
    """How y comes from F(x) and x, as measured, in a sentence and in a word or two."""
    total = terms.shortcut + terms.branch
    if torch.allclose(terms.output, total.relu(), rtol=1e-4, atol=1e-5):
        return "y = ReLU(F(x) + x)", "ReLU: y"
    if torch.allclose(terms.output, total, rtol=1e-4, atol=1e-5):
        return "y = F(x) + x", "= y"
    return "y is neither F(x) + x nor ReLU of it, for the block does more", "y"


def _drawn_classes(scores: Tensor, right: int) -> list[int]:
    """All, or the highest scores and the right one, in the order of the classes."""
    best = scores.topk(min(CLASSES, len(scores))).indices.tolist()
    return sorted(best if right in best else [*best[:-1], right])


def _say_scores(scores: Tensor, names: tuple[str, ...], right: int, drawn: list[int]) -> str:
    percent = (100 * scores).tolist()
    told = [number for number in drawn if number == right or percent[number] >= 1]
    said = [
        f"{names[number]} {percent[number]:.1f} %"
        + (" (the right class)" if number == right else "")
        for number in sorted(told, key=lambda number: -percent[number])
    ]
    rest = [value for number, value in enumerate(percent) if number not in told]
    others = f"; all others at most {max(rest):.1f} %" if rest else ""
    return f"Scores: {', '.join(said)}{others}."


def _say_ratio(ratio: float) -> str:
    if np.isfinite(ratio):
        return f"F(x) is {ratio:.2f} times as large as x."
    return "Here x is 0 everywhere."


def _say_maps(channels: list[int], of: int, limit: float) -> str:
    which = "All" if len(channels) == of else f"Of {of} the {len(channels)} strongest"
    return (
        f"{which} channels are drawn: grey is 0, lighter (yellow) above, darker (blue) below, and "
        f"the scale ends at ±{limit:.2f}."
    )


def _say_ranges(maps: list[np.ndarray]) -> str:
    below = 100 * float((maps[1] < 0).mean())
    x, branch, y = (f"{values.min():.2f} to {values.max():.2f}" for values in maps)
    return (
        f"In the channels that are drawn x goes from {x}; F(x) from {branch}, with {below:.0f} % "
        f"of its values below 0; y from {y}."
    )


def _say_channels(maps: list[np.ndarray], channels: list[int]) -> str:
    sizes = [np.sqrt(np.square(values, dtype=float).mean((1, 2))) for values in maps]
    said = (
        f"channel {channel}: " + ", ".join(f"{term[place]:.2f}" for term in sizes)
        for place, channel in enumerate(channels)
    )
    return f"Root mean square of x, F(x) and y: {'; '.join(said)}."
