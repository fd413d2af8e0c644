"""Transfer: a network that was trained for one task is taken for another with few labelled images.

Its features are either frozen, so that only a new head learns, or fine-tuned with it. Both are
compared with a network that starts from scratch. What follows are the pieces of such a comparison.

Source: J. Yosinski, J. Clune, Y. Bengio, H. Lipson, "How transferable are features in deep neural
networks?", 2014 (arXiv:1411.1792).
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import one_of, whole_number
from resnet_lessons.apply.backbones import freeze_batch_norm
from resnet_lessons.data import Dataset, Split


def only(data: Dataset, classes: Sequence[str]) -> Dataset:
    """The images of these classes alone, in their order, and numbered in the order given.

    `mean` and `std` stay as they are, and the title gains the classes.

    Raises:
        ValueError: a class is unknown or named twice, or there are fewer than two.
    """
    for number, name in enumerate(classes):
        one_of(f"classes[{number}]", name, data.class_names)
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError(
            f"classes is {tuple(classes)!r}, but there must be at least two, each named once; "
            f"choose among {', '.join(data.class_names)}."
        )
    numbers = torch.full((data.num_classes,), -1, device=data.device)
    for number, name in enumerate(classes):
        numbers[data.class_names.index(name)] = number

    def chosen(split: Split) -> Split:
        labels = numbers[split.labels]
        return Split(split.images[labels >= 0], labels[labels >= 0])

    return replace(
        data,
        train=chosen(data.train),
        test=chosen(data.test),
        class_names=tuple(classes),
        some_classes=True,
    )


def few(data: Dataset, images: int, seed: int = 0, epoch: int | None = None) -> Dataset:
    """`images` training images, as many of each class, drawn by `seed`; the test images stay.

    A smaller draw of one seed is part of a larger one.

    Args:
        images: how many; a multiple of the number of classes.
        epoch: repeat them until an epoch has so many images, so that trainings on few and on many
            take equally many steps, and are tested equally often; default, no repetition.

    Raises:
        TypeError, ValueError: a number is not whole or below 1, `images` cannot be shared evenly or
            is more than there are, or `epoch` is below it.
    """
    classes = data.num_classes
    if whole_number("images", images) % classes:
        raise ValueError(
            f"images is {images}, but it must be a multiple of the {classes} classes, for all have "
            f"equally many; pass for example images={classes * max(1, images // classes)}."
        )
    least = int(data.train.labels.bincount(minlength=classes).min())
    if images > classes * least:
        raise ValueError(
            f"images is {images}, but {data.name} has only {least} training images of some class; "
            f"pass at most images={classes * least}."
        )
    if epoch is not None and whole_number("epoch", epoch) < images:
        raise ValueError(
            f"epoch is {epoch}, but it must hold all {images} images; pass at least {images}."
        )
    generator = torch.Generator().manual_seed(whole_number("seed", seed, minimum=0))
    order = torch.randperm(len(data.train), generator=generator).to(data.device)
    labels = data.train.labels[order]
    # The k-th image of every class before the next of any: the first n are equally many of each.
    rank = torch.zeros_like(labels)
    for number in range(classes):
        of_class = labels == number
        rank[of_class] = torch.arange(int(of_class.sum()), device=data.device)
    rows = order[torch.argsort(rank, stable=True)][:images]
    if epoch is not None:
        rows = rows.repeat(-(-epoch // images))[:epoch]
    return replace(data, train=Split(data.train.images[rows], data.train.labels[rows]))


def new_head(net: nn.Module, num_classes: int) -> nn.Module:
    """A copy of `net` with a newly drawn last linear layer, for `num_classes` classes.

    Raises:
        TypeError, ValueError: `num_classes` is no positive whole number, or there is no such layer.
    """
    whole_number("num_classes", num_classes)
    net = copy.deepcopy(net)
    name = head_name(net)
    old = net.get_submodule(name)
    head = nn.Linear(old.in_features, num_classes, bias=old.bias is not None)
    parent, _, attribute = name.rpartition(".")
    setattr(net.get_submodule(parent), attribute, head.to(old.weight.device))
    return net


def head_name(net: nn.Module) -> str:
    """The dotted name of the last linear layer.

    Raises:
        ValueError: there is none.
    """
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise ValueError(
            f"{type(net).__name__} has no linear layer, but the last one is taken for its head; "
            "pass a classifier, such as resnet18()."
        )
    return names[-1]


def freeze_features(net: nn.Module, but: Sequence[str] = ()) -> nn.Module:
    """Let `net`, in place, train nothing but its last linear layer; return it.

    Weights get no gradient, and batch normalisations keep their statistics also in training.

    Args:
        but: names of parts that train as well, such as the last stage: `("layer4",)`.

    Raises:
        ValueError: there is no such part, or no linear layer.
    """
    learning = [head_name(net), *but]
    freeze_batch_norm(net, learning)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(any(name.startswith(f"{part}.") for part in learning))
    return net


def change_channels(net: nn.Module, in_channels: int) -> nn.Module:
    """A copy of `net` that takes images of `in_channels` channels, by changing its first layer.

    Every new channel gets the same weights: the sum over the old channels, divided by the number of
    the new ones. So an image whose channels are all equal gives the same scores as before; for grey
    images that is the colour network given the grey channel three times over.

    Raises:
        TypeError, ValueError: `in_channels` is no positive whole number, or the network has no
            convolution, or its first one has groups.
    """
    whole_number("in_channels", in_channels)
    net = copy.deepcopy(net)
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or first.groups != 1:
        raise ValueError(
            f"{type(net).__name__} does not begin with a convolution that sees all channels, but "
            "its first layer is what is changed; pass a network such as resnet18()."
        )
    first.weight = nn.Parameter(_spread(first.weight.detach(), in_channels))
    for module in net.modules():  # blocks and networks check their input against this number
        if getattr(module, "in_channels", None) == first.in_channels and _holds(module, first):
            module.in_channels = in_channels
    first.in_channels = in_channels
    return net


def _spread(weight: Tensor, in_channels: int) -> Tensor:
    return weight.sum(1, keepdim=True).repeat(1, in_channels, 1, 1) / in_channels


def _holds(module: nn.Module, layer: nn.Module) -> bool:
    return module is not layer and any(inner is layer for inner in module.modules())
