"""Our networks as the backbone of torchvision's detectors and segmentation networks.

A backbone is a network without its head: what is wanted of it are the feature maps of its stages,
from fine to coarse. torchvision asks for little: the stages must be called `layer1`, `layer2`, …
and stand in the network in the order in which they run, as they do in `resnet` and `cifar`.

torchvision is imported inside the functions, so that the package does without it.

Sources: S. Ren, K. He, R. Girshick, J. Sun, "Faster R-CNN", 2015 (arXiv:1506.01497); T.-Y. Lin et
al., "Feature Pyramid Networks", 2016 (arXiv:1612.03144); J. Long, E. Shelhamer, T. Darrell, "Fully
Convolutional Networks", 2014 (arXiv:1411.4038); L.-C. Chen et al., "Rethinking Atrous Convolution"
(DeepLabv3), 2017 (arXiv:1706.05587).
"""

import copy
import math
from collections.abc import Sequence

from torch import nn

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.networks import PaddingShortcut
from resnet_lessons.shapes import shape_table

SMALLEST = 64  # pixels a side at which every network of the course can be run for its shapes


def stages(net: nn.Module, names: Sequence[str] | None = None) -> nn.Module:
    """`net` without its head: images N×C×H×W to a dict of feature maps, a stage each.

    The maps are called "0", "1", … from the first stage to the last, as torchvision's detectors
    expect them. The modules are those of `net` itself, not copies.

    Args:
        names: of the stages, in order; default, every `layer1`, `layer2`, … that there is.

    Raises:
        TypeError, ValueError: `net` is no network, or has no such stages.
    """
    from torchvision.models._utils import IntermediateLayerGetter

    names = _stage_names(net, names)
    return IntermediateLayerGetter(net, {name: str(number) for number, name in enumerate(names)})


def stage_shapes(
    net: nn.Module, names: Sequence[str] | None = None, size: int = SMALLEST
) -> list[tuple[int, ...]]:
    """The shapes of `stages(net)` for one image of `size`×`size` pixels: 1×C×H×W each."""
    shapes = shape_table(stages(net, names), (1, _in_channels(net), size, size)).output
    return [shapes] if isinstance(shapes[0], int) else list(shapes)


def pyramid(
    net: nn.Module, out_channels: int = 256, names: Sequence[str] | None = None
) -> nn.Module:
    """A feature pyramid on the stages of `net`: images to a dict of maps, all of `out_channels`.

    The coarse maps know more of *what* there is, the fine ones of *where*; from the coarsest down,
    each is enlarged and added to the next finer one (Lin et al. 2016, Figure 3). One more level,
    "pool", is every second pixel of the coarsest. Arguments and errors as in `stages`.
    """
    from torchvision.models.detection.backbone_utils import BackboneWithFPN

    whole_number("out_channels", out_channels)
    names = _stage_names(net, names)
    channels = [shape[1] for shape in stage_shapes(net, names)]
    numbered = {name: str(number) for number, name in enumerate(names)}
    return BackboneWithFPN(net, numbered, channels, out_channels)


def detector(
    net: nn.Module,
    num_classes: int,
    image_size: int,
    out_channels: int = 256,
    width: int = 1024,
    proposals: int = 512,
) -> nn.Module:
    """torchvision's Faster R-CNN on a feature pyramid of `net`, for small images.

    In training it takes a list of images C×H×W with values in [0, 1] and a list of dicts with
    `boxes` and `labels`, and gives a dict of losses; in evaluation it takes images and gives dicts
    of `boxes`, `labels` and `scores`.

    Args:
        net: the backbone. Its weights become those of the detector: no copy is made.
        num_classes: class numbers, the background's 0 among them.
        image_size: the shorter side that images are brought to, in pixels; the longer may be twice
            that. torchvision's own default is 800.
        out_channels: of the pyramid.
        width: of the two linear layers behind each proposed box.
        proposals: how many boxes of a picture the second part is trained with and tested on; the
            first part proposes twice as many.

    Raises:
        TypeError, ValueError: an argument is out of its range, or `net` has no stages.
    """
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

    whole_number("num_classes", num_classes, minimum=2)
    whole_number("image_size", image_size, minimum=32)
    whole_number("width", width)
    whole_number("proposals", proposals)
    proposed = 2 * proposals  # of each level, and of all levels together
    strides = [math.ceil(256 / shape[-1]) for shape in stage_shapes(net, size=256)]
    strides.append(2 * strides[-1])  # the level "pool"
    # The box that is looked for at each pixel of a map is four of its pixels wide.
    anchors = AnchorGenerator(
        tuple((4 * stride,) for stride in strides), ((0.5, 1.0, 2.0),) * len(strides)
    )
    channels = _in_channels(net)
    return FasterRCNN(
        pyramid(net, out_channels),
        min_size=image_size,
        max_size=2 * image_size,
        image_mean=[0.5] * channels,
        image_std=[0.25] * channels,
        rpn_anchor_generator=anchors,
        rpn_pre_nms_top_n_train=proposed,
        rpn_pre_nms_top_n_test=proposed,
        rpn_post_nms_top_n_train=proposed,
        rpn_post_nms_top_n_test=proposals,
        box_batch_size_per_image=proposals,
        box_head=TwoMLPHead(out_channels * 7**2, width),
        box_predictor=FastRCNNPredictor(width, num_classes),
    )


def segmenter(
    net: nn.Module, num_classes: int, head: str = "fcn", stage: str | None = None
) -> nn.Module:
    """torchvision's FCN or DeepLabv3 on one stage of `net`: a class for every pixel.

    Images N×C×H×W to a dict with "out", scores N×num_classes×H×W: the head works on the stage's
    coarse map, and its scores are enlarged by interpolation.

    Args:
        net: the backbone. Its weights become those of the segmenter: no copy is made.
        num_classes: class numbers, the background's among them.
        head: `"fcn"` (two convolutions) or `"deeplab"` (parallel dilated ones).
        stage: whose map the head works on; default, the last one.

    Raises:
        TypeError, ValueError: an argument is out of its range, or there is no such stage.
    """
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
    from torchvision.models.segmentation.fcn import FCN, FCNHead

    whole_number("num_classes", num_classes, minimum=2)
    one_of("head", head, ("fcn", "deeplab"))
    name = _stage_names(net, None if stage is None else [stage])[-1]
    channels = stage_shapes(net, [name])[0][1]
    whole, kind = (FCN, FCNHead) if head == "fcn" else (DeepLabV3, DeepLabHead)
    return whole(IntermediateLayerGetter(net, {name: "out"}), kind(channels, num_classes), None)


def dilated(net: nn.Module, names: Sequence[str] = ("layer3", "layer4")) -> nn.Module:
    """A copy of `net` in which the stages `names`, the last ones, no longer shrink the map.

    Their strides become 1, and the kernels behind them are spread instead, so that each still sees
    the pixels that it saw: the same weights, a finer map. Where the old map had a pixel, the new
    one has the same value there. (torchvision calls this `replace_stride_with_dilation`.)

    Raises:
        TypeError, ValueError: `net` has no such stages, or others behind them.
    """
    wanted, known = list(_stage_names(net, names)), _stage_names(net, None)
    if wanted != known[-len(wanted) :]:
        raise ValueError(
            f"names is {tuple(names)!r}, but a stage can only be dilated together with all that "
            f"follow it; pass the last stages of {tuple(known)!r}."
        )
    net = copy.deepcopy(net)
    spread = 1  # how far apart, on the finer map, the pixels are that were neighbours
    for name in wanted:
        for block in getattr(net, name):
            spread = _dilate(block, spread)
    return net


def _dilate(block: nn.Module, spread: int) -> int:
    """Take the strides out of one block whose input is `spread` times finer than it was."""
    before = spread
    for name, module in block.named_modules():
        if isinstance(module, PaddingShortcut):
            module.stride = 1
        if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
            raise ValueError(
                f"{type(block).__name__} has a {type(module).__name__}, but only convolutions can "
                "be dilated; take a network whose blocks shrink the map by their strides."
            )
        if not isinstance(module, nn.Conv2d):
            continue
        shortcut = name.startswith("downsample")
        apart = before if shortcut else spread
        module.dilation = tuple(apart * d for d in module.dilation)
        module.padding = tuple(apart * p for p in module.padding)
        if not shortcut:
            spread *= module.stride[0]
        module.stride = (1, 1)
    return spread


def freeze_batch_norm(model: nn.Module, but: Sequence[str] = ()) -> nn.Module:
    """Give `model`, in place, batch normalisations that training does not change; return it.

    Each `BatchNorm2d` becomes torchvision's `FrozenBatchNorm2d`: it scales and shifts by what it
    holds, in training as in evaluation, and neither its statistics nor its weights move.

    Args:
        but: names of parts whose batch normalisations stay as they are.

    Raises:
        ValueError: there is no such part.
    """
    from torchvision.ops import FrozenBatchNorm2d

    modules = dict(model.named_modules())
    for number, name in enumerate(but):
        one_of(f"but[{number}]", name, modules)
    for path, parent in modules.items():
        for name, module in parent.named_children():
            inside = f"{path}.{name}".lstrip(".")
            kept = any(inside == part or inside.startswith(f"{part}.") for part in but)
            if isinstance(module, nn.BatchNorm2d) and not kept:
                frozen = FrozenBatchNorm2d(module.num_features, module.eps)
                frozen.load_state_dict(module.state_dict())
                setattr(parent, name, frozen.to(module.weight.device))
    return model


def _stage_names(net: nn.Module, names: Sequence[str] | None) -> list[str]:
    if not isinstance(net, nn.Module):
        raise TypeError(
            f"net is {net!r}, but it must be a network, an object of torch.nn.Module; pass for "
            "example resnet18()."
        )
    children = [name for name, _ in net.named_children()]
    known = [name for name in children if name.startswith("layer") and name[5:].isdigit()]
    if not known:
        raise ValueError(
            f"{type(net).__name__} has the parts {', '.join(children) or 'none'}, but a backbone "
            "has stages called layer1, layer2, …; take a ResNet, such as resnet18()."
        )
    if names is None:
        return known
    for number, name in enumerate(names):
        one_of(f"names[{number}]", name, known)
    return list(names)


def _in_channels(net: nn.Module) -> int:
    """Channels of the images: those of the first convolution."""
    return next(module.in_channels for module in net.modules() if isinstance(module, nn.Conv2d))
