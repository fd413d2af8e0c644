"""What judges the exercises of lesson 06, plain against residual."""

import math
from statistics import mean, stdev, variance

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import cifar_resnet

# --- 6.1 ---

mean_and_range = Exercise(
    name="mean_and_range",
    number="6.1",
    title="Mean and range",
    difficulty=1,
    minutes=10,
    points=3,
    why="One training is an anecdote; the table of results is made of several.",
)


def _lines(net: str, depth: int, errors: dict[int, list[float]]) -> list[dict[str, object]]:
    """The stored lines of trainings: by seed, the test errors of its epochs."""
    return [
        {"net": net, "depth": depth, "seed": seed, "epoch": epoch, "test_error": error}
        for seed, epochs in errors.items()
        for epoch, error in enumerate(epochs, 1)
    ]


def _three(seen: object, what: str) -> tuple[float, float, float]:
    if isinstance(seen, Tensor):
        seen = tuple(seen.tolist())
    if not isinstance(seen, tuple) or len(seen) != 3:
        raise Wrong(f"It gives {seen!r}; asked for are three numbers: {what}.")
    return seen


def _summary(
    answer: Answer, lines: list, net: str, depth: int, runs: list[list[float]], wrong: dict
) -> None:
    """The answer for `net` and `depth`, whose trainings have the errors `runs`."""
    last = [run[-1] for run in runs]
    seen = _three(answer(lines, net, depth), "mean, smallest and largest")
    expect.near(seen[0], mean(last), "the mean", wrong=wrong)
    spread = {}
    if len(last) > 1:
        spread = {
            "That is the standard deviation; asked for is the smallest error.": stdev(last),
            "That is the mean less the standard deviation; asked for is the smallest error.": (
                mean(last) - stdev(last)
            ),
            "Smallest and largest have changed places.": max(last),
            "That is the smallest error of any epoch; only the last ones count.": (
                min(min(run) for run in runs)
            ),
        }
    expect.near(seen[1], min(last), "the smallest", wrong=spread)
    expect.near(
        seen[2],
        max(last),
        "the largest",
        wrong={
            "That is the largest error of any epoch; only the last ones count.": (
                max(max(run) for run in runs)
            )
        },
    )


def _of_epochs(runs: list[list[float]]) -> dict[str, float]:
    """Means that known mistakes give, by the sentence for each."""
    return {
        "That is the mean over all epochs; a training counts by its last one.": (
            mean(error for run in runs for error in run)
        ),
        "That is the mean of each training's best epoch, which was chosen by its test error: it "
        "flatters.": mean(min(run) for run in runs),
        "That is the mean over the first epochs.": mean(run[0] for run in runs),
        "That is the best training, and not the mean of all.": min(run[-1] for run in runs),
        "That is the median, and not the mean.": sorted(run[-1] for run in runs)[len(runs) // 2],
    }


@mean_and_range.probe(
    "the last epoch of each training",
    idea="What a training is worth is what it ends with, not the best moment on its way.",
    hint="Pick one line for each seed: the one with the largest `epoch`.",
)
def _(answer: Answer) -> None:
    runs = [[40.5, 22.0, 14.5, 16.0], [45.0, 30.5, 19.0, 18.5], [38.0, 20.5, 25.0, 29.5]]
    lines = _lines("plain", 20, dict(enumerate(runs)))
    _summary(answer, lines, "plain", 20, runs, _of_epochs(runs))


@mean_and_range.probe(
    "one kind, one depth",
    idea="A mean over networks of several kinds or depths is the mean of nothing.",
    hint="First keep the lines whose `net` and `depth` are those that were asked for.",
)
def _(answer: Answer) -> None:
    runs = [[30.0, 12.5], [31.0, 14.0]]
    other, deeper = [[50.0, 20.5], [60.0, 25.0]], [[70.0, 40.0, 33.0], [80.0, 51.0, 35.5]]
    lines = _lines("residual", 8, dict(enumerate(runs)))
    lines += _lines("plain", 8, dict(enumerate(other)))
    lines += _lines("residual", 20, dict(enumerate(deeper)))
    both = mean([*(run[-1] for run in runs), *(run[-1] for run in other)])
    depths = mean([*(run[-1] for run in runs), *(run[-1] for run in deeper)])
    wrong = {
        "The plain networks are in it, too.": both,
        "The deeper networks are in it, too.": depths,
        "That is the mean of the plain networks.": mean(run[-1] for run in other),
    }
    _summary(answer, lines, "residual", 8, runs, {**wrong, **_of_epochs(runs)})


@mean_and_range.probe(
    "lines in any order",
    idea="Which line came last in the file says nothing; its `epoch` does.",
    hint="Compare the epochs. Trainings that ran at the same time write their lines in turn.",
)
def _(answer: Answer) -> None:
    runs = [[30.0, 12.0, 13.5], [31.0, 19.5, 14.0], [28.0, 10.5, 17.0]]
    lines = _lines("plain", 8, dict(enumerate(runs)))
    for order in (torch.randperm(len(lines)).tolist(), range(len(lines) - 1, -1, -1)):
        shuffled = [lines[place] for place in order]
        _summary(answer, shuffled, "plain", 8, runs, _of_epochs(runs))


@mean_and_range.probe(
    "other numbers",
    idea="There may be any number of seeds and epochs.",
    hint="Is a number of seeds, an epoch or a name fixed somewhere?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for seeds, epochs in (((7,), 3), ((0, 1), 1), ((3, 5, 8, 13, 21), 12)):
        runs = [(10 + 30 * torch.rand(epochs)).tolist() for _ in seeds]
        lines = _lines("wide", 110, dict(zip(seeds, runs, strict=True)))
        _summary(answer, lines, "wide", 110, runs, _of_epochs(runs))


# --- 6.2 ---

residual_twin = Exercise(
    name="residual_twin",
    number="6.2",
    title="A fair pair",
    difficulty=2,
    minutes=15,
    points=6,
    why="Only if two networks differ in one thing can a difference be due to it.",
)


@torch.no_grad()
def _output(values: dict[str, Tensor], residual: bool, x: Tensor, *size: int) -> Tensor:
    net = cifar_resnet(size[0], residual, *size[1:])
    net.load_state_dict(values)
    return net.eval()(x)


class Twins:
    """A plain network that was handed to the answer, and what came back."""

    def __init__(self, answer: Answer, *size: int, seed: int = 0) -> None:
        self.size = size
        self.plain = answer.make("cifar_resnet", size[0], False, *size[1:], seed=seed)
        stirred = expect.stir(cifar_resnet(size[0], False, *size[1:])).state_dict()
        self.plain.load({n: v for n, v in stirred.items() if n in self.plain.buffers()})
        self.values = self._state(self.plain)
        self.twin = expect.as_module(answer(self.plain))
        for name, value in self._state(self.plain).items():
            if not torch.equal(value, self.values[name]):
                raise Wrong(f"`{name}` of the plain network has changed; it must stay as it is.")

    @staticmethod
    def _state(net: Module) -> dict[str, Tensor]:
        return {**net.parameters(), **net.buffers()}

    def compare(self) -> None:
        """The outputs of the twin are those of the residual network with the same values."""
        x = torch.randn(4, self.size[2], 8, 8)
        fresh = cifar_resnet(self.size[0], False, *self.size[1:]).state_dict()
        weights_only = {
            n: v if n in self.plain.parameters() else fresh[n] for n, v in self.values.items()
        }
        wrong = {
            "It computes what the plain network computes: nothing is added.": _output(
                self.values, False, x, *self.size
            ),
            "The weights are the same, but not the running averages of the batch normalisations: "
            "they are buffers, and no parameters.": _output(weights_only, True, x, *self.size),
        }
        right = _output(self.values, True, x, *self.size)
        seen = self.twin.run(x).output
        expect.shape(seen, right.shape)
        own = self._state(self.twin)
        others = [
            n
            for n, v in self.plain.parameters().items()
            if n in own and own[n].shape == v.shape and not torch.equal(own[n], v)
        ]
        if others:
            raise Wrong(f"`{others[0]}` of the twin has other values than in the plain network.")
        expect.close(seen, right, "the twin's output", wrong, tolerance=1e-3)


@residual_twin.probe(
    "as many parameters",
    idea="If the residual network had more parameters, its success might be due to them.",
    hint="The shortcut of this pair has none: `cifar_resnet(depth, residual=True, …)`. Read width "
    "and classes off the plain network.",
)
def _(answer: Answer) -> None:
    twins = Twins(answer, 14, 4, 1, 10)
    right = sum(p.numel() for p in twins.plain.parameters().values())
    projections = 4 * 8 + 2 * 8 + 8 * 16 + 2 * 16
    wrong = {
        right + projections: "The shortcuts are projections; use those without parameters.",
        sum(p.numel() for p in cifar_resnet(14, in_channels=1).parameters()): (
            "Its width is not that of the plain network."
        ),
        sum(p.numel() for p in cifar_resnet(8, True, 4, 1).parameters()): (
            "It is not as deep as the plain network."
        ),
        sum(p.numel() for p in cifar_resnet(20, True, 4, 1).parameters()): (
            "It is not as deep as the plain network."
        ),
    }
    expect.parameter_count(twins.twin, right, wrong)


@residual_twin.probe(
    "the same values, and the addition",
    idea="The two begin with the same weights; all that differs is what is added.",
    hint="`load_state_dict` takes what `state_dict` of the other network gives. The names are the "
    "same.",
)
def _(answer: Answer) -> None:
    Twins(answer, 8, 4, 1, 10, seed=1).compare()


@residual_twin.probe(
    "two networks, not one",
    idea="A pair is trained one after the other; the first training must not move the second.",
    hint="Do the two share tensors? `load_state_dict` copies values; an assignment does not.",
)
def _(answer: Answer) -> None:
    twins = Twins(answer, 8, 4, 1, 10, seed=2)
    for change, name in ((twins.twin.parameters(), "weights"), (twins.twin.buffers(), "buffers")):
        twins.twin.load({key: torch.zeros_like(value) for key, value in change.items()})
        if any(not torch.equal(v, twins.values[n]) for n, v in Twins._state(twins.plain).items()):
            raise Wrong(f"Setting the twin's {name} to 0 changes the plain network as well.")
    frozen = set(twins.twin.parameters()) - set(twins.twin.trainable())
    if frozen:
        raise Wrong(f"`{sorted(frozen)[0]}` of the twin is frozen, and would not be trained.")


@residual_twin.probe(
    "other numbers",
    idea="A plain network of any depth and width has a twin.",
    hint="Depth, width, channels of the images, number of classes: is one fixed?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for number, size in enumerate(((20, 3, 3, 5), (8, 6, 2, 100))):
        Twins(answer, *size, seed=number).compare()


# --- 6.3 ---

paired_gap = Exercise(
    name="paired_gap",
    number="6.3",
    title="A gap and its uncertainty",
    difficulty=2,
    minutes=20,
    points=6,
    why="A difference without an uncertainty is a number without a unit.",
)
# Quantiles of Student's t: 2.5 % above, by degrees of freedom; and 5 % above.
TWO_SIDED = {1: 12.7062, 2: 4.30265, 3: 3.18245, 4: 2.77645, 5: 2.57058, 6: 2.44691, 7: 2.36462}
ONE_SIDED = {1: 6.31375, 2: 2.91999, 3: 2.35336, 4: 2.13185, 5: 2.01505, 6: 1.94318, 7: 1.89458}


def _half_widths(plain: list[float], residual: list[float]) -> dict[str, float]:
    """Half of the interval's width: as it should be, then with known mistakes."""
    gaps = [one - other for one, other in zip(plain, residual, strict=True)]
    n = len(gaps)
    error, t = stdev(gaps) / math.sqrt(n), TWO_SIDED[n - 1]
    apart = math.sqrt((variance(plain) + variance(residual)) / n)
    return {
        "": t * error,
        "That is 1.96 standard errors, which holds for many pairs; so few want Student's t.": (
            1.95996 * error
        ),
        "That is 2 standard errors; so few pairs want Student's t.": 2 * error,
        "The standard deviation was divided by n, not by n - 1, as if the mean were known.": (
            t * error * math.sqrt((n - 1) / n)
        ),
        "That is t standard deviations of a single gap; the mean of n varies less, by √n.": (
            t * stdev(gaps)
        ),
        "The standard deviation was divided by n instead of √n.": t * error / math.sqrt(n),
        "That is the interval for two independent groups: the pairs were not used.": (
            TWO_SIDED.get(2 * n - 2, 2.3) * apart
        ),
        "That leaves 5 % on each side, and is an interval of 90 %.": ONE_SIDED[n - 1] * error,
        "That is the standard error; how many of them are 95 %?": error,
        "The degrees of freedom are n - 1, not n.": TWO_SIDED.get(n, 2.3) * error,
    }


def _gap(answer: Answer, plain: dict, residual: dict, wrong: dict | None = None) -> None:
    common = [seed for seed in plain if seed in residual]
    ones, others = ([errors[seed] for seed in common] for errors in (plain, residual))
    center = mean(ones) - mean(others)
    seen = _three(answer(plain, residual), "the mean, and both ends of the interval")
    mistakes = {
        "That is residual less plain; asked for is plain less residual.": -center,
        "Seeds that only one of them has were counted.": (
            mean(plain.values()) - mean(residual.values())
        ),
    }
    expect.near(seen[0], center, "the mean gap", wrong=mistakes)
    widths = _half_widths(ones, others)
    right = widths.pop("")
    for sentence, half in {**(wrong or {}), **widths}.items():
        if abs(half - right) > 1e-3 * right and abs(center - half - seen[1]) < 1e-3 * right:
            raise Wrong(
                f"The interval begins at {seen[1]:.4g}; expected is {center - right:.4g}. "
                f"{sentence}"
            )
    scale = 2e-3 * right / max(abs(center - right), 1e-8)
    gaps = [one - other for one, other in zip(ones, others, strict=True)]
    ends = {
        "The interval begins with its upper end.": center + right,
        "That is the smallest of the gaps; asked for is an interval for their mean.": min(gaps),
        "That is the distance of the end from the mean, and not the end.": right,
    }
    expect.near(seen[1], center - right, "the lower end of the interval", scale, ends)
    scale = 2e-3 * right / max(abs(center + right), 1e-8)
    expect.near(seen[2], center + right, "the upper end of the interval", scale)


@paired_gap.probe(
    "the mean gap, and its interval",
    idea="The uncertainty is that of the differences: of n pairs, standard deviation / √n, times "
    "Student's t of n - 1 degrees of freedom.",
    hint="First a list of differences. Then `scipy.stats.ttest_rel(…).confidence_interval()`, or "
    "by hand with `scipy.stats.t.ppf(0.975, n - 1)`.",
)
def _(answer: Answer) -> None:
    _gap(answer, {0: 14.0, 1: 15.5, 2: 19.0, 3: 16.0}, {0: 11.0, 1: 11.0, 2: 17.5, 3: 12.25})


@paired_gap.probe(
    "pairs are made by the seed",
    idea="The two networks of a seed share weights and the order of the images; others share "
    "nothing.",
    hint="Take a seed, look it up in both dictionaries. Do not rely on their order.",
)
def _(answer: Answer) -> None:
    plain = {0: 30.0, 1: 20.0, 2: 25.0, 3: 12.0}
    residual = {3: 9.5, 1: 16.0, 0: 27.0, 2: 20.0}
    half = _half_widths([*plain.values()], [*residual.values()])[""]
    mistake = "The errors were paired by their place, and not by their seed."
    _gap(answer, plain, residual, {mistake: half})


@paired_gap.probe(
    "a seed without a partner",
    idea="A training that has no partner makes no difference.",
    hint="Go through the seeds that both have: `plain.keys() & residual.keys()`.",
)
def _(answer: Answer) -> None:
    plain, residual = {0: 30.0, 1: 20.0, 2: 25.0, 4: 90.0}, {0: 27.0, 1: 16.0, 2: 20.0}
    _gap(answer, plain, residual)
    _gap(answer, residual, plain)


@paired_gap.probe(
    "other numbers",
    idea="Two pairs give an interval, if a wide one; more pairs a narrower one.",
    hint="Does the number of pairs decide about t and √n?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for seeds in ((4, 9), (0, 1, 2), (3, 1, 4, 5, 9, 2)):
        plain, residual = (
            dict(zip(seeds, (10 * torch.rand(len(seeds)) + low).tolist(), strict=True))
            for low in (20, 12)
        )
        _gap(answer, plain, residual)


# --- 6.4 ---

plot_gap = Exercise(
    name="plot_gap",
    number="6.4",
    title="Plot the gap",
    difficulty=2,
    minutes=15,
    points=5,
    why="A picture is read before the text, so it must not say more than the numbers.",
)
DEPTHS = [8, 20, 44]
PLAIN = [[12.8, 12.9, 13.3], [13.8, 14.2, 14.6], [20.2, 21.6, 22.9]]
RESIDUAL = [[12.2, 12.4, 12.9], [12.0, 12.8, 13.3], [11.9, 12.4, 13.2]]


def _panel(answer: Answer, depths: list, plain: list, residual: list) -> dict:
    seen = answer(depths, plain, residual)
    if not isinstance(seen, tuple) or not all(isinstance(p, dict) and "lines" in p for p in seen):
        raise Wrong("It gives no picture; return the matplotlib figure, or its axes.")
    drawn = [panel for panel in seen if panel["lines"]]
    if not drawn:
        raise Wrong("No line is drawn; `axes.plot(x, y)` draws one.")
    if len(drawn) != 1:
        raise Wrong(f"Lines are drawn in {len(drawn)} panels; both belong into one, on one scale.")
    return drawn[0]


def _line(panel: dict, depths: list, errors: list, kind: str) -> dict:
    """The line that shows the means of `errors`."""
    want = dict(zip(depths, map(mean, errors), strict=True))

    def shows(line: dict, points: dict, x: bool = True) -> bool:
        if len(line["y"]) != len(points):
            return False
        keys = line["x"] if x else points.keys()
        seen = dict(zip(keys, line["y"], strict=True))
        return seen.keys() == points.keys() and all(
            math.isclose(seen[key], value, rel_tol=1e-4) for key, value in points.items()
        )

    for line in panel["lines"]:
        if shows(line, want):
            return line
    for line in panel["lines"]:
        if shows(line, want, x=False):
            raise Wrong(
                f"The points of the {kind} networks stand at x = "
                f"{', '.join(f'{value:g}' for value in line['x'])}; their depths are "
                f"{', '.join(map(str, depths))}."
            )
    others = {"smallest": min, "largest": max, "last": lambda e: e[-1], "first": lambda e: e[0]}
    for word, choose in {**others, "sum of the": sum}.items():
        if any(
            shows(line, dict(zip(depths, map(choose, errors), strict=True)))
            for line in panel["lines"]
        ):
            raise Wrong(
                f"A line shows the {word} errors of the {kind} networks, but none the "
                "means over the seeds."
            )
    if any(shows(line, {d: 100 - e for d, e in want.items()}) for line in panel["lines"]):
        raise Wrong(f"The line of the {kind} networks shows accuracies; errors are asked for.")
    raise Wrong(f"No line shows the mean errors of the {kind} networks against their depth.")


@plot_gap.probe(
    "two lines of means",
    idea="A point is the mean over the seeds, at its depth: 44 is not one step from 20, as 20 is "
    "from 8.",
    hint="`axes.plot(depths, means)` for each kind, in the same axes; then `return figure`.",
)
def _(answer: Answer) -> None:
    panel = _panel(answer, DEPTHS, PLAIN, RESIDUAL)
    _line(panel, DEPTHS, PLAIN, "plain")
    _line(panel, DEPTHS, RESIDUAL, "residual")


@plot_gap.probe(
    "a legend",
    idea="Two lines without names are a riddle, and with the wrong names a lie.",
    hint='`axes.plot(…, label="plain")`, and `axes.legend()` at the end.',
)
def _(answer: Answer) -> None:
    panel = _panel(answer, DEPTHS, PLAIN, RESIDUAL)
    for errors, kind, other in ((PLAIN, "plain", "residual"), (RESIDUAL, "residual", "plain")):
        label = _line(panel, DEPTHS, errors, kind)["label"].lower()
        if kind not in label:
            named = f"is called “{label}”" if not label.startswith("_") else "has no label"
            swapped = " The names have changed places." if other in label else ""
            raise Wrong(f"The line of the {kind} networks {named}.{swapped}")
    if not panel["legend"]:
        raise Wrong("The lines have labels, but there is no legend that shows them.")


@plot_gap.probe(
    "axes that say what they show",
    idea="A number is read with its name and unit: error in percent, depth in layers.",
    hint='`axes.set(xlabel="…", ylabel="…")`. Which of the two is the error?',
)
def _(answer: Answer) -> None:
    panel = _panel(answer, DEPTHS, PLAIN, RESIDUAL)
    for axis, words in (("x", ("layer", "depth")), ("y", ("error", "%"))):
        label = panel[f"{axis}label"]
        if not any(word in label.lower() for word in words):
            said = f"says “{label}”" if label else "has no label"
            raise Wrong(f"The {axis} axis {said}; a reader looks for “{words[0]}”.")


@plot_gap.probe(
    "an axis that begins at 0",
    idea="On an axis that begins at 12, an error of 14 looks twice as large as one of 13.",
    hint="`axes.set_ylim(bottom=0)`, or `ylim=(0, None)` in `axes.set`.",
)
def _(answer: Answer) -> None:
    low, high = _panel(answer, DEPTHS, PLAIN, RESIDUAL)["ylim"]
    if not (low <= 0 < max(map(mean, PLAIN)) <= high):
        raise Wrong(f"The error axis goes from {low:.4g} to {high:.4g}.")


@plot_gap.probe(
    "depths in any order",
    idea="A line that runs back and forth shows an order of measuring, and no dependence on depth.",
    hint="Sort by depth before you draw, and keep each depth with its errors.",
)
def _(answer: Answer) -> None:
    order = (1, 2, 0)
    depths, plain, residual = (
        [values[place] for place in order] for values in (DEPTHS, PLAIN, RESIDUAL)
    )
    panel = _panel(answer, depths, plain, residual)
    for errors, kind in ((plain, "plain"), (residual, "residual")):
        line = _line(panel, depths, errors, kind)
        if list(line["x"]) != sorted(depths):
            told = ", ".join(f"{value:g}" for value in line["x"])
            raise Wrong(f"The line of the {kind} networks goes from depth to depth like {told}.")


@plot_gap.probe(
    "other numbers",
    idea="There may be any number of depths, and another number of seeds at each.",
    hint="Take the mean over the seeds that are there, depth by depth.",
    hidden=True,
)
def _(answer: Answer) -> None:
    depths = [8, 14, 20, 26, 110]
    plain = [(5 + 60 * torch.rand(1 + n % 3)).tolist() for n in range(5)]
    residual = [(5 + 10 * torch.rand(2 + n % 2)).tolist() for n in range(5)]
    panel = _panel(answer, depths, plain, residual)
    for errors, kind in ((plain, "plain"), (residual, "residual")):
        _line(panel, depths, errors, kind)
    if panel["ylim"][0] > 0 or panel["ylim"][1] < max(map(mean, plain)):
        raise Wrong("The error axis goes from {:.4g} to {:.4g}.".format(*panel["ylim"]))


# --- 6.5 ---

response_std = Exercise(
    name="response_std",
    number="6.5",
    title="Measure a response",
    difficulty=3,
    minutes=20,
    points=7,
    why="This is how Figure 7 of the paper is measured, in any network, without rewriting it.",
)
SIZE = (8, True, 4, 1)  # depth, residual, width, channels of the images


class Measured:
    """Standard deviations at one module, as they should be and with known mistakes."""

    def __init__(self, net: Module, name: str, x: Tensor, *size: int) -> None:
        reference = cifar_resnet(*size)
        reference.load_state_dict({**net.parameters(), **net.buffers()})
        kept: dict[str, Tensor] = {}

        def hook(_: nn.Module, given: tuple, output: Tensor) -> None:
            kept.update(given=given[0].clone(), output=output.clone(), itself=output)

        reference.get_submodule(name).register_forward_hook(hook)
        with torch.no_grad():
            scores = reference.eval()(x)
            self.right = kept["output"].std().item()
            behind, given = kept["itself"].std().item(), kept["given"].std().item()
            sizes = kept["output"].abs().mean().item()
            each = kept["output"].std(dim=(0, 2, 3)).mean() if kept["output"].dim() == 4 else 0
            reference.train()(x)
        self.wrong = {
            "That is the response behind the ReLU. It works in place, on the very tensor that the "
            "hook has kept; compute inside the hook, or keep a clone.": behind,
            "That is what goes into the module; asked for is what comes out.": given,
            "That is the variance, the square of the standard deviation.": self.right**2,
            "That is the standard deviation of the network's scores.": scores.std().item(),
            "That is the response in training mode, with the batch's mean and variance.": (
                kept["output"].std().item()
            ),
            "That is the mean of the absolute values.": sizes,
            "That is the mean over the channels' own deviations; but channels also differ from "
            "each other.": float(each),
        }

    def compare(self, seen: object, name: str) -> None:
        wrong = {s: v for s, v in self.wrong.items() if abs(v - self.right) > 0.01 * self.right}
        if isinstance(seen, Tensor) and seen.numel() > 1:
            raise Wrong(
                f"It gives {seen.numel()} numbers; asked for is one for all images, "
                "channels and pixels together."
            )
        expect.near(seen, self.right, f"the response of `{name}`", 3e-3, wrong)


def _stirred(answer: Answer, *size: int, seed: int) -> Module:
    net = answer.make("cifar_resnet", *size, seed=seed)
    stirred = expect.stir(cifar_resnet(*size)).state_dict()
    net.load({name: value for name, value in stirred.items() if "bn" in name})
    return net


def _measure(answer: Answer, name: str, seed: int, training: bool = False) -> Module:
    net, x = _stirred(answer, *SIZE, seed=seed), torch.randn(12, 1, 10, 10)
    measured = Measured(net, name, x, *SIZE)
    net.set_mode(training)
    net.watch()
    seen = answer(net, name, x)
    in_training = any(call.training for call in net.calls())
    if training and in_training:
        raise Wrong("The network came in training mode, and ran in training mode.")
    measured.compare(seen, name)
    return net


@response_std.probe(
    "what the module gives",
    idea="A response is one number: how far the values spread, over all images, channels and "
    "pixels.",
    hint="`net.get_submodule(name)` finds the module, and its `register_forward_hook(hook)` has "
    "`hook(module, inputs, output)` called whenever it has run.",
)
def _(answer: Answer) -> None:
    _measure(answer, "layer2.0.bn2", 0)


@response_std.probe(
    "before the ReLU",
    idea="The response is taken before the nonlinearity; but a ReLU in place overwrites what the "
    "batch normalisation gave.",
    hint="A hook that keeps `output` keeps the tensor, not its values of that moment.",
)
def _(answer: Answer) -> None:
    _measure(answer, "layer2.0.bn1", 1)
    _measure(answer, "bn1", 2)


@response_std.probe(
    "evaluation mode",
    idea="In training mode a batch normalisation brings every batch to its own scale, and moves "
    "its running averages.",
    hint="`net.eval()` before you run it.",
)
def _(answer: Answer) -> None:
    net = _stirred(answer, *SIZE, seed=3)
    before = net.buffers()
    net.set_mode(True)
    net.watch()
    answer(net, "layer1.0.bn2", torch.randn(12, 1, 10, 10))
    if any(call.training for call in net.calls()):
        raise Wrong("The network came in training mode, and ran in training mode.")
    moved = [name for name, value in net.buffers().items() if not torch.equal(value, before[name])]
    if moved:
        raise Wrong(f"The measurement has changed `{moved[0]}`.")


@response_std.probe(
    "nothing stays behind",
    idea="A hook that is left goes on measuring at every call, and the next one comes on top.",
    hint="`register_forward_hook` gives a handle; `handle.remove()`. And the mode is what it was.",
)
def _(answer: Answer) -> None:
    for training, word in ((True, "training"), (False, "evaluation")):
        net = _measure(answer, "layer3.0.bn2", 4, training)
        if net.hooks():
            raise Wrong("After the call there is still a hook in the network.")
        if set(net.modes().values()) != {training}:
            raise Wrong(f"The network came in {word} mode, and is in the other one afterwards.")


@response_std.probe(
    "other numbers",
    idea="It works for every module of every network.",
    hint="Is a name, a size or a kind of module fixed somewhere?",
    hidden=True,
)
def _(answer: Answer) -> None:
    size = (14, False, 3, 2)
    net = _stirred(answer, *size, seed=5)
    for name in ("conv1", "layer1.1.bn1", "layer3.1", "layer2.0.conv2", "avgpool"):
        x = torch.randn(30, 2, 9, 12)
        measured = Measured(net, name, x, *size)
        measured.compare(answer(net, name, x), name)


EXERCISES = [mean_and_range, residual_twin, paired_gap, plot_gap, response_std]
