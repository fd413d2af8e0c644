"""Pre-activation residual networks, thin and wide, in the shape made for CIFAR.

In He et al. 2015 a ReLU follows every addition, so a signal on the shortcuts meets one per block.
Here normalisation and ReLU stand before each convolution instead, nothing follows the addition,
and the shortcuts connect the first block with the last. One 3×3 convolution, three stages, a last
normalisation and ReLU, one linear layer.

Sources: K. He, X. Zhang, S. Ren, J. Sun, "Identity Mappings in Deep Residual Networks", 2016
(arXiv:1603.05027); S. Zagoruyko, N. Komodakis, "Wide Residual Networks", 2016 (arXiv:1605.07146).
"""

from functools import partial

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, one_of, real_number, true_or_false, whole_number
from resnet_lessons.networks.blocks import PaddingShortcut, conv3x3, he_init, make_stage


class PreActBlock(nn.Module):
    """BN → ReLU → 3×3 convolution, twice, and a shortcut: y = F(x) + shortcut.

    Input N×in_channels×H×W, output N×out_channels×⌈H/stride⌉×⌈W/stride⌉.

    Where the block changes no shape the shortcut is x itself, untouched. Where it does, the
    shortcut starts behind the first normalisation and ReLU, which the two paths then share, and is
    a 1×1 convolution (`"projection"`; without normalisation, for the next block has one) or
    every stride-th pixel and zero channels (`"padding"`, no parameters).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: step of the first convolution and of the shortcut; 2 halves height and width.
        shortcut: `"projection"` or `"padding"`.
        dropout: probability, below 1, with which a value before the second convolution is zeroed in
            training (Zagoruyko and Komodakis 2016, §3).
        activate_shortcut: start the shortcut behind the first ReLU even if no shape changes, as He
            et al. 2016 (appendix) do in the first block of a network.

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input is
            no float tensor N×in_channels×H×W.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        shortcut: str = "projection",
        dropout: float = 0.0,
        activate_shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = whole_number("out_channels", out_channels)
        self.stride = whole_number("stride", stride)
        one_of("shortcut", shortcut, ("projection", "padding"))
        true_or_false("activate_shortcut", activate_shortcut)
        changes_shape = stride != 1 or in_channels != out_channels
        self.activate_shortcut = activate_shortcut or changes_shape
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(probability("dropout", dropout))
        self.conv2 = conv3x3(out_channels, out_channels)
        self.relu = nn.ReLU(inplace=True)
        if not changes_shape:
            self.downsample = nn.Identity()
        elif shortcut == "padding":
            self.downsample = PaddingShortcut(in_channels, out_channels, stride)
        else:
            self.downsample = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the block")
        active = self.relu(self.bn1(x))
        shortcut = self.downsample(active if self.activate_shortcut else x)
        out = self.conv1(active)
        out = self.conv2(self.dropout(self.relu(self.bn2(out))))
        return out + shortcut

    def extra_repr(self) -> str:
        return f"activate_shortcut={self.activate_shortcut}"

    def zero_residual(self) -> None:
        """Make F(x) = 0 by zeroing the last convolution, which can still learn.

        With the last normalisation's scale at zero, as in the other blocks, the ReLU behind it
        would pass neither a signal nor a gradient, and the branch would stay zero for ever.
        """
        nn.init.zeros_(self.conv2.weight)


class PreActResNet(nn.Module):
    """Images N×in_channels×H×W to class scores N×num_classes; see the two functions below.

    The stem has `stem` channels; the stages have `width`, 2·`width` and 4·`width`. The second and
    third begin by halving height and width. For 32×32 images: 32×32, 16×16, 8×8.
    """

    def __init__(
        self,
        stem: int,
        width: int,
        blocks: int,
        in_channels: int,
        num_classes: int,
        shortcut: str,
        dropout: float = 0.0,
        activate_first: bool = False,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        true_or_false("zero_init_residual", zero_init_residual)
        self.in_channels = whole_number("in_channels", in_channels)
        block = partial(PreActBlock, shortcut=shortcut, dropout=dropout)
        self.conv1 = conv3x3(in_channels, stem)
        self.layer1 = make_stage(block, stem, width, blocks)
        self.layer1[0].activate_shortcut |= activate_first
        self.layer2 = make_stage(block, width, 2 * width, blocks, stride=2)
        self.layer3 = make_stage(block, 2 * width, 4 * width, blocks, stride=2)
        # No block ends with a normalisation and a ReLU, so the last one's have to be added.
        self.bn = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, whole_number("num_classes", num_classes))
        he_init(self, zero_init_residual)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the network")
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = self.relu(self.bn(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def preact_resnet(
    depth: int,
    width: int = 16,
    in_channels: int = 3,
    num_classes: int = 10,
    shortcut: str = "padding",
    zero_init_residual: bool = False,
) -> PreActResNet:
    """The pre-activation twin of `cifar_resnet`: images N×C×H×W to scores (He et al. 2016).

    With the default shortcuts it has exactly as many parameters as the `cifar_resnet` of the same
    depth and width; the normalisations only stand elsewhere.

    Args:
        depth: layers with weights, 6n+2: 8, 14, 20, 32, 44, 56, 110, …
        width: channels of the first stage; the paper's networks have 16.
        in_channels: channels of the images.
        num_classes: number of class scores.
        shortcut: where the shape changes; see `PreActBlock`.
        zero_init_residual: start every block as nothing but its shortcut.

    Raises:
        TypeError, ValueError: an argument is out of its range, or depth is not 6n+2.
    """
    blocks = blocks_per_stage(depth, 2)
    whole_number("width", width)
    return PreActResNet(
        stem=width,
        width=width,
        blocks=blocks,
        in_channels=in_channels,
        num_classes=num_classes,
        shortcut=shortcut,
        activate_first=True,
        zero_init_residual=zero_init_residual,
    )


def wide_resnet(
    depth: int,
    widen_factor: int,
    in_channels: int = 3,
    num_classes: int = 10,
    dropout: float = 0.0,
    zero_init_residual: bool = False,
) -> PreActResNet:
    """WRN-depth-widen_factor of Zagoruyko and Komodakis 2016: images N×C×H×W to scores.

    WRN-16-8 has 11.0 million parameters, WRN-40-4 8.9 and WRN-28-10 36.5.

    Args:
        depth: 6n+4, as 16, 22, 28 or 40: the paper counts two convolutions a block, the first
            convolution, and the 1×1 of each of the three stages.
        widen_factor: the stages have 16, 32 and 64 times so many channels; the first convolution
            always has 16.
        in_channels: channels of the images.
        num_classes: number of class scores.
        dropout: see `PreActBlock`; the paper has 0.3 for CIFAR and 0.4 for SVHN.
        zero_init_residual: start every block as nothing but its shortcut.

    Raises:
        TypeError, ValueError: an argument is out of its range, or depth is not 6n+4.
    """
    blocks = blocks_per_stage(depth, 4)
    return PreActResNet(
        stem=16,
        width=16 * whole_number("widen_factor", widen_factor),
        blocks=blocks,
        in_channels=in_channels,
        num_classes=num_classes,
        shortcut="projection",
        dropout=probability("dropout", dropout),
        zero_init_residual=zero_init_residual,
    )


def blocks_per_stage(depth: int, rest: int) -> int:
    """The n of a depth 6n+rest: blocks in each of three stages.

    Raises:
        TypeError, ValueError: `depth` is no such number.
    """
    depth = whole_number("depth", depth, minimum=6 + rest)
    over = (depth - rest) % 6
    if over:
        raise ValueError(
            f"depth is {depth}, but these networks have 6n+{rest} layers; "
            f"choose {depth - over} or {depth - over + 6}."
        )
    return (depth - rest) // 6


def probability(name: str, value: float) -> float:
    """`value` as a float of at least 0 and below 1.

    Raises:
        TypeError, ValueError: it is none.
    """
    number = real_number(name, value)
    if number >= 1:
        raise ValueError(
            f"{name} is {value}, but with a probability of 1 or above nothing would be left; "
            f"pass a number below 1, for example {name}=0.3."
        )
    return number
