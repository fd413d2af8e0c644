"""A training in steps: what `train` gives, whatever happens between the steps."""

import re

import pytest
import torch
from torch import nn

from resnet_lessons import cifar_resnet, load, train
from resnet_lessons.training.history import Ending
from resnet_lessons.training.loop import TrainingLoop
from resnet_lessons.training.recipe import Recipe

SOME = load(device="cpu").pooled(4).take(train=300, test=60)
FIGURES = ("epoch", "lr", "train_loss", "train_error", "test_loss", "test_error")


def stepping(net, data, epochs, label=None, **recipe):
    return TrainingLoop(net, data, Recipe(epochs=epochs, **recipe), label=label)


class WithDropout(nn.Module):
    """Draws random numbers in every step."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(49, 10))

    def forward(self, x):
        return self.layers(x)


def made(make):
    torch.manual_seed(3)
    return make()


@pytest.mark.parametrize(
    "make", [WithDropout, lambda: cifar_resnet(8, True, width=4, in_channels=1)]
)
def test_it_gives_what_train_gives_whatever_happens_in_between(make):
    whole = made(make)
    history = train(whole, SOME, 2, lr=0.05, seed=7, progress=False)
    net = made(make).eval()
    stepped = stepping(net, SOME, 2, lr=0.05, seed=7)
    finished = []
    while not stepped.over:
        torch.rand(5)
        before = torch.get_rng_state()
        finished.append(stepped.advance())
        assert torch.equal(torch.get_rng_state(), before)
        assert not net.training
    for name in FIGURES:
        assert stepped.history.column(name) == history.column(name)
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, whole.state_dict()[name]), name
    assert finished == [False, False, False, True] * 2
    assert (stepped.taken, stepped.steps) == (6, 6)
    assert not stepped.advance() and len(stepped.history) == 2


def test_rests_are_not_counted_as_work(monkeypatch):
    clock = iter(range(0, 10**6, 1000))
    stepped = stepping(WithDropout(), SOME.take(train=128), 1)
    monkeypatch.setattr("resnet_lessons.training.loop.time.perf_counter", lambda: next(clock))
    stepped.advance()  # the clock is read at the start of the epoch and after the step …
    next(clock), next(clock), next(clock)
    stepped.advance()  # … and before the test and after it
    # Each stretch of work is a thousand; the rest between them was four thousand more.
    assert stepped.history[0].seconds == 2000


def test_a_stop_keeps_the_finished_epochs():
    stepped = stepping(WithDropout(), SOME, 3)
    while len(stepped.history) < 1:
        stepped.advance()
    stepped.advance()
    stepped.stop()
    assert stepped.over and not stepped.advance() and stepped.taken == 4
    assert stepped.history.ending is Ending.INTERRUPTED
    assert str(stepped.history).splitlines()[-1] == (
        "Interrupted in epoch 2 of 3; the 1 finished epochs are kept."
    )


def test_a_stop_at_the_end_stops_nothing():
    stepped = stepping(WithDropout(), SOME, 1)
    while not stepped.over:
        stepped.advance()
    stepped.stop()
    assert stepped.history.ending is Ending.FINISHED


def test_ctrl_c_in_a_step_is_a_stop():
    net = WithDropout()
    stepped = stepping(net, SOME, 2)
    stepped.advance()

    def interrupt(*_):
        raise KeyboardInterrupt

    net.register_forward_hook(interrupt)
    assert not stepped.advance()
    assert stepped.over and stepped.history.ending is Ending.INTERRUPTED
    assert "Interrupted in epoch 1 of 2" in str(stepped.history)


def test_a_loss_that_explodes_ends_it_and_says_what_to_try():
    stepped = stepping(WithDropout(), SOME, 2, lr=1e30, label="wild")
    while not stepped.over:
        stepped.advance()
    assert re.search("loss of wild is no longer finite.*smaller", stepped.history.ending_in_words())
    assert stepped.history.ending is Ending.DIVERGED


def test_what_train_refuses_is_refused():
    with pytest.raises(ValueError, match="epochs is 0"):
        stepping(WithDropout(), SOME, 0)
    with pytest.raises(TypeError, match="model is 3"):
        stepping(3, SOME, 1)
    with pytest.raises(ValueError, match="10 classes"):
        stepping(nn.Sequential(nn.Flatten(), nn.Linear(49, 3)), SOME, 1)


def test_after_an_error_it_is_over():
    """What the error has left half done cannot go on, and nobody waits for it in vain."""
    net = WithDropout()
    stepped = stepping(net, SOME, 2)
    hook = net.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stepped.advance()
    hook.remove()
    assert stepped.over and not stepped.advance()
    assert stepped.history.ending is Ending.INTERRUPTED
