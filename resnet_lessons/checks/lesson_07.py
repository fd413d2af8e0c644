"""What judges the exercises of lesson 07, bottlenecks and the family."""

import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Broke, Module
from resnet_lessons.checks.comparing import built, same_gradients, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import Bottleneck

# --- 7.1 ---

network_price = Exercise(
    name="network_price",
    number="7.1",
    title="What do these layers cost?",
    difficulty=1,
    minutes=15,
    points=4,
    why="Parameters fill the memory, multiply-adds take the time; a layer can be cheap in one and "
    "dear in the other.",
)
Layers = list[tuple[int, int, int, int, int]]


def _price(
    layers: Layers, height: int, width: int, where: str = "output", bias: bool = False, power=1
) -> tuple[int, int]:
    """Parameters and multiply-adds; the options are known mistakes."""
    parameters = work = 0
    first = height, width
    for in_channels, out_channels, kernel, stride, groups in layers:
        weights = in_channels * out_channels * kernel**2 // groups**power
        parameters += weights + bias * out_channels
        before = height, width
        height, width = -(-height // stride), -(-width // stride)
        if where == "rounded down":
            height, width = before[0] // stride, before[1] // stride
        places = {"input": before, "first": first}.get(where, (height, width))
        work += weights * places[0] * places[1]
    return parameters, work


def _priced(answer: Answer, layers: Layers, height: int, width: int, index: int) -> None:
    """One of the two numbers that the answer gives."""
    seen = answer(layers, height, width)
    if not isinstance(seen, tuple) or len(seen) != 2:
        raise Wrong(f"It gives {seen!r}; asked for are two numbers: parameters, multiply-adds.")
    right = _price(layers, height, width)
    last_only = _price(layers[-1:], height, width)[index]
    wrong = {
        "Groups were ignored: in a group, a filter sees only the group's channels.": _price(
            layers, height, width, power=0
        )[index],
        "It was divided by the groups twice.": _price(layers, height, width, power=2)[index],
        "Only the last layer counts.": last_only,
        "Parameters and multiply-adds have changed places.": right[1 - index],
    }
    if index == 0:
        wrong["Biases were counted; these layers have none."] = _price(
            layers, height, width, bias=True
        )[0]
    else:
        more = {
            "That is twice as much: a multiplication with its addition counts once.": 2 * right[1],
            "Each layer was taken at the size of its input; its filters stop at every pixel of "
            "its output.": _price(layers, height, width, "input")[1],
            "Every layer was taken at the size of the image; a stride shrinks all that follow.": (
                _price(layers, height, width, "first")[1]
            ),
            "Sizes were rounded down; with padding, stride 2 makes 4 of 7.": _price(
                layers, height, width, "rounded down"
            )[1],
        }
        wrong.update(more)
    what = ("the number of parameters", "the number of multiply-adds")[index]
    expect.equal(seen[index], right[index], what, {s: v for s, v in wrong.items() if v})


PLAIN_LAYERS = [(3, 16, 7, 1, 1), (16, 24, 3, 1, 1), (24, 8, 1, 1, 1)]


@network_price.probe(
    "parameters",
    idea="A filter has a weight for each input channel and each place of its kernel, and there "
    "are as many filters as output channels.",
    hint="in · out · kernel², summed over the layers; no bias.",
)
def _(answer: Answer) -> None:
    _priced(answer, PLAIN_LAYERS[1:2], 5, 8, 0)
    _priced(answer, PLAIN_LAYERS, 5, 8, 0)


@network_price.probe(
    "multiply-adds",
    idea="Every weight is used once at every pixel of the layer's output.",
    hint="Parameters of the layer times height times width.",
)
def _(answer: Answer) -> None:
    _priced(answer, PLAIN_LAYERS, 5, 8, 1)


@network_price.probe(
    "strides",
    idea="A stride of 2 leaves a quarter of the pixels, for this layer and all behind it.",
    hint="Keep height and width in variables, and divide them before you multiply.",
)
def _(answer: Answer) -> None:
    layers = [(3, 16, 7, 2, 1), (16, 24, 1, 1, 1), (24, 32, 3, 2, 1), (32, 8, 3, 1, 1)]
    _priced(answer, layers, 32, 48, 0)
    _priced(answer, layers, 32, 48, 1)


@network_price.probe(
    "groups",
    idea="With G groups every filter sees a G-th of the channels.",
    hint="Divide by `groups` once: in // groups channels for each of the out filters.",
)
def _(answer: Answer) -> None:
    layers = [(16, 32, 1, 1, 1), (32, 32, 3, 2, 8), (32, 64, 1, 1, 4)]
    for index in (0, 1):
        _priced(answer, layers, 12, 12, index)


@network_price.probe(
    "other numbers",
    idea="Odd sizes are rounded up: a kernel with padding fits once more.",
    hint="⌈7/2⌉ = 4: `math.ceil`, or `(height + stride - 1) // stride`.",
    hidden=True,
)
def _(answer: Answer) -> None:
    layers = [(4, 12, 3, 2, 2), (12, 12, 5, 3, 12), (12, 6, 1, 2, 1)]
    for height, width in ((15, 27), (7, 5)):
        for index in (0, 1):
            _priced(answer, layers, height, width, index)


# --- 7.2 ---

bottleneck_parameters = Exercise(
    name="bottleneck_parameters",
    number="7.2",
    title="Count a bottleneck",
    difficulty=2,
    minutes=15,
    points=5,
    why="A parameter count is the cheapest test there is: it finds a wrong block before any image "
    "does.",
)


def _counted(
    in_channels: int,
    channels: int,
    stride: int,
    groups: int,
    base_width: int,
    *,
    projection: bool | None = None,
    inside: int | None = None,
    divisor: int | None = None,
    expansion: int = 4,
    norm: int = 2,
    bias: int = 0,
) -> int:
    """Parameters of a bottleneck; the options are known mistakes."""
    width = groups * (channels * base_width // 64) if inside is None else inside
    out = expansion * channels
    if projection is None:
        projection = stride != 1 or in_channels != 4 * channels
    count = in_channels * width + 9 * width * width // (divisor or groups) + width * out
    count += (norm + bias) * (2 * width + out)
    return count + projection * (in_channels * out + (norm + bias) * out)


def _counts(answer: Answer, *case: int) -> None:
    channels, base_width = case[1], case[4]
    group = channels * base_width // 64
    wrong = {
        "The batch normalisations are missing; each has a scale and a shift.": {"norm": 0},
        "A batch normalisation has a scale and a shift; one of the two was counted.": {"norm": 1},
        "Running mean and variance were counted; they are buffers, and are not learned.": {
            "norm": 4
        },
        "Biases were counted; no convolution has one.": {"bias": 1},
        "Its output was taken for `channels` wide; it is 4 · channels.": {"expansion": 1},
        "A projection was counted, where the identity does.": {"projection": True},
        "The projection is missing: the shape changes.": {"projection": False},
        "The groups were left out of the 3×3: a filter there sees one group only.": {"divisor": 1},
        "The width of one group was taken for that of the whole 3×3.": {"inside": group},
        "Groups upside down: their number was taken for the channels in each.": {
            "divisor": max(group, 1)
        },
        "The 3×3 was taken for `channels` wide; its width follows from `base_width`.": {
            "inside": channels
        },
    }
    values = {sentence: _counted(*case, **option) for sentence, option in wrong.items()}
    seen = answer(*case)
    if isinstance(seen, float) and seen == int(seen):
        seen = int(seen)
    call = "bottleneck_parameters({})".format(", ".join(map(str, case)))
    expect.equal(seen, _counted(*case), f"`{call}`", values)


@bottleneck_parameters.probe(
    "inside a stage",
    idea="Three convolutions without bias, and a batch normalisation behind each.",
    hint="256·64 + 9·64·64 + 64·256 is nearly all; what is left are three normalisations.",
)
def _(answer: Answer) -> None:
    _counts(answer, 256, 64, 1, 1, 64)
    _counts(answer, 40, 10, 1, 1, 64)


@bottleneck_parameters.probe(
    "where the shape changes",
    idea="Other channels or a stride want a projection: 1×1 convolution and normalisation. Even "
    "the first stage begins with one, from 64 to 256 channels.",
    hint="Compare `in_channels` with 4 · channels, and `stride` with 1; one difference is enough.",
)
def _(answer: Answer) -> None:
    for case in ((256, 128, 2, 1, 64), (64, 64, 1, 1, 64), (256, 64, 2, 1, 64)):
        _counts(answer, *case)


@bottleneck_parameters.probe(
    "groups and base width",
    idea="`groups` groups of channels · base_width / 64 channels each; a filter sees its own "
    "group.",
    hint="For ResNeXt 32×4d: 32 · 4 = 128 channels, and 9 · 128 · 128 / 32 weights in the 3×3.",
)
def _(answer: Answer) -> None:
    for case in ((256, 64, 1, 1, 128), (256, 64, 1, 32, 4), (512, 256, 2, 32, 8)):
        _counts(answer, *case)


@bottleneck_parameters.probe(
    "other numbers",
    idea="The formula knows no special case but the projection.",
    hint="Is a number fixed somewhere? The width of a group is rounded down.",
    hidden=True,
)
def _(answer: Answer) -> None:
    for case in ((96, 24, 1, 2, 64), (7, 20, 2, 3, 10), (1024, 512, 2, 64, 4), (64, 16, 1, 5, 33)):
        _counts(answer, *case)


# --- 7.3 ---

bottleneck = Exercise(
    name="bottleneck",
    number="7.3",
    title="The bottleneck block",
    difficulty=3,
    minutes=25,
    points=10,
    why="ResNet-50, ResNeXt and Wide ResNet are this one class.",
    answer="MyBottleneck",
)


def _block(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, arguments[0], 8, 8))


def _mistakes(block: Bottleneck, x: Tensor) -> dict[str, Tensor]:
    """What it gives with known mistakes, in evaluation mode."""

    @torch.no_grad()
    def branch(first: bool = True, second: bool = True, strides: tuple = (1, block.stride, 1)):
        y = F.conv2d(x, block.conv1.weight, stride=strides[0])
        y = block.bn1(y)
        y = y.relu() if first else y
        groups = block.conv2.groups
        y = block.bn2(F.conv2d(y, block.conv2.weight, None, strides[1], 1, 1, groups))
        y = y.relu() if second else y
        return block.bn3(F.conv2d(y, block.conv3.weight, stride=strides[2]))

    with torch.no_grad():
        block.eval()
        shortcut, right = block.downsample(x), branch()
        found = {
            "The output is relu(F(x)): the input is not added.": right.relu(),
            "There is a ReLU at the end of the branch, before the addition, so F(x) can never be "
            "negative.": (right.relu() + shortcut).relu(),
            "The ReLU behind the addition is missing.": right + shortcut,
            "The input is added behind the last ReLU.": right.relu() + shortcut,
            "The ReLU behind the first convolution is missing.": (
                branch(first=False) + shortcut
            ).relu(),
            "The ReLU behind the 3×3 is missing.": (branch(second=False) + shortcut).relu(),
            "The two ReLUs inside are missing.": (branch(False, False) + shortcut).relu(),
        }
        if block.stride != 1:
            stride = block.stride
            found["The stride is in the first 1×1, which skips three of four pixels."] = (
                branch(strides=(stride, 1, 1)) + shortcut
            ).relu()
    return found


def _agrees(answer: Answer, *arguments: int, size: tuple[int, int] = (6, 5)) -> None:
    module, reference = _block(answer, *arguments), expect.stir(Bottleneck(*arguments))
    x = torch.randn(3, arguments[0], *size)
    same_outputs(module, reference, x, _mistakes(reference, x))


def _fits(answer: Answer, *arguments: int) -> Module:
    """Its output has the right shape."""
    module, stride = _block(answer, *arguments), (arguments[2:] or (1,))[0]
    for height, width in ((8, 6), (7, 5)):
        seen = module.run(torch.randn(2, arguments[0], height, width)).output
        right = (2, 4 * arguments[1], -(-height // stride), -(-width // stride))
        expect.shape(seen, right, f"the output of MyBottleneck{arguments}")
    return module


def _right_count(module: Module, *arguments: int) -> None:
    case = (*arguments, *(1, 1, 64)[len(arguments) - 2 :])
    channels, base_width = case[1], case[4]
    options = {
        "The convolutions have biases.": {"bias": 1},
        "There is no batch normalisation.": {"norm": 0},
        "There is a projection where the identity would do.": {"projection": True},
        "The projection is missing.": {"projection": False},
        "The 3×3 has no groups.": {"divisor": 1},
        "The 3×3 has the width of one group only.": {"inside": channels * base_width // 64},
        "Groups upside down: their number and the channels in each have changed places.": {
            "divisor": max(channels * base_width // 64, 1)
        },
        "The 3×3 is not `base_width` wide.": {"inside": channels},
        "The 3×3 is four times too wide; the last 1×1 expands.": {"inside": 4 * channels},
    }
    right = _counted(*case)
    wrong = {_counted(*case, **option): sentence for sentence, option in options.items()}
    wrong[right - 2 * 4 * channels] = "One batch normalisation is missing."
    wrong[right + 4 * channels] = "The last convolution, or that of the shortcut, has a bias."
    expect.parameter_count(module, right, {n: s for n, s in wrong.items() if n != right})


@bottleneck.probe(
    "four times the channels",
    idea="`channels` counts the 3×3's; the last 1×1 expands to four times as many.",
    hint="in → channels → channels → 4 · channels. The 3×3 keeps the size with `padding=1`.",
)
def _(answer: Answer) -> None:
    expect.own_work(answer, _fits(answer, 16, 4))


@bottleneck.probe(
    "its parameters",
    idea="Three convolutions without bias, a normalisation behind each, and a shortcut that costs "
    "nothing where the shape stays.",
    hint="Count with your function of 7.2.",
)
def _(answer: Answer) -> None:
    _right_count(_block(answer, 16, 4), 16, 4)
    _right_count(_block(answer, 40, 10), 40, 10)


@bottleneck.probe(
    "F(x) + x, then ReLU",
    idea="A ReLU behind the first two convolutions, none behind the third, one behind the sum.",
    hint="Three ReLUs in all. Where are yours?",
)
def _(answer: Answer) -> None:
    _agrees(answer, 16, 4)


@bottleneck.probe(
    "other channels at stride 1",
    idea="The first block of the first stage keeps the size, but raises 64 channels to 256: x does "
    "not fit.",
    hint="Project where `stride != 1` *or* `in_channels != 4 * channels`.",
)
def _(answer: Answer) -> None:
    _right_count(_fits(answer, 8, 8), 8, 8)
    _agrees(answer, 8, 8)


@bottleneck.probe(
    "the stride is in the 3×3",
    idea="A 1×1 with stride 2 never sees three of four pixels; a 3×3 sees them all.",
    hint="torchvision's version 1.5: the 3×3 takes the stride, and so does the shortcut.",
)
def _(answer: Answer) -> None:
    for arguments in ((16, 8, 2), (16, 4, 2)):
        module = _fits(answer, *arguments)
        _right_count(module, *arguments)
        # In evaluation mode this computes the same, for more work, so it is told by the trace.
        shapes = {name: tuple(value.shape) for name, value in module.parameters().items()}
        last = (4 * arguments[1], arguments[1], 1, 1)
        for operation in module.trace(torch.randn(2, arguments[0], 8, 8)):
            strided = operation.settings.get("stride") == (2, 2)
            if strided and shapes.get(operation.weight) == last:
                raise Wrong(
                    "The stride is in the last 1×1: the 3×3 works at full size, and three of four "
                    "pixels that it computes are thrown away."
                )
        _agrees(answer, *arguments, size=(7, 10))


@bottleneck.probe(
    "groups and base width",
    idea="`groups` groups of channels · base_width // 64 channels each, in the 3×3 alone.",
    hint="width = groups · (channels · base_width // 64), and `groups=groups` in the 3×3.",
)
def _(answer: Answer) -> None:
    for arguments in ((64, 16, 1, 4, 16), (64, 16, 1, 1, 128), (32, 16, 2, 2, 32)):
        _right_count(_fits(answer, *arguments), *arguments)
        _agrees(answer, *arguments)


@bottleneck.probe(
    "the gradient through both ways",
    idea="What arrives at the output goes back through the shortcut and through the branch.",
    hint="Do not detach anything, and do not compute under `torch.no_grad()`.",
)
def _(answer: Answer) -> None:
    for arguments in ((16, 4), (8, 4, 2)):
        x = torch.randn(3, arguments[0], 6, 6)
        same_gradients(_block(answer, *arguments), expect.stir(Bottleneck(*arguments)), x)


@bottleneck.probe(
    "other numbers",
    idea="Channels, stride, groups and width are those that were asked for.",
    hint="Is a number fixed somewhere that should come from the arguments?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for arguments in ((12, 3), (5, 7, 3), (24, 6, 1, 3, 33), (10, 20, 2, 5, 13)):
        _right_count(_fits(answer, *arguments), *arguments)
        _agrees(answer, *arguments, size=(9, 4))


# --- 7.4 ---

load_checkpoint = Exercise(
    name="load_checkpoint",
    number="7.4",
    title="Weights from elsewhere",
    difficulty=2,
    minutes=10,
    points=5,
    why="A network whose weights were silently not loaded runs well, and guesses.",
)
NET = {"width": 3, "in_channels": 1}


def _state(answer: Answer, depth: int = 8, seed: int = 9) -> dict[str, Tensor]:
    net = answer.make("cifar_resnet", depth, **NET, seed=seed)
    values = {**net.parameters(), **net.buffers()}
    return {n: v + torch.rand(v.shape) if v.is_floating_point() else v for n, v in values.items()}


def _is_in(net: Module, state: dict[str, Tensor], what: str) -> None:
    own = {**net.parameters(), **net.buffers()}
    missing = [name for name, value in state.items() if not torch.equal(own[name], value)]
    if missing:
        raise Wrong(
            f"{what}, but `{missing[0]}` of the network does not have its value "
            f"({len(missing)} of {len(state)} are not there)."
        )


@load_checkpoint.probe(
    "names that fit",
    idea="A state dict is a dictionary from names to tensors; equal names find each other.",
    hint="`net.load_state_dict(state)`, then `return net`.",
)
def _(answer: Answer) -> None:
    net, state = answer.make("cifar_resnet", 8, **NET), _state(answer)
    expect.as_module(answer(net, state))
    _is_in(net, state, "The names fit")


@load_checkpoint.probe(
    "the prefix is taken off",
    idea='`DataParallel` holds the network as its part `module`: names begin with "module.".',
    hint='`name.removeprefix("module.")`. (`lstrip` removes letters, not a word.)',
)
def _(answer: Answer) -> None:
    net, state = answer.make("cifar_resnet", 8, **NET), _state(answer)
    answer(net, {f"module.{name}": value for name, value in state.items()})
    _is_in(net, state, "The names begin with `module.`")


@load_checkpoint.probe(
    "what does not fit is an error",
    idea="Weights of another network must not pass in silence: what is not loaded stays random.",
    hint="`strict=True` is the default of `load_state_dict`; leave its error alone.",
)
def _(answer: Answer) -> None:
    whole, deeper = _state(answer), _state(answer, 14)
    cases = {
        "`fc.bias` is missing": {n: v for n, v in whole.items() if n != "fc.bias"},
        "it is that of a deeper network": deeper,
        "its names are all foreign": {f"backbone.{name}": v for name, v in whole.items()},
    }
    for what, state in cases.items():
        for prefix in ("", "module."):
            net = answer.make("cifar_resnet", 8, **NET)
            try:
                answer(net, {prefix + name: value for name, value in state.items()})
            except Broke:
                continue
            raise Wrong(f"A state dict does not fit, for {what}, and nobody was told.")


@load_checkpoint.probe(
    "only at the beginning",
    idea="A prefix is what a name begins with; the same letters elsewhere belong to the name.",
    hint="What does your code make of `submodule.conv1.weight`?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for part in ("submodule", "my_module", "odule"):
        state = {f"{part}.{name}": value for name, value in _state(answer).items()}
        for prefix in ("", "module."):
            net = answer.make("cifar_resnet", 8, **NET).inside(part)
            answer(net, {prefix + name: value for name, value in state.items()})
            _is_in(net, state, f"The names begin with `{prefix}{part}.`")


# --- 7.5 ---

design_network = Exercise(
    name="design_network",
    number="7.5",
    title="Deep, within a budget",
    difficulty=3,
    minutes=25,
    points=8,
    why="Depth and parameters are two things, and you can trade one for the other.",
)
STAGES = (64, 128, 256, 512)


def _network(blocks: tuple[int, ...]) -> int:
    """Parameters of `ResNet(blocks, block=Bottleneck)`."""
    total, arriving = 64 * 3 * 49 + 128 + 2048 * 1000 + 1000, 64
    for number, (count, channels) in enumerate(zip(blocks, STAGES, strict=True)):
        total += _counted(arriving, channels, 1 if number == 0 else 2, 1, 64)
        total += (count - 1) * _counted(4 * channels, channels, 1, 1, 64)
        arriving = 4 * channels
    return total


def _designed(answer: Answer, budget: int, depth: int) -> tuple[tuple[int, ...], str]:
    seen = answer(budget, depth)
    whole = isinstance(seen, tuple) and len(seen) == 4
    whole = whole and all(isinstance(n, int) and not isinstance(n, bool) for n in seen)
    if not whole or min(seen) < 1:
        raise Wrong(
            f"For `design_network({budget}, {depth})` it gives {seen!r}; asked for are four whole "
            "numbers, each at least 1."
        )
    return seen, f"`design_network({budget}, {depth})` gives {seen}, which"


def _deep(answer: Answer, budget: int, depth: int) -> None:
    blocks, told = _designed(answer, budget, depth)
    layers = 2 + 3 * sum(blocks)
    if layers < depth:
        raise Wrong(f"{told} has 3 · {sum(blocks)} + 2 = {layers} layers; {depth} are asked for.")


def _cheap(answer: Answer, budget: int, depth: int, least: float = 0.0) -> None:
    blocks, told = _designed(answer, budget, depth)
    spent = _network(blocks)
    if spent > budget:
        raise Wrong(f"{told} has {spent:,} parameters, {spent - budget:,} more than the budget.")
    if spent < least * budget:
        raise Wrong(f"{told} has {spent:,} parameters, {spent / budget:.0%} of the budget.")


CASES = ((26_000_000, 50), (30_000_000, 101), (40_000_000, 152))


@design_network.probe(
    "four numbers of blocks",
    idea="A ResNet has four stages, and none of them is empty.",
    hint="ResNet-50 is (3, 4, 6, 3).",
)
def _(answer: Answer) -> None:
    _designed(answer, *CASES[0])


@design_network.probe(
    "deep enough",
    idea="Three layers a bottleneck, one in the stem, one linear; projections do not count.",
    hint="(3, 4, 6, 3) makes 3 · 16 + 2 = 50.",
)
def _(answer: Answer) -> None:
    for case in CASES:
        _deep(answer, *case)


@design_network.probe(
    "within the budget",
    idea="From stage to stage the channels double, and a block costs four times as much: depth is "
    "cheap in the first stage, and dear in the last.",
    hint="What does one more block cost in each stage? Do not forget what is there with "
    "(1, 1, 1, 1): stem, projections and 1,000 classes.",
)
def _(answer: Answer) -> None:
    for case in CASES:
        _cheap(answer, *case)


@design_network.probe(
    "the budget is used",
    idea="Parameters that were granted and not used could have learned something.",
    hint="Once it is deep enough, add blocks while they fit, dear ones first. At least 90 % of the "
    "budget must be used.",
)
def _(answer: Answer) -> None:
    for case in CASES:
        _cheap(answer, *case, least=0.9)


@design_network.probe(
    "other budgets, other depths",
    idea="Count, and no table of known networks is needed.",
    hint="A budget may be small and the depth large, or the reverse.",
    hidden=True,
)
def _(answer: Answer) -> None:
    drawn = 1000 * int(torch.randint(20_000, 90_000, ())), int(torch.randint(14, 200, ()))
    for case in ((12_500_000, 26), (20_000_000, 200), (100_000_000, 17), (13_000_000, 99), drawn):
        _deep(answer, *case)
        _cheap(answer, *case, least=0.9)


EXERCISES = [network_price, bottleneck_parameters, bottleneck, load_checkpoint, design_network]
