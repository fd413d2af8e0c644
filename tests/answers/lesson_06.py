"""Answers to the exercises of lesson 06."""

import copy
import statistics

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import nn

from answers import right, wrong
from resnet_lessons import BasicBlock, PlainBlock, cifar_resnet

# --- mean_and_range ---

LAST = "the last epoch of each training"


@right("mean_and_range", "a dictionary of last lines")
def _():
    def summary(lines, net, depth):
        last = {}
        for line in lines:
            if (line["net"], line["depth"]) == (net, depth):
                known = last.get(line["seed"])
                if known is None or known["epoch"] < line["epoch"]:
                    last[line["seed"]] = line
        errors = [line["test_error"] for line in last.values()]
        return [statistics.mean(errors), min(errors), max(errors)]

    return summary


@right("mean_and_range", "sorted, then a tensor")
def _():
    def summary(lines, net, depth):
        mine = [line for line in lines if line["net"] == net and line["depth"] == depth]
        ordered = sorted(mine, key=lambda line: line["epoch"])
        errors = torch.tensor([*{line["seed"]: line["test_error"] for line in ordered}.values()])
        return errors.mean(), errors.min(), errors.max()

    return summary


def summing(
    keep=lambda line, net, depth: line["net"] == net and line["depth"] == depth,
    pick=lambda lines: max(lines, key=lambda line: line["epoch"]),
    told=lambda errors: (statistics.mean(errors), min(errors), max(errors)),
):
    def summary(lines, net, depth):
        seeds = {}
        for line in lines:
            if keep(line, net, depth):
                seeds.setdefault((line["net"], line["depth"], line["seed"]), []).append(line)
        return told([pick(mine)["test_error"] for mine in seeds.values()])

    return summary


@wrong("mean_and_range", "best epoch", LAST, "it flatters")
def _():
    return summing(pick=lambda lines: min(lines, key=lambda line: line["test_error"]))


@wrong("mean_and_range", "all epochs", LAST, "mean over all epochs")
def _():
    def summary(lines, net, depth):
        errors = [e["test_error"] for e in lines if e["net"] == net and e["depth"] == depth]
        return statistics.mean(errors), min(errors), max(errors)

    return summary


@wrong("mean_and_range", "first epoch", LAST, "over the first epochs")
def _():
    return summing(pick=lambda lines: min(lines, key=lambda line: line["epoch"]))


@wrong("mean_and_range", "best training", LAST, "the best training")
def _():
    return summing(told=lambda errors: (min(errors), min(errors), max(errors)))


@wrong("mean_and_range", "median", LAST, "That is the median")
def _():
    return summing(told=lambda errors: (statistics.median(errors), min(errors), max(errors)))


@wrong("mean_and_range", "mean only", LAST, "asked for are three numbers")
def _():
    return summing(told=statistics.mean)


@wrong("mean_and_range", "standard deviation", LAST, "That is the standard deviation")
def _():
    return summing(told=lambda e: (statistics.mean(e), statistics.stdev(e), max(e)))


@wrong("mean_and_range", "mean and deviation", LAST, "less the standard deviation")
def _():
    def told(e):
        center, spread = statistics.mean(e), statistics.stdev(e)
        return center, center - spread, center + spread

    return summing(told=told)


@wrong("mean_and_range", "largest first", LAST, "have changed places")
def _():
    return summing(told=lambda e: (statistics.mean(e), max(e), min(e)))


@wrong("mean_and_range", "kind ignored", "one kind, one depth", "The plain networks are in it")
def _():
    return summing(keep=lambda line, net, depth: line["depth"] == depth)


@wrong("mean_and_range", "depth ignored", "one kind, one depth", "The deeper networks are in it")
def _():
    return summing(keep=lambda line, net, depth: line["net"] == net)


@wrong("mean_and_range", "last epoch of all", "one kind, one depth", "stops with")
def _():
    def summary(lines, net, depth):
        last = max(line["epoch"] for line in lines)
        return summing(
            lambda e, net, depth: (e["net"], e["depth"], e["epoch"]) == (net, depth, last)
        )(lines, net, depth)

    return summary


@wrong("mean_and_range", "last line", "lines in any order", "expected is")
def _():
    return summing(pick=lambda lines: lines[-1])


@wrong("mean_and_range", "seeds by heart", "other numbers", "stops with")
def _():
    def summary(lines, net, depth):
        errors = []
        for seed in (0, 1, 2) if len({line["seed"] for line in lines}) > 2 else (0, 1):
            mine = [e for e in lines if (e["net"], e["depth"], e["seed"]) == (net, depth, seed)]
            errors.append(max(mine, key=lambda line: line["epoch"])["test_error"])
        return statistics.mean(errors), min(errors), max(errors)

    return summary


# --- residual_twin ---

COUNT = "as many parameters"
VALUES = "the same values, and the addition"
TWO = "two networks, not one"


@right("residual_twin", "copied value by value")
def _():
    def twin(plain):
        state = plain.state_dict()
        net = cifar_resnet(
            plain.depth,
            width=state["conv1.weight"].shape[0],
            in_channels=state["conv1.weight"].shape[1],
            num_classes=len(state["fc.bias"]),
        )
        with torch.no_grad():
            for name, value in net.state_dict().items():
                value.copy_(state[name])
        return net

    return twin


def exchanged(plain, **options):
    """A copy of the plain network, its blocks exchanged for residual ones."""
    net = copy.deepcopy(plain)
    for stage in (net.layer1, net.layer2, net.layer3):
        for place, block in enumerate(stage):
            if isinstance(block, PlainBlock):
                new = BasicBlock(block.in_channels, block.out_channels, block.stride, **options)
                new.load_state_dict(block.state_dict(), strict=False)
                stage[place] = new
    return net


@right("residual_twin", "blocks exchanged")
def _():
    return lambda plain: exchanged(plain, shortcut="padding")


@right("residual_twin", "a network of its own")
def _():
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

    return Twin


def fresh(plain, residual=True, **changed):
    size = {
        "depth": plain.depth,
        "width": plain.conv1.out_channels,
        "in_channels": plain.in_channels,
        "num_classes": plain.fc.out_features,
    }
    return cifar_resnet(residual=residual, **{**size, **changed})


def loaded(plain, **changed):
    net = fresh(plain, **changed)
    net.load_state_dict(plain.state_dict())
    return net


@wrong("residual_twin", "width forgotten", COUNT, "Its width is not that")
def _():
    return lambda plain: cifar_resnet(plain.depth, in_channels=plain.in_channels)


@wrong("residual_twin", "depth by heart", COUNT, "not as deep")
def _():
    return lambda plain: fresh(plain, depth=20)


@wrong("residual_twin", "projections", COUNT, "The shortcuts are projections")
def _():
    return lambda plain: exchanged(plain, shortcut="projection")


@wrong("residual_twin", "the state only", COUNT, "an `nn.Module` is asked for")
def _():
    return lambda plain: plain.state_dict()


@wrong("residual_twin", "keys that do not fit", COUNT, "stops with RuntimeError")
def _():
    return lambda plain: loaded(plain, depth=20)


@wrong("residual_twin", "the plain network itself", VALUES, "nothing is added")
def _():
    return lambda plain: plain


@wrong("residual_twin", "another plain network", VALUES, "nothing is added")
def _():
    return lambda plain: loaded(plain, residual=False)


@wrong("residual_twin", "fresh weights", VALUES, "of the twin has other values")
def _():
    return fresh


@wrong("residual_twin", "the same seed", VALUES, "has other values")
def _():
    def twin(plain):
        torch.manual_seed(0)
        return fresh(plain)

    return twin


@wrong("residual_twin", "parameters only", VALUES, "running averages")
def _():
    def twin(plain):
        net = fresh(plain)
        with torch.no_grad():
            for one, other in zip(net.parameters(), plain.parameters(), strict=True):
                one.copy_(other)
        return net

    return twin


@wrong("residual_twin", "the last layer forgotten", VALUES, "`fc.weight` of the twin")
def _():
    def twin(plain):
        state = {n: v for n, v in plain.state_dict().items() if not n.startswith("fc")}
        net = fresh(plain)
        net.load_state_dict(state, strict=False)
        return net

    return twin


@wrong("residual_twin", "copied the wrong way", COUNT, "of the plain network has changed")
def _():
    def twin(plain):
        net = fresh(plain)
        plain.load_state_dict(net.state_dict())
        return net

    return twin


@wrong("residual_twin", "shared tensors", TWO, "changes the plain network as well")
def _():
    def twin(plain):
        net = fresh(plain)
        net.load_state_dict(plain.state_dict(), assign=True)
        return net

    return twin


@wrong("residual_twin", "shared layers", TWO, "changes the plain network as well")
def _():
    def twin(plain):
        net = loaded(plain)
        net.bn1 = plain.bn1
        return net

    return twin


@wrong("residual_twin", "frozen", TWO, "is frozen")
def _():
    return lambda plain: loaded(plain).requires_grad_(False)


@wrong("residual_twin", "ten classes", "other numbers", "stops with RuntimeError")
def _():
    return lambda plain: loaded(plain, num_classes=10)


@wrong("residual_twin", "grey images", "other numbers", "stops with RuntimeError")
def _():
    return lambda plain: loaded(plain, in_channels=1)


# --- paired_gap ---

INTERVAL = "the mean gap, and its interval"


def pairs(plain, residual):
    seeds = sorted(plain.keys() & residual.keys())
    return [plain[s] for s in seeds], [residual[s] for s in seeds]


@right("paired_gap", "by hand")
def _():
    def gap(plain, residual):
        gaps = torch.tensor([plain[s] - residual[s] for s in plain if s in residual])
        n = len(gaps)
        half = stats.t.ppf(0.975, n - 1) * gaps.std() / n**0.5
        return gaps.mean(), gaps.mean() - half, gaps.mean() + half

    return gap


@right("paired_gap", "ttest_rel")
def _():
    def gap(plain, residual):
        ones, others = pairs(plain, residual)
        interval = stats.ttest_rel(ones, others).confidence_interval(0.95)
        return (statistics.mean(ones) - statistics.mean(others), *interval)

    return gap


@right("paired_gap", "t.interval")
def _():
    def gap(plain, residual):
        gaps = [a - b for a, b in zip(*pairs(plain, residual), strict=True)]
        center = sum(gaps) / len(gaps)
        return (center, *stats.t.interval(0.95, len(gaps) - 1, loc=center, scale=stats.sem(gaps)))

    return gap


def gapping(
    half=lambda gaps: stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps),
    pair=pairs,
    told=lambda center, half: (center, center - half, center + half),
):
    def gap(plain, residual):
        gaps = [a - b for a, b in zip(*pair(plain, residual), strict=True)]
        return told(statistics.mean(gaps), half(gaps))

    return gap


@wrong("paired_gap", "residual less plain", INTERVAL, "That is residual less plain")
def _():
    return gapping(pair=lambda plain, residual: pairs(residual, plain))


@wrong("paired_gap", "normal instead of t", INTERVAL, "1.96 standard errors")
def _():
    return gapping(half=lambda gaps: 1.96 * stats.sem(gaps))


@wrong("paired_gap", "two standard errors", INTERVAL, "2 standard errors")
def _():
    return gapping(half=lambda gaps: 2 * stats.sem(gaps))


@wrong("paired_gap", "one standard error", INTERVAL, "how many of them are 95 %")
def _():
    return gapping(half=stats.sem)


@wrong("paired_gap", "divided by n", INTERVAL, "by n, not by n - 1")
def _():
    return gapping(
        half=lambda g: stats.t.ppf(0.975, len(g) - 1) * statistics.pstdev(g) / len(g) ** 0.5
    )


@wrong("paired_gap", "spread of one gap", INTERVAL, "of a single gap")
def _():
    return gapping(half=lambda g: stats.t.ppf(0.975, len(g) - 1) * statistics.stdev(g))


@wrong("paired_gap", "no root", INTERVAL, "by n instead of √n")
def _():
    return gapping(half=lambda g: stats.t.ppf(0.975, len(g) - 1) * statistics.stdev(g) / len(g))


@wrong("paired_gap", "one side", INTERVAL, "an interval of 90 %")
def _():
    return gapping(half=lambda g: stats.t.ppf(0.95, len(g) - 1) * stats.sem(g))


@wrong("paired_gap", "degrees of freedom n", INTERVAL, "n - 1, not n")
def _():
    return gapping(half=lambda g: stats.t.ppf(0.975, len(g)) * stats.sem(g))


@wrong("paired_gap", "independent groups", INTERVAL, "the pairs were not used")
def _():
    def gap(plain, residual):
        ones, others = pairs(plain, residual)
        interval = stats.ttest_ind(ones, others).confidence_interval(0.95)
        return statistics.mean(ones) - statistics.mean(others), *interval

    return gap


@wrong("paired_gap", "smallest and largest", INTERVAL, "the smallest of the gaps")
def _():
    def gap(plain, residual):
        gaps = [a - b for a, b in zip(*pairs(plain, residual), strict=True)]
        return statistics.mean(gaps), min(gaps), max(gaps)

    return gap


@wrong("paired_gap", "upper end first", INTERVAL, "begins with its upper end")
def _():
    return gapping(told=lambda center, half: (center, center + half, center - half))


@wrong("paired_gap", "half of the width", INTERVAL, "the distance of the end")
def _():
    return gapping(told=lambda center, half: (center, half, half))


@wrong("paired_gap", "by their place", "pairs are made by the seed", "by their place")
def _():
    return gapping(pair=lambda plain, residual: (list(plain.values()), list(residual.values())))


@wrong("paired_gap", "partner demanded", "a seed without a partner", "KeyError")
def _():
    return gapping(
        pair=lambda plain, residual: ([*plain.values()], [residual[seed] for seed in plain])
    )


@wrong("paired_gap", "all seeds in the mean", "a seed without a partner", "only one of them has")
def _():
    def gap(plain, residual):
        center = statistics.mean(plain.values()) - statistics.mean(residual.values())
        half = gapping()(plain, residual)
        half = half[2] - half[0]
        return center, center - half, center + half

    return gap


@wrong("paired_gap", "t by heart", "other numbers", "expected is")
def _():
    quantiles = {3: 4.30265, 4: 3.18245}
    return gapping(half=lambda g: quantiles.get(len(g), 4.30265) * stats.sem(g))


# --- plot_gap ---

LINES = "two lines of means"


@right("plot_gap", "pyplot")
def _():
    def plot(depths, plain, residual):
        plt.figure()
        for name, errors in (("Plain nets", plain), ("Residual nets", residual)):
            points = sorted((d, sum(e) / len(e)) for d, e in zip(depths, errors, strict=True))
            plt.plot(*zip(*points, strict=True), "o-", label=name)
        plt.xlabel("number of layers")
        plt.ylabel("test error in %")
        plt.ylim(bottom=0)
        plt.legend()
        return plt.gcf()

    return plot


@right("plot_gap", "error bars, and dots")
def _():
    def plot(depths, plain, residual):
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

    return plot


def plotting(
    x=lambda depths: depths,
    y=statistics.mean,
    names=("plain", "residual"),
    legend=True,
    panels=1,
    told=lambda figure: figure,
    order=True,
    **settings,
):
    def plot(depths, plain, residual):
        figure = Figure()
        panel = figure.subplots(panels, squeeze=False).flatten()
        sequence = (
            sorted(range(len(depths)), key=lambda n: depths[n]) if order else range(len(depths))
        )
        for axes, name, errors in zip((panel[0], panel[-1]), names, (plain, residual), strict=True):
            axes.plot(
                x([depths[n] for n in sequence]), [y(errors[n]) for n in sequence], label=name
            )
        for axes in panel:
            axes.set(**{"xlabel": "layers", "ylabel": "error (%)", "ylim": (0, None)} | settings)
            if legend:
                axes.legend()
        return told(figure)

    return plot


@wrong("plot_gap", "places instead of depths", LINES, "stand at x = 0, 1, 2")
def _():
    return plotting(x=lambda depths: range(len(depths)))


@wrong("plot_gap", "depths as words", LINES, "stand at x = 0, 1, 2")
def _():
    return plotting(x=lambda depths: list(map(str, depths)))


@wrong("plot_gap", "best seed", LINES, "shows the smallest errors")
def _():
    return plotting(y=min)


@wrong("plot_gap", "worst seed", LINES, "shows the largest errors")
def _():
    return plotting(y=lambda errors: sorted(errors)[-1])


@wrong("plot_gap", "one seed only", LINES, "No line shows the mean errors")
def _():
    return plotting(y=lambda errors: errors[1])


@wrong("plot_gap", "accuracy", LINES, "shows accuracies")
def _():
    return plotting(y=lambda errors: 100 - statistics.mean(errors))


@wrong("plot_gap", "sums", LINES, "shows the sum of the errors")
def _():
    return plotting(y=sum)


@wrong("plot_gap", "two panels", LINES, "in 2 panels")
def _():
    return plotting(panels=2)


@wrong("plot_gap", "one kind only", LINES, "mean errors of the residual networks")
def _():
    def plot(depths, plain, residual):
        return plotting()(depths, plain, plain)

    return plot


@wrong("plot_gap", "numbers, no picture", LINES, "It gives no picture")
def _():
    return lambda depths, plain, residual: [statistics.mean(errors) for errors in plain]


@wrong("plot_gap", "nothing drawn", LINES, "No line is drawn")
def _():
    def plot(depths, plain, residual):
        figure = Figure()
        figure.subplots()
        return figure

    return plot


@wrong("plot_gap", "names exchanged", "a legend", "have changed places")
def _():
    return plotting(names=("residual", "plain"))


@wrong("plot_gap", "no names", "a legend", "has no label")
def _():
    return plotting(names=(None, None), legend=False)


@wrong("plot_gap", "no legend", "a legend", "there is no legend")
def _():
    return plotting(legend=False)


@wrong("plot_gap", "axes without names", "axes that say what they show", "has no label")
def _():
    return plotting(xlabel="", ylabel="")


@wrong("plot_gap", "axes exchanged", "axes that say what they show", "says “error (%)”")
def _():
    return plotting(xlabel="error (%)", ylabel="layers")


@wrong("plot_gap", "axis cut below", "an axis that begins at 0", "The error axis goes from 1")
def _():
    return plotting(ylim=None)


@wrong("plot_gap", "axis cut above", "an axis that begins at 0", "goes from 0 to 20")
def _():
    return plotting(ylim=(0, 20))


@wrong("plot_gap", "not sorted", "depths in any order", "like 20, 44, 8")
def _():
    return plotting(order=False)


@wrong("plot_gap", "three seeds", "other numbers", "No line shows")
def _():
    return plotting(y=lambda errors: sum(errors) / 3)


@wrong("plot_gap", "axis by heart", "other numbers", "The error axis goes from 0 to 25")
def _():
    return plotting(ylim=(0, 25))


# --- response_std ---

GIVES = "what the module gives"
BEFORE = "before the ReLU"
STAYS = "nothing stays behind"


@right("response_std", "computed inside the hook")
def _():
    def response(net, name, x):
        found, mode = [], net.training
        handle = net.get_submodule(name).register_forward_hook(
            lambda module, inputs, output: found.append(output.std().item())
        )
        with torch.no_grad():
            net.eval()(x)
        handle.remove()
        net.train(mode)
        return found[0]

    return response


@right("response_std", "a clone, all named modules")
def _():
    def response(net, name, x):
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

    return response


@right("response_std", "a copy of the network")
def _():
    def response(net, name, x):
        trial, found = copy.deepcopy(net).eval(), []
        trial.get_submodule(name).register_forward_hook(
            lambda m, i, o: found.append(float(o.std()))
        )
        with torch.no_grad():
            trial(x)
        return found[-1]

    return response


def measuring(
    keep=lambda inputs, output: output.clone(),
    told=lambda kept, scores: kept.std().item(),
    mode=False,
    back=True,
    remove=True,
    find=lambda net, name: net.get_submodule(name),
):
    def response(net, name, x):
        kept, before = [], net.training
        handle = find(net, name).register_forward_hook(
            lambda module, inputs, output: kept.append(keep(inputs, output)) or None
        )
        if mode is not None:
            net.train(mode)
        with torch.no_grad():
            scores = net(x)
        if remove:
            handle.remove()
        if back is not None:
            net.train(before if back is True else False)
        return told(kept[0], scores)

    return response


@wrong("response_std", "input instead of output", GIVES, "what goes into the module")
def _():
    return measuring(keep=lambda inputs, output: inputs[0].clone())


@wrong("response_std", "scores", GIVES, "the network's scores")
def _():
    return measuring(told=lambda kept, scores: scores.std())


@wrong("response_std", "variance", GIVES, "That is the variance")
def _():
    return measuring(told=lambda kept, scores: kept.var())


@wrong("response_std", "one for each channel", GIVES, "It gives 8 numbers")
def _():
    return measuring(told=lambda kept, scores: kept.std(dim=(0, 2, 3)))


@wrong("response_std", "mean of the channels", GIVES, "also differ from each other")
def _():
    return measuring(told=lambda kept, scores: kept.std(dim=(0, 2, 3)).mean())


@wrong("response_std", "mean of sizes", GIVES, "mean of the absolute values")
def _():
    return measuring(told=lambda kept, scores: kept.abs().mean())


@wrong("response_std", "the map itself", GIVES, "numbers; asked for is one")
def _():
    return measuring(told=lambda kept, scores: kept)


@wrong("response_std", "always training mode", GIVES, "the response in training mode")
def _():
    return measuring(mode=True)


@wrong("response_std", "kept and overwritten", BEFORE, "It works in place")
def _():
    return measuring(keep=lambda inputs, output: output)


@wrong("response_std", "detached and overwritten", BEFORE, "It works in place")
def _():
    return measuring(keep=lambda inputs, output: output.detach())


@wrong("response_std", "mode not set", "evaluation mode", "ran in training mode")
def _():
    return measuring(mode=None)


@wrong("response_std", "hook left", STAYS, "still a hook")
def _():
    return measuring(remove=False)


@wrong("response_std", "mode not restored", STAYS, "came in training mode")
def _():
    return measuring(back=False)


@wrong("response_std", "batch normalisations only", "other numbers", "stops with StopIteration")
def _():
    def find(net, name):
        modules = net.named_modules()
        return next(m for n, m in modules if n == name and isinstance(m, nn.BatchNorm2d))

    return measuring(find=find)


@wrong("response_std", "blocks of two parts only", "other numbers", "stops with")
def _():
    def find(net, name):
        layer, *rest = name.split(".")
        module = getattr(net, layer)
        return getattr(module[int(rest[0])], rest[1]) if rest else module

    return measuring(find=find)
