"""What judges the exercises of lesson 03, the residual block."""

import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.comparing import basic_branch, built, same_gradients, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import BasicBlock, PaddingShortcut

# --- 3.1 ---

shortcut_kind = Exercise(
    name="shortcut_kind",
    number="3.1",
    title="Which shortcut does it need?",
    difficulty=1,
    minutes=5,
    points=2,
    why="Two tensors can be added where all their sizes agree, and only there.",
)


def _kind(in_channels: int, out_channels: int, stride: int) -> str:
    return "identity" if stride == 1 and in_channels == out_channels else "projection"


def _kinds(answer: Answer, cases: list[tuple[int, int, int]]) -> None:
    for case in cases:
        expect.equal(answer(*case), _kind(*case), "`shortcut_kind({}, {}, {})`".format(*case))


@shortcut_kind.probe(
    "a block that changes nothing",
    idea="Where F(x) has the shape of x, x can be added as it is.",
    hint="Stride 1 keeps height and width; equal numbers of channels keep the channels.",
)
def _(answer: Answer) -> None:
    _kinds(answer, [(64, 64, 1), (7, 7, 1)])


@shortcut_kind.probe(
    "a block that changes the channels",
    idea="The addition goes channel by channel, so their numbers must agree.",
    hint="Compare `in_channels` with `out_channels`; fewer channels are as wrong as more.",
)
def _(answer: Answer) -> None:
    _kinds(answer, [(64, 128, 1), (128, 64, 1)])


@shortcut_kind.probe(
    "a block that changes height and width",
    idea="A stride above 1 shrinks the map, even where the channels stay.",
    hint="Which strides leave height and width as they are?",
)
def _(answer: Answer) -> None:
    _kinds(answer, [(64, 64, 2), (64, 128, 2), (32, 32, 3)])


@shortcut_kind.probe(
    "other numbers",
    idea="The rule holds for every number of channels.",
    hint="Decide by comparing the arguments, not by a list of known cases.",
    hidden=True,
)
def _(answer: Answer) -> None:
    channels = torch.randint(3, 500, (6,)).tolist()
    _kinds(answer, [(c, c, 1) for c in channels])
    _kinds(answer, [(c, c + 1, 1) for c in channels])
    _kinds(answer, [(c, c, 2) for c in channels])


# --- 3.2 ---

padding_shortcut = Exercise(
    name="padding_shortcut",
    number="3.2",
    title="The padding shortcut",
    difficulty=2,
    minutes=10,
    points=4,
    why="It makes shapes agree without a single parameter (option A of the paper).",
)


def _padding_case(answer: Answer, shape: tuple[int, ...], out: int, stride: int) -> None:
    x = torch.randn(*shape)
    right = PaddingShortcut(shape[1], out, stride)(x)
    zeros = out - shape[1]
    seen = answer(x, out, stride)
    expect.shape(seen, right.shape, f"for x of {expect.times(shape)} the result")
    sampled = right[:, : shape[1]]
    expect.close(
        seen,
        right,
        "the result",
        {
            "The zeros stand before the channels of x; the course puts them behind.": F.pad(
                sampled, (0, 0, 0, 0, zeros, 0)
            ),
            "The zeros stand on both sides of the channels of x; the course puts them behind.": (
                F.pad(sampled, (0, 0, 0, 0, zeros // 2, zeros - zeros // 2))
            ),
            "The pixels are means of their neighbours; take every stride-th pixel as it is.": (
                F.pad(F.avg_pool2d(x, stride, ceil_mode=True), (0, 0, 0, 0, 0, zeros))
            ),
            "The pixels are the largest of their neighbours; take every stride-th as it is.": (
                F.pad(F.max_pool2d(x, stride, ceil_mode=True), (0, 0, 0, 0, 0, zeros))
            ),
            "The new channels repeat those of x; they should be zero.": torch.cat(
                [sampled] * (1 + -(-zeros // shape[1])), 1
            )[:, :out],
        },
    )


@padding_shortcut.probe(
    "the channels are filled up",
    idea="F(x) has more channels than x, and zeros change no sum.",
    hint="`functional.pad` counts from the last dimension: (W, W, H, H, C, C).",
)
def _(answer: Answer) -> None:
    _padding_case(answer, (2, 4, 6, 6), 7, 1)
    expect.own_work(answer)


@padding_shortcut.probe(
    "every second pixel",
    idea="F(x) at stride 2 has half the height and width, and so must x.",
    hint="Slicing with a step: `x[:, :, ::stride, ::stride]`.",
)
def _(answer: Answer) -> None:
    _padding_case(answer, (2, 4, 6, 6), 8, 2)


@padding_shortcut.probe(
    "odd sizes, and no square",
    idea="A 3×3 convolution with padding 1 and stride 2 gives ⌈H/2⌉×⌈W/2⌉.",
    hint="Do not compute the size by `// 2`: a slice with a step rounds up by itself.",
)
def _(answer: Answer) -> None:
    _padding_case(answer, (2, 4, 7, 10), 8, 2)
    _padding_case(answer, (1, 3, 9, 5), 5, 3)


@padding_shortcut.probe(
    "where nothing changes",
    idea="Stride 1 and no new channel: the shortcut is x itself.",
    hint="Padding by 0 channels is allowed, and does nothing.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _padding_case(answer, (1, 3, 5, 4), 3, 1)
    _padding_case(answer, (3, 6, 11, 8), 13, 4)


# --- 3.3 ---

projection_shortcut = Exercise(
    name="projection_shortcut",
    number="3.3",
    title="The projection shortcut",
    difficulty=2,
    minutes=10,
    points=5,
    why="It is what torchvision's ResNets use wherever a stage begins.",
)
PROJECTION = 12 * 20 + 2 * 20  # 1×1 weights; scale and shift of the normalisation


def _projection(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, arguments[0], 8, 8))


@projection_shortcut.probe(
    "it gives the shape of F(x)",
    idea="The shortcut exists to make shapes agree: channels by its filters, size by its stride.",
    hint="A 1×1 convolution takes `stride` too, and needs no padding.",
)
def _(answer: Answer) -> None:
    module = _projection(answer, 12, 20, 2)
    for height, width in ((8, 8), (7, 10)):
        seen = module.run(torch.randn(2, 12, height, width)).output
        expect.shape(seen, (2, 20, -(-height // 2), -(-width // 2)))
    expect.own_work(answer, module)


@projection_shortcut.probe(
    "its parameters",
    idea="A 1×1 convolution without bias, and a batch normalisation with scale and shift.",
    hint="The normalisation subtracts the mean, and a bias with it: `bias=False`.",
)
def _(answer: Answer) -> None:
    expect.parameter_count(
        _projection(answer, 12, 20, 2),
        PROJECTION,
        {
            PROJECTION + 20: "That is 20 too many: the convolution has a bias.",
            PROJECTION - 40: "That is 40 too few: the batch normalisation is missing.",
            PROJECTION - 20: "A bias in place of the batch normalisation?",
            9 * 12 * 20 + 40: "The kernel is 3×3; a projection looks at single pixels.",
        },
    )


@projection_shortcut.probe(
    "what it computes",
    idea="A projection mixes the channels of each pixel and normalises; nothing else.",
    hint="Convolution, then batch normalisation, and no ReLU: the block's last ReLU comes after "
    "the addition.",
)
def _(answer: Answer) -> None:
    for stride in (1, 2):
        module = _projection(answer, 12, 20, stride)
        reference = expect.stir(BasicBlock(12, 20, stride)).downsample
        x = torch.randn(3, 12, 7, 10)
        mistakes = {"There is a ReLU at its end.": reference.eval()(x).relu().detach()}
        same_outputs(module, reference, x, mistakes)


@projection_shortcut.probe(
    "other numbers",
    idea="Channels and stride are those that were asked for.",
    hint="Are channels or stride fixed somewhere?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for arguments in ((5, 11, 1), (9, 4, 3)):
        seen = _projection(answer, *arguments).run(torch.randn(2, arguments[0], 9, 6)).output
        stride = arguments[2]
        expect.shape(seen, (2, arguments[1], -(-9 // stride), -(-6 // stride)))


# --- 3.4 ---

residual_block = Exercise(
    name="residual_block",
    number="3.4",
    title="The residual block",
    difficulty=3,
    minutes=20,
    points=10,
    why="All networks of the later lessons are made of it.",
    answer="ResidualBlock",
)


def _block(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, arguments[0], 8, 8))


def _parameters(channels: int) -> int:
    return 2 * (9 * channels**2 + 2 * channels)


def _outputs(reference: BasicBlock, x: Tensor) -> dict[str, Tensor]:
    """What the block gives with known mistakes, by the sentence that names the mistake."""
    with torch.no_grad():
        branch = basic_branch(reference, x)
        shortcut = reference.downsample(x)
        no_relu = reference.bn2(reference.conv2(reference.bn1(reference.conv1(x))))
        return {
            "The output is relu(F(x)): the input is not added.": F.relu(branch),
            "The output is relu(F(x) - x): the input is subtracted.": F.relu(branch - shortcut),
            "The output is relu(x - F(x)): the branch is subtracted.": F.relu(shortcut - branch),
            "The output is relu(F(x)) + x: the input is added behind the last ReLU.": (
                F.relu(branch) + shortcut
            ),
            "There is a ReLU at the end of the branch, before the addition, so F(x) can never be "
            "negative.": F.relu(F.relu(branch) + shortcut),
            "The output is F(x) + x: the ReLU behind the addition is missing.": branch + shortcut,
            "The ReLU between the two convolutions is missing.": F.relu(no_relu + shortcut),
            "The output is that of the shortcut: the branch is missing.": F.relu(shortcut),
            "The input is added twice.": F.relu(branch + 2 * shortcut),
            "The output is relu(F(x) · x): the input is multiplied.": F.relu(branch * shortcut),
        }


def _compare(answer: Answer, arguments: tuple[int, ...], size: tuple[int, int]) -> None:
    reference = expect.stir(BasicBlock(*arguments)).eval()
    x = torch.randn(3, arguments[0], *size)
    same_outputs(_block(answer, *arguments), reference, x, _outputs(reference, x))


@residual_block.probe(
    "it runs, and keeps the shape",
    idea="A block whose input and output have the same shape can be stacked as often as one likes.",
    hint="A 3×3 convolution keeps height and width with `padding=1`.",
)
def _(answer: Answer) -> None:
    block = _block(answer, 8, 8)
    for shape in ((2, 8, 6, 6), (1, 8, 5, 9)):
        expect.shape(block.run(torch.randn(*shape)).output, shape)
    expect.own_work(answer, block)


@residual_block.probe(
    "its parameters",
    idea="Two 3×3 convolutions without bias, each with a batch normalisation; an identity "
    "shortcut has none.",
    hint="Count: 2 · (9·C² + 2·C). Which layer is missing, shared or too many?",
)
def _(answer: Answer) -> None:
    right = _parameters(8)
    expect.parameter_count(
        _block(answer, 8, 8),
        right,
        {
            right + 16: "That is 16 too many: both convolutions have a bias.",
            right + 8: "That is 8 too many: a convolution has a bias.",
            right - 32: "That is 32 too few: there is no batch normalisation.",
            right - 16: "That is 16 too few: one batch normalisation is missing, or the two are "
            "one and the same.",
            right + 64 + 16: "There is a projection where the identity would do.",
            right + 64: "There is a 1×1 convolution where the identity would do.",
            right // 2: "One convolution is missing, or the two are one and the same.",
        },
    )


@residual_block.probe(
    "F(x) + x, then ReLU",
    idea="The branch computes what is to be added to the input; the ReLU comes after the sum.",
    hint="Write y = relu(F(x) + x) and go through `forward` line by line. How many ReLUs are "
    "there, and where?",
)
def _(answer: Answer) -> None:
    _compare(answer, (8, 8), (6, 6))


CHANGING = ((8, 12, 2), (8, 12, 1), (8, 8, 2))  # channels in, channels out, stride


@residual_block.probe(
    "where the shape changes",
    idea="With stride 2 or other channels x must be projected before it can be added.",
    hint="Only the first convolution and the shortcut take the stride.",
)
def _(answer: Answer) -> None:
    for arguments in CHANGING:
        seen = _block(answer, *arguments).run(torch.randn(2, 8, 7, 10)).output
        _, channels, stride = arguments
        expect.shape(
            seen,
            (2, channels, -(-7 // stride), -(-10 // stride)),
            "the output of ResidualBlock({}, {}, stride={})".format(*arguments),
        )


@residual_block.probe(
    "the parameters of a block that changes the shape",
    idea="A projection is a 1×1 convolution without bias, and a batch normalisation.",
    hint="torchvision's block has no bias in any convolution, and a normalisation behind each.",
)
def _(answer: Answer) -> None:
    right = sum(p.numel() for p in BasicBlock(8, 12, 2).parameters())
    expect.parameter_count(
        _block(answer, 8, 12, 2),
        right,
        {
            right + 12: "That is 12 too many: the 1×1 convolution has a bias.",
            right - 12: "The 1×1 convolution has a bias in place of its batch normalisation.",
            right - 24: "That is 24 too few: the shortcut has no batch normalisation.",
            right - 24 - 96: "There is no projection.",
        },
    )


@residual_block.probe(
    "what it computes where the shape changes",
    idea="y = relu(F(x) + projection(x)); the projection mixes channels, and has no ReLU.",
    hint="Which convolution takes the stride? torchvision's second one has stride 1.",
)
def _(answer: Answer) -> None:
    for arguments in CHANGING:
        _compare(answer, arguments, (7, 10))


@residual_block.probe(
    "the gradient through both ways",
    idea="What arrives at the output goes back through the shortcut and through the branch.",
    hint="Do not detach anything, and do not compute under `torch.no_grad()`.",
)
def _(answer: Answer) -> None:
    same_gradients(_block(answer, 8, 8), expect.stir(BasicBlock(8, 8)), torch.randn(3, 8, 6, 6))


@residual_block.probe(
    "other numbers",
    idea="Channels, stride and image sizes are those that were asked for.",
    hint="Is a number fixed somewhere that should come from the arguments?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for arguments, size in (((5, 5, 1), (9, 4)), ((6, 15, 3), (11, 8)), ((10, 4, 2), (5, 5))):
        _compare(answer, arguments, size)


# --- 3.5 ---

zero_branch = Exercise(
    name="zero_branch",
    number="3.5",
    title="Start as the identity",
    difficulty=2,
    minutes=10,
    points=4,
    why="Large trainings begin like this: every block is at first nothing but its shortcut.",
)


@zero_branch.probe(
    "the block gives back its input",
    idea="With F(x) = 0, relu(F(x) + x) is x, wherever x ≥ 0.",
    hint="The last layer of the branch is `bn2`: y = scale · … + shift.",
)
def _(answer: Answer) -> None:
    block = answer.make("BasicBlock", 8, 8, seed=1)
    answer(block)
    x = torch.randn(2, 8, 6, 6).relu()
    expect.close(block.run(x, True).output, x, "relu(F(x) + x)")


@zero_branch.probe(
    "it can still learn",
    idea="A zero that gets no gradient stays zero for ever.",
    hint="Set one factor to zero, not all: the gradient of a product is the other factor.",
)
def _(answer: Answer) -> None:
    block = answer.make("BasicBlock", 8, 8, seed=2)
    answer(block)
    if len(block.trainable()) != len(block.parameters()):
        raise Wrong("Some parameters are frozen.")
    x = torch.randn(4, 8, 6, 6).relu() + 1  # far above zero, where the last ReLU does nothing
    gradients = block.run(x, True, torch.randn(4, 8, 6, 6)).gradients
    block.load({name: p - 0.01 * gradients[name] for name, p in block.parameters().items()})
    branch = block.run(x, True).output - x
    if (branch - branch.mean(dim=(0, 2, 3), keepdim=True)).abs().max() < 1e-5:
        raise Wrong("After a step of gradient descent F(x) is still the same for every pixel.")


@zero_branch.probe(
    "nothing else was changed",
    idea="The convolutions keep their random weights: they are what the branch will learn from.",
    hint="One vector is enough.",
)
def _(answer: Answer) -> None:
    block = answer.make("BasicBlock", 8, 8, seed=3)
    before = block.parameters()
    answer(block)
    changed = [name for name, value in block.parameters().items() if (value != before[name]).any()]
    if changed != ["bn2.weight"]:
        raise Wrong(f"Changed were: {', '.join(f'`{name}`' for name in changed) or 'none'}.")


@zero_branch.probe(
    "a block that changes the shape",
    idea="There F(x) = 0 leaves the projection of x.",
    hint="The shortcut keeps its scale.",
    hidden=True,
)
def _(answer: Answer) -> None:
    block = answer.make("BasicBlock", 8, 16, 2, seed=4)
    reference = BasicBlock(8, 16, 2)
    reference.load_state_dict({**block.parameters(), **block.buffers()})
    answer(block)
    x = torch.randn(4, 8, 6, 6)
    with torch.no_grad():
        right = reference.eval().downsample(x).relu()
    expect.close(block.run(x).output, right)


EXERCISES = [shortcut_kind, padding_shortcut, projection_shortcut, residual_block, zero_branch]
