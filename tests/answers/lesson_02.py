"""Answers to the exercises of lesson 02."""

import copy
from statistics import fmean

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from answers import right, wrong
from resnet_lessons import BasicBlock, PlainBlock, cifar_resnet

# --- diagnose ---


@right("diagnose", "every pair compared")
def _():
    def larger(some, others):
        return all(one > other for one in some for other in others)

    def diagnose(shallow_train, shallow_test, deep_train, deep_test):
        if larger(deep_train, shallow_train):
            return "degradation"
        fits = larger(shallow_train, deep_train)
        return "overfitting" if fits and larger(deep_test, shallow_test) else "neither"

    return diagnose


@right("diagnose", "sorted lists, tensors")
def _():
    def diagnose(*errors):
        a, b, c, d = (torch.tensor(list(errors_)).sort().values for errors_ in errors)
        degraded = (c[0] > a[-1]).item()
        overfitted = (c[-1] < a[0]).item() and (d[0] > b[-1]).item()
        names = {(True, False): "degradation", (False, True): "overfitting"}
        return names.get((degraded, overfitted), "neither")

    return diagnose


def diagnosing(
    degraded=lambda a, b, c, d: min(c) > max(a),
    overfitted=lambda a, b, c, d: max(c) < min(a) and min(d) > max(b),
    names=("degradation", "overfitting", "neither"),
):
    def diagnose(*errors):
        if degraded(*errors):
            return names[0]
        return names[1] if overfitted(*errors) else names[2]

    return diagnose


NOTHING, ALONE = "nothing wrong", "the training error alone"


@wrong("diagnose", "test error only", "degradation", "that is no overfitting")
def _():
    return diagnosing(lambda *_: False, lambda a, b, c, d: min(d) > max(b))


@wrong("diagnose", "names swapped", "degradation", "that is no overfitting")
def _():
    return diagnosing(names=("overfitting", "degradation", "neither"))


@wrong("diagnose", "shallow and deep swapped", "degradation", "`'neither'`; expected is")
def _():
    inner = diagnosing()
    return lambda a, b, c, d: inner(c, d, a, b)


@wrong("diagnose", "anything worse is degradation", "overfitting", "has the smaller training error")
def _():
    return diagnosing(lambda a, b, c, d: min(d) > max(b))


@wrong("diagnose", "never overfits", "overfitting", "`'neither'`; expected is `'overfitting'`")
def _():
    return diagnosing(overfitted=lambda *_: False)


@wrong("diagnose", "the gap of the deep network", NOTHING, "better on new images")
def _():
    return diagnosing(overfitted=lambda a, b, c, d: min(d) > 2 * max(c))


@wrong("diagnose", "the wider gap", NOTHING, "better on new images")
def _():
    return diagnosing(overfitted=lambda a, b, c, d: fmean(d) - fmean(c) > fmean(b) - fmean(a))


@wrong("diagnose", "never neither", NOTHING, "better on new images")
def _():
    return diagnosing(overfitted=lambda *_: True)


@wrong("diagnose", "means", "luck", "may be luck")
def _():
    return diagnosing(
        lambda a, b, c, d: fmean(c) > fmean(a),
        lambda a, b, c, d: fmean(c) < fmean(a) and fmean(d) > fmean(b),
    )


@wrong("diagnose", "the luckiest seeds", "luck", "may be luck")
def _():
    return diagnosing(
        lambda a, b, c, d: min(c) > min(a),
        lambda a, b, c, d: min(c) < min(a) and min(d) >= min(b),
    )


@wrong("diagnose", "seed by seed", "luck", "may be luck")
def _():
    def larger(some, others):
        return all(one > other for one, other in zip(some, others, strict=False))

    return diagnosing(
        lambda a, b, c, d: larger(c, a),
        lambda a, b, c, d: larger(a, c) and larger(d, b),
    )


@wrong("diagnose", "training seeds may overlap", "luck", "may be luck")
def _():
    return diagnosing(overfitted=lambda a, b, c, d: fmean(c) < fmean(a) and min(d) > max(b))


@wrong("diagnose", "worse on both only", ALONE, "that is enough")
def _():
    return diagnosing(lambda a, b, c, d: min(c) > max(a) and min(d) > max(b))


@wrong("diagnose", "not better on new images", ALONE, "that is enough")
def _():
    return diagnosing(lambda a, b, c, d: min(c) > max(a) and max(d) >= min(b))


@wrong("diagnose", "three seeds by heart", "other numbers", "stops with IndexError")
def _():
    def spread(values):
        return min(values[0], values[1], values[2]), max(values[0], values[1], values[2])

    def diagnose(*errors):
        (a, b), (_, d), (e, f), (g, _) = map(spread, errors)
        return "degradation" if e > b else "overfitting" if f < a and g > d else "neither"

    return diagnose


# --- plot_errors ---


@right("plot_errors", "pyplot's current figure")
def _():
    def plot(train, test):
        plt.figure()
        for runs, name in ((test, "Test"), (train, "Training")):
            pairs = sorted((depth, fmean(errors)) for depth, errors in runs.items())
            plt.plot(*zip(*pairs, strict=True), "o--", label=name)
        plt.xlabel("Number of layers")
        plt.ylabel("Error in percent")
        plt.legend()
        return plt.gcf()

    return plot


@right("plot_errors", "error bars, and the axes returned")
def _():
    def plot(train, test):
        axes = Figure().add_subplot()
        for runs, name in ((train, "training set"), (test, "test set")):
            depths = sorted(runs)
            values = [torch.tensor(runs[depth]) for depth in depths]
            means = [value.mean().item() for value in values]
            bars = [(value.max() - value.min()).item() / 2 for value in values]
            axes.errorbar(depths, means, bars, label=name)
        axes.axhline(0, color="grey")
        axes.set(xlabel="depth", ylabel="Error (%)", title="Errors")
        axes.legend(title="measured on")
        return axes

    return plot


@right("plot_errors", "bands, and a logarithmic axis")
def _():
    def plot(train, test):
        figure, axes = plt.subplots()
        for runs, name in ((train, "mean training error"), (test, "mean test error")):
            runs = dict(sorted(runs.items()))
            axes.semilogx(list(runs), [fmean(v) for v in runs.values()], label=name)
            low, high = ([f(v) for v in runs.values()] for f in (min, max))
            axes.fill_between(list(runs), low, high, alpha=0.2)
        axes.set_xlabel("depth")
        axes.set_ylabel("mean error")
        figure.legend()
        axes.legend()
        return figure

    return plot


def plotting(
    depths=sorted,
    x=lambda depths: depths,
    y=fmean,
    labels=("training error", "test error"),
    finish=lambda axes: (axes.set(xlabel="depth", ylabel="error (%)"), axes.legend()),
    result=lambda axes: axes.figure,
):
    def plot(train, test):
        _, axes = plt.subplots()
        for label, runs in zip(labels, (train, test), strict=True):
            chosen = list(depths(runs))
            axes.plot(x(chosen), [y(runs[depth]) for depth in chosen], label=label)
        finish(axes)
        return result(axes)

    return plot


TWO, POINTS, ORDER, AXES = (
    "a figure with two lines",
    "where the points stand",
    "depths in order",
    "legend and axes",
)


def closed(plot):
    """The answers that give no figure leave one open, which would add up in the tests."""

    def inner(train, test):
        try:
            return plot(train, test)
        finally:
            plt.close("all")

    return inner


@wrong("plot_errors", "the lines returned", TWO, "nobody asked for such a thing")
def _():
    return closed(plotting(result=lambda axes: axes.lines[0]))


@wrong("plot_errors", "numbers returned", TWO, "It gives no figure")
def _():
    return closed(plotting(result=lambda axes: (1, 2)))


@wrong("plot_errors", "no labels", TWO, "Labels are: none")
def _():
    return plotting(labels=(None, None), finish=lambda axes: axes.set(xlabel="depth"))


@wrong("plot_errors", "a label that says nothing", TWO, "No line has `test` in the label")
def _():
    return plotting(labels=("training error", "error"))


@wrong("plot_errors", "two panels", TWO, "2 panels with lines")
def _():
    def plot(train, test):
        figure, panels = plt.subplots(1, 2)
        for panel, runs, name in zip(panels, (train, test), ("train", "test"), strict=True):
            depths = sorted(runs)
            panel.plot(depths, [fmean(runs[d]) for d in depths], label=name)
            panel.set(xlabel="depth", ylabel="error")
            panel.legend()
        return figure

    return plot


@wrong("plot_errors", "a line for each seed", TWO, "3 lines have `train` in the label")
def _():
    def plot(train, test):
        figure, axes = plt.subplots()
        for name, runs in (("train", train), ("test", test)):
            depths = sorted(runs)
            for seed in range(3):
                axes.plot(depths, [runs[d][seed] for d in depths], label=f"{name} {seed}")
        axes.set(xlabel="depth", ylabel="error")
        axes.legend()
        return figure

    return plot


@wrong("plot_errors", "labels swapped", POINTS, "the other set of images")
def _():
    return plotting(labels=("test error", "training error"))


@wrong("plot_errors", "best seed", POINTS, "a lucky draw")
def _():
    return plotting(y=min)


@wrong("plot_errors", "worst seed", POINTS, "the largest error of the seeds")
def _():
    return plotting(y=max)


@wrong("plot_errors", "first seed", POINTS, "the first seed alone")
def _():
    return plotting(y=lambda errors: errors[0])


@wrong("plot_errors", "sum", POINTS, "sums over the seeds")
def _():
    return plotting(y=sum)


@wrong("plot_errors", "accuracy", POINTS, "accuracies, not errors")
def _():
    return plotting(y=lambda errors: 100 - fmean(errors))


@wrong("plot_errors", "fractions", POINTS, "goes through 0.054")
def _():
    return plotting(y=lambda errors: fmean(errors) / 100)


@wrong("plot_errors", "depths as a list of positions", POINTS, "stand at 0, 1, 2 on the x axis")
def _():
    return plotting(x=lambda depths: range(len(depths)))


@wrong("plot_errors", "axes exchanged", POINTS, "expected are the depths")
def _():
    def plot(train, test):
        figure = plotting()(train, test)
        for line in figure.axes[0].lines:
            line.set_data(line.get_ydata(), line.get_xdata())
        return figure

    return plot


@wrong("plot_errors", "not sorted", ORDER, "runs to and fro")
def _():
    return plotting(depths=list)


@wrong("plot_errors", "depths sorted, errors not", ORDER, "in which the dictionary has its depths")
def _():
    return plotting(depths=list, x=sorted)


@wrong("plot_errors", "axes without names", AXES, "The xlabel is ``")
def _():
    return plotting(finish=lambda axes: axes.legend())


@wrong("plot_errors", "no name of the y axis", AXES, "The ylabel is ``")
def _():
    return plotting(finish=lambda axes: (axes.set(xlabel="depth"), axes.legend()))


@wrong("plot_errors", "accuracy on the y axis", AXES, "The ylabel is `accuracy`")
def _():
    return plotting(finish=lambda a: (a.set(xlabel="depth", ylabel="accuracy"), a.legend()))


@wrong("plot_errors", "no legend", AXES, "There is no legend")
def _():
    return plotting(finish=lambda axes: axes.set(xlabel="depth", ylabel="error"))


@wrong("plot_errors", "depths by heart", "other numbers", "stops with KeyError")
def _():
    return closed(plotting(depths=lambda runs: [8, 20, 44]))


@wrong("plot_errors", "three seeds by heart", "other numbers", "expected are the means")
def _():
    return plotting(y=lambda errors: sum(errors) / 3)


# --- gradient_norms ---


@right("gradient_norms", "on a copy, with autograd.grad")
def _():
    def norms(net, images, labels):
        net = copy.deepcopy(net).train()
        weights = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)]
        loss = nn.CrossEntropyLoss()(net(images), labels)
        return [g.pow(2).sum().sqrt() for g in torch.autograd.grad(loss, weights)]

    return norms


@right("gradient_norms", "by the shape of the parameters")
def _():
    def norms(net, images, labels):
        for parameter in net.parameters():
            parameter.grad = None
        net.train(True)
        F.nll_loss(net(images).log_softmax(1), labels).backward()
        return torch.stack([p.grad.norm() for p in net.parameters() if p.ndim == 4])

    return norms


def norming(
    value=lambda weight: weight.grad.norm().item(),
    chosen=lambda net: [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)],
    loss=lambda scores, labels: F.cross_entropy(scores, labels),
    training=True,
    zero=True,
    step=False,
):
    def norms(net, images, labels):
        if training is not None:
            net.train(training)
        if zero:
            net.zero_grad()
        loss(net(images), labels).backward()
        result = [value(weight) for weight in chosen(net)]
        if step:
            torch.optim.SGD(net.parameters(), lr=0.1).step()
        return result

    return norms


NUMBER, NORMS = "one number for each convolution", "the norms"


@wrong("gradient_norms", "every parameter", NUMBER, "one for every parameter")
def _():
    return norming(chosen=lambda net: list(net.parameters()))


@wrong("gradient_norms", "the linear layer too", NUMBER, "is no convolution")
def _():
    return norming(
        chosen=lambda n: [m.weight for m in n.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    )


@wrong("gradient_norms", "normalisations too", NUMBER, "convolutions and batch normalisations")
def _():
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    return norming(chosen=lambda n: [m.weight for m in n.modules() if isinstance(m, kinds)])


@wrong("gradient_norms", "outermost modules only", NUMBER, "is `1`; expected is `7`")
def _():
    return norming(
        chosen=lambda n: [m.weight for m in n.children() if isinstance(m, nn.Conv2d)],
    )


@wrong("gradient_norms", "one number in all", NUMBER, "A list is asked for")
def _():
    inner = norming()
    return lambda *args: sum(inner(*args))


@wrong("gradient_norms", "gradients themselves", NUMBER, "A list is asked for")
def _():
    return norming(value=lambda weight: weight.grad)


@wrong("gradient_norms", "no backward pass", NUMBER, "stops with AttributeError")
def _():
    def norms(net, images, labels):
        F.cross_entropy(net.train()(images), labels)
        return [m.weight.grad.norm() for m in net.modules() if isinstance(m, nn.Conv2d)]

    return norms


@wrong("gradient_norms", "norms of the weights", NORMS, "norms of the weights themselves")
def _():
    return norming(value=lambda weight: weight.norm().item())


@wrong("gradient_norms", "squares", NORMS, "squares of the norms")
def _():
    return norming(value=lambda weight: weight.grad.square().sum().item())


@wrong("gradient_norms", "largest value", NORMS, "largest values")
def _():
    return norming(value=lambda weight: weight.grad.abs().max().item())


@wrong("gradient_norms", "mean absolute value", NORMS, "means of absolute values")
def _():
    return norming(value=lambda weight: weight.grad.abs().mean().item())


@wrong("gradient_norms", "sum of absolute values", NORMS, "sums of absolute values")
def _():
    return norming(value=lambda weight: weight.grad.norm(p=1).item())


@wrong("gradient_norms", "root mean square", NORMS, "roots of the mean of squares")
def _():
    return norming(value=lambda weight: weight.grad.pow(2).mean().sqrt().item())


@wrong("gradient_norms", "from the last layer", NORMS, "in the wrong order")
def _():
    inner = norming()
    return lambda *args: inner(*args)[::-1]


@wrong("gradient_norms", "evaluation mode", NORMS, "evaluation mode")
def _():
    return norming(training=False)


@wrong("gradient_norms", "summed loss", NORMS, "summed over the images")
def _():
    return norming(loss=lambda scores, labels: F.cross_entropy(scores, labels, reduction="sum"))


@wrong("gradient_norms", "softmax twice", NORMS, "has one of its own")
def _():
    return norming(loss=lambda scores, labels: F.cross_entropy(scores.softmax(1), labels))


@wrong("gradient_norms", "labels ignored", NORMS, "The norms are")
def _():
    return norming(loss=lambda scores, labels: scores.mean())


@wrong("gradient_norms", "gradients add up", "the second measurement", "left of the first call")
def _():
    return norming(zero=False)


@wrong("gradient_norms", "zeroed too late", NORMS, "The norms are 0, 0")
def _():
    def norms(net, images, labels):
        F.cross_entropy(net.train()(images), labels).backward()
        net.zero_grad(set_to_none=False)
        return [m.weight.grad.norm() for m in net.modules() if isinstance(m, nn.Conv2d)]

    return norms


@wrong("gradient_norms", "trained a step", "the second measurement", "left of the first call")
def _():
    return norming(step=True)


@wrong("gradient_norms", "weight decay by hand", "nothing is trained", "has changed")
def _():
    def norms(net, images, labels):
        result = norming()(net, images, labels)
        with torch.no_grad():
            net.fc.weight.sub_(1e-6)
        return result

    return norms


@wrong("gradient_norms", "mode left as it is", "other networks", "evaluation mode")
def _():
    return norming(training=None)


@wrong("gradient_norms", "three stages by heart", "other networks", "is `7`; expected is `19`")
def _():
    def chosen(net):
        blocks = [stage[0] for stage in (net.layer1, net.layer2, net.layer3)]
        inner = [m.weight for block in blocks for m in (block.conv1, block.conv2)]
        return [net.conv1.weight, *inner]

    return norming(chosen=chosen)


# --- plain_net ---


def own_block(i, o, stride=1):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, stride, 1, bias=False),
        nn.BatchNorm2d(o),
        nn.ReLU(),
        nn.Conv2d(o, o, 3, padding=1, bias=False),
        nn.BatchNorm2d(o),
        nn.ReLU(),
    )


@right("plain_net", "a class with stages")
def _():
    class Net(nn.Module):
        def __init__(self, depth, width, in_channels, num_classes):
            super().__init__()
            n = (depth - 2) // 6
            self.first = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(width)
            self.one = self.stage(n, width, width, 1)
            self.two = self.stage(n, width, 2 * width, 2)
            self.three = self.stage(n, 2 * width, 4 * width, 2)
            self.scores = nn.Linear(4 * width, num_classes)

        @staticmethod
        def stage(blocks, i, o, stride):
            rest = (PlainBlock(o, o) for _ in range(blocks - 1))
            return nn.Sequential(PlainBlock(i, o, stride), *rest)

        def forward(self, x):
            x = torch.relu(self.norm(self.first(x)))
            return self.scores(self.three(self.two(self.one(x))).mean((2, 3)))

    return Net


@right("plain_net", "a flat list of layers of its own")
def _():
    def net(depth, width, in_channels, num_classes):
        channels = [width] * (depth // 6 * 2 + 1)
        channels += [2 * width] * (depth // 6 * 2) + [4 * width] * (depth // 6 * 2)
        layers = []
        for before, after in zip([in_channels, *channels], channels, strict=False):
            stride = 2 if layers and after == 2 * before else 1
            layers.append(nn.Conv2d(before, after, 3, stride, 1, bias=False))
            layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(4 * width, num_classes)]
        return nn.Sequential(*layers, *head)

    return net


def netting(
    block=PlainBlock,
    blocks=lambda depth: (depth - 2) // 6,
    stride=lambda stage, place: 2 if stage and not place else 1,
    growth=2,
    first=lambda i, o: [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()],
    head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(o, n)],
):
    def net(depth, width, in_channels, num_classes):
        layers, channels = first(in_channels, width), width
        for stage in range(3):
            for place in range(blocks(depth)):
                layers.append(block(channels, width * growth**stage, stride(stage, place)))
                channels = width * growth**stage
        return nn.Sequential(*layers, *head(channels, num_classes))

    return net


OWN, DEPTH, JOINTS = "scores, by your own network", "its depth", "the shape at every joint"
COUNT, COMPUTES = "its parameters", "what it computes"


@wrong("plain_net", "the course's own network", OWN, "CifarResNet")
def _():
    return lambda depth, width, i, n: cifar_resnet(depth, False, width, i, n)


@wrong("plain_net", "no linear layer", OWN, "3×16; expected is 3×10")
def _():
    return netting(head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten()])


@wrong("plain_net", "not flattened", OWN, "stops with RuntimeError")
def _():
    return netting(head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Linear(o, n)])


@wrong("plain_net", "channels that do not match", OWN, "stops with ValueError")
def _():
    def net(depth, width, in_channels, num_classes):
        n = (depth - 2) // 6
        stages = [PlainBlock(c, c, s) for c, s in ((width, 1), (2 * width, 2), (4 * width, 2))]
        first = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, num_classes)]
        return nn.Sequential(first, *(stages * n), *head)

    return net


@wrong("plain_net", "6n+2 blocks", DEPTH, "of all three stages")
def _():
    return netting(blocks=lambda depth: (depth - 2) // 2)


@wrong("plain_net", "blocks of one layer", DEPTH, "a block has two convolutions")
def _():
    return netting(blocks=lambda depth: (depth - 2) // 3)


@wrong("plain_net", "a block too many", DEPTH, "It has 2 blocks a stage in place of 1")
def _():
    return netting(blocks=lambda depth: (depth - 2) // 6 + 1)


@wrong("plain_net", "a block too few", DEPTH, "It has 2 blocks a stage in place of 3")
def _():
    return netting(blocks=lambda depth: max(1, (depth - 2) // 6 - 1))


@wrong("plain_net", "depth ignored", DEPTH, "expected is `20`")
def _():
    return netting(blocks=lambda depth: 1)


@wrong("plain_net", "no first convolution", DEPTH, "is `7`; expected is `8`")
def _():
    def net(depth, width, in_channels, num_classes):
        layers, channels = [], in_channels
        for stage in range(3):
            for place in range((depth - 2) // 6):
                out = width * 2**stage
                layers.append(own_block(channels, out, 2 if stage and not place else 1))
                channels = out
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
        return nn.Sequential(*layers, *head)

    return net


@wrong("plain_net", "first convolution with bias", COUNT, "first convolution has a bias")
def _():
    return netting(first=lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()])


@wrong("plain_net", "first convolution not normalised", COUNT, "has no batch normalisation")
def _():
    return netting(first=lambda i, o: [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.ReLU()])


@wrong("plain_net", "one block used again and again", COUNT, "One and the same block")
def _():
    def net(depth, width, in_channels, num_classes):
        n = (depth - 2) // 6
        layers = [nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        layers.append(nn.ReLU())
        for i, o, stride in ((width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)):
            layers += [PlainBlock(i, o, stride), *([PlainBlock(o, o)] * (n - 1))]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, num_classes)]
        return nn.Sequential(*layers, *head)

    return net


@wrong("plain_net", "channels times four", COUNT, "expected are")
def _():
    return netting(growth=4)


@wrong("plain_net", "never smaller", JOINTS, "Layer 6 of 14 gives 2×8×20×16; expected is 2×8×10×8")
def _():
    return netting(stride=lambda stage, place: 1)


@wrong("plain_net", "first stage halves too", JOINTS, "Layer 2 of 14")
def _():
    return netting(stride=lambda stage, place: 1 if place else 2)


@wrong("plain_net", "every block halves", JOINTS, "Layer 8 of 14")
def _():
    return netting(stride=lambda stage, place: 2 if stage else 1)


@wrong("plain_net", "last block of a stage halves", JOINTS, "Layer 4 of 14")
def _():
    return netting(stride=lambda stage, place: 2 if stage < 2 and place else 1)


@wrong("plain_net", "stride in the first convolution", JOINTS, "Layer 1 of 14")
def _():
    return netting(
        first=lambda i, o: [nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
    )


@wrong("plain_net", "residual blocks", OWN, "BasicBlock")
def _():
    return netting(block=BasicBlock)


@wrong("plain_net", "shortcuts of its own", COMPUTES, "that is a residual network")
def _():
    class Block(nn.Module):
        def __init__(self, i, o, stride=1):
            super().__init__()
            self.branch, self.stride, self.new = own_block(i, o, stride)[:-1], stride, o - i

        def forward(self, x):
            around = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
            return torch.relu(self.branch(x) + around)

    return netting(block=Block)


@wrong("plain_net", "no first ReLU", COMPUTES, "behind the first batch normalisation is missing")
def _():
    return netting(
        first=lambda i, o: [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o)]
    )


@wrong("plain_net", "max pooling", COMPUTES, "the largest pixel of each map")
def _():
    return netting(head=lambda o, n: [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(o, n)])


@wrong("plain_net", "softmax", COMPUTES, "softmax at the end")
def _():
    return netting(
        head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(o, n), nn.Softmax(1)]
    )


@wrong("plain_net", "pool of 4", "other numbers", "differs from the expected")
def _():
    return netting(head=lambda o, n: [nn.AvgPool2d(4), nn.Flatten(), nn.Linear(o, n)])


@wrong("plain_net", "classes by heart", "other numbers", "10")
def _():
    return netting(head=lambda o, n: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(o, 10)])


# --- deepen ---


@right("deepen", "name by name, kernels by hand")
def _():
    @torch.no_grad()
    def deepen(shallow, deep):
        ours, theirs = shallow.state_dict(), deep.state_dict()
        for name, value in theirs.items():
            if name in ours:
                value.copy_(ours[name])
            elif value.ndim == 4:
                value.zero_()
                for channel in range(len(value)):
                    value[channel, channel, 1, 1] = 1
            else:
                value.fill_(1.0 if name.endswith(("weight", "var")) else 0.0)

    def returned(shallow, deep):
        deepen(shallow, deep)
        return deep

    return returned


@right("deepen", "a fresh network's statistics, stage by stage")
def _():
    def deepen(shallow, deep):
        fresh = cifar_resnet(deep.depth, False, shallow.conv1.out_channels, 1)
        deep.load_state_dict({**fresh.state_dict(), **shallow.state_dict()})
        for name in ("layer1", "layer2", "layer3"):
            for block in list(getattr(deep, name))[len(getattr(shallow, name)) :]:
                eye = torch.eye(block.out_channels)
                for conv in (block.conv1, block.conv2):
                    conv.weight.data = F.pad(eye[:, :, None, None], (1, 1, 1, 1))
        return deep

    return deepen


def deepening(
    load=lambda shallow, deep: deep.load_state_dict(shallow.state_dict(), strict=False),
    first=lambda shallow: len(shallow.layer1),
    kernel=lambda weight: nn.init.dirac_(weight),
    convs=("conv1", "conv2"),
    norms=("bn1", "bn2"),
    norm=lambda layer: layer.reset_parameters(),
):
    def deepen(shallow, deep):
        load(shallow, deep)
        for stage in (deep.layer1, deep.layer2, deep.layer3):
            for block in stage[first(shallow) :]:
                for name in convs:
                    kernel(getattr(block, name).weight)
                for name in norms:
                    norm(getattr(block, name))
        return deep

    return deepen


BOTH, SAME, IN_USE = (
    "the layers that both have",
    "the same scores",
    "a deep network that was in use",
)
DEEP = "it is still the deep network"


@wrong("deepen", "nothing copied", BOTH, "`conv1.weight` of the deep network")
def _():
    return deepening(load=lambda shallow, deep: None)


@wrong("deepen", "parameters without statistics", BOTH, "`bn1.running_mean` of the deep network")
def _():
    def load(shallow, deep):
        ours = dict(shallow.named_parameters())
        with torch.no_grad():
            for name, parameter in deep.named_parameters():
                if name in ours:
                    parameter.copy_(ours[name])

    return deepening(load=load)


@wrong("deepen", "strict", BOTH, "stops with RuntimeError")
def _():
    return deepening(load=lambda shallow, deep: deep.load_state_dict(shallow.state_dict()))


@wrong("deepen", "the other way", BOTH, "`conv1.weight` of the shallow network has changed")
def _():
    return deepening(load=lambda s, d: s.load_state_dict(d.state_dict(), strict=False))


@wrong("deepen", "the shallow network changed too", BOTH, "of the shallow network has changed")
def _():
    def load(shallow, deep):
        deep.load_state_dict(shallow.state_dict(), strict=False)
        nn.init.dirac_(shallow.layer1[0].conv1.weight)

    return deepening(load=load)


@wrong("deepen", "the shallow network returned", BOTH, "`conv1.weight` of the deep network")
def _():
    return lambda shallow, deep: shallow


@wrong("deepen", "only what both have", SAME, "still have the weights that they came with")
def _():
    return deepening(convs=(), norms=())


@wrong("deepen", "first convolution only", SAME, "only the first convolution copies")
def _():
    return deepening(convs=("conv1",))


@wrong("deepen", "second convolution only", SAME, "only the second convolution copies")
def _():
    return deepening(convs=("conv2",))


@wrong("deepen", "zeros", SAME, "shortcut that would carry it")
def _():
    return deepening(kernel=nn.init.zeros_)


@wrong("deepen", "scale zero, as in a residual block", SAME, "The extra blocks give 0")
def _():
    return deepening(kernel=lambda weight: None, norm=lambda layer: nn.init.zeros_(layer.weight))


@wrong("deepen", "ones", SAME, "adds up all pixels and channels")
def _():
    return deepening(kernel=nn.init.ones_)


@wrong("deepen", "identity in a corner", SAME, "differs from the expected")
def _():
    def corner(weight):
        with torch.no_grad():
            weight.zero_()[:, :, 0, 0] = torch.eye(len(weight))

    return deepening(kernel=corner)


@wrong("deepen", "the first block too", SAME, "differs from the expected")
def _():
    return deepening(first=lambda shallow: 0, norms=())


@wrong("deepen", "the middle pixel of all channels", SAME, "differs from the expected")
def _():
    def middle(weight):
        with torch.no_grad():
            weight.zero_()[:, :, 1, 1] = 1

    return deepening(kernel=middle)


@wrong("deepen", "extra blocks taken out", DEEP, "runs other layers")
def _():
    def deepen(shallow, deep):
        deep.load_state_dict(shallow.state_dict(), strict=False)
        for name in ("layer1", "layer2", "layer3"):
            setattr(deep, name, getattr(deep, name)[:1])
        return deep

    return deepen


@wrong("deepen", "replaced by nn.Identity", DEEP, "runs other layers")
def _():
    def deepen(shallow, deep):
        deep.load_state_dict(shallow.state_dict(), strict=False)
        for stage in (deep.layer1, deep.layer2, deep.layer3):
            for place in range(1, len(stage)):
                stage[place] = nn.Identity()
        return deep

    return deepen


@wrong("deepen", "normalisations as they came", IN_USE, "batch normalisations do not")
def _():
    return deepening(norms=())


@wrong("deepen", "second normalisation forgotten", IN_USE, "differs from the expected")
def _():
    return deepening(norms=("bn1",))


@wrong("deepen", "statistics forgotten", IN_USE, "differs from the expected")
def _():
    def norm(layer):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)

    return deepening(norm=norm)


@wrong("deepen", "plain-8 by heart", "other depths", "differs from the expected")
def _():
    return deepening(first=lambda shallow: 1)
