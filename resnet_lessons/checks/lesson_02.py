"""What judges the exercises of lesson 02, the degradation problem."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.comparing import built, same_outputs
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.networks import CifarResNet, PlainBlock, cifar_resnet

# --- 2.1 ---

diagnose = Exercise(
    name="diagnose",
    number="2.1",
    title="What is wrong with the deep network?",
    difficulty=1,
    minutes=10,
    points=4,
    why="Overfitting and degradation want opposite cures, and the training error tells them apart.",
)
Errors = tuple[list[float], list[float], list[float], list[float]]


def _diagnosis(answer: Answer, errors: Errors, right: str, mistakes: dict[str, str]) -> None:
    shallow_train, shallow_test, deep_train, deep_test = errors
    seen = answer(*errors)
    expect.equal(
        seen,
        right,
        f"for training errors of {shallow_train} % (shallow) and {deep_train} % (deep), and test "
        f"errors of {shallow_test} % and {deep_test} %, the diagnosis",
        mistakes,
    )


@diagnose.probe(
    "degradation",
    idea="A network that is worse on the images it was trained on has not learned them too well.",
    hint="Look at the training errors before you look at the test errors.",
)
def _(answer: Answer) -> None:
    errors = ([4.1, 4.5, 4.0], [9.0, 9.4, 9.1], [11.8, 13.0, 12.5], [14.1, 15.0, 14.4])
    mistakes = {
        "The deep network is worse on the training images too: that is no overfitting.": (
            "overfitting"
        )
    }
    _diagnosis(answer, errors, "degradation", mistakes)


@diagnose.probe(
    "overfitting",
    idea="Overfitting is a small error on the images of the training and a large one on new ones.",
    hint="Which of the four lists must be smaller for the deep network, and which larger?",
)
def _(answer: Answer) -> None:
    errors = ([6.0, 6.3, 5.9], [9.0, 8.8, 9.1], [1.0, 0.8, 1.1], [11.2, 12.0, 11.5])
    mistakes = {"The deep network has the smaller training error.": "degradation"}
    _diagnosis(answer, errors, "overfitting", mistakes)


@diagnose.probe(
    "nothing wrong",
    idea="A gap between training and test error is no harm as long as both are smaller.",
    hint="Compare the deep network with the shallow one, not its test error with its own training "
    "error.",
)
def _(answer: Answer) -> None:
    mistakes = {
        "The deep network is better on new images, whatever the gap to its training error is.": (
            "overfitting"
        ),
        "The deep network has the smaller training error.": "degradation",
    }
    errors = ([6.0, 6.3, 5.9], [9.0, 8.8, 9.1], [1.0, 0.8, 1.1], [7.2, 7.0, 7.5])
    _diagnosis(answer, errors, "neither", mistakes)
    errors = ([6.0, 6.3, 5.9], [7.0, 6.8, 7.1], [3.0, 2.8, 3.1], [4.2, 4.0, 4.5])
    _diagnosis(answer, errors, "neither", mistakes)


@diagnose.probe(
    "luck",
    idea="Where the seeds of the two networks overlap, the difference may be the luck of the draw.",
    hint="Compare the deep network's best training with the shallow one's worst.",
)
def _(answer: Answer) -> None:
    luck = "Some seeds overlap, so the difference may be luck."
    no_overfitting = "That is no overfitting, and some seeds overlap, so it may be luck."
    errors = ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [4.9, 9.0, 12.0], [9.0, 12.0, 14.0])
    _diagnosis(answer, errors, "neither", {luck: "degradation", no_overfitting: "overfitting"})
    errors = ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [1.0, 0.9, 1.2], [9.1, 12.0, 14.0])
    _diagnosis(answer, errors, "neither", {luck: "overfitting"})
    errors = ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [0.9, 5.8, 1.2], [11.0, 12.0, 14.0])
    _diagnosis(answer, errors, "neither", {luck: "overfitting"})


@diagnose.probe(
    "the training error alone",
    idea="Degradation shows on the training images; the test errors may say anything.",
    hint="Which lists does the definition of degradation speak of?",
)
def _(answer: Answer) -> None:
    mistakes = {"All training errors of the deep network are larger; that is enough.": "neither"}
    errors = ([5.0, 6.0, 5.5], [9.0, 9.2, 9.1], [8.0, 8.5, 9.0], [8.9, 9.3, 9.1])
    _diagnosis(answer, errors, "degradation", mistakes)
    errors = ([5.0, 6.0, 5.5], [9.9, 10.2, 10.1], [8.0, 8.5, 9.0], [8.9, 9.3, 9.1])
    _diagnosis(answer, errors, "degradation", mistakes)


@diagnose.probe(
    "other numbers",
    idea="The rule holds for any errors and any number of seeds.",
    hint="Do not count on three seeds, or on an order of the numbers.",
    hidden=True,
)
def _(answer: Answer) -> None:
    def around(centre: float, seeds: int) -> list[float]:
        return [round(centre + value, 2) for value in (torch.rand(seeds) - 0.5).tolist()]

    for seeds, others in ((1, 1), (5, 2), (2, 4)):
        for deep_train, deep_test, right in (
            (22, 31, "degradation"),
            (22, 25, "degradation"),
            (18, 31, "overfitting"),
            (18, 25, "neither"),
            (20, 31, "neither"),
            (18, 28, "neither"),
        ):
            errors = [around(value, seeds) for value in (20, 28)]
            errors += [around(value, others) for value in (deep_train, deep_test)]
            if deep_train == 20:  # they overlap: both have the same first seed
                errors[2][0] = errors[0][0]
            if deep_test == 28:
                errors[3][0] = errors[1][0]
            _diagnosis(answer, tuple(errors), right, {})


# --- 2.2 ---

plot_errors = Exercise(
    name="plot_errors",
    number="2.2",
    title="Plot it",
    difficulty=2,
    minutes=20,
    points=5,
    why="Error against depth is the picture of this course, and easily drawn wrong.",
)
Runs = dict[int, list[float]]
TRAIN: Runs = {8: [5.0, 6.0, 5.2], 20: [6.5, 7.0, 8.1], 44: [14.0, 17.5, 12.0]}
TEST: Runs = {8: [9.0, 9.6, 9.1], 20: [10.5, 10.0, 11.1], 44: [16.0, 19.5, 14.3]}


def _panel(answer: Answer, train: Runs, test: Runs) -> dict[str, object]:
    seen = answer(train, test)
    drawn = isinstance(seen, tuple) and all(isinstance(p, dict) and "lines" in p for p in seen)
    if not drawn:
        raise Wrong("It gives no figure: return the one that `plt.subplots()` made.")
    panels = [panel for panel in seen if panel["lines"]]
    if len(panels) != 1:
        raise Wrong(f"The figure has {len(panels)} panels with lines; expected is one.")
    return panels[0]


def _line(panel: dict[str, object], word: str) -> dict[str, object]:
    lines = [line for line in panel["lines"] if word in line["label"].lower()]
    if len(lines) == 1:
        return lines[0]
    labels = [line["label"] for line in panel["lines"] if not line["label"].startswith("_")]
    found = ", ".join(f"`{label}`" for label in labels) or "none"
    raise Wrong(
        f"{len(lines) or 'No'} line{'s have' if len(lines) > 1 else ' has'} `{word}` in the label; "
        f"expected is one. Labels are: {found}."
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _alike(some: object, others: object) -> bool:
    return len(some) == len(others) and all(
        abs(one - other) < 1e-6 * max(abs(other), 1)
        for one, other in zip(some, others, strict=True)
    )


def _points(panel: dict[str, object], word: str, runs: Runs, other: Runs) -> None:
    line, depths = _line(panel, word), sorted(runs)
    right = [_mean(runs[depth]) for depth in depths]
    if _alike(line["x"], depths) and _alike(line["y"], right):
        return
    if not _alike(line["x"], depths):
        where = [f"{x:g}" for x in line["x"][:8]]
        said = f"The points of the line `{line['label']}` stand at {', '.join(where)} on the x axis"
        if _alike(sorted(line["x"]), depths):
            said += ", in this order, so the line runs to and fro"
        raise Wrong(f"{said}; expected are the depths {depths}.")
    mistakes = {
        "Those are the errors of the other set of images.": [_mean(other[d]) for d in depths],
        "That is the smallest error of the seeds; a lucky draw is no measurement.": [
            min(runs[d]) for d in depths
        ],
        "That is the largest error of the seeds.": [max(runs[d]) for d in depths],
        "That is the first seed alone.": [runs[d][0] for d in depths],
        "That is the last seed alone.": [runs[d][-1] for d in depths],
        "Those are sums over the seeds.": [sum(runs[d]) for d in depths],
        "Those are accuracies, not errors.": [100 - value for value in right],
        "The errors are in the order in which the dictionary has its depths.": [
            _mean(values) for values in runs.values()
        ],
    }
    named = [said for said, values in mistakes.items() if _alike(line["y"], values)]
    shown = [f"{value:.4g}" for value in line["y"][:8]]
    wanted = [f"{value:.4g}" for value in right]
    raise Wrong(
        f"The line `{line['label']}` goes through {', '.join(shown)}; expected are the means "
        f"{', '.join(wanted)}. {' '.join(named[:1])}".rstrip()
    )


@plot_errors.probe(
    "a figure with two lines",
    idea="Training and test error belong into one picture: only both together tell what is wrong.",
    hint="`figure, axes = plt.subplots()`, two calls of `axes.plot(…, label=…)`, `return figure`.",
)
def _(answer: Answer) -> None:
    panel = _panel(answer, TRAIN, TEST)
    for word in ("train", "test"):
        _line(panel, word)


@plot_errors.probe(
    "where the points stand",
    idea="A point stands at its depth and its mean error; 20 and 44 are further apart than 8 and "
    "20.",
    hint="The depths are the keys. A mean is a sum divided by how many there are.",
)
def _(answer: Answer) -> None:
    panel = _panel(answer, TRAIN, TEST)
    _points(panel, "train", TRAIN, TEST)
    _points(panel, "test", TEST, TRAIN)


@plot_errors.probe(
    "depths in order",
    idea="A line joins points in the order in which they are given.",
    hint="`sorted(train)` gives the depths of a dictionary, the smallest first.",
)
def _(answer: Answer) -> None:
    train, test = ({depth: runs[depth] for depth in (20, 44, 8)} for runs in (TRAIN, TEST))
    panel = _panel(answer, train, test)
    _points(panel, "train", train, test)
    _points(panel, "test", test, train)


@plot_errors.probe(
    "legend and axes",
    idea="A picture without names of its axes and lines shows nothing to anybody else.",
    hint="`axes.set(xlabel=…, ylabel=…)` and `axes.legend()`.",
)
def _(answer: Answer) -> None:
    panel = _panel(answer, TRAIN, TEST)
    for axis, words in (("xlabel", ("depth", "layers")), ("ylabel", ("error",))):
        if not any(word in panel[axis].lower() for word in words):
            wanted = " or ".join(f"`{word}`" for word in words)
            raise Wrong(f"The {axis} is `{panel[axis]}`; expected is one with {wanted} in it.")
    if not panel["legend"]:
        raise Wrong("There is no legend, so nobody sees which line is which.")


@plot_errors.probe(
    "other numbers",
    idea="Any depths and any number of seeds can be drawn.",
    hint="Is a depth, or the number of seeds, fixed somewhere?",
    hidden=True,
)
def _(answer: Answer) -> None:
    depths = [110, 14, 56, 32, 26]
    train, test = ({d: (50 * torch.rand(2)).tolist() for d in depths} for _ in range(2))
    test[56] = test[56][:1]
    panel = _panel(answer, train, test)
    _points(panel, "train", train, test)
    _points(panel, "test", test, train)


# --- 2.3 ---

gradient_norms = Exercise(
    name="gradient_norms",
    number="2.3",
    title="Do the gradients vanish?",
    difficulty=2,
    minutes=20,
    points=6,
    why="It is the measurement that rules out an explanation which half the internet repeats.",
)


def _plain(answer: Answer, depth: int, width: int = 4, seed: int = 0) -> tuple[Module, CifarResNet]:
    """A plain network for the answer, and a copy of it for the check; both stirred."""
    module = answer.make("cifar_resnet", depth, residual=False, width=width, in_channels=1)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        twin = expect.stir(cifar_resnet(depth, residual=False, width=width, in_channels=1))
    _load(module, twin)
    return module, twin


def _load(module: Module, twin: nn.Module) -> None:
    own = Module(twin)
    module.load({**own.parameters(), **own.buffers()})


def _batch(images: int = 6, size: tuple[int, int] = (14, 14)) -> tuple[Tensor, Tensor]:
    return torch.randn(images, 1, *size), torch.randint(10, (images,))


def _gradients(net: nn.Module, x: Tensor, y: Tensor, training: bool = True) -> list[Tensor]:
    """The gradients of the convolutions, from input to output."""
    net = copy.deepcopy(net).train(training)
    F.cross_entropy(net(x), y).backward()
    return [m.weight.grad for m in net.modules() if isinstance(m, nn.Conv2d)]


def _norms(gradients: list[Tensor]) -> list[float]:
    return [gradient.norm().item() for gradient in gradients]


def _numbers(seen: object) -> list[float]:
    """A list of numbers, also of tensors of one number each, or one tensor of them."""
    if isinstance(seen, Tensor) and seen.ndim == 1:
        return seen.tolist()
    values = seen if isinstance(seen, tuple) else None
    if values is not None:
        values = [v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for v in values]
    if values is None or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise Wrong("A list is asked for, with one number for each convolution.")
    return values


def _count_norms(numbers: list[float], twin: nn.Module) -> None:
    right = sum(isinstance(module, nn.Conv2d) for module in twin.modules())
    both = "Those are the convolutions and batch normalisations"
    mistakes = {
        "That is one for every parameter; asked for are the convolutions.": len(
            list(twin.parameters())
        ),
        "The linear layer is no convolution.": right + 1,
        f"{both}.": 2 * right,
        f"{both}, and the linear layer.": 2 * right + 1,
    }
    expect.equal(len(numbers), right, "the number of norms", mistakes)


def _near(some: list[float], others: list[float]) -> bool:
    pairs = zip(some, others, strict=True)
    return all(abs(one - other) <= 1e-3 * max(abs(other), 1e-8) for one, other in pairs)


def _compare_norms(numbers: list[float], twin: nn.Module, x: Tensor, y: Tensor) -> None:
    gradients = _gradients(twin, x, y)
    right = _norms(gradients)
    _count_norms(numbers, twin)
    if _near(numbers, right):
        return
    euclidean = "the Euclidean norm is the root of the sum of squares."
    mistakes = {
        "They are in the wrong order: the first belongs to the layer next to the images.": (
            right[::-1]
        ),
        "Those are norms of the weights themselves, not of their gradients.": [
            m.weight.norm().item() for m in twin.modules() if isinstance(m, nn.Conv2d)
        ],
        "Those are squares of the norms.": [value**2 for value in right],
        f"Those are the largest values; {euclidean}": [g.abs().max().item() for g in gradients],
        f"Those are sums of absolute values; {euclidean}": [
            g.abs().sum().item() for g in gradients
        ],
        f"Those are means of absolute values; {euclidean}": [
            g.abs().mean().item() for g in gradients
        ],
        f"Those are roots of the mean of squares; {euclidean}": [
            g.square().mean().sqrt().item() for g in gradients
        ],
        "The loss is summed over the images; take the mean.": [len(x) * v for v in right],
        "The network is in evaluation mode; asked for is how it trains.": _norms(
            _gradients(twin, x, y, training=False)
        ),
        "There is a softmax before the cross-entropy, which has one of its own.": _norms(
            _gradients(nn.Sequential(twin, nn.Softmax(1)), x, y)
        ),
    }
    named = [said for said, values in mistakes.items() if _near(numbers, values)]
    shown, wanted = (", ".join(f"{v:.3g}" for v in values[:8]) for values in (numbers, right))
    raise Wrong(f"The norms are {shown}; expected are {wanted}. {' '.join(named[:1])}".rstrip())


@gradient_norms.probe(
    "one number for each convolution",
    idea="One backward pass gives the gradient of every layer at once.",
    hint="`loss.backward()` fills `layer.weight.grad`; go through `net.modules()`.",
)
def _(answer: Answer) -> None:
    module, twin = _plain(answer, 8)
    _count_norms(_numbers(answer(module, *_batch())), twin)


@gradient_norms.probe(
    "the norms",
    idea="A norm says how long the gradient is: the root of the sum of its squares.",
    hint="Training mode, scores, `functional.cross_entropy`, `backward`, `weight.grad.norm()`.",
)
def _(answer: Answer) -> None:
    module, twin = _plain(answer, 8)
    x, y = _batch()
    _compare_norms(_numbers(answer(module, x, y)), twin, x, y)


@gradient_norms.probe(
    "the second measurement",
    idea="`backward` adds to the gradients that are there already; it does not replace them.",
    hint="`net.zero_grad()` before the backward pass.",
)
def _(answer: Answer) -> None:
    module, twin = _plain(answer, 8)
    x, y = _batch()
    answer(module, *_batch())
    seen = _numbers(answer(module, x, y))
    try:
        _compare_norms(seen, twin, x, y)
    except Wrong:
        raise Wrong(
            "Called a second time, with other images, it gives other norms than called with these "
            "alone: something is left of the first call."
        ) from None


@gradient_norms.probe(
    "nothing is trained",
    idea="Measuring is not training: the weights stay as they are.",
    hint="Is there an optimizer, or do you write into the weights?",
)
def _(answer: Answer) -> None:
    module, _ = _plain(answer, 8)
    before = module.parameters()
    answer(module, *_batch())
    changed = [name for name, value in module.parameters().items() if (value != before[name]).any()]
    if changed:
        raise Wrong(f"The call has changed `{changed[0]}`.")


@gradient_norms.probe(
    "other networks",
    idea="The measurement works for every depth and every batch.",
    hint="The network may come in evaluation mode. Are layers named by heart?",
    hidden=True,
)
def _(answer: Answer) -> None:
    module, twin = _plain(answer, 20, width=3, seed=5)
    module.set_mode(training=False)
    x, y = _batch(9, (11, 16))
    _compare_norms(_numbers(answer(module, x, y)), twin, x, y)


# --- 2.4 ---

plain_net = Exercise(
    name="plain_net",
    number="2.4",
    title="A plain network of 6n+2 layers",
    difficulty=3,
    minutes=25,
    points=8,
    why="To compare depths fairly, nothing but the depth may differ.",
)
Settings = tuple[int, int, int, int]


def _net(answer: Answer, depth: int, width: int, in_channels: int, num_classes: int) -> Module:
    settings = (depth, width, in_channels, num_classes)
    return built(answer, *settings, example=(2, in_channels, 16, 16))


def _twin(depth: int, width: int, in_channels: int, classes: int, residual: bool) -> CifarResNet:
    return cifar_resnet(depth, residual, width, in_channels, classes)


def _layer_shapes(module: Module, x: Tensor) -> list[tuple[int, ...]]:
    return [o.shape for o in module.trace(x) if o.name in ("conv2d", "linear")]


@plain_net.probe(
    "scores, by your own network",
    idea="A batch of images goes in, and a row of scores comes out for each of them.",
    hint="Blocks from `PlainBlock`, stages from `nn.Sequential`, a mean over each map, a linear "
    "layer.",
)
def _(answer: Answer) -> None:
    module = _net(answer, 8, 4, 1, 10)
    expect.shape(module.run(torch.randn(3, 1, 16, 16)).output, (3, 10))
    expect.own_work(answer, module, allowed=("PlainBlock",))


@plain_net.probe(
    "its depth",
    idea="Depth counts layers with weights: a block has two, the first convolution and the linear "
    "layer are the other two.",
    hint="Three stages of n blocks with two convolutions each, and two more layers: 6n+2.",
)
def _(answer: Answer) -> None:
    for depth in (8, 20, 14):
        seen = len(_layer_shapes(_net(answer, depth, 4, 1, 10), torch.randn(2, 1, 16, 16)))
        blocks = (depth - 2) // 6
        mistakes = {
            f"It has {depth} convolutions, but the linear layer counts as well.": depth + 1,
            f"It has {2 * blocks} blocks a stage in place of {blocks}; a block has two "
            "convolutions.": 12 * blocks + 2,
            f"It has {depth // 2 - 1} blocks a stage; those are the blocks of all three stages.": (
                6 * (depth // 2 - 1) + 2
            ),
            f"It has {blocks + 1} blocks a stage in place of {blocks}.": depth + 6,
            f"It has {blocks - 1} blocks a stage in place of {blocks}.": depth - 6,
        }
        what = f"the number of layers with weights in `plain_net({depth}, …)`"
        expect.equal(seen, depth, what, mistakes)


@plain_net.probe(
    "its parameters",
    idea="Every convolution is followed by a batch normalisation and has no bias.",
    hint="The first convolution, before the stages, has a batch normalisation too.",
)
def _(answer: Answer) -> None:
    right, less = (
        sum(p.numel() for p in _twin(depth, 4, 1, 10, False).parameters()) for depth in (20, 14)
    )
    expect.parameter_count(
        _net(answer, 20, 4, 1, 10),
        right,
        {
            right + 4: "That is 4 too many: the first convolution has a bias.",
            right - 8: "That is 8 too few: the first convolution has no batch normalisation.",
            right - 4: "The first convolution has a bias in place of its batch normalisation.",
            less: "One and the same block stands at several places; each place needs its own.",
        },
    )


@plain_net.probe(
    "the shape at every joint",
    idea="The second and the third stage begin by halving height and width and doubling the "
    "channels; within a stage the shape stays.",
    hint="Which blocks take a stride of 2? Only the first of stage 2 and the first of stage 3.",
)
def _(answer: Answer) -> None:
    x = torch.randn(2, 1, 20, 16)
    seen = _layer_shapes(_net(answer, 14, 4, 1, 10), x)
    right = _layer_shapes(Module(_twin(14, 4, 1, 10, False)), x)
    for place, (one, other) in enumerate(zip(seen, right, strict=True), 1):
        if one != other:
            raise Wrong(
                f"Layer {place} of 14 gives {expect.times(one)}; expected is {expect.times(other)}."
            )


def _net_mistakes(twin: CifarResNet, settings: Settings, x: Tensor) -> dict[str, Tensor]:
    residual = _twin(*settings, residual=True)
    residual.load_state_dict(twin.state_dict())
    with torch.no_grad():
        first = twin.eval().bn1(twin.conv1(x))
        stages = nn.Sequential(twin.layer1, twin.layer2, twin.layer3)
        maps, linear = stages(first.relu()), twin.fc
        return {
            "There are shortcuts: that is a residual network.": residual.eval()(x),
            "The ReLU behind the first batch normalisation is missing.": linear(
                stages(first).mean((2, 3))
            ),
            "The pool takes the largest pixel of each map; take the mean.": linear(
                maps.amax((2, 3))
            ),
            "There is a softmax at the end; scores are asked for.": twin(x).softmax(1),
            "There is a ReLU behind the linear layer; a score may be negative.": twin(x).relu(),
        }


def _net_case(answer: Answer, settings: Settings, size: tuple[int, int]) -> None:
    twin = expect.stir(_twin(*settings, residual=False))
    x = torch.randn(3, settings[2], *size)
    same_outputs(_net(answer, *settings), twin, x, _net_mistakes(twin, settings, x))


@plain_net.probe(
    "what it computes",
    idea="Convolution, batch normalisation, ReLU, from the first layer on; then the mean of each "
    "map, and the linear layer.",
    hint="Go through `forward` line by line. `PlainBlock` ends with a ReLU; what about the first "
    "convolution?",
)
def _(answer: Answer) -> None:
    _net_case(answer, (14, 4, 1, 10), (16, 16))


@plain_net.probe(
    "other numbers",
    idea="Depth, width, channels and classes are those that were asked for.",
    hint="Is a number fixed somewhere that should come from the arguments?",
    hidden=True,
)
def _(answer: Answer) -> None:
    _net_case(answer, (8, 6, 3, 7), (21, 14))
    _net_case(answer, (26, 3, 2, 4), (16, 19))


# --- 2.5 ---

deepen = Exercise(
    name="deepen",
    number="2.5",
    title="Deeper, and just as good",
    difficulty=3,
    minutes=25,
    points=8,
    why="It proves that degradation is a failure of the search, not of what deep networks can do.",
)


def _used(depth: int, width: int) -> CifarResNet:
    """A plain network whose weights and statistics are not those of a fresh one."""
    with torch.random.fork_rng([]):
        torch.manual_seed(2)
        return expect.stir(cifar_resnet(depth, residual=False, width=width, in_channels=1))


def _pair(
    answer: Answer, depths: tuple[int, int], width: int = 4, used: bool = False
) -> tuple[Module, Module, CifarResNet]:
    """A shallow network that has learned something, a deep one, and the twin of the shallow one."""
    shallow, twin = _plain(answer, depths[0], width, seed=1)
    deep = answer.make("cifar_resnet", depths[1], residual=False, width=width, in_channels=1)
    if used:
        _load(deep, _used(depths[1], width))
    return shallow, deep, twin


@torch.no_grad()
def _deep_mistakes(twin: CifarResNet, deep: Module, depth: int, x: Tensor) -> dict[str, Tensor]:
    """The scores of `deep`, which was not changed yet, after changes that known mistakes make."""

    def changed(change: Callable[[PlainBlock], object]) -> Tensor:
        net = cifar_resnet(depth, residual=False, width=twin.conv1.out_channels, in_channels=1)
        net.load_state_dict({**deep.parameters(), **deep.buffers()})
        net.load_state_dict(twin.state_dict(), strict=False)
        for stage in (net.layer1, net.layer2, net.layer3):
            for block in stage[len(twin.layer1) :]:
                change(block)
        return net.eval()(x)

    def copying(*names: str) -> Callable[[PlainBlock], object]:
        return lambda block: [nn.init.dirac_(block.get_parameter(f"{n}.weight")) for n in names]

    def ones(block: PlainBlock) -> None:
        nn.init.ones_(block.conv1.weight)
        nn.init.ones_(block.conv2.weight)

    return {
        "The extra blocks still have the weights that they came with.": changed(lambda block: None),
        "In the extra blocks only the first convolution copies.": changed(copying("conv1")),
        "In the extra blocks only the second convolution copies.": changed(copying("conv2")),
        "The convolutions of the extra blocks copy, but their batch normalisations do not: they "
        "still have statistics, scales and shifts of their own.": changed(
            copying("conv1", "conv2")
        ),
        "The extra blocks give 0, and nothing of the signal gets through: a plain block has no "
        "shortcut that would carry it.": changed(lambda block: nn.init.zeros_(block.conv2.weight)),
        "A kernel of ones does not copy: it adds up all pixels and channels.": changed(ones),
    }


def _deepen_case(answer: Answer, depths: tuple[int, int], width: int, used: bool) -> None:
    shallow, deep, twin = _pair(answer, depths, width, used)
    x = torch.randn(5, 1, 14, 14)
    with torch.no_grad():
        right = twin.eval()(x)
    mistakes = _deep_mistakes(twin, deep, depths[1], x)
    answer(shallow, deep)
    expect.close(deep.run(x).output, right, "the row of scores", mistakes, 1e-3)


@deepen.probe(
    "the layers that both have",
    idea="The deep network can use all that the shallow one has learned.",
    hint="`deep.load_state_dict(shallow.state_dict(), strict=False)` copies whatever has the same "
    "name.",
)
def _(answer: Answer) -> None:
    shallow, deep, _ = _pair(answer, (8, 14))
    before = {**shallow.parameters(), **shallow.buffers()}
    answer(shallow, deep)
    after = {**shallow.parameters(), **shallow.buffers()}
    spoilt = [name for name in before if not torch.equal(before[name], after.get(name, ...))]
    if spoilt:
        raise Wrong(f"`{spoilt[0]}` of the shallow network has changed; only `deep` should.")
    now = {**deep.parameters(), **deep.buffers()}
    for name in ("conv1.weight", "bn1.weight", "bn1.running_mean", "fc.weight", "fc.bias"):
        if name not in now or not torch.equal(now[name], before[name]):
            raise Wrong(f"`{name}` of the deep network is not that of the shallow network.")


@deepen.probe(
    "the same scores",
    idea="Extra layers that hand on what they get leave the function as it is.",
    hint="In each stage, which blocks has the shallow network, and which are extra? "
    "`nn.init.dirac_` writes a kernel that copies.",
)
def _(answer: Answer) -> None:
    _deepen_case(answer, (8, 14), 4, used=False)


@deepen.probe(
    "it is still the deep network",
    idea="The point is that the *deep* network has such weights, all its layers at work.",
    hint="Write into weights; do not take layers away or put others in their place.",
)
def _(answer: Answer) -> None:
    shallow, deep, _ = _pair(answer, (8, 14))
    x = torch.randn(2, 1, 14, 14)
    before = [(o.name, o.shape) for o in deep.trace(x)]
    names = list(deep.parameters())
    answer(shallow, deep)
    if [(o.name, o.shape) for o in deep.trace(x)] != before or list(deep.parameters()) != names:
        raise Wrong("The network `deep` runs other layers after the call than before.")


@deepen.probe(
    "a deep network that was in use",
    idea="Batch normalisation computes too: it copies only with mean 0, variance 1, scale 1 and "
    "shift 0.",
    hint="`reset_parameters()` of a batch normalisation makes it as good as new.",
)
def _(answer: Answer) -> None:
    _deepen_case(answer, (8, 14), 4, used=True)


@deepen.probe(
    "other depths",
    idea="Whatever the depths, the shallow network's blocks come first in each stage.",
    hint="How many blocks has a stage of the shallow network? `len(shallow.layer1)`.",
    hidden=True,
)
def _(answer: Answer) -> None:
    _deepen_case(answer, (8, 20), 3, used=True)
    _deepen_case(answer, (14, 20), 5, used=False)


EXERCISES = [diagnose, plot_errors, gradient_norms, plain_net, deepen]
