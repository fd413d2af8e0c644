"""What judges the exercises of lesson 10, using a ResNet."""

import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong

OTHER = "other numbers"
GENERAL = "The rule holds for all sizes."

# --- 10.1 ---

new_classifier = Exercise(
    name="new_classifier",
    number="10.1",
    title="A new head on frozen features",
    difficulty=2,
    minutes=12,
    points=5,
    why="With few labelled images, a small head on old features is all that can be learned well.",
)


def _classifier(answer: Answer, classes: int, seed: int) -> tuple[Module, Module, dict]:
    """The net that was given, what the answer made of it, and the first weights of the former."""
    net = answer.make("cifar_resnet", 8, width=4, num_classes=6, seed=seed)
    before = net.parameters()
    return net, expect.as_module(answer(net, classes), "The function"), before


@new_classifier.probe(
    "scores for the new classes",
    idea="The head turns features into class scores, and there are other classes now.",
    hint="The last layer of a `cifar_resnet` is `net.fc`; what does `nn.Linear` need to know?",
)
def _(answer: Answer) -> None:
    _, made, _ = _classifier(answer, 3, seed=1)
    expect.shape(made.run(torch.randn(2, 3, 8, 8)).output, (2, 3))


@new_classifier.probe(
    "only the head learns",
    idea="Frozen means: an optimizer finds nothing but the head to change.",
    hint="`parameter.requires_grad_(False)`, for all but the head's.",
)
def _(answer: Answer) -> None:
    _, made, _ = _classifier(answer, 3, seed=2)
    numbers = sorted(made.parameters()[name].numel() for name in made.trainable())
    if not numbers:
        raise Wrong("Nothing can be trained any more: the new head is frozen as well.")
    if numbers != [3, 48]:
        raise Wrong(
            f"{sum(numbers):,} parameters can be trained; expected are 51: 16·3 weights and 3 "
            "biases."
        )


@new_classifier.probe(
    "the features are the old ones",
    idea="The point of transfer is to keep what was learned.",
    hint="Change the head only; make no new network.",
)
def _(answer: Answer) -> None:
    _, made, before = _classifier(answer, 3, seed=3)
    now = made.parameters()
    lost = [
        name
        for name, value in before.items()
        if not name.startswith("fc.")
        and not any(v.shape == value.shape and torch.equal(v, value) for v in now.values())
    ]
    if lost:
        raise Wrong(f"The weights `{lost[0]}` are not there any more.")


@new_classifier.probe(
    "the head is new",
    idea="A head that knows the old classes would begin with their prejudices.",
    hint="A fresh `nn.Linear` draws its weights anew.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _, made, before = _classifier(answer, 6, seed=4)
    if any(
        value.shape == before["fc.weight"].shape and torch.equal(value, before["fc.weight"])
        for value in made.parameters().values()
    ):
        raise Wrong("With as many classes as before, the head still has its old weights.")
    expect.shape(made.run(torch.randn(1, 3, 9, 12)).output, (1, 6))


# --- 10.2 ---

grey_kernel = Exercise(
    name="grey_kernel",
    number="10.2",
    title="From colour to grey",
    difficulty=1,
    minutes=8,
    points=3,
    why="X-ray images have one channel, and published weights want three.",
)


def _grey(answer: Answer, *shape: int) -> None:
    weight = torch.randn(*shape)
    right = weight.sum(1, keepdim=True)
    mistakes = {
        "It is the mean over the colours, so every response is a third of what it was.": (
            weight.mean(1, keepdim=True)
        ),
        "It is the first colour's kernel alone.": weight[:, :1],
        "It is the last colour's kernel alone.": weight[:, -1:],
        "It is the largest of the colours' weights.": weight.amax(1, keepdim=True),
    }
    expect.close(answer(weight), right, "the grey kernel", mistakes)


@grey_kernel.probe(
    "the shape",
    idea="A kernel for grey images has one channel in, and as many out as before.",
    hint="`keepdim=True` keeps the dimension that is summed over.",
)
def _(answer: Answer) -> None:
    expect.shape(answer(torch.randn(8, 3, 7, 7)), (8, 1, 7, 7), "the grey kernel")


@grey_kernel.probe(
    "the same response",
    idea="An image whose three channels are equal must give what it gave before.",
    hint="Write the response as a sum over the channels, and put x for each channel of the image.",
)
def _(answer: Answer) -> None:
    _grey(answer, 8, 3, 7, 7)


@grey_kernel.probe(
    OTHER, idea="Satellites have a dozen channels.", hint="Is 3 written anywhere?", hidden=True
)
def _(answer: Answer) -> None:
    _grey(answer, 5, 12, 3, 3)
    _grey(answer, 4, 1, 1, 1)
    weight = torch.randn(4, 3, 3, 3)
    if not answer.keeps(weight):
        raise Wrong("The kernel that was given has other values after the call.")


# --- 10.3 ---

cam = Exercise(
    name="cam",
    number="10.3",
    title="Grad-CAM by hand",
    difficulty=2,
    minutes=15,
    points=5,
    why="A map is easy to believe; who has computed one knows what it can say.",
)


def _cam(maps: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1).relu()


def _cam_mistakes(maps: Tensor, gradients: Tensor) -> dict[str, Tensor]:
    weights = gradients.mean((2, 3), keepdim=True)
    raw = (weights * maps).sum(1)
    return {
        "Negative values are not cut off: the ReLU is missing.": raw,
        "The ReLU stands inside the sum; it belongs behind it.": (weights * maps).relu().sum(1),
        "The channels are averaged, not summed.": (weights * maps).mean(1).relu(),
        "Each pixel is weighted by its own gradient; average the gradient over the pixels first.": (
            (gradients * maps).sum(1).relu()
        ),
        "The gradient is summed over the pixels, not averaged.": (
            (gradients.sum((2, 3), keepdim=True) * maps).sum(1).relu()
        ),
        "The weights are taken without their sign.": (weights.abs() * maps).sum(1).relu(),
        "The map is scaled to at most 1; leave it as it is.": (
            raw.relu() / raw.relu().amax((1, 2), keepdim=True).clamp(min=1e-12)
        ),
        "The gradient is averaged over the images too; each has its own.": (
            (gradients.mean((0, 2, 3), keepdim=True) * maps).sum(1).relu()
        ),
    }


def _cam_case(answer: Answer, *shape: int) -> None:
    maps, gradients = torch.randn(*shape), torch.randn(*shape) + 0.3 * torch.randn(*shape[:2], 1, 1)
    right, mistakes = _cam(maps, gradients), _cam_mistakes(maps, gradients)
    expect.close(answer(maps, gradients), right, "the map", mistakes)


@cam.probe(
    "the shape",
    idea="One map an image: the channels are summed up.",
    hint="From N×K×H×W to N×H×W.",
)
def _(answer: Answer) -> None:
    x = torch.randn(3, 5, 4, 6)
    expect.shape(answer(x, x), (3, 4, 6), "the map")


@cam.probe(
    "one channel by hand",
    idea="The weight of a channel is the mean of its gradient over the pixels.",
    hint="With one channel the map is that channel, times its weight, cut off at zero.",
)
def _(answer: Answer) -> None:
    maps = torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]])
    gradients = torch.tensor([[[[4.0, 0.0], [0.0, 4.0]]]])  # their mean is 2
    expect.close(
        answer(maps, gradients),
        torch.tensor([[[2.0, 0.0], [6.0, 8.0]]]),
        "the map",
        _cam_mistakes(maps, gradients),
    )


@cam.probe(
    "many channels",
    idea="Weight each channel, add up, and only then keep what is positive.",
    hint="Go through the formula from the inside out; each sum names what it runs over.",
)
def _(answer: Answer) -> None:
    _cam_case(answer, 3, 6, 5, 4)


@cam.probe(OTHER, idea=GENERAL, hint="Is a size of the example fixed?", hidden=True)
def _(answer: Answer) -> None:
    _cam_case(answer, 1, 9, 7, 7)
    _cam_case(answer, 4, 2, 1, 3)


# --- 10.4 ---

overlap = Exercise(
    name="overlap",
    number="10.4",
    title="How well does a box fit?",
    difficulty=2,
    minutes=15,
    points=5,
    why="Every number that is published of a detector is built on this ratio.",
)


def _iou(one: list[float], other: list[float]) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def _overlaps(answer: Answer, pairs: list[tuple[list[float], list[float]]]) -> None:
    for one, other in pairs:
        expect.near(answer(one, other), _iou(one, other), f"the overlap of {one} and {other}")


@overlap.probe(
    "a box with itself, and with one far away",
    idea="Perfect is 1, nothing in common is 0.",
    hint="The area that both share, over the area that either covers.",
)
def _(answer: Answer) -> None:
    _overlaps(answer, [([0, 0, 4, 3], [0, 0, 4, 3]), ([0, 0, 2, 2], [5, 5, 8, 9])])


@overlap.probe(
    "half covered",
    idea="What both share counts once, not twice, in the area that either covers.",
    hint="Area of the union: both areas, less what was counted twice.",
)
def _(answer: Answer) -> None:
    _overlaps(answer, [([0, 0, 4, 4], [2, 0, 6, 4]), ([0, 0, 4, 4], [1, 1, 3, 3])])


@overlap.probe(
    "apart in one direction only",
    idea="Boxes share an area only where they overlap in width and in height.",
    hint="A negative width times a negative height is positive: cut each off at zero first.",
)
def _(answer: Answer) -> None:
    apart = [
        ([0, 0, 2, 2], [5, 0, 7, 2]),
        ([0, 0, 2, 2], [0, 5, 2, 7]),
        ([0, 0, 2, 2], [3, 3, 4, 4]),
    ]
    _overlaps(answer, apart)


@overlap.probe(
    OTHER,
    idea="It does not matter which box comes first, nor where the picture begins.",
    hint="Corners are left, top, right, bottom.",
    hidden=True,
)
def _(answer: Answer) -> None:
    corners = torch.rand(8, 4, dtype=torch.float64) * 10
    boxes = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:] + 0.5], 1).tolist()
    _overlaps(answer, list(zip(boxes[:4], boxes[4:], strict=True)))
    _overlaps(answer, list(zip(boxes[4:], boxes[:4], strict=True)))
    _overlaps(answer, [([-3, -2, 1, 2], [-1, -4, 5, 0])])


# --- 10.5 ---

inflated = Exercise(
    name="inflated",
    number="10.5",
    title="A kernel for videos",
    difficulty=2,
    minutes=12,
    points=4,
    why="A network for videos need not begin from nothing.",
)


def _inflated_mistakes(kernel: Tensor, time: int) -> dict[str, Tensor]:
    repeated = kernel.unsqueeze(2).repeat(1, 1, time, 1, 1)
    middle = torch.zeros_like(repeated)
    middle[:, :, time // 2] = kernel
    return {
        "Every frame counts in full, so a still video gives a multiple of the image's response.": (
            repeated
        ),
        "It is divided by the square root of the number of frames.": repeated / time**0.5,
        "Only the middle frame counts. That also fits a still video, but it sees no motion at the "
        "start of training; here all frames count alike.": middle,
    }


def _inflated_case(answer: Answer, shape: tuple[int, ...], time: int) -> None:
    kernel = torch.randn(*shape)
    right = kernel.unsqueeze(2).repeat(1, 1, time, 1, 1) / time
    mistakes = _inflated_mistakes(kernel, time)
    expect.close(answer(kernel, time), right, "the kernel", mistakes)


@inflated.probe(
    "the shape",
    idea="A 3-D kernel has a third extent: O×I×T×k×k.",
    hint="`unsqueeze(2)` makes room for time; `repeat` fills it.",
)
def _(answer: Answer) -> None:
    expect.shape(answer(torch.randn(6, 3, 5, 5), 4), (6, 3, 4, 5, 5), "the kernel")


@inflated.probe(
    "a still video",
    idea="Where nothing moves, the network for videos must say what the one for images says.",
    hint="A still video of T frames gives T times the same product. What makes up for it?",
)
def _(answer: Answer) -> None:
    _inflated_case(answer, (4, 3, 3, 3), 3)
    kernel, image = torch.randn(4, 3, 3, 3), torch.randn(1, 3, 6, 6)
    seen = answer(kernel, 3)
    video = F.conv3d(image.unsqueeze(2).repeat(1, 1, 3, 1, 1), seen)
    expect.close(video[:, :, 0], F.conv2d(image, kernel), "the response to a still video")


@inflated.probe(OTHER, idea=GENERAL, hint="Are 3 frames fixed somewhere?", hidden=True)
def _(answer: Answer) -> None:
    _inflated_case(answer, (2, 5, 7, 7), 5)
    _inflated_case(answer, (3, 1, 1, 1), 1)


EXERCISES = [new_classifier, grey_kernel, cam, overlap, inflated]
