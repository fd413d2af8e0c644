"""Our networks under torchvision's detectors and segmenters: shapes, values, one step."""

import copy
import math
from functools import partial

import pytest
import torch
import torchvision
from stirring import stir
from torch import nn

from resnet_lessons.apply.backbones import (
    detector,
    dilated,
    freeze_batch_norm,
    pyramid,
    segmenter,
    stage_shapes,
    stages,
)
from resnet_lessons.apply.scenes import draw_scenes
from resnet_lessons.networks.blocks import Bottleneck
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.lesson_nine import lesson_nine
from resnet_lessons.networks.resnet import ResNet, resnet18, resnet34, resnet50

NETS = {
    "ResNet-18": resnet18,
    "bottlenecks": partial(ResNet, (1, 1, 1, 1), 10, block=Bottleneck),
    "strides in 1×1": partial(ResNet, (1, 1, 1, 1), 10, block=partial(Bottleneck, stride_in="1x1")),
    "ResNet-34": resnet34,
    "6n+2": partial(cifar_resnet, 8, width=4),
    "plain": partial(cifar_resnet, 8, residual=False, width=4),
}
thin = partial(ResNet, (1, 1, 1, 1), 10)


def made(build):
    torch.manual_seed(0)
    return stir(build()).eval()


# Stages


@torch.no_grad()
@pytest.mark.parametrize("name", NETS)
def test_the_stages_are_those_that_the_network_itself_computes(name):
    net, images = made(NETS[name]), torch.randn(2, 3, 45, 37)
    kept = []
    for number in range(1, 5):
        if hasattr(net, f"layer{number}"):
            net.get_submodule(f"layer{number}").register_forward_hook(
                lambda module, args, output: kept.append(output.clone())
            )
    scores = net(images)
    expected, kept = kept, []
    found = stages(net)(images)
    assert list(found) == [str(number) for number in range(len(expected))]
    for one, other in zip(found.values(), expected, strict=True):
        assert torch.equal(one, other)
    last = found[str(len(expected) - 1)]
    torch.testing.assert_close(net.fc(last.mean((2, 3))), scores, rtol=1e-4, atol=1e-5)


def test_chosen_stages_are_numbered_from_zero():
    net = made(thin)
    found = stages(net, ("layer2", "layer4"))(torch.zeros(1, 3, 64, 64))
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "0": (1, 128, 8, 8),
        "1": (1, 512, 2, 2),
    }
    assert stage_shapes(net, ("layer2", "layer4")) == [(1, 128, 8, 8), (1, 512, 2, 2)]
    assert stage_shapes(net, ["layer3"], size=32) == [(1, 256, 2, 2)]


def test_the_weights_are_shared_and_shapes_leave_no_trace():
    net = made(thin).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert stages(net).layer1 is net.layer1
    stage_shapes(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training


def test_grey_images_are_known_from_the_network():
    assert stage_shapes(cifar_resnet(8, width=2, in_channels=1)) == [
        (1, 2, 64, 64),
        (1, 4, 32, 32),
        (1, 8, 16, 16),
    ]


# The pyramid


def test_the_pyramid_has_one_number_of_channels_and_one_level_more():
    levels = pyramid(made(thin), 24)(torch.zeros(2, 3, 96, 64))
    assert {name: tuple(x.shape) for name, x in levels.items()} == {
        "0": (2, 24, 24, 16),
        "1": (2, 24, 12, 8),
        "2": (2, 24, 6, 4),
        "3": (2, 24, 3, 2),
        "pool": (2, 24, 2, 1),
    }


@torch.no_grad()
@pytest.mark.parametrize(
    ("build", "strides"),
    [(thin, (4, 8, 16, 32)), (NETS["bottlenecks"], (4, 8, 16, 32)), (NETS["6n+2"], (1, 2, 4))],
)
def test_the_pyramid_at_odd_sizes(build, strides):
    """Each level is a stride finer than the next, rounded up; "pool" halves the last."""
    levels = pyramid(made(build), 8)(torch.rand(1, 3, 75, 101))
    expected = [(math.ceil(75 / stride), math.ceil(101 / stride)) for stride in strides]
    expected.append(tuple(math.ceil(side / 2) for side in expected[-1]))
    assert [tuple(x.shape) for x in levels.values()] == [(1, 8, *size) for size in expected]


@torch.no_grad()
def test_the_pyramid_on_our_network_is_torchvisions_on_its_own():
    torch.manual_seed(0)
    ours, theirs = resnet18(), torchvision.models.resnet18()
    theirs.load_state_dict(stir(ours).state_dict())
    own = pyramid(ours, 16).eval()
    reference = torchvision.models.detection.backbone_utils.BackboneWithFPN(
        theirs, {f"layer{n}": str(n - 1) for n in (1, 2, 3, 4)}, [64, 128, 256, 512], 16
    ).eval()
    reference.load_state_dict(own.state_dict())
    images = torch.randn(1, 3, 64, 64)
    first, second = own(images), reference(images)
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-4)


# Detection


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(2, size=64, seed=0)


@pytest.mark.parametrize("build", [thin, NETS["6n+2"]])
def test_a_detector_trains_its_backbone_and_detects(build, scenes):
    torch.manual_seed(0)
    net = build()
    model = detector(net, 3, 64, out_channels=8, width=16, proposals=16)
    before = net.conv1.weight.clone()
    losses = model([s.image for s in scenes], [s.target for s in scenes])
    assert set(losses) == {
        "loss_classifier",
        "loss_box_reg",
        "loss_objectness",
        "loss_rpn_box_reg",
    }
    sum(losses.values()).backward()
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    assert (net.conv1.weight - before).abs().max() > 0
    with torch.no_grad():
        (found,) = model.eval()([scenes[0].image])
    assert found.keys() == {"boxes", "labels", "scores"}
    assert 1 <= len(found["boxes"]) <= 100 and found["labels"].min() >= 1
    assert (found["boxes"] >= 0).all() and (found["boxes"] <= 64).all()


@pytest.mark.parametrize(
    ("build", "strides"), [(thin, [4, 8, 16, 32, 64]), (NETS["6n+2"], [1, 2, 4, 8])]
)
def test_anchors_are_four_pixels_of_their_map_wide(build, strides, scenes):
    model = detector(build(), 3, 64, out_channels=8, width=16)
    sizes = model.rpn.anchor_generator.sizes
    assert sizes == tuple((4 * stride,) for stride in strides)
    levels = model.backbone(torch.zeros(1, 3, 64, 64))
    maps = [x.shape[-1] for x in levels.values()]
    assert [64 // size for size in maps] == strides


def test_small_images_are_not_enlarged_and_the_limits_are_those_asked_for():
    model = detector(thin(), 4, 64, out_channels=8, width=16, proposals=20)
    batch, _ = model.transform([torch.full((3, 64, 100), 0.75)])
    assert batch.image_sizes == [(64, 100)]
    assert batch.tensors[0, :, :64, :100].unique().tolist() == [1.0]
    assert model.roi_heads.box_predictor.cls_score.out_features == 4
    assert model.roi_heads.fg_bg_sampler.batch_size_per_image == 20
    assert model.rpn.post_nms_top_n() == 40
    model.eval()
    assert model.rpn.post_nms_top_n() == 20


def test_a_detector_for_grey_images():
    net = ResNet((1, 1, 1, 1), 10, in_channels=1)
    model = detector(net, 2, 32, out_channels=8, width=16, proposals=8).eval()
    with torch.no_grad():
        assert len(model([torch.rand(1, 32, 32)])) == 1


def test_a_detector_learns_the_scenes_that_it_is_shown():
    torch.manual_seed(1)
    model = detector(thin(), 3, 48, out_channels=16, width=32, proposals=16)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=2e-3), []
    scenes = draw_scenes(4, size=48, seed=2)
    for _ in range(60):
        parts = model([scene.image for scene in scenes], [scene.target for scene in scenes])
        losses.append(sum(parts.values()))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    first, last = (torch.stack(part).mean() for part in (losses[:3], losses[-10:]))
    assert last < 0.6 * first
    with torch.no_grad():
        found = model.eval()([scene.image for scene in scenes])
    hits = [
        (torchvision.ops.box_iou(scene.boxes, given["boxes"][given["scores"] >= 0.5]) >= 0.5).any(1)
        for scene, given in zip(scenes, found, strict=True)
    ]
    assert torch.cat(hits).float().mean() >= 0.5


# Segmentation


@pytest.mark.parametrize("head", ["fcn", "deeplab"])
def test_a_segmenter_gives_a_class_for_every_pixel_and_learns(head, scenes):
    torch.manual_seed(0)
    net = thin()
    model = segmenter(net, 3, head)
    images, masks = (
        torch.stack(parts) for parts in ([s.image for s in scenes], [s.mask for s in scenes])
    )
    scores = model(images)["out"]
    assert scores.shape == (2, 3, 64, 64)
    nn.functional.cross_entropy(scores, masks).backward()
    gradients = [p.grad for name, p in net.named_parameters() if not name.startswith("fc.")]
    assert all(gradient is not None and gradient.any() for gradient in gradients)
    assert any("ASPP" in type(module).__name__ for module in model.modules()) == (head == "deeplab")


def test_a_segmenter_on_an_earlier_stage_works_on_its_map():
    model = segmenter(made(thin), 5, stage="layer2").eval()
    shapes = []
    model.classifier.register_forward_hook(lambda m, args, out: shapes.append(out.shape))
    assert model(torch.zeros(1, 3, 64, 64))["out"].shape == (1, 5, 64, 64)
    assert shapes == [(1, 5, 8, 8)] and "layer3" not in dict(model.backbone.named_children())


# Dilation


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (97, 70)])
@pytest.mark.parametrize(
    ("build", "names"),
    [
        (resnet18, ("layer3", "layer4")),
        (resnet18, ("layer4",)),
        (thin, ("layer2", "layer3", "layer4")),
        (NETS["bottlenecks"], ("layer3", "layer4")),
        (NETS["strides in 1×1"], ("layer3", "layer4")),
        (NETS["6n+2"], ("layer2", "layer3")),
        (NETS["plain"], ("layer3",)),
    ],
)
def test_a_dilated_network_has_the_old_values_where_the_old_map_had_pixels(build, names, size):
    net, images = made(build).double(), torch.randn(1, 3, *size, dtype=torch.double)
    state, before = copy.deepcopy(net.state_dict()), str(net)
    fine, coarse = stages(dilated(net, names))(images), stages(net)(images)
    for key in coarse:
        name = f"layer{int(key) + 1}"
        step = 2 ** (names.index(name) + 1) if name in names else 1
        assert fine[key].shape[2] >= step * (coarse[key].shape[2] - 1) + 1
        torch.testing.assert_close(fine[key][:, :, ::step, ::step], coarse[key])
        assert step == 1 or fine[key].shape[2] > coarse[key].shape[2]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert str(net) == before, "the original was changed"


@torch.no_grad()
def test_a_dilated_resnet50_is_torchvisions():
    torch.manual_seed(0)
    net = stir(resnet50(num_classes=7)).eval()
    reference = torchvision.models.resnet50(
        num_classes=7, replace_stride_with_dilation=[False, True, True]
    )
    reference.load_state_dict(net.state_dict())
    images = torch.randn(1, 3, 65, 65)
    expected, found = reference.eval()(images), dilated(net)(images)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


def test_only_the_last_stages_can_be_dilated():
    with pytest.raises(ValueError, match=r"names is \('layer2',\), but .* all that follow"):
        dilated(resnet18(), ("layer2",))
    net = made(thin)
    net.layer4[0].add_module("pool", nn.AvgPool2d(2))
    with pytest.raises(ValueError, match="BasicBlock has a AvgPool2d, but only convolutions"):
        dilated(net)


# Frozen batch normalisation


@torch.no_grad()
def test_frozen_batch_normalisation_is_that_of_evaluation_in_both_modes():
    net, images = made(NETS["6n+2"]), torch.randn(3, 3, 20, 20)
    expected = net(images)
    state = copy.deepcopy(net.state_dict())
    assert freeze_batch_norm(net) is net
    for training in (True, False):
        torch.testing.assert_close(net.train(training)(images), expected, rtol=1e-4, atol=1e-5)
    for name, value in net.state_dict().items():
        assert torch.equal(value, state[name])
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    names = {name for name, _ in net.named_parameters()}
    assert names and not any("bn" in name for name in names)


def test_the_eps_of_each_is_kept():
    net = lesson_nine()  # the only one with two kinds of eps
    kept = [m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    freeze_batch_norm(net)
    frozen = [m.eps for m in net.modules() if isinstance(m, torchvision.ops.FrozenBatchNorm2d)]
    assert frozen == kept and len(set(kept)) == 2


def test_a_part_that_keeps_its_own_is_not_one_whose_name_only_begins_alike():
    net = nn.Sequential()
    for name in ("stage1", "stage10"):
        net.add_module(name, nn.Sequential(nn.BatchNorm2d(2)))
    freeze_batch_norm(net, but=["stage1"])
    assert isinstance(net.stage1[0], nn.BatchNorm2d)
    assert not isinstance(net.stage10[0], nn.BatchNorm2d)


# What is refused


@pytest.mark.parametrize("function", [stages, pyramid, dilated, partial(segmenter, num_classes=2)])
def test_what_has_no_stages_is_named(function):
    with pytest.raises(ValueError, match=r"LessonNine has the parts block1, .*, but a backbone"):
        function(lesson_nine())
    with pytest.raises(TypeError, match="net is None, but it must be a network"):
        function(None)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda net: stages(net, ("layer1", "layer9")), r"names\[1\] is 'layer9', but"),
        (lambda net: pyramid(net, 0), "out_channels is 0, but"),
        (lambda net: detector(net, 1, 64), "num_classes is 1, but"),
        (lambda net: detector(net, 2, 16), "image_size is 16, but"),
        (lambda net: detector(net, 2, 64, width=0), "width is 0, but"),
        (lambda net: detector(net, 2, 64, proposals=0), "proposals is 0, but"),
        (lambda net: segmenter(net, 2, "fnc"), "head is 'fnc', but .* did you mean 'fcn'"),
        (lambda net: segmenter(net, 1), "num_classes is 1, but"),
        (lambda net: segmenter(net, 2, stage="layer0"), "is 'layer0', but"),
    ],
)
def test_wrong_arguments_are_named(call, part):
    with pytest.raises((TypeError, ValueError), match=part):
        call(thin())
