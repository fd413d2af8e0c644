"""Answers to the exercises of lesson 01."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from answers import right, wrong

# --- output_shape ---


@right("output_shape", "by running a convolution on no memory")
def _():
    def shape(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
        x = torch.empty(shape, device="meta")
        weight = torch.empty(out_channels, shape[1], kernel_size, kernel_size, device="meta")
        return F.conv2d(x, weight, None, stride, padding, dilation).shape

    return shape


@right("output_shape", "a list, with math.floor")
def _():
    def shape(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
        result = [shape[0], out_channels]
        for n in shape[2:]:
            free = n + 2 * padding - dilation * (kernel_size - 1) - 1
            result.append(math.floor(free / stride + 1))
        return result

    return shape


@right("output_shape", "places counted one by one")
def _():
    def places(n, k, s, p, d):
        return sum(1 for start in range(-p, n + p, s) if start + d * (k - 1) < n + p)

    def shape(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
        n, _, h, w = shape
        settings = (kernel_size, stride, padding, dilation)
        return n, out_channels, places(h, *settings), places(w, *settings)

    return shape


def shaped(
    size=lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s + 1,
    order=lambda n, c, o, h, w: (n, o, h, w),
):
    def shape(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
        n, c, h, w = shape
        h, w = (size(x, kernel_size, stride, padding, dilation) for x in (h, w))
        return order(n, c, out_channels, h, w)

    return shape


FITS = "the window must fit"


@wrong("output_shape", "channels kept", "batch and channels", "the channels that go in")
def _():
    return shaped(order=lambda n, c, o, h, w: (n, c, h, w))


@wrong("output_shape", "batch lost", "batch and channels", "batch axis is missing")
def _():
    return shaped(order=lambda n, c, o, h, w: (o, h, w))


@wrong("output_shape", "channels last", "batch and channels", "channels stand last")
def _():
    return shaped(order=lambda n, c, o, h, w: (n, h, w, o))


@wrong("output_shape", "only a size", "batch and channels", "is `28`; expected is")
def _():
    return shaped(order=lambda n, c, o, h, w: h)


@wrong("output_shape", "start not counted", "batch and channels", "+ 1")
def _():
    return shaped(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s)


@wrong("output_shape", "k for k - 1", "batch and channels", "(8, 16, 27, 27)")
def _():
    return shaped(lambda n, k, s, p, d: (n + 2 * p - k) // s)


@wrong("output_shape", "size kept", FITS, "expected is `(8, 16, 26, 26)`")
def _():
    return shaped(lambda n, k, s, p, d: n // s)


@wrong("output_shape", "padding once", FITS, "it counts twice")
def _():
    return shaped(lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1)


@wrong("output_shape", "rounds up", "steps of the stride", "round down")
def _():
    return shaped(lambda n, k, s, p, d: math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1)


@wrong("output_shape", "no rounding", "steps of the stride", "14.5")
def _():
    return shaped(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) / s + 1)


@wrong("output_shape", "stride forgotten", "steps of the stride", "without the stride")
def _():
    return shaped(lambda n, k, s, p, d: n + 2 * p - d * (k - 1))


@wrong("output_shape", "one added inside", "steps of the stride", "expected is `(8, 64, 4, 4)`")
def _():
    return shaped(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s)


@wrong("output_shape", "square", "height and width", "computed from the height")
def _():
    return shaped(order=lambda n, c, o, h, w: (n, o, h, h))


@wrong("output_shape", "swapped", "height and width", "swapped")
def _():
    return shaped(order=lambda n, c, o, h, w: (n, o, w, h))


@wrong("output_shape", "dilation forgotten", "dilation", "without dilation")
def _():
    return shaped(lambda n, k, s, p, d: (n + 2 * p - k) // s + 1)


@wrong("output_shape", "kernel times dilation", "dilation", "not d·k")
def _():
    return shaped(lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1)


@wrong("output_shape", "no defaults", "other numbers", "stops with TypeError")
def _():
    given = shaped()
    return lambda shape, out_channels, kernel_size, stride, padding, dilation: given(
        shape, out_channels, kernel_size, stride, padding, dilation
    )


# --- layer_parameters ---


@right("layer_parameters", "by building the layers")
def _():
    def count(i, o, k, norm):
        net = nn.Sequential(nn.Conv2d(i, o, k, bias=not norm))
        if norm:
            net.append(nn.BatchNorm2d(o))
        return sum(p.numel() for p in net.parameters())

    return count


@right("layer_parameters", "a product of a shape, in a tensor")
def _():
    return lambda i, o, k, norm: torch.Size([o, i, k, k]).numel() + (o << norm)


def counted(weights=lambda i, o, k: o * i * k * k, bias=lambda i, o: o, norm=lambda i, o: 2 * o):
    return lambda i, o, k, norm=False, _norm=norm: (
        weights(i, o, k) + (_norm(i, o) if norm else bias(i, o))
    )


PLAIN, NORMED = "weights and bias", "with batch normalisation"


@wrong("layer_parameters", "no bias", PLAIN, "The bias is missing")
def _():
    return counted(bias=lambda i, o: 0)


@wrong("layer_parameters", "a bias for each input channel", PLAIN, "not for each input channel")
def _():
    return counted(bias=lambda i, o: i)


@wrong("layer_parameters", "one bias in all", PLAIN, "not one in all")
def _():
    return counted(bias=lambda i, o: 1)


@wrong("layer_parameters", "k for k·k", PLAIN, "k·k weights")
def _():
    return counted(weights=lambda i, o, k: o * i * k)


@wrong("layer_parameters", "flat kernels", PLAIN, "for each input channel")
def _():
    return counted(weights=lambda i, o, k: o * k * k)


@wrong("layer_parameters", "one kernel", PLAIN, "a kernel for each output channel")
def _():
    return counted(weights=lambda i, o, k: i * k * k)


@wrong("layer_parameters", "bias kept", NORMED, "needs no bias")
def _():
    return counted(norm=lambda i, o: 3 * o)


@wrong("layer_parameters", "normalisation without parameters", NORMED, "are missing")
def _():
    return counted(norm=lambda i, o: 0)


@wrong("layer_parameters", "norm ignored", NORMED, "and no batch normalisation")
def _():
    return counted(norm=lambda i, o: o)


@wrong("layer_parameters", "two in all", NORMED, "not two in all")
def _():
    return counted(norm=lambda i, o: 2)


@wrong("layer_parameters", "normalises the input", NORMED, "those that the convolution gives")
def _():
    return counted(norm=lambda i, o: 2 * i)


@wrong("layer_parameters", "running statistics counted", NORMED, "no gradient changes them")
def _():
    def count(i, o, k, norm):
        net = nn.Sequential(nn.Conv2d(i, o, k, bias=not norm))
        if norm:
            net.append(nn.BatchNorm2d(o, dtype=torch.float32))
        counted = [v for name, v in net.state_dict().items() if "batches" not in name]
        return sum(v.numel() for v in counted)

    return count


@wrong("layer_parameters", "kernel by heart", "a kernel of one pixel", "layer_parameters(64, 10, 1")
def _():
    return counted(weights=lambda i, o, k: o * i * (25 if k == 5 else 9))


@wrong("layer_parameters", "answers by heart", "other numbers", "expected is")
def _():
    known = {(3, 8, 5): 600, (16, 32, 3): 4608, (64, 10, 1): 640}
    return counted(weights=lambda i, o, k: known.get((i, o, k), 0))


# --- convolve ---


@right("convolve", "six loops")
def _():
    def convolve(x, weight, bias, stride=1, padding=0):
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

    return convolve


@right("convolve", "unfold and a matrix product")
def _():
    def convolve(x, weight, bias, stride=1, padding=0):
        k = weight.shape[2]
        columns = F.unfold(x, k, padding=padding, stride=stride)
        y = weight.flatten(1) @ columns + bias[:, None]
        rows = (x.shape[2] + 2 * padding - k) // stride + 1
        return y.unflatten(2, (rows, -1))

    return convolve


@right("convolve", "shifted images added up")
def _():
    def convolve(x, weight, bias, stride=1, padding=0):
        x = F.pad(x, [padding] * 4)
        k = weight.shape[-1]
        rows, columns = x.shape[2] - k + 1, x.shape[3] - k + 1
        y = bias.view(1, -1, 1, 1)
        for u in range(k):
            for v in range(k):
                shifted = x[:, :, u : u + rows : stride, v : v + columns : stride]
                y = y + torch.einsum("nchw,oc->nohw", shifted, weight[:, :, u, v])
        return y

    return convolve


def convolving(
    pad=lambda x, p: F.pad(x, (p, p, p, p)),
    taps=lambda window, weight: (window * weight).sum((2, 3, 4)),
    start=lambda place, stride: place * stride,
    bias=lambda y, b: y + b,
    square=False,
):
    def convolve(x, weight, b, stride=1, padding=0):
        x, k = pad(x, padding), weight.shape[2]
        rows, columns = ((n - k) // stride + 1 for n in x.shape[2:])
        columns = rows if square else columns
        y = torch.empty(len(x), len(weight), rows, columns)
        for i in range(rows):
            for j in range(columns):
                top, left = start(i, stride), start(j, stride)
                window = x[:, None, :, top : top + k, left : left + k]
                y[:, :, i, j] = bias(taps(window, weight), b)
        return y

    return convolve


BY_HAND = "one channel, by hand"
CHANNELS = "channels in, channels out"
BATCH = "a batch of images that are not square"


@wrong("convolve", "torch's own", BY_HAND, "calls torch's `conv2d`")
def _():
    return F.conv2d


@wrong("convolve", "torch's own layer", BY_HAND, "calls torch's `conv2d`")
def _():
    def convolve(x, weight, bias, stride=1, padding=0):
        o, c, k, _ = weight.shape
        layer = nn.Conv2d(c, o, k, stride, padding)
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer(x).detach()

    return convolve


@wrong("convolve", "kernel turned", BY_HAND, "half a turn")
def _():
    return convolving(taps=lambda window, weight: (window * weight.flip(2, 3)).sum((2, 3, 4)))


@wrong("convolve", "kernel transposed", BY_HAND, "rows and columns of the kernel")
def _():
    return convolving(taps=lambda window, weight: (window * weight.transpose(2, 3)).sum((2, 3, 4)))


@wrong("convolve", "mean for sum", BY_HAND, "averaged; they should be added")
def _():
    return convolving(taps=lambda window, weight: (window * weight).mean((2, 3, 4)))


@wrong("convolve", "matrix product in the window", BY_HAND, "differs from the expected")
def _():
    return convolving(taps=lambda window, weight: (window @ weight).sum((2, 3, 4)))


@wrong("convolve", "last place forgotten", BY_HAND, "has shape 1×1×2×2")
def _():
    inner = convolving()
    return lambda *args, **kwargs: inner(*args, **kwargs)[:, :, :-1, :-1]


@wrong("convolve", "first channel only", CHANNELS, "Only the first input channel")
def _():
    return convolving(
        taps=lambda window, weight: (window * weight)[:, :, 0].sum((2, 3)),
    )


@wrong("convolve", "channels averaged", CHANNELS, "input channels are averaged")
def _():
    return convolving(taps=lambda window, weight: (window * weight).mean(2).sum((2, 3)))


@wrong("convolve", "one kernel for all", CHANNELS, "the kernel of the first")
def _():
    def taps(window, weight):
        return (window * weight[:1]).sum((2, 3, 4)).expand(-1, len(weight))

    return convolving(taps=taps)


@wrong("convolve", "no bias", "the bias", "The bias is missing")
def _():
    return convolving(bias=lambda y, b: y)


@wrong("convolve", "a bias with every product", "the bias", "with every product")
def _():
    def taps(window, weight, bias):
        return (window * weight + bias.view(-1, 1, 1, 1)).sum((2, 3, 4))

    def convolve(x, weight, bias, stride=1, padding=0):
        inner = convolving(taps=lambda window, w: taps(window, w, bias), bias=lambda y, b: y)
        return inner(x, weight, bias, stride, padding)

    return convolve


@wrong("convolve", "stride not in the place", "stride", "differs from the expected")
def _():
    return convolving(start=lambda place, stride: place)


@wrong("convolve", "stride ignored", "stride", "has shape 1×3×5×5; expected is 1×3×3×3")
def _():
    inner = convolving()
    return lambda x, weight, bias, stride=1, padding=0: inner(x, weight, bias, 1, padding)


@wrong("convolve", "padding on one side", "padding", "expected is 1×3×5×5")
def _():
    return convolving(pad=lambda x, p: F.pad(x, (p, 0, p, 0)))


@wrong("convolve", "padding with ones", "padding", "differs from the expected")
def _():
    return convolving(pad=lambda x, p: F.pad(x, (p, p, p, p), value=1))


@wrong("convolve", "borders repeated", "padding", "differs from the expected")
def _():
    return convolving(pad=lambda x, p: F.pad(x, (p, p, p, p), mode="replicate"))


@wrong("convolve", "square only", BATCH, "expected is 3×4×3×4")
def _():
    return convolving(square=True)


@wrong("convolve", "first image only", BATCH, "the result of the first")
def _():
    inner = convolving()
    return lambda x, *rest, **kwargs: inner(x[:1], *rest, **kwargs).repeat(len(x), 1, 1, 1)


@wrong("convolve", "3×3 by heart", BATCH, "stops with RuntimeError")
def _():
    def convolve(x, weight, bias, stride=1, padding=0):
        columns = F.unfold(x, 3, padding=padding, stride=stride)
        y = weight.flatten(1) @ columns + bias[:, None]
        return y.unflatten(2, ((x.shape[2] + 2 * padding - 3) // stride + 1, -1))

    return convolve


@wrong("convolve", "input damaged", "other numbers, and nothing damaged", "other values after")
def _():
    inner = convolving()

    def convolve(x, weight, bias, stride=1, padding=0):
        y = inner(x, weight, bias, stride, padding)
        x *= 0
        return y

    return convolve


# --- receptive_field ---


@right("receptive_field", "from the end")
def _():
    def field(layers):
        seen = 1
        for kernel, stride in reversed(layers):
            seen = (seen - 1) * stride + kernel
        return seen

    return field


@right("receptive_field", "measured by a gradient")
def _():
    def field(layers):
        image = torch.zeros(1, 1, 4000, requires_grad=True)
        y = image
        for kernel, stride in layers:
            y = F.conv1d(y, torch.ones(1, 1, kernel), stride=stride)
        y[0, 0, 0].backward()
        return int((image.grad != 0).sum())

    return field


@right("receptive_field", "products of strides")
def _():
    def field(layers):
        strides = [stride for _, stride in layers]
        return 1 + sum(
            (kernel - 1) * math.prod(strides[:place]) for place, (kernel, _) in enumerate(layers)
        )

    return field


def walked(first=1, adds=lambda k, step, s: (k - 1) * step, steps=lambda step, s: step * s):
    def field(layers):
        seen, step = first, 1
        for kernel, stride in layers:
            seen += adds(kernel, step, stride)
            step = steps(step, stride)
        return seen

    return field


FLAT, BEHIND, SEVERAL = "layers of stride 1", "behind a stride", "several strides"


@wrong("receptive_field", "no pixel to begin with", "one layer", "is `2`; expected is `3`")
def _():
    return walked(first=0)


@wrong("receptive_field", "the kernel added to the pixel", "one layer", "is `4`; expected is `3`")
def _():
    return walked(adds=lambda k, step, s: k * step)


@wrong("receptive_field", "area", "one layer", "is `9`; expected is `3`")
def _():
    inner = walked()
    return lambda layers: inner(layers) ** 2


@wrong("receptive_field", "kernels added", FLAT, "added up; but neighbouring windows overlap")
def _():
    return lambda layers: sum(kernel for kernel, _ in layers)


@wrong("receptive_field", "kernels multiplied", FLAT, "multiplied; but neighbouring")
def _():
    return lambda layers: math.prod(kernel for kernel, _ in layers)


@wrong("receptive_field", "largest kernel", FLAT, "is `3`; expected is `5`")
def _():
    return lambda layers: max(kernel for kernel, _ in layers)


@wrong("receptive_field", "3×3 by heart", "one layer", "is `3`; expected is `7`")
def _():
    return walked(adds=lambda k, step, s: 2 * step)


@wrong("receptive_field", "strides forgotten", BEHIND, "the strides are forgotten")
def _():
    return walked(steps=lambda step, s: 1)


@wrong("receptive_field", "own stride counted", "one layer", "own stride does not widen")
def _():
    return walked(adds=lambda k, step, s: (k - 1) * step * s)


@wrong("receptive_field", "from the wrong end", BEHIND, "from the wrong end")
def _():
    def field(layers):
        seen = 1
        for kernel, stride in layers:
            seen = (seen - 1) * stride + kernel
        return seen

    return field


@wrong("receptive_field", "last stride only", BEHIND, "All strides before a layer count")
def _():
    return walked(steps=lambda step, s: s)


@wrong("receptive_field", "strides added", SEVERAL, "strides multiply")
def _():
    def field(layers):
        seen, before = 1, []
        for kernel, stride in layers:
            seen += (kernel - 1) * (sum(before) or 1)
            before += [stride] if stride > 1 else []
        return seen

    return field


@wrong("receptive_field", "a stride is 2", SEVERAL, "expected is")
def _():
    return walked(steps=lambda step, s: 2 * step if s > 1 else step)


@wrong("receptive_field", "empty stack forgotten", "other stacks", "stops with IndexError")
def _():
    inner = walked()
    return lambda layers: layers[0][0] + inner(layers) - layers[0][0]


# --- plain_cnn ---


@right("plain_cnn", "a class with a module list")
def _():
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

    return Net


@right("plain_cnn", "lazy layers")
def _():
    def net(in_channels, widths, num_classes):
        layers = []
        for width in widths:
            stride = 2 if layers else 1
            layers.append(nn.LazyConv2d(width, 3, stride=stride, padding=1, bias=False))
            layers += [nn.LazyBatchNorm2d(), nn.ReLU()]
        return nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(num_classes)
        )

    return net


def stacked(
    conv=lambda i, o, place: nn.Conv2d(i, o, 3, 2 if place else 1, 1, bias=False),
    after=lambda o: [nn.BatchNorm2d(o), nn.ReLU()],
    head=lambda o, classes: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(o, classes)],
    end=(),
):
    def net(in_channels, widths, num_classes):
        layers, channels = [], in_channels
        for place, width in enumerate(widths):
            layers += [conv(channels, width, place), *after(width)]
            channels = width
        return nn.Sequential(*layers, *head(channels, num_classes), *end)

    return net


SCORES, JOINTS, COMPUTES = "a score for each class", "the shape at every joint", "what it computes"
SIZES = "images of another size"


@wrong("plain_cnn", "not flattened", SCORES, "stops with RuntimeError")
def _():
    return stacked(head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Linear(o, n)])


@wrong("plain_cnn", "no linear layer", SCORES, "has shape 2×12")
def _():
    return stacked(head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten()])


@wrong("plain_cnn", "channels do not match", SCORES, "stops with RuntimeError")
def _():
    return stacked(conv=lambda i, o, place: nn.Conv2d(o, o, 3, 1 + (place > 0), 1, bias=False))


@wrong("plain_cnn", "a list of layers", SCORES, "an `nn.Module` is asked for")
def _():
    inner = stacked()
    return lambda *arguments: list(inner(*arguments))


@wrong("plain_cnn", "layers in a Python list", "its parameters", "plain Python list")
def _():
    inner = stacked()

    class Net(nn.Module):
        def __init__(self, *arguments):
            super().__init__()
            *self.layers, self.head = inner(*arguments)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.head(x)

    return Net


@wrong("plain_cnn", "bias", "its parameters", "convolutions have a bias")
def _():
    return stacked(conv=lambda i, o, place: nn.Conv2d(i, o, 3, 2 if place else 1, 1))


@wrong("plain_cnn", "no normalisation", "its parameters", "no batch normalisation")
def _():
    return stacked(after=lambda o: [nn.ReLU()])


@wrong("plain_cnn", "bias, no normalisation", "its parameters", "in place of batch norm")
def _():
    return stacked(
        conv=lambda i, o, place: nn.Conv2d(i, o, 3, 2 if place else 1, 1),
        after=lambda o: [nn.ReLU()],
    )


@wrong("plain_cnn", "all pixels into the linear layer", "its parameters", "for all 7×7 pixels")
def _():
    return stacked(head=lambda o, n: [nn.Flatten(), nn.Linear(o * 49, n)])


@wrong("plain_cnn", "never smaller", JOINTS, "2×8×28×28; expected is 2×8×14×14")
def _():
    return stacked(conv=lambda i, o, place: nn.Conv2d(i, o, 3, 1, 1, bias=False))


@wrong("plain_cnn", "stride in the first too", JOINTS, "Convolution 1 gives 2×6×14×14")
def _():
    return stacked(conv=lambda i, o, place: nn.Conv2d(i, o, 3, 2, 1, bias=False))


@wrong("plain_cnn", "no padding", JOINTS, "Convolution 1 gives 2×6×26×26")
def _():
    return stacked(conv=lambda i, o, place: nn.Conv2d(i, o, 3, 2 if place else 1, bias=False))


@wrong("plain_cnn", "pooled in place of strides", JOINTS, "Convolution 2 gives 2×8×28×28")
def _():
    return stacked(
        conv=lambda i, o, place: nn.Conv2d(i, o, 3, 1, 1, bias=False),
        after=lambda o: [nn.BatchNorm2d(o), nn.ReLU(), *([nn.MaxPool2d(2)] if o > 6 else [])],
    )


@wrong("plain_cnn", "no ReLU", COMPUTES, "There is no ReLU")
def _():
    return stacked(after=lambda o: [nn.BatchNorm2d(o)])


@wrong("plain_cnn", "ReLU first", COMPUTES, "the ReLU comes last")
def _():
    return stacked(after=lambda o: [nn.ReLU(), nn.BatchNorm2d(o)])


@wrong("plain_cnn", "no last ReLU", COMPUTES, "behind the last convolution is missing")
def _():
    return stacked(after=lambda o: [nn.BatchNorm2d(o), *([nn.ReLU()] if o < 12 else [])])


@wrong("plain_cnn", "softmax", COMPUTES, "softmax at the end")
def _():
    return stacked(end=[nn.Softmax(1)])


@wrong("plain_cnn", "ReLU behind the scores", COMPUTES, "a score may be negative")
def _():
    return stacked(end=[nn.ReLU()])


@wrong("plain_cnn", "max pooling", COMPUTES, "takes the largest pixel")
def _():
    return stacked(head=lambda o, n: [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(o, n)])


@wrong("plain_cnn", "pool of 7", SIZES, "stops with RuntimeError")
def _():
    return stacked(head=lambda o, n: [nn.AvgPool2d(7), nn.Flatten(), nn.Linear(o, n)])


@wrong("plain_cnn", "three widths by heart", "other numbers", "runs 3 convolutions")
def _():
    inner = stacked()
    return lambda i, widths, n: inner(i, (widths * 3)[:3], n)


@wrong("plain_cnn", "grey images by heart", "other numbers", "stops with RuntimeError")
def _():
    inner = stacked()
    return lambda i, widths, n: inner(1, widths, n)
