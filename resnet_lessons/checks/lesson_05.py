"""What judges the exercises of lesson 05, training."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from operator import itemgetter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, ModuleView
from resnet_lessons.checks.exercise import Exercise, Probe
from resnet_lessons.checks.forms import Call, Case, call
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.checks.windows import Drawn, decoded
from resnet_lessons.networks import cifar_resnet

# --- 5.1 ---

TRAINING, VALIDATION, TEST = map(itemgetter, ("train_error", "validation_error", "test_error"))


def history(validation: list[float], test: list[float], first: int = 1, step: int = 1) -> Call:
    """The lines of a history. Training errors fall all the time, as they do."""
    names = ("epoch", "train_error", "validation_error", "test_error")
    epochs = range(first, first + step * len(validation), step)
    training = [40 * 0.8**n for n in range(len(validation))]
    rows = zip(epochs, training, validation, test, strict=True)
    return call([dict(zip(names, row, strict=True)) for row in rows])


def with_other_numbers() -> list[Call]:
    errors = (20 + 30 * torch.rand(8)).tolist()
    return [history(errors, errors[::-1], *epochs) for epochs in ((9, 1), (5, 5), (0, 1))]


def smallest(error: Callable[[dict], float]) -> Callable[[list[dict]], int]:
    return lambda lines: min(lines, key=error)["epoch"]


def place(lines: list[dict]) -> int:
    return lines.index(min(lines, key=VALIDATION))


def first_rise(lines: list[dict]) -> int:
    pairs = pairwise(lines)
    return next(one["epoch"] for one, after in pairs if VALIDATION(after) > VALIDATION(one))


PICKED = {
    "That is the epoch with the smallest test error.": smallest(TEST),
    "That is the last epoch, where the training error is smallest.": smallest(TRAINING),
    "That is the epoch with the largest validation error.": (
        lambda lines: max(lines, key=VALIDATION)["epoch"]
    ),
    "That is the place in the list, counted from 0, and not the number of the epoch.": place,
    "That is the smallest validation error, and not its epoch.": (
        lambda lines: min(map(VALIDATION, lines))
    ),
}

pick_epoch = Exercise(
    name="pick_epoch",
    number="5.1",
    title="Choose the epoch",
    difficulty=1,
    minutes=10,
    points=3,
    why="A number that you choose by is no longer a fair measure of what you chose.",
    solution=smallest(VALIDATION),
    what="the chosen epoch",
    cases=[
        Case(
            "the validation error decides",
            [history([50, 41, 33, 30, 36, 38, 39], [52, 43, 34, 35, 31, 29, 37])],
            idea="Training errors flatter a network that learns by heart; test errors are for the "
            "end.",
            hint="Look for the line whose `validation_error` is the smallest, and give its "
            "`epoch`.",
            mistakes=PICKED,
        ),
        Case(
            "the test error is left alone",
            [
                history([50, 41, 33, 30, 31, 38], [60.0] * n + [1.0] + [60.0] * (5 - n))
                for n in range(6)
            ],
            idea="Whoever looks at the test error while choosing chooses by it, if only a little.",
            hint="The answer must stay the same, whatever stands in `test_error`.",
            what=lambda lines: (
                f"where the test error is smallest in epoch {smallest(TEST)(lines)}, the choice"
            ),
        ),
        Case(
            "the lowest of all",
            [history([50, 40, 42, 35, 37, 28, 30], [30.0] * 7)],
            idea="Errors go up and down from epoch to epoch; the first rise need not be the last.",
            hint="Go through all epochs. Do not stop where the error rises for the first time.",
            mistakes={"The search ends where the error rises for the first time.": first_rise},
        ),
        Case(
            "equal errors",
            [history([50, 30, 42, 30, 30], [9.0, 8, 7, 6, 5])],
            idea="If two epochs are equally good, the later one has cost more and brought nothing.",
            hint="Replace the best so far only if the new one is truly smaller.",
            mistakes={
                "That is the last of three equal ones.": (
                    lambda lines: smallest(VALIDATION)(lines[::-1])
                ),
            },
        ),
        Case(
            "epochs with other numbers",
            with_other_numbers,
            idea="A history that was cut, or thinned out, does not begin with epoch 1.",
            hint="Read `epoch` in the line that you chose; do not count.",
            hidden=True,
            mistakes={
                "That is the place in the list, and not the number.": lambda lines: 1 + place(lines)
            },
        ),
    ],
)

# --- 5.2 ---


def half_a_wave(over: float) -> float:
    return (1 + math.cos(math.pi * over)) / 2


def three_steps(over: float) -> float:
    return 1 if over < 0.5 else 0.1 if over < 0.75 else 0.01


def scheduled(wave: Callable[[float], float] = half_a_wave) -> Callable:
    """A schedule; a wave goes from what of the training is over to what is left of the rate."""

    def rate(step: int, length: int, lr: float, schedule: str) -> float:
        shape = wave if schedule == "cosine" else three_steps
        return lr * shape(step / length)

    return rate


def any_length() -> list[tuple]:
    cases = [(step, 37, 0.2, "cosine") for step in (0, 5, 18, 36)]
    for steps, lr in ((40, 1.0), (4, 0.05), (4 * int(torch.randint(9, 999, ())), 0.3)):
        half, late = steps // 2, 3 * steps // 4
        picked = sorted({0, 1, half - 1, half, late - 1, late, steps - 1})
        cases += [(step, steps, lr, kind) for kind in ("steps", "cosine") for step in picked]
    return cases


def same_rate(seen: object, right: float, what: str, wrong: dict | None = None) -> None:
    told = {
        f"{what} is {value:.4g}: {mistake}. Expected is {right:.4g}.": value
        for mistake, value in (wrong or {}).items()
    }
    expect.near(seen, right, what, wrong=told)


WAVES = {
    "a quarter of a wave, which falls too late": lambda over: math.cos(math.pi * over / 2),
    "a whole wave, which comes back to where it began": lambda over: half_a_wave(2 * over),
    "a straight line": lambda over: 1 - over,
    "a half wave that goes down to -lr, where it should end at 0": (
        lambda over: math.cos(math.pi * over)
    ),
    "a half wave that begins at twice the rate": lambda over: 2 * half_a_wave(over),
    "a half wave that rises": lambda over: half_a_wave(1 - over),
}

learning_rate = Exercise(
    name="learning_rate",
    number="5.2",
    title="Two schedules",
    difficulty=1,
    minutes=10,
    points=3,
    why="The same recipe with another schedule ends elsewhere, as you saw in the table of changes.",
    solution=scheduled(),
    cases=[
        Case(
            "three steps down",
            [(n, 64_000, 0.1, "steps") for n in (0, 31_999, 32_000, 47_999, 48_000, 63_999)],
            idea="The schedule of He et al.: a tenth after half of the training, and a tenth of "
            "that after three quarters.",
            hint="Of 64,000 steps, number 32,000 is the first with the smaller rate, for 32,000 "
            "are over: those from 0 to 31,999.",
        ),
        Case(
            "half a cosine",
            [(step, 1000, 0.1, "cosine") for step in (250, 0, 500, 750, 999)],
            idea="It begins flat at the full rate, falls fastest in the middle, and ends flat at "
            "0.",
            hint="cos goes from 1 to -1 while its angle goes from 0 to π. Which shift and which "
            "factor make that 1 to 0? Python's `math.cos` wants radians.",
            compare=same_rate,
            mistakes={says: scheduled(wave) for says, wave in WAVES.items()},
        ),
        Case(
            "other numbers",
            any_length,
            idea="A schedule is a shape: it fits every length and every rate.",
            hint="Is 64,000 or 0.1 fixed somewhere? Is a division rounded down?",
            compare=same_rate,
            hidden=True,
        ),
    ],
)

# --- 5.3 ---

SMALL = (8, True, 4, 1, 10)  # depth, residual, width, channels of the images, classes
OTHER = (8, True, 5, 3, 4)
LOSS = "the loss"
GRADIENT = "the change of the weights, divided by -lr,"


def batch(count: int, size: tuple = SMALL) -> tuple[Tensor, Tensor]:
    *_, channels, classes = size
    return torch.randn(count, channels, 8, 8), torch.randint(classes, (count,))


def values(net: ModuleView, averages: bool) -> Tensor:
    """The weights in one row, and the running averages behind them if they are asked for."""
    rows = [*net.parameters().values()]
    if averages:
        rows += [value for name, value in net.buffers().items() if "running" in name]
    return torch.cat([row.flatten() for row in rows])


def last_step(
    answer: Answer,
    of: str,
    batches: list[tuple],
    lr: float,
    *,
    size: tuple = SMALL,
    left: tuple[Tensor, Tensor] | None = None,
    training: bool = True,
) -> object:
    """The last step of a network, one for each batch: its loss, or what it changes.

    `left`: an earlier pass's images and gradient. A network that does not come in training mode
    must run in it; its running averages are looked at as well.
    """
    net = answer.make("cifar_resnet", *size)
    if left:
        net.run(left[0], gradient=left[1])
    net.set_mode(training)
    net.watch()
    for images, labels in batches:
        before = values(net, not training)
        loss = answer(net, images, labels, lr)
    if not training and not all(call.training for call in net.calls()):
        raise Wrong("The network came in evaluation mode, and ran in evaluation mode.")
    if not training and len(net.calls()) != 1:
        raise Wrong(f"The network ran {len(net.calls())} times for one step.")
    if of == LOSS:
        return loss
    change = (before - values(net, not training)) / lr
    if not change.any():
        raise Wrong("No weight has changed.")
    return change


def with_gradients_left() -> list[Call]:
    left = torch.randn(4, 1, 8, 8), torch.randn(4, 10)
    batches = [batch(12), batch(12)]
    return [call(GRADIENT, batches[:count], 0.1, left=left) for count in (1, 2)]


def of_another_size() -> list[Call]:
    batches = [batch(5, OTHER)]
    return [call(of, batches, lr, size=OTHER) for lr in (1.0, 0.03) for of in (LOSS, GRADIENT)]


def momentum_kept(parameters: Iterator[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    first, *others = parameters
    if not hasattr(first, "kept"):
        first.kept = torch.optim.SGD([first, *others], lr, momentum=0.9)
    return first.kept


def stepping(
    loss_of: Callable = F.cross_entropy,
    optimizer: Callable = torch.optim.SGD,
    training: bool = True,
    clear: bool = True,
    **options: float,
) -> Callable:
    def step(net: nn.Module, images: Tensor, labels: Tensor, lr: float) -> object:
        net.train(training)
        update = optimizer(net.parameters(), **{"lr": lr, **options})
        loss = loss_of(net(images), labels)
        if clear:
            update.zero_grad()
        loss.backward()
        update.step()
        return loss.item()

    return step


def loss_after(net: nn.Module, images: Tensor, labels: Tensor, lr: float) -> float:
    stepping()(net, images, labels, lr)
    return F.cross_entropy(net(images), labels).item()


STEPS = {
    "The weights go along the gradient, uphill; the loss would grow.": stepping(maximize=True),
    "The learning rate is not the one that was given: 0.1 instead of 0.5.": stepping(lr=0.1),
    "The learning rate is not the one that was given: 0.01 instead of 0.5.": stepping(lr=0.01),
    "The learning rate does not count.": stepping(lr=1.0),
    "The step is 12 times too long: for a batch of 12, take the mean of the loss.": (
        stepping(lr=12 * 0.5)
    ),
}

LOSSES = {
    "The loss is the sum over the batch; take the mean.": stepping(
        partial(F.cross_entropy, reduction="sum")
    ),
    "There is a softmax before the cross-entropy, which has one inside.": stepping(
        lambda scores, y: F.cross_entropy(scores.softmax(1), y)
    ),
    "That is the loss after the step; give the one from which its gradients come.": loss_after,
    "That is the loss in evaluation mode.": stepping(training=False),
}

Step = partial(Case, see=last_step)

train_step = Exercise(
    name="train_step",
    number="5.3",
    title="One step of training",
    difficulty=2,
    minutes=15,
    points=6,
    why="A training is this, some ten thousand times.",
    solution=stepping(),
    what=lambda of, *_, **__: of,
    cases=[
        Step(
            "the loss is given back",
            lambda: [(LOSS, [batch(12)], 0.1)],
            idea="The loss of a step is the mean cross-entropy of its batch, before the weights "
            "move.",
            hint="`functional.cross_entropy(net(images), labels)`: it takes the scores as they "
            "are.",
            mistakes=LOSSES,
        ),
        Step(
            "every weight goes against its gradient",
            lambda: [(GRADIENT, [batch(12)], 0.5)],
            idea="Gradient descent: new weight = old weight − learning rate · gradient.",
            hint="Backward first, then the step. Is the learning rate the one that was given? Is "
            "there momentum, or weight decay?",
            mistakes=STEPS,
        ),
        Step(
            "old gradients are gone",
            with_gradients_left,
            idea="`backward` adds to the gradients that are there; it does not replace them.",
            hint="`zero_grad` before `backward`. A step that starts with gradients left over is no "
            "step of this batch.",
            what=lambda of, batches, *_, **__: f"step {len(batches)}, divided by -lr,",
            mistakes={
                "The step goes along the sum of this batch's gradients and those left from "
                "before.": stepping(clear=False),
                "The second step still has momentum from the first.": (
                    stepping(optimizer=momentum_kept)
                ),
            },
        ),
        Step(
            "training mode",
            lambda: [call(GRADIENT, [batch(12)], 0.5, training=False)],
            what="the change of the weights and running averages, divided by -lr,",
            idea="In training, batch normalisation uses the mean and variance of the batch, and "
            "gathers its running averages.",
            hint="An evaluation before may have left the network in evaluation mode: "
            "`net.train()`. And run the network once; each pass moves the averages.",
        ),
        Step(
            "other numbers",
            of_another_size,
            idea="The step fits every batch, learning rate and network.",
            hint="Is a number fixed somewhere that should come from the arguments?",
            hidden=True,
        ),
    ],
)

# --- 5.4 ---


def judged(sizes: dict[int, int], classes: int = 10, training: bool = False) -> Call:
    """A network, and batches of the given sizes of each of which it gets so many images wrong."""
    net = expect.stir(cifar_resnet(8, True, 4, 1, classes))
    nn.init.normal_(net.fc.weight, std=0.5)  # or all images would be of one class
    batches = []
    for count, wrong in sizes.items():
        images = torch.randn(count, 1, 8, 8)
        labels = ModuleView(net).run(images).output.argmax(1)
        labels[:wrong] = (labels[:wrong] + 1) % classes
        batches.append((images, labels))
    return call(net.state_dict(), batches, training)


def tried(answer: Answer, state: dict, batches: list, training: bool) -> tuple[object, ModuleView]:
    """What the answer gives, and the network that it was given."""
    net = answer.make("cifar_resnet", 8, True, 4, 1, len(state["fc.bias"]))
    net.load(state)
    net.set_mode(training)
    net.watch()
    return answer(net, batches), net


def in_evaluation_mode(answer: Answer, state: dict, batches: list, training: bool) -> object:
    seen, net = tried(answer, state, batches, training)
    if any(call.training for call in net.calls()):
        came = "training" if training else "evaluation"
        raise Wrong(f"The network came in {came} mode, and images were judged in training mode.")
    return seen


def without_gradients(answer: Answer, *given: object) -> object:
    seen, net = tried(answer, *given)
    if any(call.gradients for call in net.calls()):
        raise Wrong("torch was told to keep everything that gradients need.")
    return seen


def leaving_it(answer: Answer, state: dict, batches: list, training: bool) -> object:
    seen, net = tried(answer, state, batches, training)
    if set(net.modes().values()) != {training}:
        came = "training" if training else "evaluation"
        raise Wrong(f"The network came in {came} mode, and is in the other one afterwards.")
    for name, value in {**net.parameters(), **net.buffers()}.items():
        if not torch.equal(value, state[name]):
            raise Wrong(f"The evaluation has changed `{name}`.")
    return seen


def evaluated(told: Callable[[list[int], list[int]], float]) -> Callable:
    """An evaluation; `told` is given the mistakes and the images of each batch."""

    def error(net: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> float:
        mode = net.training
        net.eval()
        with torch.no_grad():
            wrong = [(net(x).argmax(1) != labels).sum().item() for x, labels in batches]
        net.train(mode)
        return told(wrong, [len(labels) for _, labels in batches])

    return error


def percent(wrong: list[int], images: list[int]) -> float:
    return 100 * sum(wrong) / sum(images)


TOLD = {
    "That is the accuracy; the error counts the wrong answers.": (
        lambda wrong, images: 100 - percent(wrong, images)
    ),
    "That is the accuracy as a share; the error counts the wrong answers.": (
        lambda wrong, images: 1 - percent(wrong, images) / 100
    ),
    "That is the share, between 0 and 1; percent are asked for.": (
        lambda wrong, images: percent(wrong, images) / 100
    ),
    "That is the number of wrong answers; divide by the number of images.": lambda wrong, _: sum(
        wrong
    ),
    "That is the mean of the two batches' errors, but one has twice as many images.": (
        lambda wrong, images: 50 * (wrong[0] / images[0] + wrong[1] / images[1])
    ),
    "Only the last batch counts.": lambda wrong, images: percent(wrong[-1:], images[-1:]),
    "Only the first batch counts.": lambda wrong, images: percent(wrong[:1], images[:1]),
    "The number of images was taken for 2 · 10; the batches differ in size.": (
        lambda wrong, images: percent(wrong, 2 * images[:1])
    ),
    "The number of images was taken for 2 · 20; the batches differ in size.": (
        lambda wrong, images: percent(wrong, 2 * images[-1:])
    ),
}
Judged = partial(Case, see=in_evaluation_mode)

error_percent = Exercise(
    name="error_percent",
    number="5.4",
    title="Evaluate",
    difficulty=2,
    minutes=15,
    points=6,
    why="Every number in this course's tables comes out of a function like this.",
    solution=evaluated(percent),
    what="the error",
    cases=[
        Judged(
            "the error, in percent",
            lambda: [judged({10: 3, 20: 2})],
            idea="Error = 100 · wrong answers / images; the answer is the class with the highest "
            "score.",
            hint="`scores.argmax(1)` are the classes of a batch N×classes. Percent, and wrong "
            "ones.",
            mistakes={says: evaluated(told) for says, told in TOLD.items()},
        ),
        Judged(
            "a smaller last batch",
            lambda: [judged({16: 4, 17: 2, 3: 3})],
            idea="Each image counts the same; in a mean of batch errors those of a small batch "
            "count more.",
            hint="Add up the wrong answers and the images, and divide once, at the end.",
        ),
        Judged(
            "evaluation mode",
            lambda: [judged({9: 2, 6: 1}, training=True)],
            idea="An image's answer must not depend on the other images of its batch.",
            hint="`net.eval()` before the first batch. In training mode batch normalisation takes "
            "the batch's mean and variance, and moves its running averages.",
        ),
        Judged(
            "no gradients",
            lambda: [judged({4: 1, 2: 1})],
            idea="Without `no_grad` torch keeps every feature map for a backward pass that never "
            "comes.",
            hint="`with torch.no_grad():` around the loop, or `@torch.no_grad()` above the "
            "function.",
            see=without_gradients,
        ),
        Judged(
            "the network is left as it was",
            lambda: [judged({4: 1, 2: 1}, training=mode) for mode in (True, False)],
            idea="Whoever measures must not change what is measured, nor the training that goes "
            "on.",
            hint="Remember `net.training` at the start, and at the end `net.train(…)` with what it "
            "was.",
            see=leaving_it,
        ),
        Judged(
            "other numbers",
            lambda: [judged(sizes, 3) for sizes in ({1: 1, 7: 2}, {5: 0}, {3: 3, 1: 1})],
            idea="Batches may be of any size, down to a single image, and classes of any number.",
            hint="Is a number fixed somewhere? Does a dimension vanish where a batch is a single "
            "image?",
            what=lambda state, batches, training: (
                f"for batches of {tuple(len(labels) for _, labels in batches)} images the error"
            ),
            hidden=True,
        ),
    ],
)

# --- 5.5 ---

MANY = 256  # so many images that what ought to happen by chance does happen


def pixels(*shape: int) -> Tensor:
    """Bytes above zero, so that what comes in from outside can be told from what was there."""
    return torch.randint(1, 256, shape, dtype=torch.uint8)


def drawn(answer: Answer, images: Tensor, padding: int = 2) -> Drawn:
    seen = answer(images, padding)
    expect.shape(seen, tuple(images.shape), "the result")
    if seen.dtype != images.dtype:
        raise Wrong(f"The images are {images.dtype}, and the result is {seen.dtype}.")
    found = decoded(seen, images, padding)
    if isinstance(found, str):
        raise Wrong(found)
    return found


def windows_of_frames(answer: Answer) -> None:
    drawn(answer, pixels(8, 3, 7, 9))
    drawn(answer, pixels(8, 3, 7, 9).float() / 255)


def draws_for_each(answer: Answer) -> None:
    draws = drawn(answer, pixels(MANY, 1, 7, 9))
    if not draws.top.any() and not draws.left.any():
        raise Wrong("No image is shifted.")
    if len(draws.top.unique()) == len(draws.left.unique()) == 1:
        raise Wrong(f"All {MANY} images of the batch are shifted alike.")
    if torch.equal(draws.top, draws.left):
        raise Wrong("Every image is shifted as far down as it is shifted to the right.")
    if len(draws.mirrored.unique()) == 1:
        word = "every" if draws.mirrored[0] else "no"
        raise Wrong(f"Of {MANY} images {word} one is mirrored.")


def shifts_everywhere(answer: Answer) -> None:
    draws = drawn(answer, pixels(MANY, 1, 7, 9))
    for places, before, after in ((draws.top, "down", "up"), (draws.left, "right", "left")):
        counts = [int((places == shift).sum()) for shift in (2, 1, 0, -1, -2)]
        if min(counts) < MANY / 25:  # a fifth each is right; this few is no chance
            words = [f"2 {before}", f"1 {before}", "not at all", f"1 {after}", f"2 {after}"]
            told = ", ".join(f"{word} {count}" for word, count in zip(words, counts, strict=True))
            raise Wrong(f"With padding 2, of {MANY} images are shifted: {told}.")


def mirrors_half(answer: Answer) -> None:
    mirrored = int(drawn(answer, pixels(MANY, 1, 7, 9)).mirrored.sum())
    if abs(mirrored - MANY / 2) > 50:  # six standard deviations
        raise Wrong(f"Of {MANY} images {mirrored} are mirrored; expected is about half.")


def draws_anew(answer: Answer) -> None:
    images = pixels(MANY, 1, 7, 9)
    if torch.equal(answer(images, 2), answer(images, 2)):
        raise Wrong("Called twice with the same images, it gives twice the same result.")


def keeps_images(answer: Answer) -> None:
    if not answer.keeps(pixels(16, 1, 7, 9), 2):
        raise Wrong("The images that were handed in have changed.")


def other_sizes(answer: Answer) -> None:
    for shape, padding in (((40, 2, 11, 6), 4), ((40, 3, 5, 8), 1), ((1, 1, 6, 6), 2)):
        drawn(answer, pixels(*shape), padding)
    draws = drawn(answer, pixels(MANY, 1, 8, 6), 0)
    if draws.top.any() or draws.left.any():
        raise Wrong("With padding 0 images are shifted.")
    draws = drawn(answer, torch.randn(64, 1, 12, 12), 4)
    if max(draws.top.abs().max(), draws.left.abs().max()) < 3:
        raise Wrong("With padding 4 no image is shifted by more than 2.")


augment = Exercise(
    name="augment",
    number="5.5",
    title="Pad, crop, mirror",
    difficulty=3,
    minutes=25,
    points=8,
    why="An image that looks different in every epoch is hard to learn by heart.",
    cases=[
        Probe(
            "windows of the padded images",
            idea="An image is framed with zeros, a window of the old size is cut out, and perhaps "
            "mirrored left to right. All its channels go together.",
            hint="`functional.pad(images, (p, p, p, p))`, then for each image a slice of the old "
            "height and width.",
            look=windows_of_frames,
        ),
        Probe(
            "each image has a draw of its own",
            idea="If a whole batch is moved alike, its images still look the same beside each "
            "other.",
            hint="Draw as many places as there are images, for top and left apart.",
            look=draws_for_each,
        ),
        Probe(
            "by up to `padding`, in every direction",
            idea="The image may leave its place by `padding` pixels to each of four sides.",
            hint="There are 2 · padding + 1 places for the window's top, and as many for its left. "
            "`torch.randint(n, …)` draws from 0 to n − 1.",
            look=shifts_everywhere,
        ),
        Probe(
            "one in two is mirrored",
            idea="With probability one half an image is mirrored, left to right.",
            hint="A coin for each image: `torch.rand(n) < 0.5`.",
            look=mirrors_half,
        ),
        Probe(
            "new draws each time",
            idea="If each epoch showed the same shifts, they could be learned by heart as well.",
            hint="Do not seed inside the function: a seed belongs to the caller.",
            look=draws_anew,
        ),
        Probe(
            "the images stay as they are",
            idea="The next epoch needs the images themselves, not what the last one made of them.",
            hint="Write into a new tensor. `torch.empty_like(images)` makes one.",
            look=keeps_images,
        ),
        Probe(
            "other numbers",
            idea="Padding, channels, height and width are those that come in.",
            hint="Is a number fixed somewhere? Are height and width in their order?",
            look=other_sizes,
            hidden=True,
        ),
    ],
)

EXERCISES = [pick_epoch, learning_rate, train_step, error_percent, augment]
