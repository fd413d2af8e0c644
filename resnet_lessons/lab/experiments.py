"""The named experiments of the course: which networks are trained, on what, and how.

`python -m resnet_lessons.lab NAME` runs one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import torch
from torch import nn

from resnet_lessons.apply import few, freeze_features, new_head, only
from resnet_lessons.data import Dataset, load
from resnet_lessons.lab.trial import Trial
from resnet_lessons.lab.variants import LEVELS, SETTINGS, layers_with_weights, small_variant
from resnet_lessons.networks import BasicBlock, cifar_resnet, lesson_nine
from resnet_lessons.training import own_random_state, train


@dataclass(frozen=True, kw_only=True)
class PlannedRun(Trial):
    """One training of an experiment, as it is to be run.

    Attributes:
        build: makes the network, from the number of channels and of classes; torch is seeded
            before it is called.
        recipe: keyword arguments of `train`.
        settings: what else belongs to its origin, such as the width.
        images: makes, of the experiment's images, those of this training; default, all.
    """

    build: Callable[[int, int], nn.Module]
    recipe: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict)
    images: Callable[[Dataset], Dataset] = lambda data: data

    @property
    def stored_recipe(self) -> dict[str, object]:
        """What a stored line says about how the network was trained."""
        return {**self.recipe, **self.settings}


@dataclass(frozen=True)
class Experiment:
    """Trainings on the same images, and how they are shown.

    Attributes:
        data: loads the images.
        runs: in the order in which they are run.
        picture: `"depth"` for errors against depth, `"curves"` for errors against epochs,
            `"images"` for errors against the number of images, `"changes"` for a row a label,
            `"cost"` for errors against multiply-adds.
        title: of the picture.
        published: test errors in percent that others report, by kind and depth.
    """

    data: Callable[[], Dataset]
    runs: tuple[PlannedRun, ...]
    picture: str
    title: str
    published: Mapping[tuple[str, int], str] = field(default_factory=dict)


def pair(depth: int, seed: int, width: int, recipe: Mapping[str, object]) -> list[PlannedRun]:
    """A plain and a residual 6n+2 network with the same initial weights."""
    return [
        PlannedRun(
            kind=kind,
            depth=depth,
            seed=seed,
            build=partial(cifar_resnet, depth, kind == "residual", width),
            recipe=recipe,
            settings={"width": width},
        )
        for kind in ("plain", "residual")
    ]


def pairs(
    seeds: Sequence[int], depths: Sequence[int], width: int, recipe: Mapping[str, object]
) -> tuple[PlannedRun, ...]:
    """The pairs of all depths, seed by seed."""
    return tuple(
        run for seed in seeds for depth in depths for run in pair(depth, seed, width, recipe)
    )


DEPTH_TITLE = "Networks of equal parameters: a dot is a training, a band spans the seeds"
SEEDS = (0, 1, 2)

MINI = {"epochs": 12, "batch_size": 128, "lr": 0.1, "weight_decay": 1e-4}

# In search of a recipe under which depth pays, on images and networks as small as those of MINI: a
# lower learning rate, and a warm-up of one epoch (79 steps), each alone and both. Chosen on seeds
# that no other experiment uses.
SEARCH_RATES, SEARCH_WARMUPS, SEARCH_SEEDS = (0.1, 0.05, 0.03, 0.02), (0, 79), (10, 11)


def recipes_tried(seed: int, residual: bool) -> list[PlannedRun]:
    """Networks of 20 and of 56 layers, once with each recipe of the search."""
    return [
        replace(
            pair(depth, seed, 8, MINI | {"lr": lr, "warmup": warmup})[residual],
            change=f"lr {lr}, warm-up {warmup}",
            x=depth,
            unit="layers",
        )
        for lr in SEARCH_RATES
        for warmup in SEARCH_WARMUPS
        for depth in (20, 56)
    ]


# The paper's networks and images at a quarter of the pixels, for a CPU: a schedule fit for few
# epochs, in which the warm-up of the paper's ResNet-110 (400 steps) is given to all.
PAPER_SMALL = {
    "epochs": 12,
    "batch_size": 128,
    "lr": 0.1,
    "weight_decay": 1e-4,
    "warmup": 400,
    "augmented": True,
    "padding": 2,
}

# He et al. 2015, §4.2. 64,000 steps of 128 images end in the 164th epoch of 50,000. In place of the
# paper's mean image, the mean and deviation of each channel are taken off.
PAPER = {
    "epochs": 164,
    "steps": 64_000,
    "batch_size": 128,
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "steps",
    "augmented": True,
    "padding": 4,
    "mixed_precision": False,
}
# Table 6 of the paper; for 110 layers the best of five, and their mean ± deviation.
PAPER_TEST_ERRORS = {20: "8.75", 32: "7.51", 44: "7.17", 56: "6.97", 110: "6.43 (6.61 ± 0.16)"}


def _paper(seed: int) -> list[PlannedRun]:
    """The paper's nets: pairs up to 56 layers, and a residual net of 110, which warms up."""
    _, deepest = pair(110, seed, 16, PAPER | {"warmup": 400})
    return [*pairs([seed], (20, 32, 44, 56), 16, PAPER), deepest]


# What the article trains with: `d2l.train_ch6` is SGD alone, without momentum, at a constant rate.
ARTICLE = {
    "epochs": 20,
    "batch_size": 64,
    "lr": 0.01,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "schedule": "constant",
    "augmented": False,
}


def xavier_init(model: nn.Module) -> nn.Module:
    """Weights as `d2l.train_ch6` draws them: Glorot and Bengio 2010, uniform; biases stay."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    return model


def mendings(seed: int, size: int, recipe: Mapping[str, object]) -> list[PlannedRun]:
    """The article's training, and then one change after another, each on top of those before.

    Args:
        size: pixels a side that the 32×32 images are enlarged to.
        recipe: of the article's training.
    """
    steps = {
        "as published": {},
        "+ mended block": {},
        "+ augmentation": {"augmented": True, "padding": size // 8},
        "+ momentum": {"momentum": 0.9},
        "+ cosine schedule": {"schedule": "cosine"},
        "+ weight decay": {"weight_decay": 5e-4},
    }
    runs = []
    for kind, change in steps.items():
        recipe = {**recipe, **change}
        faithful = not runs
        runs.append(
            PlannedRun(
                kind=kind,
                depth=18,
                seed=seed,
                build=lambda channels, classes, faithful=faithful: xavier_init(
                    lesson_nine(channels, classes, faithful)
                ),
                recipe=recipe,
                settings={"size": size},
            )
        )
    return runs


def article_images(size: int, train: int | None = None, test: int | None = None) -> Dataset:
    """CIFAR-10 as the article feeds it: enlarged, and scaled from [0, 1] to [-1, 1]."""
    data = load("cifar10").take(train, test).resized(size)
    return replace(data, mean=(0.5,) * 3, std=(0.5,) * 3)


# Transfer: four classes after the six others. The first four are all that is worn above; of the
# second four, each has kin among its six others: pullover, coat and dress, or the sandal.
TOPS = ("T-shirt/top", "Pullover", "Coat", "Shirt")
OTHERS = ("Trouser", "Dress", "Sandal", "Sneaker", "Bag", "Ankle boot")
KIN = ("T-shirt/top", "Sneaker", "Shirt", "Ankle boot")
KIN_OTHERS = ("Trouser", "Pullover", "Dress", "Coat", "Sandal", "Bag")
PRETRAINING = {"epochs": 8, "batch_size": 128, "lr": 0.1}
# Few images are repeated to an epoch of 1,280, so that all trainings take equally many steps.
TRANSFER = {"epochs": 12, "batch_size": 32, "lr": 0.1}
TRANSFER_EPOCH, TRANSFER_IMAGES = 1280, (20, 80, 320, 1280)


@lru_cache
def pretrained(seed: int, classes: tuple[str, ...]) -> nn.Module:
    """A residual network of 14 layers and width 8, trained with these classes.

    Trained once a process, seed and classes; whoever wants to change it makes a copy. The caller's
    random state stays as it is.
    """
    data = only(load().pooled(2), classes)
    with own_random_state(data.device):
        torch.manual_seed(seed)
        net = cifar_resnet(14, True, 8, data.in_channels, data.num_classes)
        label = f"pretraining seed {seed}"
        train(net, data, **PRETRAINING, seed=seed, label=label, live=False, progress=False)
    return net


def transfers(seed: int, source: tuple[str, ...]) -> list[PlannedRun]:
    """From scratch, frozen, fine-tuned, and all frozen but the last stage; on few images and many.

    Args:
        source: the classes of the pretraining.
    """

    def tuned(channels: int, classes: int) -> nn.Module:
        return new_head(pretrained(seed, source), classes)

    starts = {
        "from scratch": lambda channels, classes: cifar_resnet(14, True, 8, channels, classes),
        "frozen": lambda *shape: freeze_features(tuned(*shape)),
        "fine-tuned": tuned,
        "frozen to layer2": lambda *shape: freeze_features(tuned(*shape), but=("layer3",)),
    }
    return [
        PlannedRun(
            kind=kind,
            depth=14,
            seed=seed,
            x=count,
            unit="images",
            build=build,
            recipe=TRANSFER,
            settings={"width": 8, "images": count, "pretraining": PRETRAINING},
            images=lambda data, count=count: few(data, count, seed, TRANSFER_EPOCH),
        )
        for count in TRANSFER_IMAGES
        for kind, build in starts.items()
    ]


START = MINI | {"epochs": 3}


def zero_branches(*shape: object) -> nn.Module:
    """`cifar_resnet`, but every branch starts at F(x) = 0; all other first weights stay."""
    net = cifar_resnet(*shape)
    for module in net.modules():
        if isinstance(module, BasicBlock):
            module.zero_residual()
    return net


def relu_before_addition(*shape: object) -> nn.Module:
    """`cifar_resnet` with the article's fault: F(x) passes a ReLU before it is added."""
    net = cifar_resnet(*shape)
    for module in net.modules():
        if isinstance(module, BasicBlock):
            module.bn2 = nn.Sequential(module.bn2, nn.ReLU())
    return net


def starts(seed: int, recipe: Mapping[str, object] = START) -> list[PlannedRun]:
    """Residual networks with one thing changed, and deep plain ones, once with a warm-up."""

    def start(
        build: Callable[..., nn.Module], kind: str, depth: int = 20, **options: object
    ) -> PlannedRun:
        if depth != 20 and (kind not in ("plain", "residual") or options):
            options |= {"x": depth, "unit": "layers"}  # named only where it is not 20
        return PlannedRun(
            kind=kind,
            depth=depth,
            seed=seed,
            build=partial(build, depth, kind != "plain", 8),
            settings={"width": 8},
            **{"recipe": recipe, **options},
        )

    everywhere = "projection everywhere"
    return [
        start(cifar_resnet, "residual"),
        start(zero_branches, "zero branches"),
        start(partial(cifar_resnet, shortcut="projection"), "projection"),
        start(partial(cifar_resnet, shortcut=everywhere), everywhere),
        start(relu_before_addition, "ReLU before addition"),
        start(cifar_resnet, "residual", 44),
        start(zero_branches, "zero branches", 44),
        start(cifar_resnet, "plain", 44),
        start(cifar_resnet, "plain", 44, change="warm-up", recipe={**recipe, "warmup": 40}),
    ]


# Variants of equal cost: one recipe for all of them, chosen before any was trained.
VARIANTS = {"epochs": 8, "batch_size": 128, "lr": 0.1, "weight_decay": 1e-4}


def equal_costs(seed: int, level: float) -> list[PlannedRun]:
    """A small network of each kind, all with `level` million multiply-adds an image."""
    return [
        PlannedRun(
            kind=kind,
            depth=depth_of_variant(kind, level),
            seed=seed,
            x=level,
            unit="million",
            build=partial(small_variant, kind, level),
            recipe=VARIANTS,
        )
        for kind in SETTINGS
    ]


@lru_cache
def depth_of_variant(kind: str, level: float) -> int:
    """Its layers with weights, see `layers_with_weights`."""
    with torch.device("meta"):
        return layers_with_weights(small_variant(kind, level))


EXPERIMENTS = {
    "degradation-mini": Experiment(
        data=lambda: load("fashion-mnist-mini").pooled(2),
        runs=pairs(SEEDS, (8, 20, 32, 44, 56), 8, MINI),
        picture="depth",
        title=DEPTH_TITLE,
    ),
    "degradation-mini-search": Experiment(
        data=lambda: load("fashion-mnist-mini").pooled(2),
        runs=tuple(
            run
            for residual in (True, False)
            for seed in SEARCH_SEEDS
            for run in recipes_tried(seed, residual)
        ),
        picture="changes",
        title="Recipes tried on 20 and 56 layers",
    ),
    "degradation-cifar10-small": Experiment(
        data=lambda: load("cifar10").pooled(2),
        runs=(
            *pairs((0, 1), (20, 56), 16, PAPER_SMALL),
            *pairs((0, 1), (32, 44), 16, PAPER_SMALL),
            *pairs((2,), (20, 56), 16, PAPER_SMALL),
        ),
        picture="depth",
        title=DEPTH_TITLE,
    ),
    "degradation-cifar10": Experiment(
        data=lambda: load("cifar10"),
        runs=tuple(run for seed in SEEDS for run in _paper(seed)),
        picture="depth",
        title=DEPTH_TITLE,
        published={("residual", depth): error for depth, error in PAPER_TEST_ERRORS.items()},
    ),
    "start-mini": Experiment(
        data=lambda: load("fashion-mnist-mini").pooled(2),
        runs=tuple(run for seed in SEEDS for run in starts(seed)),
        picture="changes",
        title="Residual and plain networks, and one change in each",
    ),
    "start-mini-long": Experiment(
        data=lambda: load("fashion-mnist-mini").pooled(2),
        runs=tuple(run for seed in SEEDS for run in starts(seed, MINI)),
        picture="changes",
        title="One change in each, after twelve epochs",
    ),
    "lesson-nine": Experiment(
        data=lambda: article_images(96),
        runs=tuple(run for seed in SEEDS for run in mendings(seed, 96, ARTICLE)),
        picture="curves",
        title="The article's training, and one change after another",
        published={("as published", 18): "25.6"},
    ),
    # The same on few images, somewhat smaller, for a machine without a GPU.
    "lesson-nine-mini": Experiment(
        data=lambda: article_images(72, 2000, 1000),
        runs=tuple(mendings(0, 72, ARTICLE | {"epochs": 12})),
        picture="curves",
        title="The article's training on 2,000 images, and one change after another",
    ),
    "transfer-mini": Experiment(
        data=lambda: only(load("fashion-mnist-mini").pooled(2), TOPS),
        runs=tuple(run for seed in range(5) for run in transfers(seed, OTHERS)),
        picture="images",
        title="Four classes, learned after six others or from scratch",
    ),
    "transfer-near-mini": Experiment(
        data=lambda: only(load("fashion-mnist-mini").pooled(2), KIN),
        runs=tuple(run for seed in range(5) for run in transfers(seed, KIN_OTHERS)),
        picture="images",
        title="Four classes, learned after six that are kin to them or from scratch",
    ),
    "variants-mini": Experiment(
        data=lambda: load("fashion-mnist-mini").pooled(2).take(5000),
        runs=tuple(run for seed in SEEDS for cost in LEVELS for run in equal_costs(seed, cost)),
        picture="cost",
        title="Variants of equal cost: a dot is a training, a line goes through the means",
    ),
}
