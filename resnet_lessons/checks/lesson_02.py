"""What judges the exercises of lesson 02, the degradation problem."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import Case, Joints, Outputs, Parameters, Shapes, built, call
from resnet_lessons.checks.picture_forms import Axes, Lines, drawn
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import PlainBlock, cifar_resnet

# --- 2.1 ---

Errors = list[float]


def diagnosing(
    degraded: Callable = lambda a, b, c, d: min(c) > max(a),
    overfitted: Callable = lambda a, b, c, d: max(c) < min(a) and min(d) > max(b),
    otherwise: str = "neither",
) -> Callable:
    """By the errors in training and test, a and b of the shallow network, c and d of the deep."""

    def diagnose(shallow_train, shallow_test, deep_train, deep_test):
        errors = (shallow_train, shallow_test, deep_train, deep_test)
        if degraded(*errors):
            return "degradation"
        return "overfitting" if overfitted(*errors) else otherwise

    return diagnose


def worse_on_new_images(a: Errors, b: Errors, c: Errors, d: Errors) -> bool:
    return min(d) > max(b)


def wider_gap(a: Errors, b: Errors, c: Errors, d: Errors) -> bool:
    return fmean(d) - fmean(c) > fmean(b) - fmean(a)


def by(number: Callable[[Errors], float]) -> Callable:
    """The diagnosis from one number of each list."""
    return diagnosing(
        lambda a, b, c, d: number(c) > number(a),
        lambda a, b, c, d: number(c) < number(a) and number(d) >= number(b),
    )


def diagnosis_for(a: Errors, b: Errors, c: Errors, d: Errors) -> str:
    return (
        f"for training errors of {a} % (shallow) and {c} % (deep), and test errors of {b} % and "
        f"{d} %, the diagnosis"
    )


def any_errors() -> list[tuple[Errors, ...]]:
    def around(centre: float, seeds: int) -> Errors:
        return [round(centre + value, 2) for value in (torch.rand(seeds) - 0.5).tolist()]

    given = []
    for seeds, others in ((1, 1), (5, 2), (2, 4)):
        for train, test in ((22, 31), (22, 25), (18, 31), (18, 25), (20, 31), (18, 28)):
            shallow = [around(20, seeds), around(28, seeds)]
            deep = [around(train, others), around(test, others)]
            for own, centre, theirs in zip(shallow, (20, 28), deep, strict=True):
                if centre in (train, test):  # they overlap: both have the same first seed
                    theirs[0] = own[0]
            given.append((*shallow, *deep))
    return given


diagnose = Exercise(
    name="diagnose",
    number="2.1",
    title="What is wrong with the deep network?",
    difficulty=1,
    minutes=10,
    points=4,
    why="Overfitting and degradation want opposite cures, and the training error tells them apart.",
    solution=diagnosing(),
    what=diagnosis_for,
    cases=[
        Case(
            "degradation",
            [([4.1, 4.5, 4.0], [9.0, 9.4, 9.1], [11.8, 13.0, 12.5], [14.1, 15.0, 14.4])],
            idea="A network that is worse on the images it was trained on has not learned them too "
            "well.",
            hint="Look at the training errors before you look at the test errors.",
            mistakes={
                "The deep network is worse on the training images too: that is no "
                "overfitting.": diagnosing(lambda *errors: False, worse_on_new_images),
            },
        ),
        Case(
            "overfitting",
            [([6.0, 6.3, 5.9], [9.0, 8.8, 9.1], [1.0, 0.8, 1.1], [11.2, 12.0, 11.5])],
            idea="Overfitting is a small error on the images of the training and a large one on "
            "new ones.",
            hint="Which of the four lists must be smaller for the deep network, and which larger?",
            mistakes={
                "The deep network has the smaller training error.": diagnosing(worse_on_new_images),
            },
        ),
        Case(
            "nothing wrong",
            [
                ([6.0, 6.3, 5.9], [9.0, 8.8, 9.1], [1.0, 0.8, 1.1], [7.2, 7.0, 7.5]),
                ([6.0, 6.3, 5.9], [7.0, 6.8, 7.1], [3.0, 2.8, 3.1], [4.2, 4.0, 4.5]),
            ],
            idea="A gap between training and test error is no harm as long as both are smaller.",
            hint="Compare the deep network with the shallow one, not its test error with its own "
            "training error.",
            mistakes={
                "The deep network is better on new images, whatever the gap to its training error "
                "is.": diagnosing(overfitted=wider_gap),
                "The deep network has the smaller training error.": diagnosing(
                    otherwise="degradation"
                ),
            },
        ),
        Case(
            "luck",
            [
                ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [4.9, 9.0, 12.0], [9.0, 12.0, 14.0]),
                ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [1.0, 0.9, 1.2], [9.1, 12.0, 14.0]),
                ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [0.9, 5.8, 1.2], [11.0, 12.0, 14.0]),
            ],
            idea="Where the seeds of the two networks overlap, the difference may be the luck of "
            "the draw.",
            hint="Compare the deep network's best training with the shallow one's worst.",
            mistakes={
                "Some seeds overlap, so the difference may be luck.": by(fmean),
                "That is no overfitting, and some seeds overlap, so it may be luck.": by(min),
            },
        ),
        Case(
            "the training error alone",
            [
                ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [8.0, 8.5, 9.0], [8.9, 9.3, 9.1]),
                ([5.0, 6.0, 5.5], [9.9, 10.2, 10.1], [8.0, 8.5, 9.0], [8.9, 9.3, 9.1]),
            ],
            idea="Degradation shows on the training images; the test errors may say anything.",
            hint="Which lists does the definition of degradation speak of?",
            mistakes={
                "All training errors of the deep network are larger; that is enough.": diagnosing(
                    lambda a, b, c, d: min(c) > max(a) and min(d) > max(b)
                ),
            },
        ),
        Case(
            "other numbers",
            any_errors,
            idea="The rule holds for any errors and any number of seeds.",
            hint="Do not count on three seeds, or on an order of the numbers.",
            hidden=True,
        ),
    ],
)

# --- 2.2 ---

Runs = dict[int, Errors]
TRAIN: Runs = {8: [5.0, 6.0, 5.2], 20: [6.5, 7.0, 8.1], 44: [14.0, 17.5, 12.0]}
TEST: Runs = {8: [9.0, 9.6, 9.1], 20: [10.5, 10.0, 11.1], 44: [16.0, 19.5, 14.3]}


def plotting(y: Callable[[Errors], float] = fmean, order: Callable = sorted) -> Callable:
    """Lines through `y` of the errors, which are taken in `order`."""

    def plot(train, test):
        from matplotlib.figure import Figure

        axes = Figure().subplots()
        for label, runs in (("training error", train), ("test error", test)):
            axes.plot(sorted(runs), [y(runs[depth]) for depth in order(runs)], label=label)
        axes.set(xlabel="depth (layers)", ylabel="error (%)")
        axes.legend()
        return axes.figure

    return plot


def shuffled() -> list[tuple[Runs, Runs]]:
    return [tuple({depth: runs[depth] for depth in (20, 44, 8)} for runs in (TRAIN, TEST))]


def any_runs() -> list[tuple[Runs, Runs]]:
    depths = [110, 14, 56, 32, 26]
    train, test = ({d: (50 * torch.rand(2)).tolist() for d in depths} for _ in range(2))
    test[56] = test[56][:1]
    return [(train, test)]


both_lines = partial(Lines, labels=("train", "test"))

plot_errors = Exercise(
    name="plot_errors",
    number="2.2",
    title="Plot it",
    difficulty=2,
    minutes=20,
    points=5,
    why="Error against depth is the picture of this course, and easily drawn wrong.",
    solution=plotting(),
    what="depths, means",
    cases=[
        both_lines(
            "a figure with two lines",
            [(TRAIN, TEST)],
            idea="Training and test error belong into one picture: only both together tell what is "
            "wrong.",
            hint="`figure, axes = plt.subplots()`, two calls of `axes.plot(…, label=…)`, `return "
            "figure`.",
            compare=drawn,
        ),
        both_lines(
            "where the points stand",
            [(TRAIN, TEST)],
            idea="A point stands at its depth and its mean error; 20 and 44 are further apart than "
            "8 and 20.",
            hint="The depths are the keys. A mean is a sum divided by how many there are.",
            mistakes={
                "Those are the errors of the other set of images.": lambda train, test: plotting()(
                    test, train
                ),
                "That is the smallest error of the seeds; a lucky draw is no "
                "measurement.": plotting(min),
                "That is the largest error of the seeds.": plotting(max),
                "That is the first seed alone.": plotting(lambda errors: errors[0]),
                "That is the last seed alone.": plotting(lambda errors: errors[-1]),
                "Those are sums over the seeds.": plotting(sum),
                "Those are accuracies, not errors.": plotting(lambda errors: 100 - fmean(errors)),
            },
        ),
        both_lines(
            "depths in order",
            shuffled,
            idea="A line joins points in the order in which they are given.",
            hint="`sorted(train)` gives the depths of a dictionary, the smallest first.",
            mistakes={
                "The errors are in the order in which the dictionary has its depths.": plotting(
                    order=list
                ),
            },
        ),
        Axes(
            "legend and axes",
            [(TRAIN, TEST)],
            xlabel=("depth", "layers"),
            ylabel=("error",),
            idea="A picture without names of its axes and lines shows nothing to anybody else.",
            hint="`axes.set(xlabel=…, ylabel=…)` and `axes.legend()`.",
        ),
        both_lines(
            "other numbers",
            any_runs,
            idea="Any depths and any number of seeds can be drawn.",
            hint="Is a depth, or the number of seeds, fixed somewhere?",
            hidden=True,
        ),
    ],
)

# --- 2.3 ---

Stirred = tuple[int, int, dict[str, Tensor]]


def stirred(depth: int, width: int = 4) -> Stirred:
    """What makes a plain network: depth, width, and weights and statistics unlike fresh ones."""
    net = cifar_resnet(depth, residual=False, width=width, in_channels=1)
    module = ModuleView(expect.stir(net))
    return depth, width, {**module.parameters(), **module.buffers()}


def plain(answer: Answer, depth: int, width: int = 4, values: dict | None = None) -> ModuleView:
    """A plain network for the answer, a fresh one where it is given no values."""
    module = answer.make("cifar_resnet", depth, residual=False, width=width, in_channels=1)
    module.load(values or {})
    return module


def batch(images: int = 6, height: int = 14, width: int = 14) -> tuple[Tensor, Tensor]:
    return torch.randn(images, 1, height, width), torch.randint(10, (images,))


def weights(*kinds: type[nn.Module]) -> Callable:
    return lambda net: [module.weight for module in net.modules() if isinstance(module, kinds)]


convolutions = weights(nn.Conv2d)


def norming(
    value: Callable = lambda weight: weight.grad.norm().item(),
    chosen: Callable = convolutions,
    loss: Callable = F.cross_entropy,
    training: bool = True,
) -> Callable:
    def norms(net, images, labels):
        net.train(training)
        net.zero_grad()
        loss(net(images), labels).backward()
        return [value(weight) for weight in chosen(net)]

    return norms


def numbers(seen: object) -> Sequence[float]:
    """A list of numbers, also of tensors of one number each, or one tensor of them."""
    if isinstance(seen, Tensor) and seen.ndim == 1:
        return seen.tolist()
    values = seen if isinstance(seen, tuple) else (None,)
    values = [v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for v in values]
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise Wrong("A list is asked for, with one number for each convolution.")
    return values


def measured(
    answer: Answer, net: Stirred, x: Tensor, y: Tensor, training: bool = True
) -> Sequence[float]:
    module = plain(answer, *net)
    module.set_mode(training)
    return numbers(answer(module, x, y))


def measured_again(answer: Answer, net: Stirred, *batches: tuple) -> Sequence[float]:
    module = plain(answer, *net)
    return [numbers(answer(module, *each)) for each in batches][-1]


def same_norms(seen: Sequence, right: Sequence, what: str, wrong: dict | None = None) -> None:
    expect.equal(len(seen), len(right), "the number of norms")
    pairs = zip(seen, right, strict=True)
    if not all(abs(one - other) <= 1e-3 * max(abs(other), 1e-8) for one, other in pairs):
        shown, wanted = (", ".join(f"{v:.3g}" for v in values[:8]) for values in (seen, right))
        named = " ".join(wrong or ())
        raise Wrong(f"The norms are {shown}; expected are {wanted}. {named}".rstrip())


def same_again(seen: Sequence, right: Sequence, what: str, wrong: object = None) -> None:
    try:
        same_norms(seen, right, what)
    except Wrong:
        raise Wrong(
            "Called a second time, with other images, it gives other norms than called with these "
            "alone: something is left of the first call."
        ) from None


def trains_nothing(answer: Answer) -> None:
    module = plain(answer, *stirred(8))
    before = module.parameters()
    answer(module, *batch())
    for name, value in module.parameters().items():
        if (value != before[name]).any():
            raise Wrong(f"The call has changed `{name}`.")


BOTH = "Those are the convolutions and batch normalisations"
EUCLIDEAN = "the Euclidean norm is the root of the sum of squares."

gradient_norms = Exercise(
    name="gradient_norms",
    number="2.3",
    title="Do the gradients vanish?",
    difficulty=2,
    minutes=20,
    points=6,
    why="It is the measurement that rules out an explanation which half the internet repeats.",
    solution=norming(),
    what="the number of norms",
    cases=[
        Case(
            "one number for each convolution",
            lambda: [(stirred(8), *batch())],
            idea="One backward pass gives the gradient of every layer at once.",
            hint="`loss.backward()` fills `layer.weight.grad`; go through `net.modules()`.",
            see=lambda *given: len(measured(*given)),
            mistakes={
                "That is one for every parameter; asked for are the convolutions.": norming(
                    chosen=nn.Module.parameters
                ),
                "The linear layer is no convolution.": norming(
                    chosen=weights(nn.Conv2d, nn.Linear)
                ),
                f"{BOTH}.": norming(chosen=weights(nn.Conv2d, nn.BatchNorm2d)),
                f"{BOTH}, and the linear layer.": norming(
                    chosen=weights(nn.Conv2d, nn.BatchNorm2d, nn.Linear)
                ),
            },
        ),
        Case(
            "the norms",
            lambda: [(stirred(8), *batch())],
            idea="A norm says how long the gradient is: the root of the sum of its squares.",
            hint="Training mode, scores, `functional.cross_entropy`, `backward`, "
            "`weight.grad.norm()`.",
            see=measured,
            compare=same_norms,
            mistakes={
                "They are in the wrong order: the first belongs to the layer next to the "
                "images.": lambda *given: norming()(*given)[::-1],
                "Those are norms of the weights themselves, not of their gradients.": norming(
                    lambda weight: weight.norm().item()
                ),
                "Those are squares of the norms.": norming(
                    lambda weight: weight.grad.square().sum().item()
                ),
                f"Those are the largest values; {EUCLIDEAN}": norming(
                    lambda weight: weight.grad.abs().max().item()
                ),
                f"Those are sums of absolute values; {EUCLIDEAN}": norming(
                    lambda weight: weight.grad.abs().sum().item()
                ),
                f"Those are means of absolute values; {EUCLIDEAN}": norming(
                    lambda weight: weight.grad.abs().mean().item()
                ),
                f"Those are roots of the mean of squares; {EUCLIDEAN}": norming(
                    lambda weight: weight.grad.square().mean().sqrt().item()
                ),
                "The loss is summed over the images; take the mean.": norming(
                    loss=partial(F.cross_entropy, reduction="sum")
                ),
                "The network is in evaluation mode; asked for is how it trains.": norming(
                    training=False
                ),
                "There is a softmax before the cross-entropy, which has one of its own.": norming(
                    loss=lambda scores, labels: F.cross_entropy(scores.softmax(1), labels)
                ),
            },
        ),
        Case(
            "the second measurement",
            lambda: [(stirred(8), batch(), batch())],
            idea="`backward` adds to the gradients that are there already; it does not replace "
            "them.",
            hint="`net.zero_grad()` before the backward pass.",
            see=measured_again,
            compare=same_again,
        ),
        Probe(
            "nothing is trained",
            idea="Measuring is not training: the weights stay as they are.",
            hint="Is there an optimizer, or do you write into the weights?",
            look=trains_nothing,
        ),
        Case(
            "other networks",
            lambda: [call(stirred(20, 3), *batch(9, 11, 16), training=False)],
            idea="The measurement works for every depth and every batch.",
            hint="The network may come in evaluation mode. Are layers named by heart?",
            see=measured,
            compare=same_norms,
            hidden=True,
        ),
    ],
)

# --- 2.4 ---


def netting(
    block: Callable = PlainBlock,
    blocks: Callable = lambda depth: (depth - 2) // 6,
    growth: int = 2,
    bias: bool = False,
    norm: Callable = nn.BatchNorm2d,
    relu: Callable = nn.ReLU,
    pool: Callable = nn.AdaptiveAvgPool2d,
    end: tuple = (),
) -> Callable:
    def net(depth, width, in_channels, num_classes):
        first = nn.Conv2d(in_channels, width, 3, padding=1, bias=bias)
        layers, channels = [first, norm(width), relu()], width
        for stage in range(3):
            for place in range(blocks(depth)):
                stride = 2 if stage > 0 and place == 0 else 1
                layers.append(block(channels, width * growth**stage, stride))
                channels = width * growth**stage
        return nn.Sequential(*layers, pool(1), nn.Flatten(), nn.Linear(channels, num_classes), *end)

    return net


def one_block_again(depth: int, *rest: int) -> nn.Sequential:
    net = list(netting()(14, *rest))  # with two blocks a stage
    for place in (7, 5, 3):
        net[place + 1 : place + 2] *= (depth - 2) // 6 - 1
    return nn.Sequential(*net)


class Shortcut(PlainBlock):
    def forward(self, x: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        x = x[:, :, :: self.stride, :: self.stride]
        return F.relu(branch + F.pad(x, (0, 0, 0, 0, 0, self.out_channels - self.in_channels)))


def of_blocks(n: int) -> tuple[int, ...]:
    """The depth of a network with n blocks a stage, and what a sentence may say of it."""
    return 6 * n + 2, n, 2 * n, 3 * n, n + 1, n - 1


def layers_with_weights(answer: Answer, depth: int, *said: int) -> int:
    x = torch.ones(2, 1, 16, 16)
    operations = built(answer, depth, 4, 1, 10, example=tuple(x.shape)).trace(x)
    return sum(operation.name in WEIGHED for operation in operations)


WEIGHED = ("conv2d", "linear")

plain_net = Exercise(
    name="plain_net",
    number="2.4",
    title="A plain network of 6n+2 layers",
    difficulty=3,
    minutes=25,
    points=8,
    why="To compare depths fairly, nothing but the depth may differ.",
    solution=netting(),
    cases=[
        Shapes(
            "scores, by your own network",
            [((8, 4, 1, 10), (3, 1, 16, 16))],
            idea="A batch of images goes in, and a row of scores comes out for each of them.",
            hint="Blocks from `PlainBlock`, stages from `nn.Sequential`, a mean over each map, a "
            "linear layer.",
            own_work=True,
            allowed=("PlainBlock",),
        ),
        Case(
            "its depth",
            [of_blocks(1), of_blocks(3), of_blocks(2)],
            idea="Depth counts layers with weights: a block has two, the first convolution and the "
            "linear layer are the other two.",
            hint="Three stages of n blocks with two convolutions each, and two more layers: 6n+2.",
            what="the number of layers with weights in `plain_net({}, …)`".format,
            see=layers_with_weights,
            mistakes={
                "It has {0} convolutions, but the linear layer counts as well.": netting(
                    norm=lambda width: nn.Conv2d(width, width, 1)
                ),
                "It has {2} blocks a stage in place of {1}; a block has two convolutions.": netting(
                    blocks=lambda depth: (depth - 2) // 3
                ),
                "It has {3} blocks a stage; those are the blocks of all three stages.": netting(
                    blocks=lambda depth: (depth - 2) // 2
                ),
                "It has {4} blocks a stage in place of {1}.": netting(
                    blocks=lambda depth: (depth - 2) // 6 + 1
                ),
                "It has {5} blocks a stage in place of {1}.": netting(
                    blocks=lambda depth: max(1, (depth - 2) // 6 - 1)
                ),
            },
        ),
        Parameters(
            "its parameters",
            [((20, 4, 1, 10), (2, 1, 16, 16))],
            idea="Every convolution is followed by a batch normalisation and has no bias.",
            hint="The first convolution, before the stages, has a batch normalisation too.",
            mistakes={
                "That is 4 too many: the first convolution has a bias.": netting(bias=True),
                "That is 8 too few: the first convolution has no batch normalisation.": netting(
                    norm=nn.Identity
                ),
                "The first convolution has a bias in place of its batch normalisation.": netting(
                    bias=True, norm=nn.Identity
                ),
                "One and the same block stands at several places; each place needs its "
                "own.": one_block_again,
            },
        ),
        Joints(
            "the shape at every joint",
            [((14, 4, 1, 10), (2, 1, 20, 16))],
            idea="The second and the third stage begin by halving height and width and doubling "
            "the channels; within a stage the shape stays.",
            hint="Which blocks take a stride of 2? Only the first of stage 2 and the first of "
            "stage 3.",
            kinds=WEIGHED,
            what="Layer {} of 14",
        ),
        Outputs(
            "what it computes",
            [((14, 4, 1, 10), (3, 1, 16, 16))],
            idea="Convolution, batch normalisation, ReLU, from the first layer on; then the mean "
            "of each map, and the linear layer.",
            hint="Go through `forward` line by line. `PlainBlock` ends with a ReLU; what about the "
            "first convolution?",
            mistakes={
                "There are shortcuts: that is a residual network.": netting(Shortcut),
                "The ReLU behind the first batch normalisation is missing.": netting(
                    relu=nn.Identity
                ),
                "The pool takes the largest pixel of each map; take the mean.": netting(
                    pool=nn.AdaptiveMaxPool2d
                ),
                "There is a softmax at the end; scores are asked for.": netting(
                    end=(nn.Softmax(1),)
                ),
                "There is a ReLU behind the linear layer; a score may be negative.": netting(
                    end=(nn.ReLU(),)
                ),
            },
        ),
        Outputs(
            "other numbers",
            [((8, 6, 3, 7), (3, 3, 21, 14)), ((26, 3, 2, 4), (3, 2, 16, 19))],
            idea="Depth, width, channels and classes are those that were asked for.",
            hint="Is a number fixed somewhere that should come from the arguments?",
            hidden=True,
        ),
    ],
)

# --- 2.5 ---


def deepening(
    kernel: Callable = nn.init.dirac_,
    convs: tuple = ("conv1", "conv2"),
    norm: Callable = nn.BatchNorm2d.reset_parameters,
    norms: tuple = ("bn1", "bn2"),
    first: Callable = lambda shallow: len(shallow.layer1),
) -> Callable:
    def deepen(shallow, deep):
        deep.load_state_dict(shallow.state_dict(), strict=False)
        for stage in (deep.layer1, deep.layer2, deep.layer3):
            for block in stage[first(shallow) :]:
                for name in convs:
                    kernel(getattr(block, name).weight)
                for name in norms:
                    norm(getattr(block, name))
        return deep

    return deepen


def deepened(answer: Answer, shallow: tuple, deep: tuple, x: Tensor) -> Tensor:
    """The scores of the deep network, after the answer has written into it."""
    nets = plain(answer, *shallow), plain(answer, *deep)
    answer(*nets)
    return nets[1].run(x).output


def copies_what_both_have(answer: Answer) -> None:
    depth, width, before = stirred(8)
    shallow, deep = plain(answer, depth, width, before), plain(answer, 14)
    answer(shallow, deep)
    after = {**shallow.parameters(), **shallow.buffers()}
    for name, value in before.items():
        if not torch.equal(value, after.get(name, torch.empty(0))):
            raise Wrong(f"`{name}` of the shallow network has changed; only `deep` should.")
    now = {**deep.parameters(), **deep.buffers()}
    for name in ("conv1.weight", "bn1.weight", "bn1.running_mean", "fc.weight", "fc.bias"):
        if name not in now or not torch.equal(now[name], before[name]):
            raise Wrong(f"`{name}` of the deep network is not that of the shallow network.")


def stays_deep(answer: Answer) -> None:
    def layers() -> tuple:
        shapes = [(operation.name, operation.shape) for operation in deep.trace(x)]
        return shapes, list(deep.parameters())

    deep, x = plain(answer, 14), torch.randn(2, 1, 14, 14)
    before = layers()
    answer(plain(answer, *stirred(8)), deep)
    if layers() != before:
        raise Wrong("The network `deep` runs other layers after the call than before.")


same_scores = partial(
    Case, see=deepened, what="the row of scores", compare=partial(expect.close, tolerance=1e-3)
)

deepen = Exercise(
    name="deepen",
    number="2.5",
    title="Deeper, and just as good",
    difficulty=3,
    minutes=25,
    points=8,
    why="It proves that degradation is a failure of the search, not of what deep networks can do.",
    solution=deepening(),
    cases=[
        Probe(
            "the layers that both have",
            idea="The deep network can use all that the shallow one has learned.",
            hint="`deep.load_state_dict(shallow.state_dict(), strict=False)` copies whatever has "
            "the same name.",
            look=copies_what_both_have,
        ),
        same_scores(
            "the same scores",
            lambda: [(stirred(8), (14,), torch.randn(5, 1, 14, 14))],
            idea="Extra layers that hand on what they get leave the function as it is.",
            hint="In each stage, which blocks has the shallow network, and which are extra? "
            "`nn.init.dirac_` writes a kernel that copies.",
            mistakes={
                "The extra blocks still have the weights that they came with.": deepening(
                    convs=(), norms=()
                ),
                "In the extra blocks only the first convolution copies.": deepening(
                    convs=("conv1",)
                ),
                "In the extra blocks only the second convolution copies.": deepening(
                    convs=("conv2",)
                ),
                "The extra blocks give 0, and nothing of the signal gets through: a plain block "
                "has no shortcut that would carry it.": deepening(nn.init.zeros_),
                "A kernel of ones does not copy: it adds up all pixels and channels.": deepening(
                    nn.init.ones_
                ),
            },
        ),
        Probe(
            "it is still the deep network",
            idea="The point is that the *deep* network has such weights, all its layers at work.",
            hint="Write into weights; do not take layers away or put others in their place.",
            look=stays_deep,
        ),
        same_scores(
            "a deep network that was in use",
            lambda: [(stirred(8), stirred(14), torch.randn(5, 1, 14, 14))],
            idea="Batch normalisation computes too: it copies only with mean 0, variance 1, scale "
            "1 and shift 0.",
            hint="`reset_parameters()` of a batch normalisation makes it as good as new.",
            mistakes={
                "The convolutions of the extra blocks copy, but their batch normalisations do not: "
                "they still have statistics, scales and shifts of their own.": deepening(norms=()),
            },
        ),
        same_scores(
            "other depths",
            lambda: [
                (stirred(8, 3), stirred(20, 3), torch.randn(5, 1, 14, 14)),
                (stirred(14, 5), (20, 5), torch.randn(5, 1, 14, 14)),
            ],
            idea="Whatever the depths, the shallow network's blocks come first in each stage.",
            hint="How many blocks has a stage of the shallow network? `len(shallow.layer1)`.",
            hidden=True,
        ),
    ],
)

EXERCISES = [diagnose, plot_errors, gradient_norms, plain_net, deepen]
