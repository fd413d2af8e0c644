"""Res2Net, against timm's: the block with other settings, and the whole network."""

import copy
import pickle
from math import ceil

import pytest
import timm
import torch
from comparing import FULL, check_all, parameters, shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from stirring import stir
from timm.models.res2net import Bottle2neck
from torch import nn

from resnet_lessons.networks.res2net import Res2NetBlock, res2net50_26w_4s

few = settings(max_examples=40, deadline=None)


def theirs(in_channels, channels, stride, base_width, scale):
    downsample = None
    if stride != 1 or in_channels != 4 * channels:
        convolution = nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False)
        downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * channels))
    return Bottle2neck(
        in_channels,
        channels,
        stride,
        downsample,
        base_width=base_width,
        scale=scale,
        norm_layer=nn.BatchNorm2d,
    )


# The block


@few
@given(
    in_channels=st.integers(1, 6),
    channels=st.integers(1, 4),
    stride=st.integers(1, 3),
    base_width=st.integers(64, 160),
    scale=st.integers(2, 6),
    same_shape=st.booleans(),
    height=st.integers(2, 8),
    width=st.integers(2, 8),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_gradients_and_statistics_are_timms(
    in_channels, channels, stride, base_width, scale, same_shape, height, width, training, seed
):
    torch.manual_seed(seed)
    if same_shape:
        in_channels, stride = 4 * channels, 1
    given = in_channels, channels, stride, base_width, scale
    ours, other = Res2NetBlock(*given), stir(theirs(*given), shift=1.0)
    assert shapes(ours) == shapes(other)
    ours.load_state_dict(other.state_dict(), strict=True)
    y = ours.eval()(torch.randn(2, in_channels, height, width))
    assert y.shape == (2, 4 * channels, ceil(height / stride), ceil(width / stride))
    nets = (net.double().train(training) for net in (ours, other))
    check_all(*nets, (3, in_channels, height, width))


def test_each_part_sees_further_than_the_one_before():
    block = Res2NetBlock(16, 4, base_width=64).eval()
    x = torch.randn(1, 16, 11, 11, requires_grad=True)
    seen = []
    block.conv3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    block(x)
    for part, side in zip(seen[0].split(4, dim=1), [3, 5, 7, 1], strict=True):
        (gradient,) = torch.autograd.grad(part[0, :, 5, 5].sum(), x, retain_graph=True)
        touched = gradient[0].any(0)
        assert touched.any(1).sum() <= side and touched.any(0).sum() <= side
        assert touched.sum() > (side - 1) ** 2 - side  # a ReLU may leave out some


def test_a_block_whose_residual_is_zero_is_the_identity_on_what_a_block_gives_out():
    block = Res2NetBlock(16, 4)
    block.zero_residual()
    x = torch.rand(2, 16, 5, 7)
    y = block(x)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert block.bn3.weight.grad.any()  # it can learn


def test_the_input_stays_as_it_was():
    for block in (Res2NetBlock(8, 2, base_width=64), Res2NetBlock(8, 3, 2)):
        x = torch.randn(2, 8, 5, 7)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


# The network


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return res2net50_26w_4s(), timm.create_model("res2net50_26w_4s")


def test_names_order_shapes_and_parameters(networks):
    ours, other = networks
    assert shapes(ours) == shapes(other)
    assert parameters(ours) == 25_699_120
    assert "25,699,120" in res2net50_26w_4s.__doc__


@pytest.mark.parametrize("size", [(224, 224), (193, 257)], ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_whole_network_is_timms(networks, training, size):
    torch.manual_seed(0)
    ours, other = (copy.deepcopy(net).train(training) for net in networks)
    ours.load_state_dict(stir(other).state_dict(), strict=True)
    check_all(ours, other, (1, 3, *size))
    if FULL:
        check_all(ours.double(), other.double(), (2, 3, *size))


def test_the_same_seed_draws_the_weights_that_timm_draws():
    """timm's first zeroes the last scale of every block, unless it is told not to."""
    for zero in (False, True):
        torch.manual_seed(0)
        ours = res2net50_26w_4s(zero_init_residual=zero)
        torch.manual_seed(0)
        other = timm.create_model("res2net50_26w_4s", zero_init_last=zero)
        pairs = zip(ours.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(tensor, expected) for tensor, expected in pairs)


def test_classes_channels_and_stem_are_as_in_the_other_resnets():
    net = res2net50_26w_4s(7, 1, "cifar")
    assert net.eval()(torch.randn(1, 1, 17, 19)).shape == (1, 7)
    assert net.conv1.weight.shape == (64, 1, 3, 3)


def test_copies_and_pickles_compute_the_same(networks):
    net, x = networks[0].eval(), torch.randn(1, 3, 33, 33)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))
