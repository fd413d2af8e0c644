"""Loading state dicts: what is taken as it comes, and a sentence for what does not fit."""

import pickle
import re
from functools import partial

import pytest
import torch
from stirring import stir
from test_arguments import check_sentence
from torch import nn

from resnet_lessons.networks.blocks import Bottleneck
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.resnet import ResNet
from resnet_lessons.networks.weights import load_weights

tiny = partial(ResNet, (1, 1, 1, 1), num_classes=7)


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return stir(tiny()).state_dict()


def equal(model, state):
    pairs = zip(model.state_dict().values(), state.values(), strict=True)
    return all(torch.equal(tensor, expected) for tensor, expected in pairs)


def refusal(kind, model, *source, **options):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(kind) as caught:
        load_weights(model, *source, **options)
    assert equal(model, before)  # nothing is half loaded
    return str(caught.value)


# What is taken


WRAPPED = {
    "as it is": lambda s: s,
    "a checkpoint with state_dict": lambda s: {"epoch": 3, "state_dict": s},
    "a checkpoint with model": lambda s: {"model": s, "optimizer": {"state": {}}},
    "a checkpoint with model_state_dict": lambda s: {"model_state_dict": s},
    "train's checkpoint": lambda s: {"format": "", "state": {"order": torch.ones(2), "model": s}},
    "DataParallel": lambda s: {f"module.{n}": t for n, t in s.items()},
    "torch.compile": lambda s: {f"_orig_mod.{n}": t for n, t in s.items()},
    "a compiled stage": lambda s: {n.replace("layer1.", "layer1._orig_mod."): s[n] for n in s},
    "both": lambda s: {"state_dict": {f"module._orig_mod.{n}": t for n, t in s.items()}},
    "both, the other way round": lambda s: {f"_orig_mod.module.{n}": t for n, t in s.items()},
    "half precision": lambda s: {n: t.half() if t.is_floating_point() else t for n, t in s.items()},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("on_disk", [False, True])
def test_what_wraps_a_state_dict_is_taken_off(state, wrap, on_disk, tmp_path):
    source, net = wrap(state), tiny()
    if on_disk:
        torch.save(source, tmp_path / "net.pth")
        source = tmp_path / "net.pth"
    assert load_weights(net, source) is net
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-3, atol=1e-3)
    if wrap is not WRAPPED["half precision"]:
        assert equal(net, state)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_the_network_may_be_wrapped_itself(state, wrap):
    net = tiny()
    load_weights(wrap(net), state)
    assert equal(net, state)
    other = refusal(ValueError, wrap(ResNet((1, 1, 1, 2), 7)), state)
    assert "every name of the ResNet" in other


def test_real_wrappers_name_tensors_as_the_table_above_does(state):
    net = load_weights(tiny(), state)
    assert nn.DataParallel(net).state_dict().keys() == WRAPPED["DataParallel"](state).keys()
    assert torch.compile(net).state_dict().keys() == WRAPPED["torch.compile"](state).keys()


def test_files_may_be_named_by_strings_and_be_in_the_old_format(state, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert equal(load_weights(tiny(), str(path)), state)


def test_old_state_dicts_without_counters_are_whole(state):
    old = {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    net = load_weights(tiny(), old)
    assert equal(net, state)


def test_the_source_is_copied_and_left_alone(state):
    before = {name: tensor.clone() for name, tensor in state.items()}
    net = load_weights(tiny(), state)
    nn.init.zeros_(net.conv1.weight)
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())


def test_without_the_head_all_else_is_loaded(state):
    net = tiny(num_classes=3)
    head = net.fc.weight.clone(), net.fc.bias.clone()
    load_weights(net, state, head=False)
    assert torch.equal(net.fc.weight, head[0]) and torch.equal(net.fc.bias, head[1])
    for name, tensor in net.state_dict().items():
        assert name.startswith("fc.") or torch.equal(tensor, state[name]), name
    same = tiny()
    load_weights(same, {n: t for n, t in state.items() if not n.startswith("fc.")}, head=False)
    assert not torch.equal(same.fc.weight, state["fc.weight"])


# What is not


def test_other_classes_are_named_with_both_cures(state):
    message = refusal(ValueError, tiny(num_classes=3), state)
    check_sentence(message, "for 7 classes", "num_classes=3", "num_classes=7", "head=False")


@pytest.mark.parametrize("channels", [1, 2])
def test_other_channels_are_named(state, channels):
    message = refusal(ValueError, tiny(in_channels=channels), state)
    check_sentence(message, "of 3 channels", f"in_channels={channels}", "in_channels=3")
    assert ("x.expand(-1, 3, -1, -1)" in message) == (channels == 1)


def test_other_channels_are_named_before_other_classes(state):
    message = refusal(ValueError, ResNet((1, 1, 1, 1), 3, 1), state)
    check_sentence(message, "of 3 channels", "in_channels=1", "in_channels=3")


def test_another_stem_is_named_by_its_shape(state):
    message = refusal(ValueError, tiny(stem="cifar"), state)
    check_sentence(message, "conv1.weight is 64×3×7×7", "64×3×3×3")


def test_other_settings_of_the_same_blocks_are_named_by_a_shape():
    plain = tiny(block=Bottleneck)
    wide = tiny(block=partial(Bottleneck, base_width=128))
    message = refusal(ValueError, plain, wide.state_dict())
    check_sentence(message, "layer1.0.conv1.weight is 128×64×1×1", "64×64×1×1 in the ResNet")


def test_a_single_shape_that_is_other_is_named(state):
    message = refusal(ValueError, tiny(), {**state, "layer2.0.bn1.running_mean": torch.ones(3)})
    check_sentence(message, "layer2.0.bn1.running_mean is 3 in the weights", "128 in the ResNet")


def test_another_network_is_named_by_its_blocks(state):
    for other, blocks, lack in [
        (
            ResNet((1, 2, 1, 1), 7),
            "1, 2, 1, 1 basic blocks",
            "'layer2.1.conv1.weight' and 9 others",
        ),
        (tiny(block=Bottleneck), "1, 1, 1, 1 bottlenecks", "'layer1.0.conv3.weight' and"),
    ]:
        message = refusal(ValueError, other, state)
        check_sentence(message, f"lack {lack}", f"of 1, 1, 1, 1 basic blocks, not {blocks}")
        message = refusal(ValueError, tiny(), other.state_dict())
        check_sentence(message, "have in excess", f"of {blocks}, not 1, 1, 1, 1 basic blocks")
    message = refusal(ValueError, tiny(), cifar_resnet(8).state_dict())
    check_sentence(message, "the weights lack 'layer", "of 1, 1, 1 basic blocks, not 1, 1, 1, 1")


@pytest.mark.parametrize("name", ["conv1.weight", "layer4.0.bn2.running_var", "fc.bias"])
def test_a_single_name_that_lacks_is_named(state, name):
    message = refusal(ValueError, tiny(), {n: t for n, t in state.items() if n != name})
    check_sentence(message, f"lack {name!r}")
    assert "others" not in message


def test_a_single_name_too_many_is_named(state):
    message = refusal(ValueError, tiny(), {**state, "extra.weight": torch.ones(1)})
    check_sentence(message, "have in excess 'extra.weight'")
    assert "others" not in message and "lack" not in message


@pytest.mark.parametrize(
    ("source", "found"),
    [({}, "nothing"), ({"epoch": 3}, "'epoch'"), ({"model": {"a": 1, "b": 2}}, "'a', 'b'")],
)
def test_no_tensors(source, found):
    check_sentence(refusal(ValueError, tiny(), source), f"the weights hold {found}")


@pytest.mark.parametrize("source", [None, 3, [torch.ones(1)], torch.ones(1), nn.ReLU()], ids=type)
def test_no_state_dict(source):
    message = refusal(TypeError, tiny(), source)
    check_sentence(message, f"the weights are a {type(source).__name__}", "net.state_dict()")


def test_arguments_in_the_wrong_order(state):
    with pytest.raises(TypeError) as caught:
        load_weights(dict(state), tiny())
    check_sentence(str(caught.value), "model is a dict")


# Files


def test_no_such_file(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path, str(tmp_path / "none.pth")):
        message = refusal(FileNotFoundError, tiny(), path)
        check_sentence(message, f"are to be read from {path}", "there is no such file")


def damaged(state, path):
    torch.save(state, path)
    whole = path.read_bytes()
    torch.save(state, path, _use_new_zipfile_serialization=False)
    old = path.read_bytes()
    for content in (whole, old):
        yield from (content[:-9], content[: len(content) // 2], content[:9999], content[:100])
    yield from (b"", b"\n", b"hello world\n", b"<!DOCTYPE html><html>\n" * 99, b"\x80\x04K\x01.")
    yield pickle.dumps({"a": 1})


def test_files_that_are_damaged_or_something_else(state, tmp_path):
    path = tmp_path / "net.pth"
    for content in damaged(state, path):
        path.write_bytes(content)
        message = refusal(ValueError, tiny(), path)
        check_sentence(message, f"{path} is damaged or something else", "delete it")


class Runs:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code in a weights file ran')",)


@pytest.mark.parametrize("make", [tiny, Runs, lambda: {"state_dict": {}, "extra": Runs()}])
def test_files_that_could_run_code_are_refused_unread(make, tmp_path):
    torch.save(make(), tmp_path / "net.pth")
    message = refusal(ValueError, tiny(), tmp_path / "net.pth")
    check_sentence(message, f"{tmp_path / 'net.pth'} holds other things", "model.state_dict()")
    assert re.search("could run any code", message)
