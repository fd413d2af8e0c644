"""What judges the exercises of lesson 07, bottlenecks and the family."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Broke
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import (
    Call,
    Case,
    Gradients,
    Outputs,
    Parameters,
    Shapes,
    Sight,
    alike,
    biased,
    edited,
    nothing,
    replaced,
    same_count,
    variant,
)
from resnet_lessons.checks.verdict import Wrong

# --- 7.1 ---


def price(
    layers: list[tuple],
    height: int,
    width: int,
    power: int = 1,
    bias: int = 0,
    at: str = "output",
    up: bool = True,
) -> tuple[int, int]:
    """Parameters and multiply-adds; the options are known mistakes."""
    parameters = work = 0
    image = height, width
    for in_channels, out_channels, kernel, stride, groups in layers:
        weights = in_channels * out_channels * kernel**2 // groups**power
        before = height, width
        height, width = ((size + up * (stride - 1)) // stride for size in before)
        rows, columns = {"output": (height, width), "input": before, "image": image}[at]
        parameters += weights + bias * out_channels
        work += weights * rows * columns
    return parameters, work


def part(answer: Answer, layers: list[tuple], height: int, width: int, index: int) -> object:
    """One of the two numbers that the answer gives."""
    seen = answer(layers, height, width)
    if not isinstance(seen, tuple) or len(seen) != 2:
        raise Wrong(f"It gives {seen!r}; asked for are two numbers: parameters, multiply-adds.")
    return seen[index]


PLAIN = [(3, 16, 7, 1, 1), (16, 24, 3, 1, 1), (24, 8, 1, 1, 1)]
STRIDED = [(3, 16, 7, 2, 1), (16, 24, 1, 1, 1), (24, 32, 3, 2, 1), (32, 8, 3, 1, 1)]
GROUPED = [(16, 32, 1, 1, 1), (32, 32, 3, 2, 8), (32, 64, 1, 1, 4)]
ODD = [(4, 12, 3, 2, 2), (12, 12, 5, 3, 12), (12, 6, 1, 2, 1)]

priced = partial(Case, see=part)

network_price = Exercise(
    name="network_price",
    number="7.1",
    title="What do these layers cost?",
    difficulty=1,
    minutes=15,
    points=4,
    why="Parameters fill the memory, multiply-adds take the time; a layer can be cheap in one and "
    "dear in the other.",
    solution=price,
    what=lambda layers, h, w, index: f"the number of {('parameters', 'multiply-adds')[index]}",
    cases=[
        priced(
            "parameters",
            [(PLAIN[1:2], 5, 8, 0), (PLAIN, 5, 8, 0)],
            idea="A filter has a weight for each input channel and each place of its kernel, and "
            "there are as many filters as output channels.",
            hint="in · out · kernel², summed over the layers; no bias.",
            mistakes={
                "Biases were counted; these layers have none.": partial(price, bias=1),
                "Only the last layer counts.": lambda layers, h, w: price(layers[-1:], h, w),
                "Parameters and multiply-adds have changed places.": lambda *given: price(*given)[
                    ::-1
                ],
            },
        ),
        priced(
            "multiply-adds",
            [(PLAIN, 5, 8, 1)],
            idea="Every weight is used once at every pixel of the layer's output.",
            hint="Parameters of the layer times height times width.",
            mistakes={
                "That is twice as much: a multiplication with its addition counts once.": (
                    lambda *given: (price(*given)[0], 2 * price(*given)[1])
                ),
            },
        ),
        priced(
            "strides",
            [(STRIDED, 32, 48, index) for index in (0, 1)],
            idea="A stride of 2 leaves a quarter of the pixels, for this layer and all behind it.",
            hint="Keep height and width in variables, and divide them before you multiply.",
            mistakes={
                "Each layer was taken at the size of its input; its filters stop at every pixel of "
                "its output.": partial(price, at="input"),
                "Every layer was taken at the size of the image; a stride shrinks all that "
                "follow.": partial(price, at="image"),
            },
        ),
        priced(
            "groups",
            [(GROUPED, 12, 12, index) for index in (0, 1)],
            idea="With G groups every filter sees a G-th of the channels.",
            hint="Divide by `groups` once: in // groups channels for each of the out filters.",
            mistakes={
                "Groups were ignored: in a group, a filter sees only the group's channels.": (
                    partial(price, power=0)
                ),
                "It was divided by the groups twice.": partial(price, power=2),
            },
        ),
        priced(
            "other numbers",
            [(ODD, *size, index) for size in ((15, 27), (7, 5)) for index in (0, 1)],
            idea="Odd sizes are rounded up: a kernel with padding fits once more.",
            hint="⌈7/2⌉ = 4: `math.ceil`, or `(height + stride - 1) // stride`.",
            mistakes={
                "Sizes were rounded down; with padding, stride 2 makes 4 of 7.": partial(
                    price, up=False
                ),
            },
            hidden=True,
        ),
    ],
)

# --- 7.2 ---


def counted(
    in_channels: int,
    channels: int,
    stride: int,
    groups: int,
    base_width: int,
    projects: Callable[..., bool] = lambda i, c, s: s != 1 or i != 4 * c,
    inside: Callable[..., tuple[int, int]] = lambda channels, groups, group: (
        groups * group,
        groups,
    ),
    expansion: int = 4,
    norm: int = 2,
) -> int:
    """Parameters of a bottleneck; the options are known mistakes."""
    group, out = channels * base_width // 64, expansion * channels
    width, parts = inside(channels, groups, group)
    count = in_channels * width + 9 * width * width // parts + width * out
    count += norm * (2 * width + out)
    return count + projects(in_channels, channels, stride) * (in_channels * out + norm * out)


bottleneck_parameters = Exercise(
    name="bottleneck_parameters",
    number="7.2",
    title="Count a bottleneck",
    difficulty=2,
    minutes=15,
    points=5,
    why="A parameter count is the cheapest test there is: it finds a wrong block before any image "
    "does.",
    solution=counted,
    cases=[
        Case(
            "inside a stage",
            [(256, 64, 1, 1, 64), (40, 10, 1, 1, 64)],
            idea="Three convolutions without bias, and a batch normalisation behind each.",
            hint="256·64 + 9·64·64 + 64·256 is nearly all; what is left are three normalisations.",
            mistakes={
                "The batch normalisations are missing; each has a scale and a shift.": partial(
                    counted, norm=0
                ),
                "A batch normalisation has a scale and a shift; one of the two was counted.": (
                    partial(counted, norm=1)
                ),
                "Running mean and variance were counted; they are buffers, and are not learned.": (
                    partial(counted, norm=4)
                ),
                "Biases were counted; no convolution has one.": partial(counted, norm=3),
                "Its output was taken for `channels` wide; it is 4 · channels.": partial(
                    counted, expansion=1
                ),
                "A projection was counted, where the identity does.": partial(
                    counted, projects=lambda i, c, s: s != 1 or i != c
                ),
                "Groups upside down: their number was taken for the channels in each.": partial(
                    counted, inside=lambda channels, groups, group: (groups * group, group)
                ),
            },
        ),
        Case(
            "where the shape changes",
            [(256, 128, 2, 1, 64), (64, 64, 1, 1, 64), (256, 64, 2, 1, 64)],
            idea="Other channels or a stride want a projection: 1×1 convolution and normalisation. "
            "Even the first stage begins with one, from 64 to 256 channels.",
            hint="Compare `in_channels` with 4 · channels, and `stride` with 1; one difference is "
            "enough.",
            mistakes={
                "The projection is missing: the shape changes.": (
                    partial(counted, projects=lambda i, c, s: False),
                    partial(counted, projects=lambda i, c, s: s != 1),
                    partial(counted, projects=lambda i, c, s: i != 4 * c),
                ),
            },
        ),
        Case(
            "groups and base width",
            [(256, 64, 1, 1, 128), (256, 64, 1, 32, 4), (512, 256, 2, 32, 8)],
            idea="`groups` groups of channels · base_width / 64 channels each; a filter sees its "
            "own group.",
            hint="For ResNeXt 32×4d: 32 · 4 = 128 channels, and 9 · 128 · 128 / 32 weights in the "
            "3×3.",
            mistakes={
                "The groups were left out of the 3×3: a filter there sees one group only.": (
                    partial(counted, inside=lambda channels, groups, group: (groups * group, 1))
                ),
                "The width of one group was taken for that of the whole 3×3.": partial(
                    counted, inside=lambda channels, groups, group: (group, groups)
                ),
                "The 3×3 was taken for `channels` wide; its width follows from `base_width`.": (
                    partial(counted, inside=lambda channels, groups, group: (channels, groups))
                ),
            },
        ),
        Case(
            "other numbers",
            [(96, 24, 1, 2, 64), (7, 20, 2, 3, 10), (1024, 512, 2, 64, 4), (64, 16, 1, 5, 33)],
            idea="The formula knows no special case but the projection.",
            hint="Is a number fixed somewhere? The width of a group is rounded down.",
            hidden=True,
        ),
    ],
)

# --- 7.3 ---


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class Block(nn.Module):
    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        width, out = groups * (channels * base_width // 64), 4 * channels
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out:
            self.shortcut = projection(in_channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


def joining(join: Callable[[Tensor, Tensor], Tensor]) -> type[Block]:
    """A block that puts F(x) and x together in another way."""
    return variant(Block, forward=lambda self, x: join(self.branch(x), self.shortcut(x)))


def asking(change: Callable[..., tuple]) -> Callable[..., Block]:
    """A block with other arguments than it was asked for."""
    return lambda i, c, s=1, g=1, b=64: Block(*change(i, c, s, g, b))


def not_normalised(block: Block) -> None:
    block.branch[1] = block.branch[4] = block.branch[7] = nn.Identity()


def projecting(block: Block) -> None:
    first, middle, last = block.branch[0], block.branch[3], block.branch[6]
    block.shortcut = projection(first.in_channels, last.out_channels, middle.stride)


def padding_for_projection(self: Block, x: Tensor) -> Tensor:
    out = self.branch(x)
    x = F.adaptive_avg_pool2d(x, out.shape[2:])
    return F.relu(out + F.pad(x, (0, 0, 0, 0, 0, out.shape[1] - x.shape[1])))


def move_stride(block: Block, place: int) -> None:
    block.branch[place].stride, block.branch[3].stride = block.branch[3].stride, 1


def count_or_tensor(seen: object, right: object, what: str, wrong: dict | None = None) -> None:
    (same_count if isinstance(right, int) else alike)(seen, right, what, wrong)


@dataclass(frozen=True, kw_only=True)
class Same(Outputs):
    """The number of parameters, and the outputs in both modes."""

    compare: Callable[..., None] = count_or_tensor

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        yield from Parameters.sights(self, exercise, answer, Call(given.args[:2]))
        yield from super().sights(exercise, answer, given)


GROUPS = ((64, 16, 1, 4, 16), (64, 16, 1, 1, 128), (32, 16, 2, 2, 32))
OTHERS = ((12, 3), (5, 7, 3), (24, 6, 1, 3, 33), (10, 20, 2, 5, 13))

bottleneck = Exercise(
    name="bottleneck",
    number="7.3",
    title="The bottleneck block",
    difficulty=3,
    minutes=25,
    points=10,
    why="ResNet-50, ResNeXt and Wide ResNet are this one class.",
    answer="MyBottleneck",
    solution=Block,
    cases=[
        Shapes(
            "four times the channels",
            [((16, 4), (2, 16, 8, 6)), ((16, 4), (2, 16, 7, 5))],
            idea="`channels` counts the 3×3's; the last 1×1 expands to four times as many.",
            hint="in → channels → channels → 4 · channels. The 3×3 keeps the size with "
            "`padding=1`.",
            what=lambda *given: f"the output of MyBottleneck{given}",
            own_work=True,
        ),
        Parameters(
            "its parameters",
            [((16, 4), (2, 16, 8, 8)), ((40, 10), (2, 40, 8, 8))],
            idea="Three convolutions without bias, a normalisation behind each, and a shortcut "
            "that costs nothing where the shape stays.",
            hint="Count with your function of 7.2.",
            mistakes={
                "The convolutions have biases.": edited(
                    Block, lambda block: [biased(block.branch[n]) for n in (0, 3, 6)]
                ),
                "There is no batch normalisation.": edited(Block, not_normalised),
                "One batch normalisation is missing.": replaced(Block, "branch.7", nothing),
                "The last convolution, or that of the shortcut, has a bias.": replaced(
                    Block, "branch.6", biased
                ),
                "There is a projection where the identity would do.": edited(Block, projecting),
                "The 3×3 is four times too wide; the last 1×1 expands.": asking(
                    lambda i, c, s, g, b: (i, c, s, g, 4 * b)
                ),
                "Groups upside down: their number and the channels in each have changed places.": (
                    asking(lambda i, c, s, g, b: (i, c, s, c * b // 64, 64 * g // c))
                ),
            },
        ),
        Outputs(
            "F(x) + x, then ReLU",
            [((16, 4), (3, 16, 6, 5))],
            idea="A ReLU behind the first two convolutions, none behind the third, one behind the "
            "sum.",
            hint="Three ReLUs in all. Where are yours?",
            mistakes={
                "The output is relu(F(x)): the input is not added.": joining(lambda f, x: f.relu()),
                "There is a ReLU at the end of the branch, before the addition, so F(x) can never "
                "be negative.": joining(lambda f, x: F.relu(F.relu(f) + x)),
                "The ReLU behind the addition is missing.": joining(lambda f, x: f + x),
                "The input is added behind the last ReLU.": joining(lambda f, x: F.relu(f) + x),
                "The ReLU behind the first convolution is missing.": replaced(
                    Block, "branch.2", nothing
                ),
                "The ReLU behind the 3×3 is missing.": replaced(Block, "branch.5", nothing),
                "The two ReLUs inside are missing.": replaced(
                    replaced(Block, "branch.2", nothing), "branch.5", nothing
                ),
            },
        ),
        Same(
            "other channels at stride 1",
            [((8, 8), (3, 8, 6, 5))],
            idea="The first block of the first stage keeps the size, but raises 64 channels to "
            "256: x does not fit.",
            hint="Project where `stride != 1` *or* `in_channels != 4 * channels`.",
            mistakes={
                "The projection is missing.": replaced(
                    variant(Block, forward=padding_for_projection), "shortcut", nothing
                ),
            },
        ),
        Same(
            "the stride is in the 3×3",
            [((16, 8, 2), (3, 16, 7, 10)), ((16, 4, 2), (3, 16, 7, 10))],
            idea="A 1×1 with stride 2 never sees three of four pixels; a 3×3 sees them all.",
            hint="torchvision's version 1.5: the 3×3 takes the stride, and so does the shortcut.",
            mistakes={
                "The stride is in the first 1×1, which skips three of four pixels.": edited(
                    Block, partial(move_stride, place=0)
                ),
                "The stride is in the last 1×1: the 3×3 works at full size, and three of four "
                "pixels that it computes are thrown away.": edited(
                    Block, partial(move_stride, place=6)
                ),
            },
        ),
        Same(
            "groups and base width",
            [(arguments, (3, arguments[0], 6, 5)) for arguments in GROUPS],
            idea="`groups` groups of channels · base_width // 64 channels each, in the 3×3 alone.",
            hint="width = groups · (channels · base_width // 64), and `groups=groups` in the 3×3.",
            mistakes={
                "The 3×3 has no groups.": asking(lambda i, c, s, g, b: (i, c, s, 1, g * b)),
                "The 3×3 has the width of one group only.": asking(
                    lambda i, c, s, g, b: (i, c, s, g, b // g)
                ),
                "The 3×3 is not `base_width` wide.": asking(
                    lambda i, c, s, g, b: (i, c, s, g, 64 // g)
                ),
            },
        ),
        Gradients(
            "the gradient through both ways",
            [((16, 4), (3, 16, 6, 6)), ((8, 4, 2), (3, 8, 6, 6))],
            idea="What arrives at the output goes back through the shortcut and through the "
            "branch.",
            hint="Do not detach anything, and do not compute under `torch.no_grad()`.",
        ),
        Same(
            "other numbers",
            [(arguments, (3, arguments[0], 9, 4)) for arguments in OTHERS],
            idea="Channels, stride, groups and width are those that were asked for.",
            hint="Is a number fixed somewhere that should come from the arguments?",
            hidden=True,
        ),
    ],
)

# --- 7.4 ---

NET = {"width": 3, "in_channels": 1}


def loaded(net: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    net.load_state_dict({name.removeprefix("module."): state[name] for name in state})
    return net


def state_of(answer: Answer, depth: int = 8) -> dict[str, Tensor]:
    net = answer.make("cifar_resnet", depth, **NET, seed=9)
    values = {**net.parameters(), **net.buffers()}
    return {n: v + torch.rand(v.shape) if v.is_floating_point() else v for n, v in values.items()}


def loads(answer: Answer, prefix: str = "", part: str = "") -> None:
    """The values arrive from under names with a prefix, in a network that is a part of another."""
    net, state = answer.make("cifar_resnet", 8, **NET), state_of(answer)
    if part:
        net, state = net.inside(part[:-1]), {part + name: state[name] for name in state}
    expect.as_module(answer(net, {prefix + name: value for name, value in state.items()}))
    own = {**net.parameters(), **net.buffers()}
    missing = [name for name, value in state.items() if not torch.equal(own[name], value)]
    if missing:
        what = f"The names begin with `{prefix}{part}`" if prefix or part else "The names fit"
        raise Wrong(
            f"{what}, but `{missing[0]}` of the network does not have its value "
            f"({len(missing)} of {len(state)} are not there)."
        )


def misfit_is_an_error(answer: Answer) -> None:
    right = state_of(answer)
    cases = {
        "`fc.bias` is missing": {n: v for n, v in right.items() if n != "fc.bias"},
        "it is that of a deeper network": state_of(answer, 14),
        "its names are all foreign": {f"backbone.{name}": v for name, v in right.items()},
    }
    for what, state in cases.items():
        for prefix in ("", "module."):
            net = answer.make("cifar_resnet", 8, **NET)
            try:
                answer(net, {prefix + name: value for name, value in state.items()})
            except Broke:
                continue
            raise Wrong(f"A state dict does not fit, for {what}, and nobody was told.")


def only_at_the_beginning(answer: Answer) -> None:
    for part in ("submodule.", "my_module.", "odule."):
        for prefix in ("", "module."):
            loads(answer, prefix, part)


load_checkpoint = Exercise(
    name="load_checkpoint",
    number="7.4",
    title="Weights from elsewhere",
    difficulty=2,
    minutes=10,
    points=5,
    why="A network whose weights were silently not loaded runs well, and guesses.",
    solution=loaded,
    cases=[
        Probe(
            "names that fit",
            "A state dict is a dictionary from names to tensors; equal names find each other.",
            "`net.load_state_dict(state)`, then `return net`.",
            loads,
        ),
        Probe(
            "the prefix is taken off",
            '`DataParallel` holds the network as its part `module`: names begin with "module.".',
            '`name.removeprefix("module.")`. (`lstrip` removes letters, not a word.)',
            partial(loads, prefix="module."),
        ),
        Probe(
            "what does not fit is an error",
            "Weights of another network must not pass in silence: what is not loaded stays random.",
            "`strict=True` is the default of `load_state_dict`; leave its error alone.",
            misfit_is_an_error,
        ),
        Probe(
            "only at the beginning",
            "A prefix is what a name begins with; the same letters elsewhere belong to the name.",
            "What does your code make of `submodule.conv1.weight`?",
            only_at_the_beginning,
            hidden=True,
        ),
    ],
)

# --- 7.5 ---

CASES = ((26_000_000, 50), (30_000_000, 101), (40_000_000, 152))


def parameters_of(blocks: tuple[int, ...]) -> int:
    """Those of `ResNet(blocks, block=Bottleneck)`."""
    total, arriving = 64 * 3 * 49 + 128 + 2048 * 1000 + 1000, 64
    for stage, number in enumerate(blocks):
        channels = 64 * 2**stage
        total += counted(arriving, channels, 2 if stage else 1, 1, 64)
        total += (number - 1) * counted(4 * channels, channels, 1, 1, 64)
        arriving = 4 * channels
    return total


def designs(
    answer: Answer, cases: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int, tuple[int, ...], str]]:
    """Budget, depth, the blocks that the answer gives for them, and how a sentence on it begins."""
    for budget, depth in cases:
        seen, call = answer(budget, depth), f"`design_network({budget}, {depth})`"
        whole = isinstance(seen, tuple) and all(type(n) is int for n in seen)
        if not whole or len(seen) != 4 or min(seen) < 1:
            raise Wrong(
                f"For {call} it gives {seen!r}; asked for are four whole numbers, each at least 1."
            )
        yield budget, depth, seen, f"{call} gives {seen}, which has"


def deep_enough(answer: Answer, cases: Iterable[tuple[int, int]] = CASES) -> None:
    for _, depth, blocks, told in designs(answer, cases):
        layers = 2 + 3 * sum(blocks)
        if layers < depth:
            raise Wrong(f"{told} 3 · {sum(blocks)} + 2 = {layers} layers; {depth} are asked for.")


def within_budget(
    answer: Answer, cases: Iterable[tuple[int, int]] = CASES, least: float = 0.0
) -> None:
    for budget, _, blocks, told in designs(answer, cases):
        spent = parameters_of(blocks)
        if spent > budget:
            raise Wrong(f"{told} {spent:,} parameters, {spent - budget:,} more than the budget.")
        if spent < least * budget:
            raise Wrong(f"{told} {spent:,} parameters, {spent / budget:.0%} of the budget.")


def other_budgets(answer: Answer) -> None:
    drawn = 1000 * int(torch.randint(20_000, 90_000, ())), int(torch.randint(14, 200, ()))
    cases = ((12_500_000, 26), (20_000_000, 200), (100_000_000, 17), (13_000_000, 99), drawn)
    deep_enough(answer, cases)
    within_budget(answer, cases, least=0.9)


design_network = Exercise(
    name="design_network",
    number="7.5",
    title="Deep, within a budget",
    difficulty=3,
    minutes=25,
    points=8,
    why="Depth and parameters are two things, and you can trade one for the other.",
    cases=[
        Probe(
            "four numbers of blocks",
            "A ResNet has four stages, and none of them is empty.",
            "ResNet-50 is (3, 4, 6, 3).",
            lambda answer: list(designs(answer, CASES[:1])),
        ),
        Probe(
            "deep enough",
            "Three layers a bottleneck, one in the stem, one linear; projections do not count.",
            "(3, 4, 6, 3) makes 3 · 16 + 2 = 50.",
            deep_enough,
        ),
        Probe(
            "within the budget",
            "From stage to stage the channels double, and a block costs four times as much: depth "
            "is cheap in the first stage, and dear in the last.",
            "What does one more block cost in each stage? Do not forget what is there with "
            "(1, 1, 1, 1): stem, projections and 1,000 classes.",
            within_budget,
        ),
        Probe(
            "the budget is used",
            "Parameters that were granted and not used could have learned something.",
            "Once it is deep enough, add blocks while they fit, dear ones first. At least 90 % of "
            "the budget must be used.",
            partial(within_budget, least=0.9),
        ),
        Probe(
            "other budgets, other depths",
            "Count, and no table of known networks is needed.",
            "A budget may be small and the depth large, or the reverse.",
            other_budgets,
            hidden=True,
        ),
    ],
)

EXERCISES = [network_price, bottleneck_parameters, bottleneck, load_checkpoint, design_network]
