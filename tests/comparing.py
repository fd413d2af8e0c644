"""How a network of ours is compared with one that others wrote, on the same weights."""

import os

import torch
from torch import nn

# The large networks are compared in fewer combinations, unless this is set to 1.
FULL = os.environ.get("RESNET_LESSONS_FULL_TESTS") == "1"


def shapes(model):
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def layers(model):
    """An upper bound of how many convolutions and products stand in a row."""
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules())


def tolerance(dtype, depth):
    """How far apart two orders of the same sums may lead, as a share of the largest value.

    A sum is rounded by some eps, whatever the processor, and at worst the errors of all layers add.
    """
    return 10 * torch.finfo(dtype).eps * depth


def check_close(actual, expected, depth=1, scale=0.0):
    """Equal to the last bit, as is usual and quick to tell, or else within the tolerance.

    `scale` is of the values that were summed, where the sum itself may come to nothing.
    """
    assert expected.isfinite().all()
    if not torch.equal(actual, expected):
        largest = max(scale, expected.abs().max().item())
        bound = tolerance(expected.dtype, depth) * largest
        torch.testing.assert_close(actual, expected, rtol=0, atol=bound)


def check_scores(ours, theirs, shape):
    """The same scores for the same images, in the mode in which the networks are."""
    images = torch.randn(shape, dtype=next(theirs.parameters()).dtype)
    with torch.no_grad():
        check_close(ours(images), theirs(images), layers(theirs))


def check_all(ours, theirs, shape):
    """The same scores, gradients of images and parameters, and running statistics afterwards.

    Parameters and statistics are compared by their names.
    """
    images = torch.randn(shape, dtype=next(theirs.parameters()).dtype)
    x, z = (images.clone().requires_grad_() for _ in range(2))
    depth = layers(theirs)

    y, expected = ours(x), theirs(z)
    check_close(y, expected, depth)

    direction = torch.randn_like(expected)
    y.backward(direction)
    expected.backward(direction)
    depth *= 2  # there and back
    check_close(x.grad, z.grad, depth)
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    statistics = dict(theirs.named_buffers())
    assert statistics.keys() == dict(ours.named_buffers()).keys()
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    # The gradient of a bias before a normalisation is zero, but for what its sum is rounded by.
    scale = 1e-2 * max(gradient.abs().max().item() for gradient in gradients.values())
    for name, parameter in ours.named_parameters():
        check_close(parameter.grad, gradients[name], depth, scale)
    for name, buffer in ours.named_buffers():
        if buffer.is_floating_point():
            check_close(buffer, statistics[name], depth)
        else:
            assert torch.equal(buffer, statistics[name])
