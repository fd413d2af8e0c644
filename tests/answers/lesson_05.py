"""Answers to the exercises of lesson 05, besides those that its checks know by name."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from answers import accepted, all_rejected, learner, rejected

THEIRS = learner("lesson_05")

# --- pick_epoch ---


@accepted("pick_epoch", "a loop")
def a_loop(history):
    best = None
    for line in history:
        if best is None or line["validation_error"] < best["validation_error"]:
            best = line
    return best["epoch"]


@accepted("pick_epoch", "a tensor's argmin")
def argmin(history):
    errors = torch.tensor([line["validation_error"] for line in history])
    return torch.tensor([line["epoch"] for line in history])[errors == errors.min()][0].item()


rejected(
    "pick_epoch",
    "the whole line",
    "the validation error decides",
    "expected is `4`",
    lambda history: min(history, key=lambda line: line["validation_error"]),
)
rejected(
    "pick_epoch",
    "validation and test",
    "the test error is left alone",
    "in epoch 1",
    THEIRS.smallest(lambda line: line["validation_error"] + 0.5 * line["test_error"]),
)

# --- learning_rate ---


@accepted("learning_rate", "powers of ten")
def powers_of_ten(step, steps, lr, schedule):
    over = step / steps
    if schedule == "steps":
        return lr * 10 ** -((over >= 0.5) + (over >= 0.75))
    return lr * math.cos(math.pi * over / 2) ** 2  # the same, by the half-angle formula


@accepted("learning_rate", "tensors")
def tensors(step, steps, lr, schedule):
    t = torch.tensor(step / steps, dtype=torch.float64)
    if schedule == "cosine":
        return lr * (0.5 + 0.5 * torch.cos(torch.pi * t))
    return torch.where(t < 0.5, lr, torch.where(t < 0.75, lr / 10, lr / 100))


all_rejected(
    "learning_rate",
    "three steps down",
    {
        "a step too late": (
            "(32000, 64000, 0.1",
            lambda s, n, lr, kind: powers_of_ten(max(s - 1, 0), n, lr, kind),
        ),
        "one step down": ("(48000, 64000, 0.1", lambda s, n, lr, _: lr if 2 * s < n else lr / 10),
        "thirds": (
            "(31999, 64000, 0.1",
            lambda s, n, lr, _: lr if 3 * s < n else lr / 10 if 3 * s < 2 * n else lr / 100,
        ),
        "a factor instead of a rate": (
            "is 1; expected is 0.1",
            lambda s, n, lr, kind: powers_of_ten(s, n, 1, kind),
        ),
    },
)
rejected(
    "learning_rate",
    "degrees",
    "half a cosine",
    "expected is",
    THEIRS.scheduled(lambda over: (1 + math.cos(180 * over)) / 2),
)
all_rejected(
    "learning_rate",
    "other numbers",
    {
        "the paper's numbers by heart": (
            "expected is",
            lambda s, n, lr, kind: powers_of_ten(s, 64_000 if kind == "steps" else n, lr, kind),
        ),
        "a rate by heart": ("(0, 37, 0.2", lambda s, n, _, kind: powers_of_ten(s, n, 0.1, kind)),
    },
)

# --- train_step ---

AGAINST = "every weight goes against its gradient"
stepping = THEIRS.stepping


@accepted("train_step", "by hand")
def by_hand(net, images, labels, lr):
    net.train()
    net.zero_grad()
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= lr * p.grad
    return loss


@accepted("train_step", "autograd.grad")
def with_autograd(net, images, labels, lr):
    net.train(True)
    weights = list(net.parameters())
    loss = nn.CrossEntropyLoss()(net(images), labels)
    for p, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        p.data.sub_(gradient, alpha=lr)
    return loss.detach()


def the_network(net, *batch_and_lr):
    stepping()(net, *batch_and_lr)
    return net


@rejected("train_step", "no step", AGAINST, "No weight has changed")
def no_step(net, images, labels, lr):
    loss = F.cross_entropy(net.train()(images), labels)
    loss.backward()
    return loss


@rejected("train_step", "mode not set", "training mode", "ran in evaluation mode")
def mode_not_set(net, *batch_and_lr):
    return stepping(training=net.training)(net, *batch_and_lr)


@rejected("train_step", "two passes", "training mode", "ran 2 times")
def two_passes(net, images, labels, lr):
    loss = stepping()(net, images, labels, lr)
    net(images)
    return loss


all_rejected(
    "train_step",
    "the loss is given back",
    {
        "the network comes back": ("a number is asked for", the_network),
        "labels as scores": ("stops with", stepping(lambda s, y: F.cross_entropy(y, s))),
    },
)
all_rejected(
    "train_step",
    AGAINST,
    {
        "Adam": ("differs from", stepping(optimizer=torch.optim.Adam)),
        "weight decay": ("differs from", stepping(weight_decay=0.1)),
    },
)
rejected(
    "train_step",
    "ten classes",
    "other numbers",
    "stops with",
    stepping(lambda s, y: -(F.one_hot(y, 10) * s.log_softmax(1)).sum(1).mean()),
)

# --- error_percent ---


@accepted("error_percent", "all images at once")
def all_at_once(net, batches):
    mode = net.training
    try:
        with torch.inference_mode():
            x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
            return 100 * (net.eval()(x).topk(1).indices.squeeze(1) != y).float().mean()
    finally:
        net.train(mode)


@accepted("error_percent", "weighted means")
def weighted_means(net, batches):
    was, sizes = net.training, [len(y) for _, y in batches]
    net.eval()
    with torch.no_grad():
        accuracies = [(net(x).max(1)[1] == y).double().mean() for x, y in batches]
    net.train(was)
    share = sum(a * n for a, n in zip(accuracies, sizes, strict=True)) / sum(sizes)
    return 100 - 100 * share


def evaluating(
    before=lambda net: net.eval(),
    after=lambda net, was: net.train(was),
    gradients=False,
    classes=lambda scores: scores.argmax(1),
):
    def error(net, batches):
        was = net.training
        before(net)
        with torch.set_grad_enabled(gradients):
            wrong = sum((classes(net(x)) != y).sum().item() for x, y in batches)
        after(net, was)
        return 100 * wrong / sum(len(y) for _, y in batches)

    return error


def small_ones_left_out(net, batches):
    return evaluating()(net, [each for each in batches if len(each[1]) >= len(batches[0][1])])


all_rejected(
    "error_percent",
    "the error, in percent",
    {
        "lowest score": (
            "is 100; expected is 16.6667",
            evaluating(classes=lambda scores: scores.argmin(1)),
        ),
        "argmax over the batch": ("stops with", evaluating(classes=lambda s: s.argmax(0))),
        "training mode": ("judged in training mode", evaluating(lambda net: net.train())),
    },
)
rejected(
    "error_percent",
    "smaller batches left out",
    "a smaller last batch",
    "is 18.1818; expected is 25",
    small_ones_left_out,
)
all_rejected(
    "error_percent",
    "evaluation mode",
    {
        "mode not set": ("were judged in training mode", evaluating(lambda net: None)),
        "one layer set": ("were judged in training mode", evaluating(lambda net: net.fc.eval())),
    },
)
all_rejected(
    "error_percent",
    "no gradients",
    {
        "gradients kept": ("everything that gradients need", evaluating(gradients=True)),
        "detached too late": (
            "everything that gradients need",
            evaluating(gradients=True, classes=lambda scores: scores.detach().argmax(1)),
        ),
    },
)
all_rejected(
    "error_percent",
    "the network is left as it was",
    {
        "mode not restored": ("came in training mode", evaluating(after=lambda net, was: None)),
        "always training mode after": (
            "came in evaluation mode",
            evaluating(after=lambda net, was: net.train()),
        ),
    },
)
rejected(
    "error_percent",
    "squeezed",
    "other numbers",
    "stops with IndexError",
    evaluating(classes=lambda scores: scores.squeeze().argmax(1)),
)

# --- augment ---


@accepted("augment", "a loop")
def looping(images, padding):
    height, width = images.shape[2:]
    out = torch.empty_like(images)
    framed = F.pad(images, (padding,) * 4)
    for n in range(len(images)):
        top, left = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        window = framed[n, :, top : top + height, left : left + width]
        out[n] = window.flip(-1) if torch.rand(()) < 0.5 else window
    return out


@accepted("augment", "indices, mirrored first")
def indices(images, padding):
    n, _, h, w = images.shape
    coin = torch.rand(n, 1, 1, 1) > 0.5
    framed = F.pad(torch.where(coin, images.flip(3), images), (padding,) * 4)
    rows = torch.randint(2 * padding + 1, (n, 1, 1)) + torch.arange(h).view(1, h, 1)
    columns = torch.randint(2 * padding + 1, (n, 1, 1)) + torch.arange(w).view(1, 1, w)
    picked = framed[torch.arange(n).view(n, 1, 1), :, rows, columns]
    return picked.permute(0, 3, 1, 2)


@accepted("augment", "shifts into zeros")
def shifts_into_zeros(images, padding):
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


def places(n, p):
    return torch.randint(2 * p + 1, (n,))


def augmenting(
    frame=lambda images, p: F.pad(images, (p,) * 4),
    top=places,
    left=None,
    coin=lambda n: torch.rand(n) < 0.5,
    axis=2,
):
    def augment(images, padding):
        n, _, h, w = images.shape
        framed, tops = frame(images, padding), top(n, padding)
        lefts = (left or top)(n, padding)
        out = []
        for image, i, j, flip in zip(framed, tops, lefts, coin(n), strict=True):
            window = image[:, i : i + h, j : j + w]
            out.append(window.flip(axis) if flip else window)
        return torch.stack(out)

    return augment


def framed_by(mode):
    """A frame of what stands at the border."""
    return augmenting(lambda images, p: F.pad(images.float(), (p,) * 4, mode=mode).to(images.dtype))


def rolled(images, padding):
    shifts = torch.randint(-padding, padding + 1, (len(images), 2)).tolist()
    shifts[0] = [padding, padding]
    moved = [image.roll(tuple(s), (1, 2)) for image, s in zip(images, shifts, strict=True)]
    return torch.stack(moved)


def grey_frame(images, padding):
    images = torch.where(images == 128, 127, images)
    grey = 0.5 if images.is_floating_point() else 128
    # The first image shows its frame.
    corner = augmenting(lambda x, p: F.pad(x, (p,) * 4, value=grey), lambda n, p: [0] * n)
    return corner(images, padding)


def channels_apart(images, padding):
    n, c, h, w = images.shape
    return augmenting()(images.reshape(n * c, 1, h, w), padding).reshape(n, c, h, w)


def seeded(images, padding):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return augmenting()(images, padding)


def three_channels_or_one(images, padding):
    n, c, h, w = images.shape
    return augmenting()(images.reshape(n, 3 if c > 1 else 1, h, w), padding)


all_rejected(
    "augment",
    "windows of the padded images",
    {
        "padded and not cropped": (
            "expected is 8×3×7×9",
            lambda images, padding: F.pad(images, (padding,) * 4),
        ),
        "made float": (
            "the result is torch.float32",
            lambda images, padding: looping(images.float(), padding),
        ),
        "upside down": ("upside down", augmenting(axis=1)),
        "rolled": ("comes in on the other", rolled),
        "border repeated": ("repeats the pixels of the border", framed_by("replicate")),
        "border mirrored": ("The frame mirrors the image", framed_by("reflect")),
        "grey frame": ("neither zero nor a pixel", grey_frame),
        "padded twice as far": (
            "more than the padding of 2",
            lambda images, padding: looping(images, 2 * padding),
        ),
        "channels apart": ("The channels of an image are shifted apart", channels_apart),
        "shuffled": (
            "labels would not fit",
            lambda images, padding: looping(images.roll(1, 0), padding),
        ),
    },
)
all_rejected(
    "augment",
    "each image has a draw of its own",
    {
        "nothing at all": ("No image is shifted", lambda images, padding: images.clone()),
        "one draw a batch": ("shifted alike", augmenting(top=lambda n, p: places(1, p).expand(n))),
        "diagonal only": (
            "as far down as it is shifted to the right",
            augmenting(top=lambda n, p: torch.arange(n) % (2 * p + 1)),
        ),
        "never mirrored": ("no one is mirrored", augmenting(coin=torch.zeros)),
        "always mirrored": ("every one is mirrored", augmenting(coin=torch.ones)),
    },
)
all_rejected(
    "augment",
    "by up to `padding`, in every direction",
    {
        "the last place forgotten": (
            "2 up 0",
            augmenting(top=lambda n, p: torch.randint(max(2 * p, 1), (n,))),
        ),
        "the corners only": (
            "not at all 0",
            augmenting(top=lambda n, p: 2 * p * torch.randint(2, (n,))),
        ),
        "across only": (
            "2 down 0, 1 down 0",
            augmenting(top=lambda n, p: torch.full((n,), p), left=places),
        ),
    },
)
rejected(
    "augment",
    "one in ten mirrored",
    "one in two is mirrored",
    "expected is about half",
    augmenting(coin=lambda n: torch.rand(n) < 0.1),
)
rejected("augment", "seeded", "new draws each time", "twice the same result", seeded)
rejected(
    "augment",
    "in place",
    "the images stay as they are",
    "handed in have changed",
    lambda images, padding: images.copy_(looping(images, padding)),
)
all_rejected(
    "augment",
    "other numbers",
    {
        "padding by heart": ("the padding of 1", lambda images, padding: looping(images, 2)),
        "three channels or one": ("stops with", three_channels_or_one),
    },
)
