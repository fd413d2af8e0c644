"""The networks, measurements and pictures of the residual network lessons.

Importing this package loads torch and nothing heavier: matplotlib comes with
`resnet_lessons.plots`, torchvision with its published weights (`resnet50(weights="imagenet")`).
"""

from resnet_lessons.data import load
from resnet_lessons.measure import gradient_norms, layer_responses
from resnet_lessons.networks import (
    BasicBlock,
    Bottleneck,
    PlainBlock,
    PreActBlock,
    cifar_resnet,
    hrnet_w18,
    imagenet_weights,
    lesson_nine,
    load_weights,
    preact_resnet,
    res2net50_26w_4s,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    wide_resnet,
    wide_resnet50_2,
    wide_resnet101_2,
)
from resnet_lessons.shapes import shape_table
from resnet_lessons.training import History, budget, evaluate, progress, train

__version__ = "0.1.0"

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "History",
    "PlainBlock",
    "PreActBlock",
    "budget",
    "cifar_resnet",
    "evaluate",
    "gradient_norms",
    "hrnet_w18",
    "imagenet_weights",
    "layer_responses",
    "lesson_nine",
    "load",
    "load_weights",
    "preact_resnet",
    "res2net50_26w_4s",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "shape_table",
    "train",
    "wide_resnet",
    "wide_resnet50_2",
    "wide_resnet101_2",
]


def _live_curves() -> progress.Report:
    from resnet_lessons.plots import LiveCurves  # here, for matplotlib takes a second to load

    return LiveCurves()


progress.show_live = _live_curves
