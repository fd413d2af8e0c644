"""Explorer: a ResNet of your own, its shapes and its costs, beside the nearest published one."""

from functools import lru_cache

import torch
from ipywidgets import Dropdown
from torch import nn

import resnet_lessons
from resnet_lessons._arguments import one_of
from resnet_lessons.networks import PUBLISHED, BasicBlock, Bottleneck, ResNet
from resnet_lessons.shapes import shape_table
from resnet_lessons.widgets.explorer import Explorer, Shown, menu

BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}
STAGES = ("1, 1, 1, 1", "2, 2, 2, 2", "3, 4, 6, 3", "3, 4, 23, 3", "3, 8, 36, 3")
WIDTHS = (16, 32, 64, 128)
STEMS = ("imagenet", "cifar")
SIZES = (32, 64, 96, 128, 224)


def network(
    block: str = "bottleneck",
    stages: str = "3, 4, 6, 3",
    width: int = 64,
    stem: str = "imagenet",
    size: int = 224,
) -> Explorer:
    """Choose block, stages, width, stem and input; see the shapes, and what the network costs.

    The arguments are what it begins with: ResNet-50. `width` are the channels of the first stage,
    as the block takes them, and the stages after it double them.

    Raises:
        ValueError: an argument is not among the choices of its menu.
    """
    controls = {
        "block": _menu("block", block, tuple(BLOCKS)),
        "stages": _menu("stages", stages, STAGES, "blocks a stage"),
        "width": _menu("width", width, WIDTHS),
        "stem": _menu("stem", stem, STEMS),
        "size": _menu("size", size, SIZES, "input size"),
    }
    published()  # counted now, so that the first change need not wait for it
    return Explorer(controls, answer)


def _menu(name: str, value: object, choices: tuple, label: str = "") -> Dropdown:
    one_of(name, str(value), [str(choice) for choice in choices])
    return menu(label or name, value, choices)


@lru_cache
def answer(block: str, stages: str, width: int, stem: str, size: int) -> Shown:
    """What the explorer shows, for 1000 classes and colour images."""
    blocks = [int(number) for number in stages.split(",")]
    table, parameters, work = parts(block, tuple(blocks), width, stem, size)
    depth = 2 + sum(blocks) * (3 if block == "bottleneck" else 2)
    near = min(published(), key=lambda name: abs(published()[name] - parameters))
    other = published()[near]
    beside = "exactly as many" if other == parameters else f"{parameters / other:.2f} times as many"
    return Shown(
        (
            f"{depth} layers with weights, {parameters:,} parameters, {work:,} multiply-adds.",
            f"The weights take {parameters * 4 / 2**20:,.1f} MiB in float32.",
            f"Nearest published network: {near} with {other:,} parameters; yours has {beside}.",
        ),
        table=(("part", "output", "parameters", "multiply-adds"), *table),
    )


def parts(
    block: str, blocks: tuple[int, ...], width: int, stem: str, size: int
) -> tuple[list[tuple[str, ...]], int, int]:
    """A row for each part of the network, all its parameters, and all its multiply-adds.

    Of each stage the first block is counted and, once, one of the others, for they are alike: so
    that 152 layers are counted as fast as 34.
    """
    channels = [width * 2**number for number in range(4)]
    few = [min(count, 2) for count in blocks]
    with torch.device("meta"):
        net = ResNet(
            [min(count, 2) for count in blocks], 1000, 3, stem, False, BLOCKS[block], channels
        )
        counted = {row.name: row for row in shape_table(net, (1, 3, size, size))}
    rows, total, work = [], 0, 0

    def add(name: str, found: list, times: list[int]) -> None:
        nonlocal total, work
        parameters = sum(row.parameters * n for row, n in zip(found, times, strict=True))
        adds = sum(row.multiply_adds * n for row, n in zip(found, times, strict=True))
        total, work = total + parameters, work + adds
        shape = "×".join(map(str, found[-1].output[1:]))
        rows.append((name, shape, f"{parameters:,}", f"{adds:,}"))

    stem_rows = [counted[name] for name in ("conv1", "bn1", "relu", "maxpool") if name in counted]
    add("stem", stem_rows, [1] * len(stem_rows))
    for number, count in enumerate(blocks, 1):
        found = [counted[f"layer{number}.{place}"] for place in range(few[number - 1])]
        add(f"stage {number}: {count} blocks", found, [1, count - 1][: len(found)])
    add("head", [counted["avgpool"], counted["fc"]], [1, 1])
    return rows, total, work


@lru_cache(maxsize=1)
def published() -> dict[str, int]:
    """The parameters of the networks that torchvision publishes weights for."""
    with torch.device("meta"):
        return {name: _count(getattr(resnet_lessons, name)()) for name in PUBLISHED}


def _count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())
