"""The explorer of one image in one block: what it says and draws is what the network computes."""

import copy
import functools
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from stirring import stir
from torch import nn
from torch.nn import functional as F

import resnet_lessons
from resnet_lessons import cifar_resnet, widgets
from resnet_lessons.data.dataset import Split
from resnet_lessons.networks.blocks import BasicBlock
from resnet_lessons.networks.lesson_nine import LessonNineBlock
from resnet_lessons.networks.preact import PreActBlock
from resnet_lessons.widgets.explorer import VIEW

SOME = resnet_lessons.load(device="cpu").pooled(2).take(test=40)
NUMBER = r"-?\d+\.\d+"


@functools.cache
def net():
    torch.manual_seed(0)
    return stir(cifar_resnet(14, width=4, in_channels=1)).eval()


def by_hand(image):
    """x, F(x) and y of every block of `net()`, and its scores in percent."""
    model, terms = net(), {}
    with torch.no_grad():
        x = SOME.normalize(SOME.test.images[image : image + 1])
        x = model.relu(model.bn1(model.conv1(x)))
        for stage in ("layer1", "layer2", "layer3"):
            for number, block in enumerate(getattr(model, stage)):
                branch = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
                beside = block.downsample(x)
                x = F.relu(branch + beside)
                terms[f"{stage}.{number}"] = beside[0], branch[0], x[0]
        scores = model.fc(model.avgpool(x).flatten(1)).softmax(1)[0] * 100
    return terms, scores


def rms(values):
    return values.double().square().mean().sqrt().item()


def guesses():
    with torch.no_grad():
        return net()(SOME.normalize(SOME.test.images)).argmax(1)


def panels(explorer):
    """Of image, maps, shades, scores and ratios."""
    return explorer.shown.picture.axes


def tiles(explorer, sides, count):
    """The maps that are drawn, 3×count×sides×sides: of x, of F(x) and of y."""
    drawn = panels(explorer)[1].images[0].get_array().filled(np.nan)
    larger = max(1, 28 // sides)
    step = sides * larger + 2
    return np.array(
        [
            [
                drawn[row * step :, column * step :][: step - 2, : step - 2][::larger, ::larger]
                for column in range(count)
            ]
            for row in range(3)
        ]
    )


@pytest.mark.parametrize("image", [0, 7])
@pytest.mark.parametrize("block", ["layer1.1", "layer2.0", "layer3.1"])
def test_it_says_what_the_network_computes(image, block):
    explorer = widgets.inside(net(), SOME, block, image)
    about, said_scores, rule, of_maps = explorer.shown.text
    of_values, of_channels, of_blocks = explorer.shown.numbers
    terms, scores = by_hand(image)
    names, right = SOME.class_names, int(SOME.test.labels[image])
    guess = int(scores.argmax())
    how = "rightly" if guess == right else "wrongly"
    assert about == (
        f"Test image {image}, one of 40: {names[right]}. The network says {names[guess]}, {how}."
    )
    for name, score in zip(names, scores.tolist(), strict=True):
        if score >= 1 or name == names[right]:
            mark = r" \(the right class\)" if name == names[right] else ""
            (said,) = re.findall(rf"[ ]{re.escape(name)} ({NUMBER}) %{mark}[,;.]", said_scores)
            assert float(said) == pytest.approx(score, abs=0.06)
    assert said_scores.count("the right class") == 1
    x, branch, y = terms[block]
    shape = "×".join(map(str, y.shape))
    assert rule.startswith(f"Block {block}: y = ReLU(F(x) + x), {shape}")
    assert ("by the shortcut" in rule) == (block == "layer2.0")
    assert f"F(x) is {rms(branch) / rms(x):.2f} times as large as x." in rule
    assert of_blocks == (
        "F(x) as a multiple of x in all blocks: "
        + ", ".join(f"{n} {rms(branch) / rms(x):.2f}" for n, (x, branch, _) in terms.items())
        + "."
    )
    found = re.findall(rf"channel (\d+): ({NUMBER}), ({NUMBER}), ({NUMBER})", of_channels)
    channels = [int(channel) for channel, *_ in found]
    for channel, *sizes in found:
        expected = [rms(term[int(channel)]) for term in terms[block]]
        assert [float(size) for size in sizes] == pytest.approx(expected, abs=0.0051)
    shown = [term[channels] for term in terms[block]]
    ranges = [f"{term.min().item():.2f} to {term.max().item():.2f}" for term in shown]
    below = 100 * (shown[1] < 0).double().mean().item()
    assert f"x goes from {ranges[0]}; F(x) from {ranges[1]}, with {below:.0f} % of its" in of_values
    assert of_values.endswith(f"y from {ranges[2]}.")
    assert of_maps.startswith("All" if len(channels) == len(y) else f"Of {len(y)} the 6 strongest")


@pytest.mark.parametrize("block", ["layer1.0", "layer2.0", "layer3.1"])
def test_it_draws_what_it_says(block):
    explorer = widgets.inside(net(), SOME, block, 5)
    image, maps, _, scores, ratios = panels(explorer)
    terms, percent = by_hand(5)
    x, branch, y = terms[block]
    assert np.array_equal(image.images[0].get_array(), SOME.test.images[5, 0].numpy())
    channels = [int(label.get_text()) for label in maps.get_xticklabels()]
    assert len(channels) == min(6, len(y)) == len({*channels})
    drawn = tiles(explorer, y.shape[-1], len(channels))
    for found, term in zip(drawn, (x, branch, y), strict=True):
        assert np.allclose(found, term[channels].numpy(), atol=1e-5)
    assert np.allclose(np.maximum(drawn[0] + drawn[1], 0), drawn[2], atol=1e-5)
    low, high = maps.images[0].get_clim()
    assert low == -high  # so that 0 is the grey in the middle
    assert 0.985 <= (np.abs(drawn) <= high).mean() < 0.995
    assert f"the scale ends at ±{high:.2f}." in explorer.shown.text[3]
    assert [label.get_text() for label in maps.get_yticklabels()] == ["x", "F(x)", "ReLU: y"]
    assert [bar.get_width() for bar in scores.patches] == pytest.approx(percent.tolist(), abs=1e-3)
    bold = [one.get_text() for one in scores.get_yticklabels() if one.get_fontweight() == "bold"]
    assert bold == [SOME.class_names[SOME.test.labels[5]]]
    blue = [bar.get_facecolor() for bar in scores.patches]
    assert blue.count(blue[int(SOME.test.labels[5])]) == 1
    line, chosen = (one.get_xydata() for one in ratios.lines if one.get_marker() in "oD")
    expected = [rms(branch) / rms(x) for x, branch, _ in terms.values()]
    assert line[:, 1] == pytest.approx(expected, rel=1e-4)
    place = list(terms).index(block)
    assert chosen.tolist() == [line[place].tolist()]
    assert [label.get_text() for label in ratios.get_xticklabels()] == [
        "layer1.0", "layer2.0", "layer3.0"
    ]  # fmt: skip


def test_channels_are_the_strongest_and_stay_while_images_change():
    explorer = widgets.inside(net(), SOME, "layer3.1")
    few = [by_hand(image)[0]["layer3.1"][2] for image in range(8)]
    size = torch.stack(few).square().mean((0, 2, 3))
    strongest = sorted(size.argsort(descending=True)[:6].tolist())
    for image in (0, 9, 30):
        explorer.controls["image"].value = image
        labels = panels(explorer)[1].get_xticklabels()
        assert [int(label.get_text()) for label in labels] == strongest
    assert "Of 16 the 6 strongest channels are drawn" in explorer.shown.text[3]


def test_the_lightness_of_the_maps_only_rises_and_0_is_grey():
    drawn = panels(widgets.inside(net(), SOME))[1].images[0]
    colours = drawn.cmap(np.linspace(0, 1, 101))[:, :3]
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()
    assert np.ptp(colours[50]) < 0.06


def test_the_misclassified_are_those_that_are_offered():
    explorer = widgets.inside(net(), SOME, image=4)
    wrong = (guesses() != SOME.test.labels).nonzero().flatten().tolist()
    assert 0 < len(wrong) < 40
    explorer.controls["show"].value = "misclassified"
    assert list(explorer.controls["image"].options) == wrong
    assert explorer.controls["image"].value == wrong[0]
    for image in wrong[:5]:
        explorer.controls["image"].value = image
        start = f"Test image {image}, one of {len(wrong)} misclassified: "
        assert explorer.shown.text[0].startswith(start)
        assert explorer.shown.text[0].endswith(", wrongly.")
    explorer.controls["show"].value = "all"
    assert list(explorer.controls["image"].options) == list(range(40))


def test_where_nothing_is_wrong_nothing_wrong_is_offered():
    right = replace(SOME, test=Split(SOME.test.images, guesses()))
    explorer = widgets.inside(net(), right)
    assert list(explorer.controls["show"].options) == ["all"]
    assert explorer.shown.text[0].endswith(", rightly.")


def test_a_single_wrong_one_is_offered():
    labels = guesses()
    labels[11] = (labels[11] + 1) % 10
    explorer = widgets.inside(net(), replace(SOME, test=Split(SOME.test.images, labels)))
    explorer.controls["show"].value = "misclassified"
    assert list(explorer.controls["image"].options) == [11]
    assert explorer.shown.text[0].startswith("Test image 11, one of 1 misclassified: ")


def test_only_the_first_images_are_offered():
    assert list(widgets.inside(net(), SOME, images=7).controls["image"].options) == [*range(7)]


def test_the_network_is_shown_as_it_was_and_stays_as_it_is():
    model = copy.deepcopy(net()).train()
    before = copy.deepcopy(model.state_dict())
    explorer = widgets.inside(model, SOME)
    explorer.controls["image"].value = 3
    said = explorer.shown.plain()
    assert (
        said == widgets.inside(net(), SOME, image=3).shown.plain()
    )  # though it is in training mode
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    for part in model.layer1[0].bn2.parameters():
        nn.init.zeros_(part)
    explorer.controls["image"].value = 2
    explorer.controls["image"].value = 3
    assert explorer.shown.plain() == said
    anew = widgets.inside(model, SOME, image=3).shown.numbers[-1]
    assert "layer1.0 0.00, " in anew and "layer1.0 0.00, " not in said


def test_it_answers_on_another_thread():
    explorer, same = widgets.inside(net(), SOME), widgets.inside(net(), SOME, "layer2.1", 3)

    def move():
        explorer.controls["image"].value = 3
        explorer.controls["block"].value = "layer2.1"

    thread = threading.Thread(target=move)
    thread.start()
    thread.join()
    assert explorer.shown.plain() == same.shown.plain()
    assert torch.is_grad_enabled()


def test_colour_images_and_torchvisions_networks():
    data = SOME.in_colour()
    torch.manual_seed(0)
    model = stir(torchvision.models.resnet18(num_classes=10)).eval()
    explorer = widgets.inside(model, data, "layer2.0")
    assert len(explorer.controls["block"].options) == 8
    assert "y = ReLU(F(x) + x), 128×2×2, x brought to this shape" in explorer.shown.text[2]
    drawn = panels(explorer)[0].images[0].get_array()
    assert np.array_equal(drawn, data.test.images[0].permute(1, 2, 0).numpy())
    assert len(explorer._repr_mimebundle_()["text/html"]) < 100_000


def small(*blocks, scores=10):
    """A network of these blocks on grey images."""
    torch.manual_seed(0)
    width = blocks[-1].out_channels if hasattr(blocks[-1], "out_channels") else 4
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, scores))
    return stir(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *blocks, head)).eval()


def test_what_follows_the_addition_is_measured():
    explorer = widgets.inside(small(PreActBlock(4, 4)), SOME)
    assert explorer.shown.text[2].startswith("Block 2: y = F(x) + x, 4×12×12. ")
    assert panels(explorer)[1].get_yticklabels()[2].get_text() == "= y"
    explorer = widgets.inside(small(LessonNineBlock(4, 4)), SOME)
    assert "y is neither F(x) + x nor ReLU of it" in explorer.shown.text[2]
    assert panels(explorer)[1].get_yticklabels()[2].get_text() == "y"


def test_a_block_that_is_given_nothing_is_said_to_be():
    model = small(BasicBlock(4, 4), BasicBlock(4, 4))
    for part in (model[0].weight, model[0].bias):
        nn.init.zeros_(part)
    shown = widgets.inside(model, SOME).shown
    assert shown.text[2].endswith("Here x is 0 everywhere.")
    assert "2 inf, 3 " in shown.numbers[-1]


def test_of_many_classes_the_highest_scores_and_the_right_one_are_shown():
    many = replace(SOME, class_names=tuple(f"kind {number}" for number in range(30)))
    torch.manual_seed(0)
    model = cifar_resnet(8, width=4, in_channels=1, num_classes=30).eval()
    explorer = widgets.inside(model, many)
    with torch.no_grad():
        scores = model(many.normalize(many.test.images[:1])).softmax(1)[0] * 100
    shown = [label.get_text() for label in panels(explorer)[3].get_yticklabels()]
    right = int(many.test.labels[0])
    best = scores.argsort(descending=True).tolist()
    expected = {*best[:10]} if right in best[:10] else {*best[:9], right}
    assert shown == [f"kind {number}" for number in sorted(expected)]
    told = {int(number) for number in re.findall(r"kind (\d+)", explorer.shown.text[1])}
    rest = max(scores[number].item() for number in range(30) if number not in told)
    assert explorer.shown.text[1].endswith(f"; all others at most {rest:.1f} %.")


def test_its_parts_are_there_with_a_kernel():
    explorer = widgets.inside(net(), SOME)
    assert VIEW in explorer._repr_mimebundle_()
    labels = [control.description for control in explorer.controls.values()]
    assert labels == ["images", "test image", "block"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((cifar_resnet(8, False, 4, 1), SOME), r"CifarResNet has no block .*; pass a residual"),
        (("residual-14", SOME), "net is a str, but it must be a network; pass for"),
        ((net(), SOME.test), "data is a Split, but it must be a Dataset with test images; pass"),
        ((net(), SOME.in_colour()), r"net takes images of 1 channels, but .* have 3; pass"),
        (
            (torchvision.models.resnet18(num_classes=10), SOME),
            r"net takes images of 3 channels, but .* have 1; pass data.in_colour\(\)",
        ),
        (
            (cifar_resnet(8, True, 4, 1, num_classes=7), SOME),
            r"net gives 7 for an image, but .* has 10 classes; pass",
        ),
        ((small(BasicBlock(4, 4))[:-1], SOME), r"net gives 4×12×12 for an image, but .* 10 cl"),
        ((net(), SOME, "layer1.2"), r"block is 'layer1.2', but .* one of 'layer1.0', .*; did you"),
        ((net(), SOME, None, 40), "image is 40, but the images to choose from are 0 to 39; choo"),
        ((net(), SOME, None, -1), "image is -1, but it must be at least 0"),
        ((net(), SOME, None, "3"), "image is '3', but it must be a whole number"),
        ((net(), SOME, None, 0, 0), "images is 0, but it must be at least 1"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        widgets.inside(*arguments)
    assert "\n" not in str(caught.value)
