"""What judges the exercises of lesson 09, the variants."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.forms import (
    Call,
    Case,
    Gradients,
    Outputs,
    Parameters,
    Shapes,
    Sight,
    call,
    edited,
    keeping,
    same_shape,
    variant,
)
from resnet_lessons.networks import wide_resnet

OTHER = "other numbers"
FIXED = "Is a number fixed somewhere that should come from the arguments?"

# --- 9.1 ---


class PreActivationBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.projection = None
        if stride != 1 or in_channels != out_channels:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def branch(self, active: Tensor) -> Tensor:
        return self.conv2(self.relu(self.bn2(self.conv1(active))))

    def shortcut(self, x: Tensor, active: Tensor) -> Tensor:
        return x if self.projection is None else self.projection(active)

    def relu(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu(self.bn1(x))
        return self.branch(active) + self.shortcut(x, active)


Block = PreActivationBlock


def bias(convolution: nn.Conv2d) -> None:
    convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels))


def biased(*names: str) -> type[Block]:
    return edited(Block, lambda block: [bias(getattr(block, name)) for name in names])


def normalisation_shared(block: Block) -> None:
    block.bn2 = block.bn1


def normalised_projection(block: Block) -> None:
    if block.projection:
        norm = nn.BatchNorm2d(block.projection.out_channels)
        block.projection = nn.Sequential(block.projection, norm)


CHANGING = ((8, 12, 2), (8, 12, 1), (8, 8, 2))  # channels in, channels out, stride

preact_block = Exercise(
    name="preact_block",
    number="9.1",
    title="The pre-activation block",
    difficulty=2,
    minutes=15,
    points=6,
    why="One change of order leaves the shortcut without any layer on it.",
    answer="PreActivationBlock",
    solution=PreActivationBlock,
    cases=[
        Shapes(
            "it runs, and keeps the shape",
            [((8, 8, 1), (2, 8, 6, 6)), ((8, 8, 1), (1, 8, 5, 9))],
            idea="The normalisation comes first now, so it normalises the channels that come in.",
            hint="`bn1` has `in_channels`, `bn2` has `out_channels`.",
            own_work=True,
        ),
        Parameters(
            "its parameters",
            [((8, 8, 1), (2, 8, 8, 8))],
            idea="Two 3×3 convolutions without bias, and a batch normalisation before each.",
            hint="As many as a basic block of the same width has.",
            mistakes={
                "That is 16 too many: both convolutions have a bias, or there is a third "
                "normalisation.": biased("conv1", "conv2"),
                "That is 8 too many: a convolution has a bias.": biased("conv2"),
                "That is 16 too few: a normalisation is missing, or the two are one and the "
                "same.": edited(Block, normalisation_shared),
            },
        ),
        Outputs(
            "normalise, ReLU, convolve, twice; then add x",
            [((8, 8, 1), (3, 8, 6, 5))],
            idea="Nothing stands on the shortcut, and nothing follows the addition.",
            hint="Write down the seven steps of `forward` in words, then compare with your lines.",
            mistakes={
                "There is a ReLU behind the addition; here nothing follows it.": variant(
                    Block, forward=lambda self, x: F.relu(Block.forward(self, x))
                ),
                "The shortcut starts behind the first ReLU, though no shape changes: x itself "
                "should be added.": variant(Block, shortcut=lambda self, x, active: active),
                "The input is not added.": variant(Block, shortcut=lambda self, x, active: 0),
                "Both ReLUs are missing.": variant(Block, relu=lambda self, x: x),
            },
        ),
        Parameters(
            "the parameters where the shape changes",
            [(arguments, (2, 8, 7, 10)) for arguments in CHANGING],
            idea="There x is projected by a 1×1 convolution alone: the next block normalises "
            "anyway.",
            hint="The projection has neither bias nor normalisation.",
            mistakes={
                "The projection is normalised; leave that out.": edited(
                    Block, normalised_projection
                ),
            },
        ),
        Outputs(
            "where the shape changes",
            [(arguments, (2, 8, 7, 10)) for arguments in CHANGING],
            idea="The projection starts from behind the first ReLU, as the branch does.",
            hint="Compute relu(bn1(x)) once; both the branch and the projection start from it.",
            mistakes={
                "The projection starts from x as it came in.": variant(
                    Block, shortcut=lambda self, x, active: Block.shortcut(self, x, x)
                ),
            },
        ),
        Gradients(
            "the gradient through both ways",
            [((8, 8, 1), (3, 8, 6, 6))],
            idea="What arrives at the sum goes back to x unchanged, and through the branch "
            "besides.",
            hint="Do not detach anything.",
            mistakes={
                "Nothing comes back through the shortcut.": variant(
                    Block, shortcut=lambda self, x, active: Block.shortcut(self, x.detach(), active)
                ),
            },
        ),
        Outputs(
            OTHER,
            [
                ((c, k, stride), (2, c, 9, 4))
                for c, k, stride in ((5, 5, 1), (6, 15, 3), (10, 4, 2))
            ],
            idea="The block is for any width.",
            hint=FIXED,
            hidden=True,
        ),
    ],
)

# --- 9.2 ---


def parameters_of_wide(depth: int, widen_factor: int, num_classes: int) -> int:
    with torch.device("meta"):
        net = wide_resnet(depth, widen_factor, num_classes=num_classes)
    return sum(p.numel() for p in net.parameters())


wide_parameters = Exercise(
    name="wide_parameters",
    number="9.2",
    title="How many parameters has a wide network?",
    difficulty=2,
    minutes=15,
    points=4,
    why="Twice the width is four times the parameters; twice the depth is only twice.",
    solution=parameters_of_wide,
    what="the number of parameters of WRN-{}-{} for {} classes".format,
    cases=[
        Case(
            "WRN-10-1",
            [(10, 1, 10)],
            idea="n = 1: a stem, three blocks, a normalisation, a head.",
            hint="Add it up by hand: 432 for the stem, 4,672 for the first block, 14,432 for the "
            "second one, …, 128 and 650 at the end. The first block keeps its 16 channels at a "
            "factor of 1, so it has no projection.",
        ),
        Case(
            "deeper",
            [(16, 1, 10), (28, 1, 10)],
            idea="Of each stage only the first block changes the channels and has a projection.",
            hint="depth = 6n + 4, so each stage has n = (depth - 4) // 6 blocks.",
        ),
        Case(
            "wider",
            [(10, 2, 10), (16, 4, 10), (28, 10, 10)],
            idea="The stem always has 16 channels; from a factor of 2 on, the first block has a "
            "projection too.",
            hint="The stages have 16k, 32k and 64k channels. Which channels come into the first "
            "one?",
        ),
        Case(
            OTHER,
            [(22, 3, 100), (40, 4, 7), (10, 5, 2)],
            idea="The head has a row of weights for every class.",
            hint=FIXED,
            hidden=True,
        ),
    ],
)

# --- 9.3 ---


def nearest_width(channels: int, width: int, groups: int) -> int:
    def weights(inside: int, parts: int) -> float:
        return 2 * channels * inside + 9 * inside**2 / parts

    target = weights(width, 1)
    candidates = range(groups, groups * width + 1, groups)  # the last one costs no less
    return min(candidates, key=lambda inside: abs(weights(inside, groups) - target))


grouped_width = Exercise(
    name="grouped_width",
    number="9.3",
    title="Equal price, more channels",
    difficulty=2,
    minutes=12,
    points=4,
    why="A comparison of two blocks is fair at equal cost, and that takes a calculation.",
    solution=nearest_width,
    cases=[
        Case(
            "one group",
            [(256, 64, 1), (128, 24, 1)],
            idea="With one group nothing changes, so neither does the width.",
            hint="Parameters of the three convolutions: 2·C·v + 9·v²/g.",
        ),
        Case(
            "ResNeXt's own",
            [(256, 64, 32), (512, 128, 32)],
            idea="32 groups of 4 channels cost what a width of 64 costs: that is how 32×4d was "
            "chosen.",
            hint="Try the multiples of `groups` one after the other, and keep the nearest price.",
        ),
        Case(
            "nearest, from either side",
            [(256, 64, 2), (256, 64, 4), (256, 64, 8), (256, 64, 64)],
            idea="The nearest price may lie above the target or below it.",
            hint="Compare the distances |price - target|, not the prices.",
        ),
        Case(
            OTHER,
            [(64, 48, 3), (100, 30, 5), (32, 32, 16), (1024, 256, 7), (128, 512, 32), (64, 32, 64)],
            idea="Every group has the same width.",
            hint=FIXED,
            hidden=True,
        ),
    ],
)

# --- 9.4 ---


class ScaleChain(nn.Module):
    def __init__(self, width: int, scale: int) -> None:
        super().__init__()
        self.width = width
        self.steps = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            )
            for _ in range(scale - 1)
        )

    def handed(self, part: Tensor, done: list[Tensor]) -> Tensor:
        return part + done[-1] if done else part

    def forward(self, x: Tensor) -> Tensor:
        parts, done = x.split(self.width, dim=1), []
        for part, step in zip(parts, self.steps, strict=False):
            done.append(step(self.handed(part, done)))
        return torch.cat([*done, *parts[len(done) :]], dim=1)


def plain_list(chain: ScaleChain) -> None:
    steps = list(chain.steps)
    del chain.steps
    chain.steps = steps


def one_convolution(chain: ScaleChain) -> None:
    chain.steps = nn.ModuleList([chain.steps[0]] * len(chain.steps))


scale_chain = Exercise(
    name="scale_chain",
    number="9.4",
    title="A chain of small convolutions",
    difficulty=3,
    minutes=20,
    points=6,
    why="Res2Net's parts see further and further, at the price of one small convolution each.",
    answer="ScaleChain",
    solution=ScaleChain,
    cases=[
        Shapes(
            "the shape",
            [((4, 3), (2, 12, 5, 7))],
            idea="All parts are joined again, so channels, height and width stay.",
            hint="`x.split(width, dim=1)` cuts, `torch.cat(parts, dim=1)` joins.",
        ),
        Parameters(
            "its parameters",
            [((4, 3), (2, 12, 6, 6))],
            idea="Every part but the last has a convolution and a normalisation of its own.",
            hint="`nn.ModuleList` registers them; a plain list hides them from `parameters()`.",
            mistakes={
                "A plain list of modules registers none of them; use `nn.ModuleList`.": edited(
                    ScaleChain, plain_list
                ),
                "All parts share one convolution.": edited(ScaleChain, one_convolution),
                "The last part should be handed on as it is.": edited(
                    ScaleChain, lambda chain: chain.steps.append(deepcopy(chain.steps[0]))
                ),
                "The convolutions have a bias.": edited(
                    ScaleChain, lambda chain: [bias(step[0]) for step in chain.steps]
                ),
            },
        ),
        Outputs(
            "the chain",
            [((4, 4), (2, 16, 6, 5))],
            idea="Each part gets what the part before it gave out, added to its own channels.",
            hint="Add before the convolution; the last part is joined on untouched.",
            mistakes={
                "Nothing is handed on from part to part.": variant(
                    ScaleChain, handed=lambda self, part, done: part
                ),
            },
        ),
        Outputs(
            OTHER,
            [((3, 2), (2, 6, 4, 9)), ((5, 6), (2, 30, 4, 9))],
            idea="Two parts make a chain of one convolution.",
            hint=FIXED,
            hidden=True,
        ),
    ],
)

# --- 9.5 ---


def joined(own: Tensor, other: Tensor) -> Tensor:
    return F.relu(own + other)


def fused(
    high: Tensor,
    low: Tensor,
    up: Tensor,
    down: Tensor,
    fine: Callable = joined,
    coarse: Callable = joined,
    mode: str = "nearest",
) -> tuple[Tensor, Tensor]:
    from_low = F.interpolate(F.conv2d(low, up), scale_factor=2, mode=mode)
    from_high = F.conv2d(high, down, stride=2, padding=1)
    return fine(high, from_low), coarse(low, from_high)


def from_new_fine_map(high: Tensor, low: Tensor, *kernels: Tensor) -> tuple[Tensor, Tensor]:
    new, _ = fused(high, low, *kernels)
    return new, fused(new, low, *kernels)[1]


def maps(fine: int, coarse: int, height: int, width: int) -> Call:
    high, low = torch.randn(2, fine, 2 * height, 2 * width), torch.randn(2, coarse, height, width)
    return call(high, low, torch.randn(fine, coarse, 1, 1), torch.randn(coarse, fine, 3, 3) / 3)


@dataclass(frozen=True)
class Maps(Case):
    """Both maps, one after the other."""

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        seen = self.see(answer, *given.args)
        expect.equal(len(seen), 2, "the number of maps that come out")
        yield from zip(("the fine map", "the coarse map"), seen, strict=True)


fuse = Exercise(
    name="fuse",
    number="9.5",
    title="Two resolutions, fused",
    difficulty=2,
    minutes=15,
    points=5,
    why="HRNet's stages never give up the fine map; they exchange.",
    solution=fused,
    cases=[
        Maps(
            "two maps, each as large as before",
            lambda: [maps(4, 6, 4, 3)],
            idea="Both resolutions go on; nothing is given up.",
            hint="Return a pair: the fine map, then the coarse one.",
            compare=same_shape,
        ),
        Maps(
            "what is added to what",
            lambda: [maps(4, 6, 5, 5)],
            idea="The coarse map is brought up by a 1×1 convolution and enlarged, the fine one "
            "brought down by a 3×3 with stride 2; each is added, then comes the ReLU.",
            hint="`functional.interpolate(…, scale_factor=2, mode='nearest')` repeats every pixel.",
            mistakes={
                "The fine map lacks its ReLU.": partial(fused, fine=torch.add),
                "The fine map is that of the coarse one alone: `high` is not added.": partial(
                    fused, fine=lambda high, low: F.relu(low)
                ),
                "The coarse map is enlarged bilinearly; HRNet repeats each pixel (`nearest`).": (
                    partial(fused, mode="bilinear")
                ),
                "The coarse map lacks its ReLU.": partial(fused, coarse=torch.add),
                "The coarse map is made of the *new* fine map; both start from what came in.": (
                    from_new_fine_map
                ),
                "The coarse map is that of the fine one alone: `low` is not added.": partial(
                    fused, coarse=lambda low, high: F.relu(high)
                ),
            },
        ),
        Maps(
            "nothing is changed in place",
            lambda: [maps(4, 6, 3, 3)],
            idea="Both outputs are made of the maps that came in.",
            hint="`high += …` writes into the tensor that was handed in.",
            see=keeping("A map that was handed in"),
        ),
        Maps(
            OTHER,
            lambda: [maps(3, 3, 4, 7), maps(5, 2, 1, 3)],
            idea="The maps need not be square.",
            hint=FIXED,
            hidden=True,
        ),
    ],
)

EXERCISES = [preact_block, wide_parameters, grouped_width, scale_chain, fuse]
