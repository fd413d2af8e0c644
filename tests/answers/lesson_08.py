"""Answers to the exercises of lesson 08, besides those that its checks know by name."""

import copy
import math

import torch
from torch import nn

from answers import accepted, all_rejected, learner, rejected

THEIRS = learner("lesson_08")
OTHER = "other numbers"

# --- paths ---


@accepted("paths", "a block at a time")
def a_block_at_a_time(blocks):
    counts = [1]
    for _ in range(blocks):
        counts = [a + b for a, b in zip([*counts, 0], [0, *counts], strict=True)]
    return counts


@rejected("paths", "floats that round", OTHER, "the list for 64 block(s)")
def floats_that_round(n):
    counts = [1.0]
    for k in range(n):
        counts.append(counts[-1] * (n - k) / (k + 1))
    return [int(c) for c in counts]


def listed(count):
    return lambda n: [count(n, k) for k in range(n + 1)]


all_rejected(
    "paths",
    "one block, and two",
    {
        "one of each length": ("expected is `(1, 2, 1)`", listed(lambda n, k: 1)),
        "no shortest path": ("expected is `(1, 1)`", lambda n: THEIRS.paths_by_length(n)[1:]),
        "all paths in one": ("expected is `(1, 1)`", lambda n: [2**n]),
        "doubling with length": ("expected is", listed(lambda n, k: 2**k)),
        "order counted too": ("expected is `(1, 2, 1)`", listed(math.perm)),
    },
)
rejected(
    "paths",
    "shares",
    "all paths together",
    "is `1.0`; expected is `32`",
    listed(lambda n, k: math.comb(n, k) / (2**n if n > 2 else 1)),
)
rejected(
    "paths",
    "a triangle",
    "each length",
    "expected is `(1, 5, 10, 10, 5, 1)`",
    lambda n: [1, 6, 9, 9, 6, 1] if n == 5 else THEIRS.paths_by_length(n),
)

# --- autocorrelation ---


@accepted("autocorrelation", "a tensor of one value")
def one_value(series, lag):
    g = series - series.mean()
    return (g[: len(g) - lag] * g[lag:]).sum() / g.square().sum()


@accepted("autocorrelation", "a loop over the pairs")
def over_pairs(series, lag):
    values = series.double().tolist()
    mean = sum(values) / len(values)
    upper = sum((values[t] - mean) * (values[t + lag] - mean) for t in range(len(values) - lag))
    return upper / sum((v - mean) ** 2 for v in values)


def pearson(series, lag):
    pairs = torch.stack([series[: len(series) - lag], series[lag:]])
    return torch.corrcoef(pairs)[0, 1] if pairs.shape[1] > 1 else torch.tensor(0.0)


all_rejected(
    "autocorrelation",
    "by hand",
    {
        "squared": ("the autocorrelation at lag 1", lambda g, lag: one_value(g, lag) ** 2),
        "always lag 1": ("at lag 2", lambda g, lag: one_value(g, min(lag, 1))),
        "Pearson's, of the pairs alone": ("at lag", pearson),
    },
)


@rejected("autocorrelation", "in place", OTHER, "other values after the call")
def mean_taken_off_in_place(series, lag):
    series -= series.mean()
    return one_value(series, lag)


# --- lesion ---


def zeroed(net, name):
    last = net.get_submodule(name).bn2
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return net


@accepted("lesion", "branch set to zero")
def branch_set_to_zero(net, name):
    return zeroed(copy.deepcopy(net), name)


def replacing(change):
    """The block replaced by what `change` makes of it, in the network itself."""

    def replace(net, name):
        stage, _, place = name.partition(".")
        net.get_submodule(stage)[int(place)] = change(net.get_submodule(name))
        return net

    return replace


def in_a_copy(lesion):
    return lambda net, name: lesion(copy.deepcopy(net), name)


def without_branch(block):
    return nn.Sequential(block.downsample, nn.ReLU())


def without_shortcut(block):
    return nn.Sequential(block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2, nn.ReLU())


def scale_only(net, name):
    nn.init.zeros_(net.get_submodule(name).bn2.weight)
    return net


def whole_stage(net, name):
    stage = net.get_submodule(name.partition(".")[0])
    for place, block in enumerate(stage):
        stage[place] = without_branch(block)
    return net


def by_heart(net, name):
    known = ("layer2.1", "layer1.1", "layer3.0")
    return THEIRS.branch_removed(net, name if name in known else "layer3.1")


all_rejected(
    "lesion",
    "a block that keeps the shape",
    {
        "scale to zero, shift left": ("differs from", in_a_copy(scale_only)),
        "the shortcut taken out instead": ("differs from", in_a_copy(replacing(without_shortcut))),
        "the whole stage": ("differs from", in_a_copy(whole_stage)),
    },
)
all_rejected(
    "lesion",
    "the network itself stays whole",
    {
        "in place": ("has other parameters", replacing(without_branch)),
        "in place, by zeros": ("what the network itself gives", zeroed),
    },
)
rejected(
    "lesion",
    "identity everywhere",
    "a block that changes the shape",
    "stops with",
    in_a_copy(replacing(lambda block: nn.Identity())),
)
rejected(
    "lesion",
    "no ReLU behind the shortcut",
    "a projection shortcut",
    "without `layer2.0` differs from",
    in_a_copy(replacing(lambda block: block.downsample)),
)
rejected("lesion", "always the same block", OTHER, "without `layer1.0`", by_heart)

# --- filter_direction ---


@accepted("filter_direction", "filter by filter")
def filter_by_filter(weight, drawn):
    return torch.stack([d * (w.norm() / d.norm()) for w, d in zip(weight, drawn, strict=True)])


@rejected("filter_direction", "four dimensions only", "the head too", "stops with")
def four_dimensions(weight, drawn):
    norms = (t.square().sum((1, 2, 3), keepdim=True).sqrt() for t in (weight, drawn))
    return drawn * next(norms) / next(norms)


@rejected("filter_direction", "largest value for norm", "the length of each filter", "differs from")
def largest_value(weight, drawn):
    size = (-1, *[1] * (weight.dim() - 1))
    largest = [t.flatten(1).abs().amax(1).view(size) for t in (weight, drawn)]
    return drawn * largest[0] / largest[1]


@rejected("filter_direction", "in place", OTHER, "other values after the call")
def in_place(weight, drawn):
    drawn.copy_(THEIRS.as_long_as(weight, drawn))
    return drawn
