"""What judges the exercises of lesson 05, training."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_lessons.checks import expect
from resnet_lessons.checks.answers import Answer, Module
from resnet_lessons.checks.exercise import Exercise
from resnet_lessons.checks.verdict import Wrong
from resnet_lessons.checks.windows import Drawn, decoded
from resnet_lessons.networks import cifar_resnet

# --- 5.1 ---

pick_epoch = Exercise(
    name="pick_epoch",
    number="5.1",
    title="Choose the epoch",
    difficulty=1,
    minutes=10,
    points=3,
    why="A number that you choose by is no longer a fair measure of what you chose.",
)
COLUMNS = ("train_error", "validation_error", "test_error")


def _history(first: int = 1, step: int = 1, **columns: list[float]) -> list[dict[str, float]]:
    """Lines of a history. Training errors fall all the time, as they do."""
    length = len(columns["validation_error"])
    columns = {"train_error": [40 * 0.8**n for n in range(length)], **columns}
    return [
        {"epoch": first + step * n, **{name: columns[name][n] for name in COLUMNS}}
        for n in range(length)
    ]


def _picked(answer: Answer, history: list[dict[str, float]], wrong: dict[str, int]) -> None:
    best = min(history, key=lambda line: line["validation_error"])["epoch"]
    seen = answer(history)
    for mistake, epoch in wrong.items():
        if epoch != best and not isinstance(seen, bool) and seen == epoch:
            raise Wrong(f"{mistake}: the answer is epoch {epoch}; expected is {best}.")
    expect.equal(seen, best, "the chosen epoch")


@pick_epoch.probe(
    "the validation error decides",
    idea="Training errors flatter a network that learns by heart; test errors are for the end.",
    hint="Look for the line whose `validation_error` is the smallest, and give its `epoch`.",
)
def _(answer: Answer) -> None:
    history = _history(
        validation_error=[50, 41, 33, 30, 36, 38, 39], test_error=[52, 43, 34, 35, 31, 29, 37]
    )
    _picked(
        answer,
        history,
        {
            "That is the epoch with the smallest test error": 6,
            "That is the last epoch, where the training error is smallest": 7,
            "That is the epoch with the largest validation error": 1,
            "That is the place in the list, counted from 0, and not the number of the epoch": 3,
            "That is the smallest validation error, and not its epoch": 30,
        },
    )


@pick_epoch.probe(
    "the test error is left alone",
    idea="Whoever looks at the test error while choosing chooses by it, if only a little.",
    hint="The answer must stay the same, whatever stands in `test_error`.",
)
def _(answer: Answer) -> None:
    validation = [50, 41, 33, 30, 31, 38]
    for place in range(6):
        test = [60.0] * 6
        test[place] = 1.0
        seen = answer(_history(validation_error=validation, test_error=test))
        if seen != 4:
            raise Wrong(
                f"The validation error is smallest in epoch 4. Where the test error is smallest in "
                f"epoch {place + 1}, the answer is {seen!r}."
            )


@pick_epoch.probe(
    "the lowest of all",
    idea="Errors go up and down from epoch to epoch; the first rise need not be the last.",
    hint="Go through all epochs. Do not stop where the error rises for the first time.",
)
def _(answer: Answer) -> None:
    history = _history(validation_error=[50, 40, 42, 35, 37, 28, 30], test_error=[30.0] * 7)
    _picked(answer, history, {"The search ends where the error rises for the first time": 2})


@pick_epoch.probe(
    "equal errors",
    idea="If two epochs are equally good, the later one has cost more and brought nothing.",
    hint="Replace the best so far only if the new one is truly smaller.",
)
def _(answer: Answer) -> None:
    history = _history(validation_error=[50, 30, 42, 30, 30], test_error=[9.0, 8, 7, 6, 5])
    _picked(answer, history, {"That is the last of three equal ones": 5})


@pick_epoch.probe(
    "epochs with other numbers",
    idea="A history that was cut, or thinned out, does not begin with epoch 1.",
    hint="Read `epoch` in the line that you chose; do not count.",
    hidden=True,
)
def _(answer: Answer) -> None:
    errors = (20 + 30 * torch.rand(8)).tolist()
    for first, step in ((9, 1), (5, 5), (0, 1)):
        _picked(
            answer,
            _history(first, step, validation_error=errors, test_error=errors[::-1]),
            {"That is the place in the list, and not the number": 1 + errors.index(min(errors))},
        )


# --- 5.2 ---

learning_rate = Exercise(
    name="learning_rate",
    number="5.2",
    title="Two schedules",
    difficulty=1,
    minutes=10,
    points=3,
    why="The same recipe with another schedule ends elsewhere, as you saw in the table of changes.",
)


def _schedule(step: int, steps: int, lr: float, schedule: str) -> float:
    if schedule == "cosine":
        return lr * (1 + math.cos(math.pi * step / steps)) / 2
    return lr * (1 if 2 * step < steps else 0.1 if 4 * step < 3 * steps else 0.01)


def _rates(answer: Answer, cases: list[tuple[int, int, float, str]]) -> None:
    for step, steps, lr, schedule in cases:
        t, wrong = step / steps, {}
        if schedule == "cosine":
            wrong = {
                "a quarter of a wave, which falls too late": lr * math.cos(math.pi * t / 2),
                "a whole wave, which comes back to where it began": (
                    lr * (1 + math.cos(2 * math.pi * t)) / 2
                ),
                "a straight line": lr * (1 - t),
                "a half wave that goes down to -lr, where it should end at 0": (
                    lr * math.cos(math.pi * t)
                ),
                "a half wave that begins at twice the rate": lr * (1 + math.cos(math.pi * t)),
                "a half wave that rises": lr * (1 - math.cos(math.pi * t)) / 2,
            }
        right = _schedule(step, steps, lr, schedule)
        call = f'learning_rate({step}, {steps}, {lr:g}, "{schedule}")'
        told = {
            f"`{call}` is {value:.4g}: {mistake}. Expected is {right:.4g}.": value
            for mistake, value in wrong.items()
            if abs(value - right) > 1e-3 * lr
        }
        expect.near(answer(step, steps, lr, schedule), right, f"`{call}`", wrong=told)


@learning_rate.probe(
    "three steps down",
    idea="The schedule of He et al.: a tenth after half of the training, and a tenth of that after "
    "three quarters.",
    hint="Of 64,000 steps, number 32,000 is the first with the smaller rate, for 32,000 are over: "
    "those from 0 to 31,999.",
)
def _(answer: Answer) -> None:
    steps = (0, 31_999, 32_000, 47_999, 48_000, 63_999)
    _rates(answer, [(step, 64_000, 0.1, "steps") for step in steps])


@learning_rate.probe(
    "half a cosine",
    idea="It begins flat at the full rate, falls fastest in the middle, and ends flat at 0.",
    hint="cos goes from 1 to -1 while its angle goes from 0 to π. Which shift and which factor "
    "make that 1 to 0? Python's `math.cos` wants radians.",
)
def _(answer: Answer) -> None:
    _rates(answer, [(step, 1000, 0.1, "cosine") for step in (250, 0, 500, 750, 999)])


@learning_rate.probe(
    "other numbers",
    idea="A schedule is a shape: it fits every length and every rate.",
    hint="Is 64,000 or 0.1 fixed somewhere? Is a division rounded down?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for steps, lr in ((40, 1.0), (4, 0.05), (4 * int(torch.randint(9, 999, ())), 0.3)):
        picked = {0, 1, steps // 2 - 1, steps // 2, 3 * steps // 4 - 1, 3 * steps // 4, steps - 1}
        _rates(answer, [(step, steps, lr, "steps") for step in sorted(picked)])
        _rates(answer, [(step, steps, lr, "cosine") for step in sorted(picked)])
    _rates(answer, [(step, 37, 0.2, "cosine") for step in (0, 5, 18, 36)])


# --- 5.3 ---

train_step = Exercise(
    name="train_step",
    number="5.3",
    title="One step of training",
    difficulty=2,
    minutes=15,
    points=6,
    why="A training is this, some ten thousand times.",
)


class Step:
    """One step as it should be, beside the learner's: loss, gradients, statistics."""

    def __init__(self, net: Module, images: Tensor, labels: Tensor, **size: int) -> None:
        self.images, self.labels, self.size = images, labels, size
        self.values = {**net.parameters(), **net.buffers()}
        self.loss, self.gradient, self.buffers = self._pass()

    def _pass(self, training: bool = True, forward: object = F.cross_entropy) -> tuple:
        reference = cifar_resnet(8, **self.size).train(training)
        reference.load_state_dict(self.values)
        loss = forward(reference(self.images), self.labels)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in reference.parameters()])
        return loss.item(), gradient, {n: b.clone() for n, b in reference.named_buffers()}

    def without_batch_statistics(self) -> tuple:
        return self._pass(training=False)

    def with_softmax(self) -> tuple:
        return self._pass(forward=lambda scores, y: F.cross_entropy(scores.softmax(1), y))

    def loss_after(self, lr: float) -> float:
        reference = cifar_resnet(8, **self.size)
        reference.load_state_dict(self.values)
        nn.utils.vector_to_parameters(_flat(reference) - lr * self.gradient, reference.parameters())
        return F.cross_entropy(reference(self.images), self.labels).item()


def _flat(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach()


def _joined(parameters: dict[str, Tensor]) -> Tensor:
    return torch.cat([p.flatten() for p in parameters.values()])


SMALL = {"width": 4, "in_channels": 1, "num_classes": 10}


def _batch(count: int, classes: int = 10, channels: int = 1) -> tuple[Tensor, Tensor]:
    return torch.randn(count, channels, 8, 8), torch.randint(classes, (count,))


def _stepped(answer: Answer, net: Module, batch: tuple, lr: float) -> tuple[object, Tensor]:
    """What the answer gives, and the step that the weights took, divided by -lr: the gradient."""
    before = _joined(net.parameters())
    loss = answer(net, *batch, lr)
    return loss, (before - _joined(net.parameters())) / lr


@train_step.probe(
    "the loss is given back",
    idea="The loss of a step is the mean cross-entropy of its batch, before the weights move.",
    hint="`functional.cross_entropy(net(images), labels)`: it takes the scores as they are.",
)
def _(answer: Answer) -> None:
    net, batch = answer.make("cifar_resnet", 8, **SMALL), _batch(12)
    net.set_mode(True)
    right = Step(net, *batch, **SMALL)
    wrong = {
        "The loss is the sum over the batch; take the mean.": 12 * right.loss,
        "There is a softmax before the cross-entropy, which has one inside.": (
            right.with_softmax()[0]
        ),
        "That is the loss after the step; give the one from which its gradients come.": (
            right.loss_after(0.1)
        ),
        "That is the loss in evaluation mode.": right.without_batch_statistics()[0],
    }
    loss, _ = _stepped(answer, net, batch, 0.1)
    expect.near(loss, right.loss, "the loss", wrong=wrong)


@train_step.probe(
    "every weight goes against its gradient",
    idea="Gradient descent: new weight = old weight − learning rate · gradient.",
    hint="Backward first, then the step. Is the learning rate the one that was given? Is there "
    "momentum, or weight decay?",
)
def _(answer: Answer) -> None:
    net, batch = answer.make("cifar_resnet", 8, **SMALL, seed=1), _batch(12)
    net.set_mode(True)
    right = Step(net, *batch, **SMALL).gradient
    _, seen = _stepped(answer, net, batch, 0.5)
    if not seen.any():
        raise Wrong("No weight has changed.")
    expect.close(
        seen,
        right,
        "the change of the weights, divided by -lr,",
        {
            "The weights go along the gradient, uphill; the loss would grow.": -right,
            "The learning rate is not the one that was given: 0.1 instead of 0.5.": right / 5,
            "The learning rate is not the one that was given: 0.01 instead of 0.5.": right / 50,
            "The learning rate does not count.": 2 * right,
            "The step is 12 times too long: for a batch of 12, take the mean of the loss.": (
                12 * right
            ),
        },
        tolerance=1e-3,
    )


@train_step.probe(
    "old gradients are gone",
    idea="`backward` adds to the gradients that are there; it does not replace them.",
    hint="`zero_grad` before `backward`. A step that starts with gradients left over is no step "
    "of this batch.",
)
def _(answer: Answer) -> None:
    net = answer.make("cifar_resnet", 8, **SMALL, seed=2)
    left = _joined(net.run(torch.randn(4, 1, 8, 8), False, torch.randn(4, 10)).gradients)
    net.set_mode(True)
    for number in (1, 2):
        batch = _batch(12)
        right = Step(net, *batch, **SMALL).gradient
        _, seen = _stepped(answer, net, batch, 0.1)
        wrong = {
            "The step goes along the sum of this batch's gradients and those left from before.": (
                right + left
            ),
            "The second step still has momentum from the first.": right + 0.9 * left,
        }
        expect.close(seen, right, f"step {number}, divided by -lr,", wrong, tolerance=2e-3)
        left = right


@train_step.probe(
    "training mode",
    idea="In training, batch normalisation uses the mean and variance of the batch, and gathers "
    "its running averages.",
    hint="An evaluation before may have left the network in evaluation mode: `net.train()`. And "
    "run the network once; each pass moves the averages.",
)
def _(answer: Answer) -> None:
    net, batch = answer.make("cifar_resnet", 8, **SMALL, seed=3), _batch(12)
    net.set_mode(False)
    right = Step(net, *batch, **SMALL)
    net.watch()
    _, seen = _stepped(answer, net, batch, 0.5)
    if not all(call.training for call in net.calls()):
        raise Wrong("The network came in evaluation mode, and ran in evaluation mode.")
    if len(net.calls()) != 1:
        raise Wrong(f"The network ran {len(net.calls())} times for one step.")
    expect.close(seen, right.gradient, "the step, divided by -lr,", tolerance=1e-3)
    name = "bn1.running_mean"
    expect.close(net.buffers()[name], right.buffers[name], f"`{name}` after the step")


@train_step.probe(
    "other numbers",
    idea="The step fits every batch, learning rate and network.",
    hint="Is a number fixed somewhere that should come from the arguments?",
    hidden=True,
)
def _(answer: Answer) -> None:
    size = {"width": 5, "in_channels": 3, "num_classes": 4}
    net = answer.make("cifar_resnet", 8, **size, seed=4)
    for lr in (1.0, 0.03):
        batch = _batch(5, 4, 3)
        right = Step(net, *batch, **size)
        loss, seen = _stepped(answer, net, batch, lr)
        expect.near(loss, right.loss, "the loss")
        expect.close(seen, right.gradient, f"with lr={lr}, the step", tolerance=5e-3)


# --- 5.4 ---

error_percent = Exercise(
    name="error_percent",
    number="5.4",
    title="Evaluate",
    difficulty=2,
    minutes=15,
    points=6,
    why="Every number in this course's tables comes out of a function like this.",
)


def _labelled(net: Module, sizes: dict[int, int], classes: int = 10) -> list[tuple]:
    """Batches of the given sizes, each with the given number of images that `net` gets wrong."""
    batches = []
    for count, wrong in sizes.items():
        images = torch.randn(count, 1, 8, 8)
        labels = net.run(images).output.argmax(1)
        labels[:wrong] = (labels[:wrong] + 1) % classes
        batches.append((images, labels))
    return batches


def _net(answer: Answer, seed: int, **size: int) -> Module:
    """A network whose answers vary, and depend on its running averages."""
    net = answer.make("cifar_resnet", 8, **{**SMALL, **size}, seed=seed)
    values = {**net.parameters(), **net.buffers()}
    for name, value in values.items():
        if "running_var" in name:
            value.uniform_(0.3, 1.5)
        elif "running_mean" in name or name == "fc.weight":
            value.normal_(std=0.5)
    net.load(values)
    return net


@error_percent.probe(
    "the error, in percent",
    idea="Error = 100 · wrong answers / images; the answer is the class with the highest score.",
    hint="`scores.argmax(1)` are the classes of a batch N×classes. Percent, and wrong ones.",
)
def _(answer: Answer) -> None:
    net = _net(answer, 0)
    batches = _labelled(net, {10: 3, 20: 2})
    net.set_mode(False)
    wrong = {
        "That is the accuracy; the error counts the wrong answers.": 100 * 25 / 30,
        "That is the accuracy as a share; the error counts the wrong answers.": 25 / 30,
        "That is the share, between 0 and 1; percent are asked for.": 5 / 30,
        "That is the number of wrong answers; divide by the number of images.": 5,
        "That is the mean of the two batches' errors, but one has twice as many images.": 20.0,
        "Only the last batch counts.": 10.0,
        "Only the first batch counts.": 30.0,
    }
    net.watch()
    seen = answer(net, batches)
    if any(call.training for call in net.calls()):
        raise Wrong("The network comes in evaluation mode, and is judged in training mode.")
    expect.near(seen, 100 * 5 / 30, "the error", wrong=wrong)


@error_percent.probe(
    "a smaller last batch",
    idea="Each image counts the same; in a mean of batch errors those of a small batch count more.",
    hint="Add up the wrong answers and the images, and divide once, at the end.",
)
def _(answer: Answer) -> None:
    net = _net(answer, 1)
    batches = _labelled(net, {16: 4, 17: 2, 3: 3})
    net.set_mode(False)
    wrong = {
        "That is the mean of the three batches' errors, in which 3 images count as much as 17.": (
            100 * (4 / 16 + 2 / 17 + 3 / 3) / 3
        ),
        "The number of images was taken for 3 · 16; the batches differ in size.": 100 * 9 / 48,
        "The number of images was taken for 3 · 3; the batches differ in size.": 100 * 9 / 9,
    }
    expect.near(answer(net, batches), 100 * 9 / 36, "the error", wrong=wrong)


@error_percent.probe(
    "evaluation mode",
    idea="An image's answer must not depend on the other images of its batch.",
    hint="`net.eval()` before the first batch. In training mode batch normalisation takes the "
    "batch's mean and variance, and moves its running averages.",
)
def _(answer: Answer) -> None:
    net = _net(answer, 2)
    batches = _labelled(net, {9: 2, 6: 1})
    before = net.buffers()
    net.set_mode(True)
    net.watch()
    seen = answer(net, batches)
    calls = net.calls()
    if any(call.training for call in calls):
        raise Wrong("The network came in training mode, and images were judged in training mode.")
    moved = [name for name, value in net.buffers().items() if not torch.equal(value, before[name])]
    if moved:
        raise Wrong(f"The evaluation has changed `{moved[0]}`.")
    expect.near(seen, 100 * 3 / 15, "the error")


@error_percent.probe(
    "no gradients",
    idea="Without `no_grad` torch keeps every feature map for a backward pass that never comes.",
    hint="`with torch.no_grad():` around the loop, or `@torch.no_grad()` above the function.",
)
def _(answer: Answer) -> None:
    net = _net(answer, 3)
    net.watch()
    answer(net, _labelled(net, {4: 1, 2: 1}))
    if any(call.gradients for call in net.calls()):
        raise Wrong("torch was told to keep everything that gradients need.")


@error_percent.probe(
    "the network is left as it was",
    idea="Whoever measures must not change what is measured, nor the training that goes on.",
    hint="Remember `net.training` at the start, and at the end `net.train(…)` with what it was.",
)
def _(answer: Answer) -> None:
    net = _net(answer, 4)
    batches, before = _labelled(net, {4: 1, 2: 1}), net.parameters()
    for training, word in ((True, "training"), (False, "evaluation")):
        net.set_mode(training)
        answer(net, batches)
        if set(net.modes().values()) != {training}:
            raise Wrong(f"The network came in {word} mode, and is in the other one afterwards.")
    if any(not torch.equal(value, before[name]) for name, value in net.parameters().items()):
        raise Wrong("The weights have changed.")


@error_percent.probe(
    "other numbers",
    idea="Batches may be of any size, down to a single image, and classes of any number.",
    hint="Is a number fixed somewhere? Does a dimension vanish where a batch is a single image?",
    hidden=True,
)
def _(answer: Answer) -> None:
    net = _net(answer, 5, num_classes=3)
    for sizes in ({1: 1, 7: 2}, {5: 0}, {3: 3, 1: 1}):
        batches = _labelled(net, sizes, 3)
        right = 100 * sum(sizes.values()) / sum(sizes)
        expect.near(answer(net, batches), right, f"for batches of {tuple(sizes)} images the error")


# --- 5.5 ---

augment = Exercise(
    name="augment",
    number="5.5",
    title="Pad, crop, mirror",
    difficulty=3,
    minutes=25,
    points=8,
    why="An image that looks different in every epoch is hard to learn by heart.",
)
MANY = 256  # so many images that what ought to happen by chance does happen


def _images(*shape: int) -> Tensor:
    """Bytes above zero, so that what comes in from outside can be told from what was there."""
    return torch.randint(1, 256, shape, dtype=torch.uint8)


def _drawn(answer: Answer, images: Tensor, padding: int) -> Drawn:
    seen = answer(images, padding)
    expect.shape(seen, tuple(images.shape), "the result")
    if seen.dtype != images.dtype:
        raise Wrong(f"The images are {images.dtype}, and the result is {seen.dtype}.")
    found = decoded(seen, images, padding)
    if isinstance(found, str):
        raise Wrong(found)
    return found


@augment.probe(
    "windows of the padded images",
    idea="An image is framed with zeros, a window of the old size is cut out, and perhaps "
    "mirrored left to right. All its channels go together.",
    hint="`functional.pad(images, (p, p, p, p))`, then for each image a slice of the old height "
    "and width.",
)
def _(answer: Answer) -> None:
    _drawn(answer, _images(8, 3, 7, 9), 2)
    _drawn(answer, _images(8, 3, 7, 9).float() / 255, 2)


@augment.probe(
    "each image has a draw of its own",
    idea="If a whole batch is moved alike, its images still look the same beside each other.",
    hint="Draw as many places as there are images, for top and left apart.",
)
def _(answer: Answer) -> None:
    drawn = _drawn(answer, _images(MANY, 1, 7, 9), 2)
    if not drawn.top.any() and not drawn.left.any():
        raise Wrong("No image is shifted.")
    if len(set(drawn.top.tolist())) == len(set(drawn.left.tolist())) == 1:
        raise Wrong(f"All {MANY} images of the batch are shifted alike.")
    if torch.equal(drawn.top, drawn.left):
        raise Wrong("Every image is shifted as far down as it is shifted to the right.")
    if len(drawn.mirrored.unique()) == 1:
        word = "every" if drawn.mirrored[0] else "no"
        raise Wrong(f"Of {MANY} images {word} one is mirrored.")


@augment.probe(
    "by up to `padding`, in every direction",
    idea="The image may leave its place by `padding` pixels to each of four sides.",
    hint="There are 2 · padding + 1 places for the window's top, and as many for its left. "
    "`torch.randint(n, …)` draws from 0 to n − 1.",
)
def _(answer: Answer) -> None:
    drawn = _drawn(answer, _images(MANY, 1, 7, 9), 2)
    for places, before, after in ((drawn.top, "down", "up"), (drawn.left, "right", "left")):
        counts = [int((places == shift).sum()) for shift in (2, 1, 0, -1, -2)]
        if min(counts) < MANY / 25:  # a fifth each is right; this few is no chance
            words = [f"2 {before}", f"1 {before}", "not at all", f"1 {after}", f"2 {after}"]
            told = ", ".join(f"{word} {count}" for word, count in zip(words, counts, strict=True))
            raise Wrong(f"With padding 2, of {MANY} images are shifted: {told}.")


@augment.probe(
    "one in two is mirrored",
    idea="With probability one half an image is mirrored, left to right.",
    hint="A coin for each image: `torch.rand(n) < 0.5`.",
)
def _(answer: Answer) -> None:
    mirrored = int(_drawn(answer, _images(MANY, 1, 7, 9), 2).mirrored.sum())
    if abs(mirrored - MANY / 2) > 50:  # six standard deviations
        raise Wrong(f"Of {MANY} images {mirrored} are mirrored; expected is about half.")


@augment.probe(
    "new draws each time",
    idea="If each epoch showed the same shifts, they could be learned by heart as well.",
    hint="Do not seed inside the function: a seed belongs to the caller.",
)
def _(answer: Answer) -> None:
    images = _images(MANY, 1, 7, 9)
    if torch.equal(answer(images, 2), answer(images, 2)):
        raise Wrong("Called twice with the same images, it gives twice the same result.")


@augment.probe(
    "the images stay as they are",
    idea="The next epoch needs the images themselves, not what the last one made of them.",
    hint="Write into a new tensor. `torch.empty_like(images)` makes one.",
)
def _(answer: Answer) -> None:
    if not answer.keeps(_images(16, 1, 7, 9), 2):
        raise Wrong("The images that were handed in have changed.")


@augment.probe(
    "other numbers",
    idea="Padding, channels, height and width are those that come in.",
    hint="Is a number fixed somewhere? Are height and width in their order?",
    hidden=True,
)
def _(answer: Answer) -> None:
    for shape, padding in (((40, 2, 11, 6), 4), ((40, 3, 5, 8), 1), ((1, 1, 6, 6), 2)):
        _drawn(answer, _images(*shape), padding)
    drawn = _drawn(answer, _images(MANY, 1, 8, 6), 0)
    if drawn.top.any() or drawn.left.any():
        raise Wrong("With padding 0 images are shifted.")
    floats = torch.randn(64, 1, 12, 12)
    drawn = _drawn(answer, floats, 4)
    if max(drawn.top.abs().max(), drawn.left.abs().max()) < 3:
        raise Wrong("With padding 4 no image is shifted by more than 2.")


EXERCISES = [pick_epoch, learning_rate, train_step, error_percent, augment]
