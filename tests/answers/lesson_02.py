"""Answers to the exercises of lesson 02, besides those that its checks know by name."""

import copy
from statistics import fmean

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from answers import accepted, all_rejected, learner, rejected
from resnet_lessons import BasicBlock, PlainBlock, cifar_resnet

THEIRS = learner("lesson_02")

# --- diagnose ---


def all_larger(some, others):
    return all(one > other for one in some for other in others)


@accepted("diagnose", "every pair compared")
def every_pair(shallow_train, shallow_test, deep_train, deep_test):
    if all_larger(deep_train, shallow_train):
        return "degradation"
    fits = all_larger(shallow_train, deep_train)
    return "overfitting" if fits and all_larger(deep_test, shallow_test) else "neither"


@accepted("diagnose", "sorted lists, tensors")
def sorted_tensors(*errors):
    a, b, c, d = (torch.tensor(list(each)).sort().values for each in errors)
    degraded = (c[0] > a[-1]).item()
    overfitted = (c[-1] < a[0]).item() and (d[0] > b[-1]).item()
    names = {(True, False): "degradation", (False, True): "overfitting"}
    return names.get((degraded, overfitted), "neither")


diagnosing = THEIRS.diagnosing
right_diagnosis = diagnosing()


def larger_by_seed(some, others):
    return all(one > other for one, other in zip(some, others, strict=False))


rejected(
    "diagnose",
    "shallow and deep swapped",
    "degradation",
    "`'neither'`; expected is",
    lambda a, b, c, d: right_diagnosis(c, d, a, b),
)
rejected(
    "diagnose",
    "never overfits",
    "overfitting",
    "`'neither'`",
    diagnosing(overfitted=lambda *_: False),
)
rejected(
    "diagnose",
    "never neither",
    "nothing wrong",
    "better on new images",
    diagnosing(overfitted=lambda *_: True),
)
all_rejected(
    "diagnose",
    "luck",
    {
        "seed by seed": (
            "may be luck",
            diagnosing(
                lambda a, b, c, d: larger_by_seed(c, a),
                lambda a, b, c, d: larger_by_seed(a, c) and larger_by_seed(d, b),
            ),
        ),
        "training seeds may overlap": (
            "may be luck",
            diagnosing(overfitted=lambda a, b, c, d: fmean(c) < fmean(a) and min(d) > max(b)),
        ),
    },
)
rejected(
    "diagnose",
    "not better on new images",
    "the training error alone",
    "that is enough",
    diagnosing(lambda a, b, c, d: min(c) > max(a) and max(d) >= min(b)),
)
rejected(
    "diagnose",
    "three seeds by heart",
    "other numbers",
    "stops with IndexError",
    lambda *errors: right_diagnosis(*([each[0], each[1], each[2]] for each in errors)),
)

# --- plot_errors ---


@accepted("plot_errors", "pyplot's current figure")
def current_figure(train, test):
    plt.figure()
    for runs, name in ((test, "Test"), (train, "Training")):
        pairs = sorted((depth, fmean(errors)) for depth, errors in runs.items())
        plt.plot(*zip(*pairs, strict=True), "o--", label=name)
    plt.xlabel("Number of layers")
    plt.ylabel("Error in percent")
    plt.legend()
    return plt.gcf()


@accepted("plot_errors", "error bars, and the axes returned")
def error_bars(train, test):
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


@accepted("plot_errors", "bands, and a logarithmic axis")
def bands(train, test):
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


def redrawn(change):
    """The right picture, with its axes changed."""

    def plot(train, test):
        figure = THEIRS.plotting()(train, test)
        change(figure.axes[0])
        return figure

    return plot


def labelled(*labels):
    """Other labels of the lines; a line without one has the label "_child0"."""

    def change(axes):
        for line, label in zip(axes.lines, labels, strict=True):
            line.set_label(label)

    return redrawn(change)


def with_points(change):
    """Other points, from the depths and errors of each line."""
    return redrawn(
        lambda axes: [line.set_data(*change(*line.get_data(orig=True))) for line in axes.lines]
    )


def two_panels(train, test):
    figure = Figure()
    for panel, runs, name in zip(figure.subplots(2), (train, test), ("train", "test"), strict=True):
        panel.plot(sorted(runs), [fmean(runs[depth]) for depth in sorted(runs)], label=name)
    return figure


def as_they_come(*numbers):
    """Lines through each of some numbers of the errors, the depths not sorted."""

    def plot(train, test):
        axes = Figure().subplots()
        for name, runs in (("train", train), ("test", test)):
            for number in numbers:
                axes.plot(list(runs), [number(errors) for errors in runs.values()], label=name)
        return axes

    return plot


all_rejected(
    "plot_errors",
    "a figure with two lines",
    {
        "the lines returned": (
            "nobody asked for such a thing",
            lambda *runs: THEIRS.plotting()(*runs).axes[0].lines[0],
        ),
        "numbers returned": ("It gives no figure", lambda train, test: (1, 2)),
        "no labels": ("Labels are: none", labelled("_child0", "_child1")),
        "an empty label": ("No line has `test`", labelled("training error", "error")),
        "two panels": ("2 panels with lines", two_panels),
        "a line for each seed": ("3 lines have `train` in", as_they_come(min, fmean, max)),
    },
)
all_rejected(
    "plot_errors",
    "where the points stand",
    {
        "labels swapped": ("the other set of images", labelled("test error", "training error")),
        "fractions": ("goes through 0.054", THEIRS.plotting(lambda errors: fmean(errors) / 100)),
        "positions": (
            "stand at 0, 1, 2 on",
            with_points(lambda depths, y: (range(len(depths)), y)),
        ),
        "axes exchanged": ("expected are the depths", with_points(lambda x, y: (y, x))),
    },
)
rejected("plot_errors", "not sorted", "depths in order", "runs to and fro", as_they_come(fmean))
all_rejected(
    "plot_errors",
    "legend and axes",
    {
        "axes without names": ("The xlabel is ``", redrawn(lambda a: a.set(xlabel="", ylabel=""))),
        "accuracy": ("The ylabel is `accuracy`", redrawn(lambda a: a.set(ylabel="accuracy"))),
        "no legend": ("There is no legend", redrawn(lambda axes: axes.get_legend().remove())),
    },
)
all_rejected(
    "plot_errors",
    "other numbers",
    {
        "depths by heart": (
            "stops with KeyError",
            lambda *both: THEIRS.plotting()(*({d: runs[d] for d in (8, 20, 44)} for runs in both)),
        ),
        "three seeds by heart": ("the means", THEIRS.plotting(lambda errors: sum(errors) / 3)),
    },
)

# --- gradient_norms ---


@accepted("gradient_norms", "on a copy, with autograd.grad")
def on_a_copy(net, images, labels):
    net = copy.deepcopy(net).train()
    weights = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)]
    loss = nn.CrossEntropyLoss()(net(images), labels)
    return [g.pow(2).sum().sqrt() for g in torch.autograd.grad(loss, weights)]


@accepted("gradient_norms", "by the shape of the parameters")
def by_shape(net, images, labels):
    for parameter in net.parameters():
        parameter.grad = None
    net.train(True)
    F.nll_loss(net(images).log_softmax(1), labels).backward()
    return torch.stack([p.grad.norm() for p in net.parameters() if p.ndim == 4])


norming = THEIRS.norming
right_norms = norming()


def no_backward_pass(net, images, labels):
    F.cross_entropy(net.train()(images), labels)
    return [weight.grad.norm() for weight in THEIRS.convolutions(net)]


def zeroed_too_late(net, images, labels):
    F.cross_entropy(net.train()(images), labels).backward()
    net.zero_grad(set_to_none=False)
    return [weight.grad.norm() for weight in THEIRS.convolutions(net)]


def careless(mode=True, zero=True):
    def norms(net, images, labels):
        if mode:
            net.train()
        if zero:
            net.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        return [weight.grad.norm() for weight in THEIRS.convolutions(net)]

    return norms


def trained_a_step(net, images, labels):
    result = right_norms(net, images, labels)
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    return result


all_rejected(
    "gradient_norms",
    "one number for each convolution",
    {
        "outermost modules": ("is `1`; expected", norming(chosen=lambda net: [net.conv1.weight])),
        "one number in all": ("A list is asked for", lambda *given: sum(right_norms(*given))),
        "gradients themselves": ("A list is asked for", norming(lambda weight: weight.grad)),
        "no backward pass": ("stops with AttributeError", no_backward_pass),
    },
)
all_rejected(
    "gradient_norms",
    "the norms",
    {
        "labels ignored": ("The norms are", norming(loss=lambda scores, labels: scores.mean())),
        "zeroed too late": ("The norms are 0, 0", zeroed_too_late),
    },
)
all_rejected(
    "gradient_norms",
    "the second measurement",
    {
        "gradients add up": ("left of the first call", careless(zero=False)),
        "trained a step": ("left of the first call", trained_a_step),
    },
)


@rejected("gradient_norms", "weight decay by hand", "nothing is trained", "has changed")
def weight_decay(net, images, labels):
    result = right_norms(net, images, labels)
    with torch.no_grad():
        net.fc.weight.sub_(1e-6)
    return result


def three_stages(net):
    blocks = [stage[0] for stage in (net.layer1, net.layer2, net.layer3)]
    inner = [m.weight for block in blocks for m in (block.conv1, block.conv2)]
    return [net.conv1.weight, *inner]


all_rejected(
    "gradient_norms",
    "other networks",
    {
        "mode left as it is": ("evaluation mode", careless(mode=False)),
        "three stages by heart": ("is `7`; expected is `19`", norming(chosen=three_stages)),
    },
)

# --- plain_net ---


@accepted("plain_net", "a class with stages")
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


@accepted("plain_net", "a flat list of layers of its own")
def flat(depth, width, in_channels, num_classes):
    channels = [width] * (depth // 6 * 2 + 1)
    channels += [2 * width] * (depth // 6 * 2) + [4 * width] * (depth // 6 * 2)
    layers = []
    for before, after in zip([in_channels, *channels], channels, strict=False):
        stride = 2 if layers and after == 2 * before else 1
        layers.append(nn.Conv2d(before, after, 3, stride, 1, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(4 * width, num_classes)]
    return nn.Sequential(*layers, *head)


netting = THEIRS.netting
plain = netting()


def without(place):
    """The network, one layer taken out."""

    def net(*arguments):
        layers = plain(*arguments)
        del layers[place]
        return layers

    return net


def strides(stride):
    """Other strides of the blocks: `stride(stage, place)`."""

    def net(depth, *rest):
        layers, blocks = plain(depth, *rest), (depth - 2) // 6
        for number, block in enumerate(layers[3:-3]):
            block.conv1.stride = stride(*divmod(number, blocks))
        return layers

    return net


def first_halves(*arguments):
    layers = plain(*arguments)
    layers[0].stride = 2
    return layers


def no_first_convolution(depth, width, in_channels, num_classes):
    layers = plain(depth, width, in_channels, num_classes)[3:]
    layers[0] = PlainBlock(in_channels, width)
    return layers


def channels_not_matching(depth, width, *rest):
    layers = plain(depth, width, *rest)
    layers[3] = PlainBlock(2 * width, width)
    return layers


all_rejected(
    "plain_net",
    "scores, by your own network",
    {
        "the course's own network": (
            "CifarResNet",
            lambda depth, width, i, n: cifar_resnet(depth, False, width, i, n),
        ),
        "residual blocks": ("BasicBlock", netting(BasicBlock)),
        "no linear layer": ("3×16; expected is 3×10", without(-1)),
        "not flattened": ("stops with RuntimeError", without(-2)),
        "channels that do not match": ("stops with ValueError", channels_not_matching),
    },
)
all_rejected(
    "plain_net",
    "its depth",
    {
        "depth ignored": ("expected is `20`", lambda depth, *rest: plain(8, *rest)),
        "no first convolution": ("is `7`; expected is `8`", no_first_convolution),
    },
)
rejected("plain_net", "channels times four", "its parameters", "expected are", netting(growth=4))
all_rejected(
    "plain_net",
    "the shape at every joint",
    {
        "never smaller": (
            "Layer 6 of 14 gives 2×8×20×16; expected is 2×8×10×8",
            strides(lambda stage, place: 1),
        ),
        "the first stage too": ("Layer 2 of 14", strides(lambda _, place: 1 if place else 2)),
        "every block halves": ("Layer 8 of 14", strides(lambda stage, place: 2 if stage else 1)),
        "last block of a stage halves": (
            "Layer 4 of 14",
            strides(lambda stage, place: 2 if stage < 2 and place else 1),
        ),
        "stride in the first convolution": ("Layer 1 of 14", first_halves),
    },
)
all_rejected(
    "plain_net",
    "other numbers",
    {
        "pool of 4": ("differs from the expected", netting(pool=lambda size: nn.AvgPool2d(4))),
        "classes by heart": ("10", lambda depth, width, i, n: plain(depth, width, i, 10)),
    },
)

# --- deepen ---


@accepted("deepen", "name by name, kernels by hand")
@torch.no_grad()
def by_name(shallow, deep):
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
    return deep


@accepted("deepen", "a fresh network's statistics, stage by stage")
def by_stage(shallow, deep):
    fresh = cifar_resnet(deep.depth, False, shallow.conv1.out_channels, 1)
    deep.load_state_dict({**fresh.state_dict(), **shallow.state_dict()})
    for name in ("layer1", "layer2", "layer3"):
        for block in list(getattr(deep, name))[len(getattr(shallow, name)) :]:
            eye = torch.eye(block.out_channels)
            for conv in (block.conv1, block.conv2):
                conv.weight.data = F.pad(eye[:, :, None, None], (1, 1, 1, 1))
    return deep


deepening = THEIRS.deepening
right_deepen = deepening()


@torch.no_grad()
def parameters_only(shallow, deep):
    ours = dict(shallow.named_parameters())
    for name, parameter in deep.named_parameters():
        if name in ours:
            parameter.copy_(ours[name])
    return deep


def strict(shallow, deep):
    deep.load_state_dict(shallow.state_dict())
    return deep


def the_other_way(shallow, deep):
    shallow.load_state_dict(deep.state_dict(), strict=False)
    return deep


def shallow_changed(shallow, deep):
    right_deepen(shallow, deep)
    nn.init.dirac_(shallow.layer1[0].conv1.weight)
    return deep


@torch.no_grad()
def middle(weight):
    weight.zero_()[:, :, 1, 1] = 1


def blocks_taken_out(shallow, deep):
    deep.load_state_dict(shallow.state_dict(), strict=False)
    for name in ("layer1", "layer2", "layer3"):
        setattr(deep, name, getattr(deep, name)[:1])
    return deep


def statistics_forgotten(layer):
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)


all_rejected(
    "deepen",
    "the layers that both have",
    {
        "nothing copied": ("`conv1.weight` of the deep network", lambda shallow, deep: deep),
        "parameters only": ("`bn1.running_mean` of the deep network", parameters_only),
        "strict": ("stops with RuntimeError", strict),
        "the other way": ("`conv1.weight` of the shallow network has changed", the_other_way),
        "the shallow one changed too": ("of the shallow network has changed", shallow_changed),
    },
)
all_rejected(
    "deepen",
    "the same scores",
    {
        "scale zero": ("blocks give 0", deepening(norm=lambda bn: nn.init.zeros_(bn.weight))),
        "the first block too": ("differs from", deepening(norms=(), first=lambda shallow: 0)),
        "the middle pixel of all channels": ("differs from", deepening(middle)),
    },
)
rejected(
    "deepen",
    "extra blocks taken out",
    "it is still the deep network",
    "runs other layers",
    blocks_taken_out,
)
all_rejected(
    "deepen",
    "a deep network that was in use",
    {
        "second normalisation forgotten": ("differs from", deepening(norms=("bn1",))),
        "statistics forgotten": ("differs from", deepening(norm=statistics_forgotten)),
    },
)
rejected(
    "deepen", "plain-8 by heart", "other depths", "differs from", deepening(first=lambda shallow: 1)
)
