"""Paths: closed forms, every path by hand, and the network as it was."""

import math
from itertools import product

import pytest
import torch
import torchvision
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.measure import gradient_by_length, path_counts, sample_path_gradients
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.preact import preact_resnet


def batch(count=6, channels=1, size=8, classes=10):
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(count, channels, size, size, generator=draw)
    return images, torch.randint(classes, (count,), generator=draw)


class Times(nn.Module):
    """A linear residual block: c·x + x."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.downsample = factor, nn.Identity()

    def forward(self, x):
        return self.factor * x + self.downsample(x)


def squares(scores, _):
    return scores.square().sum()


# Counting


@pytest.mark.parametrize("blocks", range(6))
def test_paths_are_counted_as_one_walks_them(blocks):
    lengths = [sum(walk) for walk in product((0, 1), repeat=blocks)]
    assert path_counts(blocks) == [lengths.count(n) for n in range(blocks + 1)]


@pytest.mark.parametrize("blocks", [-1, 1.5, "3", None, True])
def test_a_number_of_blocks_that_is_none_is_refused(blocks):
    with pytest.raises((TypeError, ValueError), match=r"^blocks is .*, but .*; pass for example"):
        path_counts(blocks)


# Closed forms


@pytest.mark.parametrize("c", [0.5, -0.3, 2.0])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_in_a_linear_net_paths_of_length_k_carry_a_binomial_share(n, c):
    """The gradient is (1 + c)ⁿ times that behind: Σ C(n, k) cᵏ, all along one direction."""
    model = nn.Sequential(*(Times(c) for _ in range(n)), nn.Flatten())
    measured = gradient_by_length(model, *batch(), loss=squares)
    shares = [math.comb(n, k) * c**k / (1 + c) ** n for k in range(n + 1)]
    assert [at.length for at in measured] == list(range(n + 1))
    assert [at.paths for at in measured] == path_counts(n)
    assert [at.share for at in measured] == pytest.approx(shares, rel=1e-4)
    assert [at.norm for at in measured] == pytest.approx([abs(s) for s in shares], rel=1e-4)


def test_an_identity_stack_has_nothing_but_its_shortest_path():
    model = nn.Sequential(*(Times(0.0) for _ in range(5)), nn.Flatten())
    measured = gradient_by_length(model, *batch(), loss=squares)
    assert [at.norm for at in measured] == pytest.approx([1, 0, 0, 0, 0, 0])


def test_in_a_linear_net_one_path_of_length_k_carries_c_to_the_k():
    model = nn.Sequential(*(Times(0.5) for _ in range(6)), nn.Flatten())
    paths = sample_path_gradients(model, *batch(), samples=3, loss=squares)
    assert [path.length for path in paths] == [k for k in range(7) for _ in range(3)]
    expected = [0.5**path.length / 1.5**6 for path in paths]
    assert [path.norm for path in paths] == pytest.approx(expected, rel=1e-4)


def test_different_factors_tell_which_branches_a_path_took():
    factors = (0.5, 3.0, 0.25, 7.0)
    model = nn.Sequential(*map(Times, factors), nn.Flatten())
    whole = math.prod(1 + c for c in factors)
    paths = sample_path_gradients(model, *batch(), samples=6, loss=squares)
    for path in paths:
        assert len({*path.branches}) == path.length
        expected = math.prod(factors[int(name)] for name in path.branches) / whole
        assert path.norm == pytest.approx(expected, rel=1e-4)
    assert len({path.branches for path in paths if path.length == 2}) > 2
    elementary = [1, sum(factors)]
    measured = gradient_by_length(model, *batch(), loss=squares)
    assert [at.share * whole for at in measured[:2]] == pytest.approx(elementary, rel=1e-3)
    assert measured[-1].share * whole == pytest.approx(math.prod(factors), rel=1e-3)


# Real networks: every path by hand


def by_hand(model, images, labels, training):
    """The gradient of every path, the blocks' values fixed at those of the whole forward pass."""
    model.train(training)
    blocks = [*model.layer1, *model.layer2, *model.layer3]
    x = images.clone().requires_grad_()
    found = {}
    for walk in product((0, 1), repeat=len(blocks)):
        y = model.relu(model.bn1(model.conv1(x)))
        for block, takes_branch in zip(blocks, walk, strict=True):
            out = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(y)))))
            shortcut = block.downsample(y)
            out, shortcut = (out, shortcut.detach()) if takes_branch else (out.detach(), shortcut)
            y = F.relu(out + shortcut)
        loss = F.cross_entropy(model.fc(model.avgpool(y).flatten(1)), labels)
        (found[walk],) = torch.autograd.grad(loss, x)
    return found


@pytest.mark.parametrize("training", [True, False])
def test_a_real_network_path_by_path(training):
    torch.manual_seed(0)
    model = stir(cifar_resnet(14, width=2, in_channels=1))
    images, labels = batch()
    measured = gradient_by_length(model, images, labels, training=training)
    sampled = sample_path_gradients(model, images, labels, samples=4, training=training)
    paths = by_hand(model, images, labels, training)
    whole = sum(paths.values())
    assert len(measured) == 7
    for at in measured:
        total = sum(g for walk, g in paths.items() if sum(walk) == at.length)
        assert at.norm == pytest.approx((total.norm() / whole.norm()).item(), rel=1e-3)
        share = ((total * whole).sum() / whole.square().sum()).item()
        assert at.share == pytest.approx(share, rel=1e-2, abs=1e-4)
    names = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1)]
    for path in sampled:
        walk = tuple(int(name in path.branches) for name in names)
        expected = (paths[walk].norm() / whole.norm()).item()
        assert path.norm == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "shape", "blocks"),
    [
        (lambda: preact_resnet(14, width=2, in_channels=1), (8, 1, 8, 8), 6),
        (lambda: torchvision.models.resnet18(num_classes=10), (4, 3, 32, 32), 8),
    ],
)
def test_other_residual_networks_are_split_without_a_rest(model, shape, blocks):
    torch.manual_seed(0)
    images, labels = batch(shape[0], shape[1], shape[2])
    measured = gradient_by_length(stir(model()), images, labels)
    assert len(measured) == blocks + 1
    assert sum(at.share for at in measured) == pytest.approx(1, abs=1e-3)
    assert all(at.norm > 0 for at in measured)


def test_what_stands_between_two_blocks_belongs_to_every_path():
    model = nn.Sequential(Times(0.5), nn.AvgPool2d(2), nn.ReLU(True), Times(2.0), nn.Flatten())
    measured = gradient_by_length(model, *batch(), loss=squares)
    assert [at.share for at in measured] == pytest.approx([1 / 4.5, 2.5 / 4.5, 1 / 4.5], rel=1e-4)


class Rectified(Times):
    """A block that begins with a ReLU in place, as some pre-activation blocks do."""

    def forward(self, x):
        return super().forward(F.relu(x, inplace=True))


def test_a_block_may_begin_in_place():
    model = nn.Sequential(nn.AvgPool2d(1), Rectified(0.5), nn.Flatten())
    measured = gradient_by_length(model, *batch(), loss=squares)
    assert [at.share for at in measured] == pytest.approx([1 / 1.5, 0.5 / 1.5], rel=1e-4)


def test_dropout_draws_the_same_in_both_passes():
    model = nn.Sequential(Times(1.0), nn.Dropout(0.5), Times(1.0), nn.Flatten())
    measured = gradient_by_length(model, *batch(), loss=squares)
    assert [at.share for at in measured] == pytest.approx([0.25, 0.5, 0.25], rel=1e-4)


# As it was, and what cannot be


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("measure", [gradient_by_length, sample_path_gradients])
def test_the_model_and_the_random_state_stay_as_they_were(measure, mode):
    model = nn.Sequential(nn.Dropout(0.1), cifar_resnet(8, width=2, in_channels=1)).train(mode)
    images, labels = batch()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, copied = torch.get_rng_state(), images.clone()
    with torch.no_grad():
        measure(model, images, labels)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(images, copied)
    assert {module.training for module in model.modules()} == {mode}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(w.grad is None and w.requires_grad for w in model.parameters())
    assert not images.requires_grad
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_one_seed_draws_the_same_paths_and_another_one_others():
    model = cifar_resnet(20, width=2, in_channels=1)

    def drawn(seed):
        return sample_path_gradients(model, *batch(), lengths=[4], samples=5, seed=seed)

    assert drawn(0) == drawn(0)
    assert [path.branches for path in drawn(0)] != [path.branches for path in drawn(1)]


class Around(nn.Module):
    """A shortcut around two blocks, which no chain has."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Times(0.5), Times(0.5))

    def forward(self, x):
        return (x + self.blocks(x)).flatten(1)


@pytest.mark.parametrize("measure", [gradient_by_length, sample_path_gradients])
def test_a_network_that_is_no_chain_is_refused(measure):
    images, labels = batch(4)
    with pytest.raises(ValueError, match=r"^the gradient does not come back block by block .*; pa"):
        measure(Around(), images, labels, loss=squares)


@pytest.mark.parametrize("measure", [gradient_by_length, sample_path_gradients])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": cifar_resnet(8, False, 2, 1)}, "asked of a CifarResNet, but it has no resid"),
        ({"images": torch.zeros(0, 1, 8, 8)}, "was given no image .*, but .*; pass at least one"),
        ({"images": torch.zeros(2, 1, 8, 8).byte()}, "uint8 values, but .*; scale the images"),
        ({"training": 1}, "^training is 1, but it must be True or False; "),
    ],
)
def test_arguments_that_cannot_be_are_refused(measure, change, words):
    images, labels = batch(2)
    right = {"model": cifar_resnet(8, True, 2, 1), "images": images, "labels": labels}
    with pytest.raises((TypeError, ValueError), match=words):
        measure(**(right | change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": [4]}, "^lengths holds 4, but the network has 3 residual blocks; pass numb"),
        ({"lengths": [-1]}, "^lengths is -1, but "),
        ({"samples": 0}, "^samples is 0, but "),
        ({"seed": None}, "^seed is None, but "),
    ],
)
def test_paths_that_cannot_be_drawn_are_refused(change, words):
    with pytest.raises((TypeError, ValueError), match=words):
        sample_path_gradients(cifar_resnet(8, True, 2, 1), *batch(), **change)
