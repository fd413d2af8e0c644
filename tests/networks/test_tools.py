"""torch's tools take our networks as they take torchvision's, and what they make computes the same.

Every network is small here, but has each kind of block, stem, stage and shortcut of the large ones.
"""

from functools import partial

import pytest
import torch
import torchvision
from comparing import check_close, layers
from stirring import stir
from torch.fx.experimental.optimization import fuse
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from resnet_lessons.networks import (
    SHORTCUTS,
    Bottleneck,
    HRNet,
    Res2NetBlock,
    ResNet,
    cifar_resnet,
    lesson_nine,
    preact_resnet,
    resnet18,
    wide_resnet,
)

# torch itself says of some of these tools that they will go.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def thin(block, **settings):
    return partial(ResNet, (1, 2), 5, block=partial(block, **settings), channels=(4, 8))


NETWORKS = {
    "ResNet-18": partial(ResNet, (1, 2, 1, 1), 5, channels=(2, 3, 4, 5)),
    "ResNet-50": thin(Bottleneck),
    "ResNeXt-50": thin(Bottleneck, groups=4, base_width=32),
    "Wide ResNet-50-2": thin(Bottleneck, base_width=128),
    "Res2Net-50": thin(Res2NetBlock, base_width=32),
    "five stages": partial(ResNet, (1, 1, 1, 1, 1), 5, 3, "cifar", channels=(2, 3, 4, 5, 6)),
    "plain": partial(cifar_resnet, 8, False, 4),
    **{f"residual, {kind}": partial(cifar_resnet, 8, width=4, shortcut=kind) for kind in SHORTCUTS},
    "pre-activation": partial(preact_resnet, 8, 4),
    "WRN-10-1": partial(wide_resnet, 10, 1, dropout=0.3),
    "HRNet": partial(HRNet, 2, 5, 3, False, (1, 1), 1, (2, 3, 4)),
    "lesson nine": lesson_nine,
    "lesson nine, mended": partial(lesson_nine, faithful=False),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return stir(NETWORKS[request.param]()).eval()


@pytest.fixture
def images():
    return torch.randn(2, 3, 72, 75)


@torch.no_grad()
def check_same(made, network, images):
    """`made` computes what `network` does, for a batch of another size, too."""
    for batch in (images, torch.randn(3, *images.shape[1:])):
        check_close(made(batch), network(batch), layers(network))


def test_symbolic_trace(network, images):
    traced = torch.fx.symbolic_trace(network)
    check_same(traced, network, images)
    functions = [node.target for node in traced.graph.nodes if node.op == "call_function"]
    assert not any(function.__module__.startswith("resnet_lessons") for function in functions)


@torch.no_grad()
def test_feature_extractor(network, images):
    names = get_graph_node_names(network)[1]
    first, last = names[1], names[-1]
    extractor = create_feature_extractor(network, {first: "first", last: "last"})
    features = extractor(images)
    check_close(features["last"], network(images))
    check_close(features["first"], network.get_submodule(first)(images))


def test_fused_convolutions_and_normalisations(network, images):
    fused = fuse(network)
    check_same(fused, network, images)
    before, after = (
        sum(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
        for net in (network, fused)
    )
    assert after < before


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, to itself
@torch.no_grad()
def test_quantisation(network, images):
    quantization = pytest.importorskip("torch.ao.quantization.quantize_fx")
    mapping = torch.ao.quantization.get_default_qconfig_mapping()
    prepared = quantization.prepare_fx(network, mapping, (images,))
    check_close(prepared(images), network(images), layers(network))
    quantised, expected = quantization.convert_fx(prepared)(images), network(images)
    # A layer's values are rounded to 8 bits or, on some processors, to 7.
    assert 0 < (quantised - expected).norm() < layers(network) / 128 * expected.norm()


def test_script(network, images):
    check_same(torch.jit.script(network), network, images)


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning")  # a value became part of the program
def test_trace(network, images):
    check_same(torch.jit.trace(network, images), network, images)


def test_export_for_batches_of_any_size(network, images):
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(network, (images,), dynamic_shapes=({0: batch},))
    check_same(program.module(), network, images)


@torch.no_grad()
def test_compile_without_a_break(network, images):
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    check_close(compiled(images), network(images), layers(network))


@torch.no_grad()
def test_features_are_torchvisions_under_the_same_names(images):
    theirs = torchvision.models.resnet18()
    ours = resnet18(weights=theirs.state_dict()).eval()
    joints = ["relu", "layer1.0", "layer2", "layer4.1", "flatten", "fc"]
    features = [create_feature_extractor(net.eval(), joints)(images) for net in (ours, theirs)]
    for name in joints:
        check_close(*(each[name] for each in features), layers(theirs))


def test_a_network_still_refuses_wrong_images_after_the_tools_have_seen_it(images):
    net = cifar_resnet(8, width=2).eval()
    torch.compiler.reset()
    torch.fx.symbolic_trace(net)
    torch.jit.script(net)
    torch.jit.trace(net, images)
    torch.export.export(net, (images,))
    torch.compile(net, backend="eager")(images)
    with pytest.raises(ValueError, match=r"^the network was given 1 channels .*in_channels=1"):
        net(images[:, :1])
