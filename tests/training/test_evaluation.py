"""Evaluation: the figures of the whole split, and a model left as it was."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import NO_WHOLE_NUMBER, copied, is_wrong, net, quiet, same

from resnet_lessons.data.sets.loading import load
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.training.evaluation import evaluate


@pytest.fixture(scope="module")
def mini():
    """256 training and 60 test images of 7×7 pixels."""
    return load(device="cpu").pooled(4).take(256, 60)


@pytest.mark.parametrize("split", ["train", "test"])
def test_evaluate_is_what_a_computation_by_hand_gives(mini, split):
    model = net(3)
    quiet(model, mini, epochs=1)
    images, labels = getattr(mini, split).images, getattr(mini, split).labels
    with torch.no_grad():
        scores = model.eval()((images / 255 - mini.mean[0]) / mini.std[0]).double()
    chance = scores.exp() / scores.exp().sum(1, keepdim=True)
    found = evaluate(model, mini, split)
    assert found.loss == pytest.approx(-chance[range(len(labels)), labels].log().mean().item())
    wrong = sum(
        row.index(max(row)) != label
        for row, label in zip(scores.tolist(), labels.tolist(), strict=True)
    )
    assert found.error == pytest.approx(100 * wrong / len(labels))


@pytest.mark.parametrize("batch_size", [1, 7, 59, 60, 10_000])
def test_the_batch_size_changes_no_evaluation(mini, batch_size):
    model = net()
    found, whole = evaluate(model, mini, batch_size=batch_size), evaluate(model, mini)
    assert found.error == whole.error
    assert found.loss == pytest.approx(whole.loss, rel=1e-5)


@pytest.mark.parametrize("mode", [True, False])
def test_evaluate_leaves_the_model_as_it_was(mini, mode):
    model = net().train(mode)
    before = copied(model)
    seen = []
    model.register_forward_hook(lambda m, i, o: seen.append((m.training, o.requires_grad)))
    evaluate(model, mini, batch_size=30)
    assert seen == [(False, False)] * 2
    assert model.training is mode and same(before, model.state_dict())
    assert all(weight.grad is None for weight in model.parameters())


def test_evaluate_puts_the_mode_back_after_an_error(mini):
    model = cifar_resnet(8, width=2, in_channels=3)
    with pytest.raises(ValueError, match="was given 1 channels"):
        evaluate(model.train(), mini)
    assert model.training


@settings(max_examples=40, deadline=None)
@given(split=st.text().filter(lambda text: text not in ("train", "test")) | st.none())
def test_evaluate_names_a_wrong_split(mini, split):
    with pytest.raises(ValueError) as caught:
        evaluate(net(), mini, split)
    is_wrong(caught.value, "split", split)


@settings(max_examples=40, deadline=None)
@given(batch_size=NO_WHOLE_NUMBER | st.integers(max_value=0))
def test_evaluate_names_a_wrong_batch_size(mini, batch_size):
    with pytest.raises((TypeError, ValueError)) as caught:
        evaluate(net(), mini, batch_size=batch_size)
    is_wrong(caught.value, "batch_size", batch_size)
