"""What judges the mended networks of lesson 13, the bug clinic.

Each check asks two things: is the fault gone, and is everything else as it was? The solution is
what the patient should be.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Broke, ModuleView
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import (
    Call,
    Case,
    Gradients,
    Outputs,
    Parameters,
    Shapes,
    built,
    call,
    edited,
)
from resnet_lessons.checks.lesson_03 import (
    ResidualBlock,
    bias_for_normalisation,
    bias_in_shortcut,
    convolution_always,
    joining,
    one_normalisation_missing,
    where_it_changes,
)
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import BasicBlock, PreActBlock, ResNet, conv3x3, make_stage

ELSE = "and nothing else has changed"
BY_HEART = "other numbers"
GENERAL = "The cure must not depend on the example."
UNFIXED = "Is a number of the example written into the code?"

patient = partial(Exercise, minutes=6, points=3)


def other_numbers(*given: tuple) -> Outputs:
    """What a network computes with numbers that the example does not have."""
    return Outputs(BY_HEART, given, GENERAL, UNFIXED, hidden=True)


# --- 13.1: ReLU before the addition ---

NEVER_FALLS = "In a fresh block, not one of 1,152 values is smaller than before."


def can_fall(answer: Answer) -> None:
    x = torch.randn(4, 8, 6, 6).relu() + 1
    if not (built(answer, 8, 8, example=x.shape).run(x, True).output < x - 1e-5).any():
        raise Wrong(NEVER_FALLS)


bug_stream = patient(
    name="bug_stream",
    number="13.1",
    title="The stream that only grows",
    difficulty=1,
    why="A residual must be able to take away.",
    solution=ResidualBlock,
    cases=[
        Probe(
            "a value that falls",
            idea="F(x) is what the block adds to x. If it cannot be negative, no value can fall.",
            hint="Follow one value through `forward`. Where is it kept from becoming negative?",
            look=can_fall,
            mistakes={
                NEVER_FALLS: (
                    joining(lambda f, x: F.relu(F.relu(f) + x)),
                    joining(lambda f, x: F.relu(f) + x),
                )
            },
        ),
        Outputs(
            ELSE,
            [((8, 8), (3, 8, 6, 5))],
            idea="The block is relu(F(x) + x), with F as it was.",
            hint="One word too many was the fault; nothing has to be added.",
            mistakes={"Now the ReLU behind the addition is missing.": joining(lambda f, x: f + x)},
        ),
        other_numbers(((3, 3), (2, 3, 5, 9)), ((10, 10), (2, 10, 5, 9))),
    ],
)

# --- 13.2: a shortcut with bias and without batch normalisation ---

bug_shortcut = patient(
    name="bug_shortcut",
    number="13.2",
    title="Weights that do not load",
    difficulty=1,
    why="Published weights fit one structure only.",
    solution=ResidualBlock,
    cases=[
        Parameters(
            "the number of parameters",
            [((8, 12, 2), (2, 8, 8, 8))],
            idea="torchvision's projection is a 1×1 convolution without bias, and a batch "
            "normalisation.",
            hint="Compare the names and shapes in the two state dicts, one after the other.",
            mistakes={
                "The convolution of the shortcut still has its bias, and no normalisation.": (
                    where_it_changes(bias_for_normalisation)
                ),
                "The convolution of the shortcut still has its bias.": where_it_changes(
                    bias_in_shortcut
                ),
                "The shortcut still has no batch normalisation.": where_it_changes(
                    convolution_always
                ),
            },
        ),
        Outputs(
            ELSE,
            [((8, 12, 2), (3, 8, 6, 7)), ((8, 12, 1), (3, 8, 6, 7))],
            idea="With the weights of torchvision's block, the outputs are its outputs.",
            hint="The branch was right.",
        ),
        other_numbers(((5, 9, 3), (2, 5, 9, 8)), ((7, 7, 1), (2, 7, 5, 8))),
    ],
)

# --- 13.3: self.inplanes is read before it is set ---


def small_resnet(width: int, blocks: int, classes: int) -> nn.Module:
    return ResNet((blocks, blocks), classes, stem="cifar", channels=(width, 2 * width))


bug_start = patient(
    name="bug_start",
    number="13.3",
    title="It does not even start",
    difficulty=1,
    why="Stages hand the number of channels on.",
    solution=small_resnet,
    cases=[
        Shapes(
            "it starts",
            [((8, 2, 10), (2, 3, 8, 8))],
            idea="An attribute that a method reads must be set before the method is called.",
            hint="The error names the attribute. Which value should it have before the first "
            "stage?",
        ),
        Outputs(
            ELSE,
            [((8, 2, 10), (2, 3, 12, 9)), ((6, 1, 3), (2, 3, 12, 9))],
            idea="Each block takes the channels that the one before it gives.",
            hint="After a block, the number of channels is that block's output.",
        ),
        other_numbers(((5, 3, 4), (2, 3, 7, 8))),
    ],
)

# --- 13.4: the difference of output and input is added to the output ---


def branch_can_learn(answer: Answer) -> None:
    x = torch.randn(4, 8, 6, 6) + 1
    run = built(answer, 8, 8, example=x.shape).run(x, True, torch.randn(4, 8, 6, 6))
    sizes = (g.abs().max().item() for g in run.gradients.values() if g is not None)
    largest = max(sizes, default=0)
    if not largest > 1e-4:
        raise Wrong(f"The largest gradient of any weight in the block is {largest:.1g}.")


bug_difference = patient(
    name="bug_difference",
    number="13.4",
    title="Weights without a gradient",
    difficulty=2,
    why="The branch learns the residual itself.",
    solution=ResidualBlock,
    cases=[
        Probe(
            "the branch gets a gradient",
            idea="What the layers compute must reach the output, else they cannot learn.",
            hint="Put F for the branch's output into the last line of `forward`, and simplify.",
            look=branch_can_learn,
        ),
        Outputs(
            ELSE,
            [((8, 8), (3, 8, 6, 5))],
            idea="y = relu(F(x) + x): nobody computes a difference.",
            hint="The layers' output *is* the residual. What is it added to?",
            mistakes={
                "The output is relu(2·F(x) - x): the difference with its other sign.": joining(
                    lambda f, x: F.relu(2 * f - x)
                ),
                "The output is relu(F(x)): the input is not added.": joining(
                    lambda f, x: F.relu(f)
                ),
                "The output is relu(F(x) - x).": joining(lambda f, x: F.relu(f - x)),
            },
        ),
        Gradients(
            "the gradient through both ways",
            [((8, 8), (3, 8, 6, 5))],
            idea="What arrives at the output goes back through the shortcut and through the "
            "branch.",
            hint="Do not detach anything, and do not compute under `torch.no_grad()`.",
        ),
        other_numbers(((5, 5), (2, 5, 9, 4))),
    ],
)

# --- 13.5: stages that never downsample ---


def three_stages(width: int, blocks: int) -> nn.Module:
    return nn.Sequential(
        make_stage(BasicBlock, width, width, blocks),
        make_stage(BasicBlock, width, 2 * width, blocks, stride=2),
        make_stage(BasicBlock, 2 * width, 4 * width, blocks, stride=2),
    )


def maps_behind_blocks(answer: Answer, width: int, blocks: int) -> str:
    x = torch.zeros(1, width, 16, 16)
    operations = built(answer, width, blocks, example=x.shape).trace(x)
    return ", ".join(expect.times(o.shape[1:]) for o in operations if o.name == "add")


bug_stages = patient(
    name="bug_stages",
    number="13.5",
    title="Eight by eight, all the way",
    difficulty=2,
    why="Each stage but the first begins by halving.",
    solution=three_stages,
    cases=[
        Shapes(
            "the size of the last map",
            [((8, 3), (1, 8, 16, 16))],
            idea="Two halvings make 16×16 into 4×4.",
            hint="Print the stride of every block as it is made. When is the condition true?",
        ),
        Case(
            "where it halves",
            [(8, 3)],
            idea="The first block of the second and of the third stage halve, and no other.",
            hint="What tells the first block of a stage from the first block of the network?",
            see=maps_behind_blocks,
            what="the row of maps behind the blocks",
        ),
        Outputs(
            ELSE,
            [((6, 2), (2, 6, 12, 15))],
            idea="The blocks compute what they computed.",
            hint="Only the strides were wrong.",
        ),
        other_numbers(((4, 1), (2, 4, 9, 14)), ((5, 4), (2, 5, 9, 14))),
    ],
)

# --- 13.6: groups upside down ---


class GroupedBlock(nn.Module):
    """1×1, 3×3 in groups, 1×1, and the identity around them."""

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


def groups_of(answer: Answer, channels: int, groups: int, width: int) -> list[int]:
    x = torch.zeros(1, channels, 6, 6)
    operations = built(answer, channels, groups, width, example=x.shape).trace(x)
    return [o.settings["groups"] for o in operations if o.name == "conv2d"]


bug_groups = patient(
    name="bug_groups",
    number="13.6",
    title="Four times the parameters",
    difficulty=2,
    why="Groups are a number of groups, not a width.",
    solution=GroupedBlock,
    cases=[
        Case(
            "the groups of the 3×3",
            [(48, 16, 4)],
            idea="With `groups=16` each of 16 groups sees its own channels only.",
            hint="`nn.Conv2d` wants to know how many groups there are.",
            see=groups_of,
            what="the list of the three convolutions' groups",
        ),
        Outputs(
            ELSE,
            [((48, 16, 4), (2, 48, 6, 5))],
            idea="1×1, grouped 3×3, 1×1, each normalised, and x is added.",
            hint="The widths were right: `groups` times the width of a group.",
        ),
        other_numbers(((20, 8, 3), (2, 20, 5, 6)), ((32, 2, 8), (2, 32, 5, 6))),
    ],
)

# --- 13.7: the last batch normalisation and ReLU of a pre-activation network ---


def ending(end: Callable[[int], list[nn.Module]]) -> Callable[[int, int, int], nn.Module]:
    """Stem, pre-activation blocks, what `end` makes for so many channels, mean, head."""

    def net(width: int, blocks: int, classes: int) -> nn.Module:
        body = [conv3x3(1, width), *(PreActBlock(width, width) for _ in range(blocks))]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
        return nn.Sequential(*body, *end(width), *head)

    return net


def same_size_at_any_depth(answer: Answer) -> None:
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


bug_head = patient(
    name="bug_head",
    number="13.7",
    title="A head that is shouted at",
    difficulty=2,
    why="No pre-activation block ends with a normalisation.",
    solution=ending(lambda width: [nn.BatchNorm2d(width), nn.ReLU()]),
    cases=[
        Probe(
            "what the head gets does not grow with depth",
            idea="Nothing follows the last addition, so its sum is as large as depth makes it.",
            hint="In a pre-activation block the normalisation comes first. Which sum has none "
            "behind it?",
            look=same_size_at_any_depth,
        ),
        Outputs(
            ELSE,
            [((8, 3, 10), (3, 1, 9, 7))],
            idea="Behind the last block stand a batch normalisation and a ReLU; then the mean, the "
            "head.",
            hint="Both layers belong there, in the order that the blocks have, once.",
            mistakes={
                "The ReLU behind the last normalisation is missing.": ending(
                    lambda width: [nn.BatchNorm2d(width)]
                ),
            },
        ),
        other_numbers(((5, 4, 3), (3, 1, 6, 11))),
    ],
)

# --- 13.8: a batch normalisation that was left out ---


def with_equal_channels(block: type[nn.Module]) -> Callable[[int], nn.Module]:
    return lambda channels: block(channels, channels)


bug_helper = patient(
    name="bug_helper",
    number="13.8",
    title="Sixteen parameters are missing",
    difficulty=1,
    why="Helpers hide what is not passed on.",
    solution=with_equal_channels(ResidualBlock),
    cases=[
        Parameters(
            "the number of parameters",
            [((8,), (2, 8, 8, 8))],
            idea="Two convolutions without bias, each with a scale and a shift for each channel.",
            hint="Print the block. Which of the two layers of each kind is not there?",
            mistakes={
                "The second normalisation is still missing.": with_equal_channels(
                    edited(ResidualBlock, one_normalisation_missing)
                ),
            },
        ),
        Outputs(
            ELSE,
            [((8,), (3, 8, 6, 5))],
            idea="The second convolution is normalised, and has no ReLU before the addition.",
            hint="`norm` and `relu` are two different things: pass on each by its name.",
            mistakes={
                "Now there is a ReLU before the addition.": with_equal_channels(
                    joining(lambda f, x: F.relu(F.relu(f) + x))
                ),
            },
        ),
        other_numbers(((5,), (2, 5, 9, 4))),
    ],
)

# --- 13.9: the best epoch, chosen by the test set ---


def error_of_best(validation: list[float], test: list[float]) -> float:
    return test[validation.index(min(validation))]


def mean_reported(answer: Answer, errors: Tensor) -> float:
    return sum(float(answer(v.tolist(), t.tolist())) for v, t in errors) / len(errors)


def same_error(
    seen: object, right: float, what: str, wrong: Mapping[str, float] | None = None
) -> None:
    """A reported error; a known mistake is told with what was given."""
    if wrong:
        raise Wrong(f"{what} {seen}. {' '.join(wrong)}")
    expect.near(seen, right, "the reported error")


bug_best = patient(
    name="bug_best",
    number="13.9",
    title="Better than guessing, by guessing",
    difficulty=2,
    why="Whoever chooses has seen the answer.",
    solution=error_of_best,
    what="For {} and {} it gives".format,
    cases=[
        Case(
            "the epoch that validation chooses",
            [([30.0, 22.0, 25.0, 28.0], [31.0, 26.0, 21.0, 29.0])],
            idea="The test set may be looked at once, after everything is chosen.",
            hint="Find the place of the smallest validation error, then look up the test error "
            "there.",
            compare=same_error,
            mistakes={
                "It is still the smallest test error.": lambda validation, test: min(test),
                "That is the validation error of that epoch, which is as biased.": (
                    lambda validation, test: min(validation)
                ),
                "That is the test error of the last epoch; the best one is asked for.": (
                    lambda validation, test: test[-1]
                ),
            },
        ),
        Case(
            "on average right",
            lambda: [call(50 + 5 * torch.randn(40, 2, 20))],
            idea="For a network that guesses, the error reported is on average the error of "
            "guessing.",
            hint="Only the validation errors may decide which number is returned.",
            see=mean_reported,
            what="the mean error of 40 guessing networks",
        ),
        Case(
            ELSE,
            [([3.0, 2.0, 2.0, 4.0], [7.0, 5.0, 3.0, 1.0]), ([3.0], [7.0])],
            idea="At equal validation errors the first epoch counts.",
            hint="`min` and `index` give the first.",
            compare=same_error,
            hidden=True,
        ),
    ],
)

# --- 13.10: eval() forgotten ---


def error_in_percent(net: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> float:
    net.eval()
    wrong = 0
    with torch.no_grad():
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            wrong += (net(x).argmax(1) != y).sum().item()
    return 100 * wrong / len(images)


def batches(count: int, *sizes: int, training: bool = True) -> list[Call]:
    before = torch.randn(64, 1, 12, 12) * 2 + 1
    images, labels = torch.randn(count, 1, 12, 12), torch.randint(10, (count,))
    return [call(before, training, images, labels, size) for size in sizes]


def prepared_net(answer: Answer, before: Tensor, training: bool) -> ModuleView:
    """A network whose statistics are unlike those of a batch, left in either mode."""
    net = answer.make("cifar_resnet", 8, width=4, in_channels=1, seed=1)
    net.run(before, training=True)
    net.set_mode(training)
    return net


def error_after(answer: Answer, before: Tensor, training: bool, *given: object) -> object:
    return answer(prepared_net(answer, before, training), *given)


def statistics_stay(answer: Answer) -> None:
    before, training, *given = batches(30, 10)[0].args
    net = prepared_net(answer, before, training)
    statistics = net.buffers()
    answer(net, *given)
    moved = [name for name, value in net.buffers().items() if (value != statistics[name]).any()]
    if moved:
        raise Wrong(f"After measuring, `{moved[0]}` has another value.")


bug_batch = patient(
    name="bug_batch",
    number="13.10",
    title="It depends on the neighbours",
    difficulty=2,
    why="In training mode a batch normalises itself.",
    solution=error_in_percent,
    what="the error with {4} images a batch".format,
    cases=[
        Case(
            "the same error for every size of batch",
            lambda: batches(60, 60, 7, 2),
            idea="In evaluation mode an image is normalised by stored statistics, not by its "
            "neighbours.",
            hint="`net.eval()` switches every batch normalisation.",
            see=error_after,
        ),
        Probe(
            "the statistics stay",
            idea="Measuring must not train: the running statistics are part of the network.",
            hint="In training mode every forward pass moves them.",
            look=statistics_stay,
        ),
        Case(
            ELSE,
            lambda: batches(23, 23, 8, 5, training=False),
            idea="The error is the share of wrong images in percent, also if the last batch is "
            "smaller.",
            hint="Count the wrong ones, and divide once.",
            see=error_after,
            hidden=True,
        ),
    ],
)

# --- 13.11: a checkpoint that was never loaded ---


def load_unwrapped(net: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    net.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return net


def state_of(net: ModuleView, prefix: str = "") -> dict[str, Tensor]:
    tensors = {**net.parameters(), **net.buffers()}
    return {prefix + name: value for name, value in tensors.items()}


def weights_arrive(answer: Answer, width: int = 4) -> None:
    trained = answer.make("cifar_resnet", 8, width=width, seed=1)
    trained.run(torch.randn(16, 3, 8, 8), training=True)
    net = answer.make("cifar_resnet", 8, width=width, seed=2)
    answer(net, state_of(trained, "module."))
    state, now = state_of(trained), state_of(net)
    missed = [name for name, value in state.items() if not torch.equal(now[name], value)]
    if missed:
        raise Wrong(
            f"{len(missed)} of {len(state)} tensors of the network are not those of the state, "
            f"`{missed[0]}` for one."
        )


def misfits_are_refused(answer: Answer) -> None:
    state = state_of(answer.make("cifar_resnet", 8, width=4, seed=1), "module.")
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


def other_states_load(answer: Answer) -> None:
    weights_arrive(answer, 6)
    state = state_of(answer.make("cifar_resnet", 8, width=4, seed=5))
    net = answer.make("cifar_resnet", 8, width=4, seed=6)
    answer(net, state)
    if not torch.equal(net.parameters()["fc.weight"], state["fc.weight"]):
        raise Wrong("A state whose names have no prefix is not loaded any more.")


bug_checkpoint = patient(
    name="bug_checkpoint",
    number="13.11",
    title="Ninety per cent wrong",
    difficulty=2,
    why="strict=False forgives everything.",
    solution=load_unwrapped,
    cases=[
        Probe(
            "the weights arrive",
            idea="A key with another name is ignored in silence where `strict=False`.",
            hint="Print the first keys of the state and of `net.state_dict()`.",
            look=weights_arrive,
        ),
        Probe(
            "what does not fit is refused",
            idea="A network with some weights missing runs, and is wrong: better an error.",
            hint="`strict=True` is the default, and does just that.",
            look=misfits_are_refused,
        ),
        Probe(
            ELSE,
            idea="A state without the prefix loads as before.",
            hint="Take the prefix off where it stands, and only at the beginning of a name.",
            look=other_states_load,
            hidden=True,
        ),
    ],
)

# --- 13.12: curves that nobody measured ---

ONE_CURVE = "Two trainings with different errors give one and the same curve."


def measured_curve(label: str, errors: list[float]) -> list[tuple[int, float]]:
    return list(enumerate(errors, 1))


def curves_differ(answer: Answer) -> None:
    if answer("Plain-20", [80.0, 40.0, 45.0]) == answer("Plain-20", [70.0, 71.0, 20.0]):
        raise Wrong(ONE_CURVE)


bug_curve = patient(
    name="bug_curve",
    number="13.12",
    title="A curve too smooth",
    difficulty=1,
    why="A curve is measured, or it is a drawing.",
    solution=measured_curve,
    what="the curve of the errors {1}".format,
    cases=[
        Probe(
            "other trainings, other curves",
            idea="What is drawn must come from what was measured.",
            hint="Which of the arguments does the function use?",
            look=curves_differ,
            mistakes={ONE_CURVE: lambda label, errors: [(1, 50.0), (2, 38.0), (3, 29.0)]},
        ),
        Case(
            "the points are the measured ones",
            [("Plain-20", [80.0, 40.0, 45.0])],
            idea="Neither smoothed, nor scaled, nor sorted: a bump is a result too.",
            hint="Epochs are counted from 1.",
        ),
        Case(
            BY_HEART,
            [("Plain-20", errors) for errors in ([90.0], [90.0] * 4, [50.0, 60.0, 70.0, 80.0])],
            idea="A training that failed, or has one epoch, has a curve too.",
            hint=UNFIXED,
            hidden=True,
        ),
    ],
)

# --- 13.13: the stages, off by one ---


def stage_sizes(image: int) -> tuple[int, ...]:
    return tuple(-(-image // 2**halvings) for halvings in (2, 3, 4, 5))


bug_sizes = patient(
    name="bug_sizes",
    number="13.13",
    title="Off by one stage",
    difficulty=1,
    why="The stem halves twice before the first stage begins.",
    solution=stage_sizes,
    what="the list of sizes for {} pixels".format,
    cases=[
        Case(
            "a photo of 224 pixels",
            [(224,)],
            idea="Stem 112, pool 56; stage 1 keeps it, and each of the others halves.",
            hint="Let `shape_table(resnet18(), (1, 3, 224, 224))` tell you.",
            what="the list of the four stages' sizes",
        ),
        Case(
            "sizes that do not halve evenly",
            [(97,), (200,)],
            idea="A 3×3 convolution with stride 2 and padding 1 rounds up.",
            hint="`-(-n // 2)` is n/2, rounded up.",
        ),
        Case(BY_HEART, [(33,), (64,), (193,), (257,)], GENERAL, UNFIXED, hidden=True),
    ],
)

EXERCISES = [
    bug_stream, bug_shortcut, bug_start, bug_difference, bug_stages, bug_groups, bug_head,
    bug_helper, bug_best, bug_batch, bug_checkpoint, bug_curve, bug_sizes,
]  # fmt: skip
