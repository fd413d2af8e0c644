"""What judges the exercises of lesson 03, the residual block."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import (
    Call,
    Case,
    Gradients,
    Outputs,
    Parameters,
    Shapes,
    call,
    edited,
    variant,
)
from resnet_lessons.checks.verdict import Wrong

# --- 3.1 ---


def kind(in_channels: int, out_channels: int, stride: int) -> str:
    if stride == 1 and in_channels == out_channels:
        return "identity"
    return "projection"


def any_channels() -> list[tuple[int, int, int]]:
    channels = torch.randint(3, 500, (6,)).tolist()
    return [case for c in channels for case in ((c, c, 1), (c, c + 1, 1), (c, c, 2))]


shortcut_kind = Exercise(
    name="shortcut_kind",
    number="3.1",
    title="Which shortcut does it need?",
    difficulty=1,
    minutes=5,
    points=2,
    why="Two tensors can be added where all their sizes agree, and only there.",
    solution=kind,
    cases=[
        Case(
            "a block that changes nothing",
            [(64, 64, 1), (7, 7, 1)],
            idea="Where F(x) has the shape of x, x can be added as it is.",
            hint="Stride 1 keeps height and width; equal numbers of channels keep the channels.",
        ),
        Case(
            "a block that changes the channels",
            [(64, 128, 1), (128, 64, 1)],
            idea="The addition goes channel by channel, so their numbers must agree.",
            hint="Compare `in_channels` with `out_channels`; fewer channels are as wrong as more.",
        ),
        Case(
            "a block that changes height and width",
            [(64, 64, 2), (64, 128, 2), (32, 32, 3)],
            idea="A stride above 1 shrinks the map, even where the channels stay.",
            hint="Which strides leave height and width as they are?",
        ),
        Case(
            "other numbers",
            any_channels,
            idea="The rule holds for every number of channels.",
            hint="Decide by comparing the arguments, not by a list of known cases.",
            hidden=True,
        ),
    ],
)

# --- 3.2 ---


def sampled(x: Tensor, stride: int) -> Tensor:
    return x[:, :, ::stride, ::stride]


def padded(x: Tensor, out_channels: int, stride: int) -> Tensor:
    return F.pad(sampled(x, stride), (0, 0, 0, 0, 0, out_channels - x.shape[1]))


def zeros_in_front(x: Tensor, out_channels: int, stride: int) -> Tensor:
    return F.pad(sampled(x, stride), (0, 0, 0, 0, out_channels - x.shape[1], 0))


def zeros_on_both_sides(x: Tensor, out_channels: int, stride: int) -> Tensor:
    zeros = out_channels - x.shape[1]
    return F.pad(sampled(x, stride), (0, 0, 0, 0, zeros // 2, zeros - zeros // 2))


def channels_repeated(x: Tensor, out_channels: int, stride: int) -> Tensor:
    times = -(-out_channels // x.shape[1])
    return torch.cat([sampled(x, stride)] * times, 1)[:, :out_channels]


def means_of_pixels(x: Tensor, out_channels: int, stride: int) -> Tensor:
    return padded(F.avg_pool2d(x, stride, ceil_mode=True), out_channels, 1)


def largest_of_pixels(x: Tensor, out_channels: int, stride: int) -> Tensor:
    return padded(F.max_pool2d(x, stride, ceil_mode=True), out_channels, 1)


def image(*shape: int, to: int, stride: int) -> Call:
    return call(torch.randn(*shape), to, stride)


def result_for(x: Tensor, out_channels: int, stride: int) -> str:
    return f"for x of {expect.times(x.shape)} the result"


padding_shortcut = Exercise(
    name="padding_shortcut",
    number="3.2",
    title="The padding shortcut",
    difficulty=2,
    minutes=10,
    points=4,
    why="It makes shapes agree without a single parameter (option A of the paper).",
    solution=padded,
    what=result_for,
    cases=[
        Case(
            "the channels are filled up",
            lambda: [image(2, 4, 6, 6, to=7, stride=1)],
            idea="F(x) has more channels than x, and zeros change no sum.",
            hint="`functional.pad` counts from the last dimension: (W, W, H, H, C, C).",
            own_work=True,
            mistakes={
                "The zeros stand before the channels of x; the course puts them behind.": (
                    zeros_in_front
                ),
                "The zeros stand on both sides of the channels of x; the course puts them "
                "behind.": zeros_on_both_sides,
                "The new channels repeat those of x; they should be zero.": channels_repeated,
            },
        ),
        Case(
            "every second pixel",
            lambda: [image(2, 4, 6, 6, to=8, stride=2)],
            idea="F(x) at stride 2 has half the height and width, and so must x.",
            hint="Slicing with a step: `x[:, :, ::stride, ::stride]`.",
            mistakes={
                "The pixels are means of their neighbours; take every stride-th pixel as it "
                "is.": means_of_pixels,
                "The pixels are the largest of their neighbours; take every stride-th as it "
                "is.": largest_of_pixels,
            },
        ),
        Case(
            "odd sizes, and no square",
            lambda: [image(2, 4, 7, 10, to=8, stride=2), image(1, 3, 9, 5, to=5, stride=3)],
            idea="A 3×3 convolution with padding 1 and stride 2 gives ⌈H/2⌉×⌈W/2⌉.",
            hint="Do not compute the size by `// 2`: a slice with a step rounds up by itself.",
        ),
        Case(
            "where nothing changes",
            lambda: [image(1, 3, 5, 4, to=3, stride=1), image(3, 6, 11, 8, to=13, stride=4)],
            idea="Stride 1 and no new channel: the shortcut is x itself.",
            hint="Padding by 0 channels is allowed, and does nothing.",
            hidden=True,
        ),
    ],
)

# --- 3.3 ---


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


PROJECTION = (12, 20, 2)

projection_shortcut = Exercise(
    name="projection_shortcut",
    number="3.3",
    title="The projection shortcut",
    difficulty=2,
    minutes=10,
    points=5,
    why="It is what torchvision's ResNets use wherever a stage begins.",
    solution=projection,
    cases=[
        Shapes(
            "it gives the shape of F(x)",
            [(PROJECTION, (2, 12, 8, 8)), (PROJECTION, (2, 12, 7, 10))],
            idea="The shortcut exists to make shapes agree: channels by its filters, size by its "
            "stride.",
            hint="A 1×1 convolution takes `stride` too, and needs no padding.",
            own_work=True,
        ),
        Parameters(
            "its parameters",
            [(PROJECTION, (2, 12, 8, 8))],
            idea="A 1×1 convolution without bias, and a batch normalisation with scale and shift.",
            hint="The normalisation subtracts the mean, and a bias with it: `bias=False`.",
            mistakes={
                "That is 20 too many: the convolution has a bias.": lambda i, o, s: nn.Sequential(
                    nn.Conv2d(i, o, 1, s), nn.BatchNorm2d(o)
                ),
                "That is 40 too few: the batch normalisation is missing.": lambda i, o, s: (
                    nn.Conv2d(i, o, 1, s, bias=False)
                ),
                "A bias in place of the batch normalisation?": lambda i, o, s: nn.Conv2d(
                    i, o, 1, s
                ),
                "The kernel is 3×3; a projection looks at single pixels.": lambda i, o, s: (
                    nn.Sequential(nn.Conv2d(i, o, 3, s, padding=1, bias=False), nn.BatchNorm2d(o))
                ),
            },
        ),
        Outputs(
            "what it computes",
            [((12, 20, 1), (3, 12, 7, 10)), (PROJECTION, (3, 12, 7, 10))],
            idea="A projection mixes the channels of each pixel and normalises; nothing else.",
            hint="Convolution, then batch normalisation, and no ReLU: the block's last ReLU comes "
            "after the addition.",
            mistakes={
                "There is a ReLU at its end.": lambda *arguments: projection(*arguments).append(
                    nn.ReLU()
                ),
            },
        ),
        Shapes(
            "other numbers",
            [((5, 11, 1), (2, 5, 9, 6)), ((9, 4, 3), (2, 9, 9, 6))],
            idea="Channels and stride are those that were asked for.",
            hint="Are channels or stride fixed somewhere?",
            hidden=True,
        ),
    ],
)

# --- 3.4 ---


class ResidualBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = projection(in_channels, out_channels, stride)

    def branch(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


Block = ResidualBlock


def joining(join: Callable[[Tensor, Tensor], Tensor]) -> type[Block]:
    """A block that puts F(x) and x together in another way."""
    return variant(Block, forward=lambda self, x: join(self.branch(x), self.shortcut(x)))


def where_it_changes(edit: Callable[[Block], None]) -> type[Block]:
    """A block that is edited where it has a projection."""
    return edited(Block, lambda block: isinstance(block.shortcut, nn.Identity) or edit(block))


def no_relu_between(self: Block, x: Tensor) -> Tensor:
    return self.bn2(self.conv2(self.bn1(self.conv1(x))))


def bias(convolution: nn.Conv2d) -> None:
    convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels))


def bias_in_both(block: Block) -> None:
    bias(block.conv1)
    bias(block.conv2)


def no_normalisation(block: Block) -> None:
    block.bn1 = block.bn2 = nn.Identity()


def one_normalisation_missing(block: Block) -> None:
    block.bn2 = nn.Identity()


def one_normalisation_shared(block: Block) -> None:
    block.bn2 = block.bn1


def one_layer_of_each_kind(block: Block) -> None:
    block.conv2, block.bn2 = block.conv1, block.bn1


def projection_always(block: Block) -> None:
    conv = block.conv1
    block.shortcut = projection(conv.in_channels, conv.out_channels, conv.stride)


def convolution_always(block: Block) -> None:
    projection_always(block)
    block.shortcut = block.shortcut[0]


def bias_in_shortcut(block: Block) -> None:
    projection_always(block)
    bias(block.shortcut[0])


def bias_for_normalisation(block: Block) -> None:
    convolution_always(block)
    bias(block.shortcut)


def padding_for_projection(block: Block) -> None:
    conv = block.conv1
    del block.shortcut
    block.shortcut = lambda x: padded(x, conv.out_channels, conv.stride[0])


CHANGING = ((8, 12, 2), (8, 12, 1), (8, 8, 2))  # channels in, channels out, stride
TWO = "missing, or the two are one and the same."

residual_block = Exercise(
    name="residual_block",
    number="3.4",
    title="The residual block",
    difficulty=3,
    minutes=20,
    points=10,
    why="All networks of the later lessons are made of it.",
    answer="ResidualBlock",
    solution=ResidualBlock,
    cases=[
        Shapes(
            "it runs, and keeps the shape",
            [((8, 8), (2, 8, 6, 6)), ((8, 8), (1, 8, 5, 9))],
            idea="A block whose input and output have the same shape can be stacked as often as "
            "one likes.",
            hint="A 3×3 convolution keeps height and width with `padding=1`.",
            own_work=True,
        ),
        Parameters(
            "its parameters",
            [((8, 8), (2, 8, 8, 8))],
            idea="Two 3×3 convolutions without bias, each with a batch normalisation; an identity "
            "shortcut has none.",
            hint="Count: 2 · (9·C² + 2·C). Which layer is missing, shared or too many?",
            mistakes={
                "That is 16 too many: both convolutions have a bias.": edited(Block, bias_in_both),
                "That is 8 too many: a convolution has a bias.": edited(
                    Block, lambda block: bias(block.conv2)
                ),
                "That is 32 too few: there is no batch normalisation.": edited(
                    Block, no_normalisation
                ),
                f"That is 16 too few: one batch normalisation is {TWO}": (
                    edited(Block, one_normalisation_missing),
                    edited(Block, one_normalisation_shared),
                ),
                "There is a projection where the identity would do.": edited(
                    Block, projection_always
                ),
                "There is a 1×1 convolution where the identity would do.": edited(
                    Block, convolution_always
                ),
                f"One convolution is {TWO}": edited(Block, one_layer_of_each_kind),
            },
        ),
        Outputs(
            "F(x) + x, then ReLU",
            [((8, 8), (3, 8, 6, 6))],
            idea="The branch computes what is to be added to the input; the ReLU comes after the "
            "sum.",
            hint="Write y = relu(F(x) + x) and go through `forward` line by line. How many ReLUs "
            "are there, and where?",
            mistakes={
                "The output is relu(F(x)): the input is not added.": joining(
                    lambda branch, x: F.relu(branch)
                ),
                "The output is relu(F(x) - x): the input is subtracted.": joining(
                    lambda branch, x: F.relu(branch - x)
                ),
                "The output is relu(x - F(x)): the branch is subtracted.": joining(
                    lambda branch, x: F.relu(x - branch)
                ),
                "The output is relu(F(x)) + x: the input is added behind the last ReLU.": joining(
                    lambda branch, x: F.relu(branch) + x
                ),
                "There is a ReLU at the end of the branch, before the addition, so F(x) can "
                "never be negative.": joining(lambda branch, x: F.relu(F.relu(branch) + x)),
                "The output is F(x) + x: the ReLU behind the addition is missing.": joining(
                    lambda branch, x: branch + x
                ),
                "The ReLU between the two convolutions is missing.": variant(
                    Block, branch=no_relu_between
                ),
                "The output is that of the shortcut: the branch is missing.": joining(
                    lambda branch, x: F.relu(x)
                ),
                "The input is added twice.": joining(lambda branch, x: F.relu(branch + 2 * x)),
                "The output is relu(F(x) · x): the input is multiplied.": joining(
                    lambda branch, x: F.relu(branch * x)
                ),
            },
        ),
        Shapes(
            "where the shape changes",
            [(arguments, (2, 8, 7, 10)) for arguments in CHANGING],
            idea="With stride 2 or other channels x must be projected before it can be added.",
            hint="Only the first convolution and the shortcut take the stride.",
            what="the output of ResidualBlock({}, {}, stride={})".format,
        ),
        Parameters(
            "the parameters of a block that changes the shape",
            [((8, 12, 2), (2, 8, 8, 8))],
            idea="A projection is a 1×1 convolution without bias, and a batch normalisation.",
            hint="torchvision's block has no bias in any convolution, and a normalisation behind "
            "each.",
            mistakes={
                "That is 12 too many: the 1×1 convolution has a bias.": where_it_changes(
                    bias_in_shortcut
                ),
                "The 1×1 convolution has a bias in place of its batch normalisation.": (
                    where_it_changes(bias_for_normalisation)
                ),
                "That is 24 too few: the shortcut has no batch normalisation.": where_it_changes(
                    convolution_always
                ),
                "There is no projection.": where_it_changes(padding_for_projection),
            },
        ),
        Outputs(
            "what it computes where the shape changes",
            [(arguments, (3, 8, 7, 10)) for arguments in CHANGING],
            idea="y = relu(F(x) + projection(x)); the projection mixes channels, and has no ReLU.",
            hint="Which convolution takes the stride? torchvision's second one has stride 1.",
        ),
        Gradients(
            "the gradient through both ways",
            [((8, 8), (3, 8, 6, 6))],
            idea="What arrives at the output goes back through the shortcut and through the "
            "branch.",
            hint="Do not detach anything, and do not compute under `torch.no_grad()`.",
        ),
        Outputs(
            "other numbers",
            [
                ((5, 5, 1), (3, 5, 9, 4)),
                ((6, 15, 3), (3, 6, 11, 8)),
                ((10, 4, 2), (3, 10, 5, 5)),
            ],
            idea="Channels, stride and image sizes are those that were asked for.",
            hint="Is a number fixed somewhere that should come from the arguments?",
            hidden=True,
        ),
    ],
)

# --- 3.5 ---


def zeroed(block: nn.Module) -> Tensor:
    return nn.init.zeros_(block.bn2.weight)


def output_after(answer: Answer, arguments: tuple, x: Tensor, training: bool) -> Tensor:
    """What a block gives after the answer has dealt with it."""
    block = answer.make("BasicBlock", *arguments, seed=1)
    answer(block)
    return block.run(x, training).output


def can_still_learn(answer: Answer) -> None:
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


def changes_one_vector(answer: Answer) -> None:
    block = answer.make("BasicBlock", 8, 8, seed=3)
    before = block.parameters()
    answer(block)
    changed = [name for name, value in block.parameters().items() if (value != before[name]).any()]
    if changed != ["bn2.weight"]:
        raise Wrong(f"Changed were: {', '.join(f'`{name}`' for name in changed) or 'none'}.")


zero_branch = Exercise(
    name="zero_branch",
    number="3.5",
    title="Start as the identity",
    difficulty=2,
    minutes=10,
    points=4,
    why="Large trainings begin like this: every block is at first nothing but its shortcut.",
    solution=zeroed,
    cases=[
        Case(
            "the block gives back its input",
            lambda: [call((8, 8), torch.randn(2, 8, 6, 6).relu(), training=True)],
            idea="With F(x) = 0, relu(F(x) + x) is x, wherever x ≥ 0.",
            hint="The last layer of the branch is `bn2`: y = scale · … + shift.",
            see=output_after,
            what="relu(F(x) + x)",
        ),
        Probe(
            "it can still learn",
            idea="A zero that gets no gradient stays zero for ever.",
            hint="Set one factor to zero, not all: the gradient of a product is the other factor.",
            look=can_still_learn,
        ),
        Probe(
            "nothing else was changed",
            idea="The convolutions keep their random weights: they are what the branch will learn "
            "from.",
            hint="One vector is enough.",
            look=changes_one_vector,
        ),
        Case(
            "a block that changes the shape",
            lambda: [call((8, 16, 2), torch.randn(4, 8, 6, 6), training=False)],
            idea="There F(x) = 0 leaves the projection of x.",
            hint="The shortcut keeps its scale.",
            see=output_after,
            what="the output",
            hidden=True,
        ),
    ],
)

EXERCISES = [shortcut_kind, padding_shortcut, projection_shortcut, residual_block, zero_branch]
