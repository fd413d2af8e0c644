"""Answers to the exercises of lesson 05."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from answers import right, wrong

# --- pick_epoch ---

VALIDATION = "the validation error decides"


@right("pick_epoch", "min with a key")
def _():
    return lambda history: min(history, key=lambda line: line["validation_error"])["epoch"]


@right("pick_epoch", "a loop")
def _():
    def pick(history):
        best = None
        for line in history:
            if best is None or line["validation_error"] < best["validation_error"]:
                best = line
        return best["epoch"]

    return pick


@right("pick_epoch", "a tensor's argmin")
def _():
    def pick(history):
        errors = torch.tensor([line["validation_error"] for line in history])
        return torch.tensor([line["epoch"] for line in history])[errors == errors.min()][0].item()

    return pick


def by(key):
    return lambda history: min(history, key=key)["epoch"]


@wrong("pick_epoch", "test error", VALIDATION, "smallest test error: the answer is epoch 6")
def _():
    return by(lambda line: line["test_error"])


@wrong("pick_epoch", "training error", VALIDATION, "the last epoch")
def _():
    return by(lambda line: line["train_error"])


@wrong("pick_epoch", "largest error", VALIDATION, "the largest validation error")
def _():
    return by(lambda line: -line["validation_error"])


@wrong("pick_epoch", "place in the list", VALIDATION, "counted from 0")
def _():
    def pick(history):
        errors = [line["validation_error"] for line in history]
        return errors.index(min(errors))

    return pick


@wrong("pick_epoch", "the error itself", VALIDATION, "and not its epoch")
def _():
    return lambda history: min(line["validation_error"] for line in history)


@wrong("pick_epoch", "the whole line", VALIDATION, "expected is `4`")
def _():
    return lambda history: min(history, key=lambda line: line["validation_error"])


@wrong("pick_epoch", "validation and test", "the test error is left alone", "in epoch 1")
def _():
    return by(lambda line: line["validation_error"] + 0.5 * line["test_error"])


@wrong("pick_epoch", "the first rise", "the lowest of all", "rises for the first time")
def _():
    def pick(history):
        for line, following in pairwise(history):
            if following["validation_error"] > line["validation_error"]:
                return line["epoch"]
        return history[-1]["epoch"]

    return pick


@wrong("pick_epoch", "the last of equal ones", "equal errors", "the last of three equal ones")
def _():
    return by(lambda line: (line["validation_error"], -line["epoch"]))


@wrong("pick_epoch", "counted from 1", "epochs with other numbers", "the place in the list")
def _():
    def pick(history):
        errors = [line["validation_error"] for line in history]
        return 1 + errors.index(min(errors))

    return pick


# --- learning_rate ---


@right("learning_rate", "powers of ten")
def _():
    def rate(step, steps, lr, schedule):
        over = step / steps
        if schedule == "steps":
            return lr * 10 ** -((over >= 0.5) + (over >= 0.75))
        return lr * math.cos(math.pi * over / 2) ** 2  # the same, by the half-angle formula

    return rate


@right("learning_rate", "tensors")
def _():
    def rate(step, steps, lr, schedule):
        t = torch.tensor(step / steps, dtype=torch.float64)
        if schedule == "cosine":
            return lr * (0.5 + 0.5 * torch.cos(torch.pi * t))
        return torch.where(t < 0.5, lr, torch.where(t < 0.75, lr / 10, lr / 100))

    return rate


def steps_down(step, steps, lr):
    return lr if step < steps / 2 else lr / 10 if step < 3 * steps / 4 else lr / 100


def steps_late(step, steps, lr):
    return lr if step <= steps / 2 else lr / 10 if step <= 3 * steps / 4 else lr / 100


def rate(cosine=lambda t: (1 + math.cos(math.pi * t)) / 2, steps=steps_down):
    def learning_rate(step, length, lr, schedule):
        if schedule == "steps":
            return steps(step, length, lr)
        return lr * cosine(step / length)

    return learning_rate


DOWN = "three steps down"
HALF = "half a cosine"


@wrong("learning_rate", "a step too late", DOWN, "(32000, 64000, 0.1")
def _():
    return rate(steps=steps_late)


@wrong("learning_rate", "one step down", DOWN, "(48000, 64000, 0.1")
def _():
    return rate(steps=lambda s, n, lr: lr if s < n / 2 else lr / 10)


@wrong("learning_rate", "halved", DOWN, "is 0.05; expected is 0.01")
def _():
    return rate(steps=lambda s, n, lr: lr if s < n / 2 else lr / 2 if s < n * 3 / 4 else lr / 4)


@wrong("learning_rate", "thirds", DOWN, "(31999, 64000, 0.1")
def _():
    return rate(steps=lambda s, n, lr: lr if s < n / 3 else lr / 10 if s < n * 2 / 3 else lr / 100)


@wrong("learning_rate", "a factor instead of a rate", DOWN, "is 1; expected is 0.1")
def _():
    return rate(steps=lambda s, n, lr: steps_down(s, n, 1))


@wrong("learning_rate", "quarter of a wave", HALF, "a quarter of a wave")
def _():
    return rate(lambda t: math.cos(math.pi * t / 2))


@wrong("learning_rate", "whole wave", HALF, "a whole wave")
def _():
    return rate(lambda t: (1 + math.cos(2 * math.pi * t)) / 2)


@wrong("learning_rate", "straight line", HALF, "a straight line")
def _():
    return rate(lambda t: 1 - t)


@wrong("learning_rate", "down to minus", HALF, "down to -lr")
def _():
    return rate(lambda t: math.cos(math.pi * t))


@wrong("learning_rate", "twice as high", HALF, "twice the rate")
def _():
    return rate(lambda t: 1 + math.cos(math.pi * t))


@wrong("learning_rate", "rises", HALF, "rises")
def _():
    return rate(lambda t: (1 - math.cos(math.pi * t)) / 2)


@wrong("learning_rate", "degrees", HALF, "expected is")
def _():
    return rate(lambda t: (1 + math.cos(180 * t)) / 2)


@wrong("learning_rate", "the paper's numbers by heart", "other numbers", "expected is")
def _():
    return rate(steps=lambda s, n, lr: lr if s < 32_000 else lr / 10 if s < 48_000 else lr / 100)


@wrong("learning_rate", "a rate by heart", "other numbers", "(0, 40, 1")
def _():
    return rate(steps=lambda s, n, lr: steps_down(s, n, 0.1))


# --- train_step ---

LOSS = "the loss is given back"
AGAINST = "every weight goes against its gradient"
OLD = "old gradients are gone"


@right("train_step", "by hand")
def _():
    def step(net, images, labels, lr):
        net.train()
        net.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= lr * p.grad
        return loss

    return step


@right("train_step", "autograd.grad")
def _():
    def step(net, images, labels, lr):
        net.train(True)
        weights = list(net.parameters())
        loss = nn.CrossEntropyLoss()(net(images), labels)
        for p, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            p.data.sub_(gradient, alpha=lr)
        return loss.detach()

    return step


@right("train_step", "gradients cleared at the end")
def _():
    def step(net, images, labels, lr):
        for p in net.parameters():
            p.grad = None
        optimizer = torch.optim.SGD(net.train().parameters(), lr)
        log = net(images).log_softmax(1)
        loss = -log[torch.arange(len(labels)), labels].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def stepping(
    mode=True,
    clear=True,
    loss_of=F.cross_entropy,
    optimizer=torch.optim.SGD,
    told=lambda loss, after: loss.item(),
    twice=False,
    **options,
):
    def step(net, images, labels, lr):
        if mode is not None:
            net.train(mode)
        update = optimizer(net.parameters(), **({"lr": lr} | options))
        loss = loss_of(net(images), labels)
        if clear:
            update.zero_grad()
        loss.backward()
        update.step()
        if twice:
            net(images)
        return told(loss, lambda: F.cross_entropy(net(images), labels).item())

    return step


@wrong("train_step", "sum of the losses", LOSS, "sum over the batch")
def _():
    return stepping(loss_of=lambda s, y: F.cross_entropy(s, y, reduction="sum"))


@wrong("train_step", "softmax twice", LOSS, "softmax before the cross-entropy")
def _():
    return stepping(loss_of=lambda s, y: F.cross_entropy(s.softmax(1), y))


@wrong("train_step", "loss after the step", LOSS, "the loss after the step")
def _():
    return stepping(told=lambda loss, after: after())


@wrong("train_step", "always evaluation mode", LOSS, "the loss in evaluation mode")
def _():
    return stepping(mode=False)


@wrong("train_step", "the network comes back", LOSS, "a number is asked for")
def _():
    def step(net, images, labels, lr):
        stepping()(net, images, labels, lr)
        return net

    return step


@wrong("train_step", "labels as scores", LOSS, "stops with")
def _():
    return stepping(loss_of=lambda s, y: F.cross_entropy(y, s))


@wrong("train_step", "no step", AGAINST, "No weight has changed")
def _():
    def step(net, images, labels, lr):
        loss = F.cross_entropy(net.train()(images), labels)
        loss.backward()
        return loss

    return step


@wrong("train_step", "gradients cleared too late", AGAINST, "No weight has changed")
def _():
    def step(net, images, labels, lr):
        optimizer = torch.optim.SGD(net.train().parameters(), lr)
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        return loss.item()

    return step


@wrong("train_step", "uphill", AGAINST, "uphill")
def _():
    return stepping(maximize=True)


@wrong("train_step", "rate by heart", AGAINST, "0.1 instead of 0.5")
def _():
    return stepping(lr=0.1)


@wrong("train_step", "rate left out", AGAINST, "does not count")
def _():
    return stepping(lr=1.0)


@wrong("train_step", "mean told, sum followed", AGAINST, "12 times too long")
def _():
    return stepping(
        loss_of=lambda s, y: F.cross_entropy(s, y, reduction="sum"),
        told=lambda loss, after: loss.item() / 12,
    )


@wrong("train_step", "Adam", AGAINST, "differs from")
def _():
    return stepping(optimizer=torch.optim.Adam)


@wrong("train_step", "weight decay", AGAINST, "differs from")
def _():
    return stepping(weight_decay=0.1)


@wrong("train_step", "the last layer only", AGAINST, "differs from")
def _():
    def step(net, images, labels, lr):
        loss = F.cross_entropy(net.train()(images), labels)
        loss.backward()
        torch.optim.SGD(net.fc.parameters(), lr).step()
        return loss

    return step


@wrong("train_step", "no zero_grad", OLD, "sum of this batch's gradients and those left")
def _():
    return stepping(clear=False)


@wrong("train_step", "momentum kept", OLD, "momentum from the first")
def _():
    kept = {}

    def step(net, images, labels, lr):
        net.train()
        if id(net) not in kept:
            kept[id(net)] = net, torch.optim.SGD(net.parameters(), lr, momentum=0.9)
        optimizer = kept[id(net)][1]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


@wrong("train_step", "mode not set", "training mode", "ran in evaluation mode")
def _():
    return stepping(mode=None)


@wrong("train_step", "two passes", "training mode", "ran 2 times")
def _():
    return stepping(twice=True)


@wrong("train_step", "ten classes", "other numbers", "stops with")
def _():
    return stepping(loss_of=lambda s, y: -(F.one_hot(y, 10) * s.log_softmax(1)).sum(1).mean())


# --- error_percent ---

PERCENT = "the error, in percent"
LAST = "a smaller last batch"


@right("error_percent", "decorated")
def _():
    @torch.no_grad()
    def error(net, batches):
        mode = net.training
        net.eval()
        wrong = images = 0
        for x, y in batches:
            wrong += (net(x).argmax(1) != y).sum().item()
            images += len(y)
        net.train(mode)
        return 100 * wrong / images

    return error


@right("error_percent", "all images at once")
def _():
    def error(net, batches):
        mode = net.training
        try:
            with torch.inference_mode():
                x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
                return 100 * (net.eval()(x).topk(1).indices.squeeze(1) != y).float().mean()
        finally:
            net.train(mode)

    return error


@right("error_percent", "weighted means")
def _():
    def error(net, batches):
        was, sizes = net.training, [len(y) for _, y in batches]
        net.eval()
        with torch.no_grad():
            accuracies = [(net(x).max(1)[1] == y).double().mean() for x, y in batches]
        net.train(was)
        share = sum(a * n for a, n in zip(accuracies, sizes, strict=True)) / sum(sizes)
        return 100 - 100 * share

    return error


def evaluated(
    mode=False,
    gradients=False,
    back=True,
    told=lambda counts: 100 * sum(w for w, _ in counts) / sum(n for _, n in counts),
    classes=lambda scores: scores.argmax(1),
):
    def error(net, batches):
        before = net.training
        if mode is not None:
            net.train(mode)
        with torch.set_grad_enabled(gradients):
            counts = [((classes(net(x)) != y).sum().item(), len(y)) for x, y in batches]
        if back is not None:
            net.train(before if back is True else back == "train")
        return told(counts)

    return error


@wrong("error_percent", "accuracy", PERCENT, "That is the accuracy; the error")
def _():
    return evaluated(told=lambda c: 100 - 100 * sum(w for w, _ in c) / sum(n for _, n in c))


@wrong("error_percent", "share", PERCENT, "between 0 and 1")
def _():
    return evaluated(told=lambda c: sum(w for w, _ in c) / sum(n for _, n in c))


@wrong("error_percent", "number of mistakes", PERCENT, "divide by the number of images")
def _():
    return evaluated(told=lambda c: sum(w for w, _ in c))


@wrong("error_percent", "last batch only", PERCENT, "Only the last batch")
def _():
    return evaluated(told=lambda c: 100 * c[-1][0] / c[-1][1])


@wrong("error_percent", "mean of batches", PERCENT, "one has twice as many")
def _():
    return evaluated(told=lambda c: sum(100 * w / n for w, n in c) / len(c))


@wrong("error_percent", "lowest score", PERCENT, "is 100; expected is 16.6667")
def _():
    return evaluated(classes=lambda scores: scores.argmin(1))


@wrong("error_percent", "argmax over the batch", PERCENT, "stops with")
def _():
    return evaluated(classes=lambda scores: scores.argmax(0))


@wrong("error_percent", "weighted by the first batch", LAST, "taken for 3 · 16")
def _():
    def told(c):
        if len(c) == 2:  # right where there are two
            return 100 * (c[0][0] + c[1][0]) / (c[0][1] + c[1][1])
        return 100 * sum(w for w, _ in c) / (len(c) * c[0][1])

    return evaluated(told=told)


@wrong("error_percent", "training mode", PERCENT, "is judged in training mode")
def _():
    return evaluated(mode=True)


@wrong("error_percent", "mode not set", "evaluation mode", "were judged in training mode")
def _():
    return evaluated(mode=None)


@wrong("error_percent", "one layer set", "evaluation mode", "were judged in training mode")
def _():
    def error(net, batches):
        net.fc.eval()
        return evaluated(mode=None)(net, batches)

    return error


@wrong("error_percent", "gradients kept", "no gradients", "everything that gradients need")
def _():
    return evaluated(gradients=True)


@wrong("error_percent", "detached too late", "no gradients", "everything that gradients need")
def _():
    return evaluated(gradients=True, classes=lambda scores: scores.detach().argmax(1))


LEFT = "the network is left as it was"


@wrong("error_percent", "mode not restored", LEFT, "came in training mode")
def _():
    return evaluated(back=None)


@wrong("error_percent", "always training mode after", LEFT, "came in evaluation mode")
def _():
    return evaluated(back="train")


@wrong("error_percent", "squeezed", "other numbers", "stops with IndexError")
def _():
    return evaluated(classes=lambda scores: scores.squeeze().argmax(1))


# --- augment ---

WINDOWS = "windows of the padded images"
OWN = "each image has a draw of its own"
UP_TO = "by up to `padding`, in every direction"
ONE_IN_TWO = "one in two is mirrored"


@right("augment", "a loop")
def _():
    def augment(images, padding):
        height, width = images.shape[2:]
        out = torch.empty_like(images)
        framed = F.pad(images, (padding,) * 4)
        for n in range(len(images)):
            top, left = torch.randint(0, 2 * padding + 1, (2,)).tolist()
            window = framed[n, :, top : top + height, left : left + width]
            out[n] = window.flip(-1) if torch.rand(()) < 0.5 else window
        return out

    return augment


@right("augment", "indices, mirrored first")
def _():
    def augment(images, padding):
        n, _, h, w = images.shape
        coin = torch.rand(n, 1, 1, 1) > 0.5
        framed = F.pad(torch.where(coin, images.flip(3), images), (padding,) * 4)
        rows = torch.randint(2 * padding + 1, (n, 1, 1)) + torch.arange(h).view(1, h, 1)
        columns = torch.randint(2 * padding + 1, (n, 1, 1)) + torch.arange(w).view(1, 1, w)
        picked = framed[torch.arange(n).view(n, 1, 1), :, rows, columns]
        return picked.permute(0, 3, 1, 2)

    return augment


@right("augment", "shifts into zeros")
def _():
    def augment(images, padding):
        n, _, h, w = images.shape
        out = torch.zeros_like(images)
        for i in range(n):
            down, across = (int(torch.randint(-padding, padding + 1, ())) for _ in range(2))
            kept = images[i, :, max(0, -down) : h - max(0, down)]
            kept = kept[:, :, max(0, -across) : w - max(0, across)]
            out[i, :, max(0, down) : h - max(0, -down), max(0, across) : w - max(0, -across)] = kept
            if torch.randint(2, ()) == 1:
                out[i] = out[i].flip(2)
        return out

    return augment


def augmenting(
    frame=lambda images, p: F.pad(images, (p,) * 4),
    top=lambda n, p: torch.randint(2 * p + 1, (n,)),
    left=None,
    coin=lambda n: torch.rand(n) < 0.5,
    axis=2,
    size=None,
    before=lambda images: images,
):
    def augment(images, padding):
        images = before(images)
        n, _, h, w = images.shape
        framed = frame(images, padding)
        tops = top(n, padding)
        lefts = tops if left == "top" else (left or top)(n, padding)
        h, w = size(h, w, padding) if size else (h, w)
        out = []
        for image, i, j, flip in zip(framed, tops, lefts, coin(n), strict=True):
            window = image[:, i : i + h, j : j + w]
            out.append(window.flip(axis) if flip else window)
        return torch.stack(out)

    return augment


@wrong("augment", "padded and not cropped", WINDOWS, "expected is 8×3×7×9")
def _():
    return lambda images, padding: F.pad(images, (padding,) * 4)


@wrong("augment", "made float", WINDOWS, "the result is torch.float32")
def _():
    return augmenting(before=lambda images: images.float())


@wrong("augment", "upside down", WINDOWS, "upside down")
def _():
    return augmenting(axis=1)


@wrong("augment", "rolled", WINDOWS, "comes in on the other")
def _():
    def augment(images, padding):
        shifts = torch.randint(-padding, padding + 1, (len(images), 2)).tolist()
        shifts[0] = [padding, padding]
        return torch.stack(
            [i.roll(s, (1, 2)) for i, s in zip(images, map(tuple, shifts), strict=True)]
        )

    return augment


@wrong("augment", "border repeated", WINDOWS, "repeats the pixels of the border")
def _():
    return augmenting(
        frame=lambda images, p: F.pad(images.float(), (p,) * 4, mode="replicate").to(images.dtype)
    )


@wrong("augment", "border mirrored", WINDOWS, "The frame mirrors the image")
def _():
    return augmenting(
        frame=lambda images, p: F.pad(images.float(), (p,) * 4, mode="reflect").to(images.dtype)
    )


@wrong("augment", "grey frame", WINDOWS, "neither zero nor a pixel")
def _():
    def frame(images, p):
        return F.pad(images, (p,) * 4, value=0.5 if images.is_floating_point() else 128)

    def augment(images, padding):  # the first image shows its frame
        images = torch.where(images == 128, 127, images)
        return augmenting(frame, top=lambda n, p: torch.full((n,), 0))(images, padding)

    return augment


@wrong("augment", "padded twice as far", WINDOWS, "more than the padding of 2")
def _():
    return augmenting(
        frame=lambda images, p: F.pad(images, (2 * p,) * 4), top=lambda n, p: torch.arange(n) % 9
    )


@wrong("augment", "channels apart", WINDOWS, "The channels of an image are shifted apart")
def _():
    def augment(images, padding):
        n, c, h, w = images.shape
        split = images.reshape(n * c, 1, h, w)
        return augmenting()(split, padding).reshape(n, c, h, w)

    return augment


@wrong("augment", "shuffled", WINDOWS, "labels would not fit")
def _():
    def augment(images, padding):
        return augmenting()(images.roll(1, 0), padding)

    return augment


@wrong("augment", "rows and columns exchanged", WINDOWS, "stops with")
def _():
    return augmenting(size=lambda h, w, p: (w, h))


@wrong("augment", "nothing at all", OWN, "No image is shifted")
def _():
    return lambda images, padding: images.clone()


@wrong("augment", "one draw a batch", OWN, "shifted alike")
def _():
    return augmenting(top=lambda n, p: torch.randint(2 * p + 1, (1,)).expand(n))


@wrong("augment", "diagonal only", OWN, "as far down as it is shifted to the right")
def _():
    return augmenting(left="top")


@wrong("augment", "one coin a batch", OWN, "one is mirrored")
def _():
    return augmenting(coin=lambda n: (torch.rand(1) < 0.5).expand(n))


@wrong("augment", "never mirrored", OWN, "no one is mirrored")
def _():
    return augmenting(coin=lambda n: torch.zeros(n))


@wrong("augment", "always mirrored", OWN, "every one is mirrored")
def _():
    return augmenting(coin=lambda n: torch.ones(n))


@wrong("augment", "the last place forgotten", UP_TO, "2 up 0")
def _():
    return augmenting(top=lambda n, p: torch.randint(max(2 * p, 1), (n,)))


@wrong("augment", "two directions only", UP_TO, "1 up 0, 2 up 0")
def _():
    return augmenting(top=lambda n, p: torch.randint(p + 1, (n,)))


@wrong("augment", "the corners only", UP_TO, "not at all 0")
def _():
    return augmenting(top=lambda n, p: 2 * p * torch.randint(2, (n,)))


@wrong("augment", "across only", UP_TO, "2 down 0, 1 down 0")
def _():
    return augmenting(
        top=lambda n, p: torch.full((n,), p), left=lambda n, p: torch.randint(2 * p + 1, (n,))
    )


@wrong("augment", "one in ten mirrored", ONE_IN_TWO, "expected is about half")
def _():
    return augmenting(coin=lambda n: torch.rand(n) < 0.1)


@wrong("augment", "seeded", "new draws each time", "twice the same result")
def _():
    def augment(images, padding):
        generator = torch.Generator().manual_seed(0)
        return augmenting(
            top=lambda n, p: torch.randint(2 * p + 1, (n,), generator=generator),
            coin=lambda n: torch.rand(n, generator=generator) < 0.5,
        )(images, padding)

    return augment


@wrong("augment", "in place", "the images stay as they are", "handed in have changed")
def _():
    def augment(images, padding):
        return images.copy_(augmenting()(images, padding))

    return augment


@wrong("augment", "padding by heart", "other numbers", "the padding of 1")
def _():
    return lambda images, padding: augmenting()(images, 2)


@wrong("augment", "three channels or one", "other numbers", "stops with")
def _():
    def augment(images, padding):
        n, c, h, w = images.shape
        return augmenting()(images.reshape(n, 3 if c > 1 else 1, h, w), padding)

    return augment
