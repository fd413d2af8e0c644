"""Where in its padded image each augmented image was cut out, read back from the pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Drawn:
    """What was drawn for each image of a batch.

    Attributes:
        top: pixels by which it is shifted down, negative ones up.
        left: pixels by which it is shifted to the right, before it is mirrored.
        mirrored: whether.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor


def decoded(seen: Tensor, images: Tensor, padding: int) -> Drawn | str:
    """Read the draws back from the pixels; a sentence about what was done instead where it fails.

    Args:
        seen, images: N×C×H×W, of the same shape; pixels of an image differ.
    """
    framed = F.pad(images, (padding,) * 4)
    top, left, flip = _placed(seen, framed, ("none", "lr"))
    if (top >= 0).all():
        return Drawn(padding - top, padding - left, flip == 1)
    odd = int((top < 0).nonzero()[0])
    others = {
        "An image is mirrored upside down, too; only left and right may change places.": (
            framed,
            ("none", "lr", "ud", "both"),
        ),
        "What leaves an image on one side comes in on the other; zeros should come in.": (
            torch.cat([images] * 3, 2).repeat(1, 1, 1, 3),
            ("none", "lr"),
        ),
        "The frame repeats the pixels of the border; it should be zero.": (
            _padded(images, padding, "replicate"),
            ("none", "lr"),
        ),
        "The frame mirrors the image; it should be zero.": (
            _padded(images, padding, "reflect"),
            ("none", "lr"),
        ),
        f"An image is shifted by more than the padding of {padding}.": (
            F.pad(images, (2 * padding + 1,) * 4),
            ("none", "lr"),
        ),
    }
    for sentence, (frame, flips) in others.items():
        if (_placed(seen, frame, flips)[0] >= 0).all():
            return sentence
    return _otherwise(seen, images, framed, odd)


def _otherwise(seen: Tensor, images: Tensor, framed: Tensor, odd: int) -> str:
    channels = [
        _placed(seen[:, c : c + 1], framed[:, c : c + 1], ("none", "lr"))[0]
        for c in range(images.shape[1])
    ]
    if all((top >= 0).all() for top in channels):
        return "The channels of an image are shifted apart: its colours no longer fit together."
    for other in range(len(images)):
        one = seen[odd : odd + 1]
        if _placed(one, framed[other : other + 1], ("none", "lr"))[0].item() >= 0:
            return f"Image {odd} of the result is cut out of image {other}: labels would not fit."
    inside = torch.isin(seen[odd], torch.cat([images[odd].flatten(), seen.new_zeros(1)]))
    if not inside.all():
        return (
            f"Image {odd} of the result holds the value {seen[odd][~inside][0].item():.4g}, which "
            "is neither zero nor a pixel of the image."
        )
    return f"Image {odd} of the result is no window of its image framed with zeros."


def _padded(images: Tensor, padding: int, mode: str) -> Tensor:
    return F.pad(images.float(), (padding,) * 4, mode=mode).to(images.dtype)


def _placed(seen: Tensor, framed: Tensor, flips: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """For each image of `seen` the place in `framed` where it stands: top, left, which flip.

    All are -1 where there is none.
    """
    height, width = seen.shape[2:]
    top, left, flip = (torch.full((len(seen),), -1) for _ in range(3))
    axes = {"none": (), "lr": (3,), "ud": (2,), "both": (2, 3)}
    for number, name in enumerate(flips):
        turned = seen.flip(axes[name])
        for i in range(framed.shape[2] - height + 1):
            for j in range(framed.shape[3] - width + 1):
                window = framed[:, :, i : i + height, j : j + width]
                fits = (window == turned).flatten(1).all(1) & (top < 0)
                top[fits], left[fits], flip[fits] = i, j, number
    return top, left, flip
