"""The networks, measurements and pictures of the residual network lessons.

Importing this package loads torch and nothing heavier: matplotlib comes with
`resnet_lessons.plots`, torchvision with its published weights (`resnet50(weights="imagenet")`).
"""

from resnet_lessons import budget
from resnet_lessons.blocks import BasicBlock, Bottleneck, PlainBlock
from resnet_lessons.cifar import cifar_resnet
from resnet_lessons.diagnostics import gradient_norms, layer_responses
from resnet_lessons.evaluation import evaluate
from resnet_lessons.history import History
from resnet_lessons.hrnet import hrnet_w18
from resnet_lessons.lesson_nine import lesson_nine
from resnet_lessons.loading import load
from resnet_lessons.preact import PreActBlock, preact_resnet, wide_resnet
from resnet_lessons.pretrained import imagenet_weights
from resnet_lessons.res2net import res2net50_26w_4s
from resnet_lessons.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from resnet_lessons.shapes import shape_table
from resnet_lessons.training import train
from resnet_lessons.weights import load_weights

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
