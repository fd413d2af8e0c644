"""Time budgets: the one in force, and a prediction that the training then keeps."""

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resnet_lessons import budget
from resnet_lessons.data.sets.loading import load
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.training import train


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4)


class Clocked(nn.Module):
    """A small net for which time passes by the image alone: 20 ms in training, 3 ms in testing."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.net = cifar_resnet(8, width=2, in_channels=1)
        self.dropout = nn.Dropout(0.5)
        self.monkeypatch = monkeypatch
        self.now = [0.0]  # a copy of the net shares the list, see __deepcopy__
        monkeypatch.setattr(time, "perf_counter", lambda: self.now[0])

    def __deepcopy__(self, memo):
        twin = Clocked(self.monkeypatch)
        twin.load_state_dict(self.state_dict())
        self.now = twin.now
        return twin

    def forward(self, x):
        self.now[0] += len(x) * (0.020 if self.training else 0.003)
        return self.dropout(self.net(x))


# The budget in force


@pytest.mark.parametrize(("cuda", "expected"), [(True, "gpu"), (False, "cpu")])
@pytest.mark.parametrize("variable", [None, ""])
def test_the_budget_is_detected(monkeypatch, cuda, expected, variable):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.delenv("RESNET_LESSONS_BUDGET", raising=False)
    if variable is not None:
        monkeypatch.setenv("RESNET_LESSONS_BUDGET", variable)
    assert budget.name() == expected


@pytest.mark.parametrize("cuda", [True, False])
@pytest.mark.parametrize(("name", "value"), [("quick", 1), ("cpu", 2), ("gpu", 3)])
def test_the_environment_overrides_it(monkeypatch, cuda, name, value):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setenv("RESNET_LESSONS_BUDGET", name)
    assert budget.name() == name
    assert budget.choose(quick=1, cpu=2, gpu=3) == value


def test_a_budget_that_there_is_not_is_named(monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_BUDGET", "quik")
    expected = "RESNET_LESSONS_BUDGET is 'quik', but .*'quick', 'cpu', 'gpu'; did you mean 'quick'"
    for call in (budget.name, lambda: budget.choose(quick=1, cpu=2, gpu=3)):
        with pytest.raises(ValueError, match=expected):
            call()


# The prediction


@pytest.mark.parametrize(
    ("images", "tests", "batch_size", "epochs"),
    [(256, 1000, 64, 1), (256, 1000, 64, 3), (100, 120, 100, 2), (60, 2000, 128, 1)],
)
def test_the_prediction_is_what_the_training_then_takes(
    mini, monkeypatch, images, tests, batch_size, epochs
):
    """Equal to the last digit where time passes evenly and every batch is full."""
    model, data = Clocked(monkeypatch), mini.take(images, tests)
    predicted = budget.predict(model, data, epochs, batch_size=batch_size)
    history = train(model, data, epochs, batch_size=batch_size, progress=False)
    assert predicted == pytest.approx(sum(history.column("seconds")))
    assert predicted == pytest.approx(epochs * (0.020 * images + 0.003 * tests))


def test_the_median_step_counts_and_every_batch(mini, monkeypatch):
    """One slow step, such as the one that another program delayed, changes nothing."""
    timed = []

    def seconds(work):
        work()
        timed.append([1.0, 90.0, 2.0, 0.5][len(timed)])
        return timed[-1]

    monkeypatch.setattr(budget, "_seconds", seconds)
    data = mini.take(300, 750)  # batches of 128, 128 and 44; half a second tests 500 images
    model = cifar_resnet(8, width=2, in_channels=1)
    assert budget.predict(model, data, 4, steps=3) == pytest.approx(4 * (3 * 2.0 + 0.75))
    assert len(timed) == 4


def test_the_prediction_is_of_this_machine(mini):
    """Real seconds: within a factor that no noise reaches."""
    model, data = cifar_resnet(8, width=2, in_channels=1), mini.take(1000, 500)
    predicted = budget.predict(model, data, 2)
    started = time.perf_counter()
    train(model, data, 2, progress=False)
    assert 0.02 < predicted / (time.perf_counter() - started) < 50


@pytest.mark.parametrize("mode", [True, False])
def test_a_prediction_leaves_no_trace(mini, mode):
    model = nn.Sequential(cifar_resnet(8, width=2, in_channels=1), nn.Dropout(0.5)).train(mode)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    budget.predict(model, mini.take(64, 20), 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert {module.training for module in model.modules()} == {mode}
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(torch.equal(w.grad, torch.ones_like(w)) for w in model.parameters())


WRONG = st.none() | st.text() | st.booleans() | st.floats() | st.integers(max_value=0)


@pytest.mark.parametrize("name", ["epochs", "steps", "batch_size"])
@settings(max_examples=40, deadline=None)
@given(value=WRONG)
def test_a_wrong_argument_is_named_with_the_cure(mini, name, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        budget.predict(**{"model": nn.Linear(1, 1), "data": mini, "epochs": 1, name: value})
    assert str(caught.value).startswith((f"{name} is {value!r}, but", f"{name} is {value}, but"))
    assert f"; pass for example {name}=" in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (1.4, "1 second"),
        (1.6, "2 seconds"),
        (40.2, "40 seconds"),
        (89, "89 seconds"),
        (100, "2 minutes"),
        (180, "3 minutes"),
        (89 * 60, "89 minutes"),
        (90 * 60, "1.5 hours"),
        (9000, "2.5 hours"),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert budget.in_words(seconds) == words
