"""What judges the exercises of lesson 06, plain against residual."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import mean, median, stdev, variance

import torch
from torch import Tensor, nn

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import Call, Case, Sight, call, same_count
from resnet_lessons.checks.picture_forms import Axes, Panel, labelled, near, panel
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import cifar_resnet

Triple = tuple[float, float, float]


def same_number(seen: tuple, right: tuple, what: str, wrong: dict | None = None) -> None:
    """Two numbers, each with that by which it may be off."""
    (one, _), (other, slack) = seen, right
    if not abs(one - other) <= slack:
        raise Wrong(f"{what} {one:.6g}; expected is {other:.6g}. {' '.join(wrong or ())}".rstrip())


@dataclass(frozen=True, kw_only=True)
class Three(Case):
    """Three numbers, each compared by itself.

    Attributes:
        asked: what they are, in words.
        said: what is said of each.
        slack: by how much they may be off, relative to how far the last two are apart.
    """

    asked: str
    said: tuple[str, str, str]
    slack: float = 0.0
    compare: Callable[..., None] = same_number

    def sights(self, exercise: Exercise, answer: Answer, given: Call) -> Iterator[Sight]:
        seen = answer(*given.args)
        try:
            _, low, high = numbers = [float(number) for number in seen]
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"It gives {seen!r}; asked for are three numbers: {self.asked}.") from None
        for said, number in zip(self.said, numbers, strict=True):
            yield said, (number, 1e-4 * abs(number) + self.slack * abs(high - low))


# --- 6.1 ---


def lines(net: str, depth: int, runs: list[list[float]], seeds: tuple = (0, 1, 2)) -> list[dict]:
    """The stored lines of trainings, which have the test errors `runs` in their epochs."""
    return [
        {"net": net, "depth": depth, "seed": seed, "epoch": epoch, "test_error": error}
        for seed, epochs in zip(seeds, runs, strict=False)
        for epoch, error in enumerate(epochs, 1)
    ]


def of_three_kinds() -> list[Call]:
    mine = lines("residual", 8, [[30.0, 12.5], [31.0, 14.0]])
    plain = lines("plain", 8, [[50.0, 20.5], [60.0, 25.0]])
    deeper = lines("residual", 20, [[70.0, 40.0, 33.0], [80.0, 51.0, 35.5]])
    return [call(mine + plain + deeper, "residual", 8)]


def in_other_orders() -> list[Call]:
    stored = lines("plain", 8, [[30.0, 12.0, 13.5], [31.0, 19.5, 14.0], [28.0, 10.5, 17.0]])
    orders = torch.randperm(len(stored)).tolist(), range(len(stored) - 1, -1, -1)
    return [call([stored[place] for place in order], "plain", 8) for order in orders]


def of_any_size() -> list[Call]:
    calls = []
    for seeds, epochs in (((7,), 3), ((0, 1), 1), ((3, 5, 8, 13, 21), 12)):
        runs = (10 + 30 * torch.rand(len(seeds), epochs)).tolist()
        calls.append(call(lines("wide", 110, runs, seeds), "wide", 110))
    return calls


def asked_for(line: dict, net: str, depth: int) -> bool:
    return line["net"] == net and line["depth"] == depth


def summary(
    center: Callable = lambda last, runs: mean(last),
    low: Callable = lambda last, runs: min(last),
    high: Callable = lambda last, runs: max(last),
    keep: Callable[[dict, str, int], bool] = asked_for,
) -> Callable[[list[dict], str, int], Triple]:
    """Three numbers of the last errors, or of all, of the trainings that are kept."""

    def summarise(stored: list[dict], net: str, depth: int) -> Triple:
        runs = {}
        for line in sorted(stored, key=lambda line: line["epoch"]):
            if keep(line, net, depth):
                training = line["net"], line["depth"], line["seed"]
                runs.setdefault(training, []).append(line["test_error"])
        runs = list(runs.values())
        last = [run[-1] for run in runs]
        return center(last, runs), low(last, runs), high(last, runs)

    return summarise


OF_ONE_NETWORK = {
    "That is the mean over all epochs; a training counts by its last one.": (
        summary(lambda _, runs: mean(error for run in runs for error in run))
    ),
    "That is the mean of each training's best epoch, which was chosen by its test error: it "
    "flatters.": summary(lambda _, runs: mean(map(min, runs))),
    "That is the mean over the first epochs.": summary(
        lambda _, runs: mean(run[0] for run in runs)
    ),
    "That is the best training, and not the mean of all.": summary(lambda last, _: min(last)),
    "That is the median, and not the mean.": summary(lambda last, _: median(last)),
    "That is the standard deviation; asked for is the smallest error.": (
        summary(low=lambda last, _: stdev(last))
    ),
    "That is the mean less the standard deviation; asked for is the smallest error.": (
        summary(low=lambda last, _: mean(last) - stdev(last))
    ),
    "Smallest and largest have changed places.": summary(low=lambda last, _: max(last)),
    "That is the smallest error of any epoch; only the last ones count.": (
        summary(low=lambda _, runs: min(map(min, runs)))
    ),
    "That is the largest error of any epoch; only the last ones count.": (
        summary(high=lambda _, runs: max(map(max, runs)))
    ),
}
OF_OTHERS = {
    "The plain networks are in it, too.": summary(keep=lambda line, _, d: line["depth"] == d),
    "The deeper networks are in it, too.": summary(keep=lambda line, net, _: line["net"] == net),
    "That is the mean of the plain networks.": (
        summary(keep=lambda line, _, depth: asked_for(line, "plain", depth))
    ),
}
RUNS = [[40.5, 22.0, 14.5, 16.0], [45.0, 30.5, 19.0, 18.5], [38.0, 20.5, 25.0, 29.5]]
Summary = partial(
    Three,
    asked="mean, smallest and largest",
    said=("The mean is", "The smallest is", "The largest is"),
)

mean_and_range = Exercise(
    name="mean_and_range",
    number="6.1",
    title="Mean and range",
    difficulty=1,
    minutes=10,
    points=3,
    why="One training is an anecdote; the table of results is made of several.",
    solution=summary(),
    cases=[
        Summary(
            "the last epoch of each training",
            [(lines("plain", 20, RUNS), "plain", 20)],
            idea="What a training is worth is what it ends with, not the best moment on its way.",
            hint="Pick one line for each seed: the one with the largest `epoch`.",
            mistakes=OF_ONE_NETWORK,
        ),
        Summary(
            "one kind, one depth",
            of_three_kinds,
            idea="A mean over networks of several kinds or depths is the mean of nothing.",
            hint="First keep the lines whose `net` and `depth` are those that were asked for.",
            mistakes=OF_OTHERS,
        ),
        Summary(
            "lines in any order",
            in_other_orders,
            idea="Which line came last in the file says nothing; its `epoch` does.",
            hint="Compare the epochs. Trainings that ran at the same time write their lines in "
            "turn.",
        ),
        Summary(
            "other numbers",
            of_any_size,
            idea="There may be any number of seeds and epochs.",
            hint="Is a number of seeds, an epoch or a name fixed somewhere?",
            hidden=True,
        ),
    ],
)

# --- 6.2 ---


def handed(*size: int | bool) -> Call:
    """A plain network that is no longer fresh, and images."""
    values = expect.stir(cifar_resnet(*size)).state_dict()
    return call(size, values, torch.randn(4, size[3], 8, 8))


def state(net: ModuleView) -> dict[str, Tensor]:
    return {**net.parameters(), **net.buffers()}


def changed(net: ModuleView, values: dict[str, Tensor]) -> list[str]:
    own = state(net)
    return [name for name, value in values.items() if not torch.equal(own[name], value)]


def pair(answer: Answer, size: tuple, values: dict[str, Tensor]) -> tuple[ModuleView, ModuleView]:
    """The plain network, and its twin."""
    plain = answer.make("cifar_resnet", *size)
    plain.load(values)
    twin = expect.as_module(answer(plain))
    if others := changed(plain, values):
        raise Wrong(f"`{others[0]}` of the plain network has changed; it must stay as it is.")
    return plain, twin


def parameters_of_twin(answer: Answer, size: tuple, values: dict, _: Tensor) -> int:
    return sum(p.numel() for p in pair(answer, size, values)[1].parameters().values())


def output_of_twin(answer: Answer, size: tuple, values: dict, x: Tensor) -> Tensor:
    plain, twin = pair(answer, size, values)
    output, own = twin.run(x).output, twin.parameters()
    for name, value in plain.parameters().items():
        if name in own and own[name].shape == value.shape and not torch.equal(own[name], value):
            raise Wrong(f"`{name}` of the twin has other values than in the plain network.")
    return output


def two_networks(answer: Answer) -> None:
    size, values, _ = handed(8, False, 4, 1, 10).args
    plain, twin = pair(answer, size, values)
    for change, name in ((twin.parameters(), "weights"), (twin.buffers(), "buffers")):
        twin.load({key: torch.zeros_like(value) for key, value in change.items()})
        if changed(plain, values):
            raise Wrong(f"Setting the twin's {name} to 0 changes the plain network as well.")
    frozen = set(twin.parameters()) - set(twin.trainable())
    if frozen:
        raise Wrong(f"`{sorted(frozen)[0]}` of the twin is frozen, and would not be trained.")


def fresh(plain: nn.Module, **others: object) -> nn.Module:
    size = {
        "width": plain.conv1.out_channels,
        "in_channels": plain.conv1.in_channels,
        "num_classes": plain.fc.out_features,
    }
    return cifar_resnet(**{"depth": plain.depth, **size, **others})


def loaded(plain: nn.Module, **others: object) -> nn.Module:
    net = fresh(plain, **others)
    net.load_state_dict(plain.state_dict())
    return net


def with_parameters_only(plain: nn.Module) -> nn.Module:
    net = fresh(plain)
    net.load_state_dict(dict(plain.named_parameters()), strict=False)
    return net


Twin = partial(
    Case,
    see=output_of_twin,
    what="the twin's output",
    compare=partial(expect.close, tolerance=1e-3),
)

residual_twin = Exercise(
    name="residual_twin",
    number="6.2",
    title="A fair pair",
    difficulty=2,
    minutes=15,
    points=6,
    why="Only if two networks differ in one thing can a difference be due to it.",
    solution=loaded,
    cases=[
        Case(
            "as many parameters",
            lambda: [handed(14, False, 4, 1, 10)],
            idea="If the residual network had more parameters, its success might be due to them.",
            hint="The shortcut of this pair has none: `cifar_resnet(depth, residual=True, …)`. "
            "Read width and classes off the plain network.",
            see=parameters_of_twin,
            compare=same_count,
            mistakes={
                "The shortcuts are projections; use those without parameters.": (
                    lambda plain: fresh(plain, shortcut="projection")
                ),
                "Its width is not that of the plain network.": lambda plain: fresh(plain, width=16),
                "It is not as deep as the plain network.": (
                    lambda plain: fresh(plain, depth=8),
                    lambda plain: fresh(plain, depth=20),
                ),
            },
        ),
        Twin(
            "the same values, and the addition",
            lambda: [handed(8, False, 4, 1, 10)],
            idea="The two begin with the same weights; all that differs is what is added.",
            hint="`load_state_dict` takes what `state_dict` of the other network gives. The names "
            "are the same.",
            mistakes={
                "It computes what the plain network computes: nothing is added.": (
                    lambda plain: loaded(plain, residual=False)
                ),
                "The weights are the same, but not the running averages of the batch "
                "normalisations: they are buffers, and no parameters.": with_parameters_only,
            },
        ),
        Probe(
            "two networks, not one",
            idea="A pair is trained one after the other; the first training must not move the "
            "second.",
            hint="Do the two share tensors? `load_state_dict` copies values; an assignment does "
            "not.",
            look=two_networks,
        ),
        Twin(
            "other numbers",
            lambda: [handed(20, False, 3, 3, 5), handed(8, False, 6, 2, 100)],
            idea="A plain network of any depth and width has a twin.",
            hint="Depth, width, channels of the images, number of classes: is one fixed?",
            hidden=True,
        ),
    ],
)

# --- 6.3 ---

Errors = dict[int, float]  # by seed

# Quantiles of Student's t: 2.5 % above, by degrees of freedom; and 5 % above.
TWO_SIDED = {1: 12.7062, 2: 4.30265, 3: 3.18245, 4: 2.77645, 5: 2.57058, 6: 2.44691, 7: 2.36462}
ONE_SIDED = {1: 6.31375, 2: 2.91999, 3: 2.35336, 4: 2.13185, 5: 2.01505, 6: 1.94318, 7: 1.89458}


def of_random_errors() -> list[tuple[Errors, Errors]]:
    def errors(seeds: tuple[int, ...], low: int) -> Errors:
        return dict(zip(seeds, (10 * torch.rand(len(seeds)) + low).tolist(), strict=True))

    return [
        (errors(seeds, 20), errors(seeds, 12)) for seeds in ((4, 9), (0, 1, 2), (3, 1, 4, 5, 9, 2))
    ]


def by_seed(plain: Errors, residual: Errors) -> tuple[list[float], list[float]]:
    seeds = [seed for seed in plain if seed in residual]
    return [plain[seed] for seed in seeds], [residual[seed] for seed in seeds]


def around(center: float, half: float) -> Triple:
    return center, center - half, center + half


def student(pairs: int) -> float:
    return TWO_SIDED[pairs - 1]


def gapping(
    factor: Callable[[int], float] = student,
    told: Callable[[float, float], Triple] = around,
    paired: Callable[[Errors, Errors], tuple[list, list]] = by_seed,
) -> Callable[[Errors, Errors], Triple]:
    """The interval reaches `factor` standard errors, for so many pairs, to both sides."""

    def gap(plain: Errors, residual: Errors) -> Triple:
        gaps = [one - other for one, other in zip(*paired(plain, residual), strict=True)]
        return told(mean(gaps), factor(len(gaps)) * stdev(gaps) / math.sqrt(len(gaps)))

    return gap


def as_groups(plain: Errors, residual: Errors) -> Triple:
    ones, others = by_seed(plain, residual)
    error = math.sqrt((variance(ones) + variance(others)) / len(ones))
    return around(mean(ones) - mean(others), TWO_SIDED[2 * len(ones) - 2] * error)


def range_of_gaps(plain: Errors, residual: Errors) -> Triple:
    gaps = [one - other for one, other in zip(*by_seed(plain, residual), strict=True)]
    return mean(gaps), min(gaps), max(gaps)


def all_seeds_in_mean(plain: Errors, residual: Errors) -> Triple:
    _, low, high = gapping()(plain, residual)
    return around(mean(plain.values()) - mean(residual.values()), (high - low) / 2)


INTERVALS = {
    "That is residual less plain; asked for is plain less residual.": (
        lambda plain, residual: gapping()(residual, plain)
    ),
    "That is 1.96 standard errors, which holds for many pairs; so few want Student's t.": (
        gapping(lambda n: 1.95996)
    ),
    "That is 2 standard errors; so few pairs want Student's t.": gapping(lambda n: 2),
    "The standard deviation was divided by n, not by n - 1, as if the mean were known.": (
        gapping(lambda n: student(n) * math.sqrt((n - 1) / n))
    ),
    "That is t standard deviations of a single gap; the mean of n varies less, by √n.": (
        gapping(lambda n: student(n) * math.sqrt(n))
    ),
    "The standard deviation was divided by n instead of √n.": (
        gapping(lambda n: student(n) / math.sqrt(n))
    ),
    "That is the interval for two independent groups: the pairs were not used.": as_groups,
    "That leaves 5 % on each side, and is an interval of 90 %.": gapping(
        lambda n: ONE_SIDED[n - 1]
    ),
    "That is the standard error; how many of them are 95 %?": gapping(lambda n: 1),
    "The degrees of freedom are n - 1, not n.": gapping(lambda n: student(n + 1)),
    "The interval begins with its upper end.": gapping(told=lambda mid, half: around(mid, -half)),
    "That is the smallest of the gaps; asked for is an interval for their mean.": range_of_gaps,
    "That is the distance of the end from the mean, and not the end.": (
        gapping(told=lambda center, half: (center, half, half))
    ),
}
EVEN = {0: 27.0, 1: 16.0, 2: 20.0}
UNEVEN = {0: 30.0, 1: 20.0, 2: 25.0, 4: 90.0}
Gap = partial(
    Three,
    asked="the mean, and both ends of the interval",
    said=("The mean gap is", "The interval begins at", "The interval ends at"),
    slack=1e-3,
)

paired_gap = Exercise(
    name="paired_gap",
    number="6.3",
    title="A gap and its uncertainty",
    difficulty=2,
    minutes=20,
    points=6,
    why="A difference without an uncertainty is a number without a unit.",
    solution=gapping(),
    cases=[
        Gap(
            "the mean gap, and its interval",
            [({0: 14.0, 1: 15.5, 2: 19.0, 3: 16.0}, {0: 11.0, 1: 11.0, 2: 17.5, 3: 12.25})],
            idea="The uncertainty is that of the differences: of n pairs, standard deviation / √n, "
            "times Student's t of n - 1 degrees of freedom.",
            hint="First a list of differences. Then "
            "`scipy.stats.ttest_rel(…).confidence_interval()`, or by hand with "
            "`scipy.stats.t.ppf(0.975, n - 1)`.",
            mistakes=INTERVALS,
        ),
        Gap(
            "pairs are made by the seed",
            [({0: 30.0, 1: 20.0, 2: 25.0, 3: 12.0}, {3: 9.5, 1: 16.0, 0: 27.0, 2: 20.0})],
            idea="The two networks of a seed share weights and the order of the images; others "
            "share nothing.",
            hint="Take a seed, look it up in both dictionaries. Do not rely on their order.",
            mistakes={
                "The errors were paired by their place, and not by their seed.": (
                    gapping(paired=lambda *both: tuple([*errors.values()] for errors in both))
                ),
            },
        ),
        Gap(
            "a seed without a partner",
            [(UNEVEN, EVEN), (EVEN, UNEVEN)],
            idea="A training that has no partner makes no difference.",
            hint="Go through the seeds that both have: `plain.keys() & residual.keys()`.",
            mistakes={"Seeds that only one of them has were counted.": all_seeds_in_mean},
        ),
        Gap(
            "other numbers",
            of_random_errors,
            idea="Two pairs give an interval, if a wide one; more pairs a narrower one.",
            hint="Does the number of pairs decide about t and √n?",
            hidden=True,
        ),
    ],
)

# --- 6.4 ---

DATA = (
    [8, 20, 44],
    [[12.8, 12.9, 13.3], [13.8, 14.2, 14.6], [20.2, 21.6, 22.9]],
    [[12.2, 12.4, 12.9], [12.0, 12.8, 13.3], [11.9, 12.4, 13.2]],
)


def both(depths: list, plain: list, residual: list) -> list[tuple]:
    """A look at the lines of both kinds."""
    return [(kind, depths, plain, residual) for kind in ("plain", "residual")]


def of_any_errors() -> list[tuple]:
    plain = [(5 + 60 * torch.rand(1 + n % 3)).tolist() for n in range(5)]
    residual = [(5 + 10 * torch.rand(2 + n % 2)).tolist() for n in range(5)]
    return both([8, 14, 20, 26, 110], plain, residual)


def picture(answer: Answer, kind: str, *given: list) -> Panel:
    return panel(answer(*given))


def points(line: Panel) -> list[float]:
    return [value for point in sorted(zip(line["x"], line["y"], strict=True)) for value in point]


def line_of(seen: Panel, right: Panel, kind: str, wrong: dict | None = None) -> Panel:
    """The line that shows the means of one kind of networks, whatever it is called.

    Raises:
        Wrong: there is none.
    """
    means = labelled(right, kind)
    for line in seen["lines"]:
        if near(points(line), points(means)):
            return line
    for line in seen["lines"]:
        if near(sorted(line["y"]), sorted(means["y"])):
            raise Wrong(
                f"The points of the {kind} networks stand at x = {listed(line['x'])}; their depths "
                f"are {listed(means['x'])}."
            )
    missing = f"No line shows the mean errors of the {kind} networks against their depth."
    raise Wrong(" ".join(wrong or [missing]))


def listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def named_line(seen: Panel, right: Panel, kind: str, wrong: object = None) -> None:
    label = line_of(seen, right, kind)["label"].lower()
    other = "residual" if kind == "plain" else "plain"
    if kind not in label:
        named = f"is called “{label}”" if not label.startswith("_") else "has no label"
        swapped = " The names have changed places." if other in label else ""
        raise Wrong(f"The line of the {kind} networks {named}.{swapped}")
    if not seen["legend"]:
        raise Wrong("The lines have labels, but there is no legend that shows them.")


def from_zero(seen: Panel, right: Panel, kind: str, wrong: object = None) -> None:
    low, high = seen["ylim"]
    if low > 0 or high < max(labelled(right, kind)["y"]):
        raise Wrong(f"The error axis goes from {low:.4g} to {high:.4g}.")


def in_order(seen: Panel, right: Panel, kind: str, wrong: object = None) -> None:
    x = line_of(seen, right, kind)["x"]
    if list(x) != sorted(x):
        raise Wrong(f"The line of the {kind} networks goes from depth to depth like {listed(x)}.")


def line_from_zero(seen: Panel, right: Panel, kind: str, wrong: dict | None = None) -> None:
    line_of(seen, right, kind, wrong)
    from_zero(seen, right, kind)


def plotting(choose: Callable[[list[float]], float] = mean) -> Callable:
    """A picture of what is chosen from the errors of each depth."""

    def plot(depths: list[int], plain: list[list[float]], residual: list[list[float]]) -> object:
        from matplotlib.figure import Figure

        axes = Figure().subplots()
        for label, errors in (("plain", plain), ("residual", residual)):
            ordered = sorted(zip(depths, map(choose, errors), strict=True))
            axes.plot(*zip(*ordered, strict=True), label=label)
        axes.set(xlabel="depth (layers)", ylabel="error (%)", ylim=(0, None))
        axes.legend()
        return axes

    return plot


NOT_MEANS = "errors of the {0} networks, but none the means over the seeds."
Drawing = partial(Case, see=picture, what=lambda kind, *_: kind)

plot_gap = Exercise(
    name="plot_gap",
    number="6.4",
    title="Plot the gap",
    difficulty=2,
    minutes=15,
    points=5,
    why="A picture is read before the text, so it must not say more than the numbers.",
    solution=plotting(),
    cases=[
        Drawing(
            "two lines of means",
            both(*DATA),
            idea="A point is the mean over the seeds, at its depth: 44 is not one step from 20, as "
            "20 is from 8.",
            hint="`axes.plot(depths, means)` for each kind, in the same axes; then `return "
            "figure`.",
            compare=line_of,
            mistakes={
                f"A line shows the smallest {NOT_MEANS}": plotting(min),
                f"A line shows the largest {NOT_MEANS}": plotting(max),
                f"A line shows the sum of the {NOT_MEANS}": plotting(sum),
                "The line of the {0} networks shows accuracies; errors are asked for.": (
                    plotting(lambda errors: 100 - mean(errors))
                ),
            },
        ),
        Drawing(
            "a legend",
            both(*DATA),
            idea="Two lines without names are a riddle, and with the wrong names a lie.",
            hint='`axes.plot(…, label="plain")`, and `axes.legend()` at the end.',
            compare=named_line,
        ),
        Axes(
            "axes that say what they show",
            [DATA],
            idea="A number is read with its name and unit: error in percent, depth in layers.",
            hint='`axes.set(xlabel="…", ylabel="…")`. Which of the two is the error?',
            xlabel=("layer", "depth"),
            ylabel=("error", "%"),
        ),
        Drawing(
            "an axis that begins at 0",
            both(*DATA),
            idea="On an axis that begins at 12, an error of 14 looks twice as large as one of 13.",
            hint="`axes.set_ylim(bottom=0)`, or `ylim=(0, None)` in `axes.set`.",
            compare=from_zero,
        ),
        Drawing(
            "depths in any order",
            both(*([values[place] for place in (1, 2, 0)] for values in DATA)),
            idea="A line that runs back and forth shows an order of measuring, and no dependence "
            "on depth.",
            hint="Sort by depth before you draw, and keep each depth with its errors.",
            compare=in_order,
        ),
        Drawing(
            "other numbers",
            of_any_errors,
            idea="There may be any number of depths, and another number of seeds at each.",
            hint="Take the mean over the seeds that are there, depth by depth.",
            compare=line_from_zero,
            hidden=True,
        ),
    ],
)

# --- 6.5 ---

SMALL = (8, True, 4, 1)  # depth, residual, width, channels of the images


def measured(name: str, size: tuple = SMALL, images: int = 12, training: bool = False) -> Call:
    """A module of a network, the network's values, and images."""
    values = expect.stir(cifar_resnet(*size)).state_dict()
    return call(name, size, values, torch.randn(images, size[3], 9, 12), training)


def tried(
    answer: Answer, name: str, size: tuple, values: dict, x: Tensor, training: bool
) -> tuple[object, ModuleView]:
    """What the answer gives, and the network that it was given."""
    net = answer.make("cifar_resnet", *size)
    net.load(values)
    net.set_mode(training)
    net.watch()
    return answer(net, name, x), net


def response(answer: Answer, *given: object) -> object:
    seen, net = tried(answer, *given)
    _, _, values, _, training = given
    if training and any(call.training for call in net.calls()):
        raise Wrong("The network came in training mode, and ran in training mode.")
    if training and (moved := changed(net, values)):
        raise Wrong(f"The measurement has changed `{moved[0]}`.")
    return seen


def nothing_left(answer: Answer, *given: object) -> object:
    seen, net = tried(answer, *given)
    net.calls()  # which ends the watch, and takes its hook away
    if net.hooks():
        raise Wrong("After the call there is still a hook in the network.")
    *_, training = given
    if set(net.modes().values()) != {training}:
        came = "training" if training else "evaluation"
        raise Wrong(f"The network came in {came} mode, and is in the other one afterwards.")
    return seen


def one_number(seen: object, right: float, what: str, wrong: dict | None = None) -> None:
    if isinstance(seen, Tensor) and seen.numel() > 1:
        raise Wrong(
            f"It gives {seen.numel()} numbers; asked for is one for all images, channels and "
            "pixels together."
        )
    expect.near(seen, right, what, 3e-3, wrong)


def measuring(
    told: Callable[[Tensor], Tensor] = torch.std,
    kept: Callable[[Tensor, Tensor], Tensor] = lambda given, output: output.clone(),
    of_scores: bool = False,
    training: bool = False,
) -> Callable:
    """A measurement; `told` is made of what is `kept` of a module's input and output."""

    def measure(net: nn.Module, name: str, x: Tensor) -> float:
        found, mode = [], net.training

        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            found.append(kept(inputs[0], output))

        handle = net.get_submodule(name).register_forward_hook(hook)
        with torch.no_grad():
            scores = net.train(training)(x)
        handle.remove()
        net.train(mode)
        return told(scores if of_scores else found[0]).item()

    return measure


MEASURES = {
    "That is what goes into the module; asked for is what comes out.": (
        measuring(kept=lambda given, output: given.clone())
    ),
    "That is the variance, the square of the standard deviation.": measuring(torch.var),
    "That is the standard deviation of the network's scores.": measuring(of_scores=True),
    "That is the response in training mode, with the batch's mean and variance.": (
        measuring(training=True)
    ),
    "That is the mean of the absolute values.": measuring(lambda x: x.abs().mean()),
    "That is the mean over the channels' own deviations; but channels also differ from each "
    "other.": measuring(lambda x: x.std(dim=(0, 2, 3)).mean()),
}
OTHER_MODULES = ("conv1", "layer1.1.bn1", "layer3.1", "layer2.0.conv2", "avgpool")
Response = partial(Case, see=response, compare=one_number)

response_std = Exercise(
    name="response_std",
    number="6.5",
    title="Measure a response",
    difficulty=3,
    minutes=20,
    points=7,
    why="This is how Figure 7 of the paper is measured, in any network, without rewriting it.",
    solution=measuring(),
    what=lambda name, *_: f"the response of `{name}`",
    cases=[
        Response(
            "what the module gives",
            lambda: [measured("layer2.0.bn2")],
            idea="A response is one number: how far the values spread, over all images, channels "
            "and pixels.",
            hint="`net.get_submodule(name)` finds the module, and its "
            "`register_forward_hook(hook)` has `hook(module, inputs, output)` called whenever it "
            "has run.",
            mistakes=MEASURES,
        ),
        Response(
            "before the ReLU",
            lambda: [measured("layer2.0.bn1"), measured("bn1")],
            idea="The response is taken before the nonlinearity; but a ReLU in place overwrites "
            "what the batch normalisation gave.",
            hint="A hook that keeps `output` keeps the tensor, not its values of that moment.",
            mistakes={
                "That is the response behind the ReLU. It works in place, on the very tensor that "
                "the hook has kept; compute inside the hook, or keep a clone.": (
                    measuring(kept=lambda given, output: output)
                ),
            },
        ),
        Response(
            "evaluation mode",
            lambda: [measured("layer1.0.bn2", training=True)],
            idea="In training mode a batch normalisation brings every batch to its own scale, and "
            "moves its running averages.",
            hint="`net.eval()` before you run it.",
        ),
        Response(
            "nothing stays behind",
            lambda: [measured("layer3.0.bn2", training=mode) for mode in (True, False)],
            idea="A hook that is left goes on measuring at every call, and the next one comes on "
            "top.",
            hint="`register_forward_hook` gives a handle; `handle.remove()`. And the mode is what "
            "it was.",
            see=nothing_left,
        ),
        Response(
            "other numbers",
            lambda: [measured(name, (14, False, 3, 2), 30) for name in OTHER_MODULES],
            idea="It works for every module of every network.",
            hint="Is a name, a size or a kind of module fixed somewhere?",
            hidden=True,
        ),
    ],
)

EXERCISES = [mean_and_range, residual_twin, paired_gap, plot_gap, response_std]
