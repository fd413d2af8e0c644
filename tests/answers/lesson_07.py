"""Answers to the exercises of lesson 07."""

import math
from contextlib import suppress

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from answers import right, wrong
from resnet_lessons.networks.resnet import ResNet

# --- network_price ---


@right("network_price", "counted by torch")
def _():
    def price(layers, height, width):
        x, parameters, work = torch.empty(1, layers[0][0], height, width, device="meta"), 0, 0
        for i, o, k, s, g in layers:
            layer = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False, device="meta")
            x = layer(x)
            parameters += layer.weight.numel()
            work += layer.weight.numel() * x.shape[2] * x.shape[3]
        return parameters, work

    return price


@right("network_price", "lists")
def _():
    def price(layers, height, width):
        weights = [o * (i // g) * k * k for i, o, k, _, g in layers]
        work = []
        for count, (_, _, _, stride, _) in zip(weights, layers, strict=True):
            height, width = (math.ceil(size / stride) for size in (height, width))
            work.append(count * height * width)
        return [sum(weights), sum(work)]

    return price


def pricing(
    weights=lambda i, o, k, g: i // g * o * k * k,
    size=lambda n, s: (n + s - 1) // s,
    when="output",
    told=lambda parameters, work: (parameters, work),
    extra=lambda o: 0,
):
    def price(layers, height, width):
        parameters, work, first = 0, 0, (height, width)
        for i, o, k, s, g in layers:
            before = height, width
            height, width = size(height, s), size(width, s)
            h, w = {"output": (height, width), "input": before, "first": first}[when]
            parameters += weights(i, o, k, g) + extra(o)
            work += weights(i, o, k, g) * h * w
        return told(parameters, work)

    return price


@wrong("network_price", "biases", "parameters", "Biases were counted")
def _():
    return pricing(extra=lambda o: o)


@wrong("network_price", "kernel not squared", "parameters", "expected is `3456`")
def _():
    return pricing(weights=lambda i, o, k, g: i // g * o * k)


@wrong("network_price", "inputs forgotten", "parameters", "expected is `3456`")
def _():
    return pricing(weights=lambda i, o, k, g: o * k * k)


@wrong("network_price", "one number", "parameters", "asked for are two numbers")
def _():
    return pricing(told=lambda parameters, work: parameters)


@wrong("network_price", "exchanged", "parameters", "have changed places")
def _():
    return pricing(told=lambda parameters, work: (work, parameters))


@wrong("network_price", "last layer only", "parameters", "Only the last layer counts")
def _():
    return lambda layers, height, width: pricing()(layers[-1:], height, width)


@wrong("network_price", "counted twice", "multiply-adds", "counts once")
def _():
    return pricing(told=lambda parameters, work: (parameters, 2 * work))


@wrong("network_price", "input size", "strides", "size of its input")
def _():
    return pricing(when="input")


@wrong("network_price", "size of the image", "strides", "all that follow")
def _():
    return pricing(when="first")


@wrong("network_price", "height shrinks only", "strides", "number of multiply-adds is")
def _():
    def price(layers, height, width):
        parameters, work = 0, 0
        for i, o, k, s, g in layers:
            height = -(-height // s)
            parameters += i // g * o * k * k
            work += i // g * o * k * k * height * width
        return parameters, work

    return price


@wrong("network_price", "groups ignored", "groups", "Groups were ignored")
def _():
    return pricing(weights=lambda i, o, k, g: i * o * k * k)


@wrong("network_price", "groups twice", "groups", "by the groups twice")
def _():
    return pricing(weights=lambda i, o, k, g: (i // g) * (o // g) * k * k)


@wrong("network_price", "rounded down", "other numbers", "rounded down")
def _():
    return pricing(size=lambda n, s: n // s)


# --- bottleneck_parameters ---


@right("bottleneck_parameters", "counted by the package")
def _():
    def count(in_channels, channels, stride, groups, base_width):
        with torch.device("meta"):
            block = resnet_lessons.Bottleneck(in_channels, channels, stride, groups, base_width)
        return sum(p.numel() for p in block.parameters())

    return count


@right("bottleneck_parameters", "a list of convolutions")
def _():
    def count(i, c, stride, groups, base_width):
        w = c * base_width // 64 * groups
        layers = [(i, w, 1, 1), (w, w, 3, groups), (w, 4 * c, 1, 1)]
        if (stride, i) != (1, 4 * c):
            layers.append((i, 4 * c, 1, 1))
        return sum(a * b * k * k / g + 2 * b for a, b, k, g in layers)

    return count


def counting(
    width=lambda c, g, b: g * (c * b // 64),
    middle=lambda w, g, c: 9 * w * w // g,
    projects=lambda i, c, s: s != 1 or i != 4 * c,
    expansion=4,
    norm=2,
    project_norm=2,
):
    def count(i, c, s, g, b):
        w, out = width(c, g, b), expansion * c
        total = i * w + middle(w, g, c) + w * out + norm * (2 * w + out)
        return total + projects(i, c, s) * (i * out + project_norm * out)

    return count


INSIDE = "inside a stage"
CHANGES = "where the shape changes"
GROUPS = "groups and base width"


@wrong("bottleneck_parameters", "no normalisation", INSIDE, "batch normalisations are missing")
def _():
    return counting(norm=0, project_norm=0)


@wrong("bottleneck_parameters", "scale only", INSIDE, "one of the two was counted")
def _():
    return counting(norm=1, project_norm=1)


@wrong("bottleneck_parameters", "biases too", INSIDE, "Biases were counted")
def _():
    return counting(norm=3, project_norm=3)


@wrong("bottleneck_parameters", "running averages", INSIDE, "they are buffers")
def _():
    return counting(norm=4, project_norm=4)


@wrong("bottleneck_parameters", "no expansion", INSIDE, "it is 4 · channels")
def _():
    return counting(expansion=1)


@wrong("bottleneck_parameters", "always projects", INSIDE, "where the identity does")
def _():
    return counting(projects=lambda i, c, s: True)


@wrong("bottleneck_parameters", "by heart", INSIDE, "(40, 10, 1, 1, 64)")
def _():
    return lambda *case: 70_400


@wrong("bottleneck_parameters", "projects at strides only", CHANGES, "The projection is missing")
def _():
    return counting(projects=lambda i, c, s: s != 1)


@wrong("bottleneck_parameters", "projects at channels only", CHANGES, "The projection is missing")
def _():
    return counting(projects=lambda i, c, s: i != 4 * c)


@wrong("bottleneck_parameters", "never projects", CHANGES, "The projection is missing")
def _():
    return counting(projects=lambda i, c, s: False)


@wrong("bottleneck_parameters", "projection not normalised", CHANGES, "expected is")
def _():
    return counting(project_norm=0)


@wrong("bottleneck_parameters", "compared with channels", INSIDE, "where the identity does")
def _():
    return counting(projects=lambda i, c, s: s != 1 or i != c)


@wrong("bottleneck_parameters", "base width ignored", GROUPS, "follows from `base_width`")
def _():
    return counting(width=lambda c, g, b: c)


@wrong("bottleneck_parameters", "groups ignored", GROUPS, "left out of the 3×3")
def _():
    return counting(middle=lambda w, g, c: 9 * w * w)


@wrong("bottleneck_parameters", "width of one group", GROUPS, "The width of one group")
def _():
    return counting(width=lambda c, g, b: c * b // 64)


@wrong("bottleneck_parameters", "groups upside down", INSIDE, "upside down")
def _():
    return counting(middle=lambda w, g, c: 9 * w * w // (w // g))


@wrong("bottleneck_parameters", "not rounded", "other numbers", "expected is")
def _():
    return counting(width=lambda c, g, b: g * c * b // 64)


# --- bottleneck ---


class Model(nn.Module):
    """A bottleneck with a switch for every mistake."""

    bias = norm = False
    expansion = 4
    padding = 1
    wide = False
    strides = (1, None, 1)
    inverted = grouped_width = no_groups = fixed_width = False
    projects = staticmethod(lambda i, out, s: s != 1 or i != out)
    last_norm = project_norm = True

    def __init__(self, in_channels, channels, stride=1, groups=1, base_width=64):
        super().__init__()
        group = channels * base_width // 64
        width = group if self.grouped_width else groups * group
        width = channels if self.fixed_width else 4 * channels if self.wide else width
        out = self.expansion * channels
        one, two, three = (stride if s is None else s for s in self.strides)
        inside = 1 if self.no_groups else group if self.inverted else groups
        self.conv1 = nn.Conv2d(in_channels, width, 1, one, bias=self.bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, two, self.padding, groups=inside, bias=self.bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, three, bias=self.bias)
        self.bn3 = nn.BatchNorm2d(out) if self.last_norm else nn.Identity()
        self.shortcut = nn.Identity()
        if self.projects(in_channels, out, stride):
            layers = [nn.Conv2d(in_channels, out, 1, stride, bias=self.bias)]
            layers += [nn.BatchNorm2d(out)] if self.project_norm else []
            self.shortcut = nn.Sequential(*layers)

    def branch(self, x, first=F.relu, second=F.relu):
        out = first(self.bn1(self.conv1(x)))
        out = second(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def switched(**switches):
    return type("MyBottleneck", (Model,), switches)


def forwards(forward):
    return switched(forward=forward)


FOUR = "four times the channels"
ADDED = "F(x) + x, then ReLU"
OTHER = "other channels at stride 1"
STRIDE = "the stride is in the 3×3"


@right("bottleneck", "as in the lesson")
def _():
    return Model


@right("bottleneck", "sequential, shortcut first")
def _():
    class Block(nn.Module):
        def __init__(self, i, c, s=1, g=1, b=64):
            super().__init__()
            w, o = g * int(c * b / 64), c * 4
            self.short = None
            if i != o or s > 1:
                self.short = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))
            self.path = nn.Sequential(
                nn.Conv2d(i, w, 1, bias=False),
                nn.BatchNorm2d(w),
                nn.ReLU(inplace=True),
                nn.Conv2d(w, w, 3, s, 1, groups=g, bias=False),
                nn.BatchNorm2d(w),
                nn.ReLU(inplace=True),
                nn.Conv2d(w, o, 1, bias=False),
                nn.BatchNorm2d(o),
            )

        def forward(self, x):
            short = x if self.short is None else self.short(x)
            return torch.relu(short + self.path(x))

    return Block


@right("bottleneck", "lazy layers, made by a function")
def _():
    class Sum(nn.Module):
        def __init__(self, path, short):
            super().__init__()
            self.parts = nn.ModuleDict({"short": short, "path": path})

        def forward(self, x):
            return (self.parts["path"](x) + self.parts["short"](x)).clamp(min=0)

    def block(in_channels, channels, stride=1, groups=1, base_width=64):
        def layer(out, kernel=1, step=1, parts=1):
            convolution = nn.LazyConv2d(out, kernel, step, kernel // 2, groups=parts, bias=False)
            return nn.Sequential(convolution, nn.LazyBatchNorm2d())

        width = groups * (channels * base_width // 64)
        path = [layer(width), nn.ReLU(), layer(width, 3, stride, groups), nn.ReLU()]
        keeps = in_channels == 4 * channels and stride == 1
        short = nn.Identity() if keeps else layer(4 * channels, step=stride)
        return Sum(nn.Sequential(*path, layer(4 * channels)), short)

    return block


@wrong("bottleneck", "no expansion", FOUR, "2×4×8×6; expected is 2×16×8×6")
def _():
    return switched(expansion=1)


@wrong("bottleneck", "no padding", FOUR, "stops with RuntimeError")
def _():
    return switched(padding=0)


@wrong("bottleneck", "the course's own class", FOUR, "Bottleneck")
def _():
    return resnet_lessons.Bottleneck


@wrong("bottleneck", "torchvision's class", FOUR, "torchvision")
def _():
    class Block(nn.Module):
        def __init__(self, i, c, *rest):
            super().__init__()
            self.inner = torchvision.models.resnet.Bottleneck(i, c)

        def forward(self, x):
            return self.inner(x)

    return Block


@wrong("bottleneck", "biases", "its parameters", "The convolutions have biases")
def _():
    return switched(bias=True)


@wrong("bottleneck", "expansion of the 3×3", "its parameters", "four times too wide")
def _():
    return switched(wide=True)


@wrong("bottleneck", "last normalisation missing", "its parameters", "normalisation is missing")
def _():
    return switched(last_norm=False)


@wrong("bottleneck", "projection always", "its parameters", "where the identity would do")
def _():
    return switched(projects=staticmethod(lambda i, out, s: True))


@wrong("bottleneck", "no skip", ADDED, "the input is not added")
def _():
    return forwards(lambda self, x: F.relu(self.branch(x)))


@wrong("bottleneck", "ReLU before the addition", ADDED, "can never be negative")
def _():
    return forwards(lambda self, x: F.relu(F.relu(self.branch(x)) + self.shortcut(x)))


@wrong("bottleneck", "no last ReLU", ADDED, "behind the addition is missing")
def _():
    return forwards(lambda self, x: self.branch(x) + self.shortcut(x))


@wrong("bottleneck", "skip after the last ReLU", ADDED, "added behind the last ReLU")
def _():
    return forwards(lambda self, x: F.relu(self.branch(x)) + self.shortcut(x))


@wrong("bottleneck", "no first ReLU", ADDED, "behind the first convolution is missing")
def _():
    return forwards(lambda self, x: F.relu(self.branch(x, first=nn.Identity()) + self.shortcut(x)))


@wrong("bottleneck", "no second ReLU", ADDED, "behind the 3×3 is missing")
def _():
    return forwards(lambda self, x: F.relu(self.branch(x, second=nn.Identity()) + self.shortcut(x)))


@wrong("bottleneck", "input changed in place", ADDED, "other values after the call")
def _():
    def forward(self, x):
        x += self.branch(x)
        return F.relu(x)

    return forwards(forward)


@wrong("bottleneck", "projection at strides only", OTHER, "stops with RuntimeError")
def _():
    return switched(projects=staticmethod(lambda i, out, s: s != 1))


@wrong("bottleneck", "projection not normalised", OTHER, "expected are")
def _():
    return switched(project_norm=False)


@wrong("bottleneck", "stride in the first 1×1", STRIDE, "skips three of four pixels")
def _():
    return switched(strides=(None, 1, 1))


@wrong("bottleneck", "stride in the last 1×1", STRIDE, "are thrown away")
def _():
    return switched(strides=(1, 1, None))


@wrong("bottleneck", "stride twice", STRIDE, "stops with RuntimeError")
def _():
    return switched(strides=(None, None, 1))


@wrong("bottleneck", "projection at channels only", STRIDE, "stops with RuntimeError")
def _():
    return switched(projects=staticmethod(lambda i, out, s: i != out))


@wrong("bottleneck", "groups ignored", "groups and base width", "The 3×3 has no groups")
def _():
    return switched(no_groups=True)


@wrong("bottleneck", "groups upside down", "its parameters", "Groups upside down")
def _():
    return switched(inverted=True)


@wrong("bottleneck", "width of one group", "groups and base width", "width of one group only")
def _():
    return switched(grouped_width=True)


@wrong("bottleneck", "base width ignored", "groups and base width", "not `base_width` wide")
def _():
    return switched(fixed_width=True)


@wrong("bottleneck", "shortcut detached", "the gradient through both ways", "of the input")
def _():
    return forwards(lambda self, x: F.relu(self.branch(x) + self.shortcut(x).detach()))


@wrong("bottleneck", "stride 2 by heart", "other numbers", "has shape")
def _():
    class Block(Model):
        def __init__(self, i, c, s=1, g=1, b=64):
            super().__init__(i, c, min(s, 2), g, b)

    return Block


# --- load_checkpoint ---

PREFIX = "the prefix is taken off"
FITS = "names that fit"
ERROR = "what does not fit is an error"
ONLY = "only at the beginning"


@right("load_checkpoint", "removeprefix")
def _():
    def load(net, state):
        net.load_state_dict({name.removeprefix("module."): v for name, v in state.items()})
        return net

    return load


@right("load_checkpoint", "checked by hand")
def _():
    def load(net, state):
        cut = len("module.")
        state = {n[cut:] if n.startswith("module.") else n: v for n, v in state.items()}
        own = net.state_dict()
        if own.keys() != state.keys():
            raise KeyError(f"these names do not fit: {own.keys() ^ state.keys()}")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state[name])
        return net

    return load


@right("load_checkpoint", "torch's own helper")
def _():
    def load(net, state):
        nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        net.load_state_dict(state)
        return net

    return load


def renaming(rename, **options):
    def load(net, state):
        net.load_state_dict({rename(name): value for name, value in state.items()}, **options)
        return net

    return load


@wrong("load_checkpoint", "nothing loaded", FITS, "`conv1.weight` of the network does not")
def _():
    return lambda net, state: net


@wrong("load_checkpoint", "the state comes back", FITS, "an `nn.Module` is asked for")
def _():
    return lambda net, state: dict(state)


@wrong("load_checkpoint", "parameters only", FITS, "running_mean` of the network does not")
def _():
    def load(net, state):
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                parameter.copy_(state[name.removeprefix("module.")])
        return net

    return load


@wrong("load_checkpoint", "prefix not known", PREFIX, "stops with RuntimeError")
def _():
    return renaming(lambda name: name)


@wrong("load_checkpoint", "always cut", FITS, "stops with RuntimeError")
def _():
    return renaming(lambda name: name[len("module.") :])


@wrong("load_checkpoint", "not strict, prefix not known", PREFIX, "of 44 are not there")
def _():
    return renaming(lambda name: name, strict=False)


@wrong("load_checkpoint", "letters stripped", PREFIX, "stops with RuntimeError")
def _():
    return renaming(lambda name: name.lstrip("module.") if name[0] == "m" else name)


@wrong("load_checkpoint", "not strict", ERROR, "`fc.bias` is missing, and nobody was told")
def _():
    return renaming(lambda name: name.removeprefix("module."), strict=False)


@wrong("load_checkpoint", "what fits", ERROR, "nobody was told")
def _():
    def load(net, state):
        own = net.state_dict()
        state = {name.removeprefix("module."): value for name, value in state.items()}
        own.update({name: value for name, value in state.items() if name in own})
        net.load_state_dict(own)
        return net

    return load


@wrong("load_checkpoint", "error swallowed", ERROR, "nobody was told")
def _():
    def load(net, state):
        with suppress(RuntimeError):
            renaming(lambda name: name.removeprefix("module."))(net, state)
        return net

    return load


@wrong("load_checkpoint", "replaced everywhere", ONLY, "stops with RuntimeError")
def _():
    return renaming(lambda name: name.replace("module.", ""))


@wrong("load_checkpoint", "behind the last one", ONLY, "stops with RuntimeError")
def _():
    return renaming(lambda name: name.split("module.")[-1])


@wrong("load_checkpoint", "cut where it occurs", ONLY, "stops with RuntimeError")
def _():
    return renaming(lambda name: name[len("module.") :] if "module." in name else name)


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


@right("design_network", "dear blocks first")
def _():
    return filling()


@right("design_network", "first stage only")
def _():
    return filling(order=(0,), told=list)


@right("design_network", "networks on the meta device")
def _():
    def count(blocks):
        with torch.device("meta"):
            net = ResNet(blocks, block=resnet_lessons.Bottleneck)
        return sum(p.numel() for p in net.parameters())

    def design(budget, depth):
        first = count((1, 1, 1, 1))
        cost = [count([1 + (s == t) for s in range(4)]) - first for t in range(4)]
        blocks, left = [max(1, -(-(depth - 2) // 3) - 3), 1, 1, 1], budget - first
        left -= (blocks[0] - 1) * cost[0]
        for stage in (2, 1, 0):
            blocks[stage] += left // cost[stage]
            left %= cost[stage]
        return tuple(blocks)

    return design


NUMBERS = "four numbers of blocks"
DEEP = "deep enough"
WITHIN = "within the budget"


@wrong("design_network", "the count too", NUMBERS, "four whole numbers")
def _():
    return filling(told=lambda blocks: (tuple(blocks), parameters(blocks)))


@wrong("design_network", "empty stages", NUMBERS, "each at least 1")
def _():
    return lambda budget, depth: ((depth - 2) // 3, 0, 0, 0)


@wrong("design_network", "fractions", NUMBERS, "four whole numbers")
def _():
    return lambda budget, depth: tuple((depth - 2) / 12 for _ in range(4))


@wrong("design_network", "ResNet-50 always", DEEP, "= 50 layers; 101 are asked for")
def _():
    return lambda budget, depth: (3, 4, 6, 3)


@wrong("design_network", "four layers a block", DEEP, "= 47 layers; 50 are asked for")
def _():
    return filling(order=(3,), layers=lambda blocks: 2 + 4 * sum(blocks))


@wrong("design_network", "depth forgotten", DEEP, "are asked for")
def _():
    return filling(order=(3, 2, 1), layers=lambda blocks: 999)


@wrong("design_network", "rounded down", DEEP, "= 149 layers; 152")
def _():
    def design(budget, depth):
        return (depth - 3) // 3 - 4 if depth == 152 else -(-(depth - 2) // 3) - 3, 1, 1, 2

    return design


@wrong("design_network", "stages alike", WITHIN, "more than the budget")
def _():
    return lambda budget, depth: (-(-(depth - 2) // 12),) * 4


@wrong("design_network", "the published ones", WITHIN, "more than the budget")
def _():
    known = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    return lambda budget, depth: known[depth]


@wrong("design_network", "depth in the last stage", WITHIN, "more than the budget")
def _():
    return filling(deep=3)


@wrong("design_network", "head forgotten", WITHIN, "more than the budget")
def _():
    return filling(spare=-2_049_000)


@wrong("design_network", "depth only", "the budget is used", "of the budget")
def _():
    return filling(order=())


@wrong("design_network", "half of the budget", "the budget is used", "of the budget")
def _():
    return filling(order=(3,))


@wrong(
    "design_network", "three depths by heart", "other budgets, other depths", "stops with KeyError"
)
def _():
    known = {50: (4, 4, 6, 3), 101: (23, 4, 6, 3), 152: (30, 10, 10, 4)}
    return lambda budget, depth: filling()(budget, depth) if known[depth] else None
