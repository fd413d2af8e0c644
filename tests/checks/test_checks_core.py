"""What a check is made of: verdicts, the way it sees an answer, traces, copied weights."""

from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnet_lessons import BasicBlock, Bottleneck, checks, resnet18
from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Broke, ModuleView
from resnet_lessons.checks.copying import copy_weights
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.tracing import trace
from resnet_lessons.checks.verdict import NotAttempted, Verdict, Wrong
from resnet_lessons.checks.watching import Call

X = torch.linspace(-1, 1, 2 * 3 * 6 * 5).reshape(2, 3, 6, 5)


@pytest.fixture
def ladder():
    """An exercise whose n-th probe asks for at least n, the last one hidden."""

    def at_least(least, answer):
        if answer.value() < least:
            raise Wrong(f"It is below {least}.")

    steps = [
        Probe(f"step {n}", f"idea {n}", f"hint {n}", partial(at_least, n), hidden=n == 4)
        for n in (1, 2, 3, 4)
    ]
    return Exercise("ladder", "9.9", "Climb", 1, 5, 10, "To climb.", cases=steps)


# --- verdicts ---


def test_the_first_probe_that_fails_speaks(ladder):
    verdict = ladder(1)
    assert verdict == Verdict(
        "9.9 Climb", "wrong", 1, 3, "step 2", "It is below 2.", "idea 2", "hint 2"
    )
    assert repr(verdict).splitlines() == [
        "✗ 9.9 Climb: step 2 (1 of 3 probes passed)",
        "  Seen: It is below 2.",
        "  Idea: idea 2",
        "  Hint: hint 2",
    ]


def test_hidden_probes_are_for_grading_only(ladder, capsys):
    assert ladder(3).right
    assert repr(ladder(3)) == "✓ 9.9 Climb: right (3 of 3 probes)"
    assert ladder.grade(3) == 7.5
    assert "step 4 (3 of 4 probes passed)" in capsys.readouterr().out
    assert ladder.grade(4) == 10
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("untouched", [..., None])
def test_what_is_untouched_is_not_called_wrong(ladder, untouched):
    verdict = ladder(untouched)
    assert verdict.state == "not attempted" and verdict.share == 0
    assert repr(verdict).splitlines()[0] == "○ 9.9 Climb: not attempted yet"


def test_the_box_shows_code_and_escapes_what_a_learner_wrote():
    verdict = Verdict(
        "1.1 A", "wrong", 0, 2, "b", "It is `<b>x</b>`, not `y`.", "i < j", "one ` tick"
    )
    html = verdict._repr_html_()
    assert "<code>&lt;b&gt;x&lt;/b&gt;</code>, not <code>y</code>" in html
    assert "i &lt; j" in html and "one ` tick" in html


def test_a_probe_that_stumbles_is_a_verdict_and_no_traceback(ladder):
    verdict = ladder("four")
    assert verdict.state == "wrong" and "of a kind that the check cannot look at" in verdict.seen


def test_a_check_is_repeatable_and_leaves_the_random_state(ladder):
    seen = []
    ladder.probes.append(Probe("random", "", "", lambda answer: seen.append(torch.rand(()).item())))

    torch.manual_seed(5)
    before = torch.get_rng_state()
    for seed in (0, 0, 1):
        ladder.judge(Answer(9), ladder.probes, seed)
    assert torch.equal(before, torch.get_rng_state())
    assert seen[0] == seen[1] != seen[2]


def test_an_interrupt_is_not_swallowed():
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.shortcut_kind(stop)


# --- exercises ---


def test_exercises_are_numbered_in_order_and_told_apart():
    numbers = [tuple(map(int, e.number.split("."))) for e in checks.EXERCISES.values()]
    assert numbers == sorted(set(numbers))
    by_lesson = {}
    for lesson, place in numbers:
        by_lesson.setdefault(lesson, []).append(place)
    assert all(places == list(range(1, len(places) + 1)) for places in by_lesson.values())


def test_the_list_of_exercises_is_complete():
    files = sorted(file.stem for file in Path(checks.__file__).parent.glob("lesson_*.py"))
    assert [lesson.__name__.rpartition(".")[2] for lesson in checks.LESSONS] == files
    names = [exercise.name for lesson in checks.LESSONS for exercise in lesson.EXERCISES]
    assert sorted(checks.__all__) == sorted(["EXERCISES", *names])


@pytest.mark.parametrize("exercise", checks.EXERCISES.values(), ids=lambda e: e.name)
def test_every_exercise_has_a_header_and_probes_that_explain_themselves(exercise):
    assert getattr(checks, exercise.name) is exercise
    assert exercise.difficulty in (1, 2, 3) and exercise.minutes > 0 and exercise.points > 0
    assert exercise.title and exercise.why.endswith(".")
    names = [probe.name for probe in exercise.probes]
    assert len(set(names)) == len(names) >= 3
    assert any(probe.hidden for probe in exercise.probes)
    assert not exercise.probes[0].hidden
    for probe in exercise.probes:
        assert probe.idea.endswith((".", "?")) and probe.hint


# --- answers ---


def test_a_stub_is_not_attempted_whatever_it_looks_like():
    class Block(nn.Module):
        def forward(self, x): ...

    def unwritten(x):
        raise NotImplementedError

    with pytest.raises(NotAttempted):
        ModuleView(Block()).run(X)
    for stub in (unwritten, lambda x: None, lambda x: ...):
        with pytest.raises(NotAttempted):
            Answer(stub)(X)


def test_an_error_is_told_with_the_learners_line():
    def double(x):
        y = x + torch.ones(7)  # does not fit
        return y

    with pytest.raises(Broke, match=r"RuntimeError: The size of tensor .*`y = x \+ torch.ones"):
        Answer(double)(X)


def test_what_torch_has_not_implemented_is_an_error_of_the_learner():
    with pytest.raises(Broke, match=r"NotImplementedError: .* not implemented for 'Long'"):
        Answer(lambda x: x.long().softmax(1))(X)


def test_results_are_plain_values():
    answer = Answer(lambda value: value)
    assert answer(torch.Size([1, 2])) == (1, 2)
    assert answer([1, (2.5, "a"), {"b": [True]}]) == (1, (2.5, "a"), {"b": (True,)})
    assert answer(torch.ones(2).numpy()) == (1, 1)
    with pytest.raises(Wrong, match="nobody asked"):
        Answer(lambda: object())()
    with pytest.raises(Wrong, match="can be called"):
        Answer(3)(1)


def test_a_function_gets_copies():
    given = X.clone()
    Answer(lambda x: x.zero_())(given)
    assert torch.equal(given, X)


def test_torchs_functions_in_a_call_are_named():
    def convolve(x):
        return nn.Conv2d(3, 1, 3)(F.pad(x, (1, 1)))

    used = Answer(convolve).uses(X)
    assert {"conv2d", "pad"} <= used and "relu" not in used
    assert "conv2d" not in Answer(lambda x: F.unfold(x, 3)).uses(X)


def test_a_figure_becomes_its_lines():
    def draw():
        figure, axes = plt.subplots()
        axes.plot([1, 2], [3, 4], label="plain")
        axes.set(xlabel="depth", ylabel="error", title="t")
        axes.set(ylim=(0, 9))
        axes.legend()
        return figure

    (panel,) = Answer(draw)()
    assert panel["lines"] == ({"label": "plain", "x": (1.0, 2.0), "y": (3.0, 4.0)},)
    assert (panel["xlabel"], panel["ylabel"], panel["title"]) == ("depth", "error", "t")
    assert panel["legend"] is True and panel["ylim"] == (0, 9)
    assert Answer(lambda: draw().axes[0])() == (panel,)
    assert plt.get_fignums() == []  # a notebook would show what is left open below the verdict
    with pytest.raises(Wrong, match="nobody asked"):
        Answer(lambda: draw().axes[0].lines[0])()
    plt.close("all")


def test_an_error_bar_is_a_line_with_the_label_of_the_whole():
    def draw():
        figure, axes = plt.subplots()
        axes.errorbar([1, 2], [3, 4], yerr=[1, 1], capsize=3, label="plain")
        return figure

    (panel,) = Answer(draw)()
    assert panel["lines"][0] == {"label": "plain", "x": (1.0, 2.0), "y": (3.0, 4.0)}


def test_a_change_of_an_argument_is_seen():
    assert Answer(lambda x, n: x + n).keeps(X, 2)
    assert not Answer(lambda x, n: x.add_(n)).keeps(X, 2)


def test_calls_of_a_given_module_are_noted():
    module = ModuleView(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))

    def use(net, x):
        net(x)
        net[1].eval()
        with torch.no_grad():
            net[0].train(), net.eval()(x[:1])
        return True

    module.watch()
    Answer(use)(module, X)
    assert module.calls() == [Call(2, True, True), Call(1, False, False)]
    Answer(use)(module, X)
    assert len(module.calls()) == 2 and module.hooks() == 0  # nobody watched


def test_modes_and_hooks_of_a_given_module_are_seen():
    module = ModuleView(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    module.set_mode(False)
    assert module.modes() == {"": False, "0": False, "1": False}
    Answer(lambda net: net[1].train())(module)
    assert module.modes() == {"": False, "0": False, "1": True}
    Answer(lambda net: net[0].register_forward_hook(print) and True)(module)
    assert module.hooks() == 1


def test_a_module_can_be_put_inside_another():
    module = ModuleView(nn.Conv2d(3, 4, 1)).inside("part")
    assert list(module.parameters()) == ["part.weight", "part.bias"]


def test_parameters_that_appear_in_forward_are_told_from_lazy_ones():
    class Late(nn.Module):
        def forward(self, x):
            if not hasattr(self, "inner"):
                self.inner = nn.Conv2d(3, 4, 1)
            return self.inner(x)

    assert ModuleView(Late()).prepare(1, 3, 5, 5) == ["inner.bias", "inner.weight"]
    lazy = ModuleView(nn.Sequential(nn.LazyConv2d(4, 1), nn.LazyBatchNorm2d()))
    assert lazy.prepare(1, 3, 5, 5) == []
    assert lazy.parameters()["0.weight"].shape == (4, 3, 1, 1)


def test_a_run_sees_the_change_of_its_input_and_all_gradients():
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    gradient = torch.ones(2, 2, 6, 5)
    run = ModuleView(net).run(X, training=True, gradient=gradient)
    assert run.changed_input
    assert set(run.gradients) == {"1.weight", "1.bias", "2.weight", "2.bias"}
    leaf = X.clone().requires_grad_()
    F.conv2d(leaf.relu(), net[1].weight.detach(), net[1].bias.detach()).sum().backward()
    plain = ModuleView(net[1]).run(X.relu(), gradient=gradient)
    assert not plain.changed_input
    assert torch.allclose(plain.input_gradient * (X > 0), leaf.grad)
    assert torch.equal(
        ModuleView(nn.Flatten(0)).run(X, gradient=torch.ones(X.numel())).input_gradient,
        torch.ones_like(X),
    )


def test_a_detached_output_has_a_zero_gradient():
    class Cut(nn.Module):
        def forward(self, x):
            return x.detach()

    assert not ModuleView(Cut()).run(X, gradient=torch.ones_like(X)).input_gradient.any()


def test_loading_writes_parameters_and_statistics():
    module = ModuleView(nn.BatchNorm2d(3))
    module.load({"weight": torch.full((3,), 2.0), "running_var": torch.full((3,), 4.0)})
    assert torch.allclose(module.run(X).output, X, atol=1e-4)


# --- traces ---


def names_of(net, x=X):
    return [operation.name for operation in trace(net.eval(), x)]


class Spelled(nn.Module):
    """The same network, written in several ways."""

    def __init__(self, way):
        super().__init__()
        self.way, self.conv, self.bn = way, nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        if self.way == "modules":
            return nn.ReLU()(self.bn(self.conv(x)) + x)
        if self.way == "in place":
            y = self.bn(self.conv(x))
            y += x
            return y.relu_()
        y = F.conv2d(x, self.conv.weight, self.conv.bias, padding=1)
        y = F.batch_norm(y, self.bn.running_mean, self.bn.running_var, self.bn.weight, self.bn.bias)
        return torch.clamp(torch.add(x, y), min=0)


@pytest.mark.parametrize("way", ["modules", "in place", "functional"])
def test_a_trace_is_the_same_however_it_is_written(way):
    conv, norm, add, relu = trace(Spelled(way).eval(), X)
    assert [o.name for o in (conv, norm, add, relu)] == ["conv2d", "batch_norm", "add", "relu"]
    assert (conv.inputs[0], norm.inputs[0]) == (0, conv.output)
    assert {norm.output, 0} == set(add.inputs)
    assert relu.inputs[0] == add.output
    assert (conv.weight, conv.bias, norm.weight) == ("conv.weight", "conv.bias", "bn.weight")
    assert norm.running == ("bn.running_mean", "bn.running_var")
    assert conv.settings == {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    assert relu.shape == (2, 3, 6, 5)


def test_other_operations_hand_the_signal_on():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 2))
    conv, pool, flatten, linear = trace(net, X)
    assert (pool.inputs[0], linear.inputs[0]) == (conv.output, flatten.output)
    sliced = trace(nn.Sequential(Sliced(), nn.Conv2d(3, 4, 1)), X)
    assert sliced[0].inputs[0] == 0


def test_the_parts_of_a_split_tensor_are_followed():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            first, second = x.split(2, dim=1)
            return torch.cat([self.conv(first), second + first], dim=1)

    conv, add, cat = trace(Halves(), X[:, [0, 1, 2, 0]])
    assert (conv.inputs[0], add.inputs) == (0, (0, 0))
    assert set(cat.inputs) == {conv.output, add.output}


class Sliced(nn.Module):
    def forward(self, x):
        return x[:, :, ::2, ::2].contiguous()


def test_counting_batches_is_no_addition():
    assert names_of(nn.BatchNorm2d(3)) == ["batch_norm"]
    assert [o.name for o in trace(nn.BatchNorm2d(3).train(), X)] == ["batch_norm"]


# --- copied weights ---


class Renamed(nn.Module):
    """A bottleneck whose modules are made and run in another order, under other names."""

    def __init__(self, i, c, stride=1):
        super().__init__()
        self.z = nn.BatchNorm2d(4 * c)
        self.y = nn.Conv2d(i, 4 * c, 1, stride, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4 * c), nn.BatchNorm2d(c), nn.BatchNorm2d(c)])
        self.up = nn.Conv2d(c, 4 * c, 1, bias=False)
        self.mid = nn.Conv2d(c, c, 3, stride, 1, bias=False)
        self.down = nn.Conv2d(i, c, 1, bias=False)

    def forward(self, x):
        around = self.z(self.y(x))
        out = F.relu(self.norms[2](self.down(x)))
        out = F.relu(self.norms[1](self.mid(out)))
        return F.relu(around + self.norms[0](self.up(out)))


def test_weights_find_their_layer_under_any_name_and_order():
    # 8 in and 8 inside: the shapes of `up` and of the shortcut are the same.
    mine, reference = ModuleView(Renamed(8, 8, 2)), expect.stir(Bottleneck(8, 8, 2))
    x = torch.randn(2, 8, 7, 6)
    copy_weights(mine, ModuleView(reference), x)
    assert torch.allclose(mine.run(x).output, ModuleView(reference).run(x).output, atol=1e-6)
    assert torch.allclose(
        mine.run(x, True).output, ModuleView(reference).run(x, True).output, atol=1e-5
    )


def test_a_whole_network_is_copied():
    mine, reference = ModuleView(resnet18(num_classes=5)), expect.stir(resnet18(num_classes=5))
    x = torch.randn(1, 3, 40, 40)
    copy_weights(mine, ModuleView(reference), x)
    assert torch.equal(mine.run(x).output, ModuleView(reference).run(x).output)


def test_layers_that_do_not_pair_are_told():
    x = torch.randn(1, 8, 6, 6)
    with pytest.raises(Wrong, match=r"runs 2 convolutions and 2 batch norm.*expected are 3 conv"):
        copy_weights(ModuleView(BasicBlock(8, 8)), ModuleView(BasicBlock(8, 8, 2)), x)
    with pytest.raises(Wrong, match=r"weights of shape \(8, 8, 1, 1\).*\(8, 8, 3, 3\)"):
        copy_weights(ModuleView(nn.Conv2d(8, 8, 1)), ModuleView(nn.Conv2d(8, 8, 3, padding=1)), x)


# --- comparisons ---


@pytest.mark.parametrize(
    ("compare", "says"),
    [
        (lambda: expect.equal(3, 4, "the height"), "The height is `3`; expected is `4`."),
        (
            lambda: expect.equal(3, 4, "it", {"One is missing.": 3, "Not this.": 5}),
            "^It is `3`; expected is `4`. One is missing.$",
        ),
        (lambda: expect.equal(3, 4, "it", {"Not this.": 5}), "expected is `4`.$"),
        (lambda: expect.equal(X, 4, "it"), "It is a tensor of shape 2×3×6×5; expected is `4`."),
        (lambda: expect.equal(True, 1, "it"), "It is `True`; expected is `1`."),
        (lambda: expect.near(1.1, 1.0, "the mean"), "The mean is 1.1; expected is 1."),
        (lambda: expect.near("1", 1.0, "the mean"), "a number is asked for"),
        (lambda: expect.near(float("nan"), 1.0, "the mean"), "The mean is nan"),
        (lambda: expect.near(2, 4, "it", wrong={"It is half of it.": 2}), "^It is half of it.$"),
        (lambda: expect.shape(X, (2, 3, 6, 6)), "shape 2×3×6×5; expected is 2×3×6×6"),
        (lambda: expect.shape((2, 3), (2, 3)), "a tensor is asked for"),
        (lambda: expect.close(X + 1, X), "differs from the expected one by up to 1"),
        (lambda: expect.close(X * float("nan"), X), "infinite or no number"),
        (lambda: expect.close(-X, X, wrong={"Its sign is wrong.": -X}), "^Its sign is wrong.$"),
        (lambda: expect.as_module(3), "an `nn.Module` is asked for"),
    ],
)
def test_comparisons_say_what_they_saw(compare, says):
    with pytest.raises(Wrong, match=says):
        compare()


def test_comparisons_accept_rounding():
    expect.close(X + 1e-6, X)
    expect.near(1 + 1e-6, 1.0, "it")
    expect.near(torch.tensor(2.0), 2.0, "it")
    expect.equal((1, 2), (1, 2), "it")
