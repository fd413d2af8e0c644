"""The blocks, against the same computation written out by hand on the same weights."""

import copy
import pickle
from math import ceil, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.networks.blocks import (
    BasicBlock,
    PaddingShortcut,
    PlainBlock,
    conv3x3,
    he_init,
    make_shortcut,
)

KINDS = ("plain", "projection", "padding", "projection everywhere")
few = settings(max_examples=40, deadline=None)
sizes = st.integers(1, 9)


def make(kind, in_channels, out_channels, stride=1):
    if kind == "plain":
        return PlainBlock(in_channels, out_channels, stride)
    return BasicBlock(in_channels, out_channels, stride, shortcut=kind)


def silence(block):
    """Zero the last scale and shift of the residual branch, so that F(x) = 0."""
    nn.init.zeros_(block.bn2.weight)
    nn.init.zeros_(block.bn2.bias)
    return block


def by_hand(kind, w, x, out_channels, stride, training):
    """The block's output from its tensors `w`, by name; training updates the statistics in `w`."""

    def bn(y, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        scale, shift = w[f"{name}.weight"], w[f"{name}.bias"]
        return F.batch_norm(y, mean, var, scale, shift, training, momentum=0.1, eps=1e-5)

    y = F.relu(bn(F.conv2d(x, w["conv1.weight"], stride=stride, padding=1), "bn1"))
    y = bn(F.conv2d(y, w["conv2.weight"], padding=1), "bn2")
    if kind == "plain":
        return F.relu(y)
    if stride == 1 and x.shape[1] == out_channels and kind != "projection everywhere":
        return F.relu(y + x)
    if kind.startswith("projection"):
        shortcut = F.conv2d(x, w["downsample.0.weight"], stride=stride)
        return F.relu(y + bn(shortcut, "downsample.1"))
    shortcut = torch.zeros_like(y)
    for row in range(y.shape[2]):
        for column in range(y.shape[3]):
            shortcut[:, : x.shape[1], row, column] = x[:, :, row * stride, column * stride]
    return F.relu(y + shortcut)


# What a block computes


@few
@given(
    kind=st.sampled_from(KINDS),
    in_channels=st.integers(1, 4),
    new_channels=st.integers(0, 3),
    stride=st.integers(1, 3),
    height=st.integers(2, 8),
    width=st.integers(2, 8),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_gradients_and_statistics_are_those_computed_by_hand(
    kind, in_channels, new_channels, stride, height, width, training, seed
):
    torch.manual_seed(seed)
    out_channels = in_channels + new_channels
    block = stir(make(kind, in_channels, out_channels, stride), shift=1.0).double().train(training)
    weights = {
        name: tensor.detach().clone().requires_grad_(name in dict(block.named_parameters()))
        for name, tensor in block.state_dict().items()
    }
    x = torch.randn(3, in_channels, height, width).double().requires_grad_()
    z = x.detach().clone().requires_grad_()

    y = block(x)
    expected = by_hand(kind, weights, z, out_channels, stride, training)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)

    direction = torch.randn_like(y)
    y.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(x.grad, z.grad, rtol=1e-9, atol=1e-9)
    for name, parameter in block.named_parameters():
        torch.testing.assert_close(parameter.grad, weights[name].grad, rtol=1e-9, atol=1e-9)
    for name, buffer in block.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(buffer, weights[name], rtol=1e-10, atol=1e-10)


@few
@given(
    kind=st.sampled_from(KINDS),
    in_channels=st.integers(1, 8),
    new_channels=st.integers(0, 8),
    stride=st.integers(1, 4),
    images=st.integers(1, 3),
    height=sizes,
    width=sizes,
)
def test_the_output_has_the_shape_that_the_docstring_gives(
    kind, in_channels, new_channels, stride, images, height, width
):
    out_channels = in_channels + new_channels
    block = make(kind, in_channels, out_channels, stride).eval()
    y = block(torch.randn(images, in_channels, height, width))
    assert y.shape == (images, out_channels, ceil(height / stride), ceil(width / stride))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_projection_can_reduce_channels(stride):
    assert BasicBlock(8, 3, stride)(torch.randn(2, 8, 5, 7)).shape[1] == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels_and_stride", [(4, 4, 1), (4, 6, 2)])
def test_the_input_stays_as_it_was(kind, channels_and_stride):
    x = torch.randn(2, 4, 5, 7)
    before = x.clone()
    make(kind, *channels_and_stride)(x)
    assert torch.equal(x, before)


# The shortcut


@pytest.mark.parametrize("kind", ["projection", "padding"])
def test_where_no_shape_changes_the_shortcut_is_the_identity(kind):
    block = BasicBlock(4, 4, shortcut=kind)
    assert isinstance(block.downsample, nn.Identity)
    assert [*block.state_dict()] == [*PlainBlock(4, 4).state_dict()]


@pytest.mark.parametrize("kind", ["projection", "padding"])
@pytest.mark.parametrize("training", [True, False])
def test_a_block_whose_branch_is_zero_is_the_identity_on_what_a_block_gives_out(kind, training):
    block = silence(BasicBlock(4, 4, shortcut=kind)).train(training)
    x = torch.rand(2, 4, 5, 7)
    assert torch.equal(block(x), x)


def test_a_plain_block_whose_branch_is_zero_loses_its_input():
    x = torch.rand(2, 4, 5, 7, requires_grad=True)
    y = silence(PlainBlock(4, 4))(x)
    y.sum().backward()
    assert not y.any() and not x.grad.any()


def test_the_gradient_passes_the_identity_shortcut_undiminished():
    x = torch.rand(2, 4, 5, 7).add(0.1).requires_grad_()
    direction = torch.randn(2, 4, 5, 7)
    silence(BasicBlock(4, 4))(x).backward(direction)
    assert torch.equal(x.grad, direction)


def test_the_gradient_passes_the_padding_shortcut_at_the_pixels_that_it_copies():
    x = torch.rand(2, 4, 5, 7).add(0.1).requires_grad_()
    silence(BasicBlock(4, 6, 2, shortcut="padding"))(x).sum().backward()
    expected = torch.zeros_like(x)
    expected[:, :, ::2, ::2] = 1
    assert torch.equal(x.grad, expected)


def test_the_gradient_passes_the_projection_shortcut():
    x = torch.rand(2, 4, 5, 7, requires_grad=True)
    block = silence(BasicBlock(4, 6, 2))
    block(x).sum().backward()
    assert x.grad.any() and block.downsample[0].weight.grad.any()


def test_the_padding_shortcut_picks_pixels_and_appends_zero_channels():
    x = torch.arange(1.0, 31).reshape(1, 2, 3, 5)
    zeros = [[0.0, 0, 0], [0, 0, 0]]
    first, second = [[1.0, 3, 5], [11, 13, 15]], [[16.0, 18, 20], [26, 28, 30]]
    assert PaddingShortcut(2, 4, 2)(x).tolist() == [[first, second, zeros, zeros]]


def test_the_padding_shortcut_prints_what_it_does():
    assert repr(PaddingShortcut(16, 32, 2)) == "PaddingShortcut(new_channels=16, stride=2)"


def test_the_projection_shortcut_is_a_convolution_without_bias_and_a_normalisation():
    convolution, normalisation = make_shortcut(3, 5, 2)
    assert (convolution.kernel_size, convolution.stride) == ((1, 1), (2, 2))
    assert convolution.padding == (0, 0) and convolution.bias is None
    assert isinstance(normalisation, nn.BatchNorm2d)


# Parameters


@pytest.mark.parametrize("channels_and_stride", [(4, 4, 1), (4, 4, 2), (4, 8, 1), (4, 8, 2)])
def test_padding_adds_no_parameters_to_those_of_the_plain_block(channels_and_stride):
    plain = PlainBlock(*channels_and_stride)
    residual = BasicBlock(*channels_and_stride, shortcut="padding")
    shapes = [
        [(name, tensor.shape) for name, tensor in block.state_dict().items()]
        for block in (plain, residual)
    ]
    assert shapes[0] == shapes[1]


@given(in_channels=st.integers(1, 8), out_channels=st.integers(1, 8), stride=st.integers(1, 3))
@few
def test_the_number_of_parameters(in_channels, out_channels, stride):
    branch = 9 * in_channels * out_channels + 9 * out_channels**2 + 4 * out_channels
    same_shape = stride == 1 and in_channels == out_channels
    shortcut = 0 if same_shape else in_channels * out_channels + 2 * out_channels
    for block, expected in [
        (PlainBlock(in_channels, out_channels, stride), branch),
        (BasicBlock(in_channels, out_channels, stride), branch + shortcut),
    ]:
        assert sum(parameter.numel() for parameter in block.parameters()) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_pickles_compute_the_same_and_share_nothing(kind):
    block = stir(make(kind, 4, 6, 2), shift=1.0).eval()
    x = torch.randn(2, 4, 5, 7)
    y = block(x)
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert torch.equal(twin(x), y)
        nn.init.zeros_(twin.bn2.weight)
    assert torch.equal(block(x), y)


def test_conv3x3_keeps_the_size_or_halves_it_rounding_up():
    x = torch.randn(1, 2, 5, 8)
    assert conv3x3(2, 3)(x).shape == (1, 3, 5, 8)
    assert conv3x3(2, 3, stride=2)(x).shape == (1, 3, 3, 4)
    assert conv3x3(2, 3).bias is None


# Initial weights


def test_he_init_draws_a_normal_distribution_whose_variance_counts_the_outputs():
    torch.manual_seed(0)
    convolution = nn.Conv2d(16, 128, 3)
    he_init(convolution)
    expected = sqrt(2 / (128 * 3 * 3))
    weights = convolution.weight.detach() / expected
    assert abs(weights.mean()) < 0.04  # about five standard errors of 18,432 draws
    assert abs(weights.std() - 1) < 0.03
    assert abs((weights.abs() < 1).float().mean() - 0.6827) < 0.02


def test_he_init_reaches_every_convolution_and_normalisation_and_nothing_else():
    torch.manual_seed(0)
    model = stir(nn.Sequential(BasicBlock(3, 8, 2), nn.Linear(8, 2)), shift=1.0)
    before = copy.deepcopy(model.state_dict())
    he_init(model)
    for name, tensor in model.named_parameters():
        if name.startswith("1."):
            assert torch.equal(tensor, before[name])
        elif tensor.dim() == 4:
            assert not torch.equal(tensor, before[name])
        else:
            assert (tensor == (1 if name.endswith("weight") else 0)).all()
