"""The named experiments: He et al.'s recipe and the article's, number by number."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from resnet_lessons.data.dataset import Dataset, Split
from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import experiments
from resnet_lessons.lab.experiments import (
    ARTICLE,
    EXPERIMENTS,
    PAPER,
    START,
    article_images,
    xavier_init,
)
from resnet_lessons.networks.blocks import BasicBlock
from resnet_lessons.networks.lesson_nine import LessonNineBlock, lesson_nine
from resnet_lessons.training import train

PAPERS = EXPERIMENTS["degradation-cifar10"].runs


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_two_trainings_of_an_experiment_are_alike(name):
    """Neither in what they are, nor in what they are called."""
    runs = EXPERIMENTS[name].runs
    assert len({run.key for run in runs}) == len(runs)
    assert len({(run.label, run.seed) for run in runs}) == len(runs)
    assert EXPERIMENTS[name].published.keys() <= {(run.kind, run.depth) for run in runs}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_recipe_is_one_that_train_takes(name):
    data = load(device="cpu").pooled(4).take(64, 20)
    model = nn.Sequential(nn.Flatten(), nn.Linear(49, 10))
    recipes = {str(t.recipe): t.recipe for t in EXPERIMENTS[name].runs}
    for recipe in recipes.values():
        recipe = {**recipe, "epochs": 1, "steps": 1}
        assert len(train(model, data, **recipe, progress=False)) == 1


def test_the_papers_networks_are_all_there():
    """He et al. 2015, Table 6 and Fig. 6."""
    found = {(training.kind, training.depth) for training in PAPERS}
    pairs = {(net, depth) for net in ("plain", "residual") for depth in (20, 32, 44, 56)}
    assert found == pairs | {("residual", 110)}
    assert {training.seed for training in PAPERS} == {0, 1, 2}


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)
def test_their_parameters_are_those_that_the_paper_counts(depth, millions):
    digits = 1 if depth == 110 else 2
    for training in PAPERS:
        if training.depth == depth and training.seed == 0:
            model = training.build(3, 10)
            count = sum(weight.numel() for weight in model.parameters())
            assert round(count / 1e6, digits) == millions


def test_the_papers_recipe_is_written_out():
    """§4.2: 64k steps of 128 images, rate 0.1 ÷ 10 at 32k and 48k, decay 1e-4, momentum 0.9."""
    expected = dict(steps=64_000, batch_size=128, lr=0.1, momentum=0.9, weight_decay=1e-4)
    expected |= dict(schedule="steps", augmented=True, padding=4)
    for training in PAPERS:
        assert expected.items() <= training.recipe.items()
        assert training.recipe.get("warmup") == (400 if training.depth == 110 else None)
    assert PAPER["epochs"] == math.ceil(64_000 / math.ceil(50_000 / 128))


def test_the_papers_errors_are_quoted():
    published = EXPERIMENTS["degradation-cifar10"].published
    assert [published["residual", depth][:4] for depth in (20, 32, 44, 56, 110)] == [
        "8.75",
        "7.51",
        "7.17",
        "6.97",
        "6.43",
    ]
    assert not any(net == "plain" for net, _ in published), "the paper has curves of them alone"


# The article


def test_the_article_trains_by_gradient_descent_alone():
    assert ARTICLE["batch_size"] == 64 and ARTICLE["lr"] == 0.01 and ARTICLE["epochs"] == 20
    assert ARTICLE["momentum"] == ARTICLE["weight_decay"] == 0
    assert ARTICLE["schedule"] == "constant" and ARTICLE["augmented"] is False


@pytest.mark.parametrize("name", ["lesson-nine", "lesson-nine-mini"])
def test_each_mending_changes_one_thing_and_keeps_those_before(name):
    trainings = [training for training in EXPERIMENTS[name].runs if training.seed == 0]
    changes = []
    for before, after in pairwise(trainings):
        blocks = [
            any(isinstance(m, LessonNineBlock) for m in training.build(3, 10).modules())
            for training in (before, after)
        ]
        changed = {k for k in after.recipe if after.recipe[k] != before.recipe.get(k)}
        if blocks[0] != blocks[1]:
            changed.add("block")
        changes.append(changed)
    assert changes == [
        {"block"},
        {"augmented", "padding"},
        {"momentum"},
        {"schedule"},
        {"weight_decay"},
    ]
    assert ARTICLE.items() - trainings[0].recipe.items() <= {("epochs", 20)}


def test_the_published_training_has_the_articles_block_and_only_it():
    for training in EXPERIMENTS["lesson-nine"].runs:
        model = training.build(3, 10)
        faithful = any(isinstance(module, LessonNineBlock) for module in model.modules())
        assert faithful == (training.kind == "as published")


def test_the_weights_are_drawn_as_d2l_draws_them():
    """Uniform between ±√(6 / (fan in + fan out)); biases and batch normalisation stay."""
    torch.manual_seed(0)
    model = lesson_nine().requires_grad_(False)
    before = {name: value.clone() for name, value in model.named_parameters()}
    xavier_init(model)
    for name, value in model.named_parameters():
        if value.dim() == 1:
            assert torch.equal(value, before[name])
            continue
        fans = (value.shape[0] + value.shape[1]) * value[0, 0].numel()
        bound = math.sqrt(6 / fans)
        assert 0.97 * bound < value.abs().max() <= bound
        assert value.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_the_images_are_scaled_as_the_article_does(monkeypatch):
    def noise(count):
        images = torch.randint(256, (count, 3, 32, 32)).to(torch.uint8)
        return Split(images, torch.randint(10, (count,)))

    torch.manual_seed(0)
    names, third = tuple("abcdefghij"), (0.1, 0.1, 0.1)
    whole = Dataset("cifar10", noise(50), noise(30), names, third, third)
    monkeypatch.setattr(experiments, "load", {"cifar10": whole}.get)
    data = article_images(72, 30, 20)
    assert data.image_size == (72, 72) and (len(data.train), len(data.test)) == (30, 20)
    pixels = data.train.images[:4]
    torch.testing.assert_close(data.normalize(pixels), (pixels / 255 - 0.5) / 0.5)


# The start


STARTS = {
    training.label: training for training in EXPERIMENTS["start-mini"].runs if training.seed == 0
}


def built(label):
    torch.manual_seed(0)
    return STARTS[label].build(1, 10)


def residual_blocks(model):
    return [module for module in model.modules() if isinstance(module, BasicBlock)]


@pytest.mark.parametrize("label", STARTS)
def test_a_start_is_the_network_that_its_fields_say(label):
    model, start = built(label), STARTS[label]
    assert model.depth == start.depth and (model.kind == "plain") == (start.kind == "plain")
    named = start.depth == 44 and label not in ("plain-44", "residual-44")
    assert (start.x, start.unit) == ((44, "layers") if named else (None, None))


def test_the_starts_are_called_as_ever():
    assert list(STARTS) == [
        "residual-20",
        "zero branches",
        "projection",
        "projection everywhere",
        "ReLU before addition",
        "residual-44",
        "zero branches, 44 layers",
        "plain-44",
        "plain, warm-up, 44 layers",
    ]


@pytest.mark.parametrize("depth", [20, 44])
def test_zero_branches_change_the_last_scales_and_nothing_else(depth):
    name = "zero branches" if depth == 20 else "zero branches, 44 layers"
    changed, unchanged = built(name), built(f"residual-{depth}")
    for key, tensor in changed.state_dict().items():
        zero = key.startswith("layer") and key.endswith("bn2.weight")
        assert not tensor.any() if zero else torch.equal(tensor, unchanged.state_dict()[key]), key
    assert sum(not block.bn2.weight.any() for block in residual_blocks(changed)) == (depth - 2) / 2


def test_with_a_relu_before_the_addition_nothing_shrinks_the_stream():
    changed, unchanged = built("ReLU before addition"), built("residual-20")
    for one, other in zip(changed.parameters(), unchanged.parameters(), strict=True):
        assert torch.equal(one, other)
    x = torch.rand(4, 8, 14, 14)
    for block in residual_blocks(changed.layer1):
        y = block(x)
        assert (y >= x).all() and not torch.equal(x, y)
        x = y
    x = torch.rand(4, 8, 14, 14)
    assert (unchanged.layer1[0](x) < x).any()


def test_a_start_differs_in_one_thing_from_the_network_without_it():
    recipes = {key: training.recipe for key, training in STARTS.items()}
    warm = {key for key, recipe in recipes.items() if recipe.get("warmup")}
    assert warm == {"plain, warm-up, 44 layers"}
    for key, recipe in recipes.items():
        assert recipe == (START | {"warmup": 40} if key in warm else START)
    projections = {
        label: sum(
            isinstance(block.downsample, nn.Sequential) for block in residual_blocks(built(label))
        )
        for label, start in STARTS.items()
        if start.depth == 20
    }
    assert projections.pop("projection") == 2 and projections.pop("projection everywhere") == 9
    assert not any(projections.values())
