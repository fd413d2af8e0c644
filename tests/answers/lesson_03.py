"""Answers to the exercises of lesson 03, besides those that its checks know by name."""

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from answers import accepted, all_rejected, learner, rejected
from resnet_lessons.checks.forms import edited, variant
from resnet_lessons.networks.blocks import PaddingShortcut

THEIRS = learner("lesson_03")
Block = THEIRS.ResidualBlock

# --- shortcut_kind ---


@accepted("shortcut_kind", "one expression")
def one_expression(i, o, stride):
    return "projection" if i != o or stride > 1 else "identity"


class Kind:
    def __call__(self, in_channels, out_channels, stride):
        changed = (in_channels, 1) != (out_channels, stride)
        return ["identity", "projection"][changed]


accepted("shortcut_kind", "a class that can be called", Kind())
all_rejected(
    "shortcut_kind",
    "a block that changes nothing",
    {
        "always projection": ("`'projection'`", lambda i, o, s: "projection"),
        "True and False": ("`True`", lambda i, o, s: i == o and s == 1),
    },
)
all_rejected(
    "shortcut_kind",
    "a block that changes the channels",
    {
        "always identity": ("`'identity'`", lambda i, o, s: "identity"),
        "channels ignored": (
            "(64, 128, 1)",
            lambda i, o, s: "identity" if s == 1 else "projection",
        ),
        "more channels only": (
            "(128, 64, 1)",
            lambda i, o, s: "projection" if o > i or s > 1 else "identity",
        ),
    },
)
all_rejected(
    "shortcut_kind",
    "a block that changes height and width",
    {
        "stride ignored": ("(64, 64, 2)", lambda i, o, s: "identity" if i == o else "projection"),
        "stride 2 only": (
            "(32, 32, 3)",
            lambda i, o, s: "projection" if i != o or s == 2 else "identity",
        ),
    },
)


@rejected("shortcut_kind", "answers by heart", "other numbers", "expected is `'identity'`")
def by_heart(*case):
    return "identity" if case in {(64, 64, 1), (7, 7, 1)} else "projection"


# --- padding_shortcut ---


@accepted("padding_shortcut", "zeros joined on")
def joined(x, out_channels, stride):
    x = x[..., ::stride, ::stride]
    n, c, h, w = x.shape
    return torch.cat([x, x.new_zeros(n, out_channels - c, h, w)], dim=1)


@accepted("padding_shortcut", "written into zeros")
def written(x, out_channels, stride):
    small = F.max_pool2d(x, 1, stride)
    y = torch.zeros(len(x), out_channels, *small.shape[2:])
    y[:, : x.shape[1]] = small
    return y


def sampling(sample):
    """The pixels chosen otherwise, the zeros right."""
    return lambda x, out, s: THEIRS.padded(sample(x, s), out, 1)


all_rejected(
    "padding_shortcut",
    "the channels are filled up",
    {
        "pads the width": (
            "2×4×6×9",
            lambda x, out, s: F.pad(x[:, :, ::s, ::s], (0, out - x.shape[1])),
        ),
        "the course's own": (
            "PaddingShortcut",
            lambda x, out, s: PaddingShortcut(x.shape[1], out, s)(x),
        ),
    },
)
all_rejected(
    "padding_shortcut",
    "every second pixel",
    {
        "stride forgotten": ("2×8×6×6", sampling(lambda x, s: x)),
        "cropped instead": (
            "differs from the expected",
            sampling(lambda x, s: x[:, :, : -(-x.shape[2] // s), : -(-x.shape[3] // s)]),
        ),
    },
)


@rejected("padding_shortcut", "rounds down", "odd sizes, and no square", "2×8×3×5")
def rounding_down(x, out_channels, stride):
    height, width = x.shape[2] // stride, x.shape[3] // stride
    return THEIRS.padded(x, out_channels, stride)[:, :, :height, :width]


@rejected("padding_shortcut", "square input only", "odd sizes, and no square", "stops with")
def for_squares(x, out_channels, stride):
    n, c = x.shape[:2]
    x = x[:, :, ::stride, ::stride]
    return torch.cat([x, torch.zeros(n, out_channels - c, x.shape[2], x.shape[2])], 1)


@rejected("padding_shortcut", "always pads", "where nothing changes", "stops with")
def always_padding(x, out_channels, stride):
    x = x[:, :, ::stride, ::stride]
    zeros = [torch.zeros_like(x[:, :1])] * (out_channels - x.shape[1])
    return torch.cat([x, torch.cat(zeros, 1)], 1)


# --- projection_shortcut ---


@accepted("projection_shortcut", "a class of its own")
class Projection(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.norm = nn.BatchNorm2d(out_channels)
        self.mix = nn.Conv2d(in_channels, out_channels, (1, 1), stride, bias=False)

    def forward(self, x):
        return self.norm(self.mix(x))


@accepted("projection_shortcut", "lazy layers")
def lazy_layers(i, o, s):
    return nn.Sequential(nn.LazyConv2d(o, 1, stride=s, bias=False), nn.LazyBatchNorm2d())


@accepted("projection_shortcut", "pixels first")
class PixelsFirst(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.randn(o, i, 1, 1))
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x):
        return self.norm(F.conv2d(x[:, :, :: self.stride, :: self.stride], self.weight))


def padded_projection(i, o, s):
    return nn.Sequential(nn.Conv2d(i, o, 1, s, padding=1, bias=False), nn.BatchNorm2d(o))


def normalised_first(i, o, s):
    return nn.Sequential(nn.BatchNorm2d(i), nn.Conv2d(i, o, 1, s, bias=False))


all_rejected(
    "projection_shortcut",
    "it gives the shape of F(x)",
    {
        "stride forgotten": ("2×20×8×8", lambda i, o, s: THEIRS.projection(i, o, 1)),
        "padded": ("2×20×5×5", padded_projection),
        "the course's own": (
            "BasicBlock",
            lambda i, o, s: resnet_lessons.BasicBlock(i, o, s).downsample,
        ),
    },
)
rejected(
    "projection_shortcut",
    "normalised first",
    "its parameters",
    "parameters; expected",
    normalised_first,
)
rejected(
    "projection_shortcut",
    "stride always 2",
    "what it computes",
    "has shape",
    lambda i, o, s: THEIRS.projection(i, o, 2),
)
rejected(
    "projection_shortcut",
    "channels by heart",
    "other numbers",
    "2×20×9×6",
    lambda i, o, s: THEIRS.projection(i, 20, s),
)

# --- residual_block ---


@accepted("residual_block", "a sequence and a shortcut")
class Sequence(nn.Module):
    def __init__(self, c, k, stride=1):
        super().__init__()
        self.shortcut = nn.Sequential()
        if (c, 1) != (k, stride):
            self.shortcut = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))
        self.body = nn.Sequential(
            nn.Conv2d(c, k, 3, stride, 1, bias=False),
            nn.BatchNorm2d(k),
            nn.ReLU(),
            nn.Conv2d(k, k, 3, 1, 1, bias=False),
            nn.BatchNorm2d(k),
        )

    def forward(self, x):
        return torch.relu(self.shortcut(x) + self.body(x))


class Add(nn.Module):
    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x):
        return torch.add(self.one(x), self.other(x))


@accepted("residual_block", "a function that builds")
def block_of(in_channels, out_channels, stride=1):
    branch = nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            3,
            stride,
            padding="same" if stride == 1 else 1,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding="same", bias=False),
        nn.BatchNorm2d(out_channels),
    )
    around = nn.Identity()
    if stride != 1 or in_channels != out_channels:
        around = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    return nn.Sequential(Add(branch, around), nn.ReLU(inplace=True))


@accepted("residual_block", "lazy layers")
class Lazy(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.a = nn.LazyConv2d(out_channels, 3, stride, 1, bias=False)
        self.b = nn.LazyConv2d(out_channels, 3, 1, 1, bias=False)
        self.na, self.nb = nn.LazyBatchNorm2d(), nn.LazyBatchNorm2d()
        self.project = stride > 1 or in_channels != out_channels
        if self.project:
            self.c = nn.LazyConv2d(out_channels, 1, stride, bias=False)
            self.nc = nn.LazyBatchNorm2d()

    def forward(self, x):
        y = self.nb(self.b(F.relu(self.na(self.a(x)))))
        y += self.nc(self.c(x)) if self.project else x
        return F.relu(y)


@accepted("residual_block", "functional, with bare parameters")
class Functional(nn.Module):
    def __init__(self, c, k, stride=1):
        super().__init__()
        self.stride = stride
        self.second = nn.Parameter(torch.randn(k, k, 3, 3) * 0.1)
        self.first = nn.Parameter(torch.randn(k, c, 3, 3) * 0.1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(k) for _ in range(2))
        if stride != 1 or c != k:
            self.third = nn.Parameter(torch.randn(k, c, 1, 1))
            self.norms.append(nn.BatchNorm2d(k))

    def forward(self, x):
        y = F.conv2d(x, self.first, stride=self.stride, padding=1)
        y = self.norms[0](y).clamp(min=0)
        y = self.norms[1](F.conv2d(y, self.second, padding=1))
        if len(self.norms) == 3:
            x = self.norms[2](F.conv2d(x, self.third, stride=self.stride))
        return (y + x).clamp(min=0)


def forwarding(forward):
    return variant(Block, forward=forward)


def stride_forgotten(block):
    block.conv1.stride = 1


def shortcut_without_stride(block):
    if isinstance(block.shortcut, nn.Sequential):
        block.shortcut[0].stride = 1


def no_stride(block):
    stride_forgotten(block)
    shortcut_without_stride(block)


def stride_in_both(block):
    block.conv2.stride = block.conv1.stride


def stride_in_second(block):
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def no_projection(block):
    block.shortcut = nn.Identity()


def no_padding(block):
    block.conv1.padding = block.conv2.padding = 0


def difference_added(self, x):
    out = self.branch(x)
    return F.relu(out + (out - self.shortcut(x)))


def skip_behind_first(self, x):
    first = self.bn1(self.conv1(x))
    return F.relu(self.bn2(self.conv2(F.relu(first))) + first)


def changing_input(self, x):
    out = self.branch(x)
    x += out
    return F.relu(x)


def freezing(self, x):
    self.bn1.eval(), self.bn2.eval()
    return F.relu(self.branch(x) + self.shortcut(x))


def shortcut_by_pooling(self, x):
    out = self.branch(x)
    if out.shape != x.shape:
        x = F.adaptive_avg_pool2d(x, out.shape[2:])
        x = F.pad(x, (0, 0, 0, 0, 0, out.shape[1] - x.shape[1]))
    return F.relu(out + x)


def turned(self, x):
    y = F.relu(self.branch(x) + self.shortcut(x))
    return y.transpose(2, 3).contiguous() if x.shape[2] < x.shape[3] else y


class ByHeart(Block):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(8, out_channels if out_channels in (8, 12) else 8, stride)


class MadeInForward(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.settings = i, o, stride

    def forward(self, x):
        if not hasattr(self, "inner"):
            self.inner = Block(*self.settings)
        return self.inner(x)


@rejected("residual_block", "torchvision's class", "it runs, and keeps the shape", "torchvision")
class Wrapped(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.inner = torchvision.models.resnet.BasicBlock(i, o, stride)

    def forward(self, x):
        return self.inner(x)


@rejected("residual_block", "hidden in a list", "it runs, and keeps the shape", "blocks.BasicBlock")
class Hidden(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.hidden = [resnet_lessons.BasicBlock(i, o, stride)]
        for name, parameter in self.hidden[0].named_parameters():
            self.register_parameter(name.replace(".", "_"), parameter)

    def forward(self, x):
        return self.hidden[0].forward(x)


def copied_class():
    """The course's own class under another name and module."""

    def build(self, i, o, stride=1):
        nn.Module.__init__(self)
        vars(self).update(vars(resnet_lessons.BasicBlock(i, o, stride)))

    copied = {**vars(resnet_lessons.BasicBlock), "__init__": build}
    copied.update(__module__="__main__", __qualname__="ResidualBlock")
    return type("ResidualBlock", (nn.Module,), copied)


all_rejected(
    "residual_block",
    "it runs, and keeps the shape",
    {
        "no padding": ("stops with RuntimeError", edited(Block, no_padding)),
        "square input only": ("1×8×9×5", forwarding(turned)),
        "batch of one": (
            "1×8×6×6",
            forwarding(lambda self, x: F.relu(self.branch(x[:1]) + self.shortcut(x[:1]))),
        ),
        "parameters made in forward": ("appears only when the module runs", MadeInForward),
        "the course's own class": ("BasicBlock", resnet_lessons.BasicBlock),
        "under another name": ("blocks.BasicBlock", copied_class()),
        "an instance, no class": ("stops with", Block(8, 8)),
    },
)
all_rejected(
    "residual_block",
    "F(x) + x, then ReLU",
    {
        "difference added": ("differs from the expected", forwarding(difference_added)),
        "skip from behind the first convolution": ("differs from", forwarding(skip_behind_first)),
        "input changed in place": ("other values after the call", forwarding(changing_input)),
        "statistics frozen": ("in train mode", forwarding(freezing)),
    },
)
all_rejected(
    "residual_block",
    "where the shape changes",
    {
        "projection missing": ("stops with RuntimeError", edited(Block, no_projection)),
        "stride in both convolutions": ("stops with RuntimeError", edited(Block, stride_in_both)),
        "stride forgotten": ("stops with RuntimeError", edited(Block, stride_forgotten)),
        "stride forgotten in the shortcut": (
            "stops with RuntimeError",
            edited(Block, shortcut_without_stride),
        ),
        "stride forgotten everywhere": ("2×12×7×10", edited(Block, no_stride)),
    },
)
all_rejected(
    "residual_block",
    "what it computes where the shape changes",
    {
        "stride in the second convolution": ("differs from", edited(Block, stride_in_second)),
        "shortcut by pooling": ("runs 2 convolutions", forwarding(shortcut_by_pooling)),
    },
)
all_rejected(
    "residual_block",
    "the gradient through both ways",
    {
        "shortcut detached": (
            "of the input",
            forwarding(lambda self, x: F.relu(self.branch(x) + self.shortcut(x).detach())),
        ),
        "branch detached": (
            "of the input",
            forwarding(lambda self, x: F.relu(self.branch(x).detach() + self.shortcut(x))),
        ),
    },
)
rejected("residual_block", "channels by heart", "other numbers", "stops with", ByHeart)

# --- zero_branch ---


@accepted("zero_branch", "fill_")
def filled(block):
    with torch.no_grad():
        block.bn2.weight.fill_(0)
    return block


@accepted("zero_branch", "multiplied by zero")
def multiplied(block):
    block.bn2.weight.data *= 0
    return True


def zero_everything(block):
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    return block


def zero_convolution_too(block):
    nn.init.zeros_(block.conv2.weight)
    return nn.init.zeros_(block.bn2.weight)


def zero_and_frozen(block):
    nn.init.zeros_(block.bn2.weight).requires_grad_(False)
    return block


all_rejected(
    "zero_branch",
    "it can still learn",
    {
        "first normalisation": (
            "the same for every pixel",
            lambda block: nn.init.zeros_(block.bn1.weight),
        ),
        "everything": ("the same for every pixel", zero_everything),
        "the convolution too": ("same for every pixel", zero_convolution_too),
        "frozen": ("frozen", zero_and_frozen),
    },
)
rejected(
    "zero_branch",
    "shift instead of scale",
    "the block gives back its input",
    "differs from",
    lambda block: nn.init.zeros_(block.bn2.bias),
)
rejected(
    "zero_branch",
    "the convolution only",
    "nothing else was changed",
    "`conv2.weight`",
    lambda block: nn.init.zeros_(block.conv2.weight),
)


@rejected("zero_branch", "the shortcut too", "a block that changes the shape", "differs from")
def zero_shortcut_too(block):
    nn.init.zeros_(block.bn2.weight)
    if len(list(block.downsample.parameters())):
        nn.init.zeros_(block.downsample[1].weight)
    return block
