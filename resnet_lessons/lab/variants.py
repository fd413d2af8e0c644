"""Small networks of equal cost, one of each kind: what the variants are worth is measured on these.

At each level every kind takes the same number of multiply-adds for a grey image of 14×14 pixels, to
within 5 %. Widths and numbers of blocks were chosen for that alone. All begin at the size of the
image, halve it twice, and end in an average and one linear layer; the blocks are those of the
package, with fewer channels.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from resnet_lessons._arguments import one_of
from resnet_lessons.networks import (
    Bottleneck,
    HRNet,
    PreActResNet,
    Res2NetBlock,
    ResNet,
    cifar_resnet,
    preact_resnet,
)

# Millions of multiply-adds for an image of 14×14 pixels; the settings below follow their order.
LEVELS = (1.2, 2.1, 4.0)
SETTINGS = {
    # Channels of the first of three stages.
    "residual": (6, 8, 11),
    "pre-activation": (6, 8, 11),
    "wide": (10, 14, 20),
    # Blocks in each stage, and a quarter of the channels that the first stage gives out.
    "bottleneck": (((3, 3, 2), 6), ((3, 3, 2), 8), ((3, 3, 2), 11)),
    "ResNeXt": (((2, 3, 3), 5), ((2, 2, 3), 7), ((2, 3, 3), 9)),
    "Res2Net": (((3, 3, 3), 6), ((3, 3, 2), 8), ((3, 3, 3), 10)),
    # Channels of the finest of three branches, and of the bottleneck of its head.
    "HRNet": ((4, 2), (5, 3), (7, 4)),
}
_BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "bottleneck": Bottleneck,
    "ResNeXt": partial(Bottleneck, groups=4, base_width=32),
    "Res2Net": partial(Res2NetBlock, base_width=26, scale=4),
}


def small_variant(
    kind: str, level: float, in_channels: int = 1, num_classes: int = 10
) -> nn.Module:
    """A network of a kind and a cost: images N×in_channels×H×W to class scores N×num_classes.

    - `"residual"`, `"pre-activation"`: `cifar_resnet` and `preact_resnet` with 20 layers;
    - `"wide"`: a pre-activation network with a single block a stage, and more channels for that;
    - `"bottleneck"`, `"ResNeXt"`, `"Res2Net"`: three stages of such blocks, with 4 groups or parts;
    - `"HRNet"`: three branches, an exchange of two and one of three, two blocks before each.

    Args:
        kind: see above.
        level: millions of multiply-adds for an image of 1×14×14: 1.2, 2.1 or 4.0.
        in_channels: channels of the images.
        num_classes: number of class scores.

    Raises:
        TypeError, ValueError: an argument is out of its range.
    """
    settings = SETTINGS[one_of("kind", kind, SETTINGS)]
    if level not in LEVELS:
        listed = ", ".join(map(str, LEVELS))
        raise ValueError(f"level is {level!r}, but it must be one of {listed}; choose one of them.")
    setting = settings[LEVELS.index(level)]
    if kind == "residual":
        return cifar_resnet(20, True, setting, in_channels, num_classes)
    if kind == "pre-activation":
        return preact_resnet(20, setting, in_channels, num_classes)
    if kind == "wide":
        return PreActResNet(16, setting, 1, in_channels, num_classes, "projection")
    if kind == "HRNet":
        width, head = setting
        return HRNet(
            width, num_classes, in_channels, False, (1, 1), 2, _doubling(head), stem="cifar"
        )
    layers, channels = setting
    return ResNet(
        layers,
        num_classes,
        in_channels,
        "cifar",
        block=_BLOCKS[kind],
        channels=_doubling(channels),
    )


def _doubling(first: int) -> tuple[int, int, int]:
    return first, 2 * first, 4 * first


def layers_with_weights(model: nn.Module) -> int:
    """How many convolutions and linear layers a network has, those of its shortcuts left out.

    For a ResNet this is the number in its name. In an HRNet many of them stand side by side.
    """
    return sum(
        isinstance(module, nn.Conv2d | nn.Linear)
        for name, module in model.named_modules()
        if "downsample" not in name.split(".")
    )
