"""Gradient norms and signals: equal to those by hand, and the network as it was."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from resnet_lessons.data.sets.loading import load
from resnet_lessons.measure import LayerGradient, gradient_norms, signal_sizes
from resnet_lessons.networks.cifar import cifar_resnet


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(100, 10)


def test_one_convolution_has_the_gradient_of_the_closed_form(mini):
    """A convolution as large as the image is multinomial regression: mean of (p - y) xᵀ."""
    layer = nn.Conv2d(1, 10, 7, bias=False)
    x = mini.normalize(mini.train.images[:30]).flatten(1).double()
    weight = layer.weight.detach().flatten(1).double()
    chance = torch.softmax(x @ weight.T, 1)
    gradient = (chance - F.one_hot(mini.train.labels[:30], 10)).T @ x / 30
    (found,) = gradient_norms(nn.Sequential(layer, nn.Flatten()), mini, images=30)
    assert found.name == "0"
    assert found.gradient == pytest.approx(gradient.pow(2).sum().sqrt().item(), rel=1e-5)
    assert found.weight == pytest.approx(weight.pow(2).sum().sqrt().item(), rel=1e-5)


@pytest.mark.parametrize("residual", [True, False])
def test_a_whole_network_layer_by_layer(mini, residual):
    torch.manual_seed(0)
    model = cifar_resnet(14, residual, width=2, in_channels=1)
    names = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    found = gradient_norms(model.eval(), mini, images=64)  # measured as it trains, all the same
    assert [layer.name for layer in found] == names and len(names) == 13
    assert names[0] == "conv1" and names[-1] == "layer3.1.conv2"

    scores = model.train()(mini.normalize(mini.train.images[:64]))
    loss = F.cross_entropy(scores, mini.train.labels[:64])
    weights = [model.get_submodule(name).weight for name in names]
    for layer, weight, gradient in zip(
        found, weights, torch.autograd.grad(loss, weights), strict=True
    ):
        assert layer.gradient == pytest.approx(gradient.pow(2).sum().sqrt().item(), rel=1e-4)
        assert layer.weight == pytest.approx(weight.pow(2).sum().sqrt().item(), rel=1e-5)


def test_gradients_that_the_model_held_already_do_not_count(mini):
    model = cifar_resnet(8, width=2, in_channels=1)
    clean = gradient_norms(model, mini, images=32)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    assert gradient_norms(model, mini, images=32) == clean
    assert all(torch.equal(w.grad, torch.ones_like(w)) for w in model.parameters())


@pytest.mark.parametrize("mode", [True, False])
def test_the_model_and_the_random_state_stay_as_they_were(mini, mode):
    model = nn.Sequential(cifar_resnet(8, width=2, in_channels=1), nn.Dropout(0.5)).train(mode)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    gradient_norms(model, mini, images=32)
    assert torch.equal(torch.get_rng_state(), state)
    assert {module.training for module in model.modules()} == {mode}
    assert all(weight.grad is None for weight in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_frozen_layer_has_the_gradient_that_it_would_have(mini):
    model = cifar_resnet(8, width=2, in_channels=1)
    expected = gradient_norms(model, mini, images=32)
    model.conv1.weight.requires_grad_(False)
    assert gradient_norms(model, mini, images=32) == expected
    assert not model.conv1.weight.requires_grad


def test_more_images_than_there_are(mini):
    model = cifar_resnet(8, width=2, in_channels=1)
    with pytest.raises(ValueError, match=r"images is 512, but .* 100 .*; pass at most images="):
        gradient_norms(model, mini)
    assert len(gradient_norms(model, mini, images=100)) == 7


@settings(max_examples=40, deadline=None)
@given(
    images=st.none() | st.text() | st.booleans() | st.floats() | st.integers(max_value=1),
)
def test_a_wrong_number_of_images_is_named_with_the_cure(mini, images):
    with pytest.raises((TypeError, ValueError)) as caught:
        gradient_norms(nn.Linear(1, 1), mini, images=images)
    assert str(caught.value).startswith((f"images is {images!r}, but", f"images is {images}, but"))
    assert "; pass for example images=2" in str(caught.value)


def test_a_layer_is_three_plain_values():
    assert LayerGradient("conv1", 0.5, 2.0) == LayerGradient(name="conv1", gradient=0.5, weight=2.0)


# A deep linear network: each layer multiplies by a number


FACTORS = (2.0, 0.5, -3.0, 0.25)


def multiplying(factors=FACTORS):
    """Images to ten scores, the first being the product of all factors times the image's mean."""
    net = nn.Sequential(
        *(nn.Conv2d(1, 1, 1, bias=False) for _ in factors), nn.AvgPool2d(7), nn.Flatten(),
        nn.Linear(1, 10, bias=False),
    )  # fmt: skip
    for layer, factor in zip(net, factors, strict=False):
        nn.init.constant_(layer.weight, factor)
    nn.init.zeros_(net[-1].weight)
    net[-1].weight.data[0] = 1.0
    return net


def test_in_a_linear_network_gradient_times_weight_is_the_same_in_all_layers(mini):
    """dL/dwᵢ = (dL/dP) · P / wᵢ, where P is the product of all factors."""
    found = gradient_norms(multiplying(), mini, images=40)
    product = torch.tensor(math.prod(FACTORS), dtype=torch.double, requires_grad=True)
    means = mini.normalize(mini.train.images[:40]).double().mean((1, 2, 3))
    scores = F.pad((product * means).unsqueeze(1), (0, 9))
    F.cross_entropy(scores, mini.train.labels[:40]).backward()
    expected = (product.grad * product).abs().item()
    assert [layer.gradient * layer.weight for layer in found] == pytest.approx([expected] * 4)


def test_in_a_linear_network_the_signal_is_multiplied_layer_by_layer(mini):
    found = signal_sizes(multiplying(), mini, images=40)
    size = mini.normalize(mini.train.images[:40]).double().square().mean().sqrt().item()
    expected = [size, 2 * size, size, 3 * size]
    assert [layer.size for layer in found] == pytest.approx(expected, rel=1e-5)
    assert [layer.name for layer in found] == ["0", "1", "2", "3"]


def test_the_signal_is_what_arrives_at_each_convolution(mini):
    torch.manual_seed(0)
    model = cifar_resnet(8, width=2, in_channels=1)
    found = {layer.name: layer.size for layer in signal_sizes(model.eval(), mini, images=40)}
    model.train()  # measured as it trains, all the same
    with torch.no_grad():
        x = mini.normalize(mini.train.images[:40])
        assert found["conv1"] == pytest.approx(x.square().mean().sqrt().item(), rel=1e-5)
        x = model.layer1(model.relu(model.bn1(model.conv1(x))))
        assert found["layer2.0.conv1"] == pytest.approx(x.square().mean().sqrt().item(), rel=1e-5)
    assert list(found) == [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("mode", [True, False])
def test_measuring_signals_leaves_everything_as_it_was(mini, mode):
    model = nn.Sequential(nn.Dropout(0.5), cifar_resnet(8, width=2, in_channels=1)).train(mode)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    signal_sizes(model, mini, images=32)
    assert torch.equal(torch.get_rng_state(), state)
    assert {module.training for module in model.modules()} == {mode}
    assert not any(module._forward_pre_hooks for module in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_signals_of_more_images_than_there_are(mini):
    with pytest.raises(ValueError, match=r"images is 512, but .* 100 .*; pass at most images="):
        signal_sizes(multiplying(), mini)
