"""The 6n+2 networks: the paper's sizes, and the plain and residual twins that differ by a sum."""

import copy
import pickle
import re
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from resnet_lessons.networks.cifar import cifar_resnet

PARAMETERS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}
MILLIONS = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}  # He et al. 2015, Table 6


def shapes(model):
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


def silence(net):
    """Zero the last scale and shift of every residual branch, so that each F(x) = 0."""
    for name, parameter in net.named_parameters():
        if ".bn2." in name:
            nn.init.zeros_(parameter)
    return net


# Size


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("depth", PARAMETERS)
def test_the_number_of_parameters_is_the_papers(depth, residual):
    net = cifar_resnet(depth, residual)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count == PARAMETERS[depth]
    assert round(count / 1e6, 1 if depth == 110 else 2) == MILLIONS[depth]


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("depth", [8, 14, 20, 56])
def test_depth_counts_the_layers_with_weights_and_each_of_them_runs_once(depth, residual):
    net = cifar_resnet(depth, residual, width=1).eval()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    ran = []
    for layer in layers:
        layer.register_forward_hook(lambda layer, *_: ran.append(layer))
    net(torch.randn(1, 3, 8, 8))
    assert len(layers) == depth
    assert ran == layers  # and in the order in which they are listed


@pytest.mark.parametrize("residual", [True, False])
def test_the_stages_halve_the_size_and_double_the_channels(residual):
    net = cifar_resnet(20, residual).eval()
    x = net.relu(net.bn1(net.conv1(torch.randn(1, 3, 32, 32))))
    seen = [x.shape]
    for stage in (net.layer1, net.layer2, net.layer3):
        x = stage(x)
        seen.append(x.shape)
    assert seen == [(1, 16, 32, 32), (1, 16, 32, 32), (1, 32, 16, 16), (1, 64, 8, 8)]


@pytest.mark.parametrize("residual", [True, False])
def test_width_channels_classes_and_odd_sizes(residual):
    net = cifar_resnet(8, residual, width=5, in_channels=1, num_classes=7)
    assert net(torch.randn(2, 1, 13, 9)).shape == (2, 7)
    widths = [getattr(net, f"layer{stage}")[-1].out_channels for stage in (1, 2, 3)]
    assert widths == [5, 10, 20]
    assert (net.depth, net.kind) == (8, "residual" if residual else "plain")


@pytest.mark.parametrize("residual", [True, False])
def test_scores_are_those_of_stem_stages_mean_and_classifier_in_turn(residual):
    net = cifar_resnet(14, residual, width=4).double().eval()
    x = torch.randn(2, 3, 18, 21).double()
    y = F.relu(net.bn1(F.conv2d(x, net.conv1.weight, padding=1)))
    for stage in (net.layer1, net.layer2, net.layer3):
        y = stage(y)
    expected = y.mean((2, 3)) @ net.fc.weight.T + net.fc.bias
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


def test_the_initial_weights_are_those_of_he_et_al():
    torch.manual_seed(0)
    for name, parameter in cifar_resnet(20).named_parameters():
        if parameter.dim() == 4 and parameter.numel() > 9000:
            expected = sqrt(2 / (parameter.shape[0] * 9))
            assert abs(parameter.std() / expected - 1) < 0.04, name


@pytest.mark.parametrize(
    ("shortcut", "projections"),
    [("padding", 0), ("projection", 2), ("projection everywhere", 9)],
)
def test_the_three_options_of_shortcuts(shortcut, projections):
    """He et al. 2015, §4.1: A has no parameters; B projects where the shape changes; C always."""
    net = cifar_resnet(20, width=4, shortcut=shortcut)
    blocks = [*net.layer1, *net.layer2, *net.layer3]
    found = [block for block in blocks if isinstance(block.downsample, nn.Sequential)]
    assert len(found) == projections
    more = sum(p.numel() for p in net.parameters())
    more -= sum(p.numel() for p in cifar_resnet(20, width=4).parameters())
    channels = [(block.in_channels, block.out_channels) for block in found]
    assert more == sum(i * o + 2 * o for i, o in channels)


# The twins


@pytest.mark.parametrize("depth", [8, 20, 110])
def test_plain_and_residual_draw_the_same_weights_under_the_same_names(depth):
    torch.manual_seed(5)
    plain = cifar_resnet(depth, residual=False)
    torch.manual_seed(5)
    residual = cifar_resnet(depth, residual=True)
    assert shapes(plain) == shapes(residual)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, residual.state_dict()[name]), name
    assert not torch.equal(cifar_resnet(depth).conv1.weight, residual.conv1.weight)


def test_the_same_weights_give_other_scores():
    plain, residual = cifar_resnet(8, residual=False).eval(), cifar_resnet(8).eval()
    residual.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(2, 3, 16, 16)
    assert not torch.allclose(plain(x), residual(x), rtol=0.1)


@pytest.mark.parametrize("training", [True, False])
def test_with_silent_branches_only_stem_pool_and_classifier_are_left(training):
    net = silence(cifar_resnet(20)).double().train(training)
    x = torch.randn(3, 3, 18, 21).double()
    stem = F.relu(net.bn1(net.conv1(x)))
    kept = stem[:, :, ::4, ::4].mean((2, 3))  # two stages take every second pixel
    expected = kept @ net.fc.weight[:, :16].T + net.fc.bias  # the channels added by them are 0
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)


def test_with_silent_branches_a_plain_net_sees_nothing():
    net = silence(cifar_resnet(20, residual=False)).eval()
    assert torch.equal(net(torch.randn(2, 3, 16, 16)), net.fc.bias.expand(2, 10))


@pytest.mark.parametrize("residual", [True, False])
def test_copies_and_pickles_compute_the_same(residual):
    net = cifar_resnet(14, residual, width=2).eval()
    x = torch.randn(1, 3, 8, 8)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))


# Depth


@given(st.integers(8, 10**6).filter(lambda depth: depth % 6 != 2))
def test_a_depth_between_two_networks_names_both(depth):
    with pytest.raises(ValueError) as caught:
        cifar_resnet(depth)
    said, below, above = map(int, re.findall(r"(?<![n+])\d+(?!n)", str(caught.value)))
    assert said == depth and below < depth < above == below + 6
    assert below % 6 == above % 6 == 2


@given(st.integers(-(10**6), 7))
def test_a_depth_below_the_smallest_network_names_it(depth):
    with pytest.raises(ValueError, match=rf"^depth is {depth}, .*depth=8\.$"):
        cifar_resnet(depth)


def test_a_depth_from_numpy_becomes_an_int():
    assert type(cifar_resnet(np.int64(8), width=1).depth) is int
