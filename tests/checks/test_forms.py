"""The forms of which exercises are made: what they compare, what they name, whom they ask."""

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import (
    Case,
    Gradients,
    Joints,
    Outputs,
    Parameters,
    Shapes,
    biased,
    call,
    edited,
    keeping,
    nothing,
    replaced,
    variant,
)
from resnet_lessons.checks.picture_forms import Axes, Lines, drawn, labelled, panel
from resnet_lessons.checks.verdict import Wrong

TEXTS = {"idea": "An idea.", "hint": "A hint."}
ABOUT = {"number": "9.9", "title": "Try", "difficulty": 1, "minutes": 5, "points": 4, "why": "To."}


def exercise(solution, *cases, **settings):
    return Exercise(name="tried", **ABOUT, solution=solution, cases=cases, **settings)


def seen(exercise, answer):
    return exercise(answer).seen


# --- functions ---


def double(x):
    return 2 * x


@pytest.mark.parametrize(
    ("given", "wrong", "says"),
    [
        ([(3,)], 7, "`tried(3)` is `7`; expected is `6`."),
        ([call(x=3)], 7, "`tried(x=3)` is `7`; expected is `6`."),
        (lambda: [(3,)], 7, "`tried(3)` is `7`; expected is `6`."),
        ([(1.5,)], 3.1, "`tried(1.5)` is 3.1; expected is 3."),
        ([(torch.ones(2),)], torch.ones(3), "has shape 3; expected is 2."),
    ],
)
def test_what_is_expected_comes_from_the_solution(given, wrong, says):
    tried = exercise(double, Case("a case", given, **TEXTS))
    assert tried(double).right
    assert says in seen(tried, lambda x: wrong)


def test_a_known_mistake_is_named_in_every_case_and_first_where_it_belongs():
    tried = exercise(
        double,
        Case("two", [(2,)], **TEXTS, mistakes={"It is one more.": lambda x: 2 * x + 1}),
        Case("five", [(5,)], **TEXTS, mistakes={"It is {0} more.": lambda x: 3 * x}),
        Case("one", [(1,)], **TEXTS, mistakes={"It is once more.": lambda x: 2 * x + x**2}),
    )
    assert seen(tried, lambda x: 2 * x + 1).endswith("It is one more.")
    assert seen(tried, lambda x: 4 if x == 2 else 11).endswith("It is one more.")
    assert seen(tried, lambda x: 4 if x == 2 else 15).endswith("It is 5 more.")
    assert seen(tried, lambda x: 3 if x == 1 else 2 * x).endswith("It is once more.")
    assert [(probe, mistake.words) for probe, mistake in tried.mistakes] == [
        ("two", "It is one more."),
        ("five", "It is "),
        ("one", "It is once more."),
    ]


def test_a_mistake_that_stops_names_nothing():
    tried = exercise(double, Case("a", [(2,)], **TEXTS, mistakes={"It stops.": lambda x: x / 0}))
    assert seen(tried, lambda x: 5) == "`tried(2)` is `5`; expected is `4`."


def test_answer_and_solution_are_given_copies_of_the_same():
    def filled(x):
        return x.fill_(x[0].item())

    tried = exercise(filled, Case("a", lambda: [(torch.randn(4),)], **TEXTS, what="the row"))
    assert tried(filled).right
    assert seen(tried, lambda x: x).startswith("The row differs")


def test_a_case_looks_where_it_is_told_to():
    def twice(answer, x):
        return answer(answer(x))

    tried = exercise(double, Case("a", [(3,)], **TEXTS, see=twice, what="what it gives twice"))
    assert tried(double).right
    assert seen(tried, lambda x: x + 3) == "What it gives twice is `9`; expected is `12`."


def test_what_is_given_keeps_its_values():
    tried = exercise(
        double, Case("a", [(torch.ones(2),)], **TEXTS, see=keeping("The row"), what="it")
    )
    assert tried(double).right
    assert seen(tried, lambda x: x.mul_(2)) == "The row has other values after the call."
    assert seen(tried, lambda x: x * 3).startswith("It differs")


def test_a_function_of_the_course_is_no_work_of_ones_own():
    def borrowed(x):
        return 2 * x

    borrowed.__module__ = "d2l.torch"
    tried = exercise(double, Case("a", [(3,)], **TEXTS, own_work=True))
    assert tried(double).right
    assert "which is there already" in seen(tried, borrowed)


def test_odd_probes_stand_among_the_cases():
    def look(answer):
        assert answer(1) == 2

    probe = Probe("odd", "An idea.", "A hint.", look, mistakes={"It is odd.": abs})
    tried = exercise(double, Case("a", [(0,)], **TEXTS), probe)
    assert [each.name for each in tried.probes] == ["a", "odd"]
    assert tried(double).right
    assert tried.mistakes[0][0] == "odd" and tried.mistakes[0][1].variant is abs


# --- networks ---


class Net(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(c, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()


def no_norm(net):
    net.bn = nn.Identity()


def changing(self, x):
    y = self.bn(self.conv(x)).relu()
    x.zero_()
    return y


GIVEN = [((3,), (2, 3, 5, 4))]
NETWORK = exercise(
    Net,
    Shapes("shape", GIVEN, **TEXTS),
    Parameters("count", GIVEN, **TEXTS, mistakes={"No norm.": edited(Net, no_norm)}),
    Outputs(
        "output",
        GIVEN,
        **TEXTS,
        mistakes={"No ReLU.": variant(Net, forward=lambda self, x: self.bn(self.conv(x)))},
    ),
    Gradients("gradient", GIVEN, **TEXTS),
    what="never asked for",
)


@pytest.mark.parametrize(
    ("answer", "probe", "says"),
    [
        (variant(Net, forward=lambda self, x: self.conv(x)[:1]), "shape", "The output has shape"),
        (edited(Net, no_norm), "count", "It has 81 parameters; expected are 87. No norm."),
        (replaced(Net, "bn", nothing), "count", "It has 81 parameters; expected are 87. No norm."),
        (replaced(Net, "conv", biased), "count", "It has 90 parameters; expected are 87."),
        (variant(Net, forward=lambda self, x: self.bn(self.conv(x))), "output", "No ReLU."),
        (variant(Net, forward=changing), "output", "other values after the call"),
        (
            variant(Net, forward=lambda self, x: self.bn(self.conv(x)) * 2),
            "output",
            "The output in eval mode differs",
        ),
        (
            variant(Net, forward=lambda self, x: self.bn.eval()(self.conv(x)).relu()),
            "output",
            "The output in train mode differs",
        ),
        (
            variant(Net, forward=lambda self, x: self.bn(self.conv(x.detach())).relu()),
            "gradient",
            "The gradient of the input",
        ),
    ],
)
def test_a_network_is_compared_with_the_solution(answer, probe, says):
    assert NETWORK(Net).right
    verdict = NETWORK(answer)
    assert (verdict.probe, says in verdict.seen) == (probe, True), verdict


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda net: setattr(net.conv, "stride", 2), "Layer 1 gives 2×3×3×2; expected is 2×3×5×4."),
        (no_norm, "The number of layers that run is `1`; expected is `2`."),
    ],
)
def test_the_shape_behind_each_layer_is_compared(edit, says):
    kinds = ("conv2d", "batch_norm")
    tried = exercise(Net, Joints("joints", GIVEN, **TEXTS, kinds=kinds, what="Layer {}"))
    assert tried(Net).right
    assert says in seen(tried, edited(Net, edit))


def test_an_input_may_be_drawn():
    tried = exercise(Net, Outputs("o", lambda: [((2,), torch.rand(2, 2, 4, 4))], **TEXTS))
    assert tried(Net).right


# --- pictures ---


def drawing(y=lambda errors: sum(errors) / len(errors), x=sorted, legend=True, **labels):
    def draw(runs):
        axes = Figure().subplots()
        axes.plot(x(runs), [y(runs[depth]) for depth in x(runs)], label="Train")
        axes.set(**{"xlabel": "Depth", "ylabel": "error"} | labels)
        if legend:
            axes.legend()
        return axes

    return draw


RUNS = [({20: [3.0, 4.0], 8: [1.0, 2.5]},)]
PICTURE = exercise(
    drawing(),
    Lines("there", RUNS, **TEXTS, labels=("train",), compare=drawn),
    Lines(
        "points",
        RUNS,
        **TEXTS,
        labels=("train",),
        what="depths, means",
        mistakes={"Those are the best.": drawing(min)},
    ),
    Axes("axes", RUNS, **TEXTS, xlabel=("depth", "layer"), ylabel=("error",)),
)


@pytest.mark.parametrize(
    ("answer", "probe", "says"),
    [
        (lambda runs: 3, "there", "It gives no figure"),
        (lambda runs: Figure().subplots(), "there", "0 panels"),
        (drawing(min), "points", "goes through 1, 3; expected are the means 1.75, 3.5. Those are"),
        (drawing(max), "points", "expected are the means 1.75, 3.5."),
        (drawing(x=list), "points", "stand at 20, 8 on the x axis, in this order"),
        (drawing(x=lambda runs: sorted(runs)[:1]), "points", "expected are the depths 8, 20."),
        (drawing(xlabel="x"), "axes", "The xlabel is `x`; expected is one with `depth` or `layer`"),
        (drawing(legend=False), "axes", "no legend"),
    ],
)
def test_a_picture_is_compared_with_the_solution(answer, probe, says):
    assert PICTURE(drawing()).right
    verdict = PICTURE(answer)
    assert (verdict.probe, says in verdict.seen) == (probe, True), verdict


def test_a_line_that_is_not_labelled_is_told():
    lines = ({"lines": ({"label": "a"}, {"label": "_b"})},)
    with pytest.raises(Wrong, match=r"No line has `train` in the label.*Labels are: `a`"):
        labelled(panel(lines), "train")
