"""Mended and badly mended networks of lesson 13. What is mended for good is written in two ways."""

import torch
from torch import nn
from torch.nn import functional as F

from answers import learner, right, wrong
from resnet_lessons import PreActBlock
from resnet_lessons.checks.lesson_13 import GroupedBlock, PreActNet, small_resnet, three_stages

THEIRS = learner("lesson_03")
Model = THEIRS.ResidualBlock
ELSE = "and nothing else has changed"
BY_HEART = "other numbers"


class Turned(nn.Module):
    """A residual block written the other way round: the shortcut first, as a sequence."""

    def __init__(self, c, k, stride=1):
        super().__init__()
        self.around = nn.Sequential()
        if (c, 1) != (k, stride):
            self.around = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k))
        self.steps = nn.Sequential(
            nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k), nn.ReLU(),
            nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k),
        )  # fmt: skip

    def forward(self, x):
        return (self.around(x) + self.steps(x)).clamp(min=0)


def forward(function, base=Model):
    return type("Block", (base,), {"forward": function})


for name in ("bug_stream", "bug_shortcut", "bug_difference"):
    right(name, "as torchvision has it")(lambda: Model)
    right(name, "the other way round")(lambda: Turned)

# --- bug_stream ---


@wrong("bug_stream", "as published", "a value that falls", "not one of 1,152 values")
def _():
    return forward(lambda self, x: F.relu(F.relu(self.branch(x)) + x))


@wrong("bug_stream", "the other ReLU removed", "a value that falls", "not one of")
def _():
    return forward(lambda self, x: F.relu(self.branch(x)) + x)


@wrong("bug_stream", "the shortcut removed", ELSE, "differs from")
def _():
    return forward(lambda self, x: F.relu(self.branch(x)))


@wrong("bug_stream", "both ReLUs removed", ELSE, "behind the addition is missing")
def _():
    return forward(lambda self, x: self.branch(x) + x)


@wrong("bug_stream", "the branch subtracted", ELSE, "differs from")
def _():
    return forward(lambda self, x: F.relu(x - F.relu(self.branch(x))))


@wrong("bug_stream", "tanh for ReLU", ELSE, "differs from")
def _():
    return forward(lambda self, x: F.relu(torch.tanh(self.branch(x)) + x))


# --- bug_shortcut ---


@wrong("bug_shortcut", "as published", "the number of parameters", "still has its bias, and no")
def _():
    return THEIRS.where_it_changes(THEIRS.bias_for_normalisation)


@wrong("bug_shortcut", "bias kept", "the number of parameters", "still has its bias.")
def _():
    return THEIRS.where_it_changes(THEIRS.bias_in_shortcut)


@wrong("bug_shortcut", "only the bias removed", "the number of parameters", "still has no batch")
def _():
    return THEIRS.where_it_changes(THEIRS.convolution_always)


@wrong("bug_shortcut", "projection everywhere", BY_HEART, "expected are 2 convolutions")
def _():
    return THEIRS.edited(Model, THEIRS.projection_always)


@wrong("bug_shortcut", "normalised before", "the number of parameters", "parameters; expected")
def _():
    class Block(Model):
        def __init__(self, i, o, stride=1):
            super().__init__(i, o, stride)
            self.shortcut = nn.Sequential(nn.BatchNorm2d(i), nn.Conv2d(i, o, 1, stride, bias=False))

    return Block


@wrong("bug_shortcut", "a ReLU with it", ELSE, "differs from")
def _():
    return forward(lambda self, x: F.relu(self.branch(x) + F.relu(self.shortcut(x))))


# --- bug_start ---


@right("bug_start", "a function that builds")
def _():
    return small_resnet


@right("bug_start", "set before the first stage")
def _():
    return Started


class Started(nn.Module):
    first = last = None

    def __init__(self, width, blocks, classes):
        super().__init__()
        self.channels = self.first or width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.one = self.stage(width, blocks, 1)
        self.two = self.stage(2 * width, blocks, 2)
        self.head = nn.Linear(2 * width, classes)

    def stage(self, width, blocks, stride):
        made = []
        for place in range(blocks):
            made.append(Model(self.channels, width, 1 if place else stride))
            self.channels = width
        return nn.Sequential(*made)

    def forward(self, x):
        return self.head(self.two(self.one(self.stem(x))).mean((2, 3)))


@wrong("bug_start", "as published", "it starts", "object has no attribute 'channels'")
def _():
    class Net(Started):
        def __init__(self, width, blocks, classes):
            nn.Module.__init__(self)
            self.one = self.stage(width, blocks, 1)
            self.channels = width

    return Net


@wrong("bug_start", "the image's channels", "it starts", "stops with RuntimeError")
def _():
    return type("Net", (Started,), {"first": 3})


@wrong("bug_start", "64 by heart", "it starts", "stops with RuntimeError")
def _():
    return type("Net", (Started,), {"first": 64})


@wrong("bug_start", "eight by heart", ELSE, "stops with")
def _():
    return type("Net", (Started,), {"first": 8})


@wrong("bug_start", "channels not handed on", "it starts", "stops with RuntimeError")
def _():
    class Net(Started):
        def stage(self, width, blocks, stride):
            made = nn.Sequential(
                *(Model(self.channels, width, 1 if place else stride) for place in range(blocks))
            )
            self.channels = width
            return made

    return Net


@wrong("bug_start", "stride everywhere", ELSE, "expected are 10 convolutions")
def _():
    class Net(Started):
        def stage(self, width, blocks, stride):
            made = []
            for _ in range(blocks):
                made.append(Model(self.channels, width, stride))
                self.channels = width
            return nn.Sequential(*made)

    return Net


# --- bug_difference ---


@wrong("bug_difference", "as published", "the branch gets a gradient", "largest gradient")
def _():
    def difference(self, x):
        out = self.branch(x)
        return F.relu(out + (x - out))

    return forward(difference)


@wrong("bug_difference", "the other sign", ELSE, "with its other sign")
def _():
    def difference(self, x):
        out = self.branch(x)
        return F.relu(out + (out - x))

    return forward(difference)


@wrong("bug_difference", "nothing added", ELSE, "the input is not added")
def _():
    return forward(lambda self, x: F.relu(self.branch(x)))


@wrong("bug_difference", "the difference alone", ELSE, "relu(F(x) - x)")
def _():
    return forward(lambda self, x: F.relu(self.branch(x) - x))


@wrong("bug_difference", "half of each", ELSE, "differs from")
def _():
    return forward(lambda self, x: F.relu((self.branch(x) + x) / 2))


@wrong("bug_difference", "detached shortcut", ELSE, "the gradient of the input")
def _():
    return forward(lambda self, x: F.relu(self.branch(x) + x.detach()))


# --- bug_stages ---


@right("bug_stages", "a function that builds")
def _():
    return three_stages


class Staged(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.all = nn.ModuleList()
        channels = width
        for number in range(3):
            for place in range(blocks):
                stride = self.stride(number, place, len(self.all))
                self.all.append(Model(channels, width * 2**number, stride))
                channels = width * 2**number

    def stride(self, number, place, before):
        return 2 if number > 0 and place == 0 else 1

    def forward(self, x):
        for block in self.all:
            x = block(x)
        return x


@right("bug_stages", "by stage and place")
def _():
    return Staged


def staged(rule):
    return type("Net", (Staged,), {"stride": lambda self, n, p, before: rule(n, p, before)})


@wrong("bug_stages", "as published", "the size of the last map", "1×32×8×8")
def _():
    return staged(lambda number, place, before: 2 if before == 0 else 1)


@wrong("bug_stages", "never", "the size of the last map", "1×32×16×16")
def _():
    return staged(lambda *_: 1)


@wrong("bug_stages", "the first stage too", "the size of the last map", "1×32×2×2")
def _():
    return staged(lambda number, place, before: 2 if place == 0 else 1)


@wrong("bug_stages", "every block of a stage", "the size of the last map", "1×32×1×1")
def _():
    return staged(lambda number, place, before: 2 if number else 1)


@wrong("bug_stages", "the last block of a stage", "where it halves", "8×16×16, 8×16×16, 8×8×8")
def _():
    return staged(lambda number, place, before: 2 if number < 2 and place == 2 else 1)


@wrong("bug_stages", "places by heart", BY_HEART, "stops with")
def _():
    class Net(Staged):
        def __init__(self, width, blocks):
            super().__init__(width, min(blocks, 3))
            self.all[3 if blocks > 3 else 0].stop = blocks > 3

        def forward(self, x):
            if any(getattr(block, "stop", False) for block in self.all):
                raise ValueError("too deep")
            return super().forward(x)

    return Net


# --- bug_groups ---


@right("bug_groups", "a sequence")
def _():
    return GroupedBlock


class Grouped(nn.Module):
    groups, shortcut, middle = staticmethod(lambda inside, groups, width: groups), 1, True

    def __init__(self, channels, groups, width):
        super().__init__()
        inside = groups * width
        self.c = nn.Conv2d(inside, channels, 1, bias=False)
        count = self.groups(inside, groups, width)
        self.b = nn.Conv2d(inside, inside, 3, padding=1, groups=count, bias=False)
        self.a = nn.Conv2d(channels, inside, 1, bias=False)
        self.na, self.nb = nn.BatchNorm2d(inside), nn.BatchNorm2d(inside)
        self.nc = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.na(self.a(x)))
        y = self.nb(self.b(y))
        y = self.nc(self.c(F.relu(y) if self.middle else y))
        return F.relu(y + self.shortcut * x)


@right("bug_groups", "module by module")
def _():
    return Grouped


def grouped(rule=None, **switches):
    switches |= {"groups": staticmethod(rule)} if rule else {}
    return type("Block", (Grouped,), switches)


GROUPS = "the groups of the 3×3"


@wrong("bug_groups", "as published", GROUPS, "`[1, 4, 1]`")
def _():
    return grouped(lambda inside, groups, width: inside // groups)


@wrong("bug_groups", "no groups", GROUPS, "`[1, 1, 1]`")
def _():
    return grouped(lambda *_: 1)


@wrong("bug_groups", "depthwise", GROUPS, "`[1, 64, 1]`")
def _():
    return grouped(lambda inside, groups, width: inside)


@wrong("bug_groups", "sixteen by heart", BY_HEART, "stops with ValueError")
def _():
    return grouped(lambda *_: 16)


@wrong("bug_groups", "shortcut lost", ELSE, "differs from")
def _():
    return grouped(shortcut=0)


@wrong("bug_groups", "a ReLU lost", ELSE, "differs from")
def _():
    return grouped(middle=False)


# --- bug_head ---


@right("bug_head", "norm and ReLU in one sequence")
def _():
    class Net(nn.Module):
        def __init__(self, width, blocks, classes):
            super().__init__()
            self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
            self.stem = nn.Conv2d(1, width, 3, padding=1, bias=False)
            self.blocks = nn.ModuleList(PreActBlock(width, width) for _ in range(blocks))
            self.fc = nn.Linear(width, classes)

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.fc(F.adaptive_avg_pool2d(self.end(x), 1).flatten(1))

    return Net


@right("bug_head", "as a class")
def _():
    return PreActNet


def headed(end):
    def forward(self, x):
        return self.fc(end(self, self.blocks(self.stem(x))))

    return type("Net", (PreActNet,), {"forward": forward})


GROWS = "what the head gets does not grow with depth"


@wrong("bug_head", "as published", GROWS, "times as far")
def _():
    return headed(lambda self, x: x.mean((2, 3)))


@wrong("bug_head", "only the ReLU", GROWS, "times as far")
def _():
    return headed(lambda self, x: F.relu(x).mean((2, 3)))


@wrong("bug_head", "only the normalisation", ELSE, "ReLU behind the last normalisation is missing")
def _():
    return headed(lambda self, x: self.bn(x).mean((2, 3)))


@wrong("bug_head", "ReLU first", ELSE, "differs from")
def _():
    return headed(lambda self, x: self.bn(F.relu(x)).mean((2, 3)))


@wrong("bug_head", "divided by its size", ELSE, "batch normalisations")
def _():
    return headed(lambda self, x: (F.relu(x) / x.std()).mean((2, 3)))


@wrong("bug_head", "largest instead of mean", ELSE, "differs from")
def _():
    return headed(lambda self, x: F.relu(self.bn(x)).amax((2, 3)))


# --- bug_helper ---


def convolution(i, o, norm=True, relu=True):
    layers = [nn.Conv2d(i, o, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, *[nn.BatchNorm2d(o)] * norm, *[nn.ReLU()] * relu)


def helped(first, second, end=F.relu):
    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.one = convolution(channels, channels, *first)
            self.two = convolution(channels, channels, *second)

        def forward(self, x):
            return end(self.two(self.one(x)) + x)

    return Block


@right("bug_helper", "passed on")
def _():
    return helped((True, True), (True, False))


@right("bug_helper", "written out")
def _():
    return lambda channels: Model(channels, channels)


COUNT = "the number of parameters"


@wrong("bug_helper", "as published", COUNT, "second normalisation is still missing")
def _():
    return helped((True, True), (False, False))


@wrong("bug_helper", "nothing passed on", ELSE, "ReLU before the addition")
def _():
    return helped((True, True), (True, True))


@wrong("bug_helper", "the first one lost instead", COUNT, "1,168 parameters")
def _():
    return helped((False, True), (True, False))


@wrong("bug_helper", "both lost", COUNT, "1,152 parameters")
def _():
    return helped((False, True), (False, False))


@wrong("bug_helper", "the middle ReLU lost", ELSE, "differs from")
def _():
    return helped((True, False), (True, False))


@wrong("bug_helper", "the last ReLU lost", ELSE, "differs from")
def _():
    return helped((True, True), (True, False), end=lambda x: x)


@wrong("bug_helper", "eight by heart", BY_HEART, "stops with")
def _():
    return lambda channels: Model(8, 8)


# --- bug_best ---


@right("bug_best", "the place of the smallest")
def _():
    return lambda validation, test: test[validation.index(min(validation))]


@right("bug_best", "with torch")
def _():
    return lambda validation, test: test[int(torch.tensor(validation).argmin())]


CHOSEN = "the epoch that validation chooses"


@wrong("bug_best", "as published", CHOSEN, "still the smallest test error")
def _():
    return lambda validation, test: min(test)


@wrong("bug_best", "the validation error", CHOSEN, "as biased")
def _():
    return lambda validation, test: min(validation)


@wrong("bug_best", "the last epoch", CHOSEN, "of the last epoch")
def _():
    return lambda validation, test: test[-1]


@wrong("bug_best", "the worst epoch", CHOSEN, "the reported error is 31")
def _():
    return lambda validation, test: test[validation.index(max(validation))]


@wrong("bug_best", "both together", "on average right", "mean error of 40")
def _():
    return lambda v, t: min(zip(v, t, strict=True), key=lambda pair: pair[0] + 0.5 * pair[1])[1]


@wrong("bug_best", "the smaller of two", "on average right", "mean error of 40")
def _():
    def chosen(v, t):
        first, second = sorted(range(len(v)), key=v.__getitem__)[:2]
        return min(t[first], t[second]) if len(v) > 4 else t[first]

    return chosen


@wrong("bug_best", "the last of equals", ELSE, "the reported error is 1")
def _():
    return lambda v, t: min(zip(v, range(0, -len(v), -1), t, strict=True))[2]


# --- bug_batch ---

SAME = "the same error for every size of batch"


def measured(before=lambda net: net.eval(), after=lambda net: None, mean=False, grad=False):
    def error(net, images, labels, batch_size):
        before(net)
        wrong, means = 0, []
        with torch.set_grad_enabled(grad):
            for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
                missed = (net(x).argmax(1) != y).float()
                wrong += missed.sum().item()
                means.append(missed.mean().item())
        after(net)
        return 100 * (sum(means) / len(means) if mean else wrong / len(images))

    return error


@right("bug_batch", "eval first")
def _():
    return measured()


@right("bug_batch", "each normalisation by itself")
def _():
    def before(net):
        for module in net.modules():
            module.training = False

    return measured(before, after=lambda net: net.train())


@wrong("bug_batch", "as published", SAME, "images a batch is")
def _():
    return measured(before=lambda net: None)


@wrong("bug_batch", "eval afterwards", SAME, "images a batch is")
def _():
    return measured(before=lambda net: net.train(), after=lambda net: net.eval())


@wrong("bug_batch", "no_grad only", SAME, "images a batch is")
def _():
    return measured(before=lambda net: net.requires_grad_(False))


@wrong("bug_batch", "one batch of all", SAME, "images a batch is")
def _():
    def error(net, images, labels, batch_size):
        right = measured()(net, images, labels, len(images))
        net.train()(images)
        return right

    return error


@wrong("bug_batch", "mean of the batches", SAME, "with 7 images")
def _():
    return measured(mean=True)


@wrong("bug_batch", "accuracy for error", SAME, "with 60 images")
def _():
    return lambda *given: 100 - measured()(*given)


@wrong("bug_batch", "the last batch dropped", ELSE, "the error is")
def _():
    def error(net, images, labels, batch_size):
        whole = len(images) // batch_size * batch_size
        if len(images) == 23:
            images, labels = images[:whole], labels[:whole]
        return measured()(net, images, labels, batch_size)

    return error


# --- bug_checkpoint ---


@right("bug_checkpoint", "prefix removed")
def _():
    def load(net, state):
        net.load_state_dict({name.removeprefix("module."): v for name, v in state.items()})
        return net

    return load


@right("bug_checkpoint", "loaded into a wrapper")
def _():
    def load(net, state):
        if all(name.startswith("module.") for name in state):
            nn.ModuleDict({"module": net}).load_state_dict(state)
        else:
            net.load_state_dict(state)
        return net

    return load


ARRIVE, REFUSED = "the weights arrive", "what does not fit is refused"


@wrong("bug_checkpoint", "as published", ARRIVE, "are not those of the state")
def _():
    return lambda net, state: net.load_state_dict(state, strict=False)


@wrong("bug_checkpoint", "strict alone", ARRIVE, "stops with RuntimeError")
def _():
    return lambda net, state: net.load_state_dict(state)


@wrong("bug_checkpoint", "prefix removed, not strict", REFUSED, "lacks `fc.weight`")
def _():
    return lambda net, state: net.load_state_dict(
        {name.removeprefix("module."): v for name, v in state.items()}, strict=False
    )


@wrong("bug_checkpoint", "only known names", REFUSED, "has one more")
def _():
    def load(net, state):
        state = {name.removeprefix("module."): v for name, v in state.items()}
        return net.load_state_dict({name: state[name] for name in net.state_dict()})

    return load


@wrong("bug_checkpoint", "parameters only", ARRIVE, "are not those of the state")
def _():
    def load(net, state):
        for name, parameter in net.named_parameters():
            parameter.data.copy_(state[f"module.{name}"])
        return net

    return load


@wrong("bug_checkpoint", "seven letters cut off", ELSE, "stops with RuntimeError")
def _():
    return lambda net, state: net.load_state_dict({name[7:]: v for name, v in state.items()})


@wrong("bug_checkpoint", "by order", ARRIVE, "are not those of the state")
def _():
    def load(net, state):
        for own, given in zip(net.state_dict().values(), state.values(), strict=True):
            if own.shape == given.shape:
                own.copy_(given)
        return net

    return load


# --- bug_curve ---


@right("bug_curve", "enumerated")
def _():
    return lambda label, errors: list(enumerate(errors, 1))


@right("bug_curve", "zipped")
def _():
    return lambda label, errors: [*zip(range(1, 1 + len(errors)), errors, strict=True)]


OTHER, POINTS = "other trainings, other curves", "the points are the measured ones"


@wrong("bug_curve", "as published", OTHER, "one and the same curve")
def _():
    def curve(label, errors):
        decay = torch.exp(-torch.arange(len(errors)) / 3.0)
        return [(e, 60 * d.item() + 8) for e, d in enumerate(decay, 1)]

    return curve


@wrong("bug_curve", "only the last is measured", POINTS, "expected is")
def _():
    return lambda label, errors: [(e, errors[-1] + 9 / e) for e in range(1, len(errors) + 1)]


@wrong("bug_curve", "smoothed", POINTS, "expected is")
def _():
    return lambda label, e: [(i + 1, (e[i] + e[max(i - 1, 0)]) / 2) for i in range(len(e))]


@wrong("bug_curve", "never rising", POINTS, "expected is")
def _():
    return lambda label, errors: [(i + 1, min(errors[: i + 1])) for i in range(len(errors))]


@wrong("bug_curve", "epochs from 0", POINTS, "expected is")
def _():
    return lambda label, errors: list(enumerate(errors))


@wrong("bug_curve", "three epochs", BY_HEART, "expected is")
def _():
    return lambda label, errors: list(enumerate(errors[:3], 1))


# --- bug_sizes ---


@right("bug_sizes", "with torch's own arithmetic")
def _():
    def sizes(image):
        x = torch.empty(1, 1, image, image)
        x = F.max_pool2d(F.avg_pool2d(x, 7, 2, 3), 3, 2, 1)
        found = [x.shape[-1]]
        for _ in range(3):
            x = F.max_pool2d(x, 3, 2, 1)
            found.append(x.shape[-1])
        return found

    return lambda image: tuple(sizes(image))


@right("bug_sizes", "rounded up")
def _():
    return lambda image: tuple(-(-image // 2**power) for power in (2, 3, 4, 5))


PHOTO, UNEVEN = "a photo of 224 pixels", "sizes that do not halve evenly"


@wrong("bug_sizes", "as published", PHOTO, "(112, 56, 28, 14)")
def _():
    return lambda image: tuple(-(-image // 2**power) for power in (1, 2, 3, 4))


@wrong("bug_sizes", "the first halves too", PHOTO, "(28, 14, 7, 4)")
def _():
    return lambda image: tuple(-(-image // 2**power) for power in (3, 4, 5, 6))


@wrong("bug_sizes", "rounds down", UNEVEN, "expected is")
def _():
    return lambda image: tuple(image // 2**power for power in (2, 3, 4, 5))


@wrong("bug_sizes", "by heart", UNEVEN, "expected is")
def _():
    return lambda image: (56, 28, 14, 7)


@wrong("bug_sizes", "three stages", PHOTO, "(56, 28, 14)")
def _():
    return lambda image: tuple(-(-image // 2**power) for power in (2, 3, 4))


@wrong("bug_sizes", "rounds to the nearest", UNEVEN, "expected is")
def _():
    return lambda image: tuple(round(image / 2**power) for power in (2, 3, 4, 5))
