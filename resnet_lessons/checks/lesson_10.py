"""What judges the exercises of lesson 10, using a ResNet."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import Call, Case, call, keeping, same_shape
from resnet_lessons.checks.verdict import Wrong

OTHER = "other numbers"
GENERAL = "The rule holds for all sizes."

# --- 10.1 ---


def with_new_head(net: nn.Module, num_classes: int) -> nn.Module:
    net.requires_grad_(False)
    net.fc = nn.Linear(net.fc.in_features, num_classes)
    return net


def made_of_six_classes(answer: Answer, classes: int, seed: int) -> tuple[ModuleView, dict]:
    """What the answer makes of a network for six classes, and the weights of that."""
    net = answer.make("cifar_resnet", 8, width=4, num_classes=6, seed=seed)
    before = net.parameters()
    return expect.as_module(answer(net, classes), "The function"), before


def scores(answer: Answer, classes: int, x: Tensor) -> Tensor:
    made, _ = made_of_six_classes(answer, classes, seed=1)
    return made.run(x).output


def only_the_head_learns(answer: Answer) -> None:
    made, _ = made_of_six_classes(answer, 3, seed=2)
    numbers = sorted(made.parameters()[name].numel() for name in made.trainable())
    if not numbers:
        raise Wrong("Nothing can be trained any more: the new head is frozen as well.")
    if numbers != [3, 48]:
        raise Wrong(
            f"{sum(numbers):,} parameters can be trained; expected are 51: 16·3 weights and 3 "
            "biases."
        )


def is_among(value: Tensor, made: ModuleView) -> bool:
    return any(torch.equal(value, other) for other in made.parameters().values())


def the_features_are_the_old_ones(answer: Answer) -> None:
    made, before = made_of_six_classes(answer, 3, seed=3)
    for name, value in before.items():
        if not name.startswith("fc.") and not is_among(value, made):
            raise Wrong(f"The weights `{name}` are not there any more.")


def the_head_is_new(answer: Answer) -> None:
    made, before = made_of_six_classes(answer, 6, seed=4)
    if is_among(before["fc.weight"], made):
        raise Wrong("With as many classes as before, the head still has its old weights.")
    expect.shape(made.run(torch.randn(1, 3, 9, 12)).output, (1, 6))


new_classifier = Exercise(
    name="new_classifier",
    number="10.1",
    title="A new head on frozen features",
    difficulty=2,
    minutes=12,
    points=5,
    why="With few labelled images, a small head on old features is all that can be learned well.",
    solution=with_new_head,
    cases=[
        Case(
            "scores for the new classes",
            lambda: [call(3, torch.randn(2, 3, 8, 8))],
            idea="The head turns features into class scores, and there are other classes now.",
            hint="The last layer of a `cifar_resnet` is `net.fc`; what does `nn.Linear` need to "
            "know?",
            what="the output",
            see=scores,
            compare=same_shape,
        ),
        Probe(
            "only the head learns",
            idea="Frozen means: an optimizer finds nothing but the head to change.",
            hint="`parameter.requires_grad_(False)`, for all but the head's.",
            look=only_the_head_learns,
        ),
        Probe(
            "the features are the old ones",
            idea="The point of transfer is to keep what was learned.",
            hint="Change the head only; make no new network.",
            look=the_features_are_the_old_ones,
        ),
        Probe(
            "the head is new",
            idea="A head that knows the old classes would begin with their prejudices.",
            hint="A fresh `nn.Linear` draws its weights anew.",
            look=the_head_is_new,
            hidden=True,
        ),
    ],
)

# --- 10.2 ---


grey_kernel = Exercise(
    name="grey_kernel",
    number="10.2",
    title="From colour to grey",
    difficulty=1,
    minutes=8,
    points=3,
    why="X-ray images have one channel, and published weights want three.",
    solution=lambda weight: weight.sum(dim=1, keepdim=True),
    what="the grey kernel",
    cases=[
        Case(
            "the shape",
            lambda: [call(torch.randn(8, 3, 7, 7))],
            idea="A kernel for grey images has one channel in, and as many out as before.",
            hint="`keepdim=True` keeps the dimension that is summed over.",
            compare=same_shape,
        ),
        Case(
            "the same response",
            lambda: [call(torch.randn(8, 3, 7, 7))],
            idea="An image whose three channels are equal must give what it gave before.",
            hint="Write the response as a sum over the channels, and put x for each channel of the "
            "image.",
            mistakes={
                "It is the mean over the colours, so every response is a third of what it was.": (
                    lambda weight: weight.mean(1, keepdim=True)
                ),
                "It is the first colour's kernel alone.": lambda weight: weight[:, :1],
                "It is the last colour's kernel alone.": lambda weight: weight[:, -1:],
                "It is the largest of the colours' weights.": lambda weight: weight.amax(
                    1, keepdim=True
                ),
            },
        ),
        Case(
            OTHER,
            lambda: [call(torch.randn(5, 12, 3, 3)), call(torch.randn(4, 1, 1, 1))],
            idea="Satellites have a dozen channels.",
            hint="Is 3 written anywhere?",
            see=keeping("The kernel that was given"),
            hidden=True,
        ),
    ],
)

# --- 10.3 ---


def means(gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3), keepdim=True)


def kept_positive(products: Tensor) -> Tensor:
    return products.sum(1).relu()


def mapped(
    weigh: Callable[[Tensor], Tensor] = means, end: Callable[[Tensor], Tensor] = kept_positive
) -> Callable[[Tensor, Tensor], Tensor]:
    """A map of the products of weights, which `weigh` makes of the gradients, and maps."""
    return lambda maps, gradients: end(weigh(gradients) * maps)


def scaled(products: Tensor) -> Tensor:
    positive = kept_positive(products)
    return positive / positive.amax((1, 2), keepdim=True).clamp(min=1e-12)


def maps_and_gradients(*shape: int) -> Call:
    return call(torch.randn(*shape), torch.randn(*shape) + 0.3 * torch.randn(*shape[:2], 1, 1))


CHANNEL = torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]])
GRADIENT = torch.tensor([[[[4.0, 0.0], [0.0, 4.0]]]])  # its mean is 2

cam = Exercise(
    name="cam",
    number="10.3",
    title="Grad-CAM by hand",
    difficulty=2,
    minutes=15,
    points=5,
    why="A map is easy to believe; who has computed one knows what it can say.",
    solution=mapped(),
    what="the map",
    cases=[
        Case(
            "the shape",
            lambda: [maps_and_gradients(3, 5, 4, 6)],
            idea="One map an image: the channels are summed up.",
            hint="From N×K×H×W to N×H×W.",
            compare=same_shape,
        ),
        Case(
            "one channel by hand",
            [(CHANNEL, GRADIENT)],
            idea="The weight of a channel is the mean of its gradient over the pixels.",
            hint="With one channel the map is that channel, times its weight, cut off at zero.",
            mistakes={
                "Negative values are not cut off: the ReLU is missing.": mapped(
                    end=lambda products: products.sum(1)
                ),
                "Each pixel is weighted by its own gradient; average the gradient over the pixels "
                "first.": mapped(lambda gradients: gradients),
                "The gradient is summed over the pixels, not averaged.": mapped(
                    lambda gradients: gradients.sum((2, 3), keepdim=True)
                ),
                "The map is scaled to at most 1; leave it as it is.": mapped(end=scaled),
            },
        ),
        Case(
            "many channels",
            lambda: [maps_and_gradients(3, 6, 5, 4)],
            idea="Weight each channel, add up, and only then keep what is positive.",
            hint="Go through the formula from the inside out; each sum names what it runs over.",
            mistakes={
                "The ReLU stands inside the sum; it belongs behind it.": mapped(
                    end=lambda products: products.relu().sum(1)
                ),
                "The channels are averaged, not summed.": mapped(
                    end=lambda products: products.mean(1).relu()
                ),
                "The weights are taken without their sign.": mapped(
                    lambda gradients: means(gradients).abs()
                ),
                "The gradient is averaged over the images too; each has its own.": mapped(
                    lambda gradients: gradients.mean((0, 2, 3), keepdim=True)
                ),
            },
        ),
        Case(
            OTHER,
            lambda: [maps_and_gradients(1, 9, 7, 7), maps_and_gradients(4, 2, 1, 3)],
            idea=GENERAL,
            hint="Is a size of the example fixed?",
            hidden=True,
        ),
    ],
)

# --- 10.4 ---


def shared_of_both(one: list[float], other: list[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def any_boxes() -> list[tuple[list[float], list[float]]]:
    corners = torch.rand(8, 4, dtype=torch.float64) * 10
    boxes = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:] + 0.5], 1).tolist()
    return [*zip(boxes[:4], boxes[4:], strict=True), *zip(boxes[4:], boxes[:4], strict=True)]


overlap = Exercise(
    name="overlap",
    number="10.4",
    title="How well does a box fit?",
    difficulty=2,
    minutes=15,
    points=5,
    why="Every number that is published of a detector is built on this ratio.",
    solution=shared_of_both,
    what="the overlap of {} and {}".format,
    cases=[
        Case(
            "a box with itself, and with one far away",
            [([0, 0, 4, 3], [0, 0, 4, 3]), ([0, 0, 2, 2], [5, 5, 8, 9])],
            idea="Perfect is 1, nothing in common is 0.",
            hint="The area that both share, over the area that either covers.",
        ),
        Case(
            "half covered",
            [([0, 0, 4, 4], [2, 0, 6, 4]), ([0, 0, 4, 4], [1, 1, 3, 3])],
            idea="What both share counts once, not twice, in the area that either covers.",
            hint="Area of the union: both areas, less what was counted twice.",
        ),
        Case(
            "apart in one direction only",
            [([0, 0, 2, 2], [*corner, 7, 7]) for corner in ((5, 0), (0, 5), (3, 3))],
            idea="Boxes share an area only where they overlap in width and in height.",
            hint="A negative width times a negative height is positive: cut each off at zero "
            "first.",
        ),
        Case(
            OTHER,
            lambda: [*any_boxes(), ([-3, -2, 1, 2], [-1, -4, 5, 0])],
            idea="It does not matter which box comes first, nor where the picture begins.",
            hint="Corners are left, top, right, bottom.",
            hidden=True,
        ),
    ],
)

# --- 10.5 ---


def repeated(kernel: Tensor, time: int) -> Tensor:
    return kernel.unsqueeze(2).repeat(1, 1, time, 1, 1)


def middle_frame(kernel: Tensor, time: int) -> Tensor:
    frames = torch.zeros_like(repeated(kernel, time))
    frames[:, :, time // 2] = kernel
    return frames


inflated = Exercise(
    name="inflated",
    number="10.5",
    title="A kernel for videos",
    difficulty=2,
    minutes=12,
    points=4,
    why="A network for videos need not begin from nothing.",
    solution=lambda kernel, time: repeated(kernel, time) / time,
    what="the kernel",
    cases=[
        Case(
            "the shape",
            lambda: [call(torch.randn(6, 3, 5, 5), 4)],
            idea="A 3-D kernel has a third extent: O×I×T×k×k.",
            hint="`unsqueeze(2)` makes room for time; `repeat` fills it.",
            compare=same_shape,
        ),
        Case(
            "a still video",
            lambda: [call(torch.randn(4, 3, 3, 3), 3)],
            idea="Where nothing moves, the network for videos must say what the one for images "
            "says.",
            hint="A still video of T frames gives T times the same product. What makes up for it?",
            mistakes={
                "Every frame counts in full, so a still video gives a multiple of the image's "
                "response.": repeated,
                "It is divided by the square root of the number of frames.": (
                    lambda kernel, time: repeated(kernel, time) / time**0.5
                ),
                "Only the middle frame counts. That also fits a still video, but it sees no motion "
                "at the start of training; here all frames count alike.": middle_frame,
            },
        ),
        Case(
            OTHER,
            lambda: [call(torch.randn(2, 5, 7, 7), 5), call(torch.randn(3, 1, 1, 1), 1)],
            idea=GENERAL,
            hint="Are 3 frames fixed somewhere?",
            hidden=True,
        ),
    ],
)

EXERCISES = [new_classifier, grey_kernel, cam, overlap, inflated]
