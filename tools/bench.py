"""Measure this machine: python tools/bench.py [--quick] [--processor-time] [--only NAME ...]

Each line compares two things that are measured in turn in one run, A B A B …, so that whatever else
the machine does meets both. A ratio is formed within a round, ours over the other; what is printed
is the median over the rounds, with the smallest and the largest, and the median of each side.
Time is better below 1, the arithmetic rate near 1. On a machine that is busy with other things,
--processor-time counts the seconds for which processors worked on it, not those that passed.
"""

import argparse
import contextlib
import importlib
import io
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import resnet_lessons
from resnet_lessons import cifar_resnet, lesson_nine, load, resnet18, shape_table, train
from resnet_lessons.data import Dataset, Split
from resnet_lessons.training import Recipe, TrainingLoop, train_step
from resnet_lessons.training.checkpoint import Checkpoint

ROOT = Path(__file__).resolve().parents[1]
# For each network that is trained: how to build it, batch size, training and test images. d2l
# divides by a fifth of the number of batches, so there must be five.
TRAINED = {
    "cifar_resnet(20)": (lambda: cifar_resnet(20, width=16, in_channels=1), 64, 640, 200),
    'resnet18(stem="cifar")': (lambda: resnet18(10, 1, stem="cifar"), 32, 160, 64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, small inputs")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME", default=[])
    parser.add_argument(
        "--processor-time", action="store_true", help="seconds of processors, not of the clock"
    )
    options = parser.parse_args()
    global clock
    clock = "process_time" if options.processor_time else "perf_counter"
    print(
        f"{platform.machine()}, {os.cpu_count()} processors; CPU only; "
        f"Python {platform.python_version()}\n"
        f"{'ratio':>5}  {'(min – max)':13}  {'ours':>10}  {'other':>10}  {'goal':6}  compared"
    )
    for name in options.only or MEASUREMENTS:
        for line in MEASUREMENTS[name](options.quick):
            print(f"{line}; {torch.get_num_threads()} threads, torch {torch.__version__}")


# How everything is measured

clock = "perf_counter"  # of the module time


def seconds(work: Callable[[], object]) -> float:
    now = getattr(time, clock)
    started = now()
    work()
    return now() - started


def in_turn(rounds: int, ours: Callable[[], float], other: Callable[[], float]) -> list[tuple]:
    """The figures of both, a pair a round; a first round that warms up does not count."""
    return [(ours(), other()) for _ in range(rounds + 1)][1:]


def line(pairs: list[tuple], what: str, goal: str = "", unit: str = "s", form: str = ".3f") -> str:
    ratios = [ours / other for ours, other in pairs]
    spread = f"({min(ratios):.2f} – {max(ratios):.2f})"
    ours, other = (f"{statistics.median(side):{form}} {unit}" for side in zip(*pairs, strict=True))
    return (
        f"{statistics.median(ratios):5.2f}  {spread:13}  {ours:>10}  {other:>10}  {goal:6}  {what}"
        f"; {len(pairs)} rounds"
    )


# Importing


def importing(quick: bool) -> Iterator[str]:
    """Both in one process: two processes differ by more than what is sought."""
    code = (
        "import time; start = time.perf_counter(); import torch; middle = time.perf_counter(); "
        "import resnet_lessons; print(time.perf_counter() - start, middle - start)"
    )

    def fresh() -> tuple[float, ...]:
        run = [sys.executable, "-c", code]
        printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout
        return tuple(map(float, printed.split()))

    pairs = [fresh() for _ in range(4 if quick else 16)][1:]
    what = "import torch, then resnet_lessons / import torch alone, in the same fresh process"
    yield line(pairs, what, "≤ 1.05")


# Networks, each against the one with the same weights that torchvision or timm has

NETWORKS = ("resnet18", "resnet34")
FAMILY = (
    "resnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "resnet101",
    "resnet152",
    "resnext101_32x8d",
    "wide_resnet101_2",
    "res2net50_26w_4s",
    "hrnet_w18",
)


def other_library(name: str) -> str:
    return "timm" if name in ("res2net50_26w_4s", "hrnet_w18") else "torchvision"


def both_builders(name: str) -> tuple[Callable, Callable, str]:
    """Ours, the other, and the other's library and version."""
    library = importlib.import_module(other_library(name))
    version = f"{library.__name__} {library.__version__}"
    return getattr(resnet_lessons, name), getattr(library.models, name), version


def both_ways(names: tuple[str, ...], shape: tuple[int, ...], rounds: int) -> Iterator[str]:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def step(model: nn.Module) -> float:
        model.zero_grad()
        return seconds(lambda: model(images).sum().backward())

    for name in names:
        *builders, version = both_builders(name)
        ours, theirs = (build().train() for build in builders)
        theirs.load_state_dict(ours.state_dict())
        pairs = in_turn(rounds, lambda model=ours: step(model), lambda model=theirs: step(model))
        yield line(
            pairs,
            f"{name}, ours / {version}: forward and backward in train mode, same weights, same "
            f"images {'×'.join(map(str, shape))}",
            "≤ 1.00",
        )


def networks(quick: bool) -> Iterator[str]:
    shape = (4, 3, 128, 128) if quick else (8, 3, 224, 224)
    yield from both_ways(NETWORKS, shape, rounds=5 if quick else 15)


def family(quick: bool) -> Iterator[str]:
    shape = (2, 3, 96, 96) if quick else (2, 3, 224, 224)
    yield from both_ways(FAMILY, shape, rounds=3 if quick else 9)


def building(quick: bool) -> Iterator[str]:
    for name in ("resnet50", "resnet152", "hrnet_w18"):
        *builders, version = both_builders(name)
        pairs = in_turn(5 if quick else 15, *(lambda b=build: seconds(b) for build in builders))
        yield line(pairs, f"{name}, ours / {version}: building it, weights drawn", "≤ 1.05")


def ready(quick: bool) -> Iterator[str]:
    """From the first import of a fresh process to a network that could be used."""

    def fresh(module: str, name: str) -> float:
        code = (
            f"from time import {clock} as now; start = now(); "
            f"from {module} import {name}; {name}(); print(now() - start)"
        )
        run = [sys.executable, "-c", code]
        return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)

    for name in ("resnet18", "resnet152"):
        library = f"{other_library(name)}.models"
        pairs = in_turn(
            3 if quick else 9,
            lambda n=name: fresh("resnet_lessons", n),
            lambda n=name, m=library: fresh(m, n),
        )
        yield line(pairs, f"{name}, ours / {library}: from import to the network", "≤ 1.00")


def added_memory(module: str, name: str, shape: tuple[int, ...]) -> float:
    """MiB that a fresh process needs more, at its peak, for a network and one step than before it.

    A process remembers its peak for good, and loading torch can take more than a network. A child
    of it begins with what is taken now: its own peak grows with the step alone.
    """
    code = f"""
import os, resource, sys, torch
from {module} import {name} as build

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )

if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
start = peak()
build().train()(torch.randn({shape})).sum().backward()
print(peak() - start, flush=True)
os._exit(0)
"""
    run = [sys.executable, "-c", code]
    return float(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


def memory(quick: bool) -> Iterator[str]:
    if not hasattr(os, "fork"):
        yield f"{'':57}  memory at the peak: not measured, since this system cannot fork a process"
        return
    shape = (2, 3, 96, 96) if quick else (4, 3, 224, 224)
    for name in NETWORKS + FAMILY:
        library = f"{other_library(name)}.models"
        pairs = [
            (added_memory("resnet_lessons", name, shape), added_memory(library, name, shape))
            for _ in range(1 if quick else 3)
        ]
        what = (
            f"{name}, ours / {library}: memory at the peak of building it and one forward and "
            f"backward in train mode, images {'×'.join(map(str, shape))}"
        )
        yield line(pairs, what, "≤ 1.05", "MiB", ".0f")


# Training: the epoch of `train` and that of d2l's `train_ch6`


class Pictures(torch.utils.data.Dataset):
    """Images one by one, as torchvision's sets give them: a PIL image, transformed."""

    def __init__(self, data: Dataset, split: Split, size: int | None = None) -> None:
        from torchvision import transforms

        bilinear = transforms.InterpolationMode.BILINEAR
        self.pixels, self.labels = split.images.permute(0, 2, 3, 1).numpy(), split.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                *([transforms.Resize((size, size), bilinear)] if size else []),
                transforms.ToTensor(),
                transforms.Normalize(data.mean, data.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.pixels[index]), self.labels[index]


def ready_floats(data: Dataset, split: Split) -> torch.utils.data.Dataset:
    """All images normalised before the clock starts, which ours does batch by batch."""
    return torch.utils.data.TensorDataset(data.normalize(split.images), split.labels)


def d2l_epoch(model: nn.Module, loaders: list, lr: float) -> float:
    """Seconds of one epoch of d2l's `train_ch6`, without its drawing."""
    import matplotlib

    matplotlib.use("Agg")
    from d2l import torch as d2l

    class NoAnimator:
        """In place of d2l's, which draws six times an epoch: to its disadvantage, so left out."""

        def __init__(self, **options) -> None: ...

        def add(self, x, y) -> None: ...

    d2l.Animator = NoAnimator
    with contextlib.redirect_stdout(io.StringIO()):
        return seconds(lambda: d2l.train_ch6(model, *loaders, 1, lr, "cpu"))


def our_epoch(model: nn.Module, data: Dataset, batch_size: int, lr: float) -> float:
    """Seconds of one epoch of `train` with what d2l's does: plain SGD at one learning rate."""
    same = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}
    quiet = {"live": False, "progress": False}
    return seconds(lambda: train(model, data, 1, batch_size=batch_size, lr=lr, **same, **quiet))


def training(quick: bool) -> Iterator[str]:
    """Plain SGD at one learning rate in both; both test after the epoch; neither draws."""
    lr = 0.05
    for name, (build, batch_size, images, tests) in TRAINED.items():
        data = load(device="cpu").take(
            *(max(5 * batch_size, images // 4), 32) if quick else (images, tests)
        )
        for kind, dataset in {
            "a DataLoader of PIL images, ToTensor and Normalize": Pictures,
            "a DataLoader of ready floats": ready_floats,
        }.items():
            loaders = [
                torch.utils.data.DataLoader(dataset(data, split), batch_size, shuffle=shuffled)
                for split, shuffled in ((data.train, True), (data.test, False))
            ]
            pairs = in_turn(
                2 if quick else 7,
                lambda b=build, d=data, s=batch_size: our_epoch(b(), d, s, lr),
                lambda b=build, w=loaders: d2l_epoch(b(), w, lr),
            )
            yield line(
                pairs,
                f"{name}: epoch of train / of d2l 1.0.3's train_ch6 with {kind} (no workers, no "
                f"drawing), {len(data.train)} images 1×28×28 in batches of {batch_size}, then "
                f"{len(data.test)} tested",
                "≤ 0.90",
            )


# The article's training: lesson nine's network on images that are enlarged to 96×96


def article(quick: bool) -> Iterator[str]:
    """The article enlarges every image when it is needed, ours all of them before the training.

    That is counted in our epoch, as if each training had one epoch only.
    """
    small = load(device="cpu").in_colour().take(320, 64 if quick else 128)
    half = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    scaled = replace(small, **half)
    loaders = [
        torch.utils.data.DataLoader(Pictures(scaled, split, 96), batch_size, shuffle=shuffled)
        for split, batch_size, shuffled in ((scaled.train, 64, True), (scaled.test, 128, False))
    ]

    def ours() -> float:
        started = time.perf_counter()
        enlarged = replace(small.resized(96), **half)
        enlarging = time.perf_counter() - started
        return enlarging + our_epoch(lesson_nine(), enlarged, 64, 0.01)

    pairs = in_turn(1 if quick else 5, ours, lambda: d2l_epoch(lesson_nine(), loaders, 0.01))
    shape = "×".join(map(str, small.train.images.shape[1:]))
    yield line(
        pairs,
        "lesson_nine(): enlarging all images, then an epoch of train / an epoch of d2l 1.0.3's "
        "train_ch6 with a DataLoader of PIL images, Resize, ToTensor and Normalize (no workers, "
        f"which the article leaves open; no drawing), {len(small.train)} images {shape} enlarged "
        f"to 3×96×96, in batches of 64, then {len(small.test)} tested in batches of 128",
    )


# Keeping a training on disk


def checkpoint(quick: bool) -> Iterator[str]:
    """What a checkpoint costs: one is written after every epoch of lesson 6's networks."""
    data = load(device="cpu").pooled(2).take(*(640, 200) if quick else (6400, 1000))
    how = {"live": False, "progress": False}
    with tempfile.TemporaryDirectory() as folder:
        for depth in (8, 20, 56):
            model = cifar_resnet(depth, width=8, in_channels=1)
            path = Path(folder) / f"{depth}.pt"
            train(model, data, 1, checkpoint=path, **how)
            file = Checkpoint(path, torch.load(path, weights_only=True)["identity"])
            state = file.read()
            pairs = in_turn(
                2 if quick else 5,
                lambda f=file, s=state: seconds(lambda: f.write(s)),
                lambda m=model: seconds(lambda: train(m, data, 1, **how)),
            )
            yield line(
                pairs,
                f"cifar_resnet({depth}, width=8): writing a checkpoint of "
                f"{path.stat().st_size / 1e6:.1f} MB / an epoch of train, {len(data.train)} images "
                f"1×14×14 in batches of 128, then {len(data.test)} tested",
                form=".4f",
            )


# The arithmetic rate


def rate(quick: bool) -> Iterator[str]:
    """A training step counts three forward passes, a multiply-add two operations."""
    size = 1024 if quick else 2048
    square = torch.randn(size, size)

    def product_rate() -> float:
        return 2 * size**3 / seconds(lambda: square @ square) / 1e9

    for name, (build, batch_size, _, _) in TRAINED.items():
        model, data = build().train(), load(device="cpu").take(batch_size)
        images, labels = data.normalize(data.train.images), data.train.labels
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
        operations = 3 * 2 * shape_table(model, tuple(images.shape)).multiply_adds

        def step_rate(parts: tuple = (model, images, labels, optimizer), n=operations) -> float:
            return n / seconds(lambda: train_step(*parts)) / 1e9

        pairs = in_turn(5 if quick else 15, step_rate, product_rate)
        what = (
            f"{name}: rate of a training step, {batch_size} images 1×28×28, "
            f"{operations / 1e9:.1f} GFLOP / rate of a float32 product of {size}×{size} matrices"
        )
        yield line(pairs, what, unit="GF/s", form=".0f")


# The first curve


def curve(quick: bool) -> Iterator[str]:
    """Seconds from "Run All" of lesson 2 to its first curve; there is nothing to compare with."""
    import nbformat
    from nbclient import NotebookClient

    class Seen(Exception):
        pass

    class Client(NotebookClient):
        def process_message(self, message, cell, cell_index):
            if "train(" in cell.source and "image/png" in message["content"].get("data", {}):
                # Taken here, since the exception comes out only when the cell has ended.
                raise Seen(f"cell {cell_index + 1}", time.perf_counter() - started)
            return super().process_message(message, cell, cell_index)

    (path,) = (ROOT / "notebooks").glob("02*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    client = Client(notebook, timeout=3600, extra_arguments=["--log-level=ERROR"])
    environment = {**os.environ, "RESNET_LESSONS_BUDGET": "quick" if quick else "cpu"}
    started = time.perf_counter()
    try:
        client.execute(cwd=str(path.parent), env=environment)
    except Seen as seen:
        place, took = seen.args
        budget = environment["RESNET_LESSONS_BUDGET"]
        yield (
            f"{'':20}  {took:8.1f} s  {'':10}  {'≤ 60 s':6}  from the start of the kernel to the "
            f"first training curve of {path.name} ({place}), budget {budget}"
        )


# The explorers


def explorers(quick: bool) -> Iterator[str]:
    """How long a moved control waits for its answer, beside a picture that could not be emptier."""
    from resnet_lessons import widgets
    from resnet_lessons.plots.style import new_figure
    from resnet_lessons.widgets.network import answer as network_answer

    data = load(device="cpu").pooled(2).take(640, 500)
    kinds = ("plain", "residual")
    nets = {kind: cifar_resnet(20, kind == "residual", width=8, in_channels=1) for kind in kinds}
    deep = cifar_resnet(44, width=8, in_channels=1)
    pair = widgets.training(data, 44, epochs=1).advance()
    made = {
        "convolution": (widgets.convolution(), "stride", (1, 2, 3)),
        "block": (widgets.block(), "shortcut", ("projection", "padding", "identity")),
        "network": (widgets.network(), "width", (32, 64, 128)),
        "depth": (widgets.depth(), "layers", (20, 44, 56)),
        "inside": (widgets.inside(deep, data), "image", tuple(range(100))),
        "lesions": (widgets.lesions(nets, data), "off", (("layer1.0",), ("layer1.1",), ())),
        "training": (pair, "depth", (20, 32, 44)),
    }

    def empty() -> None:
        drawing, _ = new_figure()
        drawing.savefig(io.BytesIO(), format="png", dpi=90)

    for name, (explorer, control, values) in made.items():
        moved = explorer.controls[control]
        turn = itertools.cycle(values)

        def change(moved=moved, turn=turn) -> None:
            network_answer.cache_clear()  # the first look at a setting counts, not the second
            moved.value = next(turn)

        pairs = in_turn(
            6 if quick else 21, lambda c=change: 1000 * seconds(c), lambda: 1000 * seconds(empty)
        )
        yield line(
            pairs,
            f"explorer {name}: moving {control} (goal: 200 ms) / drawing empty axes",
            unit="ms",
            form=".0f",
        )


def steps(quick: bool) -> Iterator[str]:
    """What it costs that the explorer of trainings can rest after every step."""
    data = load(device="cpu").pooled(2).take(*(640, 200) if quick else (2560, 1000))
    model = cifar_resnet(20, width=8, in_channels=1)

    def stepped() -> None:
        training = TrainingLoop(model, data, Recipe(epochs=1))
        while not training.over:
            training.advance()

    pairs = in_turn(
        3 if quick else 9,
        lambda: seconds(stepped),
        lambda: seconds(lambda: train(model, data, 1, live=False, progress=False)),
    )
    yield line(
        pairs,
        f"cifar_resnet(20, width=8): an epoch of {len(data.train)} images 1×14×14, step by step / "
        "by train",
    )


MEASUREMENTS = {
    "import": importing,
    "networks": networks,
    "family": family,
    "building": building,
    "ready": ready,
    "memory": memory,
    "training": training,
    "article": article,
    "checkpoint": checkpoint,
    "rate": rate,
    "curve": curve,
    "explorers": explorers,
    "steps": steps,
}


if __name__ == "__main__":
    main()
