"""How much the gradient changes from one input to the next (Balduzzi et al. 2017).

Walk along a line of inputs and look at the gradient with respect to the input. Where neighbours
have like gradients, the walk is brown noise, as a random walk; where they have nothing in common,
it is white noise, and a step along the gradient tells nothing about the place where it leads.

Source: D. Balduzzi et al., "The Shattered Gradients Problem: If resnets are the answer, then what
is the question?", 2017 (arXiv:1702.08591).
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resnet_lessons._arguments import image_batch, whole_number


def gradients_along_line(
    model: nn.Module,
    start: Tensor,
    end: Tensor,
    points: int = 256,
    score: int = 0,
    batch_size: int = 256,
) -> Tensor:
    """The gradient of a score with respect to the input, along a line between two images.

    Args:
        model: measured in evaluation mode, so that no image depends on the others. A fresh network
            needs statistics first: see `settled`.
        start, end: float images C×H×W, scaled as in training.
        points: inputs on the line, both ends among them, evenly spaced.
        score: which of the scores is differentiated.
        batch_size: inputs at a time; it changes the memory needed, not the result.

    Returns:
        Points×C×H×W, on the CPU.

    Raises:
        TypeError, ValueError: a number is out of its range, or the two images are no float tensors
            of one shape.
        IndexError: there is no such score.
    """
    whole_number("points", points, minimum=2)
    whole_number("score", score, minimum=0)
    whole_number("batch_size", batch_size)
    _check_ends(start, end)
    trial = copy.deepcopy(model).eval().requires_grad_(False)
    device = next((tensor.device for tensor in trial.parameters()), start.device)
    along = torch.linspace(0, 1, points).view(-1, 1, 1, 1)
    line = (1 - along) * start.cpu() + along * end.cpu()
    gradients = []
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        for batch in line.split(batch_size):
            inputs = batch.to(device).requires_grad_()
            (gradient,) = torch.autograd.grad(trial(inputs)[:, score].sum(), inputs)
            gradients.append(gradient.cpu())
    return torch.cat(gradients)


def _check_ends(start: Tensor, end: Tensor) -> None:
    for image in (start, end):
        batch = image.unsqueeze(0) if isinstance(image, Tensor) and image.dim() == 3 else image
        channels = batch.shape[1] if isinstance(batch, Tensor) and batch.dim() == 4 else 0
        image_batch(batch, channels, "gradients_along_line")
    if start.shape != end.shape or start.dim() != 3:
        raise ValueError(
            f"start has the shape {tuple(start.shape)} and end {tuple(end.shape)}, but a line "
            "joins two images C×H×W of one shape; pass for example images[0] and images[1]."
        )


def autocorrelation(series: Tensor, lags: Sequence[int]) -> list[float]:
    """How much a series resembles itself some steps later: 1 the same, 0 nothing in common.

    The mean of the series is taken off first. For a series g with T entries of any shape,

        R(k) = Σ ⟨g[t], g[t + k]⟩ / Σ ⟨g[t], g[t]⟩,

    the upper sum going over the T − k pairs that there are, so that it falls towards zero at long
    lags for want of pairs; `white_noise` and `brown_noise` say what to expect.

    Args:
        series: T×…; each entry along the first dimension is taken as one vector.
        lags: steps k, from 0 to T − 1.

    Raises:
        TypeError, ValueError: a lag is no whole number, or too long for the series; or the series
            is constant.
    """
    g = series.flatten(1) if series.dim() > 1 else series.unsqueeze(1)
    for lag in lags:
        if whole_number("lag", lag, minimum=0) >= len(g):
            raise ValueError(
                f"lag is {lag}, but the series has only {len(g)} entries; "
                f"pass at most lag={len(g) - 1}."
            )
    g = g.double()
    # Scaled first: the squares of a gradient that vanished, or exploded, are no numbers any more.
    largest = g.abs().max()
    g = g / largest if largest > 0 else g
    g = g - g.mean(0)
    power = g.square().sum()
    if not power > 0:
        raise ValueError(
            "the series is constant or not finite, but it must vary to resemble itself more or "
            "less; look at the values themselves."
        )
    return [((g[: len(g) - lag] * g[lag:]).sum() / power).item() for lag in lags]


def white_noise(entries: int, lags: Sequence[int]) -> list[float]:
    """`autocorrelation` to be expected of independent entries: −(T − k) / (T(T − 1)), nearly 0.

    It is that of the expected sums, which many independent coordinates come close to.
    """
    return _expected(torch.eye(whole_number("entries", entries, minimum=2)).double(), lags)


def brown_noise(entries: int, lags: Sequence[int]) -> list[float]:
    """`autocorrelation` to be expected of a random walk of `entries` independent steps."""
    steps = torch.arange(1, whole_number("entries", entries, minimum=2) + 1).double()
    return _expected(torch.minimum(steps, steps[:, None]), lags)


def _expected(covariance: Tensor, lags: Sequence[int]) -> list[float]:
    """The same from the T×T covariance of a series, whose mean is still to be taken off."""
    centred = covariance - covariance.mean(0)
    centred = centred - centred.mean(1, keepdim=True)
    total = centred.trace()
    return [(centred.diagonal(lag).sum() / total).item() for lag in lags]
