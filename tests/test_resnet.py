"""ResNet-18 and -34, against torchvision's: names, weights, outputs, gradients, statistics."""

import copy
import pickle

import pytest
import torch
import torchvision
from stirring import stir

import resnet_lessons
from resnet_lessons.resnet import ResNet, resnet18

PARAMETERS = {"resnet18": 11_689_512, "resnet34": 21_797_672}
TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},
}


def shapes(model):
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module", params=PARAMETERS)
def drawn(request):
    """Our network and torchvision's, drawn from the same seed. They are shared: copy to change."""
    pair = []
    for module in (resnet_lessons, torchvision.models):
        torch.manual_seed(0)
        pair.append(getattr(module, request.param)())
    return pair


def loaded(drawn, dtype=torch.float32):
    """Copies of both as after training, ours with the weights of torchvision's."""
    ours, theirs = (copy.deepcopy(net).to(dtype) for net in drawn)
    ours.load_state_dict(stir(theirs).state_dict(), strict=True)
    return ours, theirs


def check_close(actual, expected):
    """Equal to the last bit, as is usual and quick to tell, or else within the tolerance."""
    if not torch.equal(actual, expected):
        torch.testing.assert_close(actual, expected, **TOLERANCE.get(expected.dtype, {}))


# Equal to torchvision


def test_names_order_and_shapes_are_torchvisions(drawn):
    ours, theirs = drawn
    assert shapes(ours) == shapes(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


def test_weights_load_both_ways(drawn):
    ours, theirs = loaded(drawn)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]), name
    theirs.load_state_dict(stir(ours).state_dict(), strict=True)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name


def test_the_same_seed_draws_the_weights_that_torchvision_draws(drawn):
    ours, theirs = drawn
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_outputs_gradients_and_statistics_are_torchvisions(drawn, training, dtype):
    torch.manual_seed(0)
    ours, theirs = (net.train(training) for net in loaded(drawn, dtype))
    images, direction = torch.randn(2, 3, 65, 97, dtype=dtype), torch.randn(2, 1000, dtype=dtype)
    x, z = (images.clone().requires_grad_() for _ in range(2))

    y, expected = ours(x), theirs(z)
    check_close(y, expected)

    y.backward(direction)
    expected.backward(direction)
    check_close(x.grad, z.grad)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        check_close(p.grad, q.grad)
    for p, q in zip(ours.buffers(), theirs.buffers(), strict=True):
        check_close(p, q)


@torch.no_grad()
def test_scores_of_a_full_size_image_are_torchvisions(drawn):
    torch.manual_seed(0)
    image = torch.randn(1, 3, 224, 224)
    y, expected = (net.eval()(image) for net in loaded(drawn))
    assert y.shape == (1, 1000)
    check_close(y, expected)


def test_the_number_of_parameters(drawn, request):
    name = request.node.callspec.params["drawn"]
    assert parameters(drawn[0]) == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,}" in getattr(resnet_lessons, name).__doc__


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
    small, large = (ResNet((1, 1, 1, 1), stem=stem).eval() for stem in ("cifar", "imagenet"))
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
    usual, other = ResNet((1, 1, 1, 1), stem=stem), ResNet((1, 1, 1, 1), 7, 2, stem)
    changed = {name for name, shape in shapes(usual) if other.state_dict()[name].shape != shape}
    assert changed == {"conv1.weight", "fc.weight", "fc.bias"}
    assert other(torch.randn(3, 2, 32, 33)).shape == (3, 7)


def test_layers_counts_the_blocks_of_each_stage():
    net = ResNet((1, 2, 1, 3), num_classes=5)
    assert [len(getattr(net, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1, 2, 1, 3]
    assert net(torch.randn(2, 3, 33, 33)).shape == (2, 5)


def test_the_input_stays_as_it_was():
    x = torch.randn(2, 3, 33, 33)
    before = x.clone()
    ResNet((1, 1, 1, 1), stem="cifar")(x)
    assert torch.equal(x, before)


def test_copies_and_pickles_compute_the_same():
    net = stir(ResNet((1, 1, 1, 1), 10)).eval()
    x = torch.randn(1, 3, 32, 32)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))
