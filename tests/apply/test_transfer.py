"""The pieces of a transfer: fewer classes and images, new heads and channels, frozen features."""

import copy
from dataclasses import replace

import matplotlib
import pytest
import torch
from images import small
from stirring import stir
from torch import nn
from trainings import copied, quiet, same

from resnet_lessons.apply.transfer import (
    change_channels,
    few,
    freeze_features,
    head_name,
    new_head,
    only,
)
from resnet_lessons.data.dataset import Split
from resnet_lessons.data.sets.loading import load
from resnet_lessons.lab import experiments, summary, sweep
from resnet_lessons.lab.experiments import EXPERIMENTS
from resnet_lessons.lab.results import RunStore
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.lesson_nine import lesson_nine
from resnet_lessons.networks.resnet import resnet18
from resnet_lessons.training import train

matplotlib.use("Agg")  # no window, whatever the machine has


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(600, 200)


# Classes


def test_only_the_images_of_the_classes_are_left_in_their_order(mini):
    data = only(mini, ("Bag", "Coat", "Shirt"))
    assert data.class_names == ("Bag", "Coat", "Shirt") and data.num_classes == 3
    assert (data.mean, data.std) == (mini.mean, mini.std)
    assert data.title == f"{mini.title}, 3 classes: Bag, Coat, Shirt"
    for old, new in ((mini.train, data.train), (mini.test, data.test)):
        rows = [
            (image, mini.class_names[label])
            for image, label in zip(old.images, old.labels, strict=True)
            if mini.class_names[label] in data.class_names
        ]
        assert len(rows) == len(new)
        for (image, name), found, label in zip(rows, new.images, new.labels, strict=True):
            assert torch.equal(image, found) and data.class_names[label] == name


@pytest.mark.parametrize(
    ("classes", "part"),
    [
        (("Bag", "Coatt"), r"classes\[1\] is 'Coatt', but .* did you mean 'Coat'"),
        (("Bag",), r"classes is \('Bag',\), but there must be at least two"),
        ((), "at least two"),
        (("Bag", "Bag"), "each named once"),
    ],
)
def test_classes_that_cannot_be_taken(mini, classes, part):
    with pytest.raises(ValueError, match=part):
        only(mini, classes)


# Few images


def rows_of(data, split):
    """The row in `data` of each image of `split`."""
    known = {image.numpy().tobytes(): row for row, image in enumerate(data.train.images)}
    assert len(known) == len(data.train), "two images are alike, and cannot be told apart"
    return [known[image.numpy().tobytes()] for image in split.images]


@pytest.mark.parametrize("images", [10, 40, 200])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_draw_has_as_many_of_each_class(mini, images, seed):
    data = few(mini, images, seed)
    assert data.train.labels.bincount().tolist() == [images // 10] * 10
    rows = rows_of(mini, data.train)
    assert len(set(rows)) == images
    assert torch.equal(data.train.labels, mini.train.labels[rows])
    assert data.test is mini.test


def test_a_smaller_draw_is_part_of_a_larger_and_another_seed_is_another_draw(mini):
    first, more, other = (
        set(rows_of(mini, few(mini, n, s).train)) for n, s in ((20, 0), (50, 0), (20, 1))
    )
    assert first < more and len(first & other) < 10


def test_an_epoch_is_filled_by_repeating_all_of_them_equally(mini):
    once, filled = few(mini, 30, 2), few(mini, 30, 2, epoch=100)
    assert len(filled.train) == 100
    assert torch.equal(filled.train.images, once.train.images.repeat(4, 1, 1, 1)[:100])
    assert torch.equal(filled.train.labels, once.train.labels.repeat(4)[:100])


def test_all_images_of_a_class_can_be_taken():
    data = small(counts=(6, 4))
    assert sorted(rows_of(data, few(data, 6).train)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"images": 3}, "images is 3, but it must be a multiple of the 2 classes.*images=2"),
        ({"images": 1}, "images=2"),
        ({"images": 8}, "images is 8, but small has only 3 .*images=6"),
        ({"images": 0}, "images is 0, but"),
        ({"images": 2.0}, "images is 2.0, but"),
        ({"images": 4, "epoch": 3}, "epoch is 3, but it must hold all 4 images"),
        ({"images": 4, "epoch": "9"}, "epoch is '9', but"),
        ({"images": 4, "seed": -1}, "seed is -1, but"),
    ],
)
def test_a_draw_that_cannot_be_made(arguments, part):
    with pytest.raises((TypeError, ValueError), match=part):
        few(small(counts=(6, 4)), **arguments)


# Heads


@pytest.mark.parametrize(
    ("net", "head", "features"),
    [
        (cifar_resnet(8, width=2), "fc", 8),
        (resnet18(num_classes=3), "fc", 512),
        (lesson_nine(), "classifier.1", 512),
    ],
)
def test_a_new_head_is_all_that_is_new(net, head, features):
    before = copied(net)
    fresh = new_head(net, 5)
    assert head_name(net) == head
    assert same(before, net.state_dict()), "the original was changed"
    assert {n for n, p in fresh.named_parameters() if p.shape != before[n].shape} == {
        f"{head}.weight",
        f"{head}.bias",
    }
    assert fresh.get_submodule(head).weight.shape == (5, features)
    rest = {n: v for n, v in fresh.state_dict().items() if not n.startswith(head)}
    assert same(rest, {n: before[n] for n in rest})


def test_a_head_without_a_bias_stays_so_and_its_weights_are_newly_drawn():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False))
    assert new_head(net, 3)[1].bias is None
    torch.manual_seed(0)
    assert not torch.equal(new_head(net, 3)[1].weight, net[1].weight)


def test_what_has_no_head_is_named():
    with pytest.raises(ValueError, match="Conv2d has no linear layer, but"):
        new_head(nn.Conv2d(1, 1, 1), 2)
    with pytest.raises(ValueError, match="num_classes is 0, but"):
        new_head(cifar_resnet(8, width=2), 0)


# Frozen features


def test_only_the_head_is_trained(mini):
    torch.manual_seed(0)
    net = freeze_features(stir(cifar_resnet(8, width=2, in_channels=1)))
    before = copied(net)
    history = quiet(net, mini, weight_decay=0.1, lr=0.1)
    after = net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert history[-1].train_loss < history[0].train_loss


def test_parts_that_are_named_train_as_well(mini):
    torch.manual_seed(0)
    net = freeze_features(stir(cifar_resnet(8, width=2, in_channels=1)), but=("layer3",))
    before = copied(net)
    quiet(net, mini, 1, lr=0.1)
    after = net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith(("layer3", "fc"))}
    with pytest.raises(ValueError, match=r"but\[1\] is 'layer9', but it must be one of"):
        freeze_features(cifar_resnet(8, width=2), but=("layer9",))


def test_in_training_frozen_features_are_those_of_evaluation(mini):
    torch.manual_seed(0)
    net = stir(cifar_resnet(8, width=2, in_channels=1))
    images = mini.normalize(mini.train.images[:8])
    with torch.no_grad():
        expected = net.eval()(images)
        assert (copy.deepcopy(net).train()(images) - expected).abs().max() > 0.01
        frozen = freeze_features(net).train()(images)
    torch.testing.assert_close(frozen, expected, rtol=1e-5, atol=1e-5)


# Channels


@pytest.mark.parametrize("old", [1, 3])
@pytest.mark.parametrize("new", [1, 2, 3, 5])
@pytest.mark.parametrize("build", [resnet18, lambda **options: cifar_resnet(8, width=2, **options)])
def test_images_with_equal_channels_keep_their_scores(build, old, new):
    torch.manual_seed(0)
    net = stir(build(in_channels=old)).eval()
    grey = torch.randn(2, 1, 32, 32)
    before = copied(net)
    changed = change_channels(net, new)
    with torch.no_grad():
        expected = net(grey.expand(-1, old, -1, -1))
        found = changed(grey.expand(-1, new, -1, -1))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert same(before, net.state_dict())
    with pytest.raises(ValueError, match=f"built for {new}"):
        changed(torch.zeros(2, new + 1, 32, 32))


def test_new_channels_can_learn_apart():
    changed = change_channels(cifar_resnet(8, width=2, in_channels=1), 3)
    changed(torch.randn(4, 3, 8, 8)).square().sum().backward()
    gradient = changed.conv1.weight.grad
    assert gradient.shape == (2, 3, 3, 3) and not torch.equal(gradient[:, 0], gradient[:, 1])


def test_a_block_of_as_many_channels_as_the_images_keeps_them():
    net = cifar_resnet(8, width=3, in_channels=3)
    assert change_channels(net, 1)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


@pytest.mark.parametrize("net", [nn.Linear(2, 2), nn.Sequential(nn.Conv2d(4, 4, 1, groups=2))])
def test_a_first_layer_that_cannot_be_changed(net):
    with pytest.raises(ValueError, match="does not begin with a convolution that sees all"):
        change_channels(net, 1)


def test_in_channels_is_a_positive_whole_number():
    for value in (0, 1.0, None):
        with pytest.raises((TypeError, ValueError), match=f"in_channels is {value!r}, but"):
            change_channels(resnet18(), value)


def test_splits_stay_on_their_device_and_of_their_type(mini):
    for data in (only(mini, ("Bag", "Coat")), few(mini, 20)):
        assert isinstance(data.train, Split) and data.train.images.dtype == torch.uint8
        assert data.device == mini.device


# The experiment

SOURCE = experiments.OTHERS


@pytest.fixture
def tiny(monkeypatch):
    """transfer-mini on few small images, with a short pretraining."""
    monkeypatch.setattr(
        experiments, "load", lambda *a: load(device="cpu").take(600, 100).resized(16)
    )
    monkeypatch.setattr(experiments, "PRETRAINING", {"epochs": 1, "batch_size": 128, "lr": 0.1})
    for cache in (experiments.pretrained, sweep.images):
        cache.cache_clear()
    yield EXPERIMENTS["transfer-mini"]
    for cache in (experiments.pretrained, sweep.images):
        cache.cache_clear()


@pytest.mark.parametrize(
    ("name", "target", "source"),
    [
        ("transfer-mini", experiments.TOPS, experiments.OTHERS),
        ("transfer-near-mini", experiments.KIN, experiments.KIN_OTHERS),
    ],
)
def test_no_class_is_in_both_tasks_and_every_one_in_one(name, target, source, tiny, monkeypatch):
    assert sorted(target + source) == sorted(load(device="cpu").class_names)
    assert len(target) == 4 and EXPERIMENTS[name].data().class_names == target
    asked = []
    real = experiments.pretrained
    tuned = [t for t in EXPERIMENTS[name].runs if (t.kind, t.x) == ("fine-tuned", 20)]
    with monkeypatch.context() as patch:
        patch.setattr(experiments, "pretrained", lambda *a: asked.append(a) or real(*a))
        tuned[1].build(1, 4)
    assert asked == [(1, source)] and len(tuned) == 5


def test_the_starts_of_a_seed_see_the_same_images_in_equally_many_steps(tiny):
    mini = tiny.data()
    for count in (20, 80):
        trainings = [t for t in experiments.transfers(3, SOURCE) if t.x == count]
        assert [t.kind for t in trainings] == [
            "from scratch",
            "frozen",
            "fine-tuned",
            "frozen to layer2",
        ]
        sets = [training.images(mini) for training in trainings]
        for data in sets:
            assert torch.equal(data.train.images, sets[0].train.images)
            assert len(data.train) == 1280 and data.test is mini.test
        assert len(set(rows_of(mini, sets[0].train))) == count
    assert len({str(training.recipe) for training in tiny.runs}) == 1


def test_a_network_is_pretrained_once_a_seed_and_from_nothing_but_its_seed(tiny, monkeypatch):
    seen = []

    def counted(*arguments, **options):
        seen.append(options["seed"])
        return train(*arguments, **options)

    monkeypatch.setattr(experiments, "train", counted)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = experiments.pretrained(0, SOURCE)
    assert torch.equal(torch.get_rng_state(), state)
    assert experiments.pretrained(0, SOURCE) is first and first.fc.out_features == 6
    other = experiments.pretrained(1, SOURCE)
    experiments.pretrained.cache_clear()
    torch.manual_seed(6)
    assert same(experiments.pretrained(0, SOURCE).state_dict(), first.state_dict())
    assert not same(first.state_dict(), other.state_dict())
    assert seen == [0, 1, 0]


def test_frozen_and_fine_tuned_begin_where_the_pretraining_ended(tiny):
    body = {
        n: v
        for n, v in copied(experiments.pretrained(2, SOURCE)).items()
        if not n.startswith("fc.")
    }
    scratch, frozen, tuned, half = experiments.transfers(2, SOURCE)[:4]
    nets = {}
    for training in (scratch, frozen, half, tuned):
        torch.manual_seed(training.seed)
        nets[training.kind] = training.build(1, 4)
        assert nets[training.kind].fc.out_features == 4
    for training in (frozen, half, tuned):
        state = nets[training.kind].state_dict()
        assert all(torch.equal(state[n], v) for n, v in body.items() if n in state)
        assert len([n for n in body if n in state]) > 40
    assert not torch.equal(nets[scratch.kind].conv1.weight, body["conv1.weight"])
    for training, parts in ((frozen, {"fc"}), (half, {"layer3", "fc"})):
        learning = {n for n, p in nets[training.kind].named_parameters() if p.requires_grad}
        assert {name.partition(".")[0] for name in learning} == parts
    assert all(p.requires_grad for p in nets[tuned.kind].parameters())
    quiet(nets[tuned.kind], tiny.data(), 1)
    assert all(
        torch.equal(experiments.pretrained(2, SOURCE).state_dict()[n], v) for n, v in body.items()
    )


def test_a_sweep_stores_each_under_its_name_and_draws_and_tells_them(tiny, monkeypatch, tmp_path):
    short = {"epochs": 1, "steps": 1, "batch_size": 32, "lr": 0.05}
    chosen = [t for t in tiny.runs if t.seed == 0 and t.kind == "from scratch"]
    chosen = [replace(t, recipe=short) for t in chosen if t.settings["images"] in (20, 80)]
    monkeypatch.setitem(EXPERIMENTS, "transfer-mini", replace(tiny, runs=tuple(chosen[::-1])))
    store = RunStore(tmp_path / "results")
    sweep.sweep("transfer-mini", store=store)
    runs = store.read("transfer-mini")
    assert {run.label: run.origin["recipe"]["images"] for run in runs} == {
        "from scratch, 20 images": 20,
        "from scratch, 80 images": 80,
    }
    assert {run.data_set for run in runs} == {tiny.data().title}
    lines = summary.table("transfer-mini", store).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [
        "| from scratch, 80 images",
        "| from scratch, 20 images",
    ]
    assert [run.x for run in summary.in_order("transfer-mini", store)] == [80, 20]
    summary.draw("transfer-mini", store)
    assert (store.folder / "transfer-mini.png").stat().st_size > 5000
