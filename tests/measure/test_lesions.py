"""Lesions: what is removed is what was asked for, and the network itself stays whole."""

import math

import pytest
import torch
import torchvision
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.data.sets.loading import load
from resnet_lessons.measure import (
    Block,
    Lesion,
    find_blocks,
    lesion_errors,
    removed,
    reordered,
    settled,
    shuffled,
    swapped,
)
from resnet_lessons.networks.blocks import BasicBlock, Bottleneck, PlainBlock
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.lesson_nine import LessonNineBlock
from resnet_lessons.networks.preact import PreActBlock
from resnet_lessons.networks.res2net import Res2NetBlock
from resnet_lessons.training.evaluation import evaluate


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(200, 60)


@pytest.fixture
def images():
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def net(residual=True, depth=14):
    torch.manual_seed(0)
    return stir(cifar_resnet(depth, residual, width=2, in_channels=1)).eval()


def scores(model, images):
    with torch.no_grad():
        return model(images)


# Finding blocks

NAMES = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1)]


@pytest.mark.parametrize("residual", [True, False])
def test_blocks_are_found_with_what_they_do_to_the_shape(images, residual):
    changing = {"layer2.0", "layer3.0"}
    expected = [Block(name, residual, name not in changing) for name in NAMES]
    assert find_blocks(net(residual), images) == expected


def test_torchvisions_blocks_are_found():
    found = find_blocks(torchvision.models.resnet18(), torch.randn(2, 3, 64, 64))
    names = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert [block.name for block in found] == names and all(block.residual for block in found)
    assert [block.keeps_shape for block in found] == [True, True] + 3 * [False, True]


def test_blocks_are_found_as_they_run_and_not_those_that_do_not(images):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.never, self.first = (PlainBlock(1, 1) for _ in range(3))

        def forward(self, x):
            return self.second(self.first(self.first(x)))

    assert [block.name for block in find_blocks(Odd(), images)] == ["first", "second"]


def test_classes_of_ones_own_can_be_blocks_without_a_shortcut(images):
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 2, 3))
    found = find_blocks(model, images, plain=(nn.Conv2d,))
    assert found == [Block("0", False, True), Block("1", False, False)]
    with pytest.raises(ValueError, match=r"find_blocks was given a Sequential, but .*; pass a"):
        find_blocks(model, images)


# Removing


@pytest.mark.parametrize("names", [["layer1.0"], ["layer2.0"], ["layer1.1", "layer3.0"], NAMES])
def test_a_residual_net_without_blocks_is_its_shortcuts(images, names):
    model = net()
    x = model.relu(model.bn1(model.conv1(images)))
    for name in NAMES:
        block = model.get_submodule(name)
        x = block.downsample(x) if name in names else block(x)  # nothing here is negative
    expected = model.fc(model.avgpool(x).flatten(1))
    assert torch.equal(scores(removed(model, names), images), expected)


@pytest.mark.parametrize("names", [["layer1.0"], ["layer2.1", "layer3.1"]])
def test_a_plain_net_without_blocks_is_the_others(images, names):
    model = net(residual=False)
    x = model.relu(model.bn1(model.conv1(images)))
    for name in NAMES:
        x = x if name in names else model.get_submodule(name)(x)
    expected = model.fc(model.avgpool(x).flatten(1))
    assert torch.equal(scores(removed(model, names), images), expected)


def test_nothing_removed_is_the_network(images):
    assert torch.equal(scores(removed(net(), []), images), scores(net(), images))


def active(block, x):
    return block.relu(block.bn1(x))


RELU = {
    "projection": (BasicBlock(2, 4, 2), lambda b, x: F.relu(b.downsample(x))),
    "padding": (BasicBlock(2, 4, 2, "padding"), lambda b, x: F.relu(b.downsample(x))),
    "identity": (BasicBlock(2, 2), lambda b, x: F.relu(x)),
    "bottleneck": (Bottleneck(2, 4), lambda b, x: F.relu(b.downsample(x))),
    "res2net": (Res2NetBlock(2, 8, 2), lambda b, x: F.relu(b.downsample(x))),
    "lesson nine": (LessonNineBlock(2, 4, 2, True), lambda b, x: F.relu(b.downsample(x))),
    "pre-activation": (PreActBlock(2, 2), lambda b, x: x),
    "shared activation": (PreActBlock(2, 4, 2), lambda b, x: b.downsample(active(b, x))),
    "torchvision": (torchvision.models.resnet.BasicBlock(2, 2), lambda b, x: F.relu(x)),
}


@pytest.mark.parametrize("kind", RELU)
@pytest.mark.parametrize("training", [False, True])
def test_what_is_left_of_any_residual_block_is_its_shortcut(kind, training):
    """Also where x or the shortcut is negative: the ReLU after the addition, if any, stays."""
    block, shortcut = RELU[kind]
    model = nn.Sequential(stir(block)).train(training)
    x = torch.randn(3, 2, 8, 8)
    found = scores(removed(model, ["0"]), x)
    with torch.no_grad():
        expected = shortcut(block, x.clone())
    assert torch.allclose(found, expected, atol=1e-6)
    assert (expected < 0).any() == (kind in ("pre-activation", "shared activation"))


def test_a_removed_block_passes_the_gradient_of_its_shortcut_alone():
    block = stir(BasicBlock(2, 4, 2))
    x = torch.randn(3, 2, 8, 8, requires_grad=True)
    z = x.detach().clone().requires_grad_()
    removed(nn.Sequential(block.eval()), ["0"])(x).sum().backward()
    F.relu(block.downsample(z)).sum().backward()
    assert torch.allclose(x.grad, z.grad)


def test_the_first_pass_counts_no_batch_twice():
    model = nn.Sequential(BasicBlock(2, 4, 2)).train()
    trial = removed(model, ["0"])
    trial(torch.randn(3, 2, 8, 8))
    assert trial[0].block.downsample[1].num_batches_tracked == 1


def test_a_plain_block_that_changes_the_shape_cannot_be_removed(images):
    words = (
        r"^block 'layer2.0' turns \(2, 8, 8\) into \(4, 4, 4\), but it has no shortcut .*; remove"
    )
    with pytest.raises(ValueError, match=words):
        removed(net(residual=False), ["layer2.0"])(images)


class Shifted(BasicBlock):
    """A branch that goes on behind its last layer with weights, and not through zero."""

    def forward(self, x):
        return self.bn1(self.conv1(x)).exp() + self.downsample(x)


def test_a_branch_whose_end_is_not_known_is_refused():
    with pytest.raises(ValueError, match=r"^block '0' gives more than its shortcut .*, but .*; ch"):
        removed(nn.Sequential(Shifted(2, 2)), ["0"])(torch.randn(3, 2, 8, 8))


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.downsample = nn.Identity()

    def forward(self, x):
        return x + self.downsample(x)


def test_a_block_without_weights_is_refused():
    with pytest.raises(ValueError, match=r"^block '0' ran no layer with weights, but .*; name a"):
        removed(nn.Sequential(Bare()), ["0"])(torch.randn(3, 2, 8, 8))


@pytest.mark.parametrize("change", [removed, shuffled])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("layer1.0", r"^names is 'layer1.0', but it must be a list of names; pass names=\["),
        (["layer1.0", "layer1.0"], "^names holds 'layer1.0' twice, but .*; leave one out"),
        (["layer1.7"], "^block is 'layer1.7', but it must be one of .*; did you mean 'layer1"),
    ],
)
def test_names_that_are_none_are_refused(change, names, words):
    with pytest.raises((TypeError, ValueError), match=words):
        change(net(), names)


# Reordering


def order(model):
    """Which original block stands at each place, by the tensors' sizes of its first scale."""
    return [model.get_submodule(name).bn1.weight.detach().clone() for name in NAMES]


def test_reordered_blocks_stand_where_they_were_sent(images):
    model = net(depth=20)
    names = ["layer1.0", "layer1.1", "layer1.2"]
    trial = reordered(model, names, (2, 0, 1))
    for place, origin in zip(names, ("layer1.2", "layer1.0", "layer1.1"), strict=True):
        for found, expected in zip(
            trial.get_submodule(place).parameters(),
            model.get_submodule(origin).parameters(),
            strict=True,
        ):
            assert torch.equal(found, expected) and found is not expected
    a, b, c = model.layer1
    x = model.relu(model.bn1(model.conv1(images)))
    rest = nn.Sequential(c, a, b, model.layer2, model.layer3, model.avgpool, nn.Flatten(), model.fc)
    assert torch.equal(scores(trial, images), scores(rest, x))


def test_a_swap_exchanges_two_and_twice_is_no_change(images):
    model = net()
    once = swapped(model, "layer1.0", "layer1.1")
    assert torch.equal(order(once)[0], order(model)[1])
    assert torch.equal(order(once)[1], order(model)[0])
    assert not torch.equal(scores(once, images), scores(model, images))
    twice = swapped(once, "layer1.0", "layer1.1")
    assert torch.equal(scores(twice, images), scores(model, images))


@pytest.mark.parametrize(
    ("one", "other"), [("layer1.0", "layer2.0"), ("layer1.0", "layer2.1"), ("layer2.0", "layer2.1")]
)
def test_blocks_of_different_shapes_cannot_be_swapped(one, other):
    words = f"^block '{other}' would come to the place of '{one}', but .*; exchange blocks of one"
    with pytest.raises(ValueError, match=words):
        swapped(net(), one, other)


@pytest.mark.parametrize("order", [(0,), (0, 0), (1, 2), (0, 1, 2)])
def test_an_order_that_is_none_is_refused(order):
    with pytest.raises(ValueError, match=r"^order is \(.*, but it must hold .* from 0 to 1 once; "):
        reordered(net(), ["layer1.0", "layer1.1"], order)


def test_shuffling_mixes_each_shape_by_itself():
    model = net(depth=32)
    names = [b.name for b in find_blocks(model, torch.randn(1, 1, 8, 8))]
    assert len(names) == 15
    first = {name: model.get_submodule(name).bn1.weight for name in names}
    trials = [shuffled(model, names, seed) for seed in range(3)]
    orders = []
    for trial in trials:
        found = []
        for name in names:
            weight = trial.get_submodule(name).bn1.weight
            (origin,) = (n for n, w in first.items() if torch.equal(w, weight))
            assert origin.split(".")[0] == name.split(".")[0]
            assert (origin == name) or not name.endswith(".0") or name == "layer1.0"
            found.append(origin)
        assert sorted(found) == sorted(names)
        orders.append(tuple(found))
    assert len({*orders, tuple(names)}) == 4
    again = shuffled(model, names, 1)
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), trials[1].parameters(), strict=True)
    )


# Measuring errors


SAME = [name for name in NAMES if name not in ("layer2.0", "layer3.0")]


def test_the_errors_are_those_of_the_lesioned_network(mini):
    model = net()
    lesions = lesion_errors(model, mini, SAME, (0, 2), draws=3)
    whole, *others = lesions
    result = evaluate(model, mini)
    assert whole == Lesion("removed", 0, (), result.error, result.loss)
    assert len(others) == 3
    for lesion in others:
        assert lesion.count == len({*lesion.blocks}) == 2 and {*lesion.blocks} <= {*SAME}
        result = evaluate(removed(model, lesion.blocks), mini)
        assert (lesion.error, lesion.loss) == (result.error, result.loss)


def test_every_block_is_removed_in_turn_where_draws_suffice(mini):
    single = lesion_errors(net(), mini, NAMES, [1], draws=6)
    assert [lesion.blocks for lesion in single] == [(name,) for name in NAMES]
    pairs = lesion_errors(net(), mini, NAMES, [2], draws=math.comb(6, 2))
    assert len({lesion.blocks for lesion in pairs}) == 15
    assert len(lesion_errors(net(), mini, NAMES, [2], draws=14)) == 14


def test_swaps_follow_each_other(mini):
    model = net(depth=20)
    names = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]
    lesions = lesion_errors(model, mini, names, (0, 1, 3), kind="swapped", draws=4)
    assert [lesion.count for lesion in lesions] == [0, 1, 1, 1, 1, 3, 3, 3, 3]
    for lesion in lesions:
        assert len(lesion.blocks) == 2 * lesion.count and lesion.kind == "swapped"
        trial = model
        for one, other in zip(lesion.blocks[::2], lesion.blocks[1::2], strict=True):
            assert one.split(".")[0] == other.split(".")[0] and one != other
            trial = swapped(trial, one, other)
        assert lesion.loss == pytest.approx(evaluate(trial, mini).loss, rel=1e-5)
    assert len({lesion.blocks for lesion in lesions}) > 5


def test_plain_and_residual_suffer_the_same_lesions_from_one_seed(mini):
    def blocks(residual, seed, kind):
        found = lesion_errors(net(residual), mini, SAME, (1, 2), kind, draws=2, seed=seed)
        return [lesion.blocks for lesion in found]

    for kind in ("removed", "swapped"):
        assert blocks(True, 0, kind) == blocks(False, 0, kind)
    assert blocks(True, 0, "removed") != blocks(True, 1, "removed")


def test_a_lesion_may_be_followed_by_a_recalibration(mini):
    model = net()
    (lesion,) = lesion_errors(model, mini, ["layer1.0"], [1], recalibration=100)
    trial = settled(removed(model, ["layer1.0"]), mini.normalize(mini.train.images[:100]))
    assert lesion.loss == evaluate(trial, mini).loss
    assert lesion.loss != evaluate(removed(model, ["layer1.0"]), mini).loss


@pytest.mark.parametrize("kind", ["removed", "swapped"])
@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_random_state_stay_as_they_were(mini, kind, training):
    model = nn.Sequential(net(), nn.Dropout(0.5)).train(training)
    model[0].layer1.eval()  # modes that differ stay different
    modes = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modules, state = [*model.modules()], torch.get_rng_state()
    names = [f"0.{name}" for name in SAME]
    lesion_errors(model, mini, names, (0, 1), kind=kind, draws=2, recalibration=50)
    shuffled(model, names)
    find_blocks(model, torch.randn(1, 1, 7, 7, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)
    assert [*model.modules()] == modules
    assert [module.training for module in model.modules()] == modes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(weight.grad is None for weight in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_no_hook_stays_in_the_copy_either(images):
    trial = removed(net(), ["layer1.0"])
    first, second = (scores(trial, images) for _ in range(2))
    assert torch.equal(first, second)
    assert not any(module._forward_hooks for module in trial.modules())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"counts": [5]}, "^counts holds 5, but there are only 4 blocks .*; remove at most 4"),
        ({"counts": [-1]}, "^counts is -1, but it must be at least 0; "),
        ({"counts": [1.5]}, "^counts is 1.5, but it must be a whole number"),
        ({"kind": "deleted"}, "^kind is 'deleted', but it must be one of 'removed', 'swapped'; "),
        ({"draws": 0}, "^draws is 0, but "),
        ({"seed": -1}, "^seed is -1, but "),
        ({"recalibration": -1}, "^recalibration is -1, but "),
        (
            {"names": ["layer1.0", "layer2.1"], "kind": "swapped"},
            r"^names is \['layer1.0', 'layer2.1'\], but no two .*; name some that can be swapped",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(mini, arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        lesion_errors(net(), mini, **({"names": SAME, "counts": [1]} | arguments))
