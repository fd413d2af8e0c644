"""The small variants: of equal cost, made of the package's blocks, each of its own."""

import pytest
import torch
from torch import nn

from resnet_lessons import Bottleneck, PreActBlock, cifar_resnet, resnet50, shape_table, wide_resnet
from resnet_lessons.lab.experiments import EXPERIMENTS, SEEDS
from resnet_lessons.lab.variants import LEVELS, SETTINGS, layers_with_weights, small_variant
from resnet_lessons.networks.hrnet import HighResolutionModule, HRNet
from resnet_lessons.networks.preact import PreActResNet
from resnet_lessons.networks.res2net import Res2NetBlock
from resnet_lessons.networks.resnet import ResNet

KINDS = list(SETTINGS)
each = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("level", LEVELS)
@each
def test_each_costs_what_its_level_says_to_within_5_percent(kind, level):
    table = shape_table(small_variant(kind, level), (1, 1, 14, 14))
    assert table.multiply_adds == pytest.approx(level * 1e6, rel=0.05)


@each
def test_each_gives_scores_learns_and_is_wider_at_a_higher_level(kind):
    nets = [small_variant(kind, level, 3, 7) for level in LEVELS]
    for net in nets:
        scores = net(torch.randn(2, 3, 14, 14))
        assert scores.shape == (2, 7)
        scores.square().sum().backward()
        assert all(weight.grad is not None for weight in net.parameters())
    counts = [sum(weight.numel() for weight in net.parameters()) for net in nets]
    assert counts == sorted(set(counts))


@each
def test_the_maps_are_halved_twice_and_no_more(kind):
    sizes = {
        row.output[2:]
        for row in shape_table(small_variant(kind, 1.2), (1, 1, 14, 14), depth=9)
        if row.kind == "Conv2d"
    }
    assert sizes == {(14, 14), (7, 7), (4, 4)}


def blocks(kind, type_, level=1.2):
    return [m for m in small_variant(kind, level).modules() if isinstance(m, type_)]


def test_each_is_made_of_its_own_blocks():
    assert isinstance(small_variant("residual", 1.2), type(cifar_resnet(20)))
    assert {type(small_variant(kind, 1.2)) for kind in ("wide", "pre-activation")} == {PreActResNet}
    assert len(blocks("pre-activation", PreActBlock)) == 9
    assert len(blocks("wide", PreActBlock)) == 3
    groups = {kind: {b.conv2.groups for b in blocks(kind, Bottleneck)} for kind in KINDS[3:5]}
    assert groups == {"bottleneck": {1}, "ResNeXt": {4}}
    assert {len(block.convs) for block in blocks("Res2Net", Res2NetBlock)} == {3}
    assert any(block.chained for block in blocks("Res2Net", Res2NetBlock))
    branches = [len(m.branches) for m in blocks("HRNet", HighResolutionModule)]
    assert branches == [2, 3]


@pytest.mark.parametrize("level", LEVELS)
def test_the_wide_one_is_wider_and_shallower_than_the_residual_one(level):
    wide, thin = small_variant("wide", level), small_variant("residual", level)
    assert layers_with_weights(wide) < layers_with_weights(thin) / 2
    assert wide.fc.in_features > 1.5 * thin.fc.in_features


def test_the_wide_one_is_built_as_the_paper_builds_them():
    ours, papers = PreActResNet(16, 16, 1, 1, 10, "projection"), wide_resnet(10, 1, 1)
    shapes = [{n: w.shape for n, w in net.state_dict().items()} for net in (ours, papers)]
    assert shapes[0] == shapes[1]


def test_layers_are_counted_as_the_names_of_resnets_count_them():
    with torch.device("meta"):
        assert layers_with_weights(resnet50()) == 50
    assert layers_with_weights(cifar_resnet(20)) == 20
    assert layers_with_weights(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(1, 1))) == 2


@pytest.mark.parametrize(
    ("kind", "level", "words"),
    [
        ("resnext", 1.2, "kind is 'resnext'.*did you mean 'ResNeXt'"),
        ("residual", 3, "level is 3, but it must be one of 1.2, 2.1, 4.0; choose"),
    ],
)
def test_what_there_is_not_is_named(kind, level, words):
    with pytest.raises(ValueError, match=words):
        small_variant(kind, level)


# The experiment


def test_the_experiment_has_every_kind_at_every_cost_with_one_recipe():
    trainings = EXPERIMENTS["variants-mini"].runs
    assert {(t.kind, t.x, t.unit, t.seed) for t in trainings} == {
        (kind, cost, "million", seed) for kind in KINDS for cost in LEVELS for seed in SEEDS
    }
    assert len({str(sorted(t.recipe.items())) for t in trainings}) == 1
    for training in trainings:
        built, expected = training.build(1, 10), small_variant(training.kind, training.x)
        assert repr(built) == repr(expected)
        assert training.depth == layers_with_weights(expected)


def test_networks_for_small_images_and_large_ones_share_one_class():
    for kind, cls in (("bottleneck", ResNet), ("Res2Net", ResNet), ("HRNet", HRNet)):
        assert type(small_variant(kind, 4.0)) is cls
