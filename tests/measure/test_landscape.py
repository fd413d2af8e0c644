"""Loss slices: a quadratic's is a parabola, directions are as long as they should be."""

import math

import pytest
import torch
from stirring import stir
from torch import nn
from torch.nn import functional as F

from resnet_lessons.measure import loss_along, loss_over_plane, random_direction
from resnet_lessons.networks.cifar import cifar_resnet

AT = [-1.5, -0.5, 0.0, 0.25, 2.0]


def net(seed=0):
    torch.manual_seed(seed)
    return stir(cifar_resnet(8, width=2, in_channels=1))


def batch(count=12):
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(count, 1, 8, 8, generator=draw)
    return images, torch.randint(10, (count,), generator=draw)


# Directions


def test_filters_have_the_length_of_the_networks_filters():
    model = net()
    direction = random_direction(model)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            assert not direction[name].any(), "biases and batch normalisations do not move"
        else:
            lengths = [
                tensor.detach().flatten(1).norm(dim=1) for tensor in (direction[name], weight)
            ]
            assert torch.allclose(*lengths, rtol=1e-5)
            assert not torch.allclose(direction[name], weight)


def test_layers_have_the_length_of_the_networks_layers():
    model = net()
    layers = random_direction(model, normalisation="layer")
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            assert layers[name].norm().item() == pytest.approx(weight.norm().item(), rel=1e-5)
            filters = [t.detach().flatten(1).norm(dim=1) for t in (layers[name], weight)]
            assert len(weight) == 1 or not torch.allclose(*filters, rtol=1e-2)


def test_the_whole_has_the_length_of_all_that_moves_and_one_factor():
    model = net()
    drawn = random_direction(model, normalisation="none")
    whole = random_direction(model, normalisation="whole")
    moving = [name for name, weight in model.named_parameters() if weight.dim() > 1]
    weights = dict(model.named_parameters())
    lengths = [
        math.sqrt(sum(tensors[name].square().sum().item() for name in moving))
        for tensors in (weights, drawn, whole)
    ]
    assert lengths[2] == pytest.approx(lengths[0], rel=1e-5)
    for name in moving:
        assert torch.allclose(whole[name], drawn[name] * (lengths[0] / lengths[1]), rtol=1e-5)


def test_without_normalisation_the_values_are_standard_normal():
    drawn = random_direction(nn.Linear(300, 200), seed=3, normalisation="none")
    assert drawn["weight"].mean().item() == pytest.approx(0, abs=0.02)
    assert drawn["weight"].std().item() == pytest.approx(1, abs=0.02)
    assert not drawn["bias"].any()


def test_filters_are_drawn_alike_in_every_direction_of_space():
    """Each filter is scaled by itself: the drawn filter's own direction stays."""
    model = net()
    drawn, scaled = (random_direction(model, 5, kind) for kind in ("none", "filter"))
    for one, other in zip(drawn["fc.weight"], scaled["fc.weight"], strict=True):
        assert F.cosine_similarity(one, other, dim=0).item() == pytest.approx(1, abs=1e-5)


def test_one_seed_is_one_direction_and_the_random_state_stays():
    model = net()
    state = torch.get_rng_state()
    first, again, other = (random_direction(model, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    name = "layer1.0.conv1.weight"
    assert torch.equal(first[name], again[name]) and not torch.allclose(first[name], other[name])


def test_a_filter_of_zeros_does_not_move():
    layer = nn.Linear(3, 2)
    layer.weight.data[1] = 0
    direction = random_direction(layer)["weight"]
    assert not direction[1].any() and direction.isfinite().all()


def test_a_direction_has_the_type_of_its_weights():
    assert random_direction(nn.Linear(2, 2).double())["weight"].dtype == torch.float64
    assert random_direction(nn.Linear(2, 2))["weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"normalisation": "filters"},
            "^normalisation is 'filters', but .*; did you mean 'filter'",
        ),
        ({"seed": -1}, "^seed is -1, but "),
        ({"seed": 0.5}, "^seed is 0.5, but "),
    ],
)
def test_a_direction_that_cannot_be_is_refused(change, words):
    with pytest.raises((TypeError, ValueError), match=words):
        random_direction(net(), **change)


# Slices


def quadratic():
    """A linear model and the sum of squares: the loss is ½·Σ(θᵀx - y)², a parabola in θ."""
    torch.manual_seed(0)
    x, y = torch.randn(20, 3).double(), torch.randn(20, 2).double()
    return nn.Linear(3, 2, bias=False).double(), x, y


def test_a_quadratics_slice_is_a_parabola():
    model, x, y = quadratic()
    direction = random_direction(model, normalisation="none")
    rest, step = x @ model.weight.T - y, x @ direction["weight"].T
    parts = [part.mean().item() for part in (rest * rest, 2 * rest * step, step * step)]
    expected = [parts[0] + parts[1] * a + parts[2] * a * a for a in AT]
    assert loss_along(model, x, y, direction, AT, loss=F.mse_loss) == pytest.approx(expected)


def test_a_quadratics_plane_is_a_paraboloid_and_rows_are_the_second_direction():
    model, x, y = quadratic()
    pair = [random_direction(model, seed, "none") for seed in (0, 1)]
    found = loss_over_plane(model, x, y, pair, AT, loss=F.mse_loss)
    assert found.shape == (5, 5) and found.dtype == torch.float64
    for i, b in enumerate(AT):
        for j, a in enumerate(AT):
            weight = model.weight + a * pair[0]["weight"] + b * pair[1]["weight"]
            assert found[i, j].item() == pytest.approx(F.mse_loss(x @ weight.T, y).item())


@pytest.mark.parametrize("training", [False, True])
def test_the_centre_is_the_loss_and_each_point_that_of_moved_weights(training):
    model = net().train(training)
    images, labels = batch()
    direction = random_direction(model)
    losses = loss_along(model.train(not training), images, labels, direction, AT, training)
    for a, found in zip(AT, losses, strict=True):
        moved = net().train(training)
        with torch.no_grad():
            for name, weight in moved.named_parameters():
                weight += a * direction[name]
            expected = F.cross_entropy(moved(images), labels).item()
        assert found == pytest.approx(expected, rel=1e-4)
    centre = F.cross_entropy(net().train(training)(images), labels).item()
    assert losses[2] == pytest.approx(centre, rel=1e-6)


def test_the_axes_of_a_plane_are_its_slices():
    model, (images, labels) = net().eval(), batch()
    pair = [random_direction(model, seed) for seed in (0, 1)]
    plane = loss_over_plane(model, images, labels, pair, AT)
    for line, direction in ((plane[2], pair[0]), (plane[:, 2], pair[1])):
        slices = loss_along(model, images, labels, direction, AT)
        assert line.tolist() == pytest.approx(slices, rel=1e-5)


def test_filters_that_are_longer_by_a_factor_give_the_same_slice():
    """Batch normalisation takes the factor away; so does filter normalisation, and no other."""
    model, longer = net().train(), net().train()
    with torch.no_grad():
        longer.layer2[0].conv1.weight *= 10
        longer.layer3[0].conv2.weight *= torch.rand(8, 1, 1, 1) + 1
    images, labels = batch()

    def along(network, normalisation):
        direction = random_direction(network, 0, normalisation)
        return loss_along(network, images, labels, direction, AT, training=True)

    assert along(longer, "filter") == pytest.approx(along(model, "filter"), rel=1e-3)
    assert along(longer, "whole") != pytest.approx(along(model, "whole"), rel=1e-2)


def test_the_same_random_numbers_at_every_point():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
    images, labels = batch()
    direction = random_direction(model)
    first, second = loss_along(model, images, labels, direction, [0.5, 0.5], training=True)
    assert first == second


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_random_state_stay_as_they_were(mode, training):
    model = nn.Sequential(nn.Dropout(0.1), net()).train(mode)
    images, labels = batch()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, copied = torch.get_rng_state(), images.clone()
    direction = random_direction(model)
    loss_along(model, images, labels, direction, AT, training)
    loss_over_plane(model, images, labels, (direction, direction), [0, 1], training)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(images, copied)
    assert {module.training for module in model.modules()} == {mode}
    assert all(w.grad is None and w.requires_grad for w in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: cifar_resnet(8, width=3, in_channels=1), r"^the direction has the shape \(3, 1, "),
        (lambda: cifar_resnet(14, width=2, in_channels=1), "but the model has nothing; draw one"),
        (lambda: nn.Linear(2, 2), "^the direction has nothing for 'conv1.weight', but the model"),
    ],
)
def test_a_direction_of_another_model_is_refused(other, words):
    with pytest.raises(ValueError, match=words):
        loss_along(net(), *batch(), random_direction(other()), AT)


def test_a_plane_needs_two_directions():
    direction = random_direction(net())
    for directions in ((direction,), (direction,) * 3):
        with pytest.raises(ValueError, match=f"{len(directions)} directions, but a plane"):
            loss_over_plane(net(), *batch(), directions, AT)
    with pytest.raises(TypeError, match=r"^training is 0, but it must be True or False; "):
        loss_along(net(), *batch(), direction, AT, training=0)
