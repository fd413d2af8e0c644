"""Inflated networks: equal to the image network where nothing moves, and able to see motion."""

from functools import partial

import pytest
import torch
import torchvision
from stirring import stir
from torch import nn

from resnet_lessons.apply.video import inflate
from resnet_lessons.networks.blocks import Bottleneck
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.lesson_nine import lesson_nine
from resnet_lessons.networks.preact import preact_resnet
from resnet_lessons.networks.resnet import ResNet, resnet18
from resnet_lessons.shapes import shape_table

thin = partial(Bottleneck, groups=4, base_width=4, stride_in="1x1")
NETS = {
    "ResNet": (lambda: resnet18(num_classes=4), 33),
    "its stem for small images": (lambda: resnet18(num_classes=4, stem="cifar"), 9),
    "bottlenecks": (lambda: ResNet((1, 1, 1, 1), 4, block=thin), 33),
    "6n+2": (lambda: cifar_resnet(8, width=4, num_classes=4), 17),
}


def made(name):
    torch.manual_seed(0)
    build, size = NETS[name]
    return stir(build()).eval(), torch.randn(2, 3, size, size + 2)


def close(first, second):
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("time", [1, 2, 3, 5])
@pytest.mark.parametrize("frames", [1, 4])
def test_a_video_in_which_nothing_moves_has_the_scores_of_its_frame(name, time, frames):
    net, images = made(name)
    video = images.unsqueeze(2).repeat(1, 1, frames, 1, 1)
    close(inflate(net, time)(video), net(images))


@torch.no_grad()
@pytest.mark.parametrize("name", NETS)
def test_one_frame_at_a_time_gives_the_mean_of_the_frames_scores(name):
    net, images = made(name)
    video = torch.stack([images, images.flip(3), -images], dim=2)
    scores = torch.stack([net(frame) for frame in video.unbind(2)])
    close(inflate(net, 1)(video), scores.mean(0))
    assert (inflate(net, 3)(video) - scores.mean(0)).abs().max() > 1e-3


@torch.no_grad()
def test_it_sees_the_order_of_frames_once_its_weights_differ_in_time():
    net, images = made("6n+2")
    video = torch.stack([images, images.roll(1, 3), images.roll(2, 3), -images], dim=2)
    inflated, order = inflate(net, 3), [2, 0, 3, 1]
    assert (inflated(video) - inflated(video[:, :, order])).abs().max() > 1e-3
    close(inflated(video), inflated(video.flip(2)))  # fresh weights are the same back and forth
    inflated.layer1[0].conv1.weight[:, :, 0] *= 2
    assert (inflated(video) - inflated(video.flip(2))).abs().max() > 1e-3


@torch.no_grad()
def test_a_bias_groups_and_dilation_are_kept():
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2)
    net = nn.Sequential()
    for name, part in (
        ("conv1", conv),
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("fc", nn.Linear(6, 2)),
    ):
        net.add_module(name, part)
    images = torch.randn(2, 4, 9, 7)
    expected = net.fc(net.avgpool(conv(images)).flatten(1))
    close(inflate(net, 3)(images[:, :, None].repeat(1, 1, 2, 1, 1)), expected)


def test_shapes_and_parameters_are_those_of_torchvisions_r3d_18():
    """Tran et al. 2018 (arXiv:1711.11248): the same 3×3×3 layers, with strides in time as well."""
    ours = shape_table(inflate(resnet18(num_classes=400)), (1, 3, 8, 64, 64))
    reference = torchvision.models.video.r3d_18()
    assert ours.parameters == sum(p.numel() for p in reference.parameters())
    assert ours["layer2.0"].output == (1, 128, 8, 8, 8)
    assert ours["layer4.1"].output == (1, 512, 8, 2, 2)
    assert ours.output == (1, 400)


def test_the_original_is_copied_and_the_mode_kept():
    net, _ = made("6n+2")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert not any(module.training for module in inflate(net).modules())
    inflated = inflate(net.train())
    assert all(module.training for module in inflated.modules())
    with torch.no_grad():
        for tensor in [*inflated.parameters(), *inflated.buffers()]:
            tensor.fill_(7)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_batch_normalisations_keep_their_settings():
    net = cifar_resnet(8, width=2)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = 1e-3, 0.03
    kept = [(m.eps, m.momentum) for m in inflate(net).modules() if isinstance(m, nn.BatchNorm3d)]
    assert len(kept) > 5 and set(kept) == {(1e-3, 0.03)}


def test_every_weight_learns():
    net, _ = made("6n+2")
    inflated = inflate(net).train()
    inflated(torch.randn(2, 3, 4, 9, 9)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in inflated.parameters())


@pytest.mark.parametrize(
    ("net", "part"),
    [
        (lesson_nine(), "net is a LessonNine, but"),
        (nn.Linear(2, 2), "net is a Linear, but"),
        (None, "net is a NoneType, but"),
        (preact_resnet(8, width=2), "holds a PreActBlock, but"),
    ],
)
def test_what_cannot_be_inflated_is_named(net, part):
    with pytest.raises(ValueError, match=part):
        inflate(net)


def test_a_part_that_is_not_known_is_named():
    net = cifar_resnet(8, width=2)
    net.layer2[0] = nn.Sequential(nn.GroupNorm(2, 4))
    with pytest.raises(ValueError, match="holds a GroupNorm, but"):
        inflate(net)


@pytest.mark.parametrize("time", [0, -1, 1.5, None, True])
def test_time_is_a_positive_whole_number(time):
    with pytest.raises((TypeError, ValueError), match=f"time is {time!r}, but"):
        inflate(cifar_resnet(8, width=2), time)
