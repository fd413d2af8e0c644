"""How a network of ours is compared with one that others wrote, on the same weights."""

import os

import torch

# The large networks are compared in fewer combinations, unless this is set to 1.
FULL = os.environ.get("RESNET_LESSONS_FULL_TESTS") == "1"
TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},
}


def shapes(model):
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def check_close(actual, expected):
    """Equal to the last bit, as is usual and quick to tell, or else within the tolerance."""
    assert expected.dtype == torch.int64 or expected.isfinite().all()
    if not torch.equal(actual, expected):
        torch.testing.assert_close(actual, expected, **TOLERANCE.get(expected.dtype, {}))


def check_scores(ours, theirs, shape):
    """The same scores for the same images, in the mode in which the networks are."""
    images = torch.randn(shape, dtype=next(theirs.parameters()).dtype)
    with torch.no_grad():
        check_close(ours(images), theirs(images))


def check_all(ours, theirs, shape):
    """The same scores, gradients of images and parameters, and running statistics afterwards.

    Parameters and statistics are compared by their names.
    """
    images = torch.randn(shape, dtype=next(theirs.parameters()).dtype)
    x, z = (images.clone().requires_grad_() for _ in range(2))

    y, expected = ours(x), theirs(z)
    check_close(y, expected)

    direction = torch.randn_like(expected)
    y.backward(direction)
    expected.backward(direction)
    check_close(x.grad, z.grad)
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    statistics = dict(theirs.named_buffers())
    assert statistics.keys() == dict(ours.named_buffers()).keys()
    assert gradients.keys() == dict(ours.named_parameters()).keys()
    for name, parameter in ours.named_parameters():
        check_close(parameter.grad, gradients[name])
    for name, buffer in ours.named_buffers():
        check_close(buffer, statistics[name])
