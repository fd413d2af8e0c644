"""What judges the exercises of lesson 01, convolutions and shapes."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.forms import Call, Case, Joints, Outputs, Parameters, Shapes, call
from resnet_lessons.checks.verdict import Wrong

# --- 1.1 ---


def sized(size: Callable) -> Callable:
    """The shape, where a row of n pixels becomes one of `size(n, k, s, p, d)`."""

    def behind(shape, out_channels, kernel_size, stride=1, padding=0, dilation=1):
        batch, _, *image = shape
        sizes = (size(n, kernel_size, stride, padding, dilation) for n in image)
        return batch, out_channels, *sizes

    return behind


behind = sized(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s + 1)


def ordered(order: str) -> Callable:
    """The numbers that are asked for, N, O, H and W, and C that goes in, in another order."""

    def put(shape, *args, **kwargs):
        numbers = dict(zip("NOHWC", (*behind(shape, *args, **kwargs), shape[1]), strict=True))
        return tuple(numbers[axis] for axis in order)

    return put


def layer(shape: tuple, out: int, k: int, s: int = 1, p: int = 0, d: int = 1) -> Call:
    return call(shape, out, kernel_size=k, stride=s, padding=p, dilation=d)


def any_layers() -> list[Call]:
    layers = [call((3, 6, 20, 30), 5, 3)]
    for _ in range(20):
        k, s, d = torch.randint(1, 5, (3,)).tolist()
        h, w = torch.randint(20, 90, (2,)).tolist()
        layers.append(layer((3, 6, h, w), 11, k, s, int(torch.randint(0, 4, ())), d))
    return layers


output_shape = Exercise(
    name="output_shape",
    number="1.1",
    title="The shape behind a convolution",
    difficulty=1,
    minutes=10,
    points=4,
    why="Who can predict the shape at every joint finds most faults of a network on paper.",
    solution=behind,
    cases=[
        Case(
            "batch and channels",
            [layer((8, 3, 28, 28), 16, 1), layer((5, 16, 10, 10), 7, 1)],
            idea="Each image gives one output, each kernel one channel: N stays, C becomes "
            "`out_channels`.",
            hint="Four numbers are asked for, in the order N, C, H, W.",
            mistakes={
                "Those are the channels that go in.": ordered("NCHW"),
                "The batch axis is missing.": ordered("OHW"),
                "The channels stand last; torch has N×C×H×W.": ordered("NHWO"),
                "The place where the window starts is not counted: + 1.": sized(
                    lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s
                ),
            },
        ),
        Case(
            "the window must fit",
            [
                layer((8, 3, 28, 28), 16, 3),
                layer((8, 3, 28, 28), 16, 5, p=1),
                layer((2, 1, 9, 9), 4, 3, p=1),
            ],
            idea="A window of k pixels loses k - 1 of them, and padding gives 2p back.",
            hint="Count the places of a window of 3 in a row of 5 pixels: 3, not 2.",
            mistakes={
                "Padding is put on both sides, so it counts twice.": sized(
                    lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1
                ),
            },
        ),
        Case(
            "steps of the stride",
            [
                layer((8, 32, 7, 7), 64, 3, s=2, p=1),
                layer((8, 32, 28, 28), 64, 3, s=2, p=1),
                layer((8, 3, 96, 96), 64, 7, s=2),
            ],
            idea="The way that is left goes in steps of the stride, and a step that does not fit "
            "is not made.",
            hint="Whole-number division `//` rounds down. Is the + 1 outside of it?",
            mistakes={
                "A step that does not fit is not made: round down.": sized(
                    lambda n, k, s, p, d: math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1
                ),
                "That is the size without the stride.": sized(
                    lambda n, k, s, p, d: n + 2 * p - d * (k - 1)
                ),
            },
        ),
        Case(
            "height and width",
            [layer((1, 3, 33, 50), 8, 3, s=2, p=1), layer((1, 3, 12, 9), 8, 5)],
            idea="Height and width follow the same formula, each for itself.",
            hint="H is `shape[2]`, W is `shape[3]`.",
            mistakes={
                "Height and width are swapped.": ordered("NOWH"),
                "The width is computed from the height.": ordered("NOHH"),
                "The height is computed from the width.": ordered("NOWW"),
            },
        ),
        Case(
            "dilation",
            [layer((1, 3, 20, 20), 8, 3, d=2), layer((1, 3, 20, 15), 8, 3, s=3, p=2, d=4)],
            idea="With dilation d the kernel's weights stand d pixels apart, so it covers "
            "d(k - 1) + 1.",
            hint="Draw three weights with one gap between neighbours. How many pixels is that?",
            mistakes={
                "With dilation the window covers d(k - 1) + 1 pixels, not d·k.": sized(
                    lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1
                ),
                "That is the size without dilation.": sized(
                    lambda n, k, s, p, d: (n + 2 * p - k) // s + 1
                ),
            },
        ),
        Case(
            "other numbers",
            any_layers,
            idea="The formula holds for every setting where the window fits.",
            hint="Compute from the arguments; what are `stride`, `padding` and `dilation` if none "
            "is given?",
            hidden=True,
        ),
    ],
)

# --- 1.2 ---


def counted(
    weights: Callable = lambda i, o, k: o * i * k * k,
    bias: Callable = lambda i, o: o,
    normed: Callable = lambda i, o: 2 * o,
) -> Callable:
    return lambda i, o, k, norm: weights(i, o, k) + (normed if norm else bias)(i, o)


layer_parameters = Exercise(
    name="layer_parameters",
    number="1.2",
    title="Count its parameters",
    difficulty=1,
    minutes=10,
    points=3,
    why="A parameter count tells a missing layer or a needless bias at a glance.",
    solution=counted(),
    cases=[
        Case(
            "weights and bias",
            [call(3, 8, 5, norm=False), call(16, 32, 3, norm=False)],
            idea="Each output channel has a kernel for every input channel, and one bias.",
            hint="What is the shape of the weight? Multiply its four numbers, then add the biases.",
            mistakes={
                "A kernel of k×k has k·k weights, not k.": counted(lambda i, o, k: o * i * k),
                "A kernel has weights for each input channel.": counted(lambda i, o, k: o * k * k),
                "The layer has a kernel for each output channel.": counted(
                    lambda i, o, k: i * k * k
                ),
                "The bias is missing: one number for each output channel.": counted(
                    bias=lambda i, o: 0
                ),
                "There is one bias for each output channel, not for each input channel.": counted(
                    bias=lambda i, o: i
                ),
                "There is one bias for each output channel, not one in all.": counted(
                    bias=lambda i, o: 1
                ),
            },
        ),
        Case(
            "with batch normalisation",
            [call(3, 8, 5, norm=True), call(16, 32, 3, norm=True)],
            idea="Batch normalisation takes a bias away at once and has a shift of its own, so the "
            "bias is left out.",
            hint="γ and β: how many of each?",
            mistakes={
                "The parameters of the batch normalisation are missing.": counted(
                    normed=lambda i, o: 0
                ),
                "In front of a batch normalisation the convolution needs no bias.": counted(
                    normed=lambda i, o: 3 * o
                ),
                "That is a bias, and no batch normalisation.": counted(normed=lambda i, o: o),
                "Batch normalisation has a scale and a shift for each channel, not two in "
                "all.": counted(normed=lambda i, o: 2),
                "It has them for each channel that it gets: those that the convolution "
                "gives.": counted(normed=lambda i, o: 2 * i),
                "Running mean and variance are no parameters: no gradient changes them.": counted(
                    normed=lambda i, o: 4 * o
                ),
            },
        ),
        Case(
            "a kernel of one pixel",
            [call(64, 10, 1, norm=False), call(64, 10, 1, norm=True)],
            idea="A 1×1 kernel has one weight for each input channel; the formula stays.",
            hint="Is something fixed that should come from the arguments?",
        ),
        Case(
            "other numbers",
            lambda: [
                call(
                    *torch.randint(5, 300, (2,)).tolist(), int(torch.randint(2, 11, ())), norm=norm
                )
                for norm in (True, False)
            ],
            idea="The count follows from the arguments alone; height and width of the image play "
            "no part.",
            hint="Compute it, do not look it up.",
            hidden=True,
        ),
    ],
)

# --- 1.3 ---


def convolved(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    kernel = weight.shape[2]
    rows, columns = ((n - kernel) // stride + 1 for n in x.shape[2:])
    y = torch.empty(len(x), len(weight), rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            window = x[:, None, :, top : top + kernel, left : left + kernel]
            y[:, :, row, column] = (window * weight).sum((2, 3, 4)) + bias
    return y


def using(change: Callable) -> Callable:
    """The convolution of something else than the given images, weight and bias."""
    return lambda x, weight, bias, **settings: convolved(*change(x, weight, bias), **settings)


def images(x: tuple, out: int, k: int, bias: bool = True, s: int = 1, p: int = 0) -> Call:
    offset = torch.randn(out) if bias else torch.zeros(out)
    return call(torch.randn(x), torch.randn(out, x[1], k, k), offset, stride=s, padding=p)


def result_for(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> str:
    shapes = f"x of {expect.times(x.shape)} and a weight of {expect.times(weight.shape)}"
    return f"for {shapes} at stride {stride} and padding {padding} the result"


def by_hand(answer: Answer, *given: Tensor, **settings: int) -> object:
    for name in sorted(answer.uses(*given, **settings)):
        if "conv" in name:
            raise Wrong(f"It calls torch's `{name}`, which does what you should do by hand.")
    return answer(*given, **settings)


def undamaged(answer: Answer, *given: Tensor, **settings: int) -> object:
    if not answer.keeps(*given, **settings):
        raise Wrong("A tensor that it is given has other values after the call than before.")
    return answer(*given, **settings)


convolve = Exercise(
    name="convolve",
    number="1.3",
    title="A convolution by hand",
    difficulty=2,
    minutes=25,
    points=8,
    why="Who has written it once knows what the library does, and what each setting costs.",
    solution=convolved,
    what=result_for,
    cases=[
        Case(
            "one channel, by hand",
            lambda: [images((1, 1, 5, 5), 1, 3, bias=False)],
            idea="At each place: multiply every pixel in the window by its weight, and add up.",
            hint="Begin with two loops, over rows and columns of the output, as in the lesson.",
            see=by_hand,
            mistakes={
                "The kernel is turned by half a turn: w[u, v] goes with x[i + u, j + v].": using(
                    lambda x, w, b: (x, w.flip(2, 3), b)
                ),
                "The rows and columns of the kernel are swapped.": using(
                    lambda x, w, b: (x, w.transpose(2, 3), b)
                ),
                "The products are averaged; they should be added up.": using(
                    lambda x, w, b: (x, w / w[0].numel(), b)
                ),
            },
        ),
        Case(
            "channels in, channels out",
            lambda: [
                images((1, 3, 6, 6), 1, 3, bias=False),
                images((1, 2, 6, 6), 4, 3, bias=False),
            ],
            idea="The products of all input channels go into one sum; each kernel gives a channel.",
            hint="`weight[o]` has the shape C×k×k, just like a window of one image.",
            mistakes={
                "Only the first input channel is used.": using(
                    lambda x, w, b: (x[:, :1], w[:, :1], b)
                ),
                "The input channels are averaged; they should be added up.": using(
                    lambda x, w, b: (x, w / w.shape[1], b)
                ),
                "Every output channel has the kernel of the first.": using(
                    lambda x, w, b: (x, w[:1].expand_as(w), b)
                ),
            },
        ),
        Case(
            "the bias",
            lambda: [images((1, 2, 6, 6), 4, 3)],
            idea="The bias is one number for each output channel, added everywhere, once.",
            hint="`bias.view(-1, 1, 1)` stretches over rows and columns.",
            mistakes={
                "The bias is missing.": using(lambda x, w, b: (x, w, 0 * b)),
                "The bias is added with every product; it is added once.": using(
                    lambda x, w, b: (x, w, w[0].numel() * b)
                ),
            },
        ),
        Case(
            "stride",
            lambda: [images((1, 2, 7, 7), 3, 3, s=2), images((1, 2, 8, 8), 3, 3, s=3)],
            idea="The window moves on by `stride` pixels, not by one.",
            hint="Where does the window of output pixel i start? How many places are there?",
        ),
        Case(
            "padding",
            lambda: [images((1, 2, 5, 5), 3, 3, p=1), images((1, 2, 6, 6), 3, 3, s=2, p=2)],
            idea="Padding puts zeros around the image, on all four sides, before the window "
            "slides.",
            hint="`functional.pad(x, (left, right, top, bottom))`.",
        ),
        Case(
            "a batch of images that are not square",
            lambda: [images((3, 2, 7, 10), 4, 5, s=2, p=1), images((2, 3, 9, 4), 2, 2)],
            idea="Each image is convolved by itself; height and width go their own ways.",
            hint="Take height, width, kernel size and batch from the shapes.",
            mistakes={
                "Every image of the batch gets the result of the first.": using(
                    lambda x, w, b: (x[:1].expand_as(x), w, b)
                ),
            },
        ),
        Case(
            "other numbers, and nothing damaged",
            lambda: [
                images((2, 5, 11, 6), 3, 1, s=2),
                images((2, 1, 6, 13), 2, 4, s=3, p=2),
                images((2, 3, 5, 6), 4, 3),
            ],
            idea="A function leaves what it is given as it is.",
            hint="Do not write into `x`, `weight` or `bias`.",
            see=undamaged,
            hidden=True,
        ),
    ],
)

# --- 1.4 ---


def walked(
    adds: Callable = lambda kernel, step, stride: (kernel - 1) * step,
    steps: Callable = lambda step, stride: step * stride,
) -> Callable:
    def field(layers):
        seen, step = 1, 1
        for kernel, stride in layers:
            seen += adds(kernel, step, stride)
            step = steps(step, stride)
        return seen

    return field


def any_stacks() -> list[tuple]:
    stacks = [([],)]
    for _ in range(8):
        kernels = torch.randint(1, 6, (int(torch.randint(2, 7, ())),)).tolist()
        # A stride above the kernel size would leave pixels out that nobody sees.
        stacks.append(([(k, min(k, int(torch.randint(1, 4, ())))) for k in kernels],))
    return stacks


receptive_field = Exercise(
    name="receptive_field",
    number="1.4",
    title="How far does a pixel see?",
    difficulty=2,
    minutes=20,
    points=5,
    why="A network cannot recognise what is larger than its receptive field.",
    solution=walked(),
    cases=[
        Case(
            "one layer",
            [([(3, 1)],), ([(7, 1)],), ([(1, 1)],), ([(3, 2)],)],
            idea="A pixel behind one layer sees the window of that layer, whatever its stride.",
            hint="Begin with a field of 1 pixel: no layer at all.",
            mistakes={
                "A layer's own stride does not widen what it sees itself, only what later layers "
                "see.": walked(adds=lambda kernel, step, stride: (kernel - 1) * step * stride),
            },
        ),
        Case(
            "layers of stride 1",
            [([(3, 1)] * 2,), ([(3, 1)] * 3,), ([(5, 1), (1, 1), (3, 1)],)],
            idea="Neighbouring windows overlap: a layer adds k - 1 pixels, not k.",
            hint="Two layers of 3×3 see 5×5. What does each add?",
            mistakes={
                "Those are all kernel sizes added up; but neighbouring windows "
                "overlap.": lambda layers: sum(kernel for kernel, _ in layers),
                "Those are all kernel sizes multiplied; but neighbouring windows "
                "overlap.": lambda layers: math.prod(kernel for kernel, _ in layers),
            },
        ),
        Case(
            "behind a stride",
            [([(3, 1), (3, 2)],), ([(3, 2), (3, 1)],), ([(3, 2), (5, 1), (3, 1)],)],
            idea="Behind a stride of 2, neighbouring pixels of a map stand for places 2 pixels "
            "apart.",
            hint="Keep two numbers: the field so far, and how many image pixels one step is.",
            mistakes={
                "That is what it sees if the strides are forgotten.": walked(steps=lambda *_: 1),
                "The layers are gone through from the wrong end.": (
                    lambda layers: walked()(layers[::-1])
                ),
                "All strides before a layer count, not only that of the layer before it.": walked(
                    steps=lambda step, stride: stride
                ),
            },
        ),
        Case(
            "several strides",
            [([(3, 2)] * 4,), ([(7, 2), (3, 2), (3, 1), (3, 1)],), ([(3, 3), (2, 2), (3, 1)],)],
            idea="Each stride multiplies the step of all layers behind it.",
            hint="What is one step in the image behind two strides of 2? And behind three?",
            mistakes={
                "Two strides of 2 in a row make steps of 4 pixels in the image: strides "
                "multiply.": walked(steps=lambda step, s: step * s if 1 in (step, s) else step + s),
            },
        ),
        Case(
            "other stacks",
            any_stacks,
            idea="The rule holds for every stack, also for none.",
            hint="Without any layer a pixel sees itself.",
            hidden=True,
        ),
    ],
)

# --- 1.5 ---


def stacked(
    bias: bool = False,
    after: Callable = lambda width: [nn.BatchNorm2d(width), nn.ReLU()],
    pool: Callable = nn.AdaptiveAvgPool2d,
    linear: Callable = nn.Linear,
    end: tuple = (),
) -> Callable:
    def net(in_channels, widths, num_classes):
        layers, channels = [], in_channels
        for place, width in enumerate(widths):
            conv = nn.Conv2d(channels, width, 3, 2 if place else 1, padding=1, bias=bias)
            layers += [conv, *after(width)]
            channels = width
        return nn.Sequential(*layers, pool(1), nn.Flatten(), linear(channels, num_classes), *end)

    return net


class Listed(nn.Module):
    def __init__(self, *arguments: object, linear_too: bool = False) -> None:
        super().__init__()
        self.layers = list(stacked()(*arguments))
        if not linear_too:
            self.linear = self.layers[-1]

    def forward(self, x: Tensor) -> Tensor:
        return nn.Sequential(*self.layers)(x)


def last_relu_missing(*arguments: object) -> nn.Sequential:
    net = stacked()(*arguments)
    del net[-4]
    return net


SMALL = (1, [6, 8, 12], 10)
LISTED = "odules in a plain Python list are not found; use `nn.Sequential` or `nn.ModuleList`."

plain_cnn = Exercise(
    name="plain_cnn",
    number="1.5",
    title="A plain network",
    difficulty=3,
    minutes=25,
    points=8,
    why="It is the network that the residual ones of the course are compared with.",
    solution=stacked(),
    cases=[
        Shapes(
            "a score for each class",
            [(SMALL, (2, 1, 28, 28)), (SMALL, (5, 1, 28, 28))],
            idea="A batch of images goes in, and a row of scores comes out for each of them.",
            hint="Global average pooling leaves 1×1 pixels; `nn.Flatten` drops those two axes.",
        ),
        Parameters(
            "its parameters",
            [(SMALL, (2, 1, 28, 28))],
            idea="3×3 convolutions without bias, each with a batch normalisation, and one linear "
            "layer.",
            hint="Print `sum(p.numel() for p in net.parameters())` and count by the formula.",
            mistakes={
                "That is a number for each channel too many: the convolutions have a "
                "bias.": stacked(bias=True),
                "That is two numbers for each channel too few: there is no batch "
                "normalisation.": stacked(after=lambda width: [nn.ReLU()]),
                "The convolutions have a bias in place of batch normalisation.": stacked(
                    bias=True, after=lambda width: [nn.ReLU()]
                ),
                f"Those are the parameters of the linear layer alone: m{LISTED}": Listed,
                f"M{LISTED}": partial(Listed, linear_too=True),
                "The linear layer has no bias.": stacked(linear=partial(nn.Linear, bias=False)),
                "The linear layer is made for all 7×7 pixels, not for their mean.": stacked(
                    pool=nn.Identity, linear=lambda i, o: nn.Linear(49 * i, o)
                ),
            },
        ),
        Joints(
            "the shape at every joint",
            [(SMALL, (2, 1, 28, 28))],
            idea="The first convolution keeps height and width, each later one halves them, "
            "rounding up.",
            hint="Print the shape after every layer, or use `shape_table`.",
        ),
        Outputs(
            "what it computes",
            [(SMALL, (4, 1, 28, 28))],
            idea="Convolution, batch normalisation, ReLU, again and again; then the mean of each "
            "map, and the linear layer.",
            hint="Go through `forward` line by line, with the statement beside it.",
            mistakes={
                "There is a ReLU behind the linear layer; a score may be negative.": stacked(
                    end=(nn.ReLU(),)
                ),
                "There is a softmax at the end; scores are asked for, not probabilities.": stacked(
                    end=(nn.Softmax(1),)
                ),
                "There is a log-softmax at the end; scores are asked for.": stacked(
                    end=(nn.LogSoftmax(1),)
                ),
                "The pool takes the largest pixel of each map; take the mean.": stacked(
                    pool=nn.AdaptiveMaxPool2d
                ),
                "The order is convolution, ReLU, batch normalisation; the ReLU comes "
                "last.": stacked(after=lambda width: [nn.ReLU(), nn.BatchNorm2d(width)]),
                "There is no ReLU.": stacked(after=lambda width: [nn.BatchNorm2d(width)]),
                "The ReLU behind the last convolution is missing.": last_relu_missing,
            },
        ),
        Outputs(
            "images of another size",
            [(SMALL, (3, 1, 21, 34))],
            idea="Global average pooling makes one number of each map, however large it is.",
            hint="`nn.AdaptiveAvgPool2d(1)`, or `x.mean((2, 3))`.",
        ),
        Outputs(
            "other numbers",
            [((3, [5, 5, 9, 4, 7], 6), (2, 3, 33, 18)), ((2, [11], 3), (2, 2, 9, 9))],
            idea="Channels, widths and classes are those that were asked for.",
            hint="Each convolution takes the channels that the one before it gives.",
            hidden=True,
        ),
    ],
)

EXERCISES = [output_shape, layer_parameters, convolve, receptive_field, plain_cnn]
