"""Mended and badly mended networks of lesson 13, besides those that its checks know by name."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from answers import accepted, learner, rejections
from resnet_lessons.checks.forms import edited, variant
from resnet_lessons.networks import BasicBlock, conv3x3, make_stage

BLOCKS, THEIRS = learner("lesson_03"), learner("lesson_13")
Block, joining = BLOCKS.ResidualBlock, BLOCKS.joining
ELSE = "and nothing else has changed"
BY_HEART = "other numbers"


class Turned(nn.Module):
    """A residual block written the other way round: the shortcut first, as a sequence."""

    def __init__(self, c, k, stride=1):
        super().__init__()
        self.out_channels = k
        self.around = nn.Sequential()
        if (c, 1) != (k, stride):
            self.around = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))
        self.steps = nn.Sequential(
            nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k), nn.ReLU(),
            nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k),
        )  # fmt: skip

    def forward(self, x):
        return (self.around(x) + self.steps(x)).clamp(min=0)


for name in ("bug_stream", "bug_shortcut", "bug_difference"):
    accepted(name, "as torchvision has it", Block)
    accepted(name, "the other way round", Turned)

# --- bug_stream ---

rejections(
    "bug_stream",
    {
        ELSE: {
            "the shortcut removed": ("differs from", joining(lambda f, x: F.relu(f))),
            "the branch subtracted": ("differs from", joining(lambda f, x: F.relu(x - F.relu(f)))),
            "tanh for ReLU": ("differs from", joining(lambda f, x: F.relu(torch.tanh(f) + x))),
        }
    },
)

# --- bug_shortcut ---


def normalised_before(block):
    conv = block.shortcut[0]
    block.shortcut = nn.Sequential(nn.BatchNorm2d(conv.in_channels), conv)


rejections(
    "bug_shortcut",
    {
        "the number of parameters": {
            "normalised before": (
                "parameters; expected",
                BLOCKS.where_it_changes(normalised_before),
            )
        },
        ELSE: {"a ReLU with it": ("differs from", joining(lambda f, x: F.relu(f + F.relu(x))))},
        BY_HEART: {
            "projection everywhere": (
                "expected are 2 convolutions",
                edited(Block, BLOCKS.projection_always),
            )
        },
    },
)

# --- bug_start ---


@accepted("bug_start", "stage by stage")
def stage_by_stage(width, blocks, classes):
    stem = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    stages = (make_stage(Turned, width, n * width, blocks, n) for n in (1, 2))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, classes)]
    return nn.Sequential(*stem, *stages, *head)


class ReadTooEarly(nn.Module):
    def __init__(self, width, blocks, classes):
        super().__init__()
        self.layer1 = make_stage(Block, self.inplanes, width, blocks)


def stride_everywhere(width, blocks, classes):
    net = THEIRS.small_resnet(width, blocks, classes)
    net.layer2[-1] = BasicBlock(2 * width, 2 * width, 2)
    return net


rejections(
    "bug_start",
    {
        "it starts": {"as published": ("object has no attribute 'inplanes'", ReadTooEarly)},
        ELSE: {
            "eight by heart": ("weights of shape", lambda w, b, c: THEIRS.small_resnet(8, b, c)),
            "stride everywhere": ("expected are 10 convolutions", stride_everywhere),
        },
    },
)

# --- bug_difference ---

rejections(
    "bug_difference",
    {
        "the branch gets a gradient": {
            "as published": ("largest gradient", joining(lambda f, x: F.relu(f + (x - f))))
        },
        ELSE: {"half of each": ("differs from", joining(lambda f, x: F.relu((f + x) / 2)))},
        "the gradient through both ways": {
            "detached shortcut": (
                "the gradient of the input",
                joining(lambda f, x: F.relu(f + x.detach())),
            )
        },
    },
)

# --- bug_stages ---


def staged(halves):
    """Blocks in a row, of which those halve that a rule chooses by their stage and place."""

    def build(width, blocks):
        made, channels = [], width
        for stage in range(3):
            for place in range(blocks):
                made.append(Block(channels, width * 2**stage, 2 if halves(stage, place) else 1))
                channels = width * 2**stage
        return nn.Sequential(*made)

    return build


accepted("bug_stages", "by stage and place", staged(lambda s, place: s > 0 and place == 0))
rejections(
    "bug_stages",
    {
        "the size of the last map": {
            "as published": ("1×32×8×8", staged(lambda s, place: s == place == 0)),
            "never": ("1×32×16×16", staged(lambda s, place: False)),
            "the first stage too": ("1×32×2×2", staged(lambda s, place: place == 0)),
            "every block of a stage": ("1×32×1×1", staged(lambda s, place: s > 0)),
        },
        "where it halves": {
            "the last block of a stage": (
                "8×16×16, 8×16×16, 8×8×8",
                staged(lambda s, place: s < 2 and place == 2),
            )
        },
        BY_HEART: {
            "three by heart": ("expected are", lambda w, b: THEIRS.three_stages(w, min(b, 3)))
        },
    },
)

# --- bug_groups ---


def grouped(count):
    """The block with another number of groups, by the channels inside and the right number."""

    def edit(block):
        inside, groups = block.branch[3].in_channels, block.branch[3].groups
        block.branch[3] = conv3x3(inside, inside, groups=count(inside, groups))

    return edited(THEIRS.GroupedBlock, edit)


def no_relu(block):
    block.branch[5] = nn.Identity()


rejections(
    "bug_groups",
    {
        "the groups of the 3×3": {
            "as published": ("`[1, 4, 1]`", grouped(lambda inside, groups: inside // groups)),
            "no groups": ("`[1, 1, 1]`", grouped(lambda inside, groups: 1)),
            "depthwise": ("`[1, 64, 1]`", grouped(lambda inside, groups: inside)),
        },
        ELSE: {
            "shortcut lost": (
                "differs from",
                variant(THEIRS.GroupedBlock, forward=lambda self, x: F.relu(self.branch(x))),
            ),
            "a ReLU lost": ("differs from", edited(THEIRS.GroupedBlock, no_relu)),
        },
        BY_HEART: {
            "sixteen by heart": ("stops with ValueError", grouped(lambda inside, groups: 16))
        },
    },
)

# --- bug_head ---

ending = THEIRS.ending

rejections(
    "bug_head",
    {
        "what the head gets does not grow with depth": {
            "as published": ("times as far", ending(lambda width: [])),
            "only the ReLU": ("times as far", ending(lambda width: [nn.ReLU()])),
        },
        ELSE: {
            "ReLU first": (
                "differs from",
                ending(lambda width: [nn.ReLU(), nn.BatchNorm2d(width)]),
            ),
            "another normalisation": (
                "batch normalisations",
                ending(lambda width: [nn.GroupNorm(1, width), nn.ReLU()]),
            ),
            "largest instead of mean": (
                "differs from",
                ending(lambda n: [nn.BatchNorm2d(n), nn.ReLU(), nn.AdaptiveMaxPool2d(1)]),
            ),
        },
    },
)

# --- bug_helper ---

square = THEIRS.with_equal_channels

accepted("bug_helper", "the other way round", square(Turned))
rejections(
    "bug_helper",
    {
        "the number of parameters": {
            "both lost": ("1,152 parameters", square(edited(Block, BLOCKS.no_normalisation)))
        },
        ELSE: {
            "the middle ReLU lost": (
                "differs from",
                square(variant(Block, branch=BLOCKS.no_relu_between)),
            ),
            "the last ReLU lost": ("differs from", square(joining(lambda f, x: f + x))),
        },
        BY_HEART: {"eight by heart": ("stops with", lambda channels: Block(8, 8))},
    },
)

# --- bug_best ---

accepted("bug_best", "with torch", lambda v, t: t[int(torch.tensor(v).argmin())])
rejections(
    "bug_best",
    {
        "the epoch that validation chooses": {
            "the worst epoch": ("the reported error is 31", lambda v, t: t[v.index(max(v))])
        },
        "on average right": {
            "both together": (
                "mean error of 40",
                lambda v, t: t[min(range(len(v)), key=lambda epoch: v[epoch] + t[epoch] / 2)],
            )
        },
        ELSE: {
            "the last of equals": (
                "the reported error is 3",
                lambda v, t: t[-1 - v[::-1].index(min(v))],
            )
        },
    },
)

# --- bug_batch ---


def measured(before=nn.Module.eval, mean=False):
    def error(net, images, labels, batch_size):
        before(net)
        wrong, means = 0, []
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            missed = (net(x).argmax(1) != y).float()
            wrong += missed.sum().item()
            means.append(missed.mean().item())
        return 100 * (sum(means) / len(means) if mean else wrong / len(images))

    return error


def each_in_evaluation(net):
    for module in net.modules():
        module.training = False


def one_batch_of_all(net, images, labels, batch_size):
    right = measured()(net, images, labels, len(images))
    net.train()(images)
    return right


def last_batch_dropped(net, images, labels, batch_size):
    whole = len(images) if batch_size == 7 else len(images) // batch_size * batch_size
    return measured()(net, images[:whole], labels[:whole], batch_size)


accepted("bug_batch", "each normalisation by itself", measured(each_in_evaluation))
rejections(
    "bug_batch",
    {
        "the same error for every size of batch": {
            "as published": ("images a batch is", measured(lambda net: None)),
            "train for eval": ("images a batch is", measured(nn.Module.train)),
            "mean of the batches": ("with 7 images", measured(mean=True)),
            "accuracy for error": ("with 60 images", lambda *given: 100 - measured()(*given)),
        },
        "the statistics stay": {"one batch of all": ("has another value", one_batch_of_all)},
        ELSE: {"the last batch dropped": ("the error with 8", last_batch_dropped)},
    },
)

# --- bug_checkpoint ---


def unwrapped(state):
    return {name.removeprefix("module."): value for name, value in state.items()}


@accepted("bug_checkpoint", "loaded into a wrapper")
def into_wrapper(net, state):
    wrapped = all(name.startswith("module.") for name in state)
    (nn.ModuleDict({"module": net}) if wrapped else net).load_state_dict(state)
    return net


def only_known_names(net, state):
    state = unwrapped(state)
    return net.load_state_dict({name: state[name] for name in net.state_dict()})


def parameters_only(net, state):
    for name, parameter in net.named_parameters():
        parameter.data.copy_(state[f"module.{name}"])
    return net


rejections(
    "bug_checkpoint",
    {
        "the weights arrive": {
            "as published": (
                "are not those of the state",
                lambda net, state: net.load_state_dict(state, strict=False),
            ),
            "strict alone": (
                "stops with RuntimeError",
                lambda net, state: net.load_state_dict(state),
            ),
            "parameters only": ("are not those of the state", parameters_only),
        },
        "what does not fit is refused": {
            "prefix removed, not strict": (
                "lacks `fc.weight`",
                lambda net, state: net.load_state_dict(unwrapped(state), strict=False),
            ),
            "only known names": ("has one more", only_known_names),
        },
        ELSE: {
            "seven letters cut off": (
                "stops with RuntimeError",
                lambda net, state: net.load_state_dict({name[7:]: v for name, v in state.items()}),
            )
        },
    },
)

# --- bug_curve ---

accepted("bug_curve", "zipped", lambda _, e: [*zip(range(1, 1 + len(e)), e, strict=True)])
rejections(
    "bug_curve",
    {
        "the points are the measured ones": {
            "smoothed": (
                "expected is",
                lambda label, e: [(i + 1, (e[i] + e[max(i - 1, 0)]) / 2) for i in range(len(e))],
            ),
            "never rising": (
                "expected is",
                lambda _, e: [(n, min(e[:n])) for n in range(1, len(e) + 1)],
            ),
            "epochs from 0": ("expected is", lambda label, errors: list(enumerate(errors))),
        },
        BY_HEART: {
            "three epochs": ("expected is", lambda label, errors: list(enumerate(errors[:3], 1)))
        },
    },
)

# --- bug_sizes ---


def sizes(*powers, rounded=math.ceil):
    """An answer that divides the image by powers of two, and rounds."""
    return lambda image: tuple(rounded(image / 2**power) for power in powers)


accepted("bug_sizes", "rounded up", sizes(2, 3, 4, 5))
rejections(
    "bug_sizes",
    {
        "a photo of 224 pixels": {
            "as published": ("(112, 56, 28, 14)", sizes(1, 2, 3, 4)),
            "the first halves too": ("(28, 14, 7, 4)", sizes(3, 4, 5, 6)),
            "three stages": ("(56, 28, 14)", sizes(2, 3, 4)),
        },
        "sizes that do not halve evenly": {
            "rounds down": ("expected is", sizes(2, 3, 4, 5, rounded=int)),
            "rounds to the nearest": ("expected is", sizes(2, 3, 4, 5, rounded=round)),
            "by heart": ("expected is", lambda image: (56, 28, 14, 7)),
        },
    },
)
