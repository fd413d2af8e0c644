"""The 6n+2 networks of He et al. 2015 (arXiv:1512.03385, §4.2), plain and residual.

One 3×3 convolution, three stages of n blocks with two convolutions each, one linear layer: 6n+2
layers with weights. By default shortcuts are option A, which has no parameters, so the plain and
the residual network of one depth have the same parameters, in the same order and with the same
names. What differs is the addition alone, which makes the pair fit for an experiment.
"""

from functools import partial

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, one_of, true_or_false, whole_number
from resnet_lessons.networks.blocks import (
    SHORTCUTS,
    BasicBlock,
    PlainBlock,
    conv3x3,
    he_init,
    make_stage,
)


class CifarResNet(nn.Module):
    """Images N×in_channels×H×W to class scores N×num_classes; see `cifar_resnet`.

    The stages have width, 2·width and 4·width channels; the second and third begin by halving
    height and width. For 32×32 images: 32×32, 16×16, 8×8.
    """

    def __init__(
        self,
        depth: int,
        residual: bool,
        width: int,
        in_channels: int,
        num_classes: int,
        shortcut: str,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.kind = "residual" if residual else "plain"
        self.in_channels = in_channels
        blocks = (depth - 2) // 6
        block = partial(BasicBlock, shortcut=shortcut) if residual else PlainBlock
        self.conv1 = conv3x3(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = make_stage(block, width, width, blocks)
        self.layer2 = make_stage(block, width, 2 * width, blocks, stride=2)
        self.layer3 = make_stage(block, 2 * width, 4 * width, blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, num_classes)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the network")
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def cifar_resnet(
    depth: int,
    residual: bool = True,
    width: int = 16,
    in_channels: int = 3,
    num_classes: int = 10,
    shortcut: str = "padding",
) -> CifarResNet:
    """The network of He et al. 2015, §4.2, with `depth` layers: images N×C×H×W to scores.

    Args:
        depth: layers with weights, 6n+2: 8, 14, 20, 32, 44, 56, 110, …
        residual: with shortcuts (a ResNet) or without (the plain network to compare it with).
            Both have the same parameters, and draw the same initial weights from the same seed.
        width: channels of the first stage; the paper's networks have 16.
        in_channels: channels of the images.
        num_classes: number of class scores.
        shortcut: of the residual network, as in `BasicBlock`: `"padding"`, `"projection"` or
            `"projection everywhere"`, options A, B and C. A plain network has none, whatever it is.

    Raises:
        TypeError, ValueError: an argument is out of its range, or depth is not 6n+2.
    """
    depth = whole_number("depth", depth, minimum=8)
    if (depth - 2) % 6:
        below, above = depth - (depth - 2) % 6, depth + 6 - (depth - 2) % 6
        raise ValueError(
            f"depth is {depth}, but these networks have 6n+2 layers; choose {below} or {above}."
        )
    return CifarResNet(
        depth,
        true_or_false("residual", residual),
        whole_number("width", width),
        whole_number("in_channels", in_channels),
        whole_number("num_classes", num_classes),
        one_of("shortcut", shortcut, SHORTCUTS),
    )
