"""The five-block network of the article "PyTorch lesson nine: the ResNet model", and its cure.

The article trains it on CIFAR-10 images resized to 96×96. For that input the five blocks give maps
of 45 (convolution) and 23 (pool), then 23, 12, 6 and 3, and the last average-pool 1 pixel wide.

The network runs, and its curve is worth study, but its residual block departs from He et al. 2015
(arXiv:1512.03385) in two places, which are kept here so that they can be seen and measured:

- a ReLU stands before the addition, so F(x) is never negative and the stream can only grow;
- the 1×1 convolution of the shortcut has a bias and no batch normalisation.

The mended twin has the same stem and the same shapes and differs in these two places alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import computes, image_batch, true_or_false, whole_number
from resnet_lessons.networks.blocks import BasicBlock, conv3x3

# Between these sizes the last average-pool gets 3×3 to 5×5 pixels and leaves the 1×1 that the
# classifier takes; smaller or larger images leave none, or more.
SMALLEST_INPUT, LARGEST_INPUT = 71, 166


class LessonNineBlock(nn.Module):
    """The article's `residual`: y = relu(relu(F(x)) + shortcut(x)). The inner relu is its fault.

    Input N×in_channels×H×W, output N×out_channels×⌈H/stride⌉×⌈W/stride⌉.

    Args:
        in_channels, out_channels, stride: as in `BasicBlock`.
        projection: put a 1×1 convolution (with bias, without batch normalisation) on the shortcut;
            the article calls it `add_conv1_1`. It is needed wherever the shape changes.

    Raises:
        TypeError, ValueError: an argument is out of its range, or the shape changes without
            `projection`; in the forward pass, the input is no float tensor N×in_channels×H×W.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, projection: bool = False
    ) -> None:
        super().__init__()
        self.in_channels = whole_number("in_channels", in_channels)
        whole_number("out_channels", out_channels)
        whole_number("stride", stride)
        true_or_false("projection", projection)
        if not projection and (in_channels != out_channels or stride != 1):
            raise ValueError(
                f"the block turns {in_channels} channels into {out_channels} at stride {stride}, "
                "but without a projection the shortcut keeps the shape, so the two cannot be "
                "added; pass projection=True."
            )
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            nn.Conv2d(in_channels, out_channels, 1, stride=stride) if projection else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the block")
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))  # the fault: a residual that cannot be negative
        return F.relu(out + self.downsample(x))


class LessonNine(nn.Sequential):
    """Images N×in_channels×H×W, 96×96 in the article, to class scores; see `lesson_nine`."""

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.block1[0].in_channels, "lesson nine's network")
        if not torch.jit.is_scripting():
            check_size(x)
        for block in self:
            x = block(x)
        return x


def check_size(x: Tensor) -> None:
    """Check that images N×C×H×W end as one pixel.

    Raises:
        ValueError: they are smaller or larger.
    """
    if computes(x) and not all(SMALLEST_INPUT <= size <= LARGEST_INPUT for size in x.shape[2:]):
        raise ValueError(
            f"the images are {x.shape[2]}×{x.shape[3]}, but lesson nine's network takes "
            f"{SMALLEST_INPUT} to {LARGEST_INPUT} pixels a side, so that its last pool leaves "
            "one pixel; resize them, to 96×96 as the article does."
        )


def lesson_nine(in_channels: int = 3, num_classes: int = 10, faithful: bool = True) -> LessonNine:
    """The article's network, faults and all, or (`faithful=False`) its mended twin.

    Images N×in_channels×96×96 to class scores N×num_classes.

    Args:
        in_channels: channels of the images.
        num_classes: number of class scores.
        faithful: the article's own block (`LessonNineBlock`), or He et al.'s (`BasicBlock`).

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input has
            other channels, or less than 71 or more than 166 pixels a side.
    """
    whole_number("in_channels", in_channels)
    whole_number("num_classes", num_classes)
    true_or_false("faithful", faithful)

    def block(channels_in: int, channels_out: int, stride: int = 1) -> nn.Module:
        if faithful:
            changes = channels_in != channels_out
            return LessonNineBlock(channels_in, channels_out, stride, projection=changes)
        return BasicBlock(channels_in, channels_out, stride)

    net = LessonNine()
    net.block1 = nn.Sequential(
        nn.Conv2d(in_channels, 64, 7, stride=2),
        nn.BatchNorm2d(64, eps=1e-3),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    net.block2 = nn.Sequential(block(64, 64), block(64, 64))
    net.block3 = nn.Sequential(block(64, 128, 2), block(128, 128))
    net.block4 = nn.Sequential(block(128, 256, 2), block(256, 256))
    net.block5 = nn.Sequential(block(256, 512, 2), block(512, 512), nn.AvgPool2d(3))
    net.classifier = nn.Sequential(nn.Flatten(), nn.Linear(512, num_classes))
    return net
