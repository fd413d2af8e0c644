"""Answers to the exercises of lesson 06, besides those that its checks know by name."""

import copy
import statistics

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import nn

from answers import accepted, all_rejected, learner, rejected
from resnet_lessons import BasicBlock, PlainBlock

THEIRS = learner("lesson_06")

# --- mean_and_range ---


@accepted("mean_and_range", "a dictionary of last lines")
def last_lines(lines, net, depth):
    last = {}
    for line in lines:
        if (line["net"], line["depth"]) == (net, depth):
            known = last.get(line["seed"])
            if known is None or known["epoch"] < line["epoch"]:
                last[line["seed"]] = line
    errors = [line["test_error"] for line in last.values()]
    return [statistics.mean(errors), min(errors), max(errors)]


@accepted("mean_and_range", "sorted, then a tensor")
def sorted_lines(lines, net, depth):
    mine = [line for line in lines if line["net"] == net and line["depth"] == depth]
    ordered = sorted(mine, key=lambda line: line["epoch"])
    errors = torch.tensor([*{line["seed"]: line["test_error"] for line in ordered}.values()])
    return errors.mean(), errors.min(), errors.max()


@rejected("mean_and_range", "last epoch of all", "one kind, one depth", "stops with")
def last_epoch_of_all(lines, net, depth):
    last = max(line["epoch"] for line in lines)
    return last_lines([line for line in lines if line["epoch"] == last], net, depth)


@rejected("mean_and_range", "last line", "lines in any order", "expected is")
def last_line(lines, net, depth):
    places = dict(zip(range(len(lines)), lines, strict=True))
    return last_lines([{**line, "epoch": n} for n, line in places.items()], net, depth)


@rejected("mean_and_range", "seeds by heart", "other numbers", "stops with")
def seeds_by_heart(lines, net, depth):
    return last_lines([line for line in lines if line["seed"] in (0, 1, 2)], net, depth)


rejected(
    "mean_and_range",
    "mean only",
    "the last epoch of each training",
    "asked for are three numbers",
    lambda *given: last_lines(*given)[0],
)

# --- residual_twin ---

fresh, loaded = THEIRS.fresh, THEIRS.loaded


@accepted("residual_twin", "copied value by value")
def copied(plain):
    net = fresh(plain)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            value.copy_(plain.state_dict()[name])
    return net


@accepted("residual_twin", "blocks exchanged")
def exchanged(plain):
    net = copy.deepcopy(plain)
    for stage in (net.layer1, net.layer2, net.layer3):
        for place, block in enumerate(stage):
            if isinstance(block, PlainBlock):
                size = block.in_channels, block.out_channels, block.stride
                stage[place] = BasicBlock(*size, shortcut="padding")
                stage[place].load_state_dict(block.state_dict())
    return net


@accepted("residual_twin", "a network of its own")
class Twin(nn.Module):
    def __init__(self, plain):
        super().__init__()
        self.parts = copy.deepcopy(plain)
        del self.parts.relu

    def forward(self, x):
        parts = self.parts
        x = parts.bn1(parts.conv1(x)).relu()
        for block in (*parts.layer1, *parts.layer2, *parts.layer3):
            y = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
            new = y.shape[1] - x.shape[1]
            x = x[:, :, :: block.stride, :: block.stride]
            x = (y + nn.functional.pad(x, (0, 0, 0, 0, 0, new))).relu()
        return parts.fc(x.mean((2, 3)))


def copied_the_wrong_way(plain):
    net = fresh(plain)
    plain.load_state_dict(net.state_dict())
    return net


def last_layer_forgotten(plain):
    net = loaded(plain)
    net.fc.reset_parameters()
    return net


def shared_tensors(plain):
    net = fresh(plain)
    net.load_state_dict(plain.state_dict(), assign=True)
    return net


all_rejected(
    "residual_twin",
    "as many parameters",
    {
        "the state only": ("an `nn.Module` is asked for", lambda plain: plain.state_dict()),
        "keys that do not fit": ("stops with RuntimeError", lambda plain: loaded(plain, depth=20)),
        "copied the wrong way": ("of the plain network has changed", copied_the_wrong_way),
    },
)
all_rejected(
    "residual_twin",
    "the same values, and the addition",
    {
        "the plain network itself": ("nothing is added", lambda plain: plain),
        "fresh weights": ("of the twin has other values", fresh),
        "the last layer forgotten": ("`fc.weight` of the twin", last_layer_forgotten),
    },
)
all_rejected(
    "residual_twin",
    "two networks, not one",
    {
        "shared tensors": ("changes the plain network as well", shared_tensors),
        "frozen": ("is frozen", lambda plain: loaded(plain).requires_grad_(False)),
    },
)
all_rejected(
    "residual_twin",
    "other numbers",
    {
        "ten classes": ("stops with RuntimeError", lambda plain: loaded(plain, num_classes=10)),
        "grey images": ("stops with RuntimeError", lambda plain: loaded(plain, in_channels=1)),
    },
)

# --- paired_gap ---

gapping = THEIRS.gapping


@accepted("paired_gap", "by hand")
def by_hand(plain, residual):
    gaps = torch.tensor([plain[s] - residual[s] for s in plain if s in residual])
    n = len(gaps)
    half = stats.t.ppf(0.975, n - 1) * gaps.std() / n**0.5
    return gaps.mean(), gaps.mean() - half, gaps.mean() + half


@accepted("paired_gap", "ttest_rel")
def ttest_rel(plain, residual):
    ones, others = THEIRS.by_seed(plain, residual)
    interval = stats.ttest_rel(ones, others).confidence_interval(0.95)
    return (statistics.mean(ones) - statistics.mean(others), *interval)


rejected(
    "paired_gap",
    "partner demanded",
    "a seed without a partner",
    "KeyError",
    gapping(paired=lambda plain, residual: ([*plain.values()], [residual[s] for s in plain])),
)
rejected(
    "paired_gap",
    "t by heart",
    "other numbers",
    "expected is",
    gapping(lambda n: {3: 4.30265, 4: 3.18245}.get(n, 4.30265)),
)

# --- plot_gap ---


@accepted("plot_gap", "pyplot")
def with_pyplot(depths, plain, residual):
    plt.figure()
    for name, errors in (("Plain nets", plain), ("Residual nets", residual)):
        points = sorted((d, sum(e) / len(e)) for d, e in zip(depths, errors, strict=True))
        plt.plot(*zip(*points, strict=True), "o-", label=name)
    plt.xlabel("number of layers")
    plt.ylabel("test error in %")
    plt.ylim(bottom=0)
    plt.legend()
    return plt.gcf()


@accepted("plot_gap", "error bars, and dots")
def error_bars(depths, plain, residual):
    axes = Figure().subplots()
    order = sorted(range(len(depths)), key=lambda n: depths[n])
    for name, errors in (("residual", residual), ("plain", plain)):
        means = [statistics.fmean(errors[n]) for n in order]
        lows = [statistics.fmean(errors[n]) - min(errors[n]) for n in order]
        highs = [max(errors[n]) - statistics.fmean(errors[n]) for n in order]
        axes.errorbar([depths[n] for n in order], means, (lows, highs), capsize=3, label=name)
        for depth, several in zip(depths, errors, strict=True):
            axes.plot([depth] * len(several), several, "k.", markersize=2)
    axes.set(xlabel="depth", ylabel="error (%)", ylim=(0, None))
    axes.legend()
    return axes


def plotting(
    x=lambda depths: depths,
    y=statistics.mean,
    names=("plain", "residual"),
    legend=True,
    panels=1,
    order=sorted,
    **settings,
):
    def plot(depths, plain, residual):
        figure = Figure()
        panel = figure.subplots(panels, squeeze=False).flatten()
        for axes, name, errors in zip((panel[0], panel[-1]), names, (plain, residual), strict=True):
            points = order(zip(depths, map(y, errors), strict=True))
            deep, high = zip(*points, strict=True)
            axes.plot(x(deep), high, label=name)
        for axes in panel:
            axes.set(**{"xlabel": "layers", "ylabel": "error (%)", "ylim": (0, None)} | settings)
            if legend:
                axes.legend()
        return figure

    return plot


all_rejected(
    "plot_gap",
    "two lines of means",
    {
        "places instead of depths": ("stand at x = 0, 1, 2", plotting(lambda d: range(len(d)))),
        "depths as words": ("stand at x = 0, 1, 2", plotting(lambda d: list(map(str, d)))),
        "one seed only": ("No line shows the mean errors", plotting(y=lambda errors: errors[1])),
        "two panels": ("2 panels with lines; expected is one", plotting(panels=2)),
        "one kind only": (
            "mean errors of the residual networks",
            lambda depths, plain, residual: plotting()(depths, plain, plain),
        ),
        "numbers, no picture": ("It gives no figure", lambda depths, plain, residual: plain),
        "nothing drawn": ("has 0 panels with lines", lambda *given: Figure().subplots()),
    },
)
all_rejected(
    "plot_gap",
    "a legend",
    {
        "names exchanged": ("have changed places", plotting(names=("residual", "plain"))),
        "no names": ("has no label", plotting(names=(None, None), legend=False)),
        "no legend": ("there is no legend", plotting(legend=False)),
    },
)
all_rejected(
    "plot_gap",
    "axes that say what they show",
    {
        "axes without names": ("expected is one with `layer`", plotting(xlabel="", ylabel="")),
        "axes exchanged": (
            "The xlabel is `error (%)`",
            plotting(xlabel="error (%)", ylabel="layers"),
        ),
    },
)
all_rejected(
    "plot_gap",
    "an axis that begins at 0",
    {
        "axis cut below": ("The error axis goes from 1", plotting(ylim=None)),
        "axis cut above": ("goes from 0 to 20", plotting(ylim=(0, 20))),
    },
)
rejected("plot_gap", "not sorted", "depths in any order", "20, 44, 8", plotting(order=list))
all_rejected(
    "plot_gap",
    "other numbers",
    {
        "three seeds": ("No line shows", plotting(y=lambda errors: sum(errors) / 3)),
        "axis by heart": ("The error axis goes from 0 to 25", plotting(ylim=(0, 25))),
    },
)

# --- response_std ---

measuring = THEIRS.measuring


@accepted("response_std", "a clone, all named modules")
def a_clone(net, name, x):
    kept = {}

    def hook(module, inputs, output):
        kept["response"] = output.detach().clone()

    modes = {module: module.training for module in net.modules()}
    with dict(net.named_modules())[name].register_forward_hook(hook):
        net.eval()
        net(x)
    for module, mode in modes.items():
        module.training = mode
    return kept["response"].var(correction=0).sqrt()


@accepted("response_std", "a copy of the network")
def a_copy(net, name, x):
    trial, found = copy.deepcopy(net).eval(), []
    trial.get_submodule(name).register_forward_hook(lambda m, i, o: found.append(float(o.std())))
    with torch.no_grad():
        trial(x)
    return found[-1]


def mode_not_set(net, *given):
    return measuring(training=net.training)(net, *given)


def mode_not_restored(net, *given):
    return measuring()(net.eval(), *given)


def hook_left(net, name, x):
    net.get_submodule(name).register_forward_hook(lambda module, inputs, output: None)
    return measuring()(net, name, x)


def several(net, name, x):
    return a_map(net, name, x).std(dim=(0, 2, 3))


def a_map(net, name, x):
    maps = []
    with net.get_submodule(name).register_forward_hook(lambda m, i, o: maps.append(o.clone())):
        measuring()(net, name, x)
    return maps[0]


def batch_normalisations_only(net, name, x):
    next(m for n, m in net.named_modules() if n == name and isinstance(m, nn.BatchNorm2d))
    return measuring()(net, name, x)


all_rejected(
    "response_std",
    "what the module gives",
    {
        "one for each channel": ("It gives 8 numbers", several),
        "the map itself": ("numbers; asked for is one", a_map),
    },
)
rejected(
    "response_std",
    "detached and overwritten",
    "before the ReLU",
    "It works in place",
    measuring(kept=lambda given, output: output.detach()),
)
rejected("response_std", "mode not set", "evaluation mode", "ran in training mode", mode_not_set)
all_rejected(
    "response_std",
    "nothing stays behind",
    {
        "hook left": ("still a hook", hook_left),
        "mode not restored": ("came in training mode", mode_not_restored),
    },
)
rejected(
    "response_std",
    "batch normalisations only",
    "other numbers",
    "stops with StopIteration",
    batch_normalisations_only,
)
