"""What is stored of changed networks: each figure is computed from the values that it names."""

from statistics import mean

import pytest
import torch

from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import mechanisms, perturbations
from resnet_lessons.lab.propagation import at
from resnet_lessons.measure import find_blocks, lesion_errors, loss_along, random_direction
from resnet_lessons.networks.cifar import cifar_resnet

FIGURES = {
    "lesions": perturbations.LESION_FIGURES,
    "single lesions": perturbations.SINGLE_FIGURES,
    "paths": perturbations.PATH_FIGURES,
    "slices": perturbations.SLICE_FIGURES,
}


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(520, 500)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return cifar_resnet(14, width=2, in_channels=1).eval()


@pytest.fixture(scope="module")
def values(mini, net):
    patch = pytest.MonkeyPatch()
    patch.setattr(perturbations, "COUNTS", (0, 1, 3))
    patch.setattr(perturbations, "DRAWS", 2)
    found = {name: list(mechanisms.MEASUREMENTS[name].measure(net, mini, 0)) for name in FIGURES}
    patch.undo()
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_to_be_had_from_the_values(values, name):
    assert mechanisms.MEASUREMENTS[name].summaries == FIGURES[name]
    for figure in FIGURES[name].values():
        assert isinstance(figure(values[name]), float)


def test_lesions_are_those_of_the_blocks_that_keep_the_shape(values, mini, net):
    names = [f"layer{stage}.{block}" for stage, block in ((1, 0), (1, 1), (2, 1), (3, 1))]
    for kind in ("removed", "swapped"):
        found = lesion_errors(net, mini, names, (0, 1, 3), kind, draws=2)
        errors = at(values["lesions"], lesion=kind, anew=0)
        assert errors == [lesion.error for lesion in found]
    anew = lesion_errors(net, mini, names, (3,), draws=2, recalibration=500)
    figure = FIGURES["lesions"]["… 3 removed, statistics measured anew"]
    assert figure(values["lesions"]) == pytest.approx(mean(lesion.error for lesion in anew))


def test_single_lesions_say_which_block_downsamples(values, mini, net):
    single = values["single lesions"]
    assert [(one["block"], one.get("stage"), one.get("downsamples")) for one in single] == [
        (None, None, None),
        ("layer1.0", 1, False),
        ("layer1.1", 1, False),
        ("layer2.0", 2, True),
        ("layer2.1", 2, False),
        ("layer3.0", 3, True),
        ("layer3.1", 3, False),
    ]
    blocks = [block.name for block in find_blocks(net, torch.zeros(1, 1, 7, 7))]
    whole, *others = (v.error for v in lesion_errors(net, mini, blocks, (0, 1), draws=6))
    assert at(single) == [whole, *others]


def test_costs_are_counted_from_the_whole_network():
    single = [{"block": None, "value": 10.0}]
    for stage, downsamples, error in ((1, False, 20.0), (1, False, 14.0), (2, True, 40.0)):
        place = {"block": "one", "stage": stage, "downsamples": downsamples}
        single.append({**place, "value": error})
    single.append({"block": "last", "stage": 2, "downsamples": False, "value": 11.0})
    figures = [figure(single) for figure in FIGURES["single lesions"].values()]
    assert figures == [30, 5, 7]


def test_figures_of_paths_are_weighted_means():
    found = []
    for length, (count, norm, one) in enumerate([(1, 0.5, 0.4), (2, 1.0, 0.2), (1, 0.5, 0.1)]):
        figures = {"paths": count, "norm": norm, "share": 0.1, "norm of one": one}
        found += [{"figure": f, "length": length, "value": v} for f, v in figures.items()]
    figures = [figure(found) for figure in FIGURES["paths"].values()]
    expected = [1, (0.4 * 1 + 0.1 * 2) / 0.9, (1 + 2 * 0.5) / 2, 0.5, 0.9 / 2]
    assert figures == pytest.approx(expected)


def test_slices_are_those_of_three_directions(values, mini, net):
    images, labels = mini.normalize(mini.train.images[:256]), mini.train.labels[:256]
    rises = []
    for seed in range(3):
        direction = random_direction(net, seed, "whole")
        low, centre, high = loss_along(net, images, labels, direction, (-0.5, 0, 0.5), True)
        rises += [low - centre, high - centre]
    figure = FIGURES["slices"]["… rise at distance 0.5, whole, statistics of the batch"]
    assert figure(values["slices"]) == pytest.approx(mean(rises), rel=1e-4)
