"""What several test files about training share: small nets, short trainings, and comparisons."""

from dataclasses import replace

import torch
from hypothesis import strategies as st
from torch import nn

from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.training import train


def net(seed=0, width=2, **options):
    torch.manual_seed(seed)
    return cifar_resnet(8, width=width, in_channels=1, **options)


def quiet(model, data, epochs=2, **options):
    """A short training without a bar."""
    return train(model, data, epochs, **{"batch_size": 64, "progress": False} | options)


def measured(history):
    """The figures of a history, all but the time they took."""
    return [replace(epoch, seconds=0.0) for epoch in history]


def same(first, second):
    """Whether two state dicts hold the same bits."""
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )


def copied(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


class Wrapped(nn.Module):
    """A net whose forward calls `before(number of training batches so far)` on each of them."""

    def __init__(self, before=lambda count: None, dropout=0.0):
        super().__init__()
        self.net = net()
        self.dropout = nn.Dropout(dropout)
        self.before = before
        self.count = 0

    def forward(self, x):
        if self.training:
            self.count += 1
            self.before(self.count)
        return self.dropout(self.net(x))


def is_wrong(error, name, value):
    """The message names argument and value, and has a cure after its semicolon."""
    message = str(error)
    assert message.startswith((f"{name} is {value!r}, but", f"{name} is {value}, but")), message
    assert message.partition("; ")[2], message


NO_NUMBER = st.none() | st.text() | st.booleans() | st.lists(st.integers(), max_size=2)
NO_WHOLE_NUMBER = NO_NUMBER | st.floats()
