"""The bottleneck, against torchvision's with any settings, and against the same by hand."""

import copy
import pickle
from math import ceil

import pytest
import torch
from comparing import check_all, parameters, shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from stirring import stir
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck as TorchvisionBottleneck

from resnet_lessons.networks.blocks import BasicBlock, Bottleneck, group_width, make_stage

few = settings(max_examples=40, deadline=None)
SETTINGS = {
    "in_channels": st.integers(1, 6),
    "channels": st.integers(1, 6),
    "stride": st.integers(1, 3),
    "groups": st.integers(1, 3),
    "base_width": st.integers(64, 160),
}


def theirs(in_channels, channels, stride, groups, base_width):
    downsample = None
    if stride != 1 or in_channels != 4 * channels:
        convolution = nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False)
        downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * channels))
    return TorchvisionBottleneck(in_channels, channels, stride, downsample, groups, base_width)


@few
@given(
    **SETTINGS,
    same_shape=st.booleans(),
    height=st.integers(2, 8),
    width=st.integers(2, 8),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_outputs_gradients_and_statistics_are_torchvisions(
    in_channels, channels, stride, groups, base_width, same_shape, height, width, training, seed
):
    torch.manual_seed(seed)
    if same_shape:
        in_channels, stride = 4 * channels, 1
    given = in_channels, channels, stride, groups, base_width
    ours, other = Bottleneck(*given), stir(theirs(*given), shift=1.0)
    assert shapes(ours) == shapes(other)
    ours.load_state_dict(other.state_dict(), strict=True)
    nets = (net.double().train(training) for net in (ours, other))
    check_all(*nets, (3, in_channels, height, width))


@few
@given(**SETTINGS, height=st.integers(1, 9), width=st.integers(1, 9))
def test_the_output_has_the_shape_that_the_docstring_gives_wherever_the_stride_is(
    in_channels, channels, stride, groups, base_width, height, width
):
    x = torch.randn(2, in_channels, height, width)
    for place in ("3x3", "1x1"):
        block = Bottleneck(in_channels, channels, stride, groups, base_width, place).eval()
        assert block(x).shape == (2, 4 * channels, ceil(height / stride), ceil(width / stride))
        assert block.out_channels == 4 * channels


@pytest.mark.parametrize("training", [True, False])
def test_with_the_stride_in_the_first_1x1_it_computes_what_he_et_al_draw(training):
    torch.manual_seed(0)
    block = stir(Bottleneck(5, 3, 2, stride_in="1x1"), shift=1.0).double().train(training)
    w = {name: tensor.detach().clone() for name, tensor in block.state_dict().items()}

    def bn(y, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return F.batch_norm(y, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], training)

    x = torch.randn(2, 5, 7, 9).double()
    y = F.relu(bn(F.conv2d(x[:, :, ::2, ::2], w["conv1.weight"]), "bn1"))
    y = F.relu(bn(F.conv2d(y, w["conv2.weight"], padding=1), "bn2"))
    y = bn(F.conv2d(y, w["conv3.weight"]), "bn3")
    y = F.relu(y + bn(F.conv2d(x[:, :, ::2, ::2], w["downsample.0.weight"]), "downsample.1"))
    torch.testing.assert_close(block(x), y, rtol=1e-10, atol=1e-10)


def test_with_the_stride_in_the_first_1x1_three_of_four_pixels_are_never_seen():
    x = torch.randn(1, 4, 6, 6)
    other = x + 1.0
    other[:, :, ::2, ::2] = x[:, :, ::2, ::2]
    early, late = (Bottleneck(4, 2, 2, stride_in=place).eval() for place in ("1x1", "3x3"))
    assert torch.equal(early(x), early(other))
    assert not torch.allclose(late(x), late(other))


@few
@given(**SETTINGS)
def test_the_number_of_parameters(in_channels, channels, stride, groups, base_width):
    width = groups * (channels * base_width // 64)
    out = 4 * channels
    expected = in_channels * width + 9 * width * width // groups + width * out
    expected += 2 * (width + width + out)
    if stride != 1 or in_channels != out:
        expected += in_channels * out + 2 * out
    assert parameters(Bottleneck(in_channels, channels, stride, groups, base_width)) == expected


@pytest.mark.parametrize(
    ("channels", "base_width", "width"),
    [(64, 64, 64), (512, 4, 32), (64, 26, 26), (128, 26, 52), (10, 26, 4), (1, 64, 1), (64, 1, 1)],
)
def test_the_width_of_a_group_grows_in_proportion_and_is_rounded_down(channels, base_width, width):
    assert group_width(channels, base_width) == width
    assert Bottleneck(8, channels, 1, 3, base_width).conv2.weight.shape == (3 * width, width, 3, 3)


@few
@given(channels=st.integers(1, 99), base_width=st.integers(1, 99))
def test_the_smallest_base_width_that_leaves_a_channel_is_the_one_that_is_named(
    channels, base_width
):
    if channels * base_width >= 64:
        assert group_width(channels, base_width) == int(channels * (base_width / 64.0))
        return
    with pytest.raises(ValueError, match=rf"^base_width is {base_width}, but ") as caught:
        group_width(channels, base_width)
    cure = int(str(caught.value).rpartition("=")[2].rstrip("."))
    assert group_width(channels, cure) == 1
    with pytest.raises(ValueError):
        group_width(channels, cure - 1)


def test_whole_numbers_of_groups_are_separate():
    block = Bottleneck(8, 8, groups=4, base_width=32).eval()
    assert block.conv2.groups == 4
    x = torch.randn(1, 16, 5, 5)
    other = x.clone()
    other[:, :4] += 1  # the channels of the first group
    changed = (block.conv2(x) != block.conv2(other)).any(0).any(-1).any(-1)
    assert changed.tolist() == [True] * 4 + [False] * 12


# The shortcut


@pytest.mark.parametrize("training", [True, False])
def test_a_block_whose_residual_is_zero_is_the_identity_on_what_a_block_gives_out(training):
    block = Bottleneck(8, 2).train(training)
    block.zero_residual()
    x = torch.rand(2, 8, 5, 7)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    "block", [Bottleneck(8, 2), BasicBlock(8, 8)], ids=lambda b: type(b).__name__
)
def test_a_residual_that_starts_at_zero_can_learn(block):
    block.zero_residual()
    block(torch.randn(2, 8, 5, 7)).square().sum().backward()
    last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
    assert last.weight.grad.any() and not last.weight.any()


def test_a_basic_block_whose_residual_is_zero_is_the_identity_too():
    block = BasicBlock(4, 4)
    block.zero_residual()
    x = torch.rand(2, 4, 5, 7)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("in_channels", "stride"), [(8, 1), (8, 2), (3, 1)])
def test_the_shortcut_projects_only_where_the_shape_changes(in_channels, stride):
    block = Bottleneck(in_channels, 2, stride)
    kind = nn.Identity if (in_channels, stride) == (8, 1) else nn.Sequential
    assert type(block.downsample) is kind


def test_the_input_stays_as_it_was():
    for block in (Bottleneck(8, 2), Bottleneck(8, 3, 2)):
        x = torch.randn(2, 8, 5, 7)
        before = x.clone()
        block(x)
        assert torch.equal(x, before)


def test_copies_and_pickles_compute_the_same():
    block = stir(Bottleneck(8, 3, 2, 2, 64, "1x1"), shift=1.0).eval()
    x = torch.randn(2, 8, 5, 7)
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert torch.equal(twin(x), block(x))


# A stage


def test_only_the_first_block_of_a_stage_changes_channels_and_size():
    stage = make_stage(Bottleneck, 5, 2, blocks=3, stride=2)
    assert [block.in_channels for block in stage] == [5, 8, 8]
    assert [block.stride for block in stage] == [2, 1, 1]
    assert stage(torch.randn(2, 5, 7, 8)).shape == (2, 8, 4, 4)
    assert make_stage(BasicBlock, 5, 2, blocks=1)[0].stride == 1
