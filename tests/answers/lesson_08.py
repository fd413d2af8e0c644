"""Answers to the exercises of lesson 08."""

import copy
import math

import torch
from torch import nn

from answers import right, wrong

OTHER = "other numbers"

# --- paths ---


@right("paths", "counted by choice")
def _():
    return lambda n: [math.comb(n, k) for k in range(n + 1)]


@right("paths", "a block at a time")
def _():
    def paths(blocks):
        counts = [1]
        for _ in range(blocks):
            counts = [a + b for a, b in zip([*counts, 0], [0, *counts], strict=True)]
        return counts

    return paths


FEW, ALL, EACH = "one block, and two", "all paths together", "each length"


@wrong("paths", "one of each length", FEW, "expected is `(1, 2, 1)`")
def _():
    return lambda n: [1] * (n + 1)


@wrong("paths", "no shortest path", FEW, "expected is `(1, 1)`")
def _():
    return lambda n: [math.comb(n, k) for k in range(1, n + 1)]


@wrong("paths", "no longest path", FEW, "expected is `(1, 1)`")
def _():
    return lambda n: [math.comb(n, k) for k in range(n)]


@wrong("paths", "all paths in one", FEW, "expected is `(1, 1)`")
def _():
    return lambda n: [2**n]


@wrong("paths", "doubling with length", FEW, "expected is")
def _():
    return lambda n: [2**k for k in range(n + 1)]


@wrong("paths", "order counted too", FEW, "expected is `(1, 2, 1)`")
def _():
    return lambda n: [math.perm(n, k) for k in range(n + 1)]


@wrong("paths", "shares", ALL, "other than a list of whole numbers")
def _():
    return lambda n: [math.comb(n, k) / (2**n if n > 2 else 1) for k in range(n + 1)]


@wrong("paths", "a triangle", EACH, "expected is `(1, 5, 10, 10, 5, 1)`")
def _():
    def paths(n):
        return [1, 6, 9, 9, 6, 1] if n == 5 else [math.comb(n, k) for k in range(n + 1)]

    return paths


@wrong("paths", "floats that round", OTHER, "the list for 64 block(s)")
def _():
    def paths(n):
        counts = [1.0]
        for k in range(n):
            counts.append(counts[-1] * (n - k) / (k + 1))
        return [int(c) for c in counts]

    return paths


# --- autocorrelation ---


def resembling(centre=True, divide=True, pairs=False, around=False, squares=False):
    def autocorrelation(series, lag):
        g = series - series.mean() if centre else series
        later = g.roll(-lag) if around else g[lag:]
        upper = (g[: len(later)] * later).sum()
        lower = g.square().sum() if divide else 1
        if pairs:
            upper, lower = upper / (len(g) - lag), lower / len(g)
        return (upper / lower) ** (2 if squares else 1)

    return autocorrelation


@right("autocorrelation", "a tensor of one value")
def _():
    return resembling()


@right("autocorrelation", "a loop over the pairs")
def _():
    def autocorrelation(series, lag):
        values = series.double().tolist()
        mean = sum(values) / len(values)
        upper = sum((values[t] - mean) * (values[t + lag] - mean) for t in range(len(values) - lag))
        return upper / sum((v - mean) ** 2 for v in values)

    return autocorrelation


HAND = "by hand"


@wrong("autocorrelation", "mean not taken off", HAND, "The mean is not taken off")
def _():
    return resembling(centre=False)


@wrong("autocorrelation", "not divided", "a series with itself", "expected is 1")
def _():
    return resembling(divide=False)


@wrong("autocorrelation", "each sum by its pairs", HAND, "divided by the number of pairs")
def _():
    return resembling(pairs=True)


@wrong("autocorrelation", "around the end", HAND, "compared with its beginning")
def _():
    return resembling(around=True)


@wrong("autocorrelation", "squared", HAND, "the autocorrelation at lag 1")
def _():
    return resembling(squares=True)


@wrong("autocorrelation", "always lag 1", HAND, "at lag 2")
def _():
    return lambda series, lag: resembling()(series, min(lag, 1))


@wrong("autocorrelation", "Pearson's, of the pairs alone", HAND, "at lag")
def _():
    def autocorrelation(series, lag):
        pairs = torch.stack([series[: len(series) - lag], series[lag:]])
        return torch.corrcoef(pairs)[0, 1] if pairs.shape[1] > 1 else torch.tensor(0.0)

    return autocorrelation


@wrong("autocorrelation", "in place", OTHER, "other values after the call")
def _():
    def autocorrelation(series, lag):
        series -= series.mean()
        return resembling(centre=False)(series, lag)

    return autocorrelation


# --- lesion ---


def operate(change, copied=True):
    def lesion(net, name):
        net = copy.deepcopy(net) if copied else net
        stage, place = name.split(".")
        blocks = getattr(net, stage)
        blocks[int(place)] = change(blocks[int(place)])
        return net

    return lesion


@right("lesion", "shortcut and ReLU")
def _():
    return operate(lambda block: nn.Sequential(block.downsample, nn.ReLU()))


@right("lesion", "branch set to zero")
def _():
    def lesion(net, name):
        net = copy.deepcopy(net)
        last = net.get_submodule(name).bn2
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return net

    return lesion


@right("lesion", "the shortcut alone")
def _():
    return operate(lambda block: block.downsample)


KEEPS, WHOLE = "a block that keeps the shape", "the network itself stays whole"
CHANGES = "a block that changes the shape"


@wrong("lesion", "identity everywhere", CHANGES, "stops with")
def _():
    return operate(lambda block: nn.Identity())


@wrong("lesion", "nothing taken out", KEEPS, "gives what it gave before")
def _():
    return operate(lambda block: block)


@wrong("lesion", "scale to zero, shift left", KEEPS, "differs from")
def _():
    def lesion(net, name):
        net = copy.deepcopy(net)
        nn.init.zeros_(net.get_submodule(name).bn2.weight)
        return net

    return lesion


@wrong("lesion", "in place", WHOLE, "has other parameters")
def _():
    return operate(lambda block: nn.Sequential(block.downsample, nn.ReLU()), copied=False)


@wrong("lesion", "in place, by zeros", WHOLE, "what the network itself gives")
def _():
    def lesion(net, name):
        last = net.get_submodule(name).bn2
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return net

    return lesion


@wrong("lesion", "the shortcut taken out instead", KEEPS, "differs from")
def _():
    def change(block):
        block = copy.deepcopy(block)
        return nn.Sequential(block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2, nn.ReLU())

    return operate(change)


@wrong("lesion", "the whole stage", KEEPS, "differs from")
def _():
    def lesion(net, name):
        net = copy.deepcopy(net)
        stage = getattr(net, name.split(".")[0])
        for place in range(len(stage)):
            stage[place] = nn.Sequential(stage[place].downsample, nn.ReLU())
        return net

    return lesion


@wrong("lesion", "always the same block", OTHER, "without `layer1.0`")
def _():
    def lesion(net, name):
        change = operate(lambda block: nn.Sequential(block.downsample, nn.ReLU()))
        return change(net, name if name in ("layer2.1", "layer1.1", "layer3.0") else "layer3.1")

    return lesion


# --- filter_direction ---


def factors(weight, drawn):
    shape = (-1, *[1] * (weight.dim() - 1))
    return (weight.flatten(1).norm(dim=1) / drawn.flatten(1).norm(dim=1)).view(shape)


@right("filter_direction", "one factor a filter")
def _():
    return lambda weight, drawn: drawn * factors(weight, drawn)


@right("filter_direction", "filter by filter")
def _():
    return lambda weight, drawn: torch.stack(
        [d * (w.norm() / d.norm()) for w, d in zip(weight, drawn, strict=True)]
    )


LENGTH, HEAD = "the length of each filter", "the head too"


@wrong("filter_direction", "the whole tensor", LENGTH, "The tensor as a whole")
def _():
    return lambda weight, drawn: drawn * weight.norm() / drawn.norm()


@wrong("filter_direction", "not divided", LENGTH, "not divided by its own")
def _():
    return lambda weight, drawn: (
        drawn
        * factors(weight, drawn / drawn.norm())
        * (drawn.flatten(1).norm(dim=1).view(-1, *[1] * (drawn.dim() - 1)) / drawn.norm())
    )


@wrong("filter_direction", "length 1", LENGTH, "Every filter has length 1")
def _():
    return lambda weight, drawn: (
        drawn * factors(torch.ones_like(weight), drawn) / (weight[0].numel() ** 0.5)
    )


@wrong("filter_direction", "unchanged", LENGTH, "as it was drawn")
def _():
    return lambda weight, drawn: drawn + 0


@wrong("filter_direction", "input channels", LENGTH, "those of the input channels")
def _():
    def direction(weight, drawn):
        w, d = weight.transpose(0, 1), drawn.transpose(0, 1)
        return (d * factors(w, d)).transpose(0, 1)

    return direction


@wrong("filter_direction", "four dimensions only", HEAD, "stops with")
def _():
    def direction(weight, drawn):
        norms = (t.square().sum((1, 2, 3), keepdim=True).sqrt() for t in (weight, drawn))
        return drawn * next(norms) / next(norms)

    return direction


@wrong("filter_direction", "largest value for norm", LENGTH, "differs from")
def _():
    def direction(weight, drawn):
        size = (-1, *[1] * (weight.dim() - 1))
        largest = [t.flatten(1).abs().amax(1).view(size) for t in (weight, drawn)]
        return drawn * largest[0] / largest[1]

    return direction


@wrong("filter_direction", "in place", OTHER, "other values after the call")
def _():
    def direction(weight, drawn):
        drawn *= factors(weight, drawn)
        return drawn

    return direction
