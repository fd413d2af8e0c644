"""The networks, measurements and pictures of the residual network lessons.

Importing this package loads torch and nothing heavier: matplotlib comes with
`resnet_lessons.plots`, torchvision is never needed.
"""

from resnet_lessons import budget
from resnet_lessons.blocks import BasicBlock, PlainBlock
from resnet_lessons.cifar import cifar_resnet
from resnet_lessons.diagnostics import gradient_norms, layer_responses
from resnet_lessons.evaluation import evaluate
from resnet_lessons.history import History
from resnet_lessons.lesson_nine import lesson_nine
from resnet_lessons.loading import load
from resnet_lessons.resnet import resnet18, resnet34
from resnet_lessons.shapes import shape_table
from resnet_lessons.training import train

__version__ = "0.1.0"

__all__ = [
    "BasicBlock",
    "History",
    "PlainBlock",
    "budget",
    "cifar_resnet",
    "evaluate",
    "gradient_norms",
    "layer_responses",
    "lesson_nine",
    "load",
    "resnet18",
    "resnet34",
    "shape_table",
    "train",
]
