"""Batch normalisation taken out, or given statistics: on a copy, and nothing else is changed."""

import copy

import pytest
import torch
from stirring import stir
from torch import nn
from torchvision.models import resnet18

from resnet_lessons.measure import settled, without_batch_norm
from resnet_lessons.networks.cifar import cifar_resnet


@pytest.fixture
def net():
    torch.manual_seed(0)
    return stir(cifar_resnet(8, width=2, in_channels=1)).train()


@pytest.fixture
def images():
    return 3 * torch.randn(40, 1, 14, 14, generator=torch.Generator().manual_seed(1)) + 1


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def test_without_batch_normalisation_the_convolutions_are_left(net, images):
    bare = without_batch_norm(net)
    assert not norms(bare) and len(norms(net)) == 7
    block = bare.layer1[0]
    x = images[:, :1].expand(-1, 2, -1, -1)
    expected = torch.relu(block.conv2(torch.relu(block.conv1(x))) + x)
    torch.testing.assert_close(block(x), expected)
    for name, weight in bare.named_parameters():
        assert torch.equal(weight, net.get_parameter(name))
        assert weight is not net.get_parameter(name)
    assert bare.training and not without_batch_norm(net.eval()).training


def test_a_network_of_torchvisions_and_a_lone_normalisation():
    assert not norms(without_batch_norm(resnet18()))
    assert isinstance(without_batch_norm(nn.BatchNorm1d(3)), nn.Identity)


def test_a_settled_network_does_alone_what_it_does_to_the_batch(net, images):
    expected = copy.deepcopy(net)(images)
    found = settled(net, images)
    assert not found.training
    # The running variance is the unbiased one; of 40 images that shows in the third digit.
    torch.testing.assert_close(found(images), expected, rtol=0.05, atol=0.02)
    torch.testing.assert_close(found(images[:1]), found(images)[:1], rtol=1e-4, atol=1e-5)


def test_its_statistics_are_those_of_the_batch_and_of_nothing_before(net, images):
    found, x = settled(net, images), net.conv1(images)
    torch.testing.assert_close(found.bn1.running_mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(found.bn1.running_var, x.var((0, 2, 3)))
    again = settled(found, images)
    torch.testing.assert_close(again.bn1.running_var, found.bn1.running_var)
    assert [norm.momentum for norm in norms(found)] == [0.1] * 7


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize(
    "function", [without_batch_norm, lambda model: settled(model, torch.ones(5, 1, 14, 14))]
)
def test_the_network_stays_as_it_was(net, function, mode):
    model = nn.Sequential(nn.Dropout(0.5), net).train(mode)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    function(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert {module.training for module in model.modules()} == {mode}
    assert len(norms(model)) == 7 and {norm.momentum for norm in norms(model)} == {0.1}
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_dropout_is_at_rest_while_a_network_settles(net, images):
    one, other = settled(nn.Sequential(nn.Dropout(0.5), net), images)[1], settled(net, images)
    assert torch.equal(one.bn1.running_mean, other.bn1.running_mean)
