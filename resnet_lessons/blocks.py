"""The blocks that residual networks are stacked from, and the plain block that they replace.

A block takes a feature map N×C×H×W and gives one back, perhaps with other channels and a smaller
height and width. A plain block computes y = F(x); a residual block computes y = F(x) + x.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2015
(arXiv:1512.03385), §3 and Figures 2 and 5. Attribute names are torchvision's, so that weights
move between its networks and ours by name.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import image_batch, one_of, whole_number


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """3×3 convolution that keeps H×W at stride 1 and halves it, rounding up, at stride 2.

    It has no bias: the batch normalisation that follows has one, and would subtract another.
    """
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


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
        image_batch(x, self.in_channels, type(self).__name__)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut around them: y = relu(F(x) + shortcut(x)).

    Input N×in_channels×H×W, output N×out_channels×⌈H/stride⌉×⌈W/stride⌉.

    Where the block changes no shape the shortcut is the identity, whatever `shortcut` says. Where
    it does, x must be brought to the shape of F(x) before the two can be added:

    - `"projection"`: 1×1 convolution and batch normalisation (option B of He et al. 2015, §4.1;
      what torchvision's ResNets do);
    - `"padding"`: every stride-th pixel, new channels filled with zeros (option A; no parameters,
      so the block has exactly those of a `PlainBlock`).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: step of the first convolution and of the shortcut; 2 halves height and width.
        shortcut: `"projection"` or `"padding"`.

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
        image_batch(x, self.in_channels, type(self).__name__)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))


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

    The identity where shapes agree already, else the `kind` of shortcut asked for: see
    `BasicBlock`.

    Raises:
        ValueError: `kind` is unknown, or `"padding"` would have to remove channels.
    """
    one_of("shortcut", kind, ("projection", "padding"))
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "padding":
        return PaddingShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def he_init(model: nn.Module) -> None:
    """Draw new weights as He et al. 2015 train from: normal, variance 2 / (out_channels · k²).

    In place, for every convolution in `model`; batch normalisations start at scale 1 and shift 0.
    From "Delving Deep into Rectifiers" (arXiv:1502.01852), backward-pass form, as torchvision.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
