"""The nine ResNets, against torchvision's: names, weights, outputs, gradients, statistics.

RESNET_LESSONS_FULL_TESTS=1 compares each in all modes, sizes and types; without it the five large
ones are compared in training on small images and in evaluation on one of full size; the others in
double precision on small images, and in single precision on larger ones.
"""

import copy
import inspect
import pickle
import re
from functools import partial

import pytest
import torch
import torchvision
from comparing import FULL, check_all, check_scores, parameters, shapes
from stirring import stir

import resnet_lessons
from resnet_lessons.networks.blocks import BasicBlock, Bottleneck
from resnet_lessons.networks.resnet import ResNet, resnet18
from resnet_lessons.shapes import shape_table

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext101_32x8d": 88_791_336,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
}
LARGE = {name for name, count in PARAMETERS.items() if count > 40e6}
SMALL_IMAGES, FULL_SIZE, ODD_SIZE = (65, 97), (224, 224), (193, 257)
TRAINING = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def combinations(name):
    """Type, training or not, and size of the images that the network is compared with."""
    for dtype in (torch.float32, torch.float64):
        for training in (True, False):
            for size in (SMALL_IMAGES, FULL_SIZE, ODD_SIZE):
                if name in LARGE:
                    usual = dtype == torch.float32 and training and size == SMALL_IMAGES
                elif dtype == torch.float64:
                    usual = size == SMALL_IMAGES
                else:
                    usual = size == (ODD_SIZE if training else FULL_SIZE)
                if usual or FULL:
                    yield dtype, training, size


@pytest.fixture(scope="module", params=PARAMETERS)
def drawn(request):
    """Its name, our network and torchvision's, drawn from the same seed.

    The tests share them, for the large ones take seconds to draw. Only the last test changes them.
    """
    pair = []
    for module in (resnet_lessons, torchvision.models):
        torch.manual_seed(0)
        pair.append(getattr(module, request.param)())
    return request.param, *pair


# Equal to torchvision


def test_names_order_and_shapes_are_torchvisions(drawn):
    _, ours, theirs = drawn
    assert shapes(ours) == shapes(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]


def test_the_number_of_parameters(drawn):
    name, ours, _ = drawn
    assert parameters(ours) == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,}" in getattr(resnet_lessons, name).__doc__


def test_the_same_seed_draws_the_weights_that_torchvision_draws(drawn):
    check_same_weights(*drawn[1:])


def test_outputs_gradients_and_statistics_are_torchvisions(drawn):
    name, ours, theirs = drawn
    torch.manual_seed(0)
    theirs.load_state_dict(stir(ours).state_dict(), strict=True)
    check_same_weights(ours, theirs)
    ours.load_state_dict(stir(theirs).state_dict(), strict=True)
    for dtype, training, size in combinations(name):
        print(f"{dtype}, training={training}, {size}")  # shown where the comparison fails
        for net in (ours, theirs):
            net.to(dtype).train(training).zero_grad()
        check_all(ours, theirs, (2 if size == SMALL_IMAGES else 1, 3, *size))
    if name in LARGE:
        check_scores(ours.eval(), theirs.eval(), (1, 3, *FULL_SIZE))


def check_same_weights(ours, theirs):
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    assert all(torch.equal(tensor, expected) for tensor, expected in pairs)


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d"])
def test_with_zero_init_residual_the_same_seed_draws_the_same_weights_too(name):
    nets = []
    for module in (resnet_lessons, torchvision.models):
        torch.manual_seed(0)
        nets.append(getattr(module, name)(zero_init_residual=True))
    check_same_weights(*nets)
    block = nets[0].layer1[0]
    assert not (block.bn2 if name == "resnet18" else block.bn3).weight.any()


# Shapes and arguments


def test_the_shapes_at_the_joints_are_those_of_the_module_docstring():
    net = resnet18().eval()
    with torch.no_grad():
        x = net.maxpool(net.relu(net.bn1(net.conv1(torch.randn(1, 3, 224, 224)))))
        seen = [x.shape[1:]]
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            seen.append(x.shape[1:])
    assert seen == [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_the_cifar_stem_keeps_height_and_width_and_all_names():
    small, large = (ResNet((1, 1, 1, 1), stem=stem).eval() for stem in ("cifar", "imagenet"))
    assert [*small.state_dict()] == [*large.state_dict()]
    x = torch.randn(2, 3, 32, 27)
    with torch.no_grad():
        y = small.maxpool(small.relu(small.bn1(small.conv1(x))))
        assert y.shape == (2, 64, 32, 27)
        assert small.layer4(small.layer3(small.layer2(small.layer1(y)))).shape == (2, 512, 4, 4)
        assert small(x).shape == (2, 1000)
    assert small.conv1.weight.shape == (64, 3, 3, 3)
    assert parameters(large) - parameters(small) == 3 * 64 * (7 * 7 - 3 * 3)


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_channels_and_classes_change_the_first_and_last_layer_alone(stem):
    usual, other = ResNet((1, 1, 1, 1), stem=stem), ResNet((1, 1, 1, 1), 7, 2, stem)
    changed = {name for name, shape in shapes(usual) if other.state_dict()[name].shape != shape}
    assert changed == {"conv1.weight", "fc.weight", "fc.bias"}
    assert other(torch.randn(3, 2, 32, 33)).shape == (3, 7)


def test_the_shapes_of_bottlenecks_have_four_times_the_channels():
    net = resnet_lessons.resnet50().eval()
    seen = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        stage.register_forward_hook(lambda _, __, y: seen.append(y.shape[1:]))
    with torch.no_grad():
        net(torch.randn(1, 3, 224, 224))
    assert seen == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


def test_the_stride_can_sit_where_he_et_al_have_it():
    original = ResNet((1, 1, 1, 1), block=partial(Bottleneck, stride_in="1x1"))
    strides = [(b[0].conv1.stride, b[0].conv2.stride) for b in [original.layer1, original.layer4]]
    assert strides == [((1, 1), (1, 1)), ((2, 2), (1, 1))]
    assert shapes(original) == shapes(ResNet((1, 1, 1, 1), block=Bottleneck))


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@TRAINING
def test_with_zero_init_residual_every_block_starts_as_its_shortcut(block, training):
    net = ResNet((2, 2, 2, 2), 3, zero_init_residual=True, block=block).train(training)
    blocks = [b for stage in (net.layer1, net.layer2, net.layer3, net.layer4) for b in stage]
    seen = []
    for each in blocks:
        each.register_forward_hook(lambda b, x, y: seen.append((b, x[0].clone(), y.clone())))
    y = net(torch.randn(2, 3, 64, 64))
    y.sum().backward()
    for each, x, out in seen:
        if isinstance(each.downsample, torch.nn.Identity):
            assert torch.equal(out, x)  # x came from a ReLU, so relu(x) is x
    assert len(seen) == 8
    # A branch that is zero must be able to learn.
    last = "bn3" if block is Bottleneck else "bn2"
    assert all(getattr(each, last).weight.grad.any() for each in blocks)


def test_layers_counts_the_blocks_of_each_stage():
    net = ResNet((1, 2, 1, 3), num_classes=5)
    assert [len(getattr(net, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1, 2, 1, 3]
    assert net(torch.randn(2, 3, 33, 33)).shape == (2, 5)


def test_the_input_stays_as_it_was():
    x = torch.randn(2, 3, 33, 33)
    before = x.clone()
    ResNet((1, 1, 1, 1), stem="cifar")(x)
    assert torch.equal(x, before)


def test_copies_and_pickles_compute_the_same():
    net = stir(ResNet((1, 1, 1, 1), 10)).eval()
    x = torch.randn(1, 3, 32, 32)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))


def test_thin_networks_for_small_images_have_their_own_stages_and_channels():
    net = ResNet((1, 2, 3), 10, 1, "cifar", block=Bottleneck, channels=(3, 5, 7)).eval()
    assert [len(stage) for stage in (net.layer1, net.layer2, net.layer3)] == [1, 2, 3]
    assert not hasattr(net, "layer4")
    table = shape_table(net, (2, 1, 14, 13))
    assert table["conv1"].output == (2, 3, 14, 13)
    assert [table[f"layer{n}.0"].output for n in (1, 2, 3)] == [
        (2, 12, 14, 13),
        (2, 20, 7, 7),
        (2, 28, 4, 4),
    ]
    assert net.fc.in_features == 28 and table.output == (2, 10)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_named_network_is_a_function_of_its_name_that_says_what_it_builds(name):
    build = getattr(resnet_lessons, name)
    assert (build.__name__, build.__module__) == (name, "resnet_lessons.networks.resnet")
    assert pickle.loads(pickle.dumps(build)) is build
    assert list(inspect.signature(build).parameters)[:3] == ["num_classes", "in_channels", "stem"]
    assert f"{PARAMETERS[name]:,} parameters" in build.__doc__
    assert re.search(r"(19|20)\d\d", build.__doc__), "its paper"
