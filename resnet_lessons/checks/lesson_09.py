"""What judges the exercises of lesson 09, the variants."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.comparing import built, same_gradients, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import PreActBlock, conv3x3, wide_resnet

OTHER = "other numbers"
FIXED = "Is a number fixed somewhere that should come from the arguments?"

# --- 9.1 ---

preact_block = Exercise(
    name="preact_block",
    number="9.1",
    title="The pre-activation block",
    difficulty=2,
    minutes=15,
    points=6,
    why="One change of order leaves the shortcut without any layer on it.",
    answer="PreActivationBlock",
)


def _preact(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, arguments[0], 8, 8))


def _preact_reference(*arguments: int) -> PreActBlock:
    return expect.stir(PreActBlock(*arguments)).eval()


def _preact_mistakes(block: PreActBlock, x: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        active = F.relu(block.bn1(x))
        branch = block.conv2(F.relu(block.bn2(block.conv1(active))))
        linear = block.conv2(block.bn2(block.conv1(block.bn1(x))))
        return {
            "There is a ReLU behind the addition; here nothing follows it.": F.relu(branch + x),
            "The shortcut starts behind the first ReLU, though no shape changes: x itself should "
            "be added.": branch + active,
            "The input is not added.": branch,
            "Both ReLUs are missing.": linear + x,
        }


@preact_block.probe(
    "it runs, and keeps the shape",
    idea="The normalisation comes first now, so it normalises the channels that come in.",
    hint="`bn1` has `in_channels`, `bn2` has `out_channels`.",
)
def _(answer: Answer) -> None:
    block = _preact(answer, 8, 8, 1)
    for shape in ((2, 8, 6, 6), (1, 8, 5, 9)):
        expect.shape(block.run(torch.randn(*shape)).output, shape)
    expect.own_work(answer, block)


@preact_block.probe(
    "its parameters",
    idea="Two 3×3 convolutions without bias, and a batch normalisation before each.",
    hint="As many as a basic block of the same width has.",
)
def _(answer: Answer) -> None:
    right = 2 * (9 * 64 + 16)
    mistakes = {
        right + 16: "That is 16 too many: both convolutions have a bias, or there is a third "
        "normalisation.",
        right + 8: "That is 8 too many: a convolution has a bias.",
        right - 16: "That is 16 too few: a normalisation is missing, or the two are one and the "
        "same.",
    }
    expect.parameter_count(_preact(answer, 8, 8, 1), right, mistakes)


@preact_block.probe(
    "normalise, ReLU, convolve, twice; then add x",
    idea="Nothing stands on the shortcut, and nothing follows the addition.",
    hint="Write down the seven steps of `forward` in words, then compare with your lines.",
)
def _(answer: Answer) -> None:
    reference, x = _preact_reference(8, 8, 1), torch.randn(3, 8, 6, 5)
    same_outputs(_preact(answer, 8, 8, 1), reference, x, _preact_mistakes(reference, x))


@preact_block.probe(
    "where the shape changes",
    idea="There x is projected, from behind the first ReLU, by a 1×1 convolution alone: the next "
    "block normalises anyway.",
    hint="Compute relu(bn1(x)) once; both the branch and the projection start from it.",
)
def _(answer: Answer) -> None:
    for arguments in ((8, 12, 2), (8, 12, 1), (8, 8, 2)):
        block, x = _preact(answer, *arguments), torch.randn(2, 8, 7, 10)
        size = (-(-7 // arguments[2]), -(-10 // arguments[2]))
        expect.shape(block.run(x).output, (2, arguments[1], *size))
        reference = _preact_reference(*arguments)
        right = sum(p.numel() for p in reference.parameters())
        mistakes = {right + 2 * arguments[1]: "The projection is normalised; leave that out."}
        expect.parameter_count(block, right, mistakes)
        with torch.no_grad():
            branch = reference(x) - reference.downsample(F.relu(reference.bn1(x)))
            raw = branch + reference.downsample(x)
        same_outputs(block, reference, x, {"The projection starts from x as it came in.": raw})


@preact_block.probe(
    "the gradient through both ways",
    idea="What arrives at the sum goes back to x unchanged, and through the branch besides.",
    hint="Do not detach anything.",
)
def _(answer: Answer) -> None:
    same_gradients(_preact(answer, 8, 8, 1), _preact_reference(8, 8, 1), torch.randn(3, 8, 6, 6))


@preact_block.probe(OTHER, idea="The block is for any width.", hint=FIXED, hidden=True)
def _(answer: Answer) -> None:
    for arguments in ((5, 5, 1), (6, 15, 3), (10, 4, 2)):
        reference, x = _preact_reference(*arguments), torch.randn(2, arguments[0], 9, 4)
        same_outputs(_preact(answer, *arguments), reference, x)


# --- 9.2 ---

wide_parameters = Exercise(
    name="wide_parameters",
    number="9.2",
    title="How many parameters has a wide network?",
    difficulty=2,
    minutes=15,
    points=4,
    why="Twice the width is four times the parameters; twice the depth is only twice.",
)


def _wide(depth: int, factor: int, classes: int) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in wide_resnet(depth, factor, 3, classes).parameters())


def _wides(answer: Answer, cases: list[tuple[int, int, int]]) -> None:
    for depth, factor, classes in cases:
        what = f"the number of parameters of WRN-{depth}-{factor} for {classes} classes"
        expect.equal(answer(depth, factor, classes), _wide(depth, factor, classes), what)


@wide_parameters.probe(
    "WRN-10-1",
    idea="n = 1: a stem, three blocks, a normalisation, a head.",
    hint="Add it up by hand: 432 for the stem, 4,672 for the first block, 14,432 for the second "
    "one, …, 128 and 650 at the end. The first block keeps its 16 channels at a factor of 1, so "
    "it has no projection.",
)
def _(answer: Answer) -> None:
    _wides(answer, [(10, 1, 10)])


@wide_parameters.probe(
    "deeper",
    idea="Of each stage only the first block changes the channels and has a projection.",
    hint="depth = 6n + 4, so each stage has n = (depth - 4) // 6 blocks.",
)
def _(answer: Answer) -> None:
    _wides(answer, [(16, 1, 10), (28, 1, 10)])


@wide_parameters.probe(
    "wider",
    idea="The stem always has 16 channels; from a factor of 2 on, the first block has a "
    "projection too.",
    hint="The stages have 16k, 32k and 64k channels. Which channels come into the first one?",
)
def _(answer: Answer) -> None:
    _wides(answer, [(10, 2, 10), (16, 4, 10), (28, 10, 10)])


@wide_parameters.probe(
    OTHER, idea="The head has a row of weights for every class.", hint=FIXED, hidden=True
)
def _(answer: Answer) -> None:
    _wides(answer, [(22, 3, 100), (40, 4, 7), (10, 5, 2)])


# --- 9.3 ---

grouped_width = Exercise(
    name="grouped_width",
    number="9.3",
    title="Equal price, more channels",
    difficulty=2,
    minutes=12,
    points=4,
    why="A comparison of two blocks is fair at equal cost, and that takes a calculation.",
)


def _grouped_width(channels: int, width: int, groups: int) -> int:
    def price(inside: int, parts: int) -> float:
        return 2 * channels * inside + 9 * inside**2 / parts

    target = price(width, 1)
    candidates = range(groups, groups * (width * 9 // groups + 3), groups)
    return min(candidates, key=lambda inside: abs(price(inside, groups) - target))


def _widths(answer: Answer, cases: list[tuple[int, int, int]]) -> None:
    for case in cases:
        expect.equal(
            answer(*case), _grouped_width(*case), "grouped_width({}, {}, {})".format(*case)
        )


@grouped_width.probe(
    "one group",
    idea="With one group nothing changes, so neither does the width.",
    hint="Parameters of the three convolutions: 2·C·v + 9·v²/g.",
)
def _(answer: Answer) -> None:
    _widths(answer, [(256, 64, 1), (128, 24, 1)])


@grouped_width.probe(
    "ResNeXt's own",
    idea="32 groups of 4 channels cost what a width of 64 costs: that is how 32×4d was chosen.",
    hint="Try the multiples of `groups` one after the other, and keep the nearest price.",
)
def _(answer: Answer) -> None:
    _widths(answer, [(256, 64, 32), (512, 128, 32)])


@grouped_width.probe(
    "nearest, from either side",
    idea="The nearest price may lie above the target or below it.",
    hint="Compare the distances |price - target|, not the prices.",
)
def _(answer: Answer) -> None:
    _widths(answer, [(256, 64, 2), (256, 64, 4), (256, 64, 8), (256, 64, 64)])


@grouped_width.probe(OTHER, idea="Every group has the same width.", hint=FIXED, hidden=True)
def _(answer: Answer) -> None:
    _widths(answer, [(64, 48, 3), (100, 30, 5), (32, 32, 16), (1024, 256, 7)])


# --- 9.4 ---

scale_chain = Exercise(
    name="scale_chain",
    number="9.4",
    title="A chain of small convolutions",
    difficulty=3,
    minutes=20,
    points=6,
    why="Res2Net's parts see further and further, at the price of one small convolution each.",
    answer="ScaleChain",
)


class ScaleChain(nn.Module):
    """What 9.4 asks for, as a reference."""

    def __init__(self, width: int, scale: int) -> None:
        super().__init__()
        self.width = width
        self.convs = nn.ModuleList(conv3x3(width, width) for _ in range(scale - 1))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(scale - 1))

    def forward(self, x: Tensor, add: bool = True) -> Tensor:
        *parts, last = x.split(self.width, dim=1)
        done: list[Tensor] = []
        for part, conv, bn in zip(parts, self.convs, self.bns, strict=True):
            done.append(F.relu(bn(conv(part + done[-1] if add and done else part))))
        return torch.cat([*done, last], dim=1)


def _chain(answer: Answer, width: int, scale: int) -> Module:
    return built(answer, width, scale, example=(2, width * scale, 6, 6))


@scale_chain.probe(
    "the shape",
    idea="All parts are joined again, so channels, height and width stay.",
    hint="`x.split(width, dim=1)` cuts, `torch.cat(parts, dim=1)` joins.",
)
def _(answer: Answer) -> None:
    seen = _chain(answer, 4, 3).run(torch.randn(2, 12, 5, 7)).output
    expect.shape(seen, (2, 12, 5, 7))


@scale_chain.probe(
    "its parameters",
    idea="Every part but the last has a convolution and a normalisation of its own.",
    hint="`nn.ModuleList` registers them; a plain list hides them from `parameters()`.",
)
def _(answer: Answer) -> None:
    one = 9 * 16 + 8
    mistakes = {
        0: "A plain list of modules registers none of them; use `nn.ModuleList`.",
        one: "All parts share one convolution.",
        3 * one: "The last part should be handed on as it is.",
        2 * (one + 4): "The convolutions have a bias.",
    }
    expect.parameter_count(_chain(answer, 4, 3), 2 * one, mistakes)


@scale_chain.probe(
    "the chain",
    idea="Each part gets what the part before it gave out, added to its own channels.",
    hint="Add before the convolution; the last part is joined on untouched.",
)
def _(answer: Answer) -> None:
    reference, x = expect.stir(ScaleChain(4, 4)).eval(), torch.randn(2, 16, 6, 5)
    with torch.no_grad():
        mistakes = {"Nothing is handed on from part to part.": reference(x, add=False)}
    same_outputs(_chain(answer, 4, 4), reference, x, mistakes)


@scale_chain.probe(
    OTHER, idea="Two parts make a chain of one convolution.", hint=FIXED, hidden=True
)
def _(answer: Answer) -> None:
    for width, scale in ((3, 2), (5, 6)):
        x = torch.randn(2, width * scale, 4, 9)
        same_outputs(_chain(answer, width, scale), expect.stir(ScaleChain(width, scale)), x)


# --- 9.5 ---

fuse = Exercise(
    name="fuse",
    number="9.5",
    title="Two resolutions, fused",
    difficulty=2,
    minutes=15,
    points=5,
    why="HRNet's stages never give up the fine map; they exchange.",
)


def _fused(high: Tensor, low: Tensor, up: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    from_low = F.interpolate(F.conv2d(low, up), scale_factor=2, mode="nearest")
    return F.relu(high + from_low), F.relu(low + F.conv2d(high, down, stride=2, padding=1))


def _fuse_case(answer: Answer, fine: int, coarse: int, size: tuple[int, int]) -> None:
    height, width = size
    high, low = torch.randn(2, fine, 2 * height, 2 * width), torch.randn(2, coarse, height, width)
    up, down = torch.randn(fine, coarse, 1, 1), torch.randn(coarse, fine, 3, 3) / 3
    one, other = _fused(high, low, up, down)
    smooth = F.interpolate(F.conv2d(low, up), scale_factor=2, mode="bilinear")
    new_low = F.conv2d(one, down, stride=2, padding=1)
    seen = answer(high, low, up, down)
    expect.equal(len(seen), 2, "the number of maps that come out")
    from_low = F.interpolate(F.conv2d(low, up), scale_factor=2, mode="nearest")
    from_high = F.conv2d(high, down, stride=2, padding=1)
    expect.close(
        seen[0],
        one,
        "the fine map",
        {
            "The fine map lacks its ReLU.": high + from_low,
            "The fine map is that of the coarse one alone: `high` is not added.": F.relu(from_low),
            "The coarse map is enlarged bilinearly; HRNet repeats each pixel (`nearest`).": (
                F.relu(high + smooth)
            ),
        },
    )
    expect.close(
        seen[1],
        other,
        "the coarse map",
        {
            "The coarse map lacks its ReLU.": low + from_high,
            "The coarse map is made of the *new* fine map; both start from what came in.": (
                F.relu(low + new_low)
            ),
            "The coarse map is that of the fine one alone: `low` is not added.": F.relu(from_high),
        },
    )


@fuse.probe(
    "two maps, each as large as before",
    idea="Both resolutions go on; nothing is given up.",
    hint="Return a pair: the fine map, then the coarse one.",
)
def _(answer: Answer) -> None:
    high, low = torch.randn(1, 4, 8, 6), torch.randn(1, 6, 4, 3)
    seen = answer(high, low, torch.randn(4, 6, 1, 1), torch.randn(6, 4, 3, 3))
    expect.equal(len(seen), 2, "the number of maps that come out")
    expect.shape(seen[0], (1, 4, 8, 6), "the fine map")
    expect.shape(seen[1], (1, 6, 4, 3), "the coarse map")


@fuse.probe(
    "what is added to what",
    idea="The coarse map is brought up by a 1×1 convolution and enlarged, the fine one brought "
    "down by a 3×3 with stride 2; each is added, then comes the ReLU.",
    hint="`functional.interpolate(…, scale_factor=2, mode='nearest')` repeats every pixel.",
)
def _(answer: Answer) -> None:
    _fuse_case(answer, 4, 6, (5, 5))


@fuse.probe(
    "nothing is changed in place",
    idea="Both outputs are made of the maps that came in.",
    hint="`high += …` writes into the tensor that was handed in.",
)
def _(answer: Answer) -> None:
    given = (torch.randn(1, 4, 6, 6), torch.randn(1, 6, 3, 3))
    if not answer.keeps(*given, torch.randn(4, 6, 1, 1), torch.randn(6, 4, 3, 3)):
        raise Wrong("A map that was handed in has other values after the call.")


@fuse.probe(OTHER, idea="The maps need not be square.", hint=FIXED, hidden=True)
def _(answer: Answer) -> None:
    _fuse_case(answer, 3, 3, (4, 7))
    _fuse_case(answer, 5, 2, (1, 3))


EXERCISES = [preact_block, wide_parameters, grouped_width, scale_chain, fuse]
