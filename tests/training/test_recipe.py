"""The recipe: the paper's learning rates at the paper's steps, and how a training is counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainings import net, quiet

from resnet_lessons.data.sets.loading import load
from resnet_lessons.training.history import Ending
from resnet_lessons.training.recipe import Recipe, batch_indices

HE = Recipe(
    epochs=164,
    batch_size=128,
    lr=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="steps",
    steps=64_000,
    warmup=0,
    augmented=True,
    padding=4,
    seed=0,
)


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(256, 60)


def test_the_papers_rates_fall_at_32k_and_48k_of_64k_steps():
    """He et al. 2015, §4.2: 50,000 images in batches of 128."""
    assert HE.total_steps(50_000) == 64_000
    rates = {step: HE.lr_at(step, 64_000) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert list(rates.values()) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_the_papers_deepest_net_starts_at_a_tenth():
    recipe = replace(HE, warmup=400)
    assert [recipe.lr_at(step, 64_000) for step in (0, 399, 400)] == pytest.approx(
        [0.01, 0.01, 0.1]
    )


@given(images=st.integers(2, 500), batch_size=st.integers(2, 200), epochs=st.integers(1, 5))
def test_without_a_limit_every_batch_of_every_epoch_is_a_step(images, batch_size, epochs):
    recipe = replace(HE, epochs=epochs, batch_size=batch_size, steps=None)
    assert recipe.total_steps(images) == epochs * len(batch_indices(images, batch_size))


def test_more_steps_than_the_epochs_hold_are_refused():
    with pytest.raises(ValueError, match=r"steps is 64000, but 163 epochs .* only 63733; raise"):
        replace(HE, epochs=163).total_steps(50_000)


@pytest.mark.parametrize(("steps", "lengths"), [(4, [4]), (6, [4, 2]), (8, [4, 4]), (1, [1])])
def test_a_training_ends_after_its_steps(mini, steps, lengths):
    model, batches = net(), []
    model.register_forward_hook(lambda m, i, o: batches.append(len(o)) if m.training else None)
    history = quiet(model, mini, steps=steps)
    assert batches == [64] * steps and len(history) == len(lengths)
    assert history.ending is Ending.FINISHED
    total = [replace(HE, schedule="cosine").lr_at(first, steps) for first in (0, 4)]
    assert history.column("lr") == pytest.approx(total[: len(lengths)])


def test_the_figures_of_a_short_last_epoch_are_those_of_its_images(mini):
    """The mean over the images seen, not over all."""
    whole = quiet(net(), mini, epochs=1, lr=1e-9, schedule="constant")
    short = quiet(net(), mini, epochs=1, lr=1e-9, schedule="constant", steps=2)
    assert short[0].train_loss == pytest.approx(whole[0].train_loss, rel=0.1)


def test_warmup_is_counted_in_steps(mini):
    rates = []
    model = net()
    original = torch.optim.SGD.step

    def step(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        return original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", step)
        quiet(model, mini, lr=0.5, schedule="constant", warmup=3)
    assert rates == pytest.approx([0.05] * 3 + [0.5] * 5)


def test_the_padding_is_that_of_the_augmentation(mini, monkeypatch):
    seen = []

    def look(images, generator, padding):
        seen.append(padding)
        return images

    monkeypatch.setattr("resnet_lessons.training.loop.augment", look)
    quiet(net(), mini, epochs=1, augmented=True, padding=2)
    quiet(net(), mini, epochs=1, augmented=True)
    assert seen == [2] * 4 + [4] * 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 2.5),
        ("warmup", -1),
        ("padding", -1),
        ("padding", None),
        ("augmented", 1),
        ("seed", 2**64),
    ],
)
def test_what_is_out_of_range_is_named(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} is {value!r}, but .*; pass"):
        replace(HE, **{name: value})


def test_numbers_of_numpy_become_pythons_own():
    given = {
        "epochs": np.int64(164),
        "batch_size": np.int32(128),
        "lr": np.logspace(-1, -2, 3)[0],
        "momentum": np.float32(0.5),
        "weight_decay": np.float64(1e-4),
        "schedule": np.str_("steps"),
        "steps": np.int64(64_000),
        "warmup": np.uint8(4),
        "padding": np.int16(4),
        "seed": np.int64(2),
    }
    recipe = Recipe(**given)
    for name, value in given.items():
        found = getattr(recipe, name)
        assert type(found) in (int, float, str), name
        assert found == value, name
