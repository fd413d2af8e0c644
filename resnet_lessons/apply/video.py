"""From images to videos: a ResNet whose convolutions are inflated from two dimensions to three.

A video is a tensor N×C×T×H×W, T frames. Inflated, a k×k convolution becomes t×k×k: its weights are
repeated t times along time and divided by t. So on a video in which nothing moves, the inflated
network gives what the image network gives for one frame; from there it can learn motion.

Source: J. Carreira and A. Zisserman, "Quo Vadis, Action Recognition?", 2017 (arXiv:1705.07750),
§2.4. Before the first frame and behind the last one a convolution needs more frames; here these two
are repeated, so that a video in which nothing moves has no motion at its ends either.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons._arguments import whole_number
from resnet_lessons.networks import BasicBlock, Bottleneck, PaddingShortcut

UNCHANGED = (nn.ReLU, nn.Identity, nn.Linear)  # these take tensors of any dimensions


def inflate(net: nn.Module, time: int = 3) -> "VideoResNet":
    """A network for videos with the weights of `net`: N×C×T×H×W to scores N×num_classes.

    No layer shortens the video; at the end, all frames and pixels are averaged. With `time=1` the
    network takes each frame by itself, and its scores are the mean of the image network's.

    Args:
        net: a `ResNet` or a 6n+2 network.
        time: frames that each kernel spans, other than those of 1×1.

    Raises:
        TypeError, ValueError: `time` is no positive whole number, or `net` has a part that is not
            known here.
    """
    whole_number("time", time)
    parts = [name for name, _ in net.named_children()] if isinstance(net, nn.Module) else []
    if parts[-2:] != ["avgpool", "fc"]:
        raise ValueError(
            f"net is a {type(net).__name__}, but only a network that ends in the parts avgpool and "
            "fc can be inflated; pass a ResNet or a 6n+2 network, such as resnet18()."
        )
    return VideoResNet(net, time).train(net.training)


class VideoResNet(nn.Module):
    """An inflated network: videos N×C×T×H×W to class scores N×num_classes; see `inflate`."""

    def __init__(self, net: nn.Module, time: int) -> None:
        super().__init__()
        for name, part in net.named_children():  # they stand in the order in which they run
            self.add_module(name, inflate_layer(part, time))

    def forward(self, x: Tensor) -> Tensor:
        *body, head = self.children()
        for part in body:
            x = part(x)
        return head(torch.flatten(x, 1))


class VideoBlock(nn.Module):
    """A residual block for videos, N×C×T×H×W: y = relu(F(x) + shortcut(x))."""

    def __init__(self, block: nn.Module, time: int) -> None:
        super().__init__()
        for name, part in block.named_children():
            self.add_module(name, inflate_layer(part, time))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):  # a bottleneck
            out = self.bn3(self.conv3(self.relu(out)))
        return self.relu(out + self.downsample(x))


class VideoConv(nn.Conv3d):
    """A 3-D convolution that keeps the number of frames, by repeating the first and the last."""

    def forward(self, x: Tensor) -> Tensor:
        more = self.kernel_size[0] - 1
        x = F.pad(x, (0, 0, 0, 0, more // 2, more - more // 2), mode="replicate")
        return super().forward(x)


class VideoPaddingShortcut(nn.Module):
    """`PaddingShortcut` for videos: every stride-th pixel of each frame, new channels zero."""

    def __init__(self, shortcut: PaddingShortcut) -> None:
        super().__init__()
        self.stride, self.new_channels = shortcut.stride, shortcut.new_channels

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, 0, 0, self.new_channels))  # W, H, T, C: before, after


def inflate_layer(module: nn.Module, time: int) -> nn.Module:
    """The counterpart for videos of a layer, a block or a row of blocks, with the same weights.

    Raises:
        ValueError: there is none for this kind of module.
    """
    if isinstance(module, nn.Conv2d):
        return _inflate_convolution(module, time)
    if isinstance(module, nn.BatchNorm2d):
        layer = nn.BatchNorm3d(module.num_features, module.eps, module.momentum)
        layer.load_state_dict(module.state_dict())
        return layer.to(module.weight.device)
    if isinstance(module, nn.MaxPool2d):
        size, stride, padding = module.kernel_size, module.stride, module.padding
        return nn.MaxPool3d((1, size, size), (1, stride, stride), (0, padding, padding))
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return nn.AdaptiveAvgPool3d(module.output_size)
    if isinstance(module, PaddingShortcut):
        return VideoPaddingShortcut(module)
    if isinstance(module, BasicBlock | Bottleneck):
        return VideoBlock(module, time)
    if type(module) is nn.Sequential:
        return nn.Sequential(*(inflate_layer(part, time) for part in module))
    if isinstance(module, UNCHANGED):
        return copy.deepcopy(module)
    raise ValueError(
        f"the network holds a {type(module).__name__}, but there is no counterpart for videos of "
        "it; inflate a ResNet or a 6n+2 network, such as resnet18()."
    )


def _inflate_convolution(layer: nn.Conv2d, time: int) -> VideoConv:
    frames = 1 if layer.kernel_size == (1, 1) else time
    inflated = VideoConv(
        layer.in_channels,
        layer.out_channels,
        (frames, *layer.kernel_size),
        (1, *layer.stride),
        (0, *layer.padding),
        (1, *layer.dilation),
        layer.groups,
        bias=layer.bias is not None,
    )
    weight = layer.weight.detach().unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames
    inflated.weight = nn.Parameter(weight)
    if layer.bias is not None:
        inflated.bias = nn.Parameter(layer.bias.detach().clone())
    return inflated
