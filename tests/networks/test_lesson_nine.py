"""Lesson nine's network: the article's architecture, faults and all, and the twin without them."""

import copy
import pickle
from math import ceil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.networks.blocks import BasicBlock
from resnet_lessons.networks.lesson_nine import LessonNineBlock, lesson_nine

BLOCKS = [f"block{stage}.{number}" for stage in (2, 3, 4, 5) for number in (0, 1)]
both = pytest.mark.parametrize("faithful", [True, False], ids=["article", "twin"])


def tensors(model):
    return {
        name: tensor.detach().clone().requires_grad_(name in dict(model.named_parameters()))
        for name, tensor in model.state_dict().items()
    }


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def bn(w, name, y, training=False, eps=1e-5):
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    scale, shift = w[f"{name}.weight"], w[f"{name}.bias"]
    return F.batch_norm(y, mean, var, scale, shift, training, momentum=0.1, eps=eps)


def article_block(w, name, x, stride=1, training=False):
    """relu(relu(F(x)) + shortcut), the shortcut a 1×1 convolution with bias, or x itself."""
    y = F.conv2d(x, w[f"{name}conv1.weight"], stride=stride, padding=1)
    y = F.relu(bn(w, f"{name}bn1", y, training))
    y = F.relu(bn(w, f"{name}bn2", F.conv2d(y, w[f"{name}conv2.weight"], padding=1), training))
    if f"{name}downsample.weight" in w:
        bias = w[f"{name}downsample.bias"]
        x = F.conv2d(x, w[f"{name}downsample.weight"], bias, stride=stride)
    return F.relu(y + x)


def mended_block(w, name, x, stride=1):
    """relu(F(x) + shortcut), the shortcut a 1×1 convolution and a normalisation, or x itself."""
    y = F.conv2d(x, w[f"{name}conv1.weight"], stride=stride, padding=1)
    y = F.relu(bn(w, f"{name}bn1", y))
    y = bn(w, f"{name}bn2", F.conv2d(y, w[f"{name}conv2.weight"], padding=1))
    if f"{name}downsample.0.weight" in w:
        x = F.conv2d(x, w[f"{name}downsample.0.weight"], stride=stride)
        x = bn(w, f"{name}downsample.1", x)
    return F.relu(y + x)


# The block


@settings(max_examples=40, deadline=None)
@given(
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    height=st.integers(2, 8),
    width=st.integers(2, 8),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_block_computes_what_the_article_does(channels, stride, height, width, training, seed):
    torch.manual_seed(seed)
    projection = stride > 1 or channels[0] != channels[1]
    block = stir(LessonNineBlock(*channels, stride, projection)).double().train(training)
    w = tensors(block)
    x = torch.randn(3, channels[0], height, width).double().requires_grad_()
    z = x.detach().clone().requires_grad_()

    y, expected = block(x), article_block(w, "", z, stride, training)
    assert y.shape == (3, channels[1], ceil(height / stride), ceil(width / stride))
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)

    direction = torch.randn_like(y)
    y.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(x.grad, z.grad, rtol=1e-9, atol=1e-9)
    for name, parameter in block.named_parameters():
        torch.testing.assert_close(parameter.grad, w[name].grad, rtol=1e-9, atol=1e-9)
    for name, buffer in block.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(buffer, w[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("channels_and_stride", [(4, 4, 1), (4, 6, 2)])
def test_through_the_articles_block_the_stream_can_only_grow(channels_and_stride):
    torch.manual_seed(0)
    x = torch.rand(4, 4, 9, 9)
    block = LessonNineBlock(*channels_and_stride, projection=channels_and_stride != (4, 4, 1))
    assert (block(x) >= block.downsample(x)).all()
    mended = BasicBlock(*channels_and_stride)
    assert (mended(x) < mended.downsample(x)).any()


def test_a_projection_may_stand_where_no_shape_changes():
    block = LessonNineBlock(4, 4, projection=True)
    assert isinstance(block.downsample, nn.Conv2d)
    assert block(torch.randn(2, 4, 5, 7)).shape == (2, 4, 5, 7)


@pytest.mark.parametrize("channels_and_stride", [(4, 6, 1), (4, 4, 2), (4, 6, 2)])
def test_without_a_projection_no_shape_may_change(channels_and_stride):
    with pytest.raises(ValueError, match=r"^the block turns 4 .*; pass projection=True\.$"):
        LessonNineBlock(*channels_and_stride)


# The network


@both
def test_the_maps_of_a_96_pixel_image_are_the_articles(faithful):
    net = lesson_nine(faithful=faithful).eval()
    seen = []
    joints = [net.block1[0], net.block1[3], net.block2, net.block3, net.block4]
    for joint in (*joints, net.block5[1], net.block5):
        joint.register_forward_hook(lambda _, __, y: seen.append(tuple(y.shape[1:])))
    with torch.no_grad():
        assert net(torch.randn(2, 3, 96, 96)).shape == (2, 10)
    sides = [(64, 45), (64, 23), (64, 23), (128, 12), (256, 6), (512, 3), (512, 1)]
    assert seen == [(channels, side, side) for channels, side in sides]


@both
def test_the_network_computes_what_the_article_does_layer_by_layer(faithful):
    torch.manual_seed(0)
    net = stir(lesson_nine(1, 4, faithful)).double().eval()
    w = tensors(net)
    block = article_block if faithful else mended_block
    image = torch.randn(1, 1, 71, 77).double()

    x = F.conv2d(image, w["block1.0.weight"], w["block1.0.bias"], stride=2)
    x = F.relu(bn(w, "block1.1", x, eps=1e-3))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for name in BLOCKS:
        halves = name in ("block3.0", "block4.0", "block5.0")
        x = block(w, f"{name}.", x, stride=2 if halves else 1)
    x = F.avg_pool2d(x, 3).flatten(1)
    expected = F.linear(x, w["classifier.1.weight"], w["classifier.1.bias"])

    torch.testing.assert_close(net(image), expected, rtol=1e-10, atol=1e-10)


@both
def test_the_number_of_parameters_counted_by_hand(faithful):
    expected = (3 * 7 * 7 * 64 + 64) + 2 * 64 + (512 * 10 + 10)
    for narrow, wide in [(64, 64), (64, 128), (128, 256), (256, 512)]:
        expected += 9 * narrow * wide + 3 * 9 * wide * wide + 4 * 2 * wide
        if narrow != wide:
            expected += narrow * wide + (wide if faithful else 2 * wide)
    assert expected == (11_180_810 if faithful else 11_181_706)
    assert parameters(lesson_nine(faithful=faithful)) == expected


def test_the_twin_differs_in_its_three_projections_and_in_nothing_else_that_is_stored():
    article, twin = (
        {name: tensor.shape for name, tensor in lesson_nine(faithful=faithful).state_dict().items()}
        for faithful in (True, False)
    )
    shared = article.keys() & twin.keys()
    assert all(article[name] == twin[name] for name in shared)
    normalisation = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    places = [f"block{stage}.0.downsample" for stage in (3, 4, 5)]
    assert article.keys() - shared == {f"{p}.{end}" for p in places for end in ("weight", "bias")}
    assert twin.keys() - shared == {
        f"{p}.{end}" for p in places for end in ("0.weight", *(f"1.{n}" for n in normalisation))
    }


@both
def test_every_layer_but_the_shortcuts_and_the_relu_is_the_same_in_both(faithful):
    net = lesson_nine(faithful=faithful)
    kept = [
        repr(module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d)
        and "downsample" not in name
    ]
    other = {repr(module) for module in lesson_nine(faithful=not faithful).modules()}
    assert len(kept) == 1 + 1 + 1 + 8 * 4 + 1 + 1 and set(kept) <= other
    assert [m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)][:2] == [1e-3, 1e-5]


@pytest.fixture(scope="module", params=[True, False], ids=["article", "twin"])
def small(request):
    return lesson_nine(1, 2, request.param).eval()


@pytest.mark.parametrize("size", [(71, 166), (166, 71), (96, 71)])
@torch.no_grad()
def test_the_smallest_and_the_largest_images_are_taken(small, size):
    assert small(torch.randn(1, 1, *size)).shape == (1, 2)


@pytest.mark.parametrize("size", [(70, 96), (96, 70), (167, 96), (96, 167), (32, 32), (224, 224)])
def test_other_sizes_are_refused_with_the_reason_and_the_cure(small, size):
    expected = (
        f"the images are {size[0]}×{size[1]}, but lesson nine's network takes 71 to 166 pixels a "
        "side, so that its last pool leaves one pixel; resize them, to 96×96 as the article does."
    )
    with pytest.raises(ValueError) as caught:
        small(torch.randn(1, 1, *size))
    assert str(caught.value) == expected


@pytest.mark.parametrize(("size", "side"), [(70, 0), (71, 1), (166, 1), (167, 2)])
def test_the_limits_are_where_the_last_map_stops_being_one_pixel(size, side):
    size = (size - 7) // 2 + 1
    for _ in range(4):  # the max-pool and three blocks
        size = ceil(size / 2)
    assert size // 3 == side


@torch.no_grad()
def test_copies_and_pickles_compute_the_same(small):
    x = torch.randn(1, 1, 71, 71)
    for twin in (copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert torch.equal(twin(x), small(x))
