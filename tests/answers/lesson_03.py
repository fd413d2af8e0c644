"""Answers to the exercises of lesson 03."""

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from answers import right, wrong
from resnet_lessons.networks.blocks import PaddingShortcut

# --- shortcut_kind ---


@right("shortcut_kind", "one expression")
def _():
    return lambda i, o, stride: "projection" if i != o or stride > 1 else "identity"


@right("shortcut_kind", "a class that can be called")
def _():
    class Kind:
        def __call__(self, in_channels, out_channels, stride):
            changed = (in_channels, 1) != (out_channels, stride)
            return ["identity", "projection"][changed]

    return Kind()


@wrong("shortcut_kind", "always identity", "a block that changes the channels", "`'identity'`")
def _():
    return lambda i, o, s: "identity"


@wrong("shortcut_kind", "always projection", "a block that changes nothing", "`'projection'`")
def _():
    return lambda i, o, s: "projection"


@wrong("shortcut_kind", "stride ignored", "a block that changes height and width", "(64, 64, 2)")
def _():
    return lambda i, o, s: "identity" if i == o else "projection"


@wrong("shortcut_kind", "channels ignored", "a block that changes the channels", "(64, 128, 1)")
def _():
    return lambda i, o, s: "identity" if s == 1 else "projection"


@wrong("shortcut_kind", "more channels only", "a block that changes the channels", "(128, 64, 1)")
def _():
    return lambda i, o, s: "projection" if o > i or s > 1 else "identity"


@wrong("shortcut_kind", "stride 2 only", "a block that changes height and width", "(32, 32, 3)")
def _():
    return lambda i, o, s: "projection" if i != o or s == 2 else "identity"


@wrong("shortcut_kind", "answers by heart", "other numbers", "expected is `'identity'`")
def _():
    known = {(64, 64, 1), (7, 7, 1)}
    return lambda *case: "identity" if case in known else "projection"


@wrong("shortcut_kind", "True and False", "a block that changes nothing", "`True`")
def _():
    return lambda i, o, s: i == o and s == 1


# --- padding_shortcut ---


@right("padding_shortcut", "zeros joined on")
def _():
    def shortcut(x, out_channels, stride):
        x = x[..., ::stride, ::stride]
        n, c, h, w = x.shape
        return torch.cat([x, x.new_zeros(n, out_channels - c, h, w)], dim=1)

    return shortcut


@right("padding_shortcut", "written into zeros")
def _():
    def shortcut(x, out_channels, stride):
        small = F.max_pool2d(x, 1, stride)
        y = torch.zeros(len(x), out_channels, *small.shape[2:])
        y[:, : x.shape[1]] = small
        return y

    return shortcut


def padding(sample=lambda x, s: x[:, :, ::s, ::s], fill=lambda new: (0, 0, 0, 0, 0, new)):
    return lambda x, out, s: F.pad(sample(x, s), fill(out - x.shape[1]))


@wrong("padding_shortcut", "zeros in front", "the channels are filled up", "before the channels")
def _():
    return padding(fill=lambda new: (0, 0, 0, 0, new, 0))


@wrong("padding_shortcut", "zeros on both sides", "the channels are filled up", "both sides")
def _():
    return padding(fill=lambda new: (0, 0, 0, 0, new // 2, new - new // 2))


@wrong("padding_shortcut", "pads the width", "the channels are filled up", "2×4×6×9")
def _():
    return padding(fill=lambda new: (0, new))


@wrong("padding_shortcut", "stride forgotten", "every second pixel", "2×8×6×6")
def _():
    return padding(sample=lambda x, s: x)


@wrong("padding_shortcut", "average pooling", "every second pixel", "means of their neighbours")
def _():
    return padding(sample=lambda x, s: F.avg_pool2d(x, s, ceil_mode=True))


@wrong("padding_shortcut", "max pooling", "every second pixel", "largest of their neighbours")
def _():
    return padding(sample=lambda x, s: F.max_pool2d(x, s, ceil_mode=True))


@wrong("padding_shortcut", "cropped instead", "every second pixel", "differs from the expected")
def _():
    return padding(sample=lambda x, s: x[:, :, : -(-x.shape[2] // s), : -(-x.shape[3] // s)])


@wrong("padding_shortcut", "rounds down", "odd sizes, and no square", "2×8×3×5")
def _():
    return padding(
        sample=lambda x, s: x[:, :, ::s, ::s][:, :, : x.shape[2] // s, : x.shape[3] // s]
    )


@wrong("padding_shortcut", "square input only", "odd sizes, and no square", "stops with")
def _():
    def shortcut(x, out_channels, stride):
        n, c = x.shape[:2]
        x = x[:, :, ::stride, ::stride]
        return torch.cat([x, torch.zeros(n, out_channels - c, x.shape[2], x.shape[2])], 1)

    return shortcut


@wrong("padding_shortcut", "channels repeated", "the channels are filled up", "repeat those of x")
def _():
    return lambda x, out, s: torch.cat([x, x], 1)[:, :out, ::s, ::s]


@wrong("padding_shortcut", "always pads", "where nothing changes", "stops with")
def _():
    def shortcut(x, out_channels, stride):
        x = x[:, :, ::stride, ::stride]
        reps = x.shape[1] // (out_channels - x.shape[1]) + 1
        zeros = torch.zeros_like(x).repeat(1, reps, 1, 1)[:, : out_channels - x.shape[1]]
        return torch.cat([x, zeros.repeat(1, 9, 1, 1)[:, : out_channels - x.shape[1]]], 1)

    return shortcut


@wrong("padding_shortcut", "the course's own", "the channels are filled up", "PaddingShortcut")
def _():
    return lambda x, out, s: PaddingShortcut(x.shape[1], out, s)(x)


# --- projection_shortcut ---


@right("projection_shortcut", "a class of its own")
def _():
    class Projection(nn.Module):
        def __init__(self, in_channels, out_channels, stride):
            super().__init__()
            self.norm = nn.BatchNorm2d(out_channels)
            self.mix = nn.Conv2d(in_channels, out_channels, (1, 1), stride, bias=False)

        def forward(self, x):
            return self.norm(self.mix(x))

    return Projection


@right("projection_shortcut", "lazy layers")
def _():
    return lambda i, o, s: nn.Sequential(
        nn.LazyConv2d(o, 1, stride=s, bias=False), nn.LazyBatchNorm2d()
    )


@right("projection_shortcut", "pixels first")
def _():
    class Projection(nn.Module):
        def __init__(self, i, o, stride):
            super().__init__()
            self.stride = stride
            self.weight = nn.Parameter(torch.randn(o, i, 1, 1))
            self.norm = nn.BatchNorm2d(o)

        def forward(self, x):
            return self.norm(F.conv2d(x[:, :, :: self.stride, :: self.stride], self.weight))

    return Projection


def projection(kernel=1, bias=False, norm=True, padding=0, relu=False, stride=None, channels=None):
    def make(i, o, s):
        o = channels or o
        layers = [nn.Conv2d(i, o, kernel, stride or s, padding, bias=bias)]
        layers += [nn.BatchNorm2d(o)] if norm else []
        layers += [nn.ReLU()] if relu else []
        return nn.Sequential(*layers)

    return make


@wrong("projection_shortcut", "bias", "its parameters", "the convolution has a bias")
def _():
    return projection(bias=True)


@wrong("projection_shortcut", "no normalisation", "its parameters", "normalisation is missing")
def _():
    return projection(norm=False)


@wrong("projection_shortcut", "bias, no normalisation", "its parameters", "in place of")
def _():
    return projection(bias=True, norm=False)


@wrong("projection_shortcut", "3×3 kernel", "its parameters", "kernel is 3×3")
def _():
    return projection(kernel=3, padding=1)


@wrong("projection_shortcut", "stride forgotten", "it gives the shape of F(x)", "2×20×8×8")
def _():
    return projection(stride=1)


@wrong("projection_shortcut", "padded", "it gives the shape of F(x)", "2×20×5×5")
def _():
    return projection(padding=1)


@wrong("projection_shortcut", "ReLU at the end", "what it computes", "ReLU at its end")
def _():
    return projection(relu=True)


@wrong("projection_shortcut", "stride always 2", "what it computes", "has shape")
def _():
    return projection(stride=2)


@wrong("projection_shortcut", "channels by heart", "other numbers", "2×20×9×6")
def _():
    return projection(channels=20)


@wrong("projection_shortcut", "normalised first", "its parameters", "parameters; expected")
def _():
    return lambda i, o, s: nn.Sequential(nn.BatchNorm2d(i), nn.Conv2d(i, o, 1, s, bias=False))


@wrong("projection_shortcut", "the course's own", "it gives the shape of F(x)", "BasicBlock")
def _():
    return lambda i, o, s: resnet_lessons.BasicBlock(i, o, s).downsample


# --- residual_block ---


@right("residual_block", "a sequence and a shortcut")
def _():
    class Block(nn.Module):
        def __init__(self, c, k, stride=1):
            super().__init__()
            self.shortcut = nn.Sequential()
            if (c, 1) != (k, stride):
                self.shortcut = nn.Sequential(
                    nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k)
                )
            self.body = nn.Sequential(
                nn.Conv2d(c, k, 3, stride, 1, bias=False),
                nn.BatchNorm2d(k),
                nn.ReLU(),
                nn.Conv2d(k, k, 3, 1, 1, bias=False),
                nn.BatchNorm2d(k),
            )

        def forward(self, x):
            return torch.relu(self.shortcut(x) + self.body(x))

    return Block


@right("residual_block", "a function that builds")
def _():
    class Add(nn.Module):
        def __init__(self, one, other):
            super().__init__()
            self.one, self.other = one, other

        def forward(self, x):
            return torch.add(self.one(x), self.other(x))

    def block(in_channels, out_channels, stride=1):
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

    return block


@right("residual_block", "lazy layers")
def _():
    class Block(nn.Module):
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

    return Block


@right("residual_block", "functional, with bare parameters")
def _():
    class Block(nn.Module):
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

    return Block


class Model(nn.Module):
    """A residual block with a switch for every mistake."""

    bias = (False, False, False)
    strides = (None, 1)
    padding = 1
    shared_norm = False
    norms = (True, True)
    always_project = False
    never_project = False
    project_stride = True
    project_norm = True
    middle = True

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        first = stride if self.strides[0] is None else self.strides[0]
        second = stride if self.strides[1] is None else self.strides[1]
        one, two, three = self.bias
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, first, self.padding, bias=one)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, second, self.padding, bias=two)
        self.bn1 = nn.BatchNorm2d(out_channels) if self.norms[0] else nn.Identity()
        self.bn2 = nn.BatchNorm2d(out_channels) if self.norms[1] else nn.Identity()
        if self.shared_norm:
            self.bn2 = self.bn1
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = nn.Identity()
        if self.always_project or (changes and not self.never_project):
            step = stride if self.project_stride else 1
            layers = [nn.Conv2d(in_channels, out_channels, 1, step, bias=three)]
            layers += [nn.BatchNorm2d(out_channels)] if self.project_norm else []
            self.shortcut = nn.Sequential(*layers)

    def branch(self, x):
        out = self.bn1(self.conv1(x))
        return self.bn2(self.conv2(F.relu(out) if self.middle else out))

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def with_switches(**switches):
    return type("ResidualBlock", (Model,), switches)


def with_forward(forward):
    return type("ResidualBlock", (Model,), {"forward": forward})


ADDED = "F(x) + x, then ReLU"
CHANGED = "where the shape changes"
COMPUTES = "what it computes where the shape changes"
COUNT = "the parameters of a block that changes the shape"


@wrong("residual_block", "no skip", ADDED, "the input is not added")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x)))


@wrong("residual_block", "skip subtracted", ADDED, "the input is subtracted")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x) - self.shortcut(x)))


@wrong("residual_block", "branch subtracted", ADDED, "the branch is subtracted")
def _():
    return with_forward(lambda self, x: F.relu(self.shortcut(x) - self.branch(x)))


@wrong("residual_block", "skip after the last ReLU", ADDED, "behind the last ReLU")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x)) + self.shortcut(x))


@wrong("residual_block", "ReLU before the addition", ADDED, "can never be negative")
def _():
    return with_forward(lambda self, x: F.relu(F.relu(self.branch(x)) + self.shortcut(x)))


@wrong("residual_block", "no last ReLU", ADDED, "behind the addition is missing")
def _():
    return with_forward(lambda self, x: self.branch(x) + self.shortcut(x))


@wrong("residual_block", "no ReLU in the middle", ADDED, "between the two convolutions is missing")
def _():
    return with_switches(middle=False)


@wrong("residual_block", "difference added", ADDED, "differs from the expected")
def _():
    def forward(self, x):
        out = self.branch(x)
        return F.relu(out + (out - self.shortcut(x)))

    return with_forward(forward)


@wrong("residual_block", "multiplied", ADDED, "the input is multiplied")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x) * self.shortcut(x)))


@wrong("residual_block", "skip from behind the first convolution", ADDED, "differs from")
def _():
    def forward(self, x):
        first = self.bn1(self.conv1(x))
        return F.relu(self.bn2(self.conv2(F.relu(first))) + first)

    return with_forward(forward)


@wrong("residual_block", "no normalisation", "its parameters", "there is no batch normalisation")
def _():
    return with_switches(norms=(False, False))


@wrong("residual_block", "one normalisation missing", "its parameters", "missing, or the two are")
def _():
    return with_switches(norms=(True, False))


@wrong("residual_block", "one normalisation shared", "its parameters", "one and the same")
def _():
    return with_switches(shared_norm=True)


@wrong("residual_block", "bias in both", "its parameters", "both convolutions have a bias")
def _():
    return with_switches(bias=(True, True, False))


@wrong("residual_block", "bias in one", "its parameters", "a convolution has a bias")
def _():
    return with_switches(bias=(False, True, False))


@wrong("residual_block", "projection always", "its parameters", "where the identity would do")
def _():
    return with_switches(always_project=True)


@wrong("residual_block", "projection missing", CHANGED, "stops with RuntimeError")
def _():
    return with_switches(never_project=True)


@wrong("residual_block", "stride in both convolutions", CHANGED, "stops with RuntimeError")
def _():
    return with_switches(strides=(None, None))


@wrong("residual_block", "stride forgotten", CHANGED, "stops with RuntimeError")
def _():
    return with_switches(strides=(1, 1))


@wrong("residual_block", "stride forgotten in the shortcut", CHANGED, "stops with RuntimeError")
def _():
    return with_switches(project_stride=False)


@wrong("residual_block", "stride in the second convolution", COMPUTES, "differs from")
def _():
    return with_switches(strides=(1, None))


@wrong("residual_block", "stride forgotten everywhere", CHANGED, "2×12×7×10")
def _():
    return with_switches(strides=(1, 1), project_stride=False)


@wrong("residual_block", "shortcut by pooling", COMPUTES, "runs 2 convolutions")
def _():
    def forward(self, x):
        out = self.branch(x)
        if out.shape != x.shape:
            x = F.adaptive_avg_pool2d(x, out.shape[2:])
            x = F.pad(x, (0, 0, 0, 0, 0, out.shape[1] - x.shape[1]))
        return F.relu(out + x)

    return with_forward(forward)


@wrong(
    "residual_block",
    "bias in the shortcut",
    "the parameters of a block that changes the shape",
    "1×1 convolution has a bias",
)
def _():
    return with_switches(bias=(False, False, True))


@wrong("residual_block", "shortcut not normalised", COUNT, "has no batch normalisation")
def _():
    return with_switches(project_norm=False)


@wrong("residual_block", "no padding", "it runs, and keeps the shape", "stops with RuntimeError")
def _():
    return with_switches(padding=0)


@wrong("residual_block", "channels by heart", "other numbers", "stops with")
def _():
    class Block(Model):
        def __init__(self, in_channels, out_channels, stride=1):
            super().__init__(8, out_channels if out_channels in (8, 12) else 8, stride)

    return Block


@wrong("residual_block", "square input only", "it runs, and keeps the shape", "1×8×9×5")
def _():
    def forward(self, x):
        y = F.relu(self.branch(x) + self.shortcut(x))
        return y.transpose(2, 3).contiguous() if x.shape[2] < x.shape[3] else y

    return with_forward(forward)


@wrong("residual_block", "batch of one", "it runs, and keeps the shape", "1×8×6×6")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x[:1]) + self.shortcut(x[:1])))


@wrong("residual_block", "input changed in place", ADDED, "other values after the call")
def _():
    def forward(self, x):
        out = self.branch(x)
        x += out
        return F.relu(x)

    class Block(Model):
        pass

    Block.forward = forward
    return Block


@wrong(
    "residual_block",
    "parameters made in forward",
    "it runs, and keeps the shape",
    "appears only when the module runs",
)
def _():
    class Block(nn.Module):
        def __init__(self, i, o, stride=1):
            super().__init__()
            self.settings = i, o, stride

        def forward(self, x):
            if not hasattr(self, "inner"):
                self.inner = Model(*self.settings)
            return self.inner(x)

    return Block


@wrong("residual_block", "shortcut detached", "the gradient through both ways", "of the input")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x) + self.shortcut(x).detach()))


@wrong("residual_block", "branch detached", "the gradient through both ways", "of the input")
def _():
    return with_forward(lambda self, x: F.relu(self.branch(x).detach() + self.shortcut(x)))


@wrong("residual_block", "statistics frozen", ADDED, "in train mode")
def _():
    def forward(self, x):
        self.bn1.eval(), self.bn2.eval()
        return F.relu(self.branch(x) + self.shortcut(x))

    return with_forward(forward)


@wrong("residual_block", "the course's own class", "it runs, and keeps the shape", "BasicBlock")
def _():
    return resnet_lessons.BasicBlock


@wrong("residual_block", "torchvision's class", "it runs, and keeps the shape", "torchvision")
def _():
    class Block(nn.Module):
        def __init__(self, i, o, stride=1):
            super().__init__()
            self.inner = torchvision.models.resnet.BasicBlock(i, o, stride)

        def forward(self, x):
            return self.inner(x)

    return Block


@wrong("residual_block", "hidden in a list", "it runs, and keeps the shape", "blocks.BasicBlock")
def _():
    class Block(nn.Module):
        def __init__(self, i, o, stride=1):
            super().__init__()
            self.hidden = [resnet_lessons.BasicBlock(i, o, stride)]
            for name, parameter in self.hidden[0].named_parameters():
                self.register_parameter(name.replace(".", "_"), parameter)

        def forward(self, x):
            return self.hidden[0].forward(x)

    return Block


@wrong("residual_block", "under another name", "it runs, and keeps the shape", "blocks.BasicBlock")
def _():
    def build(self, i, o, stride=1):
        nn.Module.__init__(self)
        vars(self).update(vars(resnet_lessons.BasicBlock(i, o, stride)))

    copied = {**vars(resnet_lessons.BasicBlock), "__init__": build}
    copied.update(__module__="__main__", __qualname__="ResidualBlock")
    return type("ResidualBlock", (nn.Module,), copied)


@wrong("residual_block", "an instance, no class", "it runs, and keeps the shape", "stops with")
def _():
    return Model(8, 8)


# --- zero_branch ---


@right("zero_branch", "fill_")
def _():
    def zero(block):
        with torch.no_grad():
            block.bn2.weight.fill_(0)
        return block

    return zero


@right("zero_branch", "multiplied by zero")
def _():
    def zero(block):
        block.bn2.weight.data *= 0
        return True

    return zero


@wrong("zero_branch", "first normalisation", "it can still learn", "the same for every pixel")
def _():
    return lambda block: nn.init.zeros_(block.bn1.weight)


@wrong("zero_branch", "shift instead of scale", "the block gives back its input", "differs from")
def _():
    return lambda block: nn.init.zeros_(block.bn2.bias)


@wrong("zero_branch", "everything", "it can still learn", "the same for every pixel")
def _():
    def zero(block):
        for parameter in block.parameters():
            nn.init.zeros_(parameter)
        return block

    return zero


@wrong("zero_branch", "the convolution too", "it can still learn", "same for every pixel")
def _():
    def zero(block):
        nn.init.zeros_(block.conv2.weight)
        return nn.init.zeros_(block.bn2.weight)

    return zero


@wrong("zero_branch", "the convolution only", "nothing else was changed", "`conv2.weight`")
def _():
    return lambda block: nn.init.zeros_(block.conv2.weight)


@wrong("zero_branch", "frozen", "it can still learn", "frozen")
def _():
    def zero(block):
        nn.init.zeros_(block.bn2.weight).requires_grad_(False)
        return block

    return zero


@wrong("zero_branch", "the shortcut too", "a block that changes the shape", "differs from")
def _():
    def zero(block):
        nn.init.zeros_(block.bn2.weight)
        if len(list(block.downsample.parameters())):
            nn.init.zeros_(block.downsample[1].weight)
        return block

    return zero
