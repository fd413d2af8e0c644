"""The shape table: its rows, its counts, its printing, and that it leaves no trace on the model."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from math import prod

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import flop_registry

from resnet_lessons.shapes import ShapeRow, shape_table


def names(table):
    return [row.name for row in table]


@pytest.fixture(scope="module")
def resnet18():
    return torchvision.models.resnet18()


class Block(nn.Module):
    """A small residual block with everything a run could disturb: BN, dropout, a reused ReLU."""

    def __init__(self, channels=4):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.dropout(self.conv2(y)) + x)


class Calls(nn.Module):
    """A model whose forward is the function given, called with the model first."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *inputs, **named):
        return self.function(self, *inputs, **named)


# Rows


def test_resnet18_shows_the_stem_each_block_and_the_head(resnet18):
    table = shape_table(resnet18, (2, 3, 224, 224))
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert names(table) == ["conv1", "bn1", "relu", "maxpool", *blocks, "avgpool", "fc"]
    assert table.parameters == sum(row.parameters for row in table) == 11_689_512
    assert table.multiply_adds == sum(row.multiply_adds for row in table) == 2 * 1_814_073_344
    assert table["conv1"].multiply_adds == 2 * 64 * 112 * 112 * 3 * 7 * 7
    block = (2, 64, 56, 56), (2, 128, 28, 28), 230_144, 2 * 179_830_784
    assert table["layer2.0"] == ShapeRow("layer2.0", "BasicBlock", *block)
    assert table.output == table["fc"].output == (2, 1000)


@pytest.mark.parametrize(
    ("depth", "rows", "some"),
    [
        (0, 1, [""]),
        (1, 10, ["conv1", "layer1", "layer4", "fc"]),
        (2, 14, ["conv1", "layer1.1", "fc"]),
        (3, 57, ["layer1.0.conv1", "layer2.0.downsample", "fc"]),
        (4, 60, ["layer1.0.conv1", "layer2.0.downsample.0"]),
        (9, 60, ["layer4.0.downsample.1"]),
    ],
)
def test_every_depth_has_the_same_totals(resnet18, depth, rows, some):
    table = shape_table(resnet18, (1, 3, 32, 32), depth)
    assert len(table) == rows
    assert set(some) <= set(names(table))
    assert sum(row.parameters for row in table) == table.parameters == 11_689_512
    whole = shape_table(resnet18, (1, 3, 32, 32), depth=0)[0]
    assert sum(row.multiply_adds for row in table) == table.multiply_adds == whole.multiply_adds


def test_a_leaf_is_one_row_at_every_depth():
    for depth in (None, 0, 1, 5):
        (row,) = shape_table(nn.Conv2d(3, 8, 3), (2, 3, 10, 12), depth)
        assert row[:4] == ("", "Conv2d", (2, 3, 10, 12), (2, 8, 8, 10))


trees = st.recursive(
    st.sampled_from(["linear", "relu"]), lambda tree: st.lists(tree, max_size=3), max_leaves=8
)


@settings(deadline=None, max_examples=60)
@given(tree=st.lists(trees, min_size=1, max_size=3), depth=st.none() | st.integers(0, 5))
def test_names_in_any_nest_of_containers(tree, depth):
    def build(node):
        if isinstance(node, str):
            return nn.Linear(3, 3) if node == "linear" else nn.ReLU()
        return nn.Sequential(*map(build, node))

    model = build(tree)
    expected = [
        name
        for name, module in model.named_modules()
        if (name.count(".") + bool(name) == depth)
        or (
            (depth is None or name.count(".") + bool(name) < depth)
            and not len([*module.children()])
        )
    ]
    table = shape_table(model, (2, 3), depth)
    assert names(table) == expected
    linears = sum(isinstance(module, nn.Linear) for module in model.modules())
    assert sum(row.parameters for row in table) == 12 * linears
    assert sum(row.multiply_adds for row in table) == 2 * 9 * linears


def test_containers_without_a_forward_unfold_in_order_of_execution():
    def forward(self, x):
        return self.heads["b"](self.stages[1](self.stages[0](x))) + self.heads["a"](x)

    stages = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4)])
    heads = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    table = shape_table(Calls(forward, stages=stages, heads=heads), (1, 4))
    assert names(table) == ["stages.0.0", "stages.0.1", "stages.1", "heads.b", "heads.a"]


def test_a_sequential_with_a_forward_of_its_own_is_a_module_not_a_container():
    class Residual(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + x

    class Renamed(nn.Sequential):
        pass

    table = shape_table(nn.Sequential(Residual(nn.Linear(4, 4)), Renamed(nn.Linear(4, 4))), (1, 4))
    assert [(row.name, row.kind) for row in table] == [("0", "Residual"), ("1.0", "Linear")]


def test_a_module_called_twice_has_two_rows_and_its_parameters_once():
    linear = nn.Linear(5, 5)
    table = shape_table(nn.Sequential(linear, nn.ReLU(), linear), (3, 5))
    assert names(table) == ["0", "1", "0"]
    assert [row.parameters for row in table] == [30, 0, 0]
    assert [row.multiply_adds for row in table] == [75, 0, 75]
    assert table["0"] is table[0]
    assert table.parameters == 30
    twice = nn.Sequential(nn.Sequential(linear), nn.Sequential(linear))
    assert names(shape_table(twice, (3, 5))) == ["0.0", "0.0"]  # the first of its names


def test_a_parameter_shared_by_two_modules_counts_in_the_first():
    first, second = nn.Linear(5, 5), nn.Linear(5, 5)
    second.weight = first.weight
    table = shape_table(nn.Sequential(first, second), (1, 5))
    assert [row.parameters for row in table] == [30, 5]
    assert table.parameters == 35


def test_what_no_row_shows_has_its_line_and_is_in_the_total():
    def forward(self, x):
        return self.used(x) @ self.unused.weight

    table = shape_table(Calls(forward, used=nn.Linear(4, 6), unused=nn.Linear(6, 6)), (2, 4))
    assert names(table) == ["used"]
    assert table.parameters == 30 + 42
    assert table.multiply_adds == 2 * 4 * 6 + 2 * 6 * 6
    assert str(table).splitlines()[-2].split() == ["in", "no", "row", "42", "72"]
    assert "in no row" not in str(shape_table(nn.Linear(4, 6), (2, 4)))


def test_a_call_inside_a_row_belongs_to_that_row():
    inner = nn.Linear(4, 4)
    outer = Calls(lambda self, x: self.inner(self.inner(x)), inner=inner)
    # `again` is a joint by itself, but what `outer` calls of it belongs to the row of `outer`.
    model = Calls(lambda self, x: self.again(self.outer(x)), outer=outer, again=inner)
    table = shape_table(model, (1, 4), depth=1)
    assert [(row.name, row.parameters, row.multiply_adds) for row in table] == [
        ("outer", 20, 32),
        ("again", 0, 16),
    ]
    assert table.multiply_adds == 48


@dataclass
class Features:
    low: torch.Tensor
    high: list[torch.Tensor]
    scale: float = 1.0


@pytest.mark.parametrize(
    ("output", "shapes"),
    [
        (lambda x: x.sum(), ()),
        (lambda x: None, None),
        (lambda x: (x, None), (2, 3)),
        (lambda x: [x, x.T], ((2, 3), (3, 2))),
        (lambda x: {"a": x, "b": (x[0], [x.sum()])}, ((2, 3), (3,), ())),
        (lambda x: Features(x, [x[0], x[1, :2]]), ((2, 3), (3,), (2,))),
        (lambda x: (Features, "text", {}), None),
    ],
)
def test_outputs_of_every_form(output, shapes):
    table = shape_table(Calls(lambda self, x: output(x)), (2, 3))
    assert table.output == table[0].output == shapes


def test_several_inputs_and_keyword_inputs():
    def inner(self, x, pair, *, scale):
        return x + pair["y"] * scale

    def outer(self, x, y):
        return self.join(x, pair={"y": y, "unused": None}, scale=y.sum())

    model = Calls(outer, join=Calls(inner))
    table = shape_table(model, [(2, 3), (2, 1)])
    assert table.input == ((2, 3), (2, 1))
    assert table["join"].input == ((2, 3), (2, 1), ())
    assert table.output == (2, 3)


# Counts


@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 3),
    inner=st.integers(1, 3),
    outer=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    bias=st.booleans(),
)
def test_convolutions_against_the_formula(
    batch, groups, inner, outer, kernel, stride, padding, size, bias
):
    conv = nn.Conv2d(
        inner * groups, outer * groups, kernel, stride, padding, groups=groups, bias=bias
    )
    height, width = ((s + 2 * padding - k) // stride + 1 for s, k in zip(size, kernel, strict=True))
    table = shape_table(conv, (batch, inner * groups, *size))
    assert table.output == (batch, outer * groups, height, width)
    assert table.parameters == outer * groups * (inner * prod(kernel) + bias)
    assert table.multiply_adds == batch * outer * groups * height * width * inner * prod(kernel)


@pytest.mark.skipif(
    not any("flash_attention_for_cpu" in str(operation) for operation in flop_registry),
    reason="this torch's own counter knows no attention on the CPU",
)
def test_attention_is_counted_although_eval_mode_would_fuse_it():
    layer = nn.TransformerEncoderLayer(16, 4, dim_feedforward=32, batch_first=True)
    table = shape_table(nn.TransformerEncoder(layer, 2), (3, 5, 16))
    projections, attention, feedforward = 4 * 5 * 16 * 16, 2 * 5 * 5 * 16, 2 * 5 * 16 * 32
    assert table.multiply_adds == 2 * 3 * (projections + attention + feedforward)
    assert torch.backends.mha.get_fastpath_enabled()


# The input


def test_zeros_have_the_models_device_and_float_type():
    seen = []
    model = nn.Sequential(nn.Linear(4, 4, dtype=torch.float64))
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    shape_table(model, (2, 4))
    assert seen[0].dtype == torch.float64 and not seen[0].any()
    with torch.device("meta"):
        model = torchvision.models.resnet152()
    table = shape_table(model, (256, 3, 224, 224))
    assert table.output == (256, 1000)
    assert table.parameters == 60_192_808


def test_tensors_are_used_as_they_are_and_stay_as_they_are():
    ids = torch.tensor([[1, 2, 9]])
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    table = shape_table(model, ids)
    assert (table.input, table[0].output, table.output) == ((1, 3), (1, 3, 4), (1, 2))

    x = torch.full((2, 3), -1.0, requires_grad=True)
    needs = []
    relu = nn.ReLU(inplace=True)
    relu.register_forward_pre_hook(lambda module, args: needs.append(args[0].requires_grad))
    add = Calls(lambda self, x, y: self.relu(x) + y, relu=relu)
    for inputs in ((x, x), [x, (2, 3)]):
        assert shape_table(add, inputs).input == ((2, 3), (2, 3))
    assert torch.equal(x.detach(), torch.full((2, 3), -1.0)) and x.grad is None
    assert not x._backward_hooks and needs == [False, False]


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ((torchvision.models.resnet18, (1, 3)), TypeError, "nn.Module"),
        ((nn.ReLU(), 5), TypeError, "input_shape is 5"),
        ((nn.ReLU(), "1, 3"), TypeError, "input_shape is '1, 3'"),
        ((nn.ReLU(), None), TypeError, "input_shape is None"),
        ((nn.ReLU(), ()), ValueError, r"input_shape is \(\)"),
        ((nn.ReLU(), (1, 2.0)), TypeError, r"input_shape\[1\] is 2.0"),
        ((nn.ReLU(), (True, 2)), TypeError, r"input_shape\[0\] is True"),
        ((nn.ReLU(), (1, 0)), ValueError, r"input_shape\[1\] is 0"),
        ((nn.ReLU(), [(1, 2), 3]), TypeError, r"input_shape\[1\] is 3"),
        ((nn.ReLU(), [(1, 2), (1, -1)]), ValueError, r"input_shape\[1\]\[1\] is -1"),
        ((nn.ReLU(), (1, 2), 1.5), TypeError, "depth is 1.5"),
        ((nn.ReLU(), (1, 2), -1), ValueError, "depth is -1"),
        ((nn.LazyLinear(3), (1, 2)), ValueError, "lazy"),
        ((nn.Sequential(nn.LazyBatchNorm1d()), (1, 2)), ValueError, "call the model once"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments, error, part):
    with pytest.raises(error, match=part) as caught:
        shape_table(*arguments)
    assert "; " in str(caught.value) and str(caught.value).endswith(".")


# Failures


def test_the_innermost_module_that_failed_is_named_with_input_and_reason():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(Block(4), Block(5)))
    with pytest.raises(ValueError) as caught:
        shape_table(model, (2, 3, 8, 8))
    message = str(caught.value)
    assert "module '1.1.conv1' (Conv2d) failed on input 2×4×8×8" in message
    assert "to have 5 channels, but got 4 channels" in message
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("model", "shape", "start"),
    [
        (
            nn.Linear(4, 2),
            (3, 5),
            "the model (Linear) failed on input 3×5, with RuntimeError: ",
        ),
        (nn.ModuleList(), (3, 5), "the model (ModuleList) failed on input 3×5, with NotImplement"),
        (nn.Embedding(3, 4), (2, 3), "the model (Embedding) failed on input 2×3"),
        (nn.Bilinear(2, 3, 4), (2, 2), "the model (Bilinear) failed on input 2×2, with TypeError"),
        (
            nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 1, 5)),
            (1, 1, 8, 8),
            "module '1' (Conv2d) failed on input 1×1×2×2",
        ),
        (
            nn.Sequential(Calls(lambda self, x: x + self.conv(x), conv=nn.Conv2d(3, 4, 1))),
            (1, 3, 8, 8),
            "module '0' (Calls) failed on input 1×3×8×8, with RuntimeError: The size of tensor a",
        ),
    ],
)
def test_failures_of_many_kinds(model, shape, start):
    with pytest.raises(ValueError) as caught:
        shape_table(model, shape)
    assert str(caught.value).startswith(start)


def test_a_failure_without_words_and_one_in_a_hook():
    def refuse(self, x):
        raise AssertionError

    with pytest.raises(ValueError, match=r"AssertionError: no reason given;"):
        shape_table(Calls(refuse), (1,))
    model = nn.Sequential(nn.ReLU())
    model.register_forward_pre_hook(lambda module, args: 1 / 0)
    with pytest.raises(ValueError, match=r"the model \(Sequential\) failed on input 1×2"):
        shape_table(model, (1, 2))


def test_an_error_that_the_model_catches_leaves_the_table_right():
    def forward(self, x):
        try:
            x = self.first(x)
        except RuntimeError:
            x = self.second(x)
        return x

    model = nn.Sequential(
        Calls(forward, first=nn.Linear(3, 3), second=nn.Linear(4, 3)), nn.Linear(3, 2)
    )
    table = shape_table(model, (1, 4))
    assert [(row.name, row.parameters) for row in table] == [("0", 12 + 15), ("1", 8)]
    assert (table[0].input, table[0].output) == ((1, 4), (1, 3))


# The model is left as it was found

HOOKS = [
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
]


def snapshot(model):
    modules = list(model.modules())
    everywhere = vars(torch.nn.modules.module)
    return {
        "flags": [module.training for module in modules],
        "attributes": [list(vars(module)) for module in modules],
        "hooks": [list(getattr(module, name).items()) for module in modules for name in HOOKS],
        "global hooks": [len(everywhere[f"_global{name}"]) for name in (HOOKS[0], HOOKS[2])],
        "state": {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        "tensors": [(id(t), t.device, t.dtype) for t in [*model.parameters(), *model.buffers()]],
        "parameters": [(p.requires_grad, p._backward_hooks) for p in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "random": torch.get_rng_state().tolist(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "fused attention": torch.backends.mha.get_fastpath_enabled(),
    }


class Stubborn(nn.Module):
    """Draws random numbers in eval mode too, and overrides train()."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(4)

    def train(self, mode=True):
        raise AssertionError("only the flags may be touched")

    def forward(self, x):
        return F.dropout(self.bn(x), training=True)


def trained_model(last):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Block(), Block(), last)
    model[:3](torch.randn(2, 3, 6, 6)).sum().backward()
    model[1].training = False
    model[1].bn1.training = True
    model[0].weight.requires_grad = False
    model[2].bn1.train(False)
    return model


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("depth", [None, 0, 2])
@pytest.mark.parametrize("gradients", [True, False])
def test_the_model_is_left_as_it_was_found(fails, depth, gradients):
    model = trained_model(nn.Conv2d(5, 5, 1) if fails else Stubborn())
    calls = []
    model[1].register_forward_hook(lambda *_: calls.append("forward"))
    model[2].register_forward_pre_hook(lambda *_, **__: calls.append("pre"), with_kwargs=True)
    model[1].conv1.register_full_backward_hook(lambda *_: calls.append("backward"))
    assert len({module.training for module in model.modules()}) == 2
    with torch.set_grad_enabled(gradients):
        before = snapshot(model)
        if fails:
            with pytest.raises(ValueError, match="module '3'"):
                shape_table(model, (2, 3, 6, 6), depth)
        else:
            shape_table(model, (2, 3, 6, 6), depth)
        assert snapshot(model) == before
    assert calls == ["forward", "pre"]  # hooks of one's own run, and remain
    model[:3](torch.ones(1, 3, 4, 4)).sum().backward()
    assert calls == ["forward", "pre"] * 2 + ["backward"]


def test_ctrl_c_in_a_forward_passes_through_and_leaves_no_trace():
    def interrupted(self, x):
        raise KeyboardInterrupt

    model = nn.Sequential(Block(), Calls(interrupted))
    before = snapshot(model)
    with pytest.raises(KeyboardInterrupt):
        shape_table(model, (1, 4, 5, 5))
    assert snapshot(model) == before


def test_the_run_is_in_eval_mode_without_gradients():
    seen = []

    def look(self, x):
        seen.append((self.training, torch.is_grad_enabled()))
        return x

    shape_table(nn.Sequential(Calls(look)).train(), (1, 2))
    assert seen == [(False, False)]


def test_a_hook_that_changes_the_tensors_shows_in_the_row():
    model = nn.Sequential(nn.Linear(3, 3), nn.Flatten())
    model[0].register_forward_pre_hook(lambda module, args: args[0][:, :3])
    model[0].register_forward_hook(lambda module, args, output: output[:, :2])
    table = shape_table(model, (2, 5))
    assert (table[0].input, table[0].output, table[1].input) == ((2, 3), (2, 2), (2, 2))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_counts_are_the_same_and_its_random_state_too(resnet18):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Stubborn()).cuda()
    before = torch.cuda.get_rng_state()
    assert shape_table(model, (1, 3, 6, 6)) == shape_table(model.cpu(), (1, 3, 6, 6))
    assert torch.equal(torch.cuda.get_rng_state(), before)


# Reading and printing


@pytest.fixture
def table():
    net = nn.Sequential()
    net.add_module("stem", nn.Conv2d(3, 16, 3))
    net.add_module("a<b>&c", nn.Flatten())
    net.add_module("fc", nn.Linear(16 * 6 * 6, 1000))
    return shape_table(net, (2, 3, 8, 8))


def test_rows_by_number_slice_and_name(table):
    assert len(table) == 3
    assert list(table) == [table[0], table[1], table[-1]]
    assert table["fc"] is table[2] and "fc" in table and table[2] in table
    assert "nothing" not in table
    assert names(table[1:]) == ["a<b>&c", "fc"]
    assert (table[1:].parameters, table[1:].output) == (table.parameters, (2, 1000))
    with pytest.raises(IndexError):
        table[3]
    with pytest.raises(KeyError, match="did you mean 'stem'"):
        table["sterm"]
    with pytest.raises(KeyError, match="print the table"):
        table["?"]


def test_the_text_is_aligned_and_has_thousands_separators_and_totals(table):
    assert str(table) == repr(table)
    assert str(table).splitlines() == [
        "module  kind        input     output    parameters  multiply-adds",
        "─────────────────────────────────────────────────────────────────",
        "stem    Conv2d      2×3×8×8   2×16×6×6         448         31,104",
        "a<b>&c  Flatten     2×16×6×6  2×576              0              0",
        "fc      Linear      2×576     2×1000       577,000      1,152,000",
        "─────────────────────────────────────────────────────────────────",
        "total   Sequential  2×3×8×8   2×1000       577,448      1,183,104",
    ]
    assert str(table[1:]).splitlines()[-2].split() == ["in", "no", "row", "448", "31,104"]


def test_the_text_of_odd_shapes():
    model = Calls(lambda self, x, y: (self.none(x), x.sum()), none=Calls(lambda self, x: None))
    lines = str(shape_table(model, [(1, 2), (3,)])).splitlines()
    assert lines[2].split() == ["none", "Calls", "1×2", "–", "0", "0"]
    assert lines[-1].split() == ["total", "Calls", "1×2,", "3", "scalar", "0", "0"]
    assert str(shape_table(nn.ReLU(), (1,))).splitlines()[2].startswith("(model)")


def test_the_html_is_well_formed_and_accessible(table):
    page = table._repr_html_()
    root = ElementTree.fromstring(page)
    (grid,) = root.iter("table")
    assert grid.find("caption").text == "Sequential: 2×3×8×8 → 2×1000"
    heads = grid.findall("thead/tr/th")
    assert [cell.get("scope") for cell in heads] == ["col"] * 6
    rows = [[cell.text or "" for cell in row] for row in grid.findall("tbody/tr")]
    assert rows[1] == ["a<b>&c", "Flatten", "2×16×6×6", "2×576", "0", "0"]
    (total,) = grid.findall("tfoot/tr")
    assert [cell.text for cell in total][-2:] == ["577,448", "1,183,104"]
    for row in [*grid.findall("tbody/tr"), total]:
        assert (row[0].tag, row[0].get("scope")) == ("th", "row")
        assert {cell.tag for cell in row[1:]} == {"td"}
    for row in grid.iter("tr"):
        sides = [cell.get("style").removeprefix("text-align:") for cell in row]
        assert sides == ["left"] * 4 + ["right"] * 2
    assert "color" not in page and "background" not in page
    assert "overflow-x:auto" in root.get("style")
    odd = type("Net<&>", (nn.ReLU,), {})()
    caption = ElementTree.fromstring(shape_table(odd, (1, 2))._repr_html_()).find("table/caption")
    assert caption.text == "Net<&>: 1×2 → 1×2"
    assert len(ElementTree.fromstring(table[1:]._repr_html_()).findall("table/tfoot/tr")) == 2


def test_importing_shapes_brings_in_no_plotting_notebook_or_model_library():
    code = (
        "import sys, resnet_lessons.shapes;"
        "print({'matplotlib', 'IPython', 'ipywidgets', 'torchvision'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
