"""ResNets in the shape made for ImageNet: a stem, four stages of blocks, a head.

For 3×224×224 images the stem gives 64×56×56; with basic blocks the stages give 64×56×56,
128×28×28, 256×14×14 and 512×7×7, with bottlenecks four times the channels. State-dict keys are
torchvision's, so its weights load into these networks strictly.

The nine named networks differ in the numbers of their blocks and in the settings of one of two
blocks, and in nothing else.

Source: He et al. 2015 (arXiv:1512.03385), Table 1; for ResNeXt Xie et al. 2016 (arXiv:1611.05431);
for Wide ResNet Zagoruyko and Komodakis 2016 (arXiv:1605.07146).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import (
    image_batch,
    one_of,
    true_or_false,
    whole_number,
    whole_numbers,
)
from resnet_lessons.networks.blocks import BasicBlock, Bottleneck, conv3x3, he_init, make_stage
from resnet_lessons.networks.pretrained import with_weights

STAGE_CHANNELS = (64, 128, 256, 512)
Weights = str | os.PathLike | Mapping[str, Tensor] | Enum | None


class ResNet(nn.Module):
    """Stem, four stages, head: images N×in_channels×H×W to class scores N×num_classes.

    The first block of each stage but the first halves height and width and doubles the channels;
    every other block keeps them, but for the first bottleneck of stage 1, which raises 64 to 256.

    Args:
        layers: number of blocks in each of the stages, for example (2, 2, 2, 2).
        num_classes: number of class scores.
        in_channels: channels of the images.
        stem: `"imagenet"`, a 7×7 convolution of stride 2 and a 3×3 max-pool of stride 2, which
            together leave a quarter of the height and width; or `"cifar"`, one 3×3 convolution of
            stride 1, which leaves small images as large as they are.
        zero_init_residual: start every block as nothing but its shortcut; see `blocks.he_init`.
        block: `BasicBlock` or `Bottleneck`, or one of them with other settings, as
            `functools.partial(Bottleneck, stride_in="1x1")`; what `blocks.make_stage` takes.
        channels: of the stages, as `block` takes them, one number for each entry of `layers`; the
            stem has the first. Three small ones make a thin network for small images.

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
        zero_init_residual: bool = False,
        block: Callable[..., nn.Module] = BasicBlock,
        channels: Sequence[int] = STAGE_CHANNELS,
    ) -> None:
        super().__init__()
        whole_numbers("channels", channels)
        if not isinstance(layers, Sequence) or len(layers) != len(channels):
            raise ValueError(
                f"layers is {layers!r}, but a ResNet with channels={tuple(channels)} has "
                f"{len(channels)} stages; give one number of blocks for each, for example "
                f"{(2,) * len(channels)}."
            )
        whole_numbers("layers", layers)
        self.in_channels = whole_number("in_channels", in_channels)
        whole_number("num_classes", num_classes)
        one_of("stem", stem, ("imagenet", "cifar"))
        true_or_false("zero_init_residual", zero_init_residual)
        if isinstance(block, nn.Module) or not callable(block):
            raise TypeError(
                f"block is a {type(block).__name__}, but it must be a class or function that makes "
                "blocks; pass for example block=Bottleneck."
            )

        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, channels[0], 7, stride=2, padding=3, bias=False)
            pool = nn.MaxPool2d(3, stride=2, padding=1)
        else:
            self.conv1 = conv3x3(in_channels, channels[0])
            pool = nn.Identity()
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = pool

        given = channels[0]  # what the next stage is given: the stem's output first
        for number, (blocks, width) in enumerate(zip(layers, channels, strict=True), 1):
            stage = make_stage(block, given, width, blocks, stride=1 if number == 1 else 2)
            setattr(self, f"layer{number}", stage)
            given = stage[-1].out_channels

        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(given, num_classes)
        he_init(self, zero_init_residual)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the network")
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name, stage in self.named_children():
            if name.startswith("layer"):
                x = stage(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


HE, XIE = "He et al. 2015, Table 1", "Xie et al. 2016"
ZAGORUYKO = "Zagoruyko and Komodakis 2016"


def _named(name: str, layers: Sequence[int], block: Callable[..., nn.Module], of: str, paper: str):
    """The function `name`, which builds a network of these blocks; `of` says what it is, in short.

    What it returns is not annotated here, so that editors show the arguments of `build`.
    """

    def build(
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: str = "imagenet",
        zero_init_residual: bool = False,
        weights: Weights = None,
    ) -> ResNet:
        net = ResNet(layers, num_classes, in_channels, stem, zero_init_residual, block)
        return with_weights(net, name, weights)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"""{of} parameters by default. {paper}.

    {" + ".join(map(str, layers))} blocks. Images N×in_channels×H×W to class scores N×num_classes;
    arguments and errors as in `ResNet`. `weights` are published ones, by the names that
    `pretrained.with_weights` explains, in place of newly drawn ones.
    """
    return build


resnet18 = _named("resnet18", (2, 2, 2, 2), BasicBlock, "ResNet-18: 11,689,512", HE)
resnet34 = _named("resnet34", (3, 4, 6, 3), BasicBlock, "ResNet-34: 21,797,672", HE)
resnet50 = _named("resnet50", (3, 4, 6, 3), Bottleneck, "ResNet-50: 25,557,032", HE)
resnet101 = _named("resnet101", (3, 4, 23, 3), Bottleneck, "ResNet-101: 44,549,160", HE)
resnet152 = _named("resnet152", (3, 8, 36, 3), Bottleneck, "ResNet-152: 60,192,808", HE)

# The 3×3 convolutions in 32 groups, of 4 channels or of 8.
resnext50_32x4d = _named(
    "resnext50_32x4d",
    (3, 4, 6, 3),
    partial(Bottleneck, groups=32, base_width=4),
    "ResNeXt-50 32×4d: 25,028,904",
    XIE,
)
resnext101_32x8d = _named(
    "resnext101_32x8d",
    (3, 4, 23, 3),
    partial(Bottleneck, groups=32, base_width=8),
    "ResNeXt-101 32×8d: 88,791,336",
    XIE,
)

# The 3×3 convolutions twice as wide.
wide_resnet50_2 = _named(
    "wide_resnet50_2",
    (3, 4, 6, 3),
    partial(Bottleneck, base_width=128),
    "Wide ResNet-50-2: 68,883,240",
    ZAGORUYKO,
)
wide_resnet101_2 = _named(
    "wide_resnet101_2",
    (3, 4, 23, 3),
    partial(Bottleneck, base_width=128),
    "Wide ResNet-101-2: 126,886,696",
    ZAGORUYKO,
)
