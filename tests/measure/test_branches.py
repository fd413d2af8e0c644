"""F(x) against x: equal to what the blocks compute, in any residual block."""

import pytest
import torch
import torchvision
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.measure import BranchSize, branch_sizes, branch_terms
from resnet_lessons.networks.blocks import BasicBlock, Bottleneck
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.preact import PreActBlock


def images(count=30, channels=1, size=14):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, size, size, generator=generator)


def rms(tensor):
    return tensor.double().square().mean().sqrt().item()


@pytest.mark.parametrize("shortcut", ["padding", "projection", "projection everywhere"])
def test_a_whole_network_block_by_block(shortcut):
    torch.manual_seed(0)
    model = stir(cifar_resnet(14, width=2, in_channels=1, shortcut=shortcut)).eval()
    expected = []
    with torch.no_grad():
        x = model.relu(model.bn1(model.conv1(images())))
        for stage in ("layer1", "layer2", "layer3"):
            for number, block in enumerate(getattr(model, stage)):
                branch = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
                beside = block.downsample(x)
                expected.append((f"{stage}.{number}", rms(branch), rms(beside)))
                x = F.relu(branch + beside)
    found = branch_sizes(model, images())
    assert [size.name for size in found] == [name for name, *_ in expected]
    for size, (_, branch, beside) in zip(found, expected, strict=True):
        assert (size.branch, size.shortcut) == pytest.approx((branch, beside), rel=1e-5)
        assert size.ratio == pytest.approx(branch / beside, rel=1e-5)
    assert len({size.ratio for size in found}) == 6


def test_a_block_that_adds_nothing_and_one_that_adds_as_much_as_it_has():
    block = BasicBlock(2, 2)
    nn.init.zeros_(block.bn2.weight)
    assert branch_sizes(block, images(channels=2))[0].ratio == 0
    for conv in (block.conv1, block.conv2):
        nn.init.dirac_(conv.weight)
    nn.init.ones_(block.bn2.weight)
    (size,) = branch_sizes(block, images(channels=2).abs())
    assert size == BranchSize("", pytest.approx(size.shortcut, rel=1e-4), size.shortcut)
    assert size.ratio == size.branch / size.shortcut == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    "make", [lambda: BasicBlock(2, 4, 2), lambda: Bottleneck(2, 2, 2), lambda: PreActBlock(2, 4, 2)]
)
def test_the_two_terms_are_those_whose_sum_a_block_is(make):
    torch.manual_seed(0)
    block, x, terms = stir(make()).eval(), images(channels=2), []
    last = block.conv2 if isinstance(block, PreActBlock) else [*block.children()][-2]
    if isinstance(block, Bottleneck):
        last = block.bn3
    handles = [
        module.register_forward_hook(lambda _, __, output: terms.append(output.detach().clone()))
        for module in (last, block.downsample)
    ]
    with torch.no_grad():
        output = block(x)
    for handle in handles:
        handle.remove()
    whole = terms[0] + terms[1]
    assert torch.allclose(output, whole if isinstance(block, PreActBlock) else whole.relu())
    by_module = {"branch": terms[0], "shortcut": terms[1]}
    if not isinstance(block, PreActBlock) or last is block.conv2:
        (size,) = branch_sizes(block, x)
        assert sorted((size.branch, size.shortcut)) == pytest.approx(
            sorted(map(rms, by_module.values())), rel=1e-5
        )


def test_torchvisions_blocks_have_no_module_for_the_identity():
    torch.manual_seed(0)
    model, x = torchvision.models.resnet18().eval(), images(4, 3, 64)
    found = {size.name: size for size in branch_sizes(model, x)}
    assert len(found) == 8
    with torch.no_grad():
        stream = model.maxpool(model.relu(model.bn1(model.conv1(x))))
        block = model.layer1[0]
        branch = block.bn2(block.conv2(block.bn1(block.conv1(stream)).relu()))
    assert found["layer1.0"].shortcut == pytest.approx(rms(stream), rel=1e-5)
    assert found["layer1.0"].branch == pytest.approx(rms(branch), rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_batch_size_does_not_matter(batch_size):
    model = stir(cifar_resnet(8, width=2, in_channels=1))
    x = images() * torch.linspace(0, 9, 30).view(-1, 1, 1, 1)
    whole = [size.ratio for size in branch_sizes(model, x)]
    parts = [size.ratio for size in branch_sizes(model, x, batch_size)]
    assert parts == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("mode", [True, False])
def test_everything_stays_as_it_was(mode):
    model = nn.Sequential(nn.Dropout(0.5), cifar_resnet(8, width=2, in_channels=1)).train(mode)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, x = torch.get_rng_state(), images()
    branch_sizes(model, x)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(x, images())
    assert {module.training for module in model.modules()} == {mode}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_network_without_residual_blocks_is_named():
    with pytest.raises(ValueError, match=r"CifarResNet has no block .*; pass a residual network"):
        branch_sizes(cifar_resnet(8, False, 2, 1), images())


@pytest.mark.parametrize("x", [None, torch.zeros(2, 1, 8, 8).byte(), torch.zeros(8, 8), images(0)])
def test_images_that_cannot_be_measured_are_named(x):
    with pytest.raises((TypeError, ValueError), match=r"branch_sizes was given .*, but .*; "):
        branch_sizes(cifar_resnet(8, True, 2, 1), x)


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True])
def test_a_batch_size_that_is_none_is_named(value):
    with pytest.raises((TypeError, ValueError), match=r"^batch_size is .*, but .*; pass for"):
        branch_sizes(cifar_resnet(8, True, 2, 1), images(), value)


def test_a_block_whose_shortcut_brings_nothing_has_no_finite_ratio():
    assert BranchSize("layer1.0", 2.0, 0.0).ratio == float("inf")


# --- the terms themselves ---


@pytest.mark.parametrize("name", ["layer1.1", "layer2.0", "layer3.1"])
@pytest.mark.parametrize("shortcut", ["padding", "projection", "projection everywhere"])
def test_the_terms_are_what_the_block_computes(name, shortcut):
    torch.manual_seed(0)
    model = stir(cifar_resnet(14, width=2, in_channels=1, shortcut=shortcut)).eval()
    with torch.no_grad():
        x = model.relu(model.bn1(model.conv1(images())))
        for stage in ("layer1", "layer2", "layer3"):
            for number, block in enumerate(getattr(model, stage)):
                branch = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
                beside = block.downsample(x)
                x = F.relu(branch + beside)
                if name == f"{stage}.{number}":
                    expected = beside, branch, x
    found = branch_terms(model, images(), name)
    assert found.name == name
    for term, right in zip((found.shortcut, found.branch, found.output), expected, strict=True):
        assert torch.equal(term, right) and not term.requires_grad
    assert (found.branch < 0).any() and (found.branch + found.shortcut < 0).any()


@pytest.mark.parametrize("name", ["layer1.0", "layer1.1", "layer2.0", "layer4.1"])
@pytest.mark.parametrize("make", [torchvision.models.resnet18, torchvision.models.resnet50])
def test_the_output_is_the_rectified_sum_in_torchvisions_networks_too(make, name):
    torch.manual_seed(0)
    model, x = stir(make()).eval(), images(2, 3, 64)
    found, outputs = branch_terms(model, x, name), []
    handle = model.get_submodule(name).register_forward_hook(
        lambda _, args, output: outputs.append((args[0].clone(), output.clone()))
    )
    with torch.no_grad():
        model(x)
    handle.remove()
    assert torch.equal(found.output, (found.shortcut + found.branch).relu())
    assert torch.equal(found.output, outputs[0][1])
    if name.endswith(".1"):
        assert torch.equal(found.shortcut, outputs[0][0])
    (size,) = (size for size in branch_sizes(model, x) if size.name == name)
    assert (size.branch, size.shortcut) == pytest.approx((rms(found.branch), rms(found.shortcut)))


def test_nothing_follows_the_addition_in_a_preactivation_block():
    torch.manual_seed(0)
    block, x = stir(PreActBlock(2, 4, 2)).eval(), images(channels=2)
    found = branch_terms(block, x, "")
    assert torch.equal(found.output, found.shortcut + found.branch)
    assert (found.output < 0).any()
    with torch.no_grad():
        active = block.bn1(x).relu()
        assert torch.equal(found.shortcut, block.downsample(active))


def test_the_network_stays_as_it_was_when_its_terms_are_taken():
    model = nn.Sequential(nn.Dropout(0.5), cifar_resnet(8, width=2, in_channels=1)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, x = torch.get_rng_state(), images()
    branch_terms(model, x, "1.layer2.0")
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(x, images())
    assert all(module.training for module in model.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_terms_that_are_not_to_be_had_are_refused_in_words():
    model = cifar_resnet(8, True, 2, 1)
    with pytest.raises(ValueError, match=r"block is 'layer1.1', .* one of 'layer1.0', .*; did you"):
        branch_terms(model, images(), "layer1.1")
    with pytest.raises(ValueError, match=r"CifarResNet has no block .*; pass a residual network"):
        branch_terms(cifar_resnet(8, False, 2, 1), images(), "layer1.0")
    with pytest.raises(ValueError, match="branch_terms was given no image"):
        branch_terms(model, images(0), "layer1.0")
    with pytest.raises(TypeError, match="branch_terms was given a NoneType"):
        branch_terms(model, None, "layer1.0")
    model.spare = BasicBlock(2, 2)
    with pytest.raises(ValueError, match=r"block is 'spare', but it does not run .*; choose"):
        branch_terms(model, images(), "spare")
    assert [size.name for size in branch_sizes(model, images())] == [
        "layer1.0", "layer2.0", "layer3.0"
    ]  # fmt: skip
