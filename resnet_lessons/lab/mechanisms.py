"""What is measured inside networks, and kept: `python -m resnet_lessons.lab mechanisms [NAME …]`.

The networks are pairs as those of the experiment `degradation-mini`. Their weights are kept in the
folder `unfinished`, so they are trained once. Each measurement finds values at places in
a network; they go to `results/mechanisms.jsonl`, a line a network. What is stored is not measured
again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch import nn
from tqdm import tqdm

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset, load
from resnet_lessons.lab import perturbations, propagation
from resnet_lessons.lab.experiments import MINI, SEEDS, PlannedRun, pair
from resnet_lessons.lab.propagation import Measure, with_statistics, without_norm
from resnet_lessons.lab.results import COURSE, MECHANISMS, RunStore, Value
from resnet_lessons.lab.sweep import checkpoint, finish

WIDTH = 8
STOPPED = "Stopped; what is finished is stored. Run again to go on."
Summary = Callable[[Sequence[Value]], float]


@dataclass(frozen=True)
class Measurement:
    """Something measured in networks of several depths.

    Attributes:
        measure: given a network, the images and the seed, yields values and their places. It leaves
            the network as it was.
        summaries: for the table, figures that are computed from the values of one network, by name.
        kinds: of networks that it is made in.
        depths: of these networks.
        trained: whether they are trained; else they have their first weights.
    """

    measure: Measure
    summaries: Mapping[str, Summary]
    kinds: tuple[str, ...] = ("plain", "residual")
    depths: tuple[int, ...] = (20, 44)
    trained: bool = True


def images() -> Dataset:
    """The images that the networks were trained on."""
    return load("fashion-mnist-mini").pooled(2)


def network(
    run: PlannedRun, data: Dataset, trained: bool = True, store: RunStore = COURSE
) -> nn.Module:
    """A network of an experiment with its first weights, or trained: then, or at some time before.

    Raises:
        KeyboardInterrupt: the training was interrupted.
    """
    if not trained:
        torch.manual_seed(run.seed)
        return run.build(data.in_channels, data.num_classes)
    return finish(run, data, checkpoint(store, MECHANISMS, run), progress=True)[0]


def networks(measurement: Measurement) -> list[PlannedRun]:
    """The trainings of the networks that a measurement is made in."""
    return [
        run
        for seed in SEEDS
        for depth in measurement.depths
        for run in pair(depth, seed, WIDTH, MINI)
        if run.kind in measurement.kinds
    ]


def measure(*names: str, store: RunStore = COURSE) -> None:
    """Measure what is not stored yet, and store it; train the networks that this needs.

    Args:
        names: of measurements; default, all.
        store: where it is kept.

    Raises:
        ValueError: there is no such measurement.
        SystemExit: it was interrupted.
    """
    names = tuple(one_of("name", name, MEASUREMENTS) for name in names) or tuple(MEASUREMENTS)
    stored = {measured.key for measured in store.read_measurements()}
    wanted = [
        (name, run)
        for name in names
        for run in networks(MEASUREMENTS[name])
        if (name, *run.key) not in stored
    ]
    print(f"{MECHANISMS}: {len(stored)} measurements stored, {len(wanted)} to go", flush=True)
    try:
        for name, run in tqdm(wanted, disable=None):
            _measure_and_store(name, run, images(), store)
    except KeyboardInterrupt as error:
        raise SystemExit(STOPPED) from error


def _measure_and_store(name: str, run: PlannedRun, data: Dataset, store: RunStore) -> None:
    measurement = MEASUREMENTS[name]
    net = network(run, data, measurement.trained, store)
    values = measurement.measure(net, data, run.seed)
    recipe = run.stored_recipe if measurement.trained else run.settings
    store.write_measurement(name, run, data, values, recipe)


def table(*names: str, depths: Collection[int] | None = None, store: RunStore = COURSE) -> str:
    """The summaries of what is stored as a Markdown table: mean, smallest and largest.

    Args:
        names: of measurements; default, all.
        depths: of the networks; default, all.
        store: where it is kept.

    Raises:
        ValueError: there is no such measurement.
    """
    names = tuple(one_of("name", name, MEASUREMENTS) for name in names) or tuple(MEASUREMENTS)
    everything = store.read_measurements()
    rows = [["measured", "layers", "plain", "residual"], ["---"] * 4]
    for name in names:
        stored = [one for one in everything if one.measurement == name]
        for figure, summary in MEASUREMENTS[name].summaries.items():
            for depth in sorted({m.depth for m in stored if depths is None or m.depth in depths}):
                cells = [
                    _span([summary(m.values) for m in stored if (m.kind, m.depth) == (kind, depth)])
                    for kind in ("plain", "residual")
                ]
                rows.append([figure, str(depth), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _span(values: list[float]) -> str:
    if not values:
        return "–"
    span = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return f"{mean(values):.3g}{span}"


# The measurements

ALL_DEPTHS = (8, 20, 44, 110)


def _at_the_start(measure: Measure, summaries: Mapping[str, Summary]) -> Measurement:
    return Measurement(measure, summaries, depths=ALL_DEPTHS, trained=False)


MEASUREMENTS = {
    "signals": _at_the_start(
        propagation.signals,
        {"signal at the start, before the last block / the first": propagation.growth_over_blocks},
    ),
    "signals without normalisation": _at_the_start(
        without_norm(propagation.signals),
        {"the same without batch normalisation": propagation.growth_over_blocks},
    ),
    "gradients": _at_the_start(
        propagation.gradients,
        {"norm of the gradient at the start, first layer / last": propagation.first_over_last},
    ),
    "gradients without normalisation": _at_the_start(
        without_norm(propagation.gradients),
        {
            "the same without batch normalisation": propagation.first_over_last,
            "the first layer's alone, without batch normalisation": propagation.first,
        },
    ),
    "gradients after one step": _at_the_start(
        propagation.gradients_after_a_step,
        {"norm of the gradient after one step, first layer / last": propagation.first_over_last},
    ),
    "gradients after training": Measurement(
        propagation.gradients,
        {"norm of the gradient after training, first layer / last": propagation.first_over_last},
    ),
    "weights after training": Measurement(
        propagation.weights, {"first layer's weights after training, norm": propagation.first}
    ),
    "shattering": _at_the_start(
        with_statistics(propagation.shattering),
        {"autocorrelation of the gradient at the start, lag 1": propagation.next_lag},
    ),
    "shattering without normalisation": _at_the_start(
        without_norm(propagation.shattering),
        {"the same without batch normalisation": propagation.next_lag},
    ),
    "shattering after training": Measurement(
        propagation.shattering,
        {"autocorrelation of the gradient after training, lag 1": propagation.next_lag},
    ),
    "branches": Measurement(
        with_statistics(propagation.branches),
        {"F(x) / x at the start, mean of the blocks": propagation.mean_value},
        kinds=("residual",),
        depths=ALL_DEPTHS,
        trained=False,
    ),
    "branches after training": Measurement(
        propagation.branches,
        {"F(x) / x after training, mean of the blocks": propagation.mean_value},
        kinds=("residual",),
    ),
    "lesions": Measurement(perturbations.lesions, perturbations.LESION_FIGURES),
    "single lesions": Measurement(
        perturbations.single_lesions, perturbations.SINGLE_FIGURES, kinds=("residual",)
    ),
    "paths": Measurement(perturbations.paths, perturbations.PATH_FIGURES, kinds=("residual",)),
    "slices": Measurement(perturbations.slices, perturbations.SLICE_FIGURES),
}
