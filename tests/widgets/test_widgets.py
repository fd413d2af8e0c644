"""Explorers: they answer, refuse in words, and leave a picture where no kernel runs."""

import base64
import functools
import re
from html import escape

import numpy as np
import pytest
import torch
from ipywidgets import Dropdown, IntSlider, SelectionSlider
from matplotlib.colors import to_rgb
from torch import nn

import resnet_lessons
from resnet_lessons import cifar_resnet, evaluate, widgets
from resnet_lessons.lab import results
from resnet_lessons.measure import removed
from resnet_lessons.networks import ResNet
from resnet_lessons.plots.style import PLAIN, RESIDUAL, new_figure
from resnet_lessons.widgets.block import answer as block_answer
from resnet_lessons.widgets.convolution import answer
from resnet_lessons.widgets.explorer import VIEW, Explorer, Shown, Ticks
from resnet_lessons.widgets.network import answer as network_answer

SOME = resnet_lessons.load(device="cpu").pooled(4).take(test=60)


@functools.cache
def two_nets():
    """A plain and a residual network of 14 layers, not trained."""
    torch.manual_seed(0)
    kinds = ("plain", "residual")
    return {(kind, 14): cifar_resnet(14, kind == "residual", 4, in_channels=1) for kind in kinds}


MAKERS = {
    "block": widgets.block,
    "convolution": widgets.convolution,
    "depth": widgets.depth,
    "inside": lambda: widgets.inside(two_nets()["residual", 14], SOME),
    "lesions": lambda: widgets.lesions(two_nets(), SOME),
    "network": widgets.network,
    "training": lambda: widgets.training(SOME, 8, 2, width=4).advance(2),
}
PICTURED = [make for name, make in MAKERS.items() if name != "network"]
every_explorer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_explorer
def test_without_a_kernel_its_text_and_picture_are_left(make):
    explorer = make()
    bundle = explorer._repr_mimebundle_()
    assert bundle[VIEW]["model_id"] == explorer._box.model_id
    html = bundle["text/html"]
    assert "border-left" in html
    assert len(html) < 100_000
    for line in (*explorer.shown.text, *explorer.shown.numbers):
        assert line in bundle["text/plain"] and escape(line) in html
    settings = bundle["text/plain"].splitlines()[0]
    assert all(f"{name}=" in settings for name in explorer.controls)


@pytest.mark.parametrize("make", PICTURED)
def test_its_picture_says_in_words_what_it_shows(make):
    explorer = make()
    html = explorer._repr_mimebundle_()["text/html"]
    image = r'<img alt="([^"]+)" style="[^"]*" src="data:image/png;base64,([^"]+)">'
    picture = re.search(image, html)
    assert base64.b64decode(picture[2]).startswith(b"\x89PNG")
    said = " ".join([*explorer.shown.text, *explorer.shown.numbers])
    assert picture[1] == escape(said, quote=True)


@every_explorer
def test_every_control_has_a_label_and_moves_the_answer(make):
    for name, control in make().controls.items():
        explorer = make()
        control = explorer.controls[name]
        assert control.description
        before = explorer._view.value
        if isinstance(control, IntSlider):
            assert control.continuous_update
            control.value = control.max if control.value != control.max else control.min
        elif isinstance(control, Ticks):
            control.value = control.options[1:3]
        else:
            assert isinstance(control, Dropdown | SelectionSlider)
            assert getattr(control, "continuous_update", True)
            control.value = next(v for v in control.options if v != control.value)
        assert explorer._view.value != before, name
        assert explorer._repr_mimebundle_()["text/html"].endswith(explorer._view.value)


def test_a_fault_is_told_apart_and_text_is_escaped():
    right, wrong = Shown(("a < b",)), Shown(("a < b",), fault=True)
    assert "a &lt; b" in right.html() and right.html() != wrong.html()
    assert "<img" not in right.html()


def test_numbers_stand_below_the_picture():
    html = Shown(("above",), new_figure()[0], numbers=("a < b", "c")).html()
    assert html.endswith(">a &lt; b<br>c</div>")
    assert 'alt="above a &lt; b c"' in html


def test_an_explorer_follows_its_controls():
    slider = IntSlider(value=1, max=5, description="n")
    explorer = Explorer({"n": slider}, lambda n: Shown((f"{n} squared is {n * n}",)))
    slider.value = 4
    assert explorer.shown.text == ("4 squared is 16",)
    assert repr(explorer) == "n=4\n4 squared is 16"


def test_a_control_that_moves_another_is_answered_once():
    first, second = IntSlider(value=1, max=5), IntSlider(value=1, max=5)
    first.observe(lambda change: setattr(second, "value", change["new"]), "value")
    asked = []

    def answer(**values):
        asked.append(values)
        return Shown((str(values),))

    explorer = Explorer({"first": first, "second": second}, answer)
    first.value = 3
    assert asked == [{"first": 1, "second": 1}, {"first": 3, "second": 3}]
    second.value = 1
    assert explorer.shown.text == ("{'first': 3, 'second': 1}",)


# --- convolution ---


def test_the_size_is_torchs_and_so_is_what_a_pixel_sees():
    for size, kernel, stride, padding, dilation in (
        (7, 3, 2, 1, 1), (8, 3, 2, 1, 1), (5, 5, 1, 0, 1), (9, 3, 3, 2, 2), (4, 7, 4, 4, 1),
    ):  # fmt: skip
        layer = nn.Conv2d(1, 1, kernel, stride, padding, dilation, bias=False)
        nn.init.ones_(layer.weight)
        x = torch.randn(1, 1, size, size, requires_grad=True)
        y = layer(x)
        out = y.shape[-1]
        for pixel in range(1, out + 1):
            shown = answer(size, kernel, stride, padding, dilation, pixel)
            assert f"{size}×{size} becomes {out}×{out}." in shown.text[0] and not shown.fault
            (gradient,) = torch.autograd.grad(y[0, 0, pixel - 1, pixel - 1], x, retain_graph=True)
            seen = int((gradient[0, 0] != 0).any(1).sum())
            assert (
                f"sees {kernel} places of the input's row, {seen} of them pixels" in shown.text[1]
            )


def test_the_picture_marks_what_is_seen_and_where_it_goes():
    drawing = answer(5, 3, 2, 1, 1, 2).picture
    before, after = (axes.images[0].get_array() for axes in drawing.axes)
    blue, red = np.array(to_rgb(RESIDUAL)), np.array(to_rgb(PLAIN))
    assert np.argwhere((before == blue).all(-1)).min(0).tolist() == [2, 2]
    assert int((before == blue).all(-1).sum()) == 9
    assert np.argwhere((after == red).all(-1)).tolist() == [[1, 1]]
    assert (before[0] == 1).all() and before.shape[:2] == (7, 7) and after.shape[:2] == (3, 3)


def test_pixels_that_no_step_reaches_are_told():
    assert "The last 1 of the padded row" in answer(8, 3, 2, 1, 1, 1).text[-1]
    assert len(answer(7, 3, 2, 1, 1, 1).text) == 2


@pytest.mark.parametrize(("size", "kernel", "dilation", "cure"), [(3, 5, 1, 1), (1, 7, 3, 9)])
def test_a_kernel_that_does_not_fit_is_refused_with_the_cure(size, kernel, dilation, cure):
    shown = answer(size, kernel, 1, 0, dilation, 1)
    assert shown.fault and f"a padding of at least {cure}," in shown.text[1]
    with pytest.raises(RuntimeError):
        nn.Conv2d(1, 1, kernel, 1, cure - 1, dilation)(torch.zeros(1, 1, size, size))
    nn.Conv2d(1, 1, kernel, 1, cure, dilation)(torch.zeros(1, 1, size, size))


def test_it_begins_where_it_is_asked_to_and_says_what_is_out_of_reach():
    explorer = widgets.convolution(size=5, kernel=1, stride=1, padding=0)
    assert explorer.shown.text[0].endswith("= 5: 5×5 becomes 5×5.")
    with pytest.raises(ValueError, match=r"kernel is 9, but the slider ends at 7"):
        widgets.convolution(kernel=9)
    with pytest.raises(ValueError, match="stride is 0"):
        widgets.convolution(stride=0)


# --- depth ---


def test_the_gap_is_that_of_the_stored_runs():
    runs = [run for run in results.read("degradation-mini") if run.depth == 44]
    explorer = widgets.depth(layers=44)
    for column, figure in (("train_error", "training error"), ("test_error", "test error")):
        explorer.controls["figure"].value = figure
        means = [
            sum(getattr(run.epochs[-1], column) for run in runs if run.kind == kind) / 3
            for kind in ("plain", "residual")
        ]
        (text,) = explorer.shown.text
        assert f"The plain mean is {means[0] - means[1]:.1f} points higher." in text
        assert f"plain-44 ends at {means[0]:.1f} %" in text


def test_depths_are_those_that_are_stored():
    assert widgets.depth().controls["layers"].options == (8, 20, 32, 44, 56)
    with pytest.raises(ValueError, match="layers is 21, but degradation-mini has networks of 8,"):
        widgets.depth(layers=21)
    with pytest.raises(ValueError, match="no plain and residual networks of one depth"):
        widgets.depth("lesson-nine-mini")


# --- block ---


@pytest.mark.parametrize("shortcut", ["identity", "projection", "padding", "none"])
@pytest.mark.parametrize(
    "given", [(64, 64, 1), (64, 128, 2), (64, 128, 1), (32, 32, 2), (64, 16, 1)]
)
def test_a_block_is_shown_or_refused_as_torch_would(given, shortcut):
    shown = block_answer(*given, shortcut)
    in_channels, out_channels, _ = given
    plain = resnet_lessons.PlainBlock(*given)
    x = torch.randn(2, in_channels, 28, 28)
    with torch.no_grad():
        y = plain(x)
    out = "×".join(map(str, y.shape[1:]))
    if shortcut == "none":
        assert out in shown.text[0] and not shown.fault
    elif shortcut == "identity":
        assert shown.fault == (y.shape != x.shape)
        assert f"F(x) is {out}" in shown.text[0]
    elif shortcut == "padding" and out_channels < in_channels:
        assert shown.fault and shown.picture is None
        with pytest.raises(ValueError):
            resnet_lessons.BasicBlock(*given, shortcut)
    else:
        made = resnet_lessons.BasicBlock(*given, shortcut)
        count = sum(p.numel() for p in made.parameters())
        around = sum(p.numel() for p in made.downsample.parameters())
        assert f"{count:,} parameters, {around:,} of them in the shortcut" in shown.text[0]
        assert not shown.fault


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((64, 128, 2), "their channels, their heights and their widths differ"),
        ((64, 128, 1), "their channels differ"),
        ((64, 64, 2), "their heights and their widths differ"),
    ],
)
def test_what_disagrees_is_named(given, words):
    assert words in block_answer(*given, "identity").text[0]


def test_a_block_of_another_kind_is_refused_in_words():
    with pytest.raises(ValueError, match="shortcut is 'option A', but it must be one of 'none'"):
        widgets.block(shortcut="option A")
    with pytest.raises(ValueError, match="stride is '3'"):
        widgets.block(stride=3)


# --- network ---


def test_it_begins_as_resnet50_and_counts_what_a_whole_count_counts():
    explorer = widgets.network()
    assert "yours has exactly as many" in explorer.shown.text[2]
    assert "50 layers with weights, 25,557,032 parameters" in explorer.shown.text[0]
    for name, block, stages in (
        ("resnet18", "basic", "2, 2, 2, 2"),
        ("resnet34", "basic", "3, 4, 6, 3"),
        ("resnet152", "bottleneck", "3, 8, 36, 3"),
    ):
        with torch.device("meta"):
            table = resnet_lessons.shape_table(getattr(resnet_lessons, name)(), (1, 3, 224, 224))
        shown = network_answer(block, stages, 64, "imagenet", 224)
        assert f"{name[6:]} layers with weights, {table.parameters:,} parameters" in shown.text[0]
        assert f"{table.multiply_adds:,} multiply-adds" in shown.text[0]
        assert name in shown.text[2] and "exactly as many" in shown.text[2]


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_each_part_adds_up_and_has_its_shape(stem):
    shown = network_answer("basic", "1, 1, 1, 1", 16, stem, 64)
    net = ResNet((1,) * 4, stem=stem, channels=(16, 32, 64, 128))
    table = resnet_lessons.shape_table(net, (1, 3, 64, 64))
    head, *rows = shown.table
    assert head == ("part", "output", "parameters", "multiply-adds")
    for column, total in ((2, table.parameters), (3, table.multiply_adds)):
        assert sum(int(row[column].replace(",", "")) for row in rows) == total
    shapes = ["×".join(map(str, table[f"layer{n}.0"].output[1:])) for n in (1, 2, 3, 4)]
    assert [row[1] for row in rows[1:5]] == shapes
    assert "10 layers" in shown.text[0]


def test_a_table_is_told_in_a_terminal_too():
    shown = Shown(("a",), table=(("part", "n"), ("stem", "1,000"), ("x", "2")))
    assert shown.plain() == "a\npart      n\nstem  1,000\nx         2"
    assert '<td style="text-align:right;padding:.1em .8em">1,000</td>' in shown.html()


def test_a_network_that_is_not_on_the_menu_is_refused():
    with pytest.raises(ValueError, match="width is '48', but it must be one of '16'"):
        widgets.network(width=48)


# --- lesions ---


def test_blocks_that_are_off_are_removed_from_every_network():
    explorer = widgets.lesions(two_nets(), SOME)
    names = ("layer1.0", "layer1.1", "layer2.1", "layer3.1")  # the others change the shape
    assert explorer.controls["off"].options == names
    assert explorer.shown.text[0] == "Left out: nothing. Guessing has an error of 90 %."
    explorer.controls["off"].value = ("layer1.1", "layer3.1")
    for line, ((kind, depth), net) in zip(explorer.shown.text[1:], two_nets().items(), strict=True):
        whole = evaluate(net, SOME).error
        error = evaluate(removed(net, ["layer1.1", "layer3.1"]), SOME).error
        assert line == f"{kind}-{depth}: test error {error:.1f} %, {error - whole:+.1f} points."
    bars = [bar.get_width() for bar in explorer.shown.picture.axes[0].patches]
    assert [f"{bar:.1f}" for bar in bars] == [
        re.search(r"error (\S+) %", line)[1] for line in explorer.shown.text[1:]
    ]
    explorer.controls["off"].value = ()
    assert not any(box.value for box in explorer.controls["off"].children[1:])
    assert all(line.endswith("+0.0 points.") for line in explorer.shown.text[1:])


def test_blocks_and_networks_that_are_not_there_are_refused_in_words():
    with pytest.raises(ValueError, match=r"off is \('layer2.0',\), but .* layer1.0, layer1.1"):
        widgets.lesions(two_nets(), SOME, off=("layer2.0",))
    with pytest.raises(ValueError, match="nets has no network"):
        widgets.lesions({}, SOME)


def test_ticking_boxes_one_by_one_and_from_code_gives_an_answer_each():
    asked = []
    ticks = Ticks("letters", ("b",), ("a", "b", "c"))
    explorer = Explorer({"of": ticks}, lambda of: asked.append(of) or Shown((" ".join(of),)))
    label, *boxes = ticks.children
    assert label.value == "letters" and [box.description for box in boxes] == ["a", "b", "c"]
    assert [box.value for box in boxes] == [False, True, False]
    boxes[2].value = True
    ticks.value = ("a",)
    assert [box.value for box in boxes] == [True, False, False]
    boxes[0].value = False
    assert asked == [("b",), ("b", "c"), ("a",), ()]
    assert repr(explorer).startswith("of=()")
