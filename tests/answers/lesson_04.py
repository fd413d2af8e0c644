"""Answers to the exercises of lesson 04, besides those that its checks know by name."""

import re
from itertools import pairwise

import torch
import torchvision
from torch import nn

from answers import accepted, all_rejected, learner, rejected
from resnet_lessons import BasicBlock, PlainBlock
from resnet_lessons.checks.forms import nothing, replaced, variant
from resnet_lessons.networks.blocks import conv3x3

THEIRS = learner("lesson_04")

# --- mismatches ---

accepted(
    "mismatches",
    "neighbours in pairs",
    lambda blocks: [
        n for n, ((_, gives), (takes, _)) in enumerate(pairwise(blocks), 1) if gives != takes
    ],
)


@accepted("mismatches", "a walk that remembers, a tuple")
def walk(blocks):
    found, channels = (), blocks[0][0]
    for position, (takes, gives) in enumerate(blocks):
        if takes != channels:
            found += (position,)
        channels = gives
    return found


rejected(
    "mismatches",
    "True",
    "blocks that fit",
    "is `True`",
    lambda blocks: not THEIRS.misfits(blocks),
)
rejected(
    "mismatches",
    "growing channels only",
    "one joint that does not fit",
    "is `()`; expected is `(1,)`.",
    lambda blocks: [n for n in THEIRS.misfits(blocks) if blocks[n - 1][1] < blocks[n][0]],
)


all_rejected(
    "mismatches",
    "other blocks",
    {
        "three at most": ("expected is", lambda blocks: THEIRS.misfits(blocks)[:3]),
        "two blocks at least": (
            "stops with IndexError",
            lambda blocks: THEIRS.misfits(blocks) if blocks[1] else [],
        ),
    },
)

# --- five_block_sizes ---


@accepted("five_block_sizes", "halves, rounded up")
def halving(size):
    first = (size - 7) // 2 + 1
    behind = [-(-first // stride) for stride in (2, 2, 4, 8, 16)]
    return (first, *behind, behind[-1] // 3)


@accepted("five_block_sizes", "by running layers on no memory")
def running(size):
    def conv(stride):
        return nn.Conv2d(1, 1, 3, stride, 1, device="meta")

    layers = [nn.Conv2d(1, 1, 7, 2, device="meta"), nn.MaxPool2d(3, 2, 1), conv(1)]
    layers += [conv(2), conv(2), conv(2), nn.AvgPool2d(3)]
    x, result = torch.empty(1, 1, size, size, device="meta"), []
    for layer in layers:
        x = layer(x)
        result.append(x.shape[-1])
    return result


def even_sizes_only(size):
    assert size % 2 == 0
    return THEIRS.sizes(size)


all_rejected(
    "five_block_sizes",
    "images of other sizes",
    {
        "96 by heart": ("`five_block_sizes(128)` is", lambda size: THEIRS.sizes(96)),
        "refuses odd sizes": ("stops with AssertionError", even_sizes_only),
    },
)
rejected(
    "five_block_sizes",
    "always one pixel left",
    "the smallest and the largest",
    "expected is",
    lambda size: [*THEIRS.sizes(size)[:-1], 1],
)

# --- make_stages ---


class OwnBlock(nn.Module):
    """A residual block that is not the course's."""

    def __init__(self, i, o, stride=1):
        super().__init__()
        self.a = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(o), nn.BatchNorm2d(o)])
        self.around = nn.Identity()
        if stride != 1 or i != o:
            self.around = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.norms[1](self.b(torch.relu(self.norms[0](self.a(x)))))
        return torch.relu(y + self.around(x))


@accepted("make_stages", "a class with an in_channels of its own")
class Stages(nn.Module):
    def __init__(self, in_channels, widths, blocks):
        super().__init__()
        self.in_channels = in_channels
        self.parts = nn.ModuleList()
        for width, number in zip(widths, blocks, strict=True):
            self.make_layer(width, number, 2 if len(self.parts) else 1)

    def make_layer(self, width, number, stride):
        layers = []
        for step in [stride] + [1] * (number - 1):
            layers.append(BasicBlock(self.in_channels, width, step))
            self.in_channels = width
        self.parts.append(nn.Sequential(*layers))

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


@accepted("make_stages", "a flat row of blocks of its own")
def flat_row(in_channels, widths, blocks):
    channels = [w for w, n in zip(widths, blocks, strict=True) for _ in range(n)]
    starts = {sum(blocks[:n]) for n in range(1, len(blocks))}
    return nn.Sequential(
        *(
            OwnBlock(i, o, 2 if n in starts else 1)
            for n, (i, o) in enumerate(zip([in_channels, *channels], channels, strict=False))
        )
    )


def staging(block=BasicBlock, stride=lambda stage, place: 2 if stage and not place else 1):
    def make(in_channels, widths, blocks):
        layers, channels = [], in_channels
        for stage, (width, number) in enumerate(zip(widths, blocks, strict=True)):
            for place in range(number):
                layers.append(block(channels, width, stride(stage, place)))
                channels = width
        return nn.Sequential(*layers)

    return make


class InAList(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.blocks = list(THEIRS.stages(*arguments))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def widths_by_heart(in_channels, widths, blocks):
    return THEIRS.stages(in_channels, [widths[0] + 4 * n for n in range(len(widths))], blocks)


def two_by_heart(in_channels, widths, blocks):
    return THEIRS.stages(in_channels, widths, [2] * len(blocks))


all_rejected(
    "make_stages",
    "the shape that comes out",
    {
        "in_channels never set anew": (
            "stops with ValueError",
            staging(lambda i, o, s: BasicBlock(6, o, s)),
        ),
        "never smaller": (
            "2×14×16×16; expected is 2×14×4×4",
            staging(stride=lambda stage, place: 1),
        ),
        "the first stage halves too": (
            "2×14×2×2; expected is 2×14×4×4",
            staging(stride=lambda stage, place: 1 if place else 2),
        ),
        "a list of blocks": (
            "an `nn.Module` is asked for",
            lambda *arguments: list(THEIRS.stages(*arguments)),
        ),
        "plain blocks": ("PlainBlock", staging(PlainBlock)),
    },
)
all_rejected(
    "make_stages",
    "the shape at every joint",
    {
        "last block of a stage halves": (
            "Convolution 3 (those of 1×1",
            staging(stride=lambda stage, place: 2 if stage < 2 and place == 1 else 1),
        ),
        "two blocks by heart": ("is `12`; expected is `14`", two_by_heart),
        "blocks in a Python list": ("in a plain Python list", InAList),
    },
)
rejected(
    "make_stages",
    "something behind them",
    "what they compute",
    "differs from the expected",
    lambda *arguments: THEIRS.stages(*arguments).append(nn.Hardtanh(0, 0.5)),
)
all_rejected(
    "make_stages",
    "other numbers",
    {
        "widths by heart": ("should have (4, 9, 3, 3)", widths_by_heart),
        "the first stage keeps channels": (
            "stops with",
            lambda i, widths, blocks: THEIRS.stages(widths[0], widths, blocks),
        ),
    },
)

# --- translate ---


@accepted("translate", "regular expressions")
def by_rules(state):
    rules = [
        (r"^conv1", "stem.0"),
        (r"^bn1", "stem.1"),
        (r"^fc", "head"),
        (r"\.conv1", ".branch.0"),
        (r"\.bn1", ".branch.1"),
        (r"\.conv2", ".branch.3"),
        (r"\.bn2", ".branch.4"),
        (r"downsample", "shortcut"),
        (r"^layer(\d)", lambda found: f"stages.{int(found[1]) - 1}"),
    ]
    result = {}
    for name, value in state.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        result[name] = value
    return result


@accepted("translate", "changed in place, popped one by one")
def in_place(state):
    for name in list(state):
        value = state.pop(name)
        state |= THEIRS.translated({name: value})
    return state


def renamed(*changes):
    """The right names, with changes of their text."""

    def translate(state):
        result = {}
        for name, value in THEIRS.translated(state).items():
            for pattern, new in changes:
                name = re.sub(pattern, new, name)
            result[name] = value
        return result

    return translate


def kept(keep):
    return lambda state: THEIRS.translated({name: state[name] for name in filter(keep, state)})


all_rejected(
    "translate",
    "stem and head",
    {
        "nothing renamed": ("stands under `conv1.weight`", lambda state: state),
        "stem without numbers": ("expected is `stem.0.weight`", renamed(("stem.0", "stem.conv"))),
        "the head forgotten": ("stands under `fc.weight`", renamed(("head", "fc"))),
        "names only": (
            "A dictionary is asked for",
            lambda state: list(THEIRS.translated(state)),
        ),
        "new tensors": (
            "is lost: another tensor stands there",
            lambda state: {name: torch.zeros(3) for name in THEIRS.translated(state)},
        ),
    },
)
all_rejected(
    "translate",
    "the branches",
    {
        "replace hits the blocks too": (
            "stands under `stages.0.0.stem.0.weight`",
            renamed((r"branch\.([01])", r"stem.\1")),
        ),
        "stages counted from 1": (
            "stands under `stages.1.0.branch.0.weight`",
            renamed((r"^stages\.\d", lambda found: f"stages.{int(found[0][-1]) + 1}")),
        ),
        "the ReLU not counted": (
            "expected is `stages.0.0.branch.3.weight`",
            renamed((r"branch\.3", "branch.2"), (r"branch\.4", "branch.3")),
        ),
        "convolutions and normalisations swapped": (
            "stands under `stages.0.0.branch.1.weight`",
            renamed((r"branch\.0", "branch.x"), (r"branch\.1", "branch.0"), ("x", "1")),
        ),
    },
)
all_rejected(
    "translate",
    "the shortcuts",
    {
        "shortcuts forgotten": ("is missing", kept(lambda name: "downsample" not in name)),
        "shortcuts under their old name": (
            ".downsample.0.weight`; expected",
            renamed(("shortcut", "downsample")),
        ),
    },
)
all_rejected(
    "translate",
    "the statistics",
    {
        "no statistics": (
            "`bn1.running_mean` is missing",
            kept(lambda name: name.endswith(("weight", "bias"))),
        ),
        "old names too": (
            "There is a name too many",
            lambda state: {**state, **THEIRS.translated(state)},
        ),
    },
)
rejected(
    "translate",
    "two blocks a stage by heart",
    "a deeper network",
    "is missing",
    kept(lambda name: not re.match(r"layer\d\.[2-9]", name)),
)

# --- resnet18 ---


@accepted("resnet18", "torchvision's names, its own blocks, lazy head")
class TheirNames(nn.Module):
    def __init__(self, num_classes=1000, width=64):
        super().__init__()
        self.fc = nn.LazyLinear(num_classes)
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.inplanes = width
        self.layer1 = self.make_layer(width, 1)
        self.layer2 = self.make_layer(2 * width, 2)
        self.layer3 = self.make_layer(4 * width, 2)
        self.layer4 = self.make_layer(8 * width, 2)

    def make_layer(self, planes, stride):
        first = OwnBlock(self.inplanes, planes, stride)
        self.inplanes = planes
        return nn.Sequential(first, OwnBlock(planes, planes))

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)), inplace=True)
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


@accepted("resnet18", "a function that returns one row of modules")
def one_row(num_classes=1000, width=64):
    net = Net(num_classes, width)
    return nn.Sequential(*net.stem, *net.stages, net.pool, nn.Flatten(), net.head)


Net = THEIRS.ResNet18


def stages_of(make, numbers=(2, 2, 2, 2)):
    """A ResNet-18 whose stages are made otherwise."""

    def build(stages):
        width = stages[0].in_channels
        return make(width, [width, 2 * width, 4 * width, 8 * width], numbers)

    return replaced(Net, "stages", build)


small_stem = replaced(Net, "stem.0", lambda conv: conv3x3(3, conv.out_channels))


all_rejected(
    "resnet18",
    "scores, by your own network",
    {
        "torchvision's": (
            "torchvision",
            lambda num_classes=1000, width=64: torchvision.models.resnet18(num_classes=num_classes),
        ),
        "not flattened": (
            "stops with RuntimeError",
            variant(Net, forward=lambda self, x: self.head(self.pool(self.stages(self.stem(x))))),
        ),
        "no head": (
            "3×64×2×2; expected is 3×10",
            variant(Net, forward=lambda self, x: self.stages(self.stem(x))),
        ),
    },
)
all_rejected(
    "resnet18",
    "the shape at every joint",
    {
        "no max-pool": ("8×32×32; expected is 2×8×16×16", replaced(Net, "stem.3", nothing)),
        "stem for small images": ("2×8×64×64", replaced(small_stem, "stem.3", nothing)),
        "first stage halves too": (
            "Convolution 2",
            stages_of(staging(stride=lambda stage, place: 1 if place else 2)),
        ),
        "ResNet-34's stages": (
            "is `33`; expected is `17`",
            stages_of(THEIRS.stages, (3, 4, 6, 3)),
        ),
        "width by heart": ("2×64×32×32", lambda num_classes=1000, width=64: Net(num_classes)),
    },
)
rejected(
    "resnet18",
    "eps of the article's stem",
    "what it computes",
    "differs from the expected",
    replaced(Net, "stem.1", lambda norm: nn.BatchNorm2d(norm.num_features, eps=1e-3)),
)
rejected(
    "resnet18",
    "pool of 2 at the end",
    "images of any size",
    "stops with RuntimeError",
    replaced(Net, "pool", lambda pool: nn.AvgPool2d(2)),
)
rejected(
    "resnet18",
    "classes by heart",
    "other numbers",
    "weights of shape (10, 48)",
    lambda num_classes=1000, width=64: Net(10 if num_classes < 1000 else 1000, width),
)
