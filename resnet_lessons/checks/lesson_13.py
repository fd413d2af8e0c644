"""What judges the mended networks of lesson 13, the bug clinic.

Each check asks two things: is the fault gone, and is everything else as it was?
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Broke, Module
from resnet_lessons.checks.comparing import basic_branch, built, same_gradients, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import BasicBlock, PreActBlock, cifar_resnet, conv3x3

ELSE = "and nothing else has changed"
BY_HEART = "other numbers"
GENERAL = "The cure must not depend on the example."
UNFIXED = "Is a number of the example written into the code?"


def case(name: str, number: int, title: str, difficulty: int, why: str) -> Exercise:
    """A case of the clinic: three points, about six minutes."""
    return Exercise(name, f"13.{number}", title, difficulty, 6, 3, why)


# --- 13.1: ReLU before the addition ---

bug_stream = case(
    "bug_stream", 1, "The stream that only grows", 1, "A residual must be able to take away."
)


def _basic(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, arguments[0], 8, 8))


@bug_stream.probe(
    "a value that falls",
    idea="F(x) is what the block adds to x. If it cannot be negative, no value can fall.",
    hint="Follow one value through `forward`. Where is it kept from becoming negative?",
)
def _(answer: Answer) -> None:
    x = torch.randn(4, 8, 6, 6).relu() + 1
    if not (_basic(answer, 8, 8).run(x, True).output < x - 1e-5).any():
        raise Wrong("In a fresh block, not one of 1,152 values is smaller than before.")


@bug_stream.probe(
    ELSE,
    idea="The block is relu(F(x) + x), with F as it was.",
    hint="One word too many was the fault; nothing has to be added.",
)
def _(answer: Answer) -> None:
    module, reference = _basic(answer, 8, 8), expect.stir(BasicBlock(8, 8)).eval()
    x = torch.randn(3, 8, 6, 5)
    branch = basic_branch(reference, x)
    mistakes = {
        "Now the ReLU behind the addition is missing.": branch + x,
        "Now x is added behind the last ReLU.": F.relu(branch) + x,
    }
    same_outputs(module, reference, x, mistakes)


@bug_stream.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    for channels in (3, 10):
        x = torch.randn(2, channels, 5, 9)
        same_outputs(
            _basic(answer, channels, channels), expect.stir(BasicBlock(channels, channels)), x
        )


# --- 13.2: a shortcut with bias and without batch normalisation ---

bug_shortcut = case(
    "bug_shortcut", 2, "Weights that do not load", 1, "Published weights fit one structure only."
)


@bug_shortcut.probe(
    "the number of parameters",
    idea="torchvision's projection is a 1×1 convolution without bias, and a batch normalisation.",
    hint="Compare the names and shapes in the two state dicts, one after the other.",
)
def _(answer: Answer) -> None:
    right = sum(p.numel() for p in BasicBlock(8, 12, 2).parameters())
    mistakes = {
        right - 12: "The convolution of the shortcut still has its bias, and no normalisation.",
        right + 12: "The convolution of the shortcut still has its bias.",
        right - 24: "The shortcut still has no batch normalisation.",
    }
    expect.parameter_count(_basic(answer, 8, 12, 2), right, mistakes)


@bug_shortcut.probe(
    ELSE,
    idea="With the weights of torchvision's block, the outputs are its outputs.",
    hint="The branch was right.",
)
def _(answer: Answer) -> None:
    for arguments in ((8, 12, 2), (8, 12, 1)):
        x = torch.randn(3, 8, 6, 7)
        same_outputs(_basic(answer, *arguments), expect.stir(BasicBlock(*arguments)), x)


@bug_shortcut.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    same_outputs(_basic(answer, 5, 9, 3), expect.stir(BasicBlock(5, 9, 3)), torch.randn(2, 5, 9, 8))
    same_outputs(_basic(answer, 7, 7, 1), expect.stir(BasicBlock(7, 7)), torch.randn(2, 7, 5, 8))


# --- 13.3: self.in_channels is read before it is set ---

bug_start = case(
    "bug_start", 3, "It does not even start", 1, "Stages hand the number of channels on."
)


def basic_stages(width: int, blocks: int, stages: int) -> list[nn.Module]:
    """Basic blocks in a row; each stage but the first doubles the channels and halves the map."""
    made, channels = [], width
    for number in range(stages):
        for place in range(blocks):
            made.append(BasicBlock(channels, width * 2**number, 2 if number and not place else 1))
            channels = width * 2**number
    return made


def small_resnet(width: int, blocks: int, classes: int) -> nn.Module:
    """Stem, two stages of basic blocks, head: what 13.3 should be."""
    stem = [conv3x3(3, width), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, classes)]
    return nn.Sequential(*stem, *basic_stages(width, blocks, 2), *head)


@bug_start.probe(
    "it starts",
    idea="An attribute that a method reads must be set before the method is called.",
    hint="The error names the attribute. Which value should it have before the first stage?",
)
def _(answer: Answer) -> None:
    expect.shape(
        built(answer, 8, 2, 10, example=(2, 3, 8, 8)).run(torch.randn(2, 3, 8, 8)).output, (2, 10)
    )


@bug_start.probe(
    ELSE,
    idea="Each block takes the channels that the one before it gives.",
    hint="After a block, the number of channels is that block's output.",
)
def _(answer: Answer) -> None:
    for arguments in ((8, 2, 10), (6, 1, 3)):
        x = torch.randn(2, 3, 12, 9)
        module = built(answer, *arguments, example=(2, 3, 8, 8))
        same_outputs(module, expect.stir(small_resnet(*arguments)), x)


@bug_start.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    module = built(answer, 5, 3, 4, example=(2, 3, 8, 8))
    same_outputs(module, expect.stir(small_resnet(5, 3, 4)), torch.randn(2, 3, 7, 8))


# --- 13.4: the difference of output and input is added to the output ---

bug_difference = case(
    "bug_difference", 4, "Weights without a gradient", 2, "The branch learns the residual itself."
)


@bug_difference.probe(
    "the branch gets a gradient",
    idea="What the layers compute must reach the output, else they cannot learn.",
    hint="Put F for the branch's output into the last line of `forward`, and simplify.",
)
def _(answer: Answer) -> None:
    x = torch.randn(4, 8, 6, 6) + 1
    gradients = _basic(answer, 8, 8).run(x, True, torch.randn(4, 8, 6, 6)).gradients
    largest = max((g.abs().max().item() for g in gradients.values() if g is not None), default=0)
    if not largest > 1e-4:
        raise Wrong(f"The largest gradient of any weight in the block is {largest:.1g}.")


@bug_difference.probe(
    ELSE,
    idea="y = relu(F(x) + x): nobody computes a difference.",
    hint="The layers' output *is* the residual. What is it added to?",
)
def _(answer: Answer) -> None:
    module, reference = _basic(answer, 8, 8), expect.stir(BasicBlock(8, 8)).eval()
    x = torch.randn(3, 8, 6, 5)
    branch = basic_branch(reference, x)
    mistakes = {
        "The output is relu(2·F(x) - x): the difference with its other sign.": F.relu(
            2 * branch - x
        ),
        "The output is relu(F(x)): the input is not added.": F.relu(branch),
        "The output is relu(F(x) - x).": F.relu(branch - x),
    }
    same_outputs(module, reference, x, mistakes)
    same_gradients(module, reference, x)


@bug_difference.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    same_outputs(_basic(answer, 5, 5), expect.stir(BasicBlock(5, 5)), torch.randn(2, 5, 9, 4))


# --- 13.5: stages that never downsample ---

bug_stages = case(
    "bug_stages", 5, "Eight by eight, all the way", 2, "Each stage but the first begins by halving."
)


def three_stages(width: int, blocks: int) -> nn.Module:
    """Three stages of basic blocks; the second and third halve: what 13.5 should be."""
    return nn.Sequential(*basic_stages(width, blocks, 3))


@bug_stages.probe(
    "the size of the last map",
    idea="Two halvings make 16×16 into 4×4.",
    hint="Print the stride of every block as it is made. When is the condition true?",
)
def _(answer: Answer) -> None:
    seen = built(answer, 8, 3, example=(1, 8, 16, 16)).run(torch.randn(1, 8, 16, 16)).output
    expect.shape(seen, (1, 32, 4, 4))


@bug_stages.probe(
    "where it halves",
    idea="The first block of the second and of the third stage halve, and no other.",
    hint="What tells the first block of a stage from the first block of the network?",
)
def _(answer: Answer) -> None:
    x = torch.randn(1, 8, 16, 16)
    module, reference = built(answer, 8, 3, example=x.shape), Module(three_stages(8, 3))
    maps = [[o.shape[1:] for o in each.trace(x) if o.name == "add"] for each in (module, reference)]
    told = [", ".join(expect.times(shape) for shape in shapes) for shapes in maps]
    expect.equal(*told, "the row of maps behind the blocks")


@bug_stages.probe(
    ELSE,
    idea="The blocks compute what they computed.",
    hint="Only the strides were wrong.",
)
def _(answer: Answer) -> None:
    module = built(answer, 6, 2, example=(1, 6, 16, 16))
    same_outputs(module, expect.stir(three_stages(6, 2)), torch.randn(2, 6, 12, 15))


@bug_stages.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    for arguments in ((4, 1), (5, 4)):
        module = built(answer, *arguments, example=(1, arguments[0], 16, 16))
        x = torch.randn(2, arguments[0], 9, 14)
        same_outputs(module, expect.stir(three_stages(*arguments)), x)


# --- 13.6: groups upside down ---

bug_groups = case(
    "bug_groups", 6, "Four times the parameters", 2, "Groups are a number of groups, not a width."
)


class GroupedBlock(nn.Module):
    """1×1, 3×3 in groups, 1×1, and the identity around them: what 13.6 should be."""

    def __init__(self, channels: int, groups: int, width: int) -> None:
        super().__init__()
        inside = groups * width
        self.branch = nn.Sequential(
            nn.Conv2d(channels, inside, 1, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            conv3x3(inside, inside, groups=groups),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + x)


def _grouped(answer: Answer, *arguments: int) -> Module:
    return built(answer, *arguments, example=(2, arguments[0], 6, 6))


@bug_groups.probe(
    "the groups of the 3×3",
    idea="With `groups=16` each of 16 groups sees its own channels only.",
    hint="`nn.Conv2d` wants to know how many groups there are.",
)
def _(answer: Answer) -> None:
    operations = _grouped(answer, 48, 16, 4).trace(torch.randn(1, 48, 6, 6))
    groups = [o.settings["groups"] for o in operations if o.name == "conv2d"]
    expect.equal(groups, [1, 16, 1], "the list of the three convolutions' groups")


@bug_groups.probe(
    ELSE,
    idea="1×1, grouped 3×3, 1×1, each normalised, and x is added.",
    hint="The widths were right: `groups` times the width of a group.",
)
def _(answer: Answer) -> None:
    x = torch.randn(2, 48, 6, 5)
    same_outputs(_grouped(answer, 48, 16, 4), expect.stir(GroupedBlock(48, 16, 4)), x)


@bug_groups.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    for arguments in ((20, 8, 3), (32, 2, 8)):
        x = torch.randn(2, arguments[0], 5, 6)
        same_outputs(_grouped(answer, *arguments), expect.stir(GroupedBlock(*arguments)), x)


# --- 13.7: the last batch normalisation and ReLU of a pre-activation network ---

bug_head = case(
    "bug_head",
    7,
    "A head that is shouted at",
    2,
    "No pre-activation block ends with a normalisation.",
)


class PreActNet(nn.Module):
    """Stem, pre-activation blocks, normalisation, ReLU, mean, head: what 13.7 should be."""

    def __init__(self, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.stem = conv3x3(1, width)
        self.blocks = nn.Sequential(*(PreActBlock(width, width) for _ in range(blocks)))
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.blocks(self.stem(x))))
        return self.fc(x.mean(dim=(2, 3)))


@bug_head.probe(
    "what the head gets does not grow with depth",
    idea="Nothing follows the last addition, so its sum is as large as depth makes it.",
    hint="In a pre-activation block the normalisation comes first. Which sum has none behind it?",
)
def _(answer: Answer) -> None:
    sizes = []
    for blocks in (2, 24):
        module = built(answer, 8, blocks, 10, example=(2, 1, 8, 8))
        scores = module.run(torch.randn(16, 1, 8, 8), training=True).output
        sizes.append(scores.std(dim=0).mean().item())
    if sizes[1] > 2.5 * sizes[0]:
        raise Wrong(
            f"In fresh networks, the scores spread {sizes[1] / sizes[0]:.1f} times as far with 24 "
            "blocks as with 2."
        )


@bug_head.probe(
    ELSE,
    idea="Behind the last block stand a batch normalisation and a ReLU; then the mean, the head.",
    hint="Both layers belong there, in the order that the blocks have, once.",
)
def _(answer: Answer) -> None:
    module, reference = built(answer, 8, 3, 10, example=(2, 1, 8, 8)), PreActNet(8, 3, 10)
    x = torch.randn(3, 1, 9, 7)
    expect.stir(reference).eval()
    with torch.no_grad():
        last = reference.bn(reference.blocks(reference.stem(x)))
        mistakes = {
            "The ReLU behind the last normalisation is missing.": reference.fc(last.mean((2, 3)))
        }
    same_outputs(module, reference, x, mistakes)


@bug_head.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    module = built(answer, 5, 4, 3, example=(2, 1, 8, 8))
    same_outputs(module, expect.stir(PreActNet(5, 4, 3)), torch.randn(3, 1, 6, 11))


# --- 13.8: a batch normalisation that was left out ---

bug_helper = case(
    "bug_helper", 8, "Sixteen parameters are missing", 1, "Helpers hide what is not passed on."
)


@bug_helper.probe(
    "the number of parameters",
    idea="Two convolutions without bias, each with a scale and a shift for each channel.",
    hint="Print the block. Which of the two layers of each kind is not there?",
)
def _(answer: Answer) -> None:
    right = sum(p.numel() for p in BasicBlock(8, 8).parameters())
    mistakes = {right - 16: "The second normalisation is still missing."}
    expect.parameter_count(_basic(answer, 8), right, mistakes)


@bug_helper.probe(
    ELSE,
    idea="The second convolution is normalised, and has no ReLU before the addition.",
    hint="`norm` and `relu` are two different things: pass on each by its name.",
)
def _(answer: Answer) -> None:
    module, reference = _basic(answer, 8), expect.stir(BasicBlock(8, 8)).eval()
    x = torch.randn(3, 8, 6, 5)
    branch = basic_branch(reference, x)
    mistakes = {"Now there is a ReLU before the addition.": F.relu(F.relu(branch) + x)}
    same_outputs(module, reference, x, mistakes)


@bug_helper.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    same_outputs(_basic(answer, 5), expect.stir(BasicBlock(5, 5)), torch.randn(2, 5, 9, 4))


# --- 13.9: the best epoch, chosen by the test set ---

bug_best = case(
    "bug_best", 9, "Better than guessing, by guessing", 2, "Whoever chooses has seen the answer."
)


@bug_best.probe(
    "the epoch that validation chooses",
    idea="The test set may be looked at once, after everything is chosen.",
    hint="Find the place of the smallest validation error, then look up the test error there.",
)
def _(answer: Answer) -> None:
    validation, test = [30.0, 22.0, 25.0, 28.0], [31.0, 26.0, 21.0, 29.0]
    mistakes = {
        21.0: "It is still the smallest test error.",
        22.0: "That is the validation error of that epoch, which is as biased.",
        29.0: "That is the test error of the last epoch; the best one is asked for.",
    }
    seen = answer(validation, test)
    if seen in mistakes:
        raise Wrong(f"For {validation} and {test} it gives {seen}. {mistakes[seen]}")
    expect.near(seen, 26.0, "the reported error")


@bug_best.probe(
    "on average right",
    idea="For a network that guesses, the error reported is on average the error of guessing.",
    hint="Only the validation errors may decide which number is returned.",
)
def _(answer: Answer) -> None:
    errors = 50 + 5 * torch.randn(40, 2, 20)
    reported = [float(answer(v.tolist(), t.tolist())) for v, t in errors]
    expect.near(sum(reported) / 40, 50.0, "the mean error of 40 guessing networks", 0.05)


@bug_best.probe(
    ELSE,
    idea="At equal validation errors the first epoch counts.",
    hint="`min` and `index` give the first.",
    hidden=True,
)
def _(answer: Answer) -> None:
    expect.near(answer([3.0, 2.0, 2.0], [7.0, 5.0, 1.0]), 5.0, "the reported error")
    expect.near(answer([3.0], [7.0]), 7.0, "the reported error of one epoch")


# --- 13.10: eval() forgotten ---

bug_batch = case(
    "bug_batch",
    10,
    "It depends on the neighbours",
    2,
    "In training mode a batch normalises itself.",
)


def _error_case(
    answer: Answer, seed: int, count: int, training: bool
) -> tuple[Module, Tensor, Tensor]:
    net = answer.make("cifar_resnet", 8, width=4, in_channels=1, seed=seed)
    net.run(torch.randn(64, 1, 12, 12) * 2 + 1, training=True)  # statistics unlike those of a batch
    net.run(torch.zeros(1, 1, 12, 12), training=training)  # leaves that mode
    return net, torch.randn(count, 1, 12, 12), torch.randint(10, (count,))


def _true_error(net: Module, images: Tensor, labels: Tensor) -> float:
    reference = cifar_resnet(8, width=4, in_channels=1)
    reference.load_state_dict({**net.parameters(), **net.buffers()})
    with torch.no_grad():
        wrong = reference.eval()(images).argmax(1) != labels
    return 100 * wrong.double().mean().item()


@bug_batch.probe(
    "the same error for every size of batch",
    idea="In evaluation mode an image is normalised by stored statistics, not by its neighbours.",
    hint="`net.eval()` switches every batch normalisation.",
)
def _(answer: Answer) -> None:
    net, images, labels = _error_case(answer, 1, 60, training=True)
    right = _true_error(net, images, labels)
    for size in (60, 7, 2):
        seen = answer(net, images, labels, size)
        expect.near(seen, right, f"the error with {size} images a batch", 1e-6)


@bug_batch.probe(
    "the statistics stay",
    idea="Measuring must not train: the running statistics are part of the network.",
    hint="In training mode every forward pass moves them.",
)
def _(answer: Answer) -> None:
    net, images, labels = _error_case(answer, 2, 30, training=True)
    before = net.buffers()
    answer(net, images, labels, 10)
    moved = [name for name, value in net.buffers().items() if not torch.equal(value, before[name])]
    if moved:
        raise Wrong(f"After measuring, `{moved[0]}` has another value.")


@bug_batch.probe(
    ELSE,
    idea="The error is the share of wrong images in percent, also if the last batch is smaller.",
    hint="Count the wrong ones, and divide once.",
    hidden=True,
)
def _(answer: Answer) -> None:
    net, images, labels = _error_case(answer, 3, 23, training=False)
    right = _true_error(net, images, labels)
    for size in (23, 8, 5):
        expect.near(answer(net, images, labels, size), right, "the error", 1e-6)


# --- 13.11: a checkpoint that was never loaded ---

bug_checkpoint = case(
    "bug_checkpoint", 11, "Ninety per cent wrong", 2, "strict=False forgives everything."
)


@bug_checkpoint.probe(
    "the weights arrive",
    idea="A key with another name is ignored in silence where `strict=False`.",
    hint="Print the first keys of the state and of `net.state_dict()`.",
)
def _(answer: Answer) -> None:
    _loads(answer, 4)


def _loads(answer: Answer, width: int) -> None:
    trained = answer.make("cifar_resnet", 8, width=width, seed=1)
    trained.run(torch.randn(16, 3, 8, 8), training=True)
    state = {**trained.parameters(), **trained.buffers()}
    net = answer.make("cifar_resnet", 8, width=width, seed=2)
    answer(net, {f"module.{name}": value for name, value in state.items()})
    now = {**net.parameters(), **net.buffers()}
    missed = [name for name, value in state.items() if not torch.equal(now[name], value)]
    if missed:
        raise Wrong(
            f"{len(missed)} of {len(state)} tensors of the network are not those of the state, "
            f"`{missed[0]}` for one."
        )


@bug_checkpoint.probe(
    "what does not fit is refused",
    idea="A network with some weights missing runs, and is wrong: better an error.",
    hint="`strict=True` is the default, and does just that.",
)
def _(answer: Answer) -> None:
    trained = answer.make("cifar_resnet", 8, width=4, seed=1)
    state = {
        f"module.{name}": v for name, v in {**trained.parameters(), **trained.buffers()}.items()
    }
    lacking = {name: value for name, value in state.items() if name != "module.fc.weight"}
    for what, given in (
        ("lacks `fc.weight`", lacking),
        ("has one more", {**state, "module.more": state["module.fc.bias"]}),
    ):
        try:
            answer(answer.make("cifar_resnet", 8, width=4, seed=3), given)
        except Broke:
            continue
        raise Wrong(f"A state that {what} is loaded without a word.")


@bug_checkpoint.probe(
    ELSE,
    idea="A state without the prefix loads as before.",
    hint="Take the prefix off where it stands, and only at the beginning of a name.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _loads(answer, 6)
    trained = answer.make("cifar_resnet", 8, width=4, seed=5)
    state = {**trained.parameters(), **trained.buffers()}
    net = answer.make("cifar_resnet", 8, width=4, seed=6)
    answer(net, state)
    if not torch.equal(net.parameters()["fc.weight"], state["fc.weight"]):
        raise Wrong("A state whose names have no prefix is not loaded any more.")


# --- 13.12: curves that nobody measured ---

bug_curve = case(
    "bug_curve", 12, "A curve too smooth", 1, "A curve is measured, or it is a drawing."
)


@bug_curve.probe(
    "other trainings, other curves",
    idea="What is drawn must come from what was measured.",
    hint="Which of the arguments does the function use?",
)
def _(answer: Answer) -> None:
    one, other = ([80.0, 40.0, 45.0], [70.0, 71.0, 20.0])
    if answer("Plain-20", one) == answer("Plain-20", other):
        raise Wrong("Two trainings with different errors give one and the same curve.")


@bug_curve.probe(
    "the points are the measured ones",
    idea="Neither smoothed, nor scaled, nor sorted: a bump is a result too.",
    hint="Epochs are counted from 1.",
)
def _(answer: Answer) -> None:
    _same_curve(answer, [80.0, 40.0, 45.0])


def _same_curve(answer: Answer, errors: list[float]) -> None:
    seen = answer("Plain-20", errors)
    right = tuple((epoch, error) for epoch, error in enumerate(errors, 1))
    expect.equal(seen, right, f"the curve of the errors {errors}")


@bug_curve.probe(
    BY_HEART,
    idea="A training that failed, or has one epoch, has a curve too.",
    hint=UNFIXED,
    hidden=True,
)
def _(answer: Answer) -> None:
    for errors in ([90.0], [90.0] * 4, [50.0, 60.0, 70.0, 80.0, 90.0]):
        _same_curve(answer, errors)


# --- 13.13: the stages, off by one ---

bug_sizes = case(
    "bug_sizes", 13, "Off by one stage", 1, "The stem halves twice before the first stage begins."
)


def _sizes(image: int) -> tuple[int, ...]:
    size = -(-image // 2)  # 7×7, stride 2
    size = -(-size // 2)  # pooling, stride 2
    sizes = [size]
    for _ in range(3):
        size = -(-size // 2)
        sizes.append(size)
    return tuple(sizes)


@bug_sizes.probe(
    "a photo of 224 pixels",
    idea="Stem 112, pool 56; stage 1 keeps it, and each of the others halves.",
    hint="Let `shape_table(resnet18(), (1, 3, 224, 224))` tell you.",
)
def _(answer: Answer) -> None:
    expect.equal(answer(224), _sizes(224), "the list of the four stages' sizes")


@bug_sizes.probe(
    "sizes that do not halve evenly",
    idea="A 3×3 convolution with stride 2 and padding 1 rounds up.",
    hint="`-(-n // 2)` is n/2, rounded up.",
)
def _(answer: Answer) -> None:
    for image in (97, 200):
        expect.equal(answer(image), _sizes(image), f"the list of sizes for {image} pixels")


@bug_sizes.probe(BY_HEART, idea=GENERAL, hint=UNFIXED, hidden=True)
def _(answer: Answer) -> None:
    for image in (33, 64, 193, 257):
        expect.equal(answer(image), _sizes(image), f"the list of sizes for {image} pixels")


EXERCISES = [
    bug_stream, bug_shortcut, bug_start, bug_difference, bug_stages, bug_groups, bug_head,
    bug_helper, bug_best, bug_batch, bug_checkpoint, bug_curve, bug_sizes,
]  # fmt: skip
