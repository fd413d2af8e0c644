"""Res2Net: the ResNet whose bottleneck looks at several scales at once.

Source: S.-H. Gao, M.-M. Cheng, K. Zhao, X.-Y. Zhang, M.-H. Yang, P. Torr, "Res2Net: A New
Multi-scale Backbone Architecture", 2019 (arXiv:1904.01169). State-dict keys are those of the
authors' code and of timm.
"""

from functools import partial

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, whole_number
from resnet_lessons.networks.blocks import conv3x3, group_width, make_shortcut
from resnet_lessons.networks.resnet import ResNet


class Res2NetBlock(nn.Module):
    """A bottleneck whose 3×3 is a chain of smaller ones: y = relu(F(x) + shortcut(x)).

    Input N×in_channels×H×W, output N×(4·channels)×⌈H/stride⌉×⌈W/stride⌉.

    The first 1×1 convolution gives `scale` parts of equal width. Each part but the last has a 3×3
    convolution of its own, which also gets what the one before it gave out: the first part has
    then been through one 3×3, the next through up to two, and so on, and each sees further than
    the last. The last part is handed on as it is (in the paper's figure it is the first).

    A block that changes the shape, the first of a stage, adds nothing along the chain, and its last
    part is averaged over 3×3 pixels, at the block's stride, so that it fits the others.

    Args:
        in_channels: channels of the input.
        channels: a quarter of the channels of the output.
        stride: step of the 3×3 convolutions and of the shortcut; 2 halves height and width.
        base_width: channels of each part where `channels` is 64; they grow in proportion to it,
            rounded down.
        scale: number of parts, at least 2.

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input is
            no float tensor N×in_channels×H×W.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        base_width: int = 26,
        scale: int = 4,
    ) -> None:
        super().__init__()
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = 4 * whole_number("channels", channels)
        self.stride = whole_number("stride", stride)
        self.width = group_width(channels, base_width)
        self.scale = whole_number("scale", scale, minimum=2)
        self.conv1 = nn.Conv2d(in_channels, scale * self.width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(scale * self.width)
        parts = range(scale - 1)
        self.convs = nn.ModuleList(conv3x3(self.width, self.width, stride) for _ in parts)
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.width) for _ in parts)
        self.conv3 = nn.Conv2d(scale * self.width, self.out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = make_shortcut(in_channels, self.out_channels, stride)
        self.chained = isinstance(self.downsample, nn.Identity)
        self.pool = nn.Identity() if self.chained else nn.AvgPool2d(3, stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the block")
        parts = self.relu(self.bn1(self.conv1(x))).split(self.width, dim=1)
        done: list[Tensor] = []
        # TorchScript's zip knows no `strict`.
        for number, (conv, bn) in enumerate(zip(self.convs, self.bns)):  # noqa: B905
            part = parts[number]
            if self.chained and number > 0:
                part = part + done[-1]
            done.append(self.relu(bn(conv(part))))
        done.append(self.pool(parts[self.scale - 1]))
        out = self.bn3(self.conv3(torch.cat(done, dim=1)))
        return self.relu(out + self.downsample(x))

    def zero_residual(self) -> None:
        """Make F(x) = 0 by zeroing the scale of the last normalisation, which can still learn."""
        nn.init.zeros_(self.bn3.weight)


def res2net50_26w_4s(
    num_classes: int = 1000,
    in_channels: int = 3,
    stem: str = "imagenet",
    zero_init_residual: bool = False,
) -> ResNet:
    """Res2Net-50 26w×4s: ResNet-50 with 4 parts of 26 channels, 25,699,120 parameters by default.

    Images N×in_channels×H×W to class scores N×num_classes; arguments and errors as in `ResNet`.
    Gao et al. 2019, Table 1.
    """
    block = partial(Res2NetBlock, base_width=26, scale=4)
    return ResNet((3, 4, 6, 3), num_classes, in_channels, stem, zero_init_residual, block)
