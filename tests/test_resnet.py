"""ResNet-18 and -34, against torchvision's: names, weights, outputs, gradients, statistics."""

import copy
import pickle

import pytest
import torch
import torchvision
from torch import nn

from resnet_lessons.resnet import ResNet, resnet18, resnet34

PAIRS = [
    pytest.param(resnet18, torchvision.models.resnet18, id="resnet18"),
    pytest.param(resnet34, torchvision.models.resnet34, id="resnet34"),
]
TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},
}


def stir(model):
    """Batch normalisations as training leaves them: no scale is 1 and no shift is 0."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, std=0.1)
    return model


def shapes(model):
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


# Equal to torchvision


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_names_order_and_shapes_are_torchvisions_and_weights_load_both_ways(ours, theirs):
    ours, theirs = ours(), stir(theirs())
    assert shapes(ours) == shapes(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict(theirs.state_dict(), strict=True)
    stir(ours)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name])


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_outputs_gradients_and_statistics_are_torchvisions(ours, theirs, training, dtype):
    torch.manual_seed(0)
    theirs = stir(theirs(num_classes=10)).to(dtype).train(training)
    ours = ours(num_classes=10).to(dtype).train(training)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images, direction = torch.randn(2, 3, 65, 97, dtype=dtype), torch.randn(2, 10, dtype=dtype)
    x, z = (images.clone().requires_grad_() for _ in range(2))

    y, expected = ours(x), theirs(z)
    torch.testing.assert_close(y, expected, **TOLERANCE[dtype])

    y.backward(direction)
    expected.backward(direction)
    torch.testing.assert_close(x.grad, z.grad, **TOLERANCE[dtype])
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(
            p.grad, q.grad, **TOLERANCE[dtype], msg=lambda text, name=name: f"{name}: {text}"
        )
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(p, q, **TOLERANCE[dtype])


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_scores_of_a_full_size_image_are_torchvisions(ours, theirs):
    torch.manual_seed(0)
    theirs = stir(theirs()).eval()
    ours = ours().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        y, expected = ours(image), theirs(image)
    assert y.shape == (1, 1000)
    torch.testing.assert_close(y, expected, **TOLERANCE[torch.float32])


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_the_same_seed_draws_the_weights_that_torchvision_draws(ours, theirs):
    torch.manual_seed(1)
    ours = ours().state_dict()
    torch.manual_seed(1)
    for name, tensor in theirs().state_dict().items():
        assert torch.equal(tensor, ours[name]), name


@pytest.mark.parametrize(("make", "count"), [(resnet18, 11_689_512), (resnet34, 21_797_672)])
def test_the_number_of_parameters(make, count):
    assert parameters(make()) == count
    assert f"{count:,}" in make.__doc__


# Shapes and arguments


def test_the_shapes_at_the_joints_are_those_of_the_module_docstring():
    net = resnet18().eval()
    with torch.no_grad():
        x = net.maxpool(net.relu(net.bn1(net.conv1(torch.randn(1, 3, 224, 224)))))
        seen = [x.shape[1:]]
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            seen.append(x.shape[1:])
    assert seen == [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_the_cifar_stem_keeps_height_and_width_and_all_names():
    small, large = resnet18(stem="cifar").eval(), resnet18()
    assert [*small.state_dict()] == [*large.state_dict()]
    x = torch.randn(2, 3, 32, 27)
    with torch.no_grad():
        y = small.maxpool(small.relu(small.bn1(small.conv1(x))))
        assert y.shape == (2, 64, 32, 27)
        assert small.layer4(small.layer3(small.layer2(small.layer1(y)))).shape == (2, 512, 4, 4)
        assert small(x).shape == (2, 1000)
    assert small.conv1.weight.shape == (64, 3, 3, 3)
    assert parameters(large) - parameters(small) == 3 * 64 * (7 * 7 - 3 * 3)


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_channels_and_classes_change_the_first_and_last_layer_alone(stem):
    usual, other = resnet18(stem=stem), resnet18(7, 2, stem)
    changed = {name for name, shape in shapes(usual) if other.state_dict()[name].shape != shape}
    assert changed == {"conv1.weight", "fc.weight", "fc.bias"}
    assert other(torch.randn(3, 2, 32, 33)).shape == (3, 7)


def test_layers_counts_the_blocks_of_each_stage():
    net = ResNet((1, 2, 1, 3), num_classes=5)
    assert [len(getattr(net, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1, 2, 1, 3]
    assert net(torch.randn(2, 3, 33, 33)).shape == (2, 5)


def test_every_block_keeps_the_shape_except_the_first_of_stages_2_to_4():
    net = ResNet((2, 2, 2, 2))
    first = {f"layer{stage}.0" for stage in (2, 3, 4)}
    changing = {name for name, block in net.named_modules() if getattr(block, "stride", 1) == 2}
    assert first == changing
    assert not any(isinstance(net.get_submodule(name).downsample, nn.Identity) for name in first)


def test_the_input_stays_as_it_was():
    x = torch.randn(2, 3, 33, 33)
    before = x.clone()
    resnet18(stem="cifar")(x)
    assert torch.equal(x, before)


def test_copies_and_pickles_compute_the_same():
    net = stir(ResNet((1, 1, 1, 1), 10)).eval()
    x = torch.randn(1, 3, 32, 32)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))
