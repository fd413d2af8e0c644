"""Answers to the exercises of lesson 10."""

import copy

import torch
from torch import nn

from answers import right, wrong
from resnet_lessons import cifar_resnet

OTHER = "other numbers"

# --- new_classifier ---


def classifier(freeze=lambda net: net.requires_grad_(False), head=None, after=lambda net: None):
    def make(net, classes):
        freeze(net)
        net.fc = head(net, classes) if head else nn.Linear(net.fc.in_features, classes)
        after(net)
        return net

    return make


@right("new_classifier", "frozen first")
def _():
    return classifier()


@right("new_classifier", "a copy, head last")
def _():
    def make(net, classes):
        new = copy.deepcopy(net)
        new.fc = nn.Linear(16, classes)
        for name, parameter in new.named_parameters():
            parameter.requires_grad = name.startswith("fc.")
        return new

    return make


@right("new_classifier", "a sequence of parts")
def _():
    def make(net, classes):
        *body, head = list(net.children())
        for part in body:
            part.requires_grad_(False)
        return nn.Sequential(*body, nn.Flatten(), nn.Linear(head.in_features, classes))

    return make


SCORES, LEARNS = "scores for the new classes", "only the head learns"
FEATURES = "the features are the old ones"


@wrong("new_classifier", "the old head", SCORES, "2×6; expected is 2×3")
def _():
    return lambda net, classes: net.requires_grad_(False)


@wrong("new_classifier", "old classes in", SCORES, "stops with RuntimeError")
def _():
    return classifier(head=lambda net, classes: nn.Linear(6, classes))


@wrong("new_classifier", "frozen last", LEARNS, "Nothing can be trained")
def _():
    return classifier(after=lambda net: net.requires_grad_(False))


@wrong("new_classifier", "nothing frozen", LEARNS, "parameters can be trained; expected are 51")
def _():
    return classifier(freeze=lambda net: None)


@wrong("new_classifier", "normalisations still learn", LEARNS, "parameters can be trained")
def _():
    def freeze(net):
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.requires_grad_(False)

    return classifier(freeze)


@wrong("new_classifier", "head without bias", LEARNS, "48 parameters can be trained")
def _():
    return classifier(head=lambda net, classes: nn.Linear(16, classes, bias=False))


@wrong("new_classifier", "a new network", FEATURES, "`conv1.weight`")
def _():
    def make(net, classes):
        new = cifar_resnet(8, width=4, num_classes=classes).requires_grad_(False)
        new.fc.requires_grad_(True)
        return new

    return make


@wrong("new_classifier", "the head kept where it fits", "the head is new", "its old weights")
def _():
    def head(net, classes):
        fits = net.fc.out_features == classes
        return net.fc.requires_grad_(True) if fits else nn.Linear(16, classes)

    return classifier(head=head)


# --- grey_kernel ---


@right("grey_kernel", "sum")
def _():
    return lambda weight: weight.sum(dim=1, keepdim=True)


@right("grey_kernel", "einsum")
def _():
    return lambda weight: torch.einsum("oihw->ohw", weight)[:, None]


SAME = "the same response"


@wrong("grey_kernel", "mean", SAME, "a third of what it was")
def _():
    return lambda weight: weight.mean(1, keepdim=True)


@wrong("grey_kernel", "first colour", SAME, "first colour's kernel alone")
def _():
    return lambda weight: weight[:, :1]


@wrong("grey_kernel", "largest", SAME, "largest of the colours")
def _():
    return lambda weight: weight.amax(1, keepdim=True)


@wrong("grey_kernel", "dimension lost", "the shape", "8×7×7; expected is 8×1×7×7")
def _():
    return lambda weight: weight.sum(1)


@wrong("grey_kernel", "summed over the filters", "the shape", "1×3×7×7")
def _():
    return lambda weight: weight.sum(0, keepdim=True)


@wrong("grey_kernel", "three times the mean", OTHER, "differs from")
def _():
    return lambda weight: 3 * weight.mean(1, keepdim=True)


@wrong("grey_kernel", "three colours by heart", OTHER, "differs from")
def _():
    return lambda weight: weight[:, :3].sum(1, keepdim=True)


@wrong("grey_kernel", "in place", OTHER, "other values after the call")
def _():
    def grey(weight):
        for channel in range(1, weight.shape[1]):
            weight[:, 0] += weight[:, channel]
        return weight[:, :1]

    return grey


# --- cam ---


@right("cam", "einsum")
def _():
    def cam(maps, gradients):
        return torch.einsum("nk,nkij->nij", gradients.mean((2, 3)), maps).clamp(min=0)

    return cam


@right("cam", "loops")
def _():
    def cam(maps, gradients):
        total = torch.zeros_like(maps[:, 0])
        for image in range(len(maps)):
            for channel in range(maps.shape[1]):
                total[image] += gradients[image, channel].mean() * maps[image, channel]
        return torch.relu(total)

    return cam


def weighted(weights, end=lambda x: x.sum(1).relu()):
    return lambda maps, gradients: end(weights(gradients) * maps)


def pixel_mean(gradients):
    return gradients.mean((2, 3), keepdim=True)


HAND, MANY = "one channel by hand", "many channels"


@wrong("cam", "no ReLU", HAND, "the ReLU is missing")
def _():
    return weighted(pixel_mean, lambda x: x.sum(1))


@wrong("cam", "ReLU inside", MANY, "stands inside the sum")
def _():
    return weighted(pixel_mean, lambda x: x.relu().sum(1))


@wrong("cam", "mean of the channels", MANY, "averaged, not summed")
def _():
    return weighted(pixel_mean, lambda x: x.mean(1).relu())


@wrong("cam", "gradient a pixel", HAND, "its own gradient")
def _():
    return weighted(lambda g: g)


@wrong("cam", "sum over pixels", HAND, "summed over the pixels, not averaged")
def _():
    return weighted(lambda g: g.sum((2, 3), keepdim=True))


@wrong("cam", "sign lost", MANY, "without their sign")
def _():
    return weighted(lambda g: pixel_mean(g).abs())


@wrong("cam", "scaled", HAND, "scaled to at most 1")
def _():
    def end(x):
        x = x.sum(1).relu()
        return x / x.amax((1, 2), keepdim=True).clamp(min=1e-12)

    return weighted(pixel_mean, end)


@wrong("cam", "channels kept", "the shape", "3×5×4×6; expected is 3×4×6")
def _():
    return weighted(pixel_mean, lambda x: x.relu())


@wrong("cam", "all images alike", MANY, "averaged over the images too")
def _():
    return weighted(lambda g: g.mean((0, 2, 3), keepdim=True))


# --- overlap ---


def iou(one, other, cut=lambda v: max(v, 0.0), union=lambda a, b, both: a + b - both, plus=0):
    sides = [min(one[2 + i], other[2 + i]) - max(one[i], other[i]) + plus for i in range(2)]
    both = cut(sides[0]) * cut(sides[1])
    a, b = ((box[2] - box[0] + plus) * (box[3] - box[1] + plus) for box in (one, other))
    return both / union(a, b, both)


@right("overlap", "by hand")
def _():
    return iou


@right("overlap", "with torchvision")
def _():
    from torchvision.ops import box_iou

    def overlap(one, other):
        boxes = (torch.tensor([box], dtype=torch.float64) for box in (one, other))
        return box_iou(*boxes).item()

    return overlap


@right("overlap", "a tensor of one value")
def _():
    return lambda one, other: torch.tensor(iou(one, other), dtype=torch.float64)


ITSELF, HALF = "a box with itself, and with one far away", "half covered"
APART = "apart in one direction only"


@wrong("overlap", "shared part counted twice", ITSELF, "is 0.5; expected is 1")
def _():
    return lambda one, other: iou(one, other, union=lambda a, b, both: a + b)


@wrong("overlap", "share of the first", HALF, "is 0.5; expected is 0.333333")
def _():
    return lambda one, other: iou(one, other, union=lambda a, b, both: a)


@wrong("overlap", "share of the smaller", HALF, "is 0.5; expected is 0.333333")
def _():
    return lambda one, other: iou(one, other, union=lambda a, b, both: min(a, b))


@wrong("overlap", "negative sides", ITSELF, "expected is 0")
def _():
    return lambda one, other: iou(one, other, cut=lambda v: v)


@wrong("overlap", "product cut off", APART, "expected is 0")
def _():
    def overlap(one, other):
        both = 1.0
        for i in range(2):
            both *= min(one[2 + i], other[2 + i]) - max(one[i], other[i])
        both = max(both, 0.0) if one[0] <= other[0] and other[0] < 5 else 0.0
        a, b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
        return both / (a + b - both)

    return overlap


@wrong("overlap", "pixels counted inclusively", HALF, "expected is 0.333333")
def _():
    return lambda one, other: iou(one, other, plus=1)


@wrong("overlap", "width and height for corners", HALF, "expected is")
def _():
    def overlap(one, other):
        one, other = ([x, y, x + w, y + h] for x, y, w, h in (one, other))
        return iou(one, other)

    return overlap


@wrong("overlap", "percent", ITSELF, "is 100; expected is 1")
def _():
    return lambda one, other: 100 * iou(one, other)


@wrong("overlap", "positive corners only", OTHER, "the overlap of")
def _():
    return lambda one, other: iou([max(v, 0) for v in one], [max(v, 0) for v in other])


# --- inflated ---


@right("inflated", "repeat")
def _():
    return lambda kernel, time: kernel.unsqueeze(2).repeat(1, 1, time, 1, 1) / time


@right("inflated", "stack")
def _():
    return lambda kernel, time: torch.stack([kernel / time] * time, dim=2)


STILL = "a still video"


@wrong("inflated", "not divided", STILL, "Every frame counts in full")
def _():
    return lambda kernel, time: kernel.unsqueeze(2).repeat(1, 1, time, 1, 1)


@wrong("inflated", "square root", STILL, "square root")
def _():
    return lambda kernel, time: kernel.unsqueeze(2).repeat(1, 1, time, 1, 1) / time**0.5


@wrong("inflated", "the middle frame", STILL, "Only the middle frame counts")
def _():
    def inflate(kernel, time):
        new = torch.zeros(*kernel.shape[:2], time, *kernel.shape[2:])
        new[:, :, time // 2] = kernel
        return new

    return inflate


@wrong("inflated", "time last", "the shape", "6×3×5×5×4; expected is 6×3×4×5×5")
def _():
    return lambda kernel, time: torch.stack([kernel / time] * time, dim=-1)


@wrong("inflated", "channels repeated", "the shape", "6×12×5×5")
def _():
    return lambda kernel, time: kernel.repeat(1, time, 1, 1) / time


@wrong("inflated", "three frames by heart", "the shape", "6×3×3×5×5")
def _():
    return lambda kernel, time: torch.stack([kernel / 3] * 3, dim=2)


@wrong("inflated", "divided by three", OTHER, "differs from")
def _():
    return lambda kernel, time: torch.stack([kernel / 3] * time, dim=2)
