"""Answers to the exercises of lesson 10, besides those that its checks know by name."""

import copy

import torch
from torch import nn
from torchvision.ops import box_iou

from answers import accepted, all_rejected, learner, rejected
from resnet_lessons import cifar_resnet

THEIRS = learner("lesson_10")
OTHER = "other numbers"

# --- new_classifier ---


@accepted("new_classifier", "a copy, head last")
def copied(net, classes):
    new = copy.deepcopy(net)
    new.fc = nn.Linear(16, classes)
    for name, parameter in new.named_parameters():
        parameter.requires_grad = name.startswith("fc.")
    return new


@accepted("new_classifier", "a sequence of parts")
def sequence(net, classes):
    *body, head = list(net.children())
    for part in body:
        part.requires_grad_(False)
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(head.in_features, classes))


def with_head(net, head):
    net.requires_grad_(False)
    net.fc = head
    return net


def convolutions_frozen(net, classes):
    for module in net.modules():
        module.requires_grad_(not isinstance(module, nn.Conv2d))
    return with_classes(net, classes)


def with_classes(net, classes):
    net.fc = nn.Linear(16, classes)
    return net


all_rejected(
    "new_classifier",
    "scores for the new classes",
    {
        "the old head": ("2×6; expected is 2×3", lambda net, classes: with_head(net, net.fc)),
        "old classes in": (
            "stops with RuntimeError",
            lambda net, classes: with_head(net, nn.Linear(6, classes)),
        ),
    },
)
all_rejected(
    "new_classifier",
    "only the head learns",
    {
        "frozen last": (
            "Nothing can be trained",
            lambda net, classes: with_classes(net, classes).requires_grad_(False),
        ),
        "nothing frozen": ("parameters can be trained; expected are 51", with_classes),
        "normalisations still learn": ("parameters can be trained", convolutions_frozen),
        "head without bias": (
            "48 parameters can be trained",
            lambda net, classes: with_head(net, nn.Linear(16, classes, bias=False)),
        ),
    },
)


@rejected("new_classifier", "a new network", "the features are the old ones", "`conv1.weight`")
def new_network(net, classes):
    return THEIRS.with_new_head(cifar_resnet(8, width=4), classes)


@rejected("new_classifier", "the head kept where it fits", "the head is new", "its old weights")
def head_kept(net, classes):
    if net.fc.out_features != classes:
        return THEIRS.with_new_head(net, classes)
    with_head(net, net.fc).fc.requires_grad_(True)
    return net


# --- grey_kernel ---

accepted("grey_kernel", "einsum", lambda weight: torch.einsum("oihw->ohw", weight)[:, None])


def added_in_place(weight):
    for channel in range(1, weight.shape[1]):
        weight[:, 0] += weight[:, channel]
    return weight[:, :1]


all_rejected(
    "grey_kernel",
    "the shape",
    {
        "dimension lost": ("8×7×7; expected is 8×1×7×7", lambda weight: weight.sum(1)),
        "summed over the filters": ("1×3×7×7", lambda weight: weight.sum(0, keepdim=True)),
    },
)
all_rejected(
    "grey_kernel",
    OTHER,
    {
        "three times the mean": ("differs from", lambda weight: 3 * weight.mean(1, keepdim=True)),
        "three colours by heart": (
            "differs from",
            lambda weight: weight[:, :3].sum(1, keepdim=True),
        ),
        "in place": ("other values after the call", added_in_place),
    },
)

# --- cam ---


@accepted("cam", "einsum")
def by_einsum(maps, gradients):
    return torch.einsum("nk,nkij->nij", gradients.mean((2, 3)), maps).clamp(min=0)


@accepted("cam", "loops")
def by_loops(maps, gradients):
    total = torch.zeros_like(maps[:, 0])
    for image in range(len(maps)):
        for channel in range(maps.shape[1]):
            total[image] += gradients[image, channel].mean() * maps[image, channel]
    return torch.relu(total)


rejected(
    "cam", "channels kept", "the shape", "3×5×4×6; expected is 3×4×6", THEIRS.mapped(end=torch.relu)
)

# --- overlap ---


def iou(share=lambda w, h: max(w, 0) * max(h, 0), union=lambda a, b, both: a + b - both, plus=0):
    def overlap(one, other):
        sides = [min(one[2 + i], other[2 + i]) - max(one[i], other[i]) + plus for i in range(2)]
        both = share(*sides)
        a, b = ((box[2] - box[0] + plus) * (box[3] - box[1] + plus) for box in (one, other))
        return both / union(a, b, both)

    return overlap


def on_boxes(change):
    return lambda one, other: iou()(change(*one), change(*other))


@accepted("overlap", "with torchvision, a tensor of one value")
def with_torchvision(one, other):
    return box_iou(*(torch.tensor([box], dtype=torch.float64) for box in (one, other)))[0, 0]


all_rejected(
    "overlap",
    "a box with itself, and with one far away",
    {
        "shared part counted twice": ("is 0.5; expected is 1", iou(union=lambda a, b, both: a + b)),
        "negative sides": ("expected is 0", iou(share=lambda w, h: w * h)),
        "product cut off": ("expected is 0", iou(share=lambda w, h: max(w * h, 0))),
        "percent": ("is 100; expected is 1", lambda one, other: 100 * iou()(one, other)),
    },
)
all_rejected(
    "overlap",
    "half covered",
    {
        "share of the first": ("is 0.5; expected is 0.333333", iou(union=lambda a, b, both: a)),
        "share of the smaller": (
            "is 0.5; expected is 0.333333",
            iou(union=lambda a, b, both: min(a, b)),
        ),
        "pixels counted inclusively": ("expected is 0.333333", iou(plus=1)),
        "width and height for corners": (
            "expected is",
            on_boxes(lambda x, y, w, h: (x, y, x + w, y + h)),
        ),
    },
)
rejected(
    "overlap",
    "height not cut off",
    "apart in one direction only",
    "expected is 0",
    iou(share=lambda w, h: max(w, 0) * h),
)
rejected(
    "overlap",
    "positive corners only",
    OTHER,
    "the overlap of",
    on_boxes(lambda *corners: [max(corner, 0) for corner in corners]),
)

# --- inflated ---

accepted("inflated", "stack", lambda k, t: torch.stack([k / t] * t, dim=2))
all_rejected(
    "inflated",
    "the shape",
    {
        "time last": (
            "6×3×5×5×4; expected is 6×3×4×5×5",
            lambda k, t: torch.stack([k / t] * t, dim=-1),
        ),
        "channels repeated": ("6×12×5×5", lambda k, t: k.repeat(1, t, 1, 1) / t),
        "three frames by heart": ("6×3×3×5×5", lambda k, t: torch.stack([k / 3] * 3, dim=2)),
    },
)
rejected(
    "inflated",
    "divided by three",
    OTHER,
    "differs from",
    lambda k, t: torch.stack([k / 3] * t, dim=2),
)
