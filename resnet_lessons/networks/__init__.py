"""The networks of the course, from one residual block to the whole family, each a file to read.

A block takes a feature map and gives one back (`blocks`); a network stacks blocks (`resnet`,
`cifar`, `preact`, `res2net`, `hrnet`, and a published one with two faults, `lesson_nine`).
Published weights come by `pretrained` and are read by `weights`.
"""

from resnet_lessons.networks.blocks import (
    SHORTCUTS,
    BasicBlock,
    Bottleneck,
    PaddingShortcut,
    PlainBlock,
    conv3x3,
    he_init,
    make_shortcut,
    make_stage,
)
from resnet_lessons.networks.cifar import CifarResNet, cifar_resnet
from resnet_lessons.networks.hrnet import HighResolutionModule, HRNet, hrnet_w18
from resnet_lessons.networks.lesson_nine import LessonNine, LessonNineBlock, lesson_nine
from resnet_lessons.networks.preact import PreActBlock, PreActResNet, preact_resnet, wide_resnet
from resnet_lessons.networks.pretrained import PUBLISHED, imagenet_weights
from resnet_lessons.networks.res2net import Res2NetBlock, res2net50_26w_4s
from resnet_lessons.networks.resnet import (
    ResNet,
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
from resnet_lessons.networks.weights import load_weights, read_weights

__all__ = [
    "PUBLISHED",
    "SHORTCUTS",
    "BasicBlock",
    "Bottleneck",
    "CifarResNet",
    "HRNet",
    "HighResolutionModule",
    "LessonNine",
    "LessonNineBlock",
    "PaddingShortcut",
    "PlainBlock",
    "PreActBlock",
    "PreActResNet",
    "Res2NetBlock",
    "ResNet",
    "cifar_resnet",
    "conv3x3",
    "he_init",
    "hrnet_w18",
    "imagenet_weights",
    "lesson_nine",
    "load_weights",
    "make_shortcut",
    "make_stage",
    "preact_resnet",
    "read_weights",
    "res2net50_26w_4s",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wide_resnet",
    "wide_resnet50_2",
    "wide_resnet101_2",
]
