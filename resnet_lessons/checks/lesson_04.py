"""What judges the exercises of lesson 04, from blocks to ResNet."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from resnet_lessons import networks
from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.forms import (
    Case,
    Outputs,
    Parameters,
    Shapes,
    biased,
    built,
    edited,
    nothing,
    replaced,
    variant,
)
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import BasicBlock

# --- 4.1 ---

Blocks = list[tuple[int, int]]


def misfits(blocks: Blocks) -> list[int]:
    return [n for n in range(1, len(blocks)) if blocks[n][0] != blocks[n - 1][1]]


def inputs_differ(blocks: Blocks) -> list[int]:
    return [n for n in range(1, len(blocks)) if blocks[n][0] != blocks[n - 1][0]]


def moved(by: int) -> Callable[[Blocks], list[int]]:
    return lambda blocks: [n + by for n in misfits(blocks)]


def same_positions(
    seen: object, right: object, what: str, wrong: Mapping[str, object] | None = None
) -> None:
    """Positions; where none is found, that tells no mistake from another."""
    expect.equal(seen, right, what, {} if seen == () else wrong)


def any_blocks() -> list[tuple[Blocks]]:
    drawn = torch.randint(1, 4, (5, 9, 2)).tolist()
    return [([tuple(block) for block in blocks],) for blocks in drawn]


mismatches = Exercise(
    name="mismatches",
    number="4.1",
    title="Channels must match",
    difficulty=1,
    minutes=5,
    points=3,
    why="Python joins any two blocks without a word; only running them shows that they do not fit.",
    solution=misfits,
    cases=[
        Case(
            "blocks that fit",
            [([(64, 64), (64, 64)],), ([(3, 64), (64, 128), (128, 128), (128, 10)],)],
            idea="A block may change the channels, as long as the next one takes what it gives.",
            hint="Compare two neighbours: what one gives with what the next one takes.",
            mistakes={
                "Those are the blocks that change the channels, which is allowed.": lambda blocks: [
                    n for n, (takes, gives) in enumerate(blocks) if takes != gives
                ],
                "Those are the blocks whose input differs from the input of the one before.": (
                    inputs_differ
                ),
                "That is how many there are; asked for is where.": lambda blocks: len(
                    misfits(blocks)
                ),
            },
        ),
        Case(
            "one joint that does not fit",
            [
                ([(64, 128), (64, 64)],),
                ([(64, 64), (64, 64), (64, 128), (128, 128), (64, 64)],),
            ],
            idea="The block behind the joint complains: it is given something that it was not "
            "built for.",
            hint="Positions count from 0, so the second block has the position 1.",
            compare=same_positions,
            mistakes={
                "Those are the blocks in front of the joints; asked for is the one that "
                "complains.": moved(-1),
                "Those are positions counted from 1; Python counts from 0.": moved(1),
                "That is one number; a list is asked for.": lambda blocks: (
                    misfits(blocks) or [[]]
                )[0],
            },
        ),
        Case(
            "several",
            [([(3, 64), (32, 64), (64, 128), (64, 128), (128, 7), (8, 8)],)],
            idea="Each joint is a question of its own.",
            hint="Do not stop at the first; collect them in a list.",
            compare=same_positions,
            mistakes={
                "Only the first is named; there are more.": lambda blocks: misfits(blocks)[:1]
            },
        ),
        Case(
            "other blocks",
            lambda: [([(5, 9)],), ([(5, 9), (9, 9)],), *any_blocks()],
            idea="The rule holds for any row of blocks, also for a short one.",
            hint="What has the first block to fit to?",
            compare=same_positions,
            hidden=True,
        ),
    ],
)

# --- 4.2 ---


def sizes(size: int, stem: int = 0, pool: int = 1, block: int = 1) -> list[int]:
    """The sizes behind each step, for a padding of each."""
    found = []
    steps = [(7, 2, stem), (3, 2, pool), (3, 1, 1), *[(3, 2, block)] * 3, (3, 3, 0)]
    for kernel, stride, padding in steps:
        size = (size + 2 * padding - kernel) // stride + 1
        found.append(size)
    return found


def rounded_down(size: int) -> list[int]:
    first = (size - 7) // 2 + 1
    return [first, *(first // stride for stride in (2, 2, 4, 8, 16, 16 * 3))]


five_block_sizes = Exercise(
    name="five_block_sizes",
    number="4.2",
    title="Predict the five-block network",
    difficulty=1,
    minutes=10,
    points=3,
    why="Sizes that are predicted and then printed are how one learns to read a network.",
    solution=sizes,
    cases=[
        Case(
            "96 pixels",
            [(96,)],
            idea="Seven steps, one formula: ⌊(N + 2P - K) / S⌋ + 1.",
            hint="The lesson has the list of kernels, strides and paddings.",
            mistakes={
                "The size of the image itself does not belong to the seven.": lambda size: [
                    size,
                    *sizes(size),
                ],
                "The last pool is missing.": lambda size: sizes(size)[:-1],
                "Block 2 is missing: it keeps the size, but it has a place in the row.": (
                    lambda size: sizes(size)[:2] + sizes(size)[3:]
                ),
                "That is the last size alone; all seven are asked for.": lambda size: sizes(size)[
                    -1
                ],
                "The convolution of the stem has no padding.": partial(sizes, stem=3),
                "The max-pool has a padding of 1.": partial(sizes, pool=0),
                "A 3×3 convolution of stride 2 with padding 1 halves and rounds *up*.": (
                    rounded_down
                ),
                "The first convolutions of blocks 3 to 5 have a padding of 1.": partial(
                    sizes, block=0
                ),
            },
        ),
        Case(
            "images of other sizes",
            [(128,), (80,), (113,)],
            idea="Every size follows from the one before it, whatever the first one was.",
            hint="Begin with `size`, and put the result of each step into the next.",
        ),
        Case(
            "the smallest and the largest",
            [(71,), (166,), (224,)],
            idea="The last pool drops what is left over: from 3, 4 and 5 pixels it leaves 1.",
            hint="The pool has kernel 3, and its stride is the side of its window: 3.",
        ),
        Case(
            "all sizes",
            [(size,) for size in range(71, 230, 7)],
            idea="The formula knows no exceptions.",
            hint="Compute, do not look up.",
            hidden=True,
        ),
    ],
)

# --- 4.3 ---


def stages(in_channels: int, widths: Sequence[int], blocks: Sequence[int]) -> nn.Sequential:
    layers, channels = [], in_channels
    for stage, (width, number) in enumerate(zip(widths, blocks, strict=True)):
        for place in range(number):
            halves = stage > 0 and place == 0
            layers.append(BasicBlock(channels, width, stride=2 if halves else 1))
            channels = width
    return nn.Sequential(*layers)


def one_block_several_times(*arguments: object, alone: int = 0) -> nn.Sequential:
    blocks, first = list(stages(*arguments)), {}
    shared = (first.setdefault((b.in_channels, b.out_channels), b) for b in blocks[alone:])
    return nn.Sequential(*blocks[:alone], *shared)


def projecting(block: BasicBlock) -> BasicBlock:
    return BasicBlock(block.in_channels, block.out_channels, block.stride, "projection everywhere")


def projecting_first(*arguments: object) -> nn.Sequential:
    layers = stages(*arguments)
    return nn.Sequential(projecting(layers[0]), *layers[1:])


def main_path(answer: Answer, arguments: Sequence[object], x: Tensor) -> list[tuple[int, ...]]:
    """The shapes behind the convolutions, without those of 1×1 in the shortcuts."""
    module = built(answer, *arguments, example=tuple(x.shape))
    parameters = module.parameters()
    found = [o for o in module.trace(x) if o.name == "conv2d"]
    if any(operation.weight is None for operation in found):
        raise Wrong(
            "A convolution runs whose weights are no parameters of the network, so no optimizer "
            "would find them: do its blocks stand in a plain Python list? Use `nn.Sequential`."
        )
    return [o.shape for o in found if parameters[o.weight].shape[-1] > 1]


def same_joints(
    seen: list[tuple[int, ...]], right: list[tuple[int, ...]], what: str, wrong: object = None
) -> None:
    expect.equal(len(seen), len(right), what)
    for place, (one, other) in enumerate(zip(seen, right, strict=True), 1):
        if one != other:
            raise Wrong(
                f"Convolution {place} (those of 1×1 not counted) gives {expect.times(one)}; "
                f"expected is {expect.times(other)}."
            )


joints = partial(
    Case,
    "the shape at every joint",
    what="the number of convolutions that run, not counting those of 1×1,",
    see=main_path,
    compare=same_joints,
)
STAGES = (6, [6, 10, 14], [2, 3, 2])  # channels in, widths, blocks

make_stages = Exercise(
    name="make_stages",
    number="4.3",
    title="Stages from blocks",
    difficulty=2,
    minutes=20,
    points=6,
    why="This is `_make_layer`, the part of published ResNets that goes wrong most often.",
    solution=stages,
    cases=[
        Shapes(
            "the shape that comes out",
            [((6, [6, 10, 14], [2, 2, 2]), (2, 6, 16, 16))],
            idea="Every stage but the first halves height and width; the last width is what comes "
            "out.",
            hint="Keep in a variable how many channels the last block gives; the next one takes "
            "them.",
            own_work=True,
            allowed=("BasicBlock",),
        ),
        joints(
            lambda: [(STAGES, torch.randn(2, 6, 17, 12))],
            idea="Only the first block of a stage changes the shape; the others keep it.",
            hint="Print the shape behind each block. Which of them have a stride of 2?",
        ),
        Parameters(
            "its parameters",
            [(STAGES, (2, 6, 16, 16))],
            idea="Each block has weights of its own.",
            hint="`[block] * 2` is a list with one block in two places.",
            mistakes={
                "One and the same block stands at several places; each needs its own weights.": (
                    one_block_several_times,
                    partial(one_block_several_times, alone=1),
                ),
                "The first block keeps the shape and needs no projection.": projecting_first,
            },
        ),
        Outputs(
            "what they compute",
            [(STAGES, (3, 6, 13, 16))],
            idea="Stages are nothing but blocks in a row.",
            hint="Is there a layer in between that nobody asked for? Is one left out?",
        ),
        Outputs(
            "other numbers",
            [((3, [5, 9, 4, 7], [1, 2, 4, 1]), (2, 3, 19, 16)), ((8, [8], [3]), (2, 8, 19, 16))],
            idea="The first stage may change the channels too, and a stage may have one block or "
            "many.",
            hint="Is a width computed as twice the one before, or a number of stages or blocks "
            "fixed?",
            hidden=True,
        ),
    ],
)

# --- 4.4 ---

State = dict[str, Tensor]
OUTSIDE = {"conv1": "stem.0", "bn1": "stem.1", "fc": "head"}
INSIDE = {
    "conv1": "branch.0",
    "bn1": "branch.1",
    "conv2": "branch.3",
    "bn2": "branch.4",
    "downsample": "shortcut",
}


def translated(state: State) -> State:
    """`layer2.0.bn1.weight` → `stages.1.0.branch.1.weight`"""
    found = {}
    for name, value in state.items():
        first, *rest = name.split(".")
        if first.startswith("layer"):
            block, part, *rest = rest
            first = f"stages.{int(first[-1]) - 1}.{block}.{INSIDE[part]}"
        else:
            first = OUTSIDE[first]
        found[".".join([first, *rest])] = value
    return found


def state_of(make: Callable[[], nn.Module]) -> State:
    """Small tensors under the names of a real network; what they hold does not matter."""
    with torch.device("meta"):
        names = list(make().state_dict())
    return {name: torch.randn(3) for name in names}


def places(answer: Answer, state: State, pattern: str) -> tuple[dict, set]:
    """To each name that matches `pattern` the new ones of its tensor; and all new names."""
    seen = answer(state)
    if not isinstance(seen, dict):
        raise Wrong("A dictionary is asked for, from new names to tensors.")
    values = {name: value.tolist() for name, value in seen.items() if isinstance(value, Tensor)}
    wanted = {name: value.tolist() for name, value in state.items() if re.search(pattern, name)}
    found = {
        name: [other for other, numbers in values.items() if numbers == right]
        for name, right in wanted.items()
    }
    return found, set(seen)


def same_places(
    seen: tuple[dict, set], right: tuple[dict, set], what: str, wrong: object = None
) -> None:
    (became, names), (expected, right_names) = seen, right
    for name, [new] in expected.items():
        if new in became[name]:
            continue
        found = "is missing"
        if became[name]:
            found = f"stands under `{became[name][0]}`"
        elif new in names:
            found = "is lost: another tensor stands there"
        raise Wrong(f"What torchvision calls `{name}` {found}; expected is `{new}`.")
    extra = names - right_names
    if extra and len(expected) == len(right_names):  # only once all names are looked at
        raise Wrong(f"There is a name too many: `{min(extra)}`.")


def translation(name: str, pattern: str, of: Callable = networks.resnet18, **texts: object) -> Case:
    """A case that compares what became of the names that match the pattern."""

    def given() -> list[tuple[State, str]]:
        return [(state_of(of), pattern)]

    return Case(name, given, what="the names", see=places, compare=same_places, **texts)


translate = Exercise(
    name="translate",
    number="4.4",
    title="Load weights under other names",
    difficulty=2,
    minutes=25,
    points=6,
    why="Published weights are useful only where every one of them finds its place.",
    solution=translated,
    cases=[
        translation(
            "stem and head",
            r"^(conv1|fc|bn1)\.(weight|bias)",
            idea="A name is a path: the modules from the outside in, with a dot between them.",
            hint="In an `nn.Sequential` the parts are called 0, 1, 2, … Which of them is the "
            "convolution?",
        ),
        translation(
            "the branches",
            r"\.(conv|bn)\d\.(weight|bias)",
            idea="A ReLU has no weights, but it has a place in the row.",
            hint="`conv1` and `bn1` occur twice: in the stem, and in every block. Stages count "
            "from 0.",
        ),
        translation(
            "the shortcuts",
            r"downsample\.\d\.(weight|bias)",
            idea="A projection has weights too: its convolution and its batch normalisation.",
            hint="torchvision calls them `downsample.0` and `downsample.1`.",
        ),
        translation(
            "the statistics",
            "",
            idea="Running mean and variance are no parameters, but without them the outputs in "
            "evaluation mode are wrong.",
            hint="Change names by their beginnings, and every ending goes along.",
        ),
        translation(
            "a deeper network",
            "",
            of=networks.resnet34,
            idea="The rule holds for every number of blocks.",
            hint="Do not list the names of ResNet-18; say how a name is built.",
            hidden=True,
        ),
    ],
)

# --- 4.5 ---


class ResNet18(nn.Module):
    def __init__(self, num_classes: int = 1000, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = stages(width, [width, 2 * width, 4 * width, 8 * width], [2, 2, 2, 2])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        return self.head(self.pool(x).flatten(1))


def then(last: Callable[[Tensor], Tensor]) -> type[nn.Module]:
    """A ResNet-18 that does something with its scores."""
    return variant(ResNet18, forward=lambda self, x: last(ResNet18.forward(self, x)))


resnet18 = Exercise(
    name="resnet18",
    number="4.5",
    title="ResNet-18",
    difficulty=3,
    minutes=30,
    points=10,
    why="It is the network that this course, and half of computer vision, begins with.",
    answer="ResNet18",
    solution=ResNet18,
    cases=[
        Shapes(
            "scores, by your own network",
            [((10, 8), (3, 3, 64, 64))],
            idea="A batch of images goes in, and a row of scores comes out for each of them.",
            hint="Between the last stage and the linear layer: the mean of each map, and no height "
            "and width any more.",
            own_work=True,
            allowed=("BasicBlock",),
        ),
        joints(
            lambda: [((10, 8), torch.randn(2, 3, 64, 64))],
            idea="The stem leaves a quarter of height and width, and stages 2 to 4 halve what they "
            "get.",
            hint="Print the shape at every joint. For 64×64 pixels: 32, 16, 16, 8, 4, 2.",
        ),
        Parameters(
            "11,689,512 parameters",
            [((), (2, 3, 64, 64))],
            idea="Names and shapes can differ between two networks that compute the same; the "
            "number of parameters cannot.",
            hint="Nothing but the linear layer has a bias, and every convolution has a batch "
            "normalisation.",
            mistakes={
                "The convolution of the stem has a bias.": replaced(ResNet18, "stem.0", biased),
                "The batch normalisation of the stem is missing.": replaced(
                    ResNet18, "stem.1", nothing
                ),
                "The convolution of the stem has a bias in place of its batch normalisation.": (
                    replaced(replaced(ResNet18, "stem.0", biased), "stem.1", nothing)
                ),
                "There is a projection in the first stage, where no shape changes.": replaced(
                    ResNet18, "stages.0", projecting
                ),
                "The linear layer has no bias.": edited(
                    ResNet18, lambda net: net.head.register_parameter("bias", None)
                ),
                "That is the number for 10 classes; the default is 1,000.": variant(
                    ResNet18, __init__=lambda self, n=10, w=64: ResNet18.__init__(self, n, w)
                ),
            },
        ),
        Outputs(
            "what it computes",
            [((10, 8), (3, 3, 64, 64))],
            idea="With the same weights, the same function: in evaluation mode and in training "
            "mode.",
            hint="Go through the stem step by step: convolution, batch normalisation, ReLU, "
            "max-pool.",
            mistakes={
                "The ReLU of the stem is missing.": replaced(ResNet18, "stem.2", nothing),
                "The pool of the stem takes means; take the largest pixel.": replaced(
                    ResNet18, "stem.3", lambda pool: nn.AvgPool2d(3, 2, 1)
                ),
                "The pool of the head takes the largest pixel of each map; take the mean.": (
                    replaced(ResNet18, "pool", lambda pool: nn.AdaptiveMaxPool2d(1))
                ),
                "There is a softmax at the end; scores are asked for.": then(
                    lambda scores: scores.softmax(1)
                ),
                "There is a ReLU behind the linear layer; a score may be negative.": then(
                    torch.relu
                ),
            },
        ),
        Outputs(
            "images of any size",
            [((10, 8), (2, 3, 97, 130))],
            idea="The head averages the whole map, however large it is.",
            hint="`nn.AdaptiveAvgPool2d(1)`, or `x.mean((2, 3))`.",
        ),
        Outputs(
            "equal to torchvision's",
            [((), (1, 3, 64, 64))],
            idea="Then all weights that were ever published for ResNet-18 are yours.",
            hint="All widths come from `width`, which is 64 if nobody says otherwise.",
        ),
        Outputs(
            "other numbers",
            [((7, 6), (2, 3, 70, 65))],
            idea="Width and number of classes are those that were asked for.",
            hint="Is a number fixed somewhere that should come from the arguments?",
            hidden=True,
        ),
    ],
)

EXERCISES = [mismatches, five_block_sizes, make_stages, translate, resnet18]
