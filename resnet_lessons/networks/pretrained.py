"""torchvision's published ImageNet weights, in our networks.

They come through torchvision's own interface, with its cache and its progress bar. torchvision is
imported only when they are asked for.
"""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import one_of
from resnet_lessons._http import answer, offline
from resnet_lessons.networks.weights import load_weights, read_weights

# The networks of `resnet`, all of which torchvision has published weights for.
PUBLISHED = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)
PATIENCE = 10.0  # seconds that the server has for its first answer
Network = TypeVar("Network", bound=nn.Module)


def imagenet_weights(name: str, weights: str | Enum = "imagenet") -> Enum:
    """torchvision's record of published weights; asking for it downloads nothing.

    Of the record you need `.transforms()`, what to do to a photo before the network sees it,
    `.meta["categories"]`, the names of the 1,000 classes in order, and perhaps `.url`.

    Args:
        name: a network of `resnet`, for example "resnet50".
        weights: `"imagenet"` is torchvision's IMAGENET1K_V1. All nine networks have it, and were
            trained for it by much the same recipe, close to that of He et al. 2015, so that they
            can be compared. `"IMAGENET1K_V2"`, which ResNet-18 and -34 lack, is the same network
            trained longer and with more augmentation, and is more accurate. Also taken are the
            other names of torchvision's enumeration and its members themselves.

    Raises:
        TypeError, ValueError: there are no such weights for this network.
    """
    one_of("name", name, PUBLISHED)
    from torchvision.models import get_model_weights

    published = get_model_weights(name)
    if isinstance(weights, published):
        return weights
    if not isinstance(weights, str):
        given = weights if isinstance(weights, bool | Enum) else f"a {type(weights).__name__}"
        raise TypeError(
            f"weights is {given!s}, but {name} takes 'imagenet', a member of "
            f"{published.__name__} or its name, or the path of a file; pass for example "
            "weights='imagenet'."
        )
    member = weights.removeprefix(f"{published.__name__}.")
    if member == "imagenet":
        member = "IMAGENET1K_V1"
    elif member not in published.__members__:
        one_of("weights", weights, ("imagenet", *published.__members__))
    return published[member]


def with_weights(
    net: Network, name: str, weights: str | os.PathLike | Mapping[str, Tensor] | Enum | None
) -> Network:
    """`net` itself, with `weights` in place of those that it was built with.

    Args:
        net: a network of `resnet`.
        name: its name, for example "resnet50".
        weights: None leaves `net` as it is. A state dict, a path object, or a string with a slash
            or the ending .pth or .pt is for `load_weights`. All else is for `imagenet_weights`;
            such weights are downloaded once. They have a head for ImageNet's 1,000 classes: a
            network with another num_classes keeps its own, newly drawn head, and gets the rest.

    Raises:
        TypeError, ValueError: there are no such weights, or they do not fit the network.
        OSError: the weights are not here, and cannot be downloaded; the message says from where
            they come and where to put them.
    """
    if weights is None:
        return net
    if isinstance(weights, os.PathLike | Mapping) or _looks_like_a_path(weights):
        return load_weights(net, weights)
    record = imagenet_weights(name, weights)
    head = net.fc.out_features == len(record.meta["categories"])
    return load_weights(net, _published(record), head)


def _looks_like_a_path(weights: object) -> bool:
    return isinstance(weights, str) and (
        weights.endswith((".pth", ".pt")) or "/" in weights or os.sep in weights
    )


def _published(record: Enum) -> Mapping[str, Tensor]:
    file = Path(torch.hub.get_dir(), "checkpoints", record.url.rpartition("/")[2])
    if file.exists():
        return read_weights(file)
    try:
        if offline():
            raise OSError("RESNET_LESSONS_OFFLINE forbids the network")
        # torch waits for a silent server, or a name that nobody resolves, without any limit.
        answer(record.url, 0, PATIENCE, PATIENCE, "HEAD").close()
        return record.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, RuntimeError, http.client.HTTPException) as error:  # RuntimeError: its hash
        inner = error.reason if type(error) is urllib.error.URLError else error
        reason = (str(inner).splitlines() or [type(inner).__name__])[0]
        raise OSError(
            f"{record!r} should come from {record.url}, but that failed ({reason}); bring the "
            f"file by another way to {file} (TORCH_HOME moves this folder), or go on with "
            "weights=None, which needs no network and draws new weights."
        ) from error
