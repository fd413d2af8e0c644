"""HRNet, against timm's, also at sizes that timm's does not take; what flows between branches."""

import copy
import pickle
from functools import partial

import pytest
import timm
import torch
from comparing import FULL, check_all, parameters, shapes
from stirring import stir
from timm.models.hrnet import HighResolutionModule as TimmModule
from torch import nn

from resnet_lessons.networks.hrnet import (
    AddBranch,
    HighResolutionModule,
    HRNet,
    hrnet_w18,
    resample,
)

TRAINING = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def cut(net):
    """timm's network, whose upsampled maps are too large at odd sizes, made to cut what exceeds."""
    for module in [m for m in net.modules() if isinstance(m, TimmModule)]:
        sizes = {}  # of the branches' maps, which are known before the exchange begins

        def note(_, __, y, number, sizes=sizes):
            sizes[number] = y.shape[2:]

        def crop(_, __, y, number, sizes=sizes):
            return y[:, :, : sizes[number][0], : sizes[number][1]]

        for number, (branch, paths) in enumerate(
            zip(module.branches, module.fuse_layers, strict=True)
        ):
            branch.register_forward_hook(partial(note, number=number))
            for path in paths[number + 1 :]:
                path.register_forward_hook(partial(crop, number=number))
    return net


@pytest.fixture(scope="module")
def networks():
    pair = []
    for build in (hrnet_w18, lambda: timm.create_model("hrnet_w18")):
        torch.manual_seed(0)
        pair.append(build())
    return pair


def loaded(networks, training):
    ours, other = (copy.deepcopy(net).train(training) for net in networks)
    ours.load_state_dict(stir(other).state_dict(), strict=True)
    return ours, other


def test_names_order_shapes_and_parameters(networks):
    ours, other = networks
    assert shapes(ours) == shapes(other)
    assert parameters(ours) == 21_299_004
    assert "21,299,004" in hrnet_w18.__doc__


def test_the_same_seed_draws_the_weights_that_timm_draws(networks):
    pairs = zip(*(net.state_dict().values() for net in networks), strict=True)
    assert all(torch.equal(tensor, expected) for tensor, expected in pairs)


@TRAINING
@pytest.mark.parametrize("size", [(224, 224), (64, 96)], ids=str)
def test_outputs_gradients_and_statistics_are_timms(networks, training, size):
    torch.manual_seed(0)
    ours, other = loaded(networks, training)
    check_all(ours, other, (1, 3, *size))
    if FULL:
        check_all(ours.double(), other.double(), (2, 3, *size))


@TRAINING
def test_at_other_sizes_they_are_timms_with_the_excess_cut_off(networks, training):
    torch.manual_seed(0)
    ours, other = loaded(networks, training)
    shape = (1, 3, 193, 257)
    with pytest.raises(RuntimeError, match="size of tensor"):
        other(torch.randn(shape))
    other.load_state_dict(ours.state_dict())  # its statistics have changed on the way
    check_all(ours, cut(other), shape)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 5)], ids=str)
@torch.no_grad()
def test_any_size_is_taken(networks, size):
    assert networks[0].eval()(torch.randn(1, 3, *size)).shape == (1, 1000)


def test_the_branches_of_a_full_size_image_are_those_of_the_docstring(networks):
    net, seen = networks[0].eval(), []
    hooks = [
        joint.register_forward_hook(lambda _, __, maps: seen.append([m.shape[1:] for m in maps]))
        for joint in (net.stage2, net.transition2, net.stage4)
    ]
    with torch.no_grad():
        net(torch.randn(1, 3, 224, 224))
    for hook in hooks:
        hook.remove()
    branches = [(18, 56, 56), (36, 28, 28), (72, 14, 14), (144, 7, 7)]
    assert seen == [branches[:2], branches[:3], branches]


# The exchange


@pytest.mark.parametrize(("source", "target"), [(s, t) for s in range(3) for t in range(3)])
def test_a_path_leads_to_the_channels_and_size_of_its_target(source, target):
    channels, sizes = [2, 4, 8], [(12, 20), (6, 10), (3, 5)]
    path = resample(channels, source, target)
    y = path(torch.randn(2, channels[source], *sizes[source]))
    assert y.shape == (2, channels[target], *sizes[target])


def test_every_branch_gets_something_of_every_other():
    module = HighResolutionModule([2, 4, 8]).eval()
    maps = [torch.randn(1, 2, 13, 9), torch.randn(1, 4, 7, 5), torch.randn(1, 8, 4, 3)]
    maps = [x.requires_grad_() for x in maps]
    out = module(maps)
    assert [y.shape for y in out] == [x.shape for x in maps]
    for y in out:
        gradients = torch.autograd.grad(y.sum(), maps, retain_graph=True)
        assert all(gradient.any() for gradient in gradients)


def test_the_exchange_leaves_its_inputs_as_they_were():
    maps = [torch.randn(1, 2, 8, 8), torch.randn(1, 4, 4, 4)]
    before = [x.clone() for x in maps]
    HighResolutionModule([2, 4])(maps)
    assert all(torch.equal(x, y) for x, y in zip(maps, before, strict=True))


def test_pixels_that_are_repeated_stay_where_they_came_from():
    """A single pixel of the coarse map reaches the four of the fine map that lie above it."""
    module = HighResolutionModule([1, 1]).eval()
    nn.init.ones_(module.fuse_layers[0][1][0].weight)
    maps = [torch.zeros(1, 1, 5, 7), torch.zeros(1, 1, 3, 4)]
    maps[1][0, 0, 1, 2] = 1
    module.branches = nn.ModuleList([nn.Identity(), nn.Identity()])
    fine = module(maps)[0][0, 0]
    assert {tuple(place) for place in fine.nonzero().tolist()} == {(2, 4), (2, 5), (3, 4), (3, 5)}


def test_a_new_branch_starts_from_the_coarsest_map():
    step = AddBranch([2, 4, 8])
    maps = [torch.randn(1, 2, 8, 8), torch.randn(1, 4, 5, 3)]
    fine, middle, new = step(maps)
    assert fine is maps[0] and middle is maps[1]
    assert new.shape == (1, 8, 3, 2) and new.min() == 0


# Arguments


def test_width_classes_and_channels():
    net = HRNet(4, 7, 1, False).eval()
    assert net(torch.randn(2, 1, 40, 32)).shape == (2, 7)
    assert [branch[0].out_channels for branch in net.stage4[0].branches] == [4, 8, 16, 32]


def test_with_zero_init_residual_every_block_starts_as_its_shortcut():
    net = HRNet(2, 3, 3, True)
    blocks = [m for m in net.modules() if hasattr(m, "zero_residual")]
    assert len(blocks) == 4 + 4 * (1 * 2 + 4 * 3 + 3 * 4) + 4
    for block in blocks:
        last = block.bn3 if hasattr(block, "bn3") else block.bn2
        assert not last.weight.any() and block.bn1.weight.all()


def test_small_images_keep_their_size_and_branches_are_as_many_as_heads():
    net = HRNet(3, 5, 1, False, modules=(1, 2), blocks=2, head=(2, 4, 6), stem="cifar").eval()
    seen = []
    for stage in (net.stage2, net.stage3):
        stage.register_forward_hook(lambda _, __, maps: seen.append([m.shape[1:] for m in maps]))
    assert net(torch.randn(2, 1, 14, 13)).shape == (2, 5)
    branches = [(3, 14, 13), (6, 7, 7), (12, 4, 4)]
    assert seen == [branches[:2], branches]
    assert not hasattr(net, "stage4") and len(net.stage3) == 2 and len(net.layer1) == 2
    assert {len(b) for m in [*net.stage2, *net.stage3] for b in m.branches} == {2}
    assert [make[0].out_channels for make in net.incre_modules] == [8, 16, 24]
    assert net.classifier.in_features == 48


def test_copies_and_pickles_compute_the_same():
    net, x = stir(HRNet(2, 3, 3, False)).eval(), torch.randn(1, 3, 33, 33)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))
