"""Layer responses: equal to those by hand, and the network as it was."""

import math

import pytest
import torch
import torchvision
from stirring import stir
from torch import nn

from resnet_lessons.data.sets.loading import load
from resnet_lessons.measure import LayerResponse, layer_responses
from resnet_lessons.networks.blocks import BasicBlock
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.lesson_nine import lesson_nine


@pytest.fixture(scope="module")
def mini():
    return load(device="cpu").pooled(4).take(100, 10)


def copying(channels=2):
    """A 3×3 convolution that gives its input."""
    layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight)
    return layer


def spread(tensor):
    return tensor.double().std(correction=0).item()


def standard_images(count=30, channels=2):
    """Each channel of mean 0 and standard deviation 1: just what a fresh normalisation expects."""
    x = torch.randn(count, channels, 5, 5, generator=torch.Generator().manual_seed(0))
    x = x - x.mean((0, 2, 3), keepdim=True)
    return x / x.std((0, 2, 3), correction=0, keepdim=True)


def only(model, images, **options):
    (response,) = layer_responses(model, images, **options)
    return response.std


def test_without_normalisation_the_response_is_the_convolutions_output():
    x = 3 * standard_images() + 1
    assert layer_responses(copying(), x) == [LayerResponse("", pytest.approx(3.0), False)]


@pytest.mark.parametrize("gamma", [-2.5, 0.0, 0.3])
def test_after_normalisation_the_response_is_its_weight(gamma):
    norm = nn.BatchNorm2d(2)
    nn.init.constant_(norm.weight, gamma)
    nn.init.constant_(norm.bias, 7.0)  # a shift of all channels is no spread
    net = nn.Sequential(copying(), norm, nn.ReLU(inplace=True))
    assert only(net, standard_images()) == pytest.approx(abs(gamma), rel=1e-5)


def test_the_spread_is_over_images_pixels_and_channels():
    """Weights 1 and 3 and shifts 0 and 4 make √(mean of γ² + variance of β) = √(5 + 4)."""
    norm = nn.BatchNorm2d(2)
    norm.weight.data, norm.bias.data = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 4.0])
    assert only(nn.Sequential(copying(), norm), standard_images()) == pytest.approx(3, rel=1e-5)
    steps = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 2, 5, 5)  # one value an image
    assert only(copying(), steps, batch_size=1) == pytest.approx(math.sqrt(1.25))


def test_a_constant_has_no_spread_however_large():
    assert only(copying(), torch.full((7, 2, 5, 5), 1e6 + 0.1), batch_size=2) == 0


@pytest.mark.parametrize("residual", [True, False])
def test_a_whole_network_is_measured_layer_by_layer(mini, residual):
    torch.manual_seed(0)
    model = stir(cifar_resnet(14, residual, width=2, in_channels=1)).eval()
    images = mini.normalize(mini.train.images)
    expected = {}
    with torch.no_grad():
        x = model.bn1(model.conv1(images))
        expected["conv1"] = spread(x)
        x = x.relu()
        for stage in ("layer1", "layer2", "layer3"):
            for number, block in enumerate(getattr(model, stage)):
                inner = block.bn1(block.conv1(x))
                outer = block.bn2(block.conv2(inner.relu()))
                expected[f"{stage}.{number}.conv1"] = spread(inner)
                expected[f"{stage}.{number}.conv2"] = spread(outer)
                x = (outer + block.downsample(x) if residual else outer).relu()
    found = layer_responses(model, images)
    assert [layer.name for layer in found] == list(expected)
    assert [layer.std for layer in found] == pytest.approx(list(expected.values()), rel=1e-5)
    assert len(set(expected.values())) == 13, "two layers alike would hide a mix-up"
    ends = [layer.name for layer in found if layer.ends_branch]
    assert ends == [name for name in expected if residual and name.endswith("conv2")]


class Backwards(nn.Module):
    """Layers that run in another order than they were made, and not right after each other."""

    def __init__(self):
        super().__init__()
        self.norm_b, self.norm_a = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
        self.b, self.a = copying(), copying()
        nn.init.constant_(self.norm_a.weight, 2.0)
        nn.init.constant_(self.norm_b.weight, 3.0)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        return self.norm_b(input=b) + self.norm_a(a)


def test_data_tells_the_order_and_the_normalisation_not_the_names():
    found = layer_responses(Backwards(), standard_images())
    assert [(layer.name, layer.std) for layer in found] == [
        ("a", pytest.approx(2, rel=1e-5)),
        ("b", pytest.approx(3, rel=1e-5)),
    ]


@pytest.mark.parametrize("between", [nn.ReLU(inplace=True), nn.ReLU(), nn.Dropout(0.5).eval()])
def test_a_normalisation_counts_only_right_behind_its_convolution(between):
    norm = nn.BatchNorm2d(2)
    nn.init.constant_(norm.weight, 5.0)
    expected = 5 if isinstance(between, nn.Dropout) else 1  # which gives the very tensor, at rest
    net = nn.Sequential(copying(), between, norm)
    assert only(net, standard_images()) == pytest.approx(expected, rel=1e-5)


def test_a_layer_that_runs_twice_is_reported_once_with_all_that_it_gave():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = copying()

        def forward(self, x):
            return self.layer(x), self.layer(x + 4)

    assert only(Twice(), standard_images()) == pytest.approx(math.sqrt(1 + 4))


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
def test_the_batch_size_does_not_matter(mini, batch_size):
    torch.manual_seed(0)
    model = cifar_resnet(8, width=2, in_channels=1)
    images = mini.normalize(mini.train.images) * torch.linspace(0, 9, 100).view(-1, 1, 1, 1)
    whole = [layer.std for layer in layer_responses(model, images, batch_size=100)]
    parts = [layer.std for layer in layer_responses(model, images, batch_size=batch_size)]
    assert parts == pytest.approx(whole, rel=1e-5)


def test_the_ends_of_branches_are_found_in_any_residual_block():
    images = torch.randn(2, 3, 71, 71)

    def ends(model, x=images):
        found = layer_responses(model, x, kernel_size=None)
        return [layer.name for layer in found if layer.ends_branch]

    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert ends(torchvision.models.resnet18()) == [f"{block}.conv2" for block in blocks]
    bottlenecks = ends(torchvision.models.resnet50())
    assert len(bottlenecks) == 16 and all(name.endswith(".conv3") for name in bottlenecks)
    nine = [f"block{block}.{part}.conv2" for block in (2, 3, 4, 5) for part in (0, 1)]
    assert ends(lesson_nine()) == nine
    assert ends(BasicBlock(3, 6, 2), images) == ["conv2"]


def test_only_3x3_kernels_are_reported_unless_others_are_asked_for():
    model, images = torchvision.models.resnet18(), torch.randn(2, 3, 64, 64)
    names = {
        size: [layer.name for layer in layer_responses(model, images, kernel_size=size)]
        for size in (3, 1, 7, None)
    }
    assert names[7] == ["conv1"]
    assert names[1] == [f"layer{stage}.0.downsample.0" for stage in (2, 3, 4)]
    assert len(names[3]) == 16 and sorted(names[None]) == sorted(names[3] + names[1] + names[7])
    assert names[None][:2] == ["conv1", "layer1.0.conv1"]


@pytest.mark.parametrize("mode", [True, False])
def test_measuring_responses_leaves_everything_as_it_was(mini, mode):
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.rand(())

    model = nn.Sequential(Noisy(), cifar_resnet(8, width=2, in_channels=1)).train(mode)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, images = torch.get_rng_state(), mini.normalize(mini.train.images)
    copied = images.clone()
    layer_responses(model, images)
    assert torch.equal(torch.get_rng_state(), state) and torch.equal(images, copied)
    assert {module.training for module in model.modules()} == {mode}
    assert not any(module._forward_hooks for module in model.modules())
    assert all(weight.grad is None for weight in model.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_network_is_at_rest_while_it_is_measured(mini):
    """In training mode, statistics of the batch would make every response 1, and dropout more."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), stir(cifar_resnet(8, width=2, in_channels=1)))
    images = mini.normalize(mini.train.images)
    assert layer_responses(model.train(), images) == layer_responses(model.eval(), images)


def test_no_gradient_is_recorded(mini):
    recorded = []

    class Asked(nn.Module):
        def forward(self, x):
            recorded.append(torch.is_grad_enabled())
            return x

    layer_responses(nn.Sequential(Asked(), copying(1)), mini.normalize(mini.train.images[:3]))
    assert recorded == [False]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_responses_are_measured_where_the_network_is(mini):
    model, images = cifar_resnet(8, width=2, in_channels=1), mini.normalize(mini.train.images)
    here = [layer.std for layer in layer_responses(model, images)]
    there = [layer.std for layer in layer_responses(model.cuda(), images)]
    assert there == pytest.approx(here, rel=1e-3)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([1, 2], "layer_responses was given a list, but it takes a tensor N×C×H×W; "),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "was given torch.uint8 values, but "),
        (torch.zeros(8, 8), r"was given a tensor of shape \(8, 8\), but it takes four dimensions"),
        (torch.zeros(0, 1, 8, 8), r"was given no image .*0, 1, 8, 8.*; pass at least one image"),
    ],
)
def test_images_that_cannot_be_measured_are_named(images, words):
    with pytest.raises((TypeError, ValueError), match=words):
        layer_responses(copying(1), images)


@pytest.mark.parametrize("name", ["kernel_size", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True])
def test_a_number_that_is_none_is_named(name, value):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} is .*, but .*; pass for example"):
        layer_responses(copying(), standard_images(), **{name: value})


@pytest.mark.parametrize(
    ("model", "kernels"), [(nn.Conv2d(2, 2, (3, 1)), "3×1"), (nn.Flatten(), "none")]
)
def test_a_network_without_such_a_convolution_is_named(model, kernels):
    words = rf"kernel_size is 3, but .*{type(model).__name__} \(kernels that did: {kernels}\); pass"
    with pytest.raises(ValueError, match=words):
        layer_responses(model, standard_images())
