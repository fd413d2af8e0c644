"""Answers to the exercises of lesson 07, besides those that its checks know by name."""

import math
from contextlib import suppress
from functools import partial

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from answers import accepted, all_rejected, learner, rejected
from resnet_lessons.checks.forms import edited, replaced, variant
from resnet_lessons.networks.resnet import ResNet

THEIRS = learner("lesson_07")
Block = THEIRS.Block

# --- network_price ---


@accepted("network_price", "counted by torch")
def by_torch(layers, height, width):
    x, parameters, work = torch.empty(1, layers[0][0], height, width, device="meta"), 0, 0
    for i, o, k, s, g in layers:
        layer = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False, device="meta")
        x = layer(x)
        parameters += layer.weight.numel()
        work += layer.weight.numel() * x.shape[2] * x.shape[3]
    return parameters, work


@accepted("network_price", "lists")
def lists(layers, height, width):
    weights = [o * (i // g) * k * k for i, o, k, _, g in layers]
    work = []
    for count, (_, _, _, stride, _) in zip(weights, layers, strict=True):
        height, width = (math.ceil(size / stride) for size in (height, width))
        work.append(count * height * width)
    return [sum(weights), sum(work)]


all_rejected(
    "network_price",
    "parameters",
    {
        "kernel not squared": (
            "expected is `3456`",
            lambda layers, h, w: (sum(i * o * k for i, o, k, _, _ in layers), 0),
        ),
        "one number": ("asked for are two numbers", lambda *given: THEIRS.price(*given)[0]),
    },
)


@rejected("network_price", "height shrinks only", "strides", "number of multiply-adds is")
def height_only(layers, height, width):
    work = 0
    for i, o, k, s, g in layers:
        height = -(-height // s)
        work += i // g * o * k * k * height * width
    return THEIRS.price(layers, 1, 1)[0], work


# --- bottleneck_parameters ---


@accepted("bottleneck_parameters", "counted by the package")
def by_the_package(*case):
    with torch.device("meta"):
        block = resnet_lessons.Bottleneck(*case)
    return sum(p.numel() for p in block.parameters())


@accepted("bottleneck_parameters", "a list of convolutions")
def convolutions(i, c, stride, groups, base_width):
    w = c * base_width // 64 * groups
    layers = [(i, w, 1, 1), (w, w, 3, groups), (w, 4 * c, 1, 1)]
    if (stride, i) != (1, 4 * c):
        layers.append((i, 4 * c, 1, 1))
    return sum(a * b * k * k / g + 2 * b for a, b, k, g in layers)


def projection_not_normalised(i, c, s, g, b):
    return THEIRS.counted(i, c, s, g, b) - 8 * c * (s != 1 or i != 4 * c)


all_rejected(
    "bottleneck_parameters",
    "inside a stage",
    {
        "by heart": ("(40, 10, 1, 1, 64)", lambda *case: 70_400),
        "always projects": (
            "where the identity does",
            partial(THEIRS.counted, projects=lambda i, c, s: True),
        ),
    },
)
rejected(
    "bottleneck_parameters",
    "projection not normalised",
    "where the shape changes",
    "expected is",
    projection_not_normalised,
)
rejected(
    "bottleneck_parameters",
    "not rounded",
    "other numbers",
    "expected is",
    lambda i, c, s, g, b: THEIRS.counted(i, c, s, g, b, inside=lambda *_: (g * c * b // 64, g)),
)

# --- bottleneck ---


@accepted("bottleneck", "lazy layers, made by a function")
def lazy_block(in_channels, channels, stride=1, groups=1, base_width=64):
    def layer(out, kernel=1, step=1, parts=1):
        convolution = nn.LazyConv2d(out, kernel, step, kernel // 2, groups=parts, bias=False)
        return nn.Sequential(convolution, nn.LazyBatchNorm2d())

    width = groups * (channels * base_width // 64)
    path = [layer(width), nn.ReLU(), layer(width, 3, stride, groups), nn.ReLU()]
    keeps = in_channels == 4 * channels and stride == 1
    short = nn.Identity() if keeps else layer(4 * channels, step=stride)
    return Sum(nn.Sequential(*path, layer(4 * channels)), short)


class Sum(nn.Module):
    def __init__(self, path, short):
        super().__init__()
        self.parts = nn.ModuleDict({"short": short, "path": path})

    def forward(self, x):
        return (self.parts["path"](x) + self.parts["short"](x)).clamp(min=0)


@accepted("bottleneck", "as in the lesson")
class Lesson(nn.Module):
    expansion = 4

    def __init__(self, i, c, s=1, g=1, b=64):
        super().__init__()
        w, o = g * int(c * b / 64), c * self.expansion
        self.downsample = None
        if i != o or s > 1:
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))
        self.conv1, self.bn1 = nn.Conv2d(i, w, 1, bias=False), nn.BatchNorm2d(w)
        self.conv2 = nn.Conv2d(w, w, 3, s, 1, groups=g, bias=False)
        self.bn2 = nn.BatchNorm2d(w)
        self.conv3, self.bn3 = nn.Conv2d(w, o, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        short = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + short)


class FromTorchvision(nn.Module):
    def __init__(self, i, c, *rest):
        super().__init__()
        self.inner = torchvision.models.resnet.Bottleneck(i, c)

    def forward(self, x):
        return self.inner(x)


def projecting(where):
    """A block that projects where `where(stride, channels change)`, and else adds x itself."""

    def edit(block):
        first, last = block.branch[0], block.branch[6]
        strides = block.branch[3].stride != (1, 1)
        if not where(strides, first.in_channels != last.out_channels):
            block.shortcut = nn.Identity()

    return edited(Block, edit)


def not_normalised(block):
    if isinstance(block.shortcut, nn.Sequential):
        block.shortcut = block.shortcut[0]


def changing_input(self, x):
    x += self.branch(x)
    return F.relu(x)


def unpadded(conv):
    conv.padding = 0
    return conv


all_rejected(
    "bottleneck",
    "four times the channels",
    {
        "no expansion": ("2×4×8×6; expected is 2×16×8×6", variant(Lesson, expansion=1)),
        "no padding": ("stops with RuntimeError", replaced(Block, "branch.3", unpadded)),
        "the course's own class": ("Bottleneck", resnet_lessons.Bottleneck),
        "torchvision's class": ("torchvision", FromTorchvision),
    },
)
rejected(
    "bottleneck",
    "input changed in place",
    "F(x) + x, then ReLU",
    "other values after the call",
    variant(Block, forward=changing_input),
)
all_rejected(
    "bottleneck",
    "other channels at stride 1",
    {
        "projection at strides only": (
            "stops with RuntimeError",
            projecting(lambda strides, changes: strides),
        ),
        "projection not normalised": ("expected are", edited(Block, not_normalised)),
    },
)
rejected(
    "bottleneck",
    "projection at channels only",
    "the stride is in the 3×3",
    "stops with RuntimeError",
    projecting(lambda strides, changes: changes),
)
rejected(
    "bottleneck",
    "shortcut detached",
    "the gradient through both ways",
    "of the input",
    variant(Block, forward=lambda self, x: F.relu(self.branch(x) + self.shortcut(x).detach())),
)
rejected(
    "bottleneck",
    "stride 2 by heart",
    "other numbers",
    "has shape",
    THEIRS.asking(lambda i, c, s, g, b: (i, c, min(s, 2), g, b)),
)

# --- load_checkpoint ---


@accepted("load_checkpoint", "checked by hand")
def by_hand(net, state):
    cut = len("module.")
    state = {n[cut:] if n.startswith("module.") else n: v for n, v in state.items()}
    own = net.state_dict()
    if own.keys() != state.keys():
        raise KeyError(f"these names do not fit: {own.keys() ^ state.keys()}")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])
    return net


@accepted("load_checkpoint", "torch's own helper")
def by_helper(net, state):
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    net.load_state_dict(state)
    return net


def renaming(rename, **options):
    def load(net, state):
        net.load_state_dict({rename(name): value for name, value in state.items()}, **options)
        return net

    return load


def parameters_only(net, state):
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(state[name.removeprefix("module.")])
    return net


def swallowing(net, state):
    with suppress(RuntimeError):
        THEIRS.loaded(net, state)
    return net


all_rejected(
    "load_checkpoint",
    "names that fit",
    {
        "nothing loaded": ("`conv1.weight` of the network does not", lambda net, state: net),
        "the state comes back": ("an `nn.Module` is asked for", lambda net, state: dict(state)),
        "parameters only": ("running_mean` of the network does not", parameters_only),
        "always cut": ("stops with RuntimeError", renaming(lambda name: name[len("module.") :])),
    },
)
all_rejected(
    "load_checkpoint",
    "the prefix is taken off",
    {
        "not strict, prefix not known": (
            "of 44 are not there",
            renaming(lambda name: name, strict=False),
        ),
        "letters stripped": (
            "stops with RuntimeError",
            renaming(lambda name: name.lstrip("module.") if name[0] == "m" else name),
        ),
    },
)
all_rejected(
    "load_checkpoint",
    "what does not fit is an error",
    {
        "not strict": (
            "`fc.bias` is missing, and nobody was told",
            renaming(lambda name: name.removeprefix("module."), strict=False),
        ),
        "error swallowed": ("nobody was told", swallowing),
    },
)
rejected(
    "load_checkpoint",
    "replaced everywhere",
    "only at the beginning",
    "stops with RuntimeError",
    renaming(lambda name: name.replace("module.", "")),
)

# --- design_network ---

COSTS = (70_400, 279_552, 1_114_112, 4_462_592)
SMALLEST = 64 * 3 * 49 + 128 + 75_008 + 379_392 + 1_512_448 + 6_039_552 + 2_049_000


def parameters(blocks):
    return SMALLEST + sum((n - 1) * cost for n, cost in zip(blocks, COSTS, strict=True))


def filling(
    order=(3, 2, 1, 0), deep=0, layers=lambda blocks: 2 + 3 * sum(blocks), spare=0, told=tuple
):
    def design(budget, depth):
        blocks = [1, 1, 1, 1]
        while layers(blocks) < depth:
            blocks[deep] += 1
        for stage in order:
            more = (budget - spare - parameters(blocks)) // COSTS[stage]
            blocks[stage] += max(more, 0)
        return told(blocks)

    return design


accepted("design_network", "dear blocks first", filling())
accepted("design_network", "first stage only", filling(order=(0,), told=list))


@accepted("design_network", "networks on the meta device")
def counted_on_meta(budget, depth):
    def count(blocks):
        with torch.device("meta"):
            net = ResNet(blocks, block=resnet_lessons.Bottleneck)
        return sum(p.numel() for p in net.parameters())

    first = count((1, 1, 1, 1))
    cost = [count([1 + (s == t) for s in range(4)]) - first for t in range(4)]
    blocks, left = [max(1, -(-(depth - 2) // 3) - 3), 1, 1, 1], budget - first
    left -= (blocks[0] - 1) * cost[0]
    for stage in (2, 1, 0):
        blocks[stage] += left // cost[stage]
        left %= cost[stage]
    return tuple(blocks)


def known_depths(budget, depth):
    return filling()(budget, depth) if {50: 1, 101: 1, 152: 1}[depth] else None


all_rejected(
    "design_network",
    "four numbers of blocks",
    {
        "the count too": (
            "four whole numbers",
            filling(told=lambda blocks: (tuple(blocks), parameters(blocks))),
        ),
        "empty stages": ("each at least 1", lambda budget, depth: ((depth - 2) // 3, 0, 0, 0)),
    },
)
all_rejected(
    "design_network",
    "deep enough",
    {
        "ResNet-50 always": (
            "= 50 layers; 101 are asked for",
            lambda budget, depth: (3, 4, 6, 3),
        ),
        "four layers a block": (
            "= 47 layers; 50 are asked for",
            filling(order=(3,), layers=lambda blocks: 2 + 4 * sum(blocks)),
        ),
    },
)
all_rejected(
    "design_network",
    "within the budget",
    {
        "depth in the last stage": ("more than the budget", filling(deep=3)),
        "head forgotten": ("more than the budget", filling(spare=-2_049_000)),
    },
)
rejected(
    "design_network",
    "half of the budget",
    "the budget is used",
    "of the budget",
    filling(order=(3,)),
)
rejected(
    "design_network",
    "three depths by heart",
    "other budgets, other depths",
    "stops with KeyError",
    known_depths,
)
