"""Answers to the exercises of lesson 01, besides those that its checks know by name."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from answers import accepted, all_rejected, learner, rejected

THEIRS = learner("lesson_01")

# --- output_shape ---


@accepted("output_shape", "by running a convolution on no memory")
def run_on_no_memory(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
    x = torch.empty(shape, device="meta")
    weight = torch.empty(out_channels, shape[1], kernel_size, kernel_size, device="meta")
    return F.conv2d(x, weight, None, stride, padding, dilation).shape


@accepted("output_shape", "a list, with math.floor")
def rounded_down(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
    result = [shape[0], out_channels]
    for n in shape[2:]:
        free = n + 2 * padding - dilation * (kernel_size - 1) - 1
        result.append(math.floor(free / stride + 1))
    return result


def places(n, k, s, p, d):
    return sum(1 for start in range(-p, n + p, s) if start + d * (k - 1) < n + p)


accepted("output_shape", "places counted one by one", THEIRS.sized(places))
all_rejected(
    "output_shape",
    "batch and channels",
    {
        "only a size": (
            "is `28`; expected is",
            lambda *args, **kwargs: THEIRS.behind(*args, **kwargs)[2],
        ),
        "k for k - 1": (
            "(8, 16, 27, 27)",
            THEIRS.sized(lambda n, k, s, p, d: (n + 2 * p - k) // s),
        ),
    },
)
rejected(
    "output_shape",
    "size kept",
    "the window must fit",
    "expected is `(8, 16, 26, 26)`",
    THEIRS.sized(lambda n, k, s, p, d: n // s),
)
all_rejected(
    "output_shape",
    "steps of the stride",
    {
        "no rounding": (
            "14.5",
            THEIRS.sized(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) / s + 1),
        ),
        "one added inside": (
            "expected is `(8, 64, 4, 4)`",
            THEIRS.sized(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s),
        ),
    },
)


@rejected("output_shape", "no defaults", "other numbers", "stops with TypeError")
def without_defaults(shape, out_channels, kernel_size, stride, padding, dilation):
    return THEIRS.behind(shape, out_channels, kernel_size, stride, padding, dilation)


# --- layer_parameters ---


@accepted("layer_parameters", "by building the layers")
def built(i, o, k, norm):
    net = nn.Sequential(nn.Conv2d(i, o, k, bias=not norm))
    if norm:
        net.append(nn.BatchNorm2d(o))
    return sum(p.numel() for p in net.parameters())


accepted(
    "layer_parameters",
    "a product of a shape, in a tensor",
    lambda i, o, k, norm: torch.Size([o, i, k, k]).numel() + (o << norm),
)
rejected(
    "layer_parameters",
    "kernel by heart",
    "a kernel of one pixel",
    "layer_parameters(64, 10, 1",
    THEIRS.counted(lambda i, o, k: o * i * (25 if k == 5 else 9)),
)
KNOWN = {(3, 8, 5): 600, (16, 32, 3): 4608, (64, 10, 1): 640}
rejected(
    "layer_parameters",
    "answers by heart",
    "other numbers",
    "expected is",
    THEIRS.counted(lambda i, o, k: KNOWN.get((i, o, k), 0)),
)

# --- convolve ---


@accepted("convolve", "six loops")
def six_loops(x, weight, bias, stride=1, padding=0):
    n, c, h, w = x.shape
    o, _, k, _ = weight.shape
    padded = torch.zeros(n, c, h + 2 * padding, w + 2 * padding)
    padded[:, :, padding : padding + h, padding : padding + w] = x
    rows, columns = ((m - k) // stride + 1 for m in padded.shape[2:])
    y = torch.zeros(n, o, rows, columns)
    for image in range(n):
        for out in range(o):
            for i in range(rows):
                for j in range(columns):
                    a, b = i * stride, j * stride
                    window = padded[image, :, a : a + k, b : b + k]
                    y[image, out, i, j] = (window * weight[out]).sum() + bias[out]
    return y


def unfolding(kernel):
    """By a matrix product; `kernel` gives the kernel size of a weight."""

    def convolve(x, weight, bias, stride=1, padding=0):
        k = kernel(weight)
        columns = F.unfold(x, k, padding=padding, stride=stride)
        y = weight.flatten(1) @ columns + bias[:, None]
        return y.unflatten(2, ((x.shape[2] + 2 * padding - k) // stride + 1, -1))

    return convolve


accepted("convolve", "unfold and a matrix product", unfolding(lambda weight: weight.shape[2]))


@accepted("convolve", "shifted images added up")
def shifted_images(x, weight, bias, stride=1, padding=0):
    x = F.pad(x, [padding] * 4)
    k = weight.shape[-1]
    rows, columns = x.shape[2] - k + 1, x.shape[3] - k + 1
    y = bias.view(1, -1, 1, 1)
    for u in range(k):
        for v in range(k):
            shifted = x[:, :, u : u + rows : stride, v : v + columns : stride]
            y = y + torch.einsum("nchw,oc->nohw", shifted, weight[:, :, u, v])
    return y


def torchs_layer(x, weight, bias, stride=1, padding=0):
    o, c, k, _ = weight.shape
    layer = nn.Conv2d(c, o, k, stride, padding)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer(x).detach()


def matrix_product(x, weight, bias, **settings):
    """The sum of `window @ weight`: each pixel meets a sum over a row of the weight."""
    return THEIRS.convolved(x, torch.ones_like(weight) @ weight.mT, bias, **settings)


all_rejected(
    "convolve",
    "one channel, by hand",
    {
        "torch's own": ("calls torch's `conv2d`", F.conv2d),
        "torch's own layer": ("calls torch's `conv2d`", torchs_layer),
        "matrix product in the window": ("differs from the expected", matrix_product),
        "last place forgotten": (
            "has shape 1×1×2×2",
            lambda *args, **settings: THEIRS.convolved(*args, **settings)[:, :, :-1, :-1],
        ),
    },
)


def stride_ignored(x, weight, bias, stride=1, padding=0):
    return THEIRS.convolved(x, weight, bias, 1, padding)


def stride_not_in_the_place(x, weight, bias, stride=1, padding=0):
    y = stride_ignored(x, weight, bias, padding=padding)
    rows, columns = (-(-n // stride) for n in y.shape[2:])
    return y[:, :, :rows, :columns]


all_rejected(
    "convolve",
    "stride",
    {
        "stride not in the place": ("differs from the expected", stride_not_in_the_place),
        "stride ignored": ("has shape 1×3×5×5; expected is 1×3×3×3", stride_ignored),
    },
)


def padding_by(pad):
    def convolve(x, weight, bias, stride=1, padding=0):
        return THEIRS.convolved(pad(x, padding), weight, bias, stride)

    return convolve


all_rejected(
    "convolve",
    "padding",
    {
        "top and left only": (
            "expected is 1×3×5×5",
            padding_by(lambda x, p: F.pad(x, (p, 0, p, 0))),
        ),
        "ones for zeros": ("differs from", padding_by(lambda x, p: F.pad(x, [p] * 4, value=1))),
        "borders repeated": (
            "differs from the expected",
            padding_by(lambda x, p: F.pad(x, [p] * 4, mode="replicate")),
        ),
    },
)


def square_only(x, weight, bias, stride=1, padding=0):
    y = THEIRS.convolved(F.pad(x, [0, x.shape[2]]), weight, bias, stride, padding)
    return y[..., : y.shape[2]]


all_rejected(
    "convolve",
    "a batch of images that are not square",
    {
        "square only": ("expected is 3×4×3×4", square_only),
        "3×3 by heart": ("stops with RuntimeError", unfolding(lambda weight: 3)),
    },
)


@rejected("convolve", "input damaged", "other numbers, and nothing damaged", "other values after")
def input_damaged(x, weight, bias, stride=1, padding=0):
    y = THEIRS.convolved(x, weight, bias, stride, padding)
    x *= 0
    return y


# --- receptive_field ---

field = THEIRS.walked()


@accepted("receptive_field", "from the end")
def from_the_end(layers):
    seen = 1
    for kernel, stride in reversed(layers):
        seen = (seen - 1) * stride + kernel
    return seen


@accepted("receptive_field", "measured by a gradient")
def measured(layers):
    image = torch.zeros(1, 1, 4000, requires_grad=True)
    y = image
    for kernel, stride in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel), stride=stride)
    y[0, 0, 0].backward()
    return int((image.grad != 0).sum())


@accepted("receptive_field", "products of strides")
def products(layers):
    strides = [stride for _, stride in layers]
    return 1 + sum((k - 1) * math.prod(strides[:place]) for place, (k, _) in enumerate(layers))


all_rejected(
    "receptive_field",
    "one layer",
    {
        "no pixel to begin with": (
            "is `2`; expected is `3`",
            lambda layers: field(layers) - 1,
        ),
        "the kernel added to the pixel": (
            "is `4`; expected is `3`",
            THEIRS.walked(lambda kernel, step, stride: kernel * step),
        ),
        "area": ("is `9`; expected is `3`", lambda layers: field(layers) ** 2),
        "3×3 by heart": (
            "is `3`; expected is `7`",
            THEIRS.walked(lambda kernel, step, stride: 2 * step),
        ),
    },
)
rejected(
    "receptive_field",
    "largest kernel",
    "layers of stride 1",
    "is `3`; expected is `5`",
    lambda layers: max(kernel for kernel, _ in layers),
)
rejected(
    "receptive_field",
    "a stride is 2",
    "several strides",
    "expected is",
    THEIRS.walked(steps=lambda step, stride: 2 * step if stride > 1 else step),
)
rejected(
    "receptive_field",
    "empty stack forgotten",
    "other stacks",
    "stops with IndexError",
    lambda layers: layers[0][0] + field(layers) - layers[0][0],
)

# --- plain_cnn ---


@accepted("plain_cnn", "a class with a module list")
class Net(nn.Module):
    def __init__(self, in_channels, widths, num_classes):
        super().__init__()
        self.head = nn.Linear(widths[-1], num_classes)
        before = [in_channels, *widths[:-1]]
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride=1 + (place > 0), padding=1, bias=False)
            for place, (i, o) in enumerate(zip(before, widths, strict=True))
        )

    def forward(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)), inplace=True)
        return self.head(x.mean((-2, -1)))


@accepted("plain_cnn", "lazy layers")
def lazy(in_channels, widths, num_classes):
    layers = []
    for width in widths:
        stride = 2 if layers else 1
        layers.append(nn.LazyConv2d(width, 3, stride=stride, padding=1, bias=False))
        layers += [nn.LazyBatchNorm2d(), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(num_classes)
    )


plain = THEIRS.stacked()


def without(place):
    """The network, one layer taken out."""

    def net(*arguments):
        layers = plain(*arguments)
        del layers[place]
        return layers

    return net


def strides(*each, after=None):
    """Other strides of the first convolutions."""

    def net(*arguments):
        layers = (THEIRS.stacked(after=after) if after else plain)(*arguments)
        convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
        for layer, stride in zip(convolutions, each, strict=False):
            layer.stride = stride
        return layers

    return net


def pooled(width):
    shrinking = [nn.MaxPool2d(2)] if width > 6 else []
    return [nn.BatchNorm2d(width), nn.ReLU(), *shrinking]


def no_padding(*arguments):
    net = plain(*arguments)
    for conv in net[:-3:3]:
        conv.padding = 0
    return net


all_rejected(
    "plain_cnn",
    "a score for each class",
    {
        "not flattened": ("stops with RuntimeError", without(-2)),
        "no linear layer": ("has shape 2×12", without(-1)),
        "channels do not match": (
            "stops with RuntimeError",
            lambda i, widths, n: plain(widths[0], widths, n),
        ),
        "a list of layers": (
            "an `nn.Module` is asked for",
            lambda *arguments: list(plain(*arguments)),
        ),
    },
)
all_rejected(
    "plain_cnn",
    "the shape at every joint",
    {
        "never smaller": ("2×8×28×28; expected is 2×8×14×14", strides(1, 1, 1)),
        "stride in the first too": ("Convolution 1 gives 2×6×14×14", strides(2)),
        "no padding": ("Convolution 1 gives 2×6×26×26", no_padding),
        "pooled in place of strides": (
            "Convolution 2 gives 2×8×28×28",
            strides(1, 1, 1, after=pooled),
        ),
    },
)
rejected(
    "plain_cnn",
    "pool of 7",
    "images of another size",
    "stops with RuntimeError",
    THEIRS.stacked(pool=lambda size: nn.AvgPool2d(7)),
)
all_rejected(
    "plain_cnn",
    "other numbers",
    {
        "three widths by heart": (
            "runs 3 convolutions",
            lambda i, widths, n: plain(i, (widths * 3)[:3], n),
        ),
        "grey images by heart": (
            "stops with RuntimeError",
            lambda i, widths, n: plain(1, widths, n),
        ),
    },
)
