"""Grad-CAM: equal to the class activation map where there is one, and the network as it was."""

import re

import pytest
import torch
from stirring import stir
from torch import nn

from resnet_lessons.apply.grad_cam import grad_cam
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.lesson_nine import lesson_nine
from resnet_lessons.networks.resnet import resnet18

# Net, the layer before its global average pool, its head, and the pixels a side of an image.
NETS = {
    "ResNet": (lambda: resnet18(num_classes=5), "layer4", "fc", 64),
    "6n+2": (lambda: cifar_resnet(8, width=4, num_classes=5), "layer3", "fc", 20),
    "plain": (lambda: cifar_resnet(8, residual=False, width=4), "layer3", "fc", 20),
    "lesson nine": (lambda: lesson_nine(num_classes=5), "block5.1", "classifier.1", 96),
}


def made(name):
    torch.manual_seed(0)
    build, layer, head, size = NETS[name]
    net = stir(build()).eval()
    return net, layer, net.get_submodule(head), torch.randn(3, 3, size, size)


def class_activation_map(net, layer, head, images, classes):
    """Zhou et al. 2016: the layer's channels, weighted as the head weights their averages."""
    kept = []
    handle = net.get_submodule(layer).register_forward_hook(lambda m, a, out: kept.append(out))
    with torch.no_grad():
        net(images)
    handle.remove()
    return torch.einsum("nkhw,nk->nhw", kept[0], head.weight[classes])


@pytest.mark.parametrize("name", NETS)
def test_at_the_last_stage_it_is_the_class_activation_map(name):
    net, layer, head, images = made(name)
    classes = torch.tensor([4, 0, 2])
    expected = class_activation_map(net, layer, head, images, classes)
    pixels = expected[0].numel()
    assert pixels > 1 and expected.min() < 0 < expected.max()
    for positive, wanted in ((False, expected), (True, expected.relu())):
        found = grad_cam(net, images, layer, classes, positive=positive)
        torch.testing.assert_close(found * pixels, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_without_the_cut_its_mean_is_the_score_less_the_bias(name):
    """CAM's mean over the pixels is the score: with the bias put back, nothing is lost."""
    net, layer, head, images = made(name)
    found = grad_cam(net, images, layer, 1, positive=False).sum(dim=(1, 2))
    torch.testing.assert_close(found + head.bias[1], net(images)[:, 1], rtol=1e-4, atol=1e-4)


def test_by_hand_at_a_layer_in_the_middle():
    """Not linear behind the layer, so the gradient is not that of a CAM: compare with finite
    differences of the score, channel by channel and pixel by pixel."""
    torch.manual_seed(1)
    first = nn.Conv2d(1, 2, 3)
    rest = nn.Sequential(
        nn.Tanh(), nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 4, 4)
    )
    net = nn.Sequential(first, *rest).double()
    images = torch.randn(2, 1, 5, 5, dtype=torch.double)
    with torch.no_grad():
        maps = first(images)
        gradient = torch.empty_like(maps)
        for index in range(maps.numel()):
            nudge = torch.zeros(maps.numel(), dtype=torch.double)
            nudge[index] = 1e-6
            nudge = nudge.view_as(maps)
            difference = rest(maps + nudge) - rest(maps - nudge)
            gradient.view(-1)[index] = difference[:, 3].sum() / 2e-6
        expected = (gradient.mean((2, 3), keepdim=True) * maps).sum(1)
    found = grad_cam(net, images, "0", classes=3, positive=False)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_a_relu_in_place_behind_the_layer_changes_nothing():
    """The maps of a convolution are those before the ReLU, although it overwrites them."""
    torch.manual_seed(2)
    images = torch.randn(2, 3, 6, 6)
    parts = [nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    maps = [
        grad_cam(nn.Sequential(parts[0], nn.ReLU(inplace), *parts[1:]), images, "0", 0, False)
        for inplace in (False, True)
    ]
    assert maps[0].abs().max() > 0
    torch.testing.assert_close(*maps, rtol=0, atol=0)


def test_the_last_of_several_runs_counts():
    """A block has one ReLU module, and what it gives last is what the block gives."""
    torch.manual_seed(0)
    net = stir(cifar_resnet(8, width=4)).eval()
    images = torch.randn(2, 3, 20, 20)
    last = grad_cam(net, images, "layer3.0.relu", 1)
    assert torch.equal(last, grad_cam(net, images, "layer3", 1)) and last.max() > 0


@pytest.mark.parametrize("name", NETS)
def test_an_image_has_the_same_map_alone(name):
    net, layer, _, images = made(name)
    together = grad_cam(net, images, layer)
    for number, image in enumerate(images):
        alone = grad_cam(net, image[None], layer)
        torch.testing.assert_close(alone[0], together[number], rtol=1e-4, atol=1e-5)


def test_by_default_it_explains_the_class_with_the_highest_score():
    net, layer, head, images = made("6n+2")
    with torch.no_grad():
        head.bias -= net(images).mean(0)  # no class is the highest for all images
    guesses = net(images).argmax(1)
    assert len(set(guesses.tolist())) > 1, "one class would not tell it from a constant"
    expected = grad_cam(net, images, layer, guesses)
    assert torch.equal(grad_cam(net, images, layer), expected)
    assert not torch.equal(grad_cam(net, images, layer, 0), expected)
    assert torch.equal(grad_cam(net, images, layer, 2), grad_cam(net, images, layer, [2, 2, 2]))


# What it leaves


def snapshot(net):
    return {
        "modes": [module.training for module in net.modules()],
        "hooks": [len(module._forward_hooks) for module in net.modules()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in net.parameters()],
        "trained": [p.requires_grad for p in net.parameters()],
        "state": {name: tensor.tolist() for name, tensor in net.state_dict().items()},
        "random": torch.get_rng_state().tolist(),
        "grad mode": torch.is_grad_enabled(),
    }


class Random(nn.Dropout):
    """Draws random numbers in evaluation mode too."""

    def forward(self, x):
        return nn.functional.dropout(x, self.p, training=True)


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_network_is_left_as_it_was_found(fails, gradients):
    torch.manual_seed(0)
    net = stir(cifar_resnet(8, width=2, num_classes=4))
    net.fc = nn.Sequential(Random(0.5), net.fc)
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    net.layer1.eval()
    net.conv1.weight.requires_grad_(False)
    images = torch.randn(2, 3, 8, 8)
    with torch.set_grad_enabled(gradients):
        before = snapshot(net)
        if fails:
            with pytest.raises(ValueError, match="classes is 4"):
                grad_cam(net, images, "layer3", 4)
        else:
            maps = grad_cam(net, images, "layer3")
            assert not maps.requires_grad and maps.shape == (2, 2, 2)
        assert snapshot(net) == before
    assert images.grad is None and not images.requires_grad


def test_the_map_is_that_of_evaluation_mode():
    net, layer, _, images = made("6n+2")
    expected = grad_cam(net, images, layer, 0)
    assert torch.equal(grad_cam(net.train(), images, layer, 0), expected)


def test_a_frozen_network_can_be_explained():
    net, layer, _, images = made("6n+2")
    expected = grad_cam(net, images, layer, 0)
    assert torch.equal(grad_cam(net.requires_grad_(False), images, layer, 0), expected)


# What it refuses


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"layer": "layer5"}, "layer is 'layer5', but CifarResNet has none .*did you mean 'layer"),
        ({"layer": ""}, "layer is ''"),
        ({"layer": None}, "layer is None"),
        ({"layer": "fc"}, r"layer is 'fc', but that module gives a tensor of shape \(2, 10\)"),
        ({"classes": 10}, "classes is 10, but the model has the classes 0 to 9"),
        ({"classes": -1}, "classes is -1"),
        ({"classes": 1.5}, "classes is 1.5, but it must be a class number"),
        ({"classes": True}, "classes is True"),
        ({"classes": [1]}, r"classes is \[1\], but .* each of the 2 images"),
        ({"classes": [[1, 2]]}, "classes is"),
        ({"positive": 1}, "positive is 1, but it must be True or False"),
        ({"images": torch.zeros(3, 8, 8)}, r"shape \(3, 8, 8\)"),
        ({"images": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}, "normalize"),
        ({"images": torch.zeros(2, 1, 8, 8)}, "1 channels"),
        ({"images": torch.zeros(0, 3, 8, 8)}, "no image"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(change, part):
    net = cifar_resnet(8, width=2)
    arguments = {"images": torch.zeros(2, 3, 8, 8), "layer": "layer3", **change}
    with pytest.raises((TypeError, ValueError), match=part) as caught:
        grad_cam(net, **arguments)
    assert re.fullmatch(r"[^\n]+, but [^\n]+; [^\n]+[.?]", str(caught.value))


def test_a_layer_that_does_not_run_or_does_not_count_is_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen, self.unseen = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.aside, self.pair, self.fc = nn.Conv2d(3, 4, 1), Pair(), nn.Linear(4, 2)

        def forward(self, x):
            self.aside(x)
            self.pair(x)
            return self.fc(self.seen(x).mean((2, 3)))

    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    net, images = Net(), torch.randn(2, 3, 4, 4)
    assert grad_cam(net, images, "seen").shape == (2, 4, 4)
    for layer, part in (
        ("unseen", "did not run"),
        ("aside", "do not depend"),
        ("pair", "a tuple"),
    ):
        with pytest.raises(ValueError, match=f"layer is '{layer}', but .*{part}"):
            grad_cam(net, images, layer)
    with pytest.raises(ValueError, match=r"scores of shape \(2, 4, 4, 4\)"):
        grad_cam(nn.Sequential(nn.Conv2d(3, 4, 1)), images, "0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_map_is_the_same():
    net, layer, _, images = made("6n+2")
    expected = grad_cam(net, images, layer, 0)
    found = grad_cam(net.cuda(), images, layer, 0)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)
