"""What judges the exercises of lesson 08, why it works."""

import copy
import math
from functools import partial

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.forms import Call, Case, call, keeping, same_shape
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import cifar_resnet

OTHER = "other numbers"

# --- 8.1 ---


def paths_by_length(blocks: int) -> list[int]:
    return [math.comb(blocks, length) for length in range(blocks + 1)]


paths = Exercise(
    name="paths",
    number="8.1",
    title="How many paths are how long?",
    difficulty=1,
    minutes=8,
    points=3,
    why="Most paths through a deep residual network are much shorter than it is deep.",
    solution=paths_by_length,
    what="the list for {} block(s)".format,
    cases=[
        Case(
            "one block, and two",
            [(1,), (2,)],
            idea="At every block a path goes through the branch, or around it.",
            hint="Two blocks: around both, through the first, through the second, through both.",
        ),
        Case(
            "all paths together",
            [(5,)],
            idea="Two ways at each of n blocks make 2ⁿ paths.",
            hint="Add up your list for 5 blocks: is it 32?",
            see=lambda answer, blocks: sum(answer(blocks)),
            what="the sum of the list for {} blocks".format,
        ),
        Case(
            "each length",
            [(5,)],
            idea="A path of length k chooses the k blocks whose branch it takes.",
            hint="`math.comb(n, k)` counts the choices of k out of n.",
        ),
        Case(
            OTHER,
            [(0,), (9,), (54,), (64,)],
            idea="The shortest path has length 0, the longest takes every branch.",
            hint="Whole numbers stay exact however large; floats do not.",
            hidden=True,
        ),
    ],
)

# --- 8.2 ---


def centred(series: Tensor) -> Tensor:
    return series.double() - series.double().mean()


def ratio(g: Tensor, later: Tensor) -> float:
    return ((g[: len(later)] * later).sum() / g.square().sum()).item()


def resemblance(series: Tensor, lag: int) -> float:
    return ratio(centred(series), centred(series)[lag:])


def divided_by_pairs(series: Tensor, lag: int) -> float:
    return resemblance(series, lag) * len(series) / (len(series) - lag)


def not_divided(series: Tensor, lag: int) -> float:
    return resemblance(series, lag) * centred(series).square().sum().item()


def around_the_end(series: Tensor, lag: int) -> float:
    return ratio(centred(series), centred(series).roll(-lag))


def noise() -> list[Call]:
    steps = torch.randn(200)
    return [call(series, lag) for series in (steps.cumsum(0), steps) for lag in (1, 20)]


Resemblance = partial(Case, compare=partial(expect.near, relative=2e-4))

autocorrelation = Exercise(
    name="autocorrelation",
    number="8.2",
    title="How shattered is it?",
    difficulty=2,
    minutes=15,
    points=5,
    why="One number tells brown noise from white, and so a smooth gradient from a shattered one.",
    solution=resemblance,
    what="the autocorrelation at lag {1}".format,
    cases=[
        Resemblance(
            "a series with itself",
            lambda: [call(torch.tensor([1.0, 3.0, 2.0, 7.0]), 0)],
            idea="At lag 0 every series resembles itself perfectly: 1.",
            hint="Both sums are the same there.",
            mistakes={
                "At lag {1} the upper sum is not divided by the lower one, the sum of the "
                "squares.": not_divided,
            },
        ),
        Resemblance(
            "by hand",
            lambda: [call(torch.tensor([1.0, 3.0, 2.0, 6.0]), lag) for lag in (1, 2, 3)],
            idea="Take the mean off, multiply each entry with the one `lag` steps later, add up, "
            "divide.",
            hint="Without the mean, 1, 3, 2, 6 is -2, 0, -1, 3: at lag 1, "
            "(0 + 0 - 3) / (4 + 0 + 1 + 9).",
            mistakes={
                "At lag {1} the upper sum is divided by the number of pairs, the lower one by the "
                "number of entries; take both sums as they are.": divided_by_pairs,
                "At lag {1} the mean is not taken off.": lambda series, lag: ratio(
                    series, series[lag:]
                ),
                "At lag {1} the end of the series is compared with its beginning; leave such pairs "
                "out.": around_the_end,
            },
        ),
        Resemblance(
            "brown noise and white",
            noise,
            idea="Brown noise resembles itself a step later, white noise does not.",
            hint="Only pairs that exist count: T - lag of them.",
        ),
        Resemblance(
            OTHER,
            lambda: [call(torch.randn(31) + 40, lag) for lag in (1, 7, 30)],
            idea="It holds at any level and any lag.",
            hint="Is a lag or a length fixed?",
            see=keeping("The series that was handed in"),
            hidden=True,
        ),
    ],
)

# --- 8.3 ---


def branch_removed(net: nn.Module, name: str) -> nn.Module:
    net = copy.deepcopy(net)
    stage, place = name.split(".")
    blocks = getattr(net, stage)
    blocks[int(place)] = nn.Sequential(blocks[int(place)].downsample, nn.ReLU())
    return net


def operation(name: str, shortcut: str = "padding") -> Call:
    """A block, the weights of a network that has it, and images."""
    net = ModuleView(expect.stir(cifar_resnet(14, width=4, shortcut=shortcut)))
    return call(name, {**net.parameters(), **net.buffers()}, torch.randn(4, 3, 12, 12), shortcut)


def patient(answer: Answer, values: dict[str, Tensor], shortcut: str) -> ModuleView:
    net = answer.make("cifar_resnet", 14, width=4, shortcut=shortcut)
    net.load(values)
    return net


def scores_without(answer: Answer, name: str, values: dict, x: Tensor, shortcut: str) -> Tensor:
    made = answer(patient(answer, values, shortcut), name)
    return expect.as_module(made, "The function").run(x).output


def scores_afterwards(answer: Answer, name: str, values: dict, x: Tensor, shortcut: str) -> Tensor:
    """What the network that was handed in gives after the call."""
    net = patient(answer, values, shortcut)
    answer(net, name)
    if {**net.parameters(), **net.buffers()}.keys() != values.keys():
        raise Wrong("The network that was handed in has other parameters after the call.")
    return net.run(x).output


lesion = Exercise(
    name="lesion",
    number="8.3",
    title="Take a block out",
    difficulty=3,
    minutes=20,
    points=6,
    why="What a network can do without says what it relies on.",
    solution=branch_removed,
    what=lambda name, *others: f"the output without `{name}`",
    cases=[
        Case(
            "a block that keeps the shape",
            lambda: [operation("layer2.1")],
            idea="Without its branch, a block hands on what it got.",
            hint="F(x) = 0 leaves relu(x), and x is at least 0 behind a ReLU.",
            see=scores_without,
            mistakes={
                "With `{0}` taken out, the network gives what it gave before.": (
                    lambda net, name: net
                ),
            },
        ),
        Case(
            "the network itself stays whole",
            lambda: [operation("layer1.1")],
            idea="The next lesion must begin with a healthy network.",
            hint="Operate on `copy.deepcopy(net)`.",
            see=scores_afterwards,
            what="what the network itself gives after the call",
        ),
        Case(
            "a block that changes the shape",
            lambda: [operation("layer3.0")],
            idea="There the shortcut is more than the identity, and it stays.",
            hint="`block.downsample` is the shortcut of every block; for most it is "
            "`nn.Identity()`.",
            see=scores_without,
        ),
        Case(
            OTHER,
            lambda: [operation(name) for name in ("layer1.0", "layer2.0", "layer3.1")],
            idea="Any block can be taken out.",
            hint="Is a name fixed somewhere?",
            see=scores_without,
            hidden=True,
        ),
        Case(
            "a projection shortcut",
            lambda: [operation("layer2.0", shortcut="projection")],
            idea="A projection may be negative, and the ReLU behind the addition stays.",
            hint="F(x) = 0 leaves relu(shortcut(x)).",
            see=scores_without,
            hidden=True,
        ),
    ],
)

# --- 8.4 ---


def norms(weight: Tensor) -> Tensor:
    return weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.dim() - 1))


def as_long_as(weight: Tensor, drawn: Tensor) -> Tensor:
    return drawn * norms(weight) / norms(drawn)


def filters(*shape: int) -> Call:
    weight = torch.randn(*shape) * torch.rand(shape[0], *[1] * (len(shape) - 1)) * 3
    return call(weight, torch.randn(*shape))


filter_direction = Exercise(
    name="filter_direction",
    number="8.4",
    title="A step as long as the filter",
    difficulty=2,
    minutes=12,
    points=4,
    why="Without it, the same network looks flat or steep depending on a scale that means nothing.",
    solution=as_long_as,
    what="the direction",
    cases=[
        Case(
            "the shape",
            lambda: [filters(4, 3, 3, 3)],
            idea="A direction has a value for every weight.",
            hint="One factor for each filter; broadcasting does the rest.",
            compare=same_shape,
        ),
        Case(
            "the length of each filter",
            lambda: [filters(6, 4, 3, 3)],
            idea="A filter is what leads to one output channel: a slice along the first dimension.",
            hint="`flatten(1).norm(dim=1)` gives the norms of all filters.",
            mistakes={
                "The tensor as a whole has the norm of the weights; each filter should have its "
                "own.": lambda weight, drawn: drawn * weight.norm() / drawn.norm(),
                "Each filter is multiplied by its weights' norm, but not divided by its own.": (
                    lambda weight, drawn: drawn * norms(weight)
                ),
                "Every filter has length 1; it should be as long as its weights.": (
                    lambda weight, drawn: drawn / norms(drawn)
                ),
                "The direction is as it was drawn.": lambda weight, drawn: drawn,
                "The filters are those of the input channels; a filter leads to one output "
                "channel.": lambda weight, drawn: as_long_as(
                    weight.transpose(0, 1), drawn.transpose(0, 1)
                ).transpose(0, 1),
            },
        ),
        Case(
            "the head too",
            lambda: [filters(10, 7)],
            idea="A linear layer's filters are its rows.",
            hint="Let the number of dimensions come from the tensor.",
        ),
        Case(
            OTHER,
            lambda: [filters(3, 5, 1, 1), filters(2, 2, 7, 7)],
            idea="Neither tensor is changed.",
            hint="`*=` works in place.",
            see=keeping("A tensor that was handed in"),
            hidden=True,
        ),
    ],
)

EXERCISES = [paths, autocorrelation, lesion, filter_direction]
