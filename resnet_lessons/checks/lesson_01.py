"""What judges the exercises of lesson 01, convolutions and shapes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.comparing import built, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong

# --- 1.1 ---

output_shape = Exercise(
    name="output_shape",
    number="1.1",
    title="The shape behind a convolution",
    difficulty=1,
    minutes=10,
    points=4,
    why="Who can predict the shape at every joint finds most faults of a network on paper.",
)
Shape = tuple[int, int, int, int]


def _size(n: int, k: int, s: int = 1, p: int = 0, d: int = 1) -> int:
    return (n + 2 * p - d * (k - 1) - 1) // s + 1


def _shape_case(
    answer: Answer, shape: Shape, out: int, k: int, s: int = 1, p: int = 0, d: int = 1
) -> None:
    """Ask for one shape, and name the mistake that gives what is seen."""
    n, c, h, w = shape

    def with_sizes(size: object) -> Shape:
        return (n, out, size(h), size(w))

    right = with_sizes(lambda n: _size(n, k, s, p, d))
    seen = answer(shape, out, kernel_size=k, stride=s, padding=p, dilation=d)
    mistakes = {
        "Those are the channels that go in.": (n, c, *right[2:]),
        "The batch axis is missing.": right[1:],
        "The channels stand last; torch has N×C×H×W.": (n, *right[2:], out),
        "Height and width are swapped.": (n, out, right[3], right[2]),
        "The width is computed from the height.": (n, out, right[2], right[2]),
        "The height is computed from the width.": (n, out, right[3], right[3]),
        "Padding is put on both sides, so it counts twice.": with_sizes(
            lambda n: (n + p - d * (k - 1) - 1) // s + 1
        ),
        "With dilation the window covers d(k - 1) + 1 pixels, not d·k.": with_sizes(
            lambda n: (n + 2 * p - d * k) // s + 1
        ),
        "The place where the window starts is not counted: + 1.": with_sizes(
            lambda n: (n + 2 * p - d * (k - 1) - 1) // s
        ),
        "A step that does not fit is not made: round down.": with_sizes(
            lambda n: -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1
        ),
        "That is the size without the stride.": with_sizes(lambda n: _size(n, k, 1, p, d)),
        "That is the size without dilation.": with_sizes(lambda n: _size(n, k, s, p)),
    }
    settings = f"kernel {k}×{k}, stride {s}, padding {p}, dilation {d}"
    expect.equal(seen, right, f"the shape of {expect.times(shape)} behind {settings},", mistakes)


@output_shape.probe(
    "batch and channels",
    idea="Each image gives one output, each kernel one channel: N stays, C becomes `out_channels`.",
    hint="Four numbers are asked for, in the order N, C, H, W.",
)
def _(answer: Answer) -> None:
    _shape_case(answer, (8, 3, 28, 28), 16, 1)
    _shape_case(answer, (5, 16, 10, 10), 7, 1)


@output_shape.probe(
    "the window must fit",
    idea="A window of k pixels loses k - 1 of them, and padding gives 2p back.",
    hint="Count the places of a window of 3 in a row of 5 pixels: 3, not 2.",
)
def _(answer: Answer) -> None:
    _shape_case(answer, (8, 3, 28, 28), 16, 3)
    _shape_case(answer, (8, 3, 28, 28), 16, 5, p=1)
    _shape_case(answer, (2, 1, 9, 9), 4, 3, p=1)


@output_shape.probe(
    "steps of the stride",
    idea="The way that is left goes in steps of the stride, and a step that does not fit is not "
    "made.",
    hint="Whole-number division `//` rounds down. Is the + 1 outside of it?",
)
def _(answer: Answer) -> None:
    _shape_case(answer, (8, 32, 7, 7), 64, 3, s=2, p=1)
    _shape_case(answer, (8, 32, 28, 28), 64, 3, s=2, p=1)
    _shape_case(answer, (8, 3, 96, 96), 64, 7, s=2)


@output_shape.probe(
    "height and width",
    idea="Height and width follow the same formula, each for itself.",
    hint="H is `shape[2]`, W is `shape[3]`.",
)
def _(answer: Answer) -> None:
    _shape_case(answer, (1, 3, 33, 50), 8, 3, s=2, p=1)
    _shape_case(answer, (1, 3, 12, 9), 8, 5)


@output_shape.probe(
    "dilation",
    idea="With dilation d the kernel's weights stand d pixels apart, so it covers d(k - 1) + 1.",
    hint="Draw three weights with one gap between neighbours. How many pixels is that?",
)
def _(answer: Answer) -> None:
    _shape_case(answer, (1, 3, 20, 20), 8, 3, d=2)
    _shape_case(answer, (1, 3, 20, 15), 8, 3, s=3, p=2, d=4)


@output_shape.probe(
    "other numbers",
    idea="The formula holds for every setting where the window fits.",
    hint="Compute from the arguments; what are `stride`, `padding` and `dilation` if none is "
    "given?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for _ in range(20):
        k, s, d = (int(torch.randint(1, 5, ())) for _ in range(3))
        h, w = (int(torch.randint(20, 90, ())) for _ in range(2))
        _shape_case(answer, (3, 6, h, w), 11, k, s, int(torch.randint(0, 4, ())), d)
    expect.equal(answer((3, 6, 20, 30), 5, 3), (3, 5, 18, 28), "the shape with no setting given")


# --- 1.2 ---

layer_parameters = Exercise(
    name="layer_parameters",
    number="1.2",
    title="Count its parameters",
    difficulty=1,
    minutes=10,
    points=3,
    why="A parameter count tells a missing layer or a needless bias at a glance.",
)


def _count_case(answer: Answer, c: int, out: int, k: int, norm: bool) -> None:
    weights = out * c * k * k
    rest = 2 * out if norm else out
    mistakes = {
        "A kernel of k×k has k·k weights, not k.": out * c * k + rest,
        "A kernel has weights for each input channel.": out * k * k + rest,
        "The layer has a kernel for each output channel.": c * k * k + rest,
    }
    if norm:
        mistakes |= {
            "The parameters of the batch normalisation are missing.": weights,
            "In front of a batch normalisation the convolution needs no bias.": weights + 3 * out,
            "That is a bias, and no batch normalisation.": weights + out,
            "Batch normalisation has a scale and a shift for each channel, not two in all.": (
                weights + 2
            ),
            "It has them for each channel that it gets: those that the convolution gives.": (
                weights + 2 * c
            ),
            "Running mean and variance are no parameters: no gradient changes them.": (
                weights + 4 * out
            ),
        }
    else:
        mistakes |= {
            "The bias is missing: one number for each output channel.": weights,
            "There is one bias for each output channel, not for each input channel.": weights + c,
            "There is one bias for each output channel, not one in all.": weights + 1,
        }
    what = f"`layer_parameters({c}, {out}, {k}, norm={norm})`"
    expect.equal(answer(c, out, k, norm=norm), rest + weights, what, mistakes)


@layer_parameters.probe(
    "weights and bias",
    idea="Each output channel has a kernel for every input channel, and one bias.",
    hint="What is the shape of the weight? Multiply its four numbers, then add the biases.",
)
def _(answer: Answer) -> None:
    _count_case(answer, 3, 8, 5, False)
    _count_case(answer, 16, 32, 3, False)


@layer_parameters.probe(
    "with batch normalisation",
    idea="Batch normalisation takes a bias away at once and has a shift of its own, so the bias "
    "is left out.",
    hint="γ and β: how many of each?",
)
def _(answer: Answer) -> None:
    _count_case(answer, 3, 8, 5, True)
    _count_case(answer, 16, 32, 3, True)


@layer_parameters.probe(
    "a kernel of one pixel",
    idea="A 1×1 kernel has one weight for each input channel; the formula stays.",
    hint="Is something fixed that should come from the arguments?",
)
def _(answer: Answer) -> None:
    _count_case(answer, 64, 10, 1, False)
    _count_case(answer, 64, 10, 1, True)


@layer_parameters.probe(
    "other numbers",
    idea="The count follows from the arguments alone; height and width of the image play no part.",
    hint="Compute it, do not look it up.",
    hidden=True,
)
def _(answer: Answer) -> None:
    for norm in (True, False):
        c, out, k = torch.randint(5, 300, (3,)).tolist()
        _count_case(answer, c, out, k % 9 + 2, norm)


# --- 1.3 ---

convolve = Exercise(
    name="convolve",
    number="1.3",
    title="A convolution by hand",
    difficulty=2,
    minutes=25,
    points=8,
    why="Who has written it once knows what the library does, and what each setting costs.",
)


def _convolve_case(
    answer: Answer,
    x_shape: Shape,
    weight_shape: Shape,
    bias: bool = True,
    stride: int = 1,
    padding: int = 0,
) -> None:
    x, weight = torch.randn(*x_shape), torch.randn(*weight_shape)
    offset = torch.randn(weight_shape[0]) if bias else torch.zeros(weight_shape[0])
    seen = answer(x, weight, offset, stride=stride, padding=padding)

    def result(x: Tensor = x, weight: Tensor = weight, offset: Tensor = offset) -> Tensor:
        return F.conv2d(x, weight, offset, stride, padding)

    right, columns = result(), offset.view(-1, 1, 1)
    taps = weight[0].numel()
    mistakes = {
        "The kernel is turned by half a turn: w[u, v] goes with x[i + u, j + v].": result(
            weight=weight.flip(2, 3)
        ),
        "The rows and columns of the kernel are swapped.": result(weight=weight.transpose(2, 3)),
        "The products are averaged; they should be added up.": result() / taps
        - columns / taps
        + columns,
        "Only the first input channel is used.": result(x[:, :1], weight[:, :1]),
        "The input channels are averaged; they should be added up.": (
            (right - columns) / x.shape[1] + columns
        ),
        "Every output channel has the kernel of the first.": result(
            weight=weight[:1].expand_as(weight)
        ),
        "The bias is missing.": right - columns,
        "The bias is added with every product; it is added once.": right + (taps - 1) * columns,
        "Every image of the batch gets the result of the first.": right[:1].expand_as(right),
    }
    what = f"for x of {expect.times(x_shape)} and a weight of {expect.times(weight_shape)} at "
    what += f"stride {stride} and padding {padding} the result"
    expect.close(seen, right, what, mistakes)


@convolve.probe(
    "one channel, by hand",
    idea="At each place: multiply every pixel in the window by its weight, and add up.",
    hint="Begin with two loops, over rows and columns of the output, as in the lesson.",
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (1, 1, 5, 5), (1, 1, 3, 3), bias=False)
    used = answer.uses(torch.ones(1, 1, 5, 5), torch.ones(1, 1, 3, 3), torch.zeros(1))
    library = sorted(name for name in used if "conv" in name)
    if library:
        raise Wrong(f"It calls torch's `{library[0]}`, which does what you should do by hand.")


@convolve.probe(
    "channels in, channels out",
    idea="The products of all input channels go into one sum; each kernel gives a channel.",
    hint="`weight[o]` has the shape C×k×k, just like a window of one image.",
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (1, 3, 6, 6), (1, 3, 3, 3), bias=False)
    _convolve_case(answer, (1, 2, 6, 6), (4, 2, 3, 3), bias=False)


@convolve.probe(
    "the bias",
    idea="The bias is one number for each output channel, added everywhere, once.",
    hint="`bias.view(-1, 1, 1)` stretches over rows and columns.",
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (1, 2, 6, 6), (4, 2, 3, 3))


@convolve.probe(
    "stride",
    idea="The window moves on by `stride` pixels, not by one.",
    hint="Where does the window of output pixel i start? How many places are there?",
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (1, 2, 7, 7), (3, 2, 3, 3), stride=2)
    _convolve_case(answer, (1, 2, 8, 8), (3, 2, 3, 3), stride=3)


@convolve.probe(
    "padding",
    idea="Padding puts zeros around the image, on all four sides, before the window slides.",
    hint="`functional.pad(x, (left, right, top, bottom))`.",
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (1, 2, 5, 5), (3, 2, 3, 3), padding=1)
    _convolve_case(answer, (1, 2, 6, 6), (3, 2, 3, 3), stride=2, padding=2)


@convolve.probe(
    "a batch of images that are not square",
    idea="Each image is convolved by itself; height and width go their own ways.",
    hint="Take height, width, kernel size and batch from the shapes.",
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (3, 2, 7, 10), (4, 2, 5, 5), stride=2, padding=1)
    _convolve_case(answer, (2, 3, 9, 4), (2, 3, 2, 2))


@convolve.probe(
    "other numbers, and nothing damaged",
    idea="A function leaves what it is given as it is.",
    hint="Do not write into `x`, `weight` or `bias`.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _convolve_case(answer, (2, 5, 11, 6), (3, 5, 1, 1), stride=2)
    _convolve_case(answer, (2, 1, 6, 13), (2, 1, 4, 4), stride=3, padding=2)
    given = torch.randn(2, 3, 5, 6), torch.randn(4, 3, 3, 3), torch.randn(4)
    if not answer.keeps(*given):
        raise Wrong("A tensor that it is given has other values after the call than before.")


# --- 1.4 ---

receptive_field = Exercise(
    name="receptive_field",
    number="1.4",
    title="How far does a pixel see?",
    difficulty=2,
    minutes=20,
    points=5,
    why="A network cannot recognise what is larger than its receptive field.",
)
Layers = list[tuple[int, int]]


def _field(layers: Layers) -> int:
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


def _field_mistakes(layers: Layers) -> dict[str, int]:
    own, added, last, first, product = 1, 1, 1, 1, 1
    step, before = 1, []
    for kernel, stride in layers:
        step *= stride
        own += (kernel - 1) * step
        added += (kernel - 1) * (sum(before) or 1)
        last += (kernel - 1) * (before[-1] if before else 1)
        first = stride * (first - 1) + kernel
        product *= kernel
        before.append(stride)
    kernels = [kernel for kernel, _ in layers]
    return {
        "That is what it sees if the strides are forgotten.": 1 + sum(k - 1 for k in kernels),
        "Those are all kernel sizes added up; but neighbouring windows overlap.": sum(kernels),
        "Those are all kernel sizes multiplied; but neighbouring windows overlap.": product,
        "The layers are gone through from the wrong end.": first,
        "A layer's own stride does not widen what it sees itself, only what later layers see.": own,
        "Two strides of 2 in a row make steps of 4 pixels in the image: strides multiply.": added,
        "All strides before a layer count, not only that of the layer before it.": last,
    }


def _field_cases(answer: Answer, cases: list[Layers]) -> None:
    for layers in cases:
        what = f"`receptive_field({layers})`" if len(layers) < 5 else "the receptive field"
        expect.equal(answer(layers), _field(layers), what, _field_mistakes(layers))


@receptive_field.probe(
    "one layer",
    idea="A pixel behind one layer sees the window of that layer, whatever its stride.",
    hint="Begin with a field of 1 pixel: no layer at all.",
)
def _(answer: Answer) -> None:
    _field_cases(answer, [[(3, 1)], [(7, 1)], [(1, 1)], [(3, 2)]])


@receptive_field.probe(
    "layers of stride 1",
    idea="Neighbouring windows overlap: a layer adds k - 1 pixels, not k.",
    hint="Two layers of 3×3 see 5×5. What does each add?",
)
def _(answer: Answer) -> None:
    _field_cases(answer, [[(3, 1)] * 2, [(3, 1)] * 3, [(5, 1), (1, 1), (3, 1)]])


@receptive_field.probe(
    "behind a stride",
    idea="Behind a stride of 2, neighbouring pixels of a map stand for places 2 pixels apart.",
    hint="Keep two numbers: the field so far, and how many image pixels one step is.",
)
def _(answer: Answer) -> None:
    _field_cases(answer, [[(3, 1), (3, 2)], [(3, 2), (3, 1)], [(3, 2), (5, 1), (3, 1)]])


@receptive_field.probe(
    "several strides",
    idea="Each stride multiplies the step of all layers behind it.",
    hint="What is one step in the image behind two strides of 2? And behind three?",
)
def _(answer: Answer) -> None:
    _field_cases(answer, [[(3, 2)] * 4, [(7, 2), (3, 2), (3, 1), (3, 1)], [(3, 3), (2, 2), (3, 1)]])


@receptive_field.probe(
    "other stacks",
    idea="The rule holds for every stack, also for none.",
    hint="Without any layer a pixel sees itself.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _field_cases(answer, [[]])
    for _ in range(8):
        depth = int(torch.randint(2, 7, ()))
        kernels = torch.randint(1, 6, (depth,)).tolist()
        # A stride above the kernel size would leave pixels out that nobody sees.
        _field_cases(answer, [[(k, min(k, int(torch.randint(1, 4, ())))) for k in kernels]])


# --- 1.5 ---

plain_cnn = Exercise(
    name="plain_cnn",
    number="1.5",
    title="A plain network",
    difficulty=3,
    minutes=25,
    points=8,
    why="It is the network that the residual ones of the course are compared with.",
)


def _reference(in_channels: int, widths: list[int], num_classes: int) -> nn.Sequential:
    layers, channels = [], in_channels
    for place, width in enumerate(widths):
        conv = nn.Conv2d(channels, width, 3, 2 if place else 1, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
    return nn.Sequential(*layers, *head)


def _cnn(answer: Answer, in_channels: int, widths: list[int], num_classes: int) -> Module:
    return built(answer, in_channels, widths, num_classes, example=(2, in_channels, 28, 28))


def _parameters(in_channels: int, widths: list[int], num_classes: int) -> int:
    net = _reference(in_channels, widths, num_classes)
    return sum(p.numel() for p in net.parameters())


@plain_cnn.probe(
    "a score for each class",
    idea="A batch of images goes in, and a row of scores comes out for each of them.",
    hint="Global average pooling leaves 1×1 pixels; `nn.Flatten` drops those two axes.",
)
def _(answer: Answer) -> None:
    module = _cnn(answer, 1, [6, 8, 12], 10)
    expect.shape(module.run(torch.randn(2, 1, 28, 28)).output, (2, 10))
    expect.shape(module.run(torch.randn(5, 1, 28, 28)).output, (5, 10))


@plain_cnn.probe(
    "its parameters",
    idea="3×3 convolutions without bias, each with a batch normalisation, and one linear layer.",
    hint="Print `sum(p.numel() for p in net.parameters())` and count by the formula.",
)
def _(answer: Answer) -> None:
    widths, right = [6, 8, 12], _parameters(1, [6, 8, 12], 10)
    linear, channels = 12 * 10 + 10, sum(widths)
    expect.parameter_count(
        _cnn(answer, 1, widths, 10),
        right,
        {
            right + channels: "That is a number for each channel too many: the convolutions have "
            "a bias.",
            right - 2 * channels: "That is two numbers for each channel too few: there is no "
            "batch normalisation.",
            right - channels: "The convolutions have a bias in place of batch normalisation.",
            linear: "Those are the parameters of the linear layer alone: modules in a plain "
            "Python list are not found; use `nn.Sequential` or `nn.ModuleList`.",
            0: "Modules in a plain Python list are not found; use `nn.Sequential` or "
            "`nn.ModuleList`.",
            right - 10: "The linear layer has no bias.",
            right + 12 * 10 * 48: "The linear layer is made for all 7×7 pixels, not for their "
            "mean.",
        },
    )


@plain_cnn.probe(
    "the shape at every joint",
    idea="The first convolution keeps height and width, each later one halves them, rounding up.",
    hint="Print the shape after every layer, or use `shape_table`.",
)
def _(answer: Answer) -> None:
    module = _cnn(answer, 1, [6, 8, 12], 10)
    x = torch.randn(2, 1, 28, 28)
    shapes = [o.shape for o in module.trace(x) if o.name == "conv2d"]
    expect.equal(len(shapes), 3, "the number of convolutions that run")
    for place, right in enumerate([(2, 6, 28, 28), (2, 8, 14, 14), (2, 12, 7, 7)], 1):
        seen = shapes[place - 1]
        if seen != right:
            raise Wrong(
                f"Convolution {place} gives {expect.times(seen)}; expected is "
                f"{expect.times(right)}."
            )


def _cnn_mistakes(reference: nn.Sequential, x: Tensor) -> dict[str, Tensor]:
    layers, head = list(reference.eval())[:-3], reference[-1]
    with torch.no_grad():
        maps, late, bare, norms = x, x, x, x
        for conv, norm, relu in zip(layers[::3], layers[1::3], layers[2::3], strict=True):
            maps, late, bare = relu(norm(conv(maps))), norm(relu(conv(late))), norm(conv(bare))
            last = norms = norm(conv(norms))
            norms = relu(norms)
        scores = head(maps.mean((2, 3)))
        return {
            "There is a ReLU behind the linear layer; a score may be negative.": scores.relu(),
            "There is a softmax at the end; scores are asked for, not probabilities.": (
                scores.softmax(1)
            ),
            "There is a log-softmax at the end; scores are asked for.": scores.log_softmax(1),
            "The pool takes the largest pixel of each map; take the mean.": head(maps.amax((2, 3))),
            "The order is convolution, ReLU, batch normalisation; the ReLU comes last.": head(
                late.mean((2, 3))
            ),
            "There is no ReLU.": head(bare.mean((2, 3))),
            "The ReLU behind the last convolution is missing.": head(last.mean((2, 3))),
        }


def _cnn_case(answer: Answer, settings: tuple[int, list[int], int], shape: Shape) -> None:
    reference = expect.stir(_reference(*settings))
    x = torch.randn(*shape)
    same_outputs(_cnn(answer, *settings), reference, x, _cnn_mistakes(reference, x))


@plain_cnn.probe(
    "what it computes",
    idea="Convolution, batch normalisation, ReLU, again and again; then the mean of each map, and "
    "the linear layer.",
    hint="Go through `forward` line by line, with the statement beside it.",
)
def _(answer: Answer) -> None:
    _cnn_case(answer, (1, [6, 8, 12], 10), (4, 1, 28, 28))


@plain_cnn.probe(
    "images of another size",
    idea="Global average pooling makes one number of each map, however large it is.",
    hint="`nn.AdaptiveAvgPool2d(1)`, or `x.mean((2, 3))`.",
)
def _(answer: Answer) -> None:
    _cnn_case(answer, (1, [6, 8, 12], 10), (3, 1, 21, 34))


@plain_cnn.probe(
    "other numbers",
    idea="Channels, widths and classes are those that were asked for.",
    hint="Each convolution takes the channels that the one before it gives.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _cnn_case(answer, (3, [5, 5, 9, 4, 7], 6), (2, 3, 33, 18))
    _cnn_case(answer, (2, [11], 3), (2, 2, 9, 9))


EXERCISES = [output_shape, layer_parameters, convolve, receptive_field, plain_cnn]
