"""HRNet: a network that keeps a fine map all the way, beside ever coarser ones.

A ResNet has one map, which shrinks from stage to stage. An HRNet adds a branch in each stage, half
as fine and twice as wide as the last, keeps the branches side by side, and after each few blocks
lets every branch add what all the others know. For 224×224 images and width 18 the branches are
18×56×56, 36×28×28, 72×14×14 and 144×7×7. A head for classification gathers them at the end.

Source: J. Wang, K. Sun, T. Cheng, B. Jiang, et al., "Deep High-Resolution Representation Learning
for Visual Recognition", 2019 (arXiv:1908.07919), §3 and its appendix on ImageNet. State-dict keys
are those of the authors' code and of timm.
"""

from collections.abc import Sequence
from itertools import pairwise

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

HEAD_CHANNELS = (32, 64, 128, 256)  # of the head's bottlenecks, which give out four times as many


def conv_bn(
    in_channels: int,
    out_channels: int,
    size: int,
    stride: int = 1,
    relu: bool = True,
    bias: bool = False,
) -> nn.Sequential:
    """size×size convolution, normalisation and perhaps a ReLU: N×C×H×W, H and W over stride."""
    conv = nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=bias)
    bn = nn.BatchNorm2d(out_channels)
    return nn.Sequential(conv, bn, nn.ReLU(inplace=True)) if relu else nn.Sequential(conv, bn)


def resample(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """The path from branch `source` to the size and the channels of branch `target`.

    To a coarser branch by a 3×3 convolution of stride 2 for each halving, with a ReLU between two;
    to a finer one by a 1×1 convolution and repeating each pixel; to itself by nothing.
    """
    narrow, wide = channels[source], channels[target]
    if source == target:
        return nn.Identity()
    if source > target:
        finer = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_bn(narrow, wide, 1, relu=False), finer)
    halvings = [conv_bn(narrow, narrow, 3, stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, conv_bn(narrow, wide, 3, stride=2, relu=False))


class HighResolutionModule(nn.Module):
    """Basic blocks on every branch, and then the exchange: each branch gets a sum of all.

    Takes and gives a list of maps from the finest to the coarsest, map b of channels[b] channels
    and half as high and wide, rounded up, as map b − 1.

    Args:
        channels: of each branch, from the finest to the coarsest.
        blocks: basic blocks on each branch; the paper's networks have 4.
    """

    def __init__(self, channels: Sequence[int], blocks: int = 4) -> None:
        super().__init__()
        numbers = range(len(channels))
        self.branches = nn.ModuleList(make_stage(BasicBlock, c, c, blocks) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(resample(channels, source, target) for source in numbers)
            for target in numbers
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(maps[number]) for number, branch in enumerate(self.branches)]
        out: list[Tensor] = []
        for number, paths in enumerate(self.fuse_layers):
            sent = [path(maps[source]) for source, path in enumerate(paths)]
            out.append(self.relu(gather(sent, maps[number])))
        return out


def gather(sent: list[Tensor], own: Tensor) -> Tensor:
    """The sum of the maps that are sent to a branch, of the size of the branch's own.

    Repeated pixels exceed an odd height or width by some; these are cut off at the far edge, so
    that each pixel stays where it came from.
    """
    height, width = own.shape[2:]
    total = sent[0][:, :, :height, :width]
    for x in sent[1:]:
        total = total + x[:, :, :height, :width]
    return total


class Exchange(nn.Sequential):
    """A stage of one number of branches: high-resolution modules, each given the last one's maps.

    Args:
        channels: of each branch, from the finest to the coarsest.
        modules: how many modules.
        blocks: basic blocks on each branch of each of them.
    """

    def __init__(self, channels: Sequence[int], modules: int, blocks: int) -> None:
        super().__init__(*(HighResolutionModule(channels, blocks) for _ in range(modules)))
        self.takes_maps = True
        self.is_container = True  # for shape_table

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        # As in any Sequential, but TorchScript takes what that one is given for a single tensor.
        for module in self:
            maps = module(maps)
        return maps


class AddBranch(nn.ModuleDict):
    """One more branch: takes the maps and gives them with one half as fine as the coarsest."""

    def __init__(self, channels: Sequence[int]) -> None:
        # Named after the branch's number, as the authors have it.
        start = nn.Sequential(conv_bn(channels[-2], channels[-1], 3, stride=2))
        super().__init__({str(len(channels) - 1): start})
        self.takes_maps = True

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        out = list(maps)
        for start in self.values():  # the only one
            out.append(start(maps[-1]))
        return out


class HRNet(nn.Module):
    """Images N×in_channels×H×W to class scores N×num_classes; see `hrnet_w18`.

    Args:
        width: channels of the finest branch; each other one has twice as many as the one before.
        num_classes: number of class scores.
        in_channels: channels of the images.
        zero_init_residual: start every block as nothing but its shortcut; see `blocks.he_init`.
        modules: exchanges in each of the stages with 2, 3, … branches; as many stages as numbers.
        blocks: basic blocks on a branch before each exchange, and bottlenecks in the first stage.
        head: channels of the bottleneck that each branch ends in, which gives out four times as
            many; one number a branch, one branch more than `modules` has stages.
        stem: `"imagenet"`, two convolutions of stride 2 and 64 channels, which leave a quarter of
            the height and width; or `"cifar"`, two of stride 1 and `width` channels, which leave
            small images as large as they are.

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input is
            no float tensor N×in_channels×H×W.
    """

    def __init__(
        self,
        width: int,
        num_classes: int,
        in_channels: int,
        zero_init_residual: bool,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        head: Sequence[int] = HEAD_CHANNELS,
        stem: str = "imagenet",
    ) -> None:
        super().__init__()
        whole_number("width", width)
        whole_number("num_classes", num_classes)
        self.in_channels = whole_number("in_channels", in_channels)
        true_or_false("zero_init_residual", zero_init_residual)
        whole_numbers("modules", modules)
        whole_number("blocks", blocks)
        whole_numbers("head", head)
        if len(head) != len(modules) + 1:
            raise ValueError(
                f"head is {head!r}, but {len(modules)} stages of exchanges lead to "
                f"{len(modules) + 1} branches; pass one number for each."
            )
        one_of("stem", stem, ("imagenet", "cifar"))
        self.channels = [width * 2**branch for branch in range(len(head))]

        stride, thin = (2, 64) if stem == "imagenet" else (1, width)
        self.conv1 = conv3x3(in_channels, thin, stride)
        self.bn1 = nn.BatchNorm2d(thin)
        self.conv2 = conv3x3(thin, thin, stride)
        self.bn2 = nn.BatchNorm2d(thin)
        self.relu = nn.ReLU(inplace=True)
        self._make_stages(thin, modules, blocks)
        self._make_head(head, num_classes)
        he_init(self, zero_init_residual)

    def _make_stages(self, thin: int, modules: Sequence[int], blocks: int) -> None:
        """A stage of one branch, then those with two and more; each transition starts one more."""
        channels = self.channels
        self.layer1 = make_stage(Bottleneck, thin, thin, blocks)
        self.transition1 = nn.ModuleList(
            [
                conv_bn(4 * thin, channels[0], 3),
                nn.Sequential(conv_bn(4 * thin, channels[1], 3, stride=2)),
            ]
        )
        self.stage2 = Exchange(channels[:2], modules[0], blocks)
        for branches, count in enumerate(modules[1:], 3):
            setattr(self, f"transition{branches - 1}", AddBranch(channels[:branches]))
            setattr(self, f"stage{branches}", Exchange(channels[:branches], count, blocks))

    def _make_head(self, head: Sequence[int], num_classes: int) -> None:
        """Every branch is widened, and the finer are added to the coarser in turn."""
        wide = [4 * c for c in head]
        self.incre_modules = nn.ModuleList(
            make_stage(Bottleneck, c, slim, blocks=1)
            for c, slim in zip(self.channels, head, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            conv_bn(fine, coarse, 3, stride=2, bias=True) for fine, coarse in pairwise(wide)
        )
        self.final_layer = conv_bn(wide[-1], 2 * wide[-1], 1, bias=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(2 * wide[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the network")
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        maps = [start(x) for start in self.transition1]
        for step in self.children():
            if hasattr(step, "takes_maps"):
                maps = step(maps)
        wide = [widen(maps[number]) for number, widen in enumerate(self.incre_modules)]
        fine = wide[0]
        for number, halve in enumerate(self.downsamp_modules, 1):
            fine = wide[number] + halve(fine)
        return self.classifier(torch.flatten(self.avgpool(self.final_layer(fine)), 1))


def hrnet_w18(
    num_classes: int = 1000, in_channels: int = 3, zero_init_residual: bool = False
) -> HRNet:
    """HRNet-W18-C, the classification network of width 18, 21,299,004 parameters by default.

    Images N×in_channels×H×W to class scores N×num_classes. Any height and width will do; where
    both divide by 32, each map is exactly half as large as the one before.

    Args:
        num_classes: number of class scores.
        in_channels: channels of the images.
        zero_init_residual: start every block as nothing but its shortcut; see `blocks.he_init`.

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input is
            no float tensor N×in_channels×H×W.
    """
    return HRNet(18, num_classes, in_channels, zero_init_residual)
