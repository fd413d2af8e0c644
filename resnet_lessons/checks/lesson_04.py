"""What judges the exercises of lesson 04, from blocks to ResNet."""

import re
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.comparing import built, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import BasicBlock, make_stage, resnet34
from resnet_lessons.networks import resnet18 as whole_resnet18

# --- 4.1 ---

mismatches = Exercise(
    name="mismatches",
    number="4.1",
    title="Channels must match",
    difficulty=1,
    minutes=5,
    points=3,
    why="Python joins any two blocks without a word; only running them shows that they do not fit.",
)
Blocks = list[tuple[int, int]]


def _mismatches(blocks: Blocks) -> tuple[int, ...]:
    return tuple(n for n in range(1, len(blocks)) if blocks[n][0] != blocks[n - 1][1])


def _mismatch_cases(answer: Answer, cases: list[Blocks]) -> None:
    for blocks in cases:
        right = _mismatches(blocks)
        changing = tuple(n for n, (given, gives) in enumerate(blocks) if given != gives)
        mistakes = {
            "Those are the blocks in front of the joints; asked for is the one that complains.": (
                tuple(n - 1 for n in right)
            ),
            "Those are the blocks that change the channels, which is allowed.": changing,
            "Those are positions counted from 1; Python counts from 0.": tuple(
                n + 1 for n in right
            ),
            "Only the first is named; there are more.": right[:1],
            "That is one number; a list is asked for.": right[0] if right else (),
            "That is how many there are; asked for is where.": len(right),
            "Those are the blocks whose input differs from the input of the one before.": tuple(
                n for n in range(1, len(blocks)) if blocks[n][0] != blocks[n - 1][0]
            ),
        }
        mistakes = {said: value for said, value in mistakes.items() if value != ()}
        expect.equal(answer(blocks), right, f"`mismatches({blocks})`", mistakes)


@mismatches.probe(
    "blocks that fit",
    idea="A block may change the channels, as long as the next one takes what it gives.",
    hint="Compare two neighbours: what one gives with what the next one takes.",
)
def _(answer: Answer) -> None:
    _mismatch_cases(answer, [[(64, 64), (64, 64)], [(3, 64), (64, 128), (128, 128), (128, 10)]])


@mismatches.probe(
    "one joint that does not fit",
    idea="The block behind the joint complains: it is given something that it was not built for.",
    hint="Positions count from 0, so the second block has the position 1.",
)
def _(answer: Answer) -> None:
    _mismatch_cases(
        answer, [[(64, 128), (64, 64)], [(64, 64), (64, 64), (64, 128), (128, 128), (64, 64)]]
    )


@mismatches.probe(
    "several",
    idea="Each joint is a question of its own.",
    hint="Do not stop at the first; collect them in a list.",
)
def _(answer: Answer) -> None:
    _mismatch_cases(answer, [[(3, 64), (32, 64), (64, 128), (64, 128), (128, 7), (8, 8)]])


@mismatches.probe(
    "other blocks",
    idea="The rule holds for any row of blocks, also for a short one.",
    hint="What has the first block to fit to?",
    hidden=True,
)
def _(answer: Answer) -> None:
    _mismatch_cases(answer, [[(5, 9)], [(5, 9), (9, 9)]])
    for _ in range(5):
        numbers = torch.randint(1, 4, (9, 2)).tolist()
        _mismatch_cases(answer, [[(given, gives) for given, gives in numbers]])


# --- 4.2 ---

five_block_sizes = Exercise(
    name="five_block_sizes",
    number="4.2",
    title="Predict the five-block network",
    difficulty=1,
    minutes=10,
    points=3,
    why="Sizes that are predicted and then printed are how one learns to read a network.",
)


def _sizes(
    size: int, stem: int = 0, pool: int = 1, block: int = 1, last: int = 0
) -> tuple[int, ...]:
    """The sizes behind each step, for a padding of each."""
    sizes = []
    steps = [(7, 2, stem), (3, 2, pool), (3, 1, 1), *[(3, 2, block)] * 3, (3, 3, last)]
    for kernel, stride, padding in steps:
        size = (size + 2 * padding - kernel) // stride + 1
        sizes.append(size)
    return tuple(sizes)


def _halved(size: int, up: bool) -> tuple[int, ...]:
    """The sizes if every step of stride 2 behind the stem just halved, rounding up or down."""
    sizes = [(size - 7) // 2 + 1]
    for stride in (2, 1, 2, 2, 2):
        sizes.append(-(-sizes[-1] // stride) if up else sizes[-1] // stride)
    return (*sizes, sizes[-1] // 3)


def _size_cases(answer: Answer, sizes: Sequence[int]) -> None:
    for size in sizes:
        right = _sizes(size)
        mistakes = {
            "The size of the image itself does not belong to the seven.": (size, *right),
            "The last pool is missing.": right[:-1],
            "Block 2 is missing: it keeps the size, but it has a place in the row.": (
                *right[:2],
                *right[3:],
            ),
            "That is the last size alone; all seven are asked for.": right[-1],
            "The convolution of the stem has no padding.": _sizes(size, stem=3),
            "The max-pool has a padding of 1.": _sizes(size, pool=0),
            "A 3×3 convolution of stride 2 with padding 1 halves and rounds *up*.": (
                _halved(size, up=False)
            ),
            "The first convolutions of blocks 3 to 5 have a padding of 1.": _sizes(size, block=0),
        }
        expect.equal(answer(size), right, f"`five_block_sizes({size})`", mistakes)


@five_block_sizes.probe(
    "96 pixels",
    idea="Seven steps, one formula: ⌊(N + 2P - K) / S⌋ + 1.",
    hint="The lesson has the list of kernels, strides and paddings.",
)
def _(answer: Answer) -> None:
    _size_cases(answer, [96])


@five_block_sizes.probe(
    "images of other sizes",
    idea="Every size follows from the one before it, whatever the first one was.",
    hint="Begin with `size`, and put the result of each step into the next.",
)
def _(answer: Answer) -> None:
    _size_cases(answer, [128, 80, 113])


@five_block_sizes.probe(
    "the smallest and the largest",
    idea="The last pool drops what is left over: from 3, 4 and 5 pixels it leaves 1.",
    hint="The pool has kernel 3, and its stride is the side of its window: 3.",
)
def _(answer: Answer) -> None:
    _size_cases(answer, [71, 166, 224])


@five_block_sizes.probe(
    "all sizes",
    idea="The formula knows no exceptions.",
    hint="Compute, do not look up.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _size_cases(answer, range(71, 230, 7))


# --- 4.3 ---

make_stages = Exercise(
    name="make_stages",
    number="4.3",
    title="Stages from blocks",
    difficulty=2,
    minutes=20,
    points=6,
    why="This is `_make_layer`, the part of published ResNets that goes wrong most often.",
)


def _reference_stages(
    in_channels: int, widths: Sequence[int], blocks: Sequence[int]
) -> nn.Sequential:
    stages, channels = nn.Sequential(), in_channels
    for place, (width, number) in enumerate(zip(widths, blocks, strict=True)):
        stages.append(make_stage(BasicBlock, channels, width, number, stride=2 if place else 1))
        channels = width
    return stages


def _stages(answer: Answer, in_channels: int, widths: list[int], blocks: list[int]) -> Module:
    return built(answer, in_channels, widths, blocks, example=(2, in_channels, 16, 16))


def _main_path(module: Module, x: Tensor) -> list[tuple[int, ...]]:
    """The shapes behind the convolutions, without those of 1×1 in the shortcuts.

    Raises:
        Wrong: a convolution has weights that are no parameters of the module.
    """
    parameters = module.parameters()
    found = [o for o in module.trace(x) if o.name == "conv2d"]
    if any(operation.weight is None for operation in found):
        raise Wrong(
            "A convolution runs whose weights are no parameters of the network, so no optimizer "
            "would find them: do its blocks stand in a plain Python list? Use `nn.Sequential`."
        )
    return [o.shape for o in found if parameters[o.weight].shape[-1] > 1]


def _same_joints(module: Module, reference: nn.Module, x: Tensor) -> None:
    seen, right = _main_path(module, x), _main_path(Module(reference), x)
    what = "the number of convolutions that run, not counting those of 1×1,"
    expect.equal(len(seen), len(right), what)
    for place, (one, other) in enumerate(zip(seen, right, strict=True), 1):
        if one != other:
            raise Wrong(
                f"Convolution {place} (those of 1×1 not counted) gives {expect.times(one)}; "
                f"expected is {expect.times(other)}."
            )


@make_stages.probe(
    "the shape that comes out",
    idea="Every stage but the first halves height and width; the last width is what comes out.",
    hint="Keep in a variable how many channels the last block gives; the next one takes them.",
)
def _(answer: Answer) -> None:
    module = _stages(answer, 6, [6, 10, 14], [2, 2, 2])
    expect.shape(module.run(torch.randn(2, 6, 16, 16)).output, (2, 14, 4, 4))
    expect.own_work(answer, module, allowed=("BasicBlock",))


@make_stages.probe(
    "the shape at every joint",
    idea="Only the first block of a stage changes the shape; the others keep it.",
    hint="Print the shape behind each block. Which of them have a stride of 2?",
)
def _(answer: Answer) -> None:
    arguments = (6, [6, 10, 14], [2, 3, 2])
    x = torch.randn(2, 6, 17, 12)
    _same_joints(_stages(answer, *arguments), _reference_stages(*arguments), x)


@make_stages.probe(
    "its parameters",
    idea="Each block has weights of its own.",
    hint="`[block] * 2` is a list with one block in two places.",
)
def _(answer: Answer) -> None:
    arguments = (6, [6, 10, 14], [2, 3, 2])
    right, less = (
        sum(p.numel() for p in _reference_stages(6, [6, 10, 14], numbers).parameters())
        for numbers in ([2, 3, 2], [2, 2, 2])
    )
    one_each = sum(p.numel() for p in _reference_stages(6, [6, 10, 14], [1, 1, 1]).parameters())
    expect.parameter_count(
        _stages(answer, *arguments),
        right,
        {
            less: "One and the same block stands at several places; each needs its own weights.",
            one_each: "One and the same block stands at several places; each needs its own "
            "weights.",
            right + 6 * 6 + 12: "The first block keeps the shape and needs no projection.",
        },
    )


@make_stages.probe(
    "what they compute",
    idea="Stages are nothing but blocks in a row.",
    hint="Is there a layer in between that nobody asked for? Is one left out?",
)
def _(answer: Answer) -> None:
    arguments = (6, [6, 10, 14], [2, 3, 2])
    reference = expect.stir(_reference_stages(*arguments))
    same_outputs(_stages(answer, *arguments), reference, torch.randn(3, 6, 13, 16))


@make_stages.probe(
    "other numbers",
    idea="The first stage may change the channels too, and a stage may have one block or many.",
    hint="Is a width computed as twice the one before, or a number of stages or blocks fixed?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for arguments in ((3, [5, 9, 4, 7], [1, 2, 4, 1]), (8, [8], [3])):
        reference = expect.stir(_reference_stages(*arguments))
        same_outputs(_stages(answer, *arguments), reference, torch.randn(2, arguments[0], 19, 16))


# --- 4.4 ---

translate = Exercise(
    name="translate",
    number="4.4",
    title="Load weights under other names",
    difficulty=2,
    minutes=25,
    points=6,
    why="Published weights are useful only where every one of them finds its place.",
)
OUTSIDE = {"conv1": "stem.0", "bn1": "stem.1", "fc": "head"}
INSIDE = {
    "conv1": "branch.0",
    "bn1": "branch.1",
    "conv2": "branch.3",
    "bn2": "branch.4",
    "downsample": "shortcut",
}


@cache
def _names(make: Callable[[], nn.Module]) -> list[str]:
    """The names of all weights and statistics, without memory for them."""
    with torch.device("meta"):
        return list(make().state_dict())


def _translated(name: str) -> str:
    """`layer2.0.bn1.weight` → `stages.1.0.branch.1.weight`"""
    found = re.fullmatch(r"layer(\d)\.(\d+)\.(\w+)\.(.+)", name)
    if found:
        return f"stages.{int(found[1]) - 1}.{found[2]}.{INSIDE[found[3]]}.{found[4]}"
    first, rest = name.split(".", 1)
    return f"{OUTSIDE[first]}.{rest}"


def _state(names: Sequence[str]) -> dict[str, Tensor]:
    """Small tensors under the names of a real network; what they hold does not matter."""
    return {name: torch.randn(3) for name in names}


def _translation(answer: Answer, names: Sequence[str], pattern: str) -> None:
    """Compare what became of the names that match `pattern`."""
    state = _state(names)
    seen = answer(state)
    if not isinstance(seen, dict):
        raise Wrong("A dictionary is asked for, from new names to tensors.")
    values = {name: value for name, value in seen.items() if isinstance(value, Tensor)}
    for name in filter(re.compile(pattern).search, names):
        right = _translated(name)
        if right in values and torch.equal(values[right], state[name]):
            continue
        became = [other for other, value in values.items() if torch.equal(value, state[name])]
        found = f"stands under `{became[0]}`" if became else "is missing"
        if right in values and not became:
            found = "is lost: another tensor stands there"
        raise Wrong(f"What torchvision calls `{name}` {found}; expected is `{right}`.")


@translate.probe(
    "stem and head",
    idea="A name is a path: the modules from the outside in, with a dot between them.",
    hint="In an `nn.Sequential` the parts are called 0, 1, 2, … Which of them is the convolution?",
)
def _(answer: Answer) -> None:
    _translation(answer, _names(whole_resnet18), r"^(conv1|fc)")
    _translation(answer, _names(whole_resnet18), r"^bn1\.(weight|bias)")


@translate.probe(
    "the branches",
    idea="A ReLU has no weights, but it has a place in the row.",
    hint="`conv1` and `bn1` occur twice: in the stem, and in every block. Stages count from 0.",
)
def _(answer: Answer) -> None:
    _translation(answer, _names(whole_resnet18), r"\.(conv|bn)\d\.(weight|bias)")


@translate.probe(
    "the shortcuts",
    idea="A projection has weights too: its convolution and its batch normalisation.",
    hint="torchvision calls them `downsample.0` and `downsample.1`.",
)
def _(answer: Answer) -> None:
    _translation(answer, _names(whole_resnet18), r"downsample\.\d\.(weight|bias)")


@translate.probe(
    "the statistics",
    idea="Running mean and variance are no parameters, but without them the outputs in evaluation "
    "mode are wrong.",
    hint="Change names by their beginnings, and every ending goes along.",
)
def _(answer: Answer) -> None:
    _translation(answer, _names(whole_resnet18), r"running|batches")
    names = _names(whole_resnet18)
    extra = set(answer(_state(names))) - {_translated(name) for name in names}
    if extra:
        raise Wrong(f"There is a name too many: `{min(extra)}`.")


@translate.probe(
    "a deeper network",
    idea="The rule holds for every number of blocks.",
    hint="Do not list the names of ResNet-18; say how a name is built.",
    hidden=True,
)
def _(answer: Answer) -> None:
    names = _names(resnet34)
    _translation(answer, names, "")
    if len(answer(_state(names))) != len(names):
        raise Wrong("It gives more names than it got.")


# --- 4.5 ---

resnet18 = Exercise(
    name="resnet18",
    number="4.5",
    title="ResNet-18",
    difficulty=3,
    minutes=30,
    points=10,
    why="It is the network that this course, and half of computer vision, begins with.",
    answer="ResNet18",
)


def _reference(num_classes: int, width: int) -> nn.Sequential:
    widths = [width, 2 * width, 4 * width, 8 * width]
    return nn.Sequential(
        nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        _reference_stages(width, widths, [2, 2, 2, 2]),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8 * width, num_classes),
    )


def _resnet(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, 3, 64, 64))


@resnet18.probe(
    "scores, by your own network",
    idea="A batch of images goes in, and a row of scores comes out for each of them.",
    hint="Between the last stage and the linear layer: the mean of each map, and no height and "
    "width any more.",
)
def _(answer: Answer) -> None:
    module = _resnet(answer, 10, 8)
    expect.shape(module.run(torch.randn(3, 3, 64, 64)).output, (3, 10))
    expect.own_work(answer, module, allowed=("BasicBlock",))


@resnet18.probe(
    "the shape at every joint",
    idea="The stem leaves a quarter of height and width, and stages 2 to 4 halve what they get.",
    hint="Print the shape at every joint. For 64×64 pixels: 32, 16, 16, 8, 4, 2.",
)
def _(answer: Answer) -> None:
    x = torch.randn(2, 3, 64, 64)
    _same_joints(_resnet(answer, 10, 8), _reference(10, 8), x)


@resnet18.probe(
    "11,689,512 parameters",
    idea="Names and shapes can differ between two networks that compute the same; the number of "
    "parameters cannot.",
    hint="Nothing but the linear layer has a bias, and every convolution has a batch "
    "normalisation.",
)
def _(answer: Answer) -> None:
    right = 11_689_512
    expect.parameter_count(
        _resnet(answer),
        right,
        {
            right + 64: "The convolution of the stem has a bias.",
            right - 128: "The batch normalisation of the stem is missing.",
            right - 64: "The convolution of the stem has a bias in place of its batch "
            "normalisation.",
            right + 64 * 64 + 128: "There is a projection in the first stage, where no shape "
            "changes.",
            right - 1000: "The linear layer has no bias.",
            right - 990 * 513: "That is the number for 10 classes; the default is 1,000.",
        },
    )


def _resnet_mistakes(reference: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    conv, norm, relu, pool, stages, _, _, head = reference.eval()
    with torch.no_grad():
        stem = norm(conv(x))
        maps, scores = stages(pool(relu(stem))), reference(x)
        means = nn.functional.avg_pool2d(relu(stem), 3, 2, 1)
        return {
            "The ReLU of the stem is missing.": head(stages(pool(stem)).mean((2, 3))),
            "The pool of the stem takes means; take the largest pixel.": head(
                stages(means).mean((2, 3))
            ),
            "The pool of the head takes the largest pixel of each map; take the mean.": head(
                maps.amax((2, 3))
            ),
            "There is a softmax at the end; scores are asked for.": scores.softmax(1),
            "There is a ReLU behind the linear layer; a score may be negative.": scores.relu(),
        }


@resnet18.probe(
    "what it computes",
    idea="With the same weights, the same function: in evaluation mode and in training mode.",
    hint="Go through the stem step by step: convolution, batch normalisation, ReLU, max-pool.",
)
def _(answer: Answer) -> None:
    reference = expect.stir(_reference(10, 8))
    x = torch.randn(3, 3, 64, 64)
    same_outputs(_resnet(answer, 10, 8), reference, x, _resnet_mistakes(reference, x))


@resnet18.probe(
    "images of any size",
    idea="The head averages the whole map, however large it is.",
    hint="`nn.AdaptiveAvgPool2d(1)`, or `x.mean((2, 3))`.",
)
def _(answer: Answer) -> None:
    reference = expect.stir(_reference(10, 8))
    x = torch.randn(2, 3, 97, 130)
    same_outputs(_resnet(answer, 10, 8), reference, x, _resnet_mistakes(reference, x))


@resnet18.probe(
    "equal to torchvision's",
    idea="Then all weights that were ever published for ResNet-18 are yours.",
    hint="All widths come from `width`, which is 64 if nobody says otherwise.",
)
def _(answer: Answer) -> None:
    same_outputs(_resnet(answer), expect.stir(whole_resnet18()), torch.randn(1, 3, 64, 64))


@resnet18.probe(
    "other numbers",
    idea="Width and number of classes are those that were asked for.",
    hint="Is a number fixed somewhere that should come from the arguments?",
    hidden=True,
)
def _(answer: Answer) -> None:
    reference = expect.stir(_reference(7, 6))
    x = torch.randn(2, 3, 70, 65)
    same_outputs(_resnet(answer, 7, 6), reference, x, _resnet_mistakes(reference, x))


EXERCISES = [mismatches, five_block_sizes, make_stages, translate, resnet18]
