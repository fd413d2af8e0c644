"""ResNets in the shape made for ImageNet: a stem, four stages of blocks, a head.

For 3×224×224 images the stem gives 64×56×56 and the stages 64×56×56, 128×28×28, 256×14×14 and
512×7×7. State-dict keys are torchvision's, so its weights load into these networks strictly.

Source: He et al. 2015 (arXiv:1512.03385), Table 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, one_of, whole_number
from resnet_lessons.blocks import BasicBlock, conv3x3, he_init

STAGE_CHANNELS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """Stem, four stages, head: images N×in_channels×H×W to class scores N×num_classes.

    The first block of stages 2, 3 and 4 halves height and width and doubles the channels; every
    other block keeps the shape.

    Args:
        layers: number of blocks in each of the four stages, for example (2, 2, 2, 2).
        num_classes: number of class scores.
        in_channels: channels of the images.
        stem: `"imagenet"`, a 7×7 convolution of stride 2 and a 3×3 max-pool of stride 2, which
            together leave a quarter of the height and width; or `"cifar"`, one 3×3 convolution of
            stride 1, which leaves small images as large as they are.

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input is
            no float tensor N×in_channels×H×W.
    """

    def __init__(
        self,
        layers: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: str = "imagenet",
    ) -> None:
        super().__init__()
        if not isinstance(layers, Sequence) or len(layers) != len(STAGE_CHANNELS):
            raise ValueError(
                f"layers is {layers!r}, but a ResNet has {len(STAGE_CHANNELS)} stages; "
                "give one number of blocks for each, for example (2, 2, 2, 2)."
            )
        self.in_channels = whole_number("in_channels", in_channels)
        whole_number("num_classes", num_classes)
        one_of("stem", stem, ("imagenet", "cifar"))

        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
            pool = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.conv1 = conv3x3(in_channels, 64)
            pool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = pool

        channels = 64  # what the next stage is given: the stem's output first
        for number, (blocks, width) in enumerate(zip(layers, STAGE_CHANNELS, strict=True), 1):
            stride = 1 if number == 1 else 2
            whole_number(f"layers[{number - 1}]", blocks)
            setattr(self, f"layer{number}", make_stage(channels, width, blocks, stride))
            channels = width

        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, type(self).__name__)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def make_stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    """`blocks` blocks in a row; only the first one changes channels, height and width.

    N×in_channels×H×W to N×out_channels×⌈H/stride⌉×⌈W/stride⌉.
    """
    first = BasicBlock(in_channels, out_channels, stride)
    rest = [BasicBlock(out_channels, out_channels) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


def resnet18(num_classes: int = 1000, in_channels: int = 3, stem: str = "imagenet") -> ResNet:
    """ResNet-18: 2 + 2 + 2 + 2 basic blocks, 11,689,512 parameters with the default arguments.

    Images N×in_channels×H×W to class scores N×num_classes; arguments and errors as in `ResNet`.
    He et al. 2015, Table 1.
    """
    return ResNet((2, 2, 2, 2), num_classes, in_channels, stem)


def resnet34(num_classes: int = 1000, in_channels: int = 3, stem: str = "imagenet") -> ResNet:
    """ResNet-34: 3 + 4 + 6 + 3 basic blocks, 21,797,672 parameters with the default arguments.

    Images N×in_channels×H×W to class scores N×num_classes; arguments and errors as in `ResNet`.
    He et al. 2015, Table 1.
    """
    return ResNet((3, 4, 6, 3), num_classes, in_channels, stem)
