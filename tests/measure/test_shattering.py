"""Gradients along a line: equal to those by hand; white and brown noise known by closed forms."""

import copy

import pytest
import torch
from stirring import stir
from torch import nn

from resnet_lessons.measure import autocorrelation, brown_noise, gradients_along_line, white_noise
from resnet_lessons.networks.cifar import cifar_resnet

LAGS = (0, 1, 2, 5, 17, 40)


def noise(entries=50, coordinates=40_000):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(entries, coordinates, generator=generator)


# Autocorrelation


def test_white_noise_is_known_in_closed_form():
    assert white_noise(50, LAGS)[0] == pytest.approx(1)
    expected = [-(50 - lag) / (50 * 49) for lag in LAGS[1:]]
    assert white_noise(50, LAGS)[1:] == pytest.approx(expected)
    assert autocorrelation(noise(), LAGS) == pytest.approx(white_noise(50, LAGS), abs=0.002)


def test_brown_noise_is_known_in_closed_form():
    walk = noise().cumsum(0)
    assert autocorrelation(walk, LAGS) == pytest.approx(brown_noise(50, LAGS), abs=0.01)
    assert brown_noise(50, [0]) == pytest.approx([1])
    # Of steps a, b, c the walk without its mean is ((-2b - c)/3, (b - c)/3, (b + 2c)/3): squares
    # 5 + 2 + 5 (ninths), neighbours -2 + 1 and 1 - 2, and the two ends -2 - 2.
    assert brown_noise(3, [1, 2]) == pytest.approx([-2 / 12, -4 / 12])


def test_a_long_walk_resembles_itself_and_white_noise_never_does():
    white, brown = white_noise(256, [1, 16]), brown_noise(256, [1, 16])
    assert max(map(abs, white)) < 0.005
    assert brown[0] > 0.97 and 0.6 < brown[1] < brown[0]


def test_a_wave_by_hand():
    """A sine of four entries a period: +1 at itself, −1 half a period later, 0 in between."""
    series = torch.tensor([0.0, 1.0, 0.0, -1.0] * 25)
    expected = [1, 0, -98 / 100, 0, 96 / 100]
    assert autocorrelation(series, range(5)) == pytest.approx(expected, abs=1e-12)


def test_size_and_offset_do_not_matter_however_large_or_small():
    series = noise(20, 3)
    expected = autocorrelation(series, [1, 3])
    assert autocorrelation(5 * series + 100, [1, 3]) == pytest.approx(expected, abs=1e-5)
    for factor in (1e-200, 1e200):
        assert autocorrelation(factor * series.double(), [1, 3]) == pytest.approx(expected)


def test_each_entry_is_one_vector_whatever_its_shape():
    series = noise(12, 24)
    assert autocorrelation(series.view(12, 2, 3, 4), [2]) == autocorrelation(series, [2])


@pytest.mark.parametrize("lag", [-1, 1.0, True, "1", None])
def test_a_lag_that_is_none_is_named(lag):
    with pytest.raises((TypeError, ValueError), match=r"^lag is .*, but it must be"):
        autocorrelation(noise(5, 2), [0, lag])


def test_a_lag_that_is_too_long_is_named_with_the_longest():
    with pytest.raises(ValueError, match=r"lag is 5, but .* only 5 entries; pass at most lag=4\."):
        autocorrelation(noise(5, 2), [5])
    assert len(autocorrelation(noise(5, 2), [4])) == 1


@pytest.mark.parametrize("value", [0.0, 3.5, float("nan"), float("inf")])
def test_a_series_that_does_not_vary_is_named(value):
    with pytest.raises(ValueError, match=r"constant or not finite, but it must vary .*; look"):
        autocorrelation(torch.full((5, 2), value), [1])


@pytest.mark.parametrize("function", [white_noise, brown_noise])
def test_a_noise_has_at_least_two_entries(function):
    with pytest.raises(ValueError, match="entries is 1, but it must be at least 2"):
        function(1, [0])


# Gradients along a line


def ends(channels=1, size=6):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, channels, size, size, generator=generator)


def test_a_quadratic_score_has_a_gradient_that_runs_straight_from_end_to_end():
    class Square(nn.Module):
        def forward(self, x):
            return torch.stack([x.flatten(1).sum(1), x.square().flatten(1).sum(1) / 2], 1)

    start, end = ends()
    found = gradients_along_line(Square(), start, end, points=5, score=1)
    expected = torch.stack([start + (end - start) * t / 4 for t in range(5)])
    torch.testing.assert_close(found, expected)
    assert torch.equal(gradients_along_line(Square(), start, end, 5), torch.ones(5, 1, 6, 6))


@pytest.mark.parametrize("residual", [True, False])
def test_a_network_image_by_image(residual):
    torch.manual_seed(0)
    model = stir(cifar_resnet(8, residual, width=2, in_channels=1)).train()
    start, end = ends(size=14)
    found = gradients_along_line(model, start, end, points=4, score=3)
    alone = copy.deepcopy(model).eval()
    for point in range(4):
        x = torch.lerp(start, end, point / 3).unsqueeze(0).requires_grad_()
        (expected,) = torch.autograd.grad(alone(x)[0, 3], x)
        torch.testing.assert_close(found[point], expected[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_does_not_matter(batch_size):
    model = stir(cifar_resnet(8, width=2, in_channels=1))
    whole = gradients_along_line(model, *ends(size=14), points=20)
    parts = gradients_along_line(model, *ends(size=14), points=20, batch_size=batch_size)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", [True, False])
def test_everything_stays_as_it_was(mode):
    class Noisy(nn.Module):
        def forward(self, x):
            return x + 0 * torch.rand(())

    model = nn.Sequential(Noisy(), cifar_resnet(8, width=2, in_channels=1)).train(mode)
    model[1].conv1.weight.grad = torch.ones_like(model[1].conv1.weight)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, (start, end) = torch.get_rng_state(), ends(size=14)
    with torch.no_grad():  # whoever calls it may have switched gradients off
        gradients_along_line(model, start, end, points=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(torch.stack([start, end]), ends(size=14))
    assert {module.training for module in model.modules()} == {mode}
    assert all(weight.requires_grad for weight in model.parameters())
    assert [w.grad is not None for w in model.parameters()].count(True) == 1
    assert model[1].conv1.weight.grad.eq(1).all()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ([1], torch.zeros(1, 6, 6), "was given a list, but"),
        (torch.zeros(1, 6, 6), None, "was given a NoneType, but"),
        (torch.zeros(1, 6, 6, dtype=torch.uint8), torch.zeros(1, 6, 6), "torch.uint8 values, but"),
        (torch.zeros(1, 6, 6), torch.zeros(1, 6, 5), r"start has the shape \(1, 6, 6\) and end"),
        (torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6), r"joins two images C×H×W of one shape"),
    ],
)
def test_ends_that_make_no_line_are_named(start, end, words):
    with pytest.raises((TypeError, ValueError), match=words):
        gradients_along_line(nn.Flatten(), start, end)


@pytest.mark.parametrize("name", ["points", "batch_size", "score"])
@pytest.mark.parametrize("value", [-1, 2.5, "3", True])
def test_a_number_that_is_none_is_named(name, value):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} is .*, but .*; pass for example"):
        gradients_along_line(nn.Flatten(), *ends(), **{name: value})


def test_a_line_has_two_ends():
    with pytest.raises(ValueError, match="points is 1, but it must be at least 2"):
        gradients_along_line(nn.Flatten(), *ends(), points=1)
