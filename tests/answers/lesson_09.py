"""Answers to the exercises of lesson 09."""

import torch
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from answers import right, wrong
from resnet_lessons.checks.lesson_09 import ScaleChain, _fused

OTHER = "other numbers"

# --- preact_block ---


class PreAct(nn.Module):
    """A pre-activation block with a switch for every mistake."""

    bias = False
    shared = False
    raw = False
    norm_projection = False
    end = staticmethod(lambda x: x)
    around = staticmethod(lambda self, x, active: x)
    middle = staticmethod(torch.relu)
    strides = (None, 1)

    def __init__(self, c, k, stride=1):
        super().__init__()
        first, second = (stride if s is None else s for s in self.strides)
        self.norm_out = nn.BatchNorm2d(k)
        self.norm_in = nn.BatchNorm2d(c)
        if self.shared:
            self.norm_out = self.norm_in
        self.b = nn.Conv2d(k, k, 3, second, 1, bias=self.bias)
        self.a = nn.Conv2d(c, k, 3, first, 1, bias=self.bias)
        self.project = None
        if (c, 1) != (k, stride):
            self.project = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False))
            if self.norm_projection:
                self.project.append(nn.BatchNorm2d(k))

    def forward(self, x):
        active = self.middle(self.norm_in(x))
        if self.project is None:
            shortcut = self.around(self, x, active)
        else:
            shortcut = self.project(x if self.raw else active)
        return self.end(self.b(self.middle(self.norm_out(self.a(active)))) + shortcut)


def preact(**switches):
    names = ("end", "around", "middle")
    switches = {k: staticmethod(v) if k in names else v for k, v in switches.items()}
    return type("Block", (PreAct,), switches)


@right("preact_block", "modules in another order")
def _():
    return PreAct


@right("preact_block", "as a sequence")
def _():
    class Block(nn.Module):
        def __init__(self, i, o, stride=1):
            super().__init__()
            self.start = nn.Sequential(nn.BatchNorm2d(i), nn.ReLU())
            self.rest = nn.Sequential(
                nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(),
                nn.Conv2d(o, o, 3, 1, 1, bias=False),
            )  # fmt: skip
            changes = stride > 1 or i != o
            self.down = nn.Conv2d(i, o, 1, stride, bias=False) if changes else None

        def forward(self, x):
            y = self.start(x)
            return self.rest(y) + (x if self.down is None else self.down(y))

    return Block


RUNS, COUNT = "it runs, and keeps the shape", "its parameters"
TWICE = "normalise, ReLU, convolve, twice; then add x"
CHANGES = "where the shape changes"


@wrong("preact_block", "ReLU behind the addition", TWICE, "here nothing follows it")
def _():
    return preact(end=torch.relu)


@wrong("preact_block", "shortcut behind the first ReLU", TWICE, "behind the first ReLU")
def _():
    return preact(around=lambda self, x, active: active)


@wrong("preact_block", "shortcut behind the first norm", TWICE, "3 batch normalisations")
def _():
    return preact(around=lambda self, x, active: self.norm_in(x))


@wrong("preact_block", "no skip", TWICE, "The input is not added")
def _():
    return preact(around=lambda self, x, active: 0)


@wrong("preact_block", "no ReLU", TWICE, "Both ReLUs are missing")
def _():
    return preact(middle=lambda x: x)


@wrong("preact_block", "input changed in place", TWICE, "other values after the call")
def _():
    class Block(PreAct):
        def forward(self, x):
            y = super().forward(x)
            x.copy_(y) if self.project is None else None
            return y

    return Block


@wrong("preact_block", "bias", COUNT, "both convolutions have a bias")
def _():
    return preact(bias=True)


@wrong("preact_block", "one normalisation shared", COUNT, "one and the same")
def _():
    return preact(shared=True)


@wrong("preact_block", "the basic block", TWICE, "differs from")
def _():
    class Block(PreAct):
        def forward(self, x):
            y = torch.relu(self.norm_in(self.a(x)))
            return torch.relu(self.norm_out(self.b(y)) + x)

    return Block


@wrong("preact_block", "projection from x", CHANGES, "starts from x as it came in")
def _():
    return preact(raw=True)


@wrong("preact_block", "projection normalised", CHANGES, "The projection is normalised")
def _():
    return preact(norm_projection=True)


@wrong("preact_block", "stride in both", CHANGES, "stops with RuntimeError")
def _():
    return preact(strides=(None, None))


@wrong("preact_block", "stride in the second", CHANGES, "differs from")
def _():
    return preact(strides=(1, None))


@wrong("preact_block", "shortcut detached", "the gradient through both ways", "of the input")
def _():
    return preact(around=lambda self, x, active: x.detach())


@wrong("preact_block", "the course's own", RUNS, "PreActBlock")
def _():
    return resnet_lessons.PreActBlock


# --- wide_parameters ---


def count(depth, factor, classes, stem=16, ends=True, always=False, never=False, every=False,
          bias=0, n=None):  # fmt: skip
    n = (depth - 4) // 6 if n is None else n(depth)
    total, channels = 27 * stem, stem
    for width in (16 * factor, 32 * factor, 64 * factor):
        for place in range(n):
            total += 2 * channels + 9 * channels * width + 2 * width + 9 * width * width
            total += 2 * bias * width
            changes = channels != width or always
            if (changes and not never) or (every and place):
                total += channels * width
            channels = width
    return total + (2 * channels if ends else 0) + (channels + 1) * classes


def counted(**settings):
    return lambda depth, factor, classes: count(depth, factor, classes, **settings)


@right("wide_parameters", "added up")
def _():
    return counted()


@right("wide_parameters", "built and counted")
def _():
    def parameters(depth, factor, classes):
        with torch.device("meta"):
            net = resnet_lessons.wide_resnet(depth, factor, num_classes=classes)
        return sum(p.numel() for p in net.parameters())

    return parameters


@wrong("wide_parameters", "no last normalisation", "WRN-10-1", "expected is")
def _():
    return counted(ends=False)


@wrong("wide_parameters", "no projections", "WRN-10-1", "expected is")
def _():
    return counted(never=True)


@wrong("wide_parameters", "6n+2", "deeper", "expected is")
def _():
    return counted(n=lambda depth: max(1, (depth - 2) // 6 - (depth == 16)) if depth != 28 else 5)


@wrong("wide_parameters", "projection in every first block", "WRN-10-1", "expected is")
def _():
    return counted(always=True)


@wrong("wide_parameters", "projection in every block", "deeper", "expected is")
def _():
    return counted(every=True)


@wrong("wide_parameters", "a wide stem", "wider", "expected is")
def _():
    return lambda depth, factor, classes: count(depth, factor, classes, stem=16 * factor)


@wrong("wide_parameters", "bias", "WRN-10-1", "expected is")
def _():
    return counted(bias=1)


@wrong("wide_parameters", "width counted once", "wider", "expected is")
def _():
    return lambda depth, factor, classes: factor * count(depth, 1, classes)


@wrong("wide_parameters", "ten classes by heart", OTHER, "expected is")
def _():
    return lambda depth, factor, classes: count(depth, factor, 10)


# --- grouped_width ---


def nearest(channels, width, groups, price=None, step=None, better=None, start=None):
    price = price or (lambda inside, parts: 2 * channels * inside + 9 * inside**2 / parts)
    target = price(width, 1)
    step = step or groups
    widths = range(start or step, 12 * width + step, step)
    better = better or (lambda inside: abs(price(inside, groups) - target))
    return min(widths, key=better)


@right("grouped_width", "all tried")
def _():
    return nearest


@right("grouped_width", "by the formula")
def _():
    def width(channels, width, groups):
        a, b, c = 9 / groups, 2 * channels, -(2 * channels * width + 9 * width**2)
        root = (-b + (b * b - 4 * a * c) ** 0.5) / (2 * a)
        below = max(groups, int(root // groups) * groups)

        def apart(v):
            return abs(2 * channels * v + 9 * v**2 / groups + c)

        return min((below, below + groups), key=apart)

    return width


ONE, OWN, EITHER = "one group", "ResNeXt's own", "nearest, from either side"


@wrong("grouped_width", "width times groups", OWN, "expected is `128`")
def _():
    return lambda channels, width, groups: width * groups


@wrong("grouped_width", "the same width", OWN, "expected is `128`")
def _():
    return lambda channels, width, groups: width


@wrong("grouped_width", "the 3×3 alone", OWN, "expected is `128`")
def _():
    return lambda channels, width, groups: nearest(
        channels, width, groups, price=lambda v, g: 9 * v * v / g
    )


@wrong("grouped_width", "never above", OWN, "expected is `128`")
def _():
    def width(channels, width, groups):
        best = groups
        while 2 * channels * (best + groups) + 9 * (best + groups) ** 2 / groups <= (
            2 * channels * width + 9 * width**2
        ):
            best += groups
        return best

    return width


@wrong("grouped_width", "width of one group", OWN, "`4`; expected is `128`")
def _():
    return lambda channels, width, groups: nearest(channels, width, groups) // groups


@wrong("grouped_width", "no multiple of the groups", EITHER, "expected is")
def _():
    return lambda channels, width, groups: nearest(
        channels, width, groups, step=groups if groups in (1, 32) else 1
    )


@wrong("grouped_width", "always 128", ONE, "`128`; expected is `64`")
def _():
    return lambda channels, width, groups: 128


@wrong("grouped_width", "twice the width", ONE, "`128`; expected is `64`")
def _():
    return lambda channels, width, groups: 2 * width


@wrong("grouped_width", "256 channels by heart", OTHER, "expected is")
def _():
    return lambda channels, width, groups: nearest(4 * width, width, groups)


# --- scale_chain ---


@right("scale_chain", "a list of modules")
def _():
    return ScaleChain


@right("scale_chain", "sequences, counted down")
def _():
    class Chain(nn.Module):
        def __init__(self, width, scale):
            super().__init__()
            self.steps = nn.ModuleDict(
                {
                    str(n): nn.Sequential(
                        nn.Conv2d(width, width, 3, padding=1, bias=False),
                        nn.BatchNorm2d(width),
                        nn.ReLU(),
                    )
                    for n in reversed(range(scale - 1))
                }
            )
            self.scale = scale

        def forward(self, x):
            parts, y = x.chunk(self.scale, dim=1), 0
            out = []
            for n in range(self.scale - 1):
                y = self.steps[str(n)](parts[n] + y)
                out.append(y)
            return torch.cat((*out, parts[-1]), 1)

    return Chain


class Chain(ScaleChain):
    keep = True

    def step(self, n, part, before):
        return F.relu(self.bns[n](self.convs[n](part if before is None else part + before)))

    def forward(self, x):
        *parts, last = x.split(self.width, dim=1)
        done, before = [], None
        for n, part in enumerate(parts):
            before = self.step(n, part, before)
            done.append(before)
        return torch.cat([*done, last], dim=1)


def chain(**methods):
    return type("Chain", (Chain,), methods)


JOINED, LINKS = "the shape", "the chain"


@wrong("scale_chain", "nothing handed on", LINKS, "Nothing is handed on")
def _():
    return chain(step=lambda self, n, part, before: Chain.step(self, n, part, None))


@wrong("scale_chain", "added behind", LINKS, "differs from")
def _():
    def step(self, n, part, before):
        y = Chain.step(self, n, part, None)
        return y if before is None else y + before

    return chain(step=step)


@wrong("scale_chain", "no ReLU", LINKS, "differs from")
def _():
    def step(self, n, part, before):
        return self.bns[n](self.convs[n](part if before is None else part + before))

    return chain(step=step)


@wrong("scale_chain", "a plain list", "its parameters", "A plain list of modules")
def _():
    class Hidden(nn.Module):
        def __init__(self, width, scale):
            super().__init__()
            self.inner = [Chain(width, scale)]

        def forward(self, x):
            return self.inner[0](x)

    return Hidden


@wrong("scale_chain", "one convolution for all", "its parameters", "share one convolution")
def _():
    class Shared(Chain):
        def __init__(self, width, scale):
            super().__init__(width, 2)

        def step(self, n, part, before):
            return super().step(0, part, before)

    return Shared


@wrong("scale_chain", "the last part too", "its parameters", "handed on as it is")
def _():
    class All(Chain):
        def __init__(self, width, scale):
            super().__init__(width, scale + 1)

        def forward(self, x):
            done, before = [], None
            for n, part in enumerate(x.split(self.width, dim=1)):
                before = self.step(n, part, before)
                done.append(before)
            return torch.cat(done, dim=1)

    return All


@wrong("scale_chain", "the last part lost", JOINED, "2×8×5×7; expected is 2×12×5×7")
def _():
    def forward(self, x):
        return Chain.forward(self, x)[:, : -self.width]

    return chain(forward=forward)


@wrong("scale_chain", "the last part in front", LINKS, "differs from")
def _():
    def forward(self, x):
        y = Chain.forward(self, x)
        return torch.cat([y[:, -self.width :], y[:, : -self.width]], dim=1)

    return chain(forward=forward)


@wrong("scale_chain", "bias", "its parameters", "The convolutions have a bias")
def _():
    class Biased(Chain):
        def __init__(self, width, scale):
            super().__init__(width, scale)
            for n in range(scale - 1):
                self.convs[n] = nn.Conv2d(width, width, 3, padding=1)

    return Biased


# --- fuse ---


@right("fuse", "functional")
def _():
    return _fused


@right("fuse", "repeated by hand")
def _():
    def fuse(high, low, up, down):
        lifted = torch.einsum("oi,nihw->nohw", up[:, :, 0, 0], low)
        lifted = lifted.repeat_interleave(2, 2).repeat_interleave(2, 3)
        lowered = F.conv2d(F.pad(high, (1, 1, 1, 1)), down, stride=2)
        return [(high + lifted).clamp(min=0), (low + lowered).clamp(min=0)]

    return fuse


MAPS, ADDED = "two maps, each as large as before", "what is added to what"


def fusing(
    one=lambda high, low, up, down: high + up,
    other=lambda high, low, up, down: low + down,
    end=torch.relu,
    mode="nearest",
    after=False,
):
    def fuse(high, low, up, down):
        lifted = F.interpolate(F.conv2d(low, up), scale_factor=2, mode=mode)
        lowered = F.conv2d(high, down, stride=2, padding=1)
        fine = end(one(high, low, lifted, lowered))
        if after:
            lowered = F.conv2d(fine, down, stride=2, padding=1)
        return fine, end(other(high, low, lifted, lowered))

    return fuse


@wrong("fuse", "no ReLU", ADDED, "lacks its ReLU")
def _():
    return fusing(end=lambda x: x)


@wrong("fuse", "bilinear", ADDED, "enlarged bilinearly")
def _():
    return fusing(mode="bilinear")


@wrong("fuse", "the new fine map", ADDED, "made of the *new* fine map")
def _():
    return fusing(after=True)


@wrong("fuse", "high not added", ADDED, "`high` is not added")
def _():
    return fusing(one=lambda high, low, up, down: up)


@wrong("fuse", "low not added", ADDED, "`low` is not added")
def _():
    return fusing(other=lambda high, low, up, down: down)


@wrong("fuse", "the other way round", MAPS, "the fine map has shape 1×6×4×3")
def _():
    return lambda *given: _fused(*given)[::-1]


@wrong("fuse", "one map only", MAPS, "the number of maps")
def _():
    return lambda *given: _fused(*given)[:1]


@wrong("fuse", "in place", "nothing is changed in place", "other values after the call")
def _():
    def fuse(high, low, up, down):
        both = _fused(high, low, up, down)
        high += 1
        return both

    return fuse


@wrong("fuse", "square maps only", OTHER, "has shape")
def _():
    def fuse(high, low, up, down):
        one, other = _fused(high, low, up, down)
        side = min(one.shape[2:]) if len(one) == 2 and one.shape[1] != 4 else None
        return one[:, :, :side, :side], other

    return fuse
