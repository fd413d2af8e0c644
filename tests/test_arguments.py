"""Wrong arguments and inputs are answered in one sentence: the value, what was expected, a cure."""

import inspect
import re
from math import inf, nan

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import resnet_lessons
from resnet_lessons import _arguments
from resnet_lessons.networks.blocks import (
    BasicBlock,
    Bottleneck,
    PaddingShortcut,
    PlainBlock,
    make_shortcut,
)
from resnet_lessons.networks.cifar import cifar_resnet
from resnet_lessons.networks.hrnet import HRNet, hrnet_w18
from resnet_lessons.networks.lesson_nine import LessonNineBlock, lesson_nine
from resnet_lessons.networks.preact import PreActBlock, preact_resnet, wide_resnet
from resnet_lessons.networks.pretrained import PUBLISHED
from resnet_lessons.networks.res2net import Res2NetBlock, res2net50_26w_4s
from resnet_lessons.networks.resnet import ResNet

few = settings(max_examples=40, deadline=None)
no_number = st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(max_size=9), st.lists(st.integers(), max_size=3)
)
wrong_counts = no_number | st.integers(-(10**9), 0)
no_flag = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=9))
# No choice begins with a question mark; bare text might be one, for hypothesis reads the sources.
no_word = st.text(max_size=9).map("?".__add__)
no_choice = st.one_of(st.none(), st.integers(), st.floats(), no_word, st.booleans())


def check_sentence(message, *parts):
    """`message` is one line: what was given, but what was expected; a cure. It holds `parts`."""
    assert all(part in message for part in parts), message
    for part in parts:  # whatever stands in a value is not the sentence's own
        message = message.replace(part, "…")
    assert re.fullmatch(r"[^\n]+, but [^\n]+; [^\n;]+[^ .?][.?]", message), message
    assert not re.search(r"[.?!] +[A-Z]", message), message


def refusal(function, *args, **kwargs):
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*args, **kwargs)
    return str(caught.value)


# Constructors: for each, arguments that are right; whole numbers, flags, choices and the rest

BLOCK = {"in_channels": 2, "out_channels": 2, "stride": 1}
BOTTLENECK = {"in_channels": 2, "channels": 32, "stride": 1, "base_width": 64}
NET = {"num_classes": 2, "in_channels": 1}
RESIDUAL_NET = {**NET, "zero_init_residual": False}
PREACT_BLOCK = {**BLOCK, "shortcut": "padding", "dropout": 0.3, "activate_shortcut": True}
RIGHT = {
    PlainBlock: BLOCK,
    BasicBlock: {**BLOCK, "shortcut": "padding"},
    Bottleneck: {**BOTTLENECK, "groups": 2, "stride_in": "1x1"},
    PreActBlock: PREACT_BLOCK,
    Res2NetBlock: {**BOTTLENECK, "scale": 2},
    PaddingShortcut: BLOCK,
    LessonNineBlock: {**BLOCK, "projection": True},
    ResNet: {
        "layers": (1, 1, 1, 1),
        **RESIDUAL_NET,
        "stem": "cifar",
        "block": Bottleneck,
        "channels": (16, 32, 64, 128),
    },
    **{
        getattr(resnet_lessons, name): {**RESIDUAL_NET, "stem": "cifar", "weights": None}
        for name in PUBLISHED
    },
    res2net50_26w_4s: {**RESIDUAL_NET, "stem": "cifar"},
    HRNet: {
        "width": 1,
        **RESIDUAL_NET,
        "modules": (1, 1),
        "blocks": 1,
        "head": (1, 2, 4),
        "stem": "cifar",
    },
    hrnet_w18: RESIDUAL_NET,
    cifar_resnet: {"depth": 8, "residual": True, "width": 1, **NET, "shortcut": "padding"},
    preact_resnet: {"depth": 8, "width": 1, "shortcut": "padding", **RESIDUAL_NET},
    wide_resnet: {"depth": 10, "widen_factor": 1, "dropout": 0.3, **RESIDUAL_NET},
    lesson_nine: {**NET, "faithful": True},
}


def arguments(kind):
    return [
        pytest.param(function, name, id=f"{function.__name__}-{name}")
        for function, right in RIGHT.items()
        for name, value in right.items()
        if type(value) is kind
    ]


@pytest.mark.parametrize("function", RIGHT)
def test_the_table_above_knows_every_argument_and_is_right(function):
    assert RIGHT[function].keys() == inspect.signature(function).parameters.keys()
    with torch.device("meta"):
        function(**RIGHT[function])


@pytest.mark.parametrize(("function", "name"), arguments(int))
def test_a_count_must_be_a_positive_whole_number(function, name):
    @few
    @given(wrong_counts)
    def refused(value):
        message = refusal(function, **{**RIGHT[function], name: value})
        check_sentence(message, f"{name} is {value!r}")

    refused()


@pytest.mark.parametrize(("function", "name"), arguments(bool))
def test_a_flag_must_be_true_or_false(function, name):
    @few
    @given(no_flag)
    def refused(value):
        message = refusal(function, **{**RIGHT[function], name: value})
        check_sentence(message, f"{name} is {value!r}")

    refused()


@pytest.mark.parametrize(("function", "name"), arguments(str))
def test_a_choice_must_be_one_of_those_named(function, name):
    @few
    @given(no_choice)
    def refused(value):
        message = refusal(function, **{**RIGHT[function], name: value})
        check_sentence(message, f"{name} is {value!r}")
        assert repr(RIGHT[function][name]) in message

    refused()


@pytest.mark.parametrize(("function", "name"), arguments(float))
@pytest.mark.parametrize("value", [-0.1, 1, 1.5, inf, nan, "0.3", None, True])
def test_a_probability_is_at_least_0_and_below_1(function, name, value):
    message = refusal(function, **{**RIGHT[function], name: value})
    check_sentence(message, f"{name} is {value!r}")


@pytest.mark.parametrize(
    "function", [function for function in RIGHT if "dropout" in RIGHT[function]]
)
def test_no_dropout_is_a_probability_too(function):
    function(**{**RIGHT[function], "dropout": 0})


@pytest.mark.parametrize("block", ["bottleneck", None, BasicBlock(64, 64)])
def test_a_resnet_needs_something_that_makes_blocks(block):
    message = refusal(ResNet, (1, 1, 1, 1), block=block)
    check_sentence(message, f"block is a {type(block).__name__}", "block=Bottleneck")


@pytest.mark.parametrize("function", [Bottleneck, Res2NetBlock])
def test_a_group_needs_a_channel(function):
    message = refusal(function, 2, 3, base_width=21)
    check_sentence(message, "base_width is 21", "3 channels", "base_width=22")
    assert function(2, 3, base_width=22).out_channels == 12


@pytest.mark.parametrize("layers", [(2, 2, 2), (1, 1, 1, 1, 1), [], 18, None, {2}])
def test_a_resnet_has_four_stages(layers):
    check_sentence(refusal(ResNet, layers), f"layers is {layers!r}", "(2, 2, 2, 2)")


@pytest.mark.parametrize("value", [0, -1, 1.0, "2", None, True])
@pytest.mark.parametrize("stage", [0, 3])
def test_each_stage_has_a_whole_number_of_blocks(stage, value):
    layers = [1, 1, 1, 1]
    layers[stage] = value
    check_sentence(refusal(ResNet, layers), f"layers[{stage}] is {value!r}")


@pytest.mark.parametrize(
    ("function", "name"),
    [(ResNet, "layers"), (ResNet, "channels"), (HRNet, "modules"), (HRNet, "head")],
)
@pytest.mark.parametrize("value", [0, -1, 1.0, "2", None, True])
def test_each_number_of_a_row_is_a_positive_whole_number(function, name, value):
    row = list(RIGHT[function][name])
    row[1] = value
    message = refusal(function, **{**RIGHT[function], name: row})
    check_sentence(message, f"{name}[1] is {value!r}")


@pytest.mark.parametrize(
    ("function", "name"), [(ResNet, "channels"), (HRNet, "modules"), (HRNet, "head")]
)
@pytest.mark.parametrize("value", [(), "", "124", None, 3, {2}])
def test_a_row_is_a_sequence_with_something_in_it(function, name, value):
    message = refusal(function, **{**RIGHT[function], name: value})
    check_sentence(message, f"{name} is {value!r}", f"{name}=(1, 2, 4)")


def test_the_stages_of_a_resnet_are_as_many_as_its_channels():
    message = refusal(ResNet, (1, 1, 1, 1), channels=(8, 16, 32))
    check_sentence(message, "layers is (1, 1, 1, 1)", "channels=(8, 16, 32)", "(2, 2, 2)")


@pytest.mark.parametrize("head", [(1, 2), (1, 2, 4, 8)])
def test_each_branch_of_an_hrnet_has_a_head(head):
    message = refusal(HRNet, **{**RIGHT[HRNet], "head": head})
    check_sentence(message, f"head is {head}", "2 stages", "3 branches")


@pytest.mark.parametrize(
    "function",
    [
        PaddingShortcut,
        lambda *channels: BasicBlock(*channels, shortcut="padding"),
        lambda *channels: make_shortcut(*channels, 1, "padding"),
    ],
)
def test_a_padding_shortcut_cannot_remove_channels(function):
    check_sentence(refusal(function, 8, 4), "out_channels is 4", "8", "shortcut='projection'")


@pytest.mark.parametrize("channels_and_stride", [(3, 5, 1), (3, 3, 2)])
def test_lesson_nines_block_names_the_projection_that_it_needs(channels_and_stride):
    channels, out_channels, stride = channels_and_stride
    expected = f"{channels} channels into {out_channels} at stride {stride}", "projection=True"
    check_sentence(refusal(LessonNineBlock, *channels_and_stride), *expected)


def test_whole_numbers_from_numpy_are_whole_numbers():
    three, four = np.int64(3), np.int32(4)
    x = torch.randn(2, 3, 5, 7)
    for make in (PlainBlock, BasicBlock, PreActBlock):
        block = make(three, four, np.int64(2))
        assert block(x).shape == (2, 4, 3, 4)
        assert type(block.in_channels) is type(block.out_channels) is type(block.stride) is int


# Forward passes

MODULES = {
    "PlainBlock": lambda: PlainBlock(3, 4),
    "BasicBlock": lambda: BasicBlock(3, 4),
    "Bottleneck": lambda: Bottleneck(3, 4),
    "PreActBlock": lambda: PreActBlock(3, 4),
    "Res2NetBlock": lambda: Res2NetBlock(3, 4),
    "LessonNineBlock": lambda: LessonNineBlock(3, 3),
    "ResNet": lambda: ResNet((1, 1, 1, 1), 2),
    "CifarResNet": lambda: cifar_resnet(8, width=1),
    "PreActResNet": lambda: preact_resnet(8, width=1),
    "HRNet": lambda: HRNet(1, 2, 3, False),
    "lesson nine's network": lesson_nine,
}


@pytest.fixture(scope="module", params=MODULES)
def module(request):
    name = request.param
    owner = "the block" if name.endswith(("Block", "Bottleneck")) else "the network"
    return name if " " in name else owner, MODULES[name]().eval()


@pytest.mark.parametrize("x", [None, [[1.0]], np.zeros((1, 3, 96, 96), np.float32)], ids=type)
def test_an_input_that_is_no_tensor(module, x):
    owner, net = module
    check_sentence(refusal(net, x), f"{owner} was given a {type(x).__name__}", "torch.as_tensor")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_an_input_of_raw_pixels(module, dtype):
    owner, net = module
    message = refusal(net, torch.zeros(1, 3, 96, 96, dtype=dtype))
    check_sentence(message, f"{owner} was given {dtype} values", "data.normalize(images)")


@pytest.mark.parametrize("shape", [(96,), (3, 96, 96), (1, 1, 3, 96, 96)])
def test_an_input_of_other_dimensions(module, shape):
    owner, net = module
    expected = f"{owner} was given a tensor of shape {shape}", "x.unsqueeze(0)", "x.unsqueeze(1)"
    check_sentence(refusal(net, torch.zeros(shape)), *expected)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_an_input_of_other_channels(module, channels):
    owner, net = module
    shape = (2, channels, 96, 96)
    expected = f"{owner} was given {channels} channels (input shape {shape})", "built for 3"
    check_sentence(refusal(net, torch.zeros(shape)), *expected, f"in_channels={channels}")


@torch.no_grad()
def test_a_right_input_passes(module):
    module[1](torch.zeros(1, 3, 96, 96))


# The checks themselves


@few
@given(st.integers(-5, 5), st.integers(0, 99))
def test_whole_number_accepts_from_the_minimum_on(minimum, above):
    for value in (minimum + above, np.int64(minimum + above)):
        result = _arguments.whole_number("n", value, minimum)
        assert result == minimum + above and type(result) is int


@few
@given(st.integers(-5, 5), st.integers(1, 99))
def test_whole_number_refuses_below_the_minimum_and_its_cure_is_accepted(minimum, below):
    with pytest.raises(ValueError) as caught:
        _arguments.whole_number("n", minimum - below, minimum)
    check_sentence(str(caught.value), f"n is {minimum - below}", f"at least {minimum}")
    cure = int(re.search(r"n=(-?\d+)\.$", str(caught.value))[1])
    assert _arguments.whole_number("n", cure, minimum) == cure


@few
@given(no_number)
def test_whole_number_refuses_what_is_none(value):
    with pytest.raises(TypeError) as caught:
        _arguments.whole_number("n", value)
    check_sentence(str(caught.value), f"n is {value!r}")


@few
@given(st.floats(0, 1e300) | st.integers(0, 99) | st.floats(0, 99).map(np.float32))
def test_real_number_accepts_finite_numbers_from_the_minimum_on(value):
    result = _arguments.real_number("lr", value)
    assert result == value and type(result) is float


@pytest.mark.parametrize("value", [-1e-9, -3, -inf, inf, nan])
def test_real_number_refuses_what_is_too_small_or_not_finite(value):
    with pytest.raises(ValueError) as caught:
        _arguments.real_number("lr", value)
    check_sentence(str(caught.value), f"lr is {value}", "at least 0")


def test_real_number_may_exclude_the_minimum():
    assert _arguments.real_number("lr", 0.0) == 0.0
    assert _arguments.real_number("lr", 0.6, 0.5, above=True) == 0.6
    with pytest.raises(ValueError) as caught:
        _arguments.real_number("lr", 0.5, 0.5, above=True)
    check_sentence(str(caught.value), "lr is 0.5", "above 0.5")


@pytest.mark.parametrize("value", ["0.1", None, True, [0.1], 1j])
def test_real_number_refuses_what_is_none(value):
    with pytest.raises(TypeError) as caught:
        _arguments.real_number("lr", value)
    check_sentence(str(caught.value), f"lr is {value!r}")


def test_one_of_names_the_nearest_choice_where_there_is_one():
    choices = ("imagenet", "cifar")
    assert _arguments.one_of("stem", "cifar", choices) == "cifar"
    near = refusal(_arguments.one_of, "stem", "cifar-10", choices)
    check_sentence(near, "stem is 'cifar-10'", "'imagenet', 'cifar'")
    assert near.endswith("did you mean 'cifar'?")
    assert refusal(_arguments.one_of, "stem", "xyz", choices).endswith("; choose one of them.")


def test_one_of_takes_choices_that_can_be_read_only_once():
    choices = ["a", "b"]
    check_sentence(refusal(_arguments.one_of, "n", "c", iter(choices)), "n is 'c'", "'a', 'b'")


def test_true_or_false_takes_these_two():
    for value in (True, False):
        assert _arguments.true_or_false("residual", value) is value
