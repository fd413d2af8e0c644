"""Every network of the package by what all have in common: tables, types, layouts."""

import pytest
import timm
import torch
from comparing import check_close, layers, parameters, tolerance
from torchvision.models import get_model_weights

import resnet_lessons
from resnet_lessons.networks.hrnet import HRNet
from resnet_lessons.networks.pretrained import PUBLISHED
from resnet_lessons.networks.res2net import Res2NetBlock
from resnet_lessons.networks.resnet import ResNet
from resnet_lessons.shapes import shape_table

# One small network of each make: the same code as the large ones, in milliseconds.
SMALL = {
    "basic": lambda: ResNet((1, 1, 1, 1), 5, stem="cifar"),
    "bottleneck": lambda: ResNet((2, 1, 1, 1), 5, block=resnet_lessons.Bottleneck),
    "res2net": lambda: ResNet((2, 1, 1, 1), 5, block=Res2NetBlock),
    "preact": lambda: resnet_lessons.preact_resnet(14, 4, num_classes=5),
    "wide": lambda: resnet_lessons.wide_resnet(10, 2, num_classes=5),
    "hrnet": lambda: HRNet(2, 5, 3, False),
}


@pytest.fixture(params=SMALL)
def net(request):
    """In evaluation, with statistics that fit its activations."""
    torch.manual_seed(0)
    net = SMALL[request.param]()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net(torch.randn(8, 3, 64, 64))
    return net.eval()


# Shape tables


@pytest.mark.parametrize("name", [*PUBLISHED, "res2net50_26w_4s", "hrnet_w18"])
def test_the_shape_table_of_an_imagenet_network(name):
    with torch.device("meta"):
        net = getattr(resnet_lessons, name)()
    table = shape_table(net, (1, 3, 224, 224))
    assert table.parameters == parameters(net) == sum(row.parameters for row in table)
    assert table.multiply_adds == sum(row.multiply_adds for row in table)
    assert (table.input, table.output) == ((1, 3, 224, 224), (1, 1000))
    if name in PUBLISHED:
        published = get_model_weights(name).DEFAULT.meta
        assert round(table.multiply_adds / 1e9, 3) == published["_ops"]
        assert table.parameters == published["num_params"]
    else:
        with torch.device("meta"):
            other = shape_table(timm.create_model(name), (1, 3, 224, 224), depth=0)
        assert table.multiply_adds == other.multiply_adds


def test_the_shape_table_of_hrnet_shows_its_branches():
    with torch.device("meta"):
        table = shape_table(resnet_lessons.hrnet_w18(), (1, 3, 224, 224))
    shapes = (1, 18, 56, 56), (1, 36, 28, 28), (1, 72, 14, 14), (1, 144, 7, 7)
    assert table["transition3"].input == shapes[:3] and table["transition3"].output == shapes
    assert table["stage4.2"].input == table["stage4.2"].output == shapes
    assert table["transition1.0.2"].output == shapes[0]
    assert "18×56×56, 1×36×28×28" in repr(table)


@pytest.mark.parametrize("make", [resnet_lessons.preact_resnet, resnet_lessons.wide_resnet])
def test_the_shape_table_of_a_cifar_network(make):
    net = make(20, 2) if make is resnet_lessons.preact_resnet else make(16, 2)
    table = shape_table(net, (1, 3, 32, 32))
    assert table.parameters == parameters(net) == sum(row.parameters for row in table)
    assert table["layer3.1"].output == (1, *table["layer3.1"].input[1:])
    assert table["layer3.1"].output[2:] == (8, 8) and table.output == (1, 10)


# Types, layouts


def test_channels_last_gives_the_same_scores(net):
    x = torch.randn(2, 3, 32, 40)
    expected = net(x)
    other = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    check_close(other, expected, layers(net))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_other_types_give_nearly_the_same_scores(net, dtype):
    x = torch.randn(2, 3, 32, 40)
    expected = net(x)
    y = net.to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    error = (y.double() - expected).abs().max() / expected.abs().max()
    # In double precision, what single precision had rounded is left; half precision is coarse.
    assert error < (tolerance(torch.float32, layers(net)) if dtype == torch.float64 else 0.2)


def test_autocast_gives_nearly_the_same_scores(net):
    x = torch.randn(2, 3, 32, 40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(x)
    expected = net(x)
    assert y.dtype == torch.bfloat16
    assert (y - expected).abs().max() / expected.abs().max() < 0.2


def test_every_parameter_gets_a_gradient(net):
    net.train()(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
