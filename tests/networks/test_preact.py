"""Pre-activation nets, thin and wide: the block and the nets against the same by hand; sizes."""

import copy
import pickle
import re
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
import torch
from comparing import parameters, shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.preact import PreActBlock, preact_resnet, wide_resnet

few = settings(max_examples=40, deadline=None)
BOTH = pytest.mark.parametrize("make", [lambda: preact_resnet(14, 4), lambda: wide_resnet(16, 1)])
# Millions of parameters as the paper gives them, Tables 4 and 5, to one digit after the point.
WIDE = {(40, 1): 0.6, (40, 2): 2.2, (40, 4): 8.9, (28, 10): 36.5, (22, 8): 17.2, (16, 8): 11.0}


def tensors(model):
    return {
        name: tensor.detach().clone().requires_grad_(name in dict(model.named_parameters()))
        for name, tensor in model.state_dict().items()
    }


def active(w, name, x, training):
    """relu(bn(x)); training updates the statistics in `w`."""
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.relu(F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], training))


def block_by_hand(w, name, x, stride, training, first=False):
    """A block without dropout, from the tensors that start with `name`."""
    out_channels = w[f"{name}conv1.weight"].shape[0]
    a = active(w, f"{name}bn1", x, training)
    y = F.conv2d(a, w[f"{name}conv1.weight"], stride=stride, padding=1)
    y = F.conv2d(active(w, f"{name}bn2", y, training), w[f"{name}conv2.weight"], padding=1)
    if f"{name}downsample.weight" in w:
        return y + F.conv2d(a, w[f"{name}downsample.weight"], stride=stride)
    if stride == 1 and x.shape[1] == out_channels:
        return y + (a if first else x)
    y[:, : x.shape[1]] += a[:, :, ::stride, ::stride]
    return y


def net_by_hand(net, w, x, activate_first):
    x = F.conv2d(x, w["conv1.weight"], padding=1)
    for stage in (1, 2, 3):
        for number in range(len(getattr(net, f"layer{stage}"))):
            stride = 2 if stage > 1 and number == 0 else 1
            first = activate_first and (stage, number) == (1, 0)
            x = block_by_hand(w, f"layer{stage}.{number}.", x, stride, net.training, first)
    x = active(w, "bn", x, net.training).mean((2, 3))
    return x @ w["fc.weight"].T + w["fc.bias"]


def check_against(expected, y, z, x, module, w):
    """Outputs, gradients of the inputs z and x and of the parameters, and running statistics."""
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)
    direction = torch.randn_like(y)
    y.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(x.grad, z.grad, rtol=1e-9, atol=1e-9)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, w[name].grad, rtol=1e-9, atol=1e-9)
    for name, buffer in module.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(buffer, w[name], rtol=1e-10, atol=1e-10)


# The block


@few
@given(
    shortcut=st.sampled_from(["projection", "padding"]),
    in_channels=st.integers(1, 4),
    new_channels=st.integers(0, 3),
    stride=st.integers(1, 3),
    first=st.booleans(),
    height=st.integers(2, 8),
    width=st.integers(2, 8),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_gradients_and_statistics_are_those_computed_by_hand(
    shortcut, in_channels, new_channels, stride, first, height, width, training, seed
):
    torch.manual_seed(seed)
    out_channels = in_channels + new_channels
    block = PreActBlock(in_channels, out_channels, stride, shortcut, activate_shortcut=first)
    block = stir(block, shift=1.0).double().train(training)
    w = tensors(block)
    x = torch.randn(3, in_channels, height, width).double().requires_grad_()
    z = x.detach().clone().requires_grad_()
    y, expected = block(x), block_by_hand(w, "", z, stride, training, first)
    assert y.shape == (3, out_channels, ceil(height / stride), ceil(width / stride))
    check_against(expected, y, z, x, block, w)


def test_nothing_follows_the_addition():
    block = PreActBlock(4, 4)
    block.zero_residual()
    x = torch.randn(2, 4, 5, 7, requires_grad=True)
    y = block(x)
    y.sum().backward()
    assert torch.equal(y, x) and (y < 0).any()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_a_residual_that_starts_at_zero_can_learn():
    block = PreActBlock(4, 4)
    block.zero_residual()
    block(torch.randn(2, 4, 5, 7)).square().sum().backward()
    assert block.conv2.weight.grad.any()


@pytest.mark.parametrize("channels_and_stride", [(4, 6, 1), (4, 4, 2), (4, 6, 2)])
def test_where_the_shape_changes_the_shortcut_is_a_bare_convolution(channels_and_stride):
    block = PreActBlock(*channels_and_stride)
    assert block.activate_shortcut
    assert isinstance(block.downsample, nn.Conv2d) and block.downsample.bias is None
    assert block.downsample.kernel_size == (1, 1)


def test_the_block_prints_where_its_shortcut_starts():
    assert "activate_shortcut=False" in repr(PreActBlock(4, 4))
    assert "activate_shortcut=True" in repr(PreActBlock(4, 4, activate_shortcut=True))


def test_dropout_zeroes_what_the_second_convolution_sees_in_training_alone():
    torch.manual_seed(0)
    block = PreActBlock(8, 8, dropout=0.25)
    seen = []
    block.conv2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    block.relu.register_forward_hook(lambda _, __, y: seen.append(y.clone()))
    x = torch.randn(4, 8, 32, 32)
    block(x)
    _, before, after = seen
    kept = after != 0
    torch.testing.assert_close(after[kept], before[kept] / 0.75)
    assert abs(kept.sum() / (before != 0).sum() - 0.75) < 0.02
    seen.clear()
    block.eval()(x)
    assert torch.equal(seen[2], seen[1])


def test_the_input_stays_as_it_was():
    for block in (PreActBlock(4, 4), PreActBlock(4, 6, 2), PreActBlock(4, 6, 2, "padding")):
        x = torch.randn(2, 4, 5, 7)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


# The nets


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shortcut", ["padding", "projection"])
def test_a_preact_resnet_computes_what_the_paper_says(shortcut, training):
    torch.manual_seed(0)
    net = stir(preact_resnet(14, 4, 2, 3, shortcut)).double().train(training)
    check_net(net, 2, activate_first=True)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("widen_factor", [1, 2])
def test_a_wide_resnet_computes_what_the_paper_says(widen_factor, training):
    torch.manual_seed(0)
    net = stir(wide_resnet(16, widen_factor, 2, 3)).double().train(training)
    check_net(net, 2, activate_first=False)


def check_net(net, in_channels, activate_first):
    w = tensors(net)
    x = torch.randn(3, in_channels, 11, 14).double().requires_grad_()
    z = x.detach().clone().requires_grad_()
    check_against(net_by_hand(net, w, z, activate_first), net(x), z, x, net, w)


@pytest.mark.parametrize(("depth", "widen_factor"), WIDE)
def test_wide_resnets_have_the_papers_numbers_of_parameters(depth, widen_factor):
    with torch.device("meta"):
        count = parameters(wide_resnet(depth, widen_factor))
    assert round(count / 1e6, 1) == WIDE[depth, widen_factor]
    channels, blocks = [16, 16 * widen_factor, 32 * widen_factor, 64 * widen_factor], depth // 6
    expected = 3 * 9 * 16 + 2 * channels[3] + channels[3] * 10 + 10
    for before, after in pairwise(channels):
        same = after == before
        expected += 2 * before + 9 * before * after + 2 * after + 9 * after * after
        expected += 0 if same else before * after
        expected += (blocks - 1) * (2 * 2 * after + 2 * 9 * after * after)
    assert count == expected


@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("depth", [8, 20, 56, 110])
def test_a_preact_resnet_has_as_many_parameters_as_its_twin(depth, width):
    with torch.device("meta"):
        assert parameters(preact_resnet(depth, width)) == parameters(
            cifar_resnet(depth, True, width)
        )


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_depth_counts_the_layers_with_weights(blocks):
    def layers(net, kind):
        return sum(isinstance(module, kind) for module in net.modules())

    assert layers(preact_resnet(6 * blocks + 2), nn.Conv2d | nn.Linear) == 6 * blocks + 2
    # Of a wide network the paper counts the 1×1 convolutions of the three stages as well, and not
    # the linear layer.
    assert layers(wide_resnet(6 * blocks + 4, 2), nn.Conv2d) == 6 * blocks + 4
    for net in (preact_resnet(6 * blocks + 2), wide_resnet(6 * blocks + 4, 2)):
        assert [len(stage) for stage in (net.layer1, net.layer2, net.layer3)] == [blocks] * 3


@pytest.mark.parametrize(
    ("net", "stem", "channels"),
    [(preact_resnet(8, 5), 5, [5, 10, 20]), (wide_resnet(10, 3), 16, [48, 96, 192])],
    ids=["preact", "wide"],
)
def test_the_stages_halve_the_size_and_double_the_channels(net, stem, channels):
    seen = []
    for joint in (net.conv1, net.layer1, net.layer2, net.layer3):
        joint.register_forward_hook(lambda _, __, y: seen.append(tuple(y.shape[1:])))
    net.eval()(torch.randn(1, 3, 32, 32))
    sides = [32, 32, 16, 8]
    assert seen == [(c, s, s) for c, s in zip([stem, *channels], sides, strict=True)]


@BOTH
def test_the_last_map_is_normalised_and_activated(make):
    net = make().train()
    seen = []
    net.avgpool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.randn(4, 3, 32, 32) * 9)
    assert seen[0].min() == 0
    assert 0.2 < seen[0].square().mean() < 0.8  # half of a unit variance


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("make", [preact_resnet, wide_resnet])
def test_with_zero_init_residual_every_block_starts_as_its_shortcut(make, zero):
    net = make(14 if make is preact_resnet else 16, 2, zero_init_residual=zero)
    blocks = [block for stage in (net.layer1, net.layer2, net.layer3) for block in stage]
    seen = []
    for block in blocks:
        block.register_forward_hook(lambda b, x, y: seen.append((b, x[0], y)))
    net(torch.randn(3, 3, 9, 10))
    assert len(seen) == 6
    for block, x, y in seen:
        start = block.relu(block.bn1(x)) if block.activate_shortcut else x
        assert torch.equal(y, block.downsample(start)) == zero


def test_the_same_dropout_is_in_every_block():
    net = wide_resnet(16, 1, dropout=0.3)
    blocks = [m for m in net.modules() if isinstance(m, PreActBlock)]
    assert len(blocks) == 6 and all(block.dropout.p == 0.3 for block in blocks)
    assert shapes(net) == shapes(wide_resnet(16, 1))


@BOTH
def test_copies_and_pickles_compute_the_same(make):
    net = stir(make()).eval()
    x = torch.randn(1, 3, 16, 16)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))


# Depth


@pytest.mark.parametrize(("make", "rest"), [(preact_resnet, 2), (wide_resnet, 4)])
def test_a_depth_between_two_networks_names_both(make, rest):
    @few
    @given(st.integers(6 + rest, 10**6).filter(lambda depth: depth % 6 != rest))
    def refused(depth):
        with pytest.raises(ValueError) as caught:
            make(depth, 1)
        said, below, above = map(int, re.findall(r"(?<![n+])\d+(?!n)", str(caught.value)))
        assert said == depth and below < depth < above == below + 6
        assert below % 6 == above % 6 == rest

    refused()


@pytest.mark.parametrize(("make", "smallest"), [(preact_resnet, 8), (wide_resnet, 10)])
def test_the_smallest_depth_is_named_and_is_right(make, smallest):
    with pytest.raises(ValueError, match=rf"^depth is {smallest - 1}, .*depth={smallest}\.$"):
        make(smallest - 1, 1)
    assert make(np.int64(smallest), 1)(torch.randn(2, 3, 8, 8)).shape == (2, 10)
