"""Answers to the exercises of lesson 09, besides those that its checks know by name."""

import torch
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from answers import accepted, all_rejected, learner, rejected
from resnet_lessons.checks.forms import edited, variant

THEIRS = learner("lesson_09")
Block = THEIRS.PreActivationBlock
ScaleChain = THEIRS.ScaleChain
OTHER = "other numbers"

# --- preact_block ---


@accepted("preact_block", "sequences, made in another order")
class Sequences(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.rest = nn.Sequential(
            nn.Conv2d(i, o, 3, stride, 1, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(),
            nn.Conv2d(o, o, 3, 1, 1, bias=False),
        )
        self.start = nn.Sequential(nn.BatchNorm2d(i), nn.ReLU())
        changes = stride > 1 or i != o
        self.down = nn.Conv2d(i, o, 1, stride, bias=False) if changes else None

    def forward(self, x):
        y = self.start(x)
        return self.rest(y) + (x if self.down is None else self.down(y))


def normalised_shortcut(self, x, active):
    return self.bn1(x) if self.projection is None else self.projection(active)


def changing_input(self, x):
    y = Block.forward(self, x)
    return x.copy_(y) if x.shape == y.shape else y


def basic(self, x):
    y = F.relu(self.bn1(self.conv1(x)))
    return F.relu(self.bn2(self.conv2(y)) + x)


def stride_in_both(block):
    block.conv2.stride = block.conv1.stride


def stride_in_second(block):
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


all_rejected(
    "preact_block",
    "normalise, ReLU, convolve, twice; then add x",
    {
        "shortcut behind the first norm": (
            "3 batch normalisations",
            variant(Block, shortcut=normalised_shortcut),
        ),
        "input changed in place": (
            "other values after the call",
            variant(Block, forward=changing_input),
        ),
        "the basic block": ("differs from", variant(Block, forward=basic)),
    },
)
rejected(
    "preact_block",
    "the course's own",
    "it runs, and keeps the shape",
    "PreActBlock",
    resnet_lessons.PreActBlock,
)
rejected(
    "preact_block",
    "stride in both",
    "the parameters where the shape changes",
    "stops with RuntimeError",
    edited(Block, stride_in_both),
)
rejected(
    "preact_block",
    "stride in the second",
    "where the shape changes",
    "differs from",
    edited(Block, stride_in_second),
)
rejected(
    "preact_block",
    "branch detached",
    "the gradient through both ways",
    "of the input",
    variant(Block, branch=lambda self, active: Block.branch(self, active).detach()),
)

# --- wide_parameters ---


@accepted("wide_parameters", "added up")
def added_up(depth, widen_factor, num_classes, stem=16):
    total, channels = 27 * stem, stem
    for width in (16 * widen_factor, 32 * widen_factor, 64 * widen_factor):
        for _ in range((depth - 4) // 6):
            total += 2 * channels + 9 * channels * width + 2 * width + 9 * width * width
            if channels != width:
                total += channels * width
            channels = width
    return total + 2 * channels + (channels + 1) * num_classes


def off(by):
    return "expected is", lambda d, k, c: added_up(d, k, c) + by((d - 4) // 6, k)


all_rejected(
    "wide_parameters",
    "WRN-10-1",
    {
        "no last normalisation": off(lambda n, k: -128 * k),
        "no projections": off(lambda n, k: -2560 * k * k),
        "projection in every first block": off(lambda n, k: 256),
        "bias": off(lambda n, k: 224 * k * n),
    },
)
all_rejected(
    "wide_parameters",
    "deeper",
    {
        "one block a stage": ("expected is", lambda d, k, c: added_up(10, k, c)),
        "projection in every block": off(lambda n, k: 5376 * k * k * (n - 1)),
    },
)
all_rejected(
    "wide_parameters",
    "wider",
    {
        "a wide stem": ("expected is", lambda d, k, c: added_up(d, k, c, stem=16 * k)),
        "width counted once": ("expected is", lambda d, k, c: k * added_up(d, 1, c)),
    },
)
all_rejected(
    "wide_parameters",
    OTHER,
    {"ten classes by heart": ("expected is", lambda d, k, c: added_up(d, k, 10))},
)

# --- grouped_width ---


@accepted("grouped_width", "by the formula")
def by_formula(channels, width, groups):
    a, b, c = 9 / groups, 2 * channels, -(2 * channels * width + 9 * width**2)
    root = (-b + (b * b - 4 * a * c) ** 0.5) / (2 * a)
    below = max(groups, int(root // groups) * groups)
    return min((below, below + groups), key=lambda v: abs(a * v**2 + b * v + c))


def nearest(apart, reach=9):
    """The width whose price is least `apart` from that without groups."""

    def width(channels, width, groups):
        prices = {
            v: 2 * channels * v + 9 * v**2 / groups for v in range(groups, reach * width, groups)
        }
        target = 2 * channels * width + 9 * width**2
        return min(prices, key=lambda v: apart(prices[v], target))

    return width


all_rejected(
    "grouped_width",
    "one group",
    {
        "twice the width": ("`128`; expected is `64`", lambda channels, width, groups: 2 * width),
    },
)
all_rejected(
    "grouped_width",
    "ResNeXt's own",
    {
        "width times groups": ("expected is `128`", lambda channels, width, groups: width * groups),
        "the same width": ("expected is `128`", lambda channels, width, groups: width),
        "the 3×3 alone": ("expected is `128`", lambda c, w, g: by_formula(0, w, g)),
        "never above": ("expected is `128`", nearest(lambda v, w: w - v if v <= w else w)),
        "width of one group": ("`4`; expected is `128`", lambda c, w, g: by_formula(c, w, g) // g),
    },
)
all_rejected(
    "grouped_width",
    "nearest, from either side",
    {"never below": ("expected is `128`", nearest(lambda v, w: v - w if v >= w else v))},
)
all_rejected(
    "grouped_width",
    OTHER,
    {
        "nearest by ratio": ("expected is `64`", nearest(lambda v, w: max(v / w, w / v))),
        "too few tried": ("expected is `2560`", nearest(lambda v, w: abs(v - w), reach=4)),
        "256 channels by heart": ("expected is", lambda c, w, g: by_formula(4 * w, w, g)),
    },
)

# --- scale_chain ---


@accepted("scale_chain", "sequences, counted down")
class CountedDown(nn.Module):
    def __init__(self, width, scale):
        super().__init__()
        self.steps = nn.ModuleDict()
        for n in reversed(range(scale - 1)):
            conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.steps[str(n)] = nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x):
        parts, y, out = x.chunk(len(self.steps) + 1, dim=1), 0, []
        for n in range(len(self.steps)):
            y = self.steps[str(n)](parts[n] + y)
            out.append(y)
        return torch.cat((*out, parts[-1]), 1)


def reordered(order):
    """A chain whose output is put together in another way."""
    return variant(
        ScaleChain, forward=lambda self, x: order(ScaleChain.forward(self, x), self.width)
    )


def added_behind(self, x):
    *parts, last = x.split(self.width, dim=1)
    done = [self.steps[0](parts[0])]
    for part, step in zip(parts[1:], self.steps[1:], strict=True):
        done.append(step(part) + done[-1])
    return torch.cat([*done, last], dim=1)


def no_relu(chain):
    for step in chain.steps:
        step.pop(2)


rejected(
    "scale_chain",
    "the last part lost",
    "the shape",
    "2×8×5×7; expected is 2×12×5×7",
    reordered(lambda y, width: y[:, :-width]),
)
all_rejected(
    "scale_chain",
    "the chain",
    {
        "the last part in front": ("differs from", reordered(lambda y, width: y.roll(width, 1))),
        "added behind": ("differs from", variant(ScaleChain, forward=added_behind)),
        "no ReLU": ("differs from", edited(ScaleChain, no_relu)),
    },
)

# --- fuse ---


@accepted("fuse", "repeated by hand")
def by_hand(high, low, up, down):
    lifted = torch.einsum("oi,nihw->nohw", up[:, :, 0, 0], low)
    lifted = lifted.repeat_interleave(2, 2).repeat_interleave(2, 3)
    lowered = F.conv2d(F.pad(high, (1, 1, 1, 1)), down, stride=2)
    return [(high + lifted).clamp(min=0), (low + lowered).clamp(min=0)]


@rejected("fuse", "in place", "nothing is changed in place", "other values after the call")
def in_place(high, low, up, down):
    both = by_hand(high, low, up, down)
    high += 1
    return both


@rejected("fuse", "square maps only", OTHER, "has shape")
def square_maps(high, low, up, down):
    one, other = by_hand(high, low, up, down)
    return one[..., : max(8, one.shape[2])], other


all_rejected(
    "fuse",
    "two maps, each as large as before",
    {
        "the other way round": ("the fine map has shape", lambda *given: by_hand(*given)[::-1]),
        "one map only": ("the number of maps", lambda *given: by_hand(*given)[:1]),
    },
)
