"""What judges the exercises of lesson 08, why it works."""

import math

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import cifar_resnet

OTHER = "other numbers"

# --- 8.1 ---

paths = Exercise(
    name="paths",
    number="8.1",
    title="How many paths are how long?",
    difficulty=1,
    minutes=8,
    points=3,
    why="Most paths through a deep residual network are much shorter than it is deep.",
)


def _paths(answer: Answer, blocks: int) -> None:
    right = tuple(math.comb(blocks, length) for length in range(blocks + 1))
    expect.equal(answer(blocks), right, f"the list for {blocks} block(s)")


@paths.probe(
    "one block, and two",
    idea="At every block a path goes through the branch, or around it.",
    hint="Two blocks: around both, through the first, through the second, through both.",
)
def _(answer: Answer) -> None:
    _paths(answer, 1)
    _paths(answer, 2)


@paths.probe(
    "all paths together",
    idea="Two ways at each of n blocks make 2ⁿ paths.",
    hint="Add up your list for 5 blocks: is it 32?",
)
def _(answer: Answer) -> None:
    seen = answer(5)
    if not isinstance(seen, tuple) or not all(isinstance(count, int) for count in seen):
        raise Wrong("For 5 blocks it gives something other than a list of whole numbers.")
    expect.equal(sum(seen), 32, "the sum of the list for 5 blocks")


@paths.probe(
    "each length",
    idea="A path of length k chooses the k blocks whose branch it takes.",
    hint="`math.comb(n, k)` counts the choices of k out of n.",
)
def _(answer: Answer) -> None:
    _paths(answer, 5)


@paths.probe(
    OTHER,
    idea="The shortest path has length 0, the longest takes every branch.",
    hint="Whole numbers stay exact however large; floats do not.",
    hidden=True,
)
def _(answer: Answer) -> None:
    for blocks in (0, 9, 54, 64):
        _paths(answer, blocks)


# --- 8.2 ---

autocorrelation = Exercise(
    name="autocorrelation",
    number="8.2",
    title="How shattered is it?",
    difficulty=2,
    minutes=15,
    points=5,
    why="One number tells brown noise from white, and so a smooth gradient from a shattered one.",
)


def _resembles(series: Tensor, lag: int) -> float:
    g = series.double() - series.double().mean()
    return ((g[: len(g) - lag] * g[lag:]).sum() / g.square().sum()).item()


def _resemblances(answer: Answer, series: Tensor, lags: tuple[int, ...]) -> None:
    centred = series - series.mean()
    for lag in lags:
        seen, pairs = answer(series, lag), len(series) - lag
        seen = seen.item() if isinstance(seen, Tensor) and seen.numel() == 1 else seen
        mistakes = {
            _resembles(series, lag) * len(series) / pairs: "The upper sum is divided by the number "
            "of pairs, the lower one by the number of entries; take both sums as they are.",
            (series[:pairs] * series[lag:]).sum().item() / series.square().sum().item(): (
                "The mean is not taken off."
            ),
            ((centred.roll(lag) * centred).sum() / centred.square().sum()).item(): (
                "The end of the series is compared with its beginning; leave such pairs out."
            ),
            (centred[:pairs] * centred[lag:]).sum().item(): "The upper sum is not divided by the "
            "lower one, the sum of the squares.",
        }
        right = _resembles(series, lag)
        for value, mistake in mistakes.items():
            is_number = isinstance(seen, float) and not abs(seen - right) <= 1e-4
            if is_number and abs(seen - value) <= 1e-4 * max(1.0, abs(value)):
                raise Wrong(f"At lag {lag} it gives {seen:.4g}. {mistake}")
        expect.near(seen, right, f"the autocorrelation at lag {lag}", 2e-4)


@autocorrelation.probe(
    "a series with itself",
    idea="At lag 0 every series resembles itself perfectly: 1.",
    hint="Both sums are the same there.",
)
def _(answer: Answer) -> None:
    expect.near(answer(torch.tensor([1.0, 3.0, 2.0, 7.0]), 0), 1.0, "the autocorrelation at lag 0")


@autocorrelation.probe(
    "by hand",
    idea="Take the mean off, multiply each entry with the one `lag` steps later, add up, divide.",
    hint="Without the mean, 1, 3, 2, 6 is -2, 0, -1, 3: at lag 1, (0 + 0 - 3) / (4 + 0 + 1 + 9).",
)
def _(answer: Answer) -> None:
    _resemblances(answer, torch.tensor([1.0, 3.0, 2.0, 6.0]), (1, 2, 3))


@autocorrelation.probe(
    "brown noise and white",
    idea="Brown noise resembles itself a step later, white noise does not.",
    hint="Only pairs that exist count: T - lag of them.",
)
def _(answer: Answer) -> None:
    steps = torch.randn(200)
    _resemblances(answer, steps.cumsum(0), (1, 20))
    _resemblances(answer, steps, (1, 20))


@autocorrelation.probe(
    OTHER, idea="It holds at any level and any lag.", hint="Is a lag or a length fixed?",
    hidden=True,
)  # fmt: skip
def _(answer: Answer) -> None:
    _resemblances(answer, torch.randn(31) + 40, (1, 7, 30))
    series = torch.randn(12)
    if not answer.keeps(series, 2):
        raise Wrong("The series that was handed in has other values after the call.")


# --- 8.3 ---

lesion = Exercise(
    name="lesion",
    number="8.3",
    title="Take a block out",
    difficulty=3,
    minutes=20,
    points=6,
    why="What a network can do without says what it relies on.",
)


def _stirred(answer: Answer) -> tuple[Module, nn.Module]:
    """A network to operate on, and a twin of it on this side."""
    twin = expect.stir(cifar_resnet(14, width=4)).eval()
    net = answer.make("cifar_resnet", 14, width=4)
    net.load({**dict(twin.named_parameters()), **dict(twin.named_buffers())})
    return net, twin


def _operated(answer: Answer, name: str) -> None:
    net, twin = _stirred(answer)
    x = torch.randn(4, 3, 12, 12)
    with torch.no_grad():
        whole = twin(x)
        block, (stage, place) = twin.get_submodule(name), name.split(".")
        getattr(twin, stage)[int(place)] = nn.Sequential(block.downsample, nn.ReLU())
        right = twin(x)
    made = expect.as_module(answer(net, name), "The function")
    mistakes = {f"With `{name}` taken out, the network gives what it gave before.": whole}
    expect.close(made.run(x).output, right, f"the scores without `{name}`", mistakes)


@lesion.probe(
    "a block that keeps the shape",
    idea="Without its branch, a block hands on what it got.",
    hint="F(x) = 0 leaves relu(x), and x is at least 0 behind a ReLU.",
)
def _(answer: Answer) -> None:
    _operated(answer, "layer2.1")


@lesion.probe(
    "the network itself stays whole",
    idea="The next lesion must begin with a healthy network.",
    hint="Operate on `copy.deepcopy(net)`.",
)
def _(answer: Answer) -> None:
    net, twin = _stirred(answer)
    x = torch.randn(2, 3, 8, 8)
    before = {**net.parameters(), **net.buffers()}
    answer(net, "layer1.1")
    after = {**net.parameters(), **net.buffers()}
    if before.keys() != after.keys():
        raise Wrong("The network that was handed in has other parameters after the call.")
    with torch.no_grad():
        right = twin(x)
    expect.close(net.run(x).output, right, "what the network itself gives after the call")


@lesion.probe(
    "a block that changes the shape",
    idea="There the shortcut is more than the identity, and it stays.",
    hint="`block.downsample` is the shortcut of every block; for most it is `nn.Identity()`.",
)
def _(answer: Answer) -> None:
    _operated(answer, "layer3.0")


@lesion.probe(
    OTHER, idea="Any block can be taken out.", hint="Is a name fixed somewhere?", hidden=True
)
def _(answer: Answer) -> None:
    for name in ("layer1.0", "layer2.0", "layer3.1"):
        _operated(answer, name)


# --- 8.4 ---

filter_direction = Exercise(
    name="filter_direction",
    number="8.4",
    title="A step as long as the filter",
    difficulty=2,
    minutes=12,
    points=4,
    why="Without it, the same network looks flat or steep depending on a scale that means nothing.",
)


def _scaled(weight: Tensor, drawn: Tensor) -> Tensor:
    factor = weight.flatten(1).norm(dim=1) / drawn.flatten(1).norm(dim=1)
    return drawn * factor.view(-1, *[1] * (weight.dim() - 1))


def _direction_case(answer: Answer, *shape: int) -> None:
    weight = torch.randn(*shape) * torch.rand(shape[0], *[1] * (len(shape) - 1)) * 3
    drawn = torch.randn(*shape)
    right = _scaled(weight, drawn)
    norms = weight.flatten(1).norm(dim=1).view(-1, *[1] * (len(shape) - 1))
    mistakes = {
        "The tensor as a whole has the norm of the weights; each filter should have its own.": (
            drawn * weight.norm() / drawn.norm()
        ),
        "Each filter is multiplied by its weights' norm, but not divided by its own.": (
            drawn * norms
        ),
        "Every filter has length 1; it should be as long as its weights.": _scaled(
            weight / norms, drawn
        ),
        "The direction is as it was drawn.": drawn,
        "The filters are those of the input channels; a filter leads to one output channel.": (
            _scaled(weight.transpose(0, 1), drawn.transpose(0, 1)).transpose(0, 1)
        ),
    }
    expect.close(answer(weight, drawn), right, "the direction", mistakes)


@filter_direction.probe(
    "the shape",
    idea="A direction has a value for every weight.",
    hint="One factor for each filter; broadcasting does the rest.",
)
def _(answer: Answer) -> None:
    x = torch.randn(4, 3, 3, 3)
    expect.shape(answer(x, x + 1), (4, 3, 3, 3), "the direction")


@filter_direction.probe(
    "the length of each filter",
    idea="A filter is what leads to one output channel: a slice along the first dimension.",
    hint="`flatten(1).norm(dim=1)` gives the norms of all filters.",
)
def _(answer: Answer) -> None:
    _direction_case(answer, 6, 4, 3, 3)


@filter_direction.probe(
    "the head too",
    idea="A linear layer's filters are its rows.",
    hint="Let the number of dimensions come from the tensor.",
)
def _(answer: Answer) -> None:
    _direction_case(answer, 10, 7)


@filter_direction.probe(
    OTHER, idea="Neither tensor is changed.", hint="`*=` works in place.", hidden=True
)
def _(answer: Answer) -> None:
    _direction_case(answer, 3, 5, 1, 1)
    _direction_case(answer, 2, 2, 7, 7)
    if not answer.keeps(torch.randn(4, 3, 3, 3), torch.randn(4, 3, 3, 3)):
        raise Wrong("A tensor that was handed in has other values after the call.")


EXERCISES = [paths, autocorrelation, lesion, filter_direction]
