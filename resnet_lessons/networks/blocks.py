"""The blocks that residual networks are stacked from, and the plain block that they replace.

A block takes a feature map N×C×H×W and gives one back, perhaps with other channels and a smaller
height and width. A plain block computes y = F(x); a residual block computes y = F(x) + x.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2015
(arXiv:1512.03385), §3, §4.1 and Figures 2 and 5. Attribute names are torchvision's, so that
weights move between its networks and ours by name. The pre-activation block is in `preact`.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import image_batch, one_of, whole_number

SHORTCUTS = ("projection", "padding", "projection everywhere")


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """3×3 convolution that keeps H×W at stride 1 and halves it, rounding up, at stride 2.

    It has no bias: the batch normalisation that follows has one, and would subtract another.
    """
    return nn.Conv2d(
        in_channels, out_channels, 3, stride=stride, padding=1, groups=groups, bias=False
    )


class PlainBlock(nn.Module):
    """Two 3×3 convolutions, each batch-normalised: y = relu(F(x)), no shortcut.

    Input N×in_channels×H×W, output N×out_channels×⌈H/stride⌉×⌈W/stride⌉.

    This is the block of the "plain" networks that He et al. 2015 (§3.3) compare with: a
    `BasicBlock` without its shortcut, so the two have the same convolutions in the same order.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: step of the first convolution; 2 halves height and width.

    Raises:
        TypeError, ValueError: an argument is no positive whole number; in the forward pass, the
            input is no float tensor N×in_channels×H×W.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = whole_number("out_channels", out_channels)
        self.stride = whole_number("stride", stride)
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the block")
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them: y = relu(F(x) + shortcut(x)).

    Input N×in_channels×H×W, output N×out_channels×⌈H/stride⌉×⌈W/stride⌉.

    Where the block changes no shape the shortcut is the identity. Where it does, x must be brought
    to the shape of F(x) before the two can be added:

    - `"projection"`: 1×1 convolution and batch normalisation (option B of He et al. 2015, §4.1;
      what torchvision's ResNets do);
    - `"padding"`: every stride-th pixel, new channels filled with zeros (option A; no parameters,
      so the block has exactly those of a `PlainBlock`).

    `"projection everywhere"` is a projection even where no shape changes (option C).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: step of the first convolution and of the shortcut; 2 halves height and width.
        shortcut: `"projection"`, `"padding"` or `"projection everywhere"`.

    Raises:
        TypeError, ValueError: an argument is out of its range; in the forward pass, the input is
            no float tensor N×in_channels×H×W.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, shortcut: str = "projection"
    ) -> None:
        super().__init__()
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = whole_number("out_channels", out_channels)
        self.stride = whole_number("stride", stride)
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = make_shortcut(in_channels, out_channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the block")
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))

    def zero_residual(self) -> None:
        """Make F(x) = 0 by zeroing the scale of the last normalisation, which can still learn."""
        nn.init.zeros_(self.bn2.weight)


class Bottleneck(nn.Module):
    """1×1 → 3×3 → 1×1 convolutions and a shortcut: y = relu(F(x) + shortcut(x)).

    Input N×in_channels×H×W, output N×(4·channels)×⌈H/stride⌉×⌈W/stride⌉.

    The first convolution brings the channels down to the width of the costly 3×3, the last one up
    to 4·channels. That width is `channels` itself in He et al. 2015 (Figure 5). Three families
    are settings of this one block:

    - ResNet-50, -101, -152: `groups=1, base_width=64`, the default;
    - ResNeXt 32×4d: `groups=32, base_width=4`; the 3×3 works in 32 groups that see only their own
      channels, so it can be wider at the same cost (Xie et al. 2016, arXiv:1611.05431);
    - Wide ResNet-50-2: `base_width=128`; a 3×3 that is twice as wide (Zagoruyko and Komodakis
      2016, arXiv:1605.07146).

    Args:
        in_channels: channels of the input.
        channels: a quarter of the channels of the output.
        stride: step of one convolution and of the shortcut; 2 halves height and width.
        groups: groups of the 3×3 convolution.
        base_width: channels of each group where `channels` is 64; they grow in proportion to it,
            rounded down.
        stride_in: which convolution takes the step: `"3x3"`, as torchvision has it ("v1.5"), or
            `"1x1"`, the first one, as He et al. 2015 have it, which misses three of four pixels.

    Raises:
        TypeError, ValueError: an argument is out of its range, or so small that a group has no
            channel; in the forward pass, the input is no float tensor N×in_channels×H×W.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        groups: int = 1,
        base_width: int = 64,
        stride_in: str = "3x3",
    ) -> None:
        super().__init__()
        self.in_channels = whole_number("in_channels", in_channels)
        self.out_channels = 4 * whole_number("channels", channels)
        self.stride = whole_number("stride", stride)
        whole_number("groups", groups)
        width = groups * group_width(channels, base_width)
        one_of("stride_in", stride_in, ("3x3", "1x1"))
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, second, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = make_shortcut(in_channels, self.out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        image_batch(x, self.in_channels, "the block")
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.downsample(x))

    def zero_residual(self) -> None:
        """Make F(x) = 0 by zeroing the scale of the last normalisation, which can still learn."""
        nn.init.zeros_(self.bn3.weight)


def group_width(channels: int, base_width: int) -> int:
    """Channels of one group of the 3×3 convolutions: base_width where `channels` is 64.

    Raises:
        TypeError, ValueError: `base_width` is no positive whole number, or nothing is left of it.
    """
    width = channels * whole_number("base_width", base_width) // 64
    if width < 1:
        raise ValueError(
            f"base_width is {base_width}, but of {channels} channels it leaves a 3×3 convolution "
            f"less than one; pass at least base_width={-(-64 // channels)}."
        )
    return width


class PaddingShortcut(nn.Module):
    """Option A of He et al. 2015: every stride-th pixel, missing channels filled with zeros.

    Input N×in_channels×H×W, output N×out_channels×⌈H/stride⌉×⌈W/stride⌉. No parameters. The zero
    channels stand behind the copied ones.

    Raises:
        TypeError, ValueError: an argument is no positive whole number, or out_channels is below
            in_channels.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        whole_number("in_channels", in_channels)
        whole_number("out_channels", out_channels)
        self.stride = whole_number("stride", stride)
        if out_channels < in_channels:
            raise ValueError(
                f"out_channels is {out_channels}, but a padding shortcut can only add channels to "
                f"the {in_channels} it gets; use shortcut='projection' to reduce them."
            )
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels))  # (W, W, H, H, C, C): before, after

    def extra_repr(self) -> str:
        return f"new_channels={self.new_channels}, stride={self.stride}"


def make_shortcut(
    in_channels: int, out_channels: int, stride: int, kind: str = "projection"
) -> nn.Module:
    """The path that brings x, N×in_channels×H×W, to the shape of F(x), so that they can be added.

    The identity where shapes agree already (unless `kind` is `"projection everywhere"`), else the
    `kind` of shortcut asked for: see `BasicBlock`.

    Raises:
        ValueError: `kind` is unknown, or `"padding"` would have to remove channels.
    """
    one_of("shortcut", kind, SHORTCUTS)
    if stride == 1 and in_channels == out_channels and kind != "projection everywhere":
        return nn.Identity()
    if kind == "padding":
        return PaddingShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def make_stage(
    block: Callable[..., nn.Module], in_channels: int, channels: int, blocks: int, stride: int = 1
) -> nn.Sequential:
    """`blocks` blocks in a row; only the first one changes channels, height and width.

    `block` is called with in_channels, channels and stride, and gives a module with `out_channels`.
    N×in_channels×H×W to N×out_channels×⌈H/stride⌉×⌈W/stride⌉.
    """
    first = block(in_channels, channels, stride)
    rest = [block(first.out_channels, channels) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


def he_init(model: nn.Module, zero_init_residual: bool = False) -> None:
    """Draw new weights as He et al. 2015 train from: normal, variance 2 / (out_channels · k²).

    In place, for every convolution in `model`; batch normalisations start at scale 1 and shift 0.
    From "Delving Deep into Rectifiers" (arXiv:1502.01852), backward-pass form, as torchvision.

    With `zero_init_residual` every residual branch starts at F(x) = 0, so that each block is at
    first nothing but its shortcut (Goyal et al. 2017, arXiv:1706.02677, §5.1).
    """
    # A weight on the meta device has no values; to draw them loads torch's compiler, for seconds.
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    if zero_init_residual:
        for module in model.modules():
            if hasattr(module, "zero_residual"):
                module.zero_residual()
