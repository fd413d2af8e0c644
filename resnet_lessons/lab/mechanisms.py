"""What is measured inside networks, and kept: `python -m resnet_lessons.lab.mechanisms [NAME …]`.

The networks are pairs as those of the experiment `degradation-mini`. Their weights are kept in the
folder `unfinished`, so they are trained once. Each measurement finds values at places in
a network; they go to `results/mechanisms.jsonl`, a line a value. What is stored is not measured
again.
"""

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

import torch
from torch import nn
from tqdm import tqdm

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset, load
from resnet_lessons.lab import perturbations, propagation, report, results
from resnet_lessons.lab.experiments import MINI, SEEDS, Training, pair
from resnet_lessons.lab.sweep import checkpoint, finish

NAME = results.MEASUREMENTS
WIDTH = 8
STOPPED = "Stopped; what is finished is stored. Run again to go on."
Values = Mapping[str, float]
Measure = Callable[[nn.Module, Dataset, int], Iterable[tuple[str, float]]]
Summary = Callable[[Values], float]


@dataclass(frozen=True)
class Measurement:
    """Something measured in networks of several depths.

    Attributes:
        measure: given a network, the images and the seed, yields places and values. It leaves the
            network as it was.
        summaries: for the table, figures that are computed from the values of one network, by name.
        nets: the kinds of networks that it is made in.
        depths: of these networks.
        trained: whether they are trained; else they have their first weights.
    """

    measure: Measure
    summaries: Mapping[str, Summary]
    nets: tuple[str, ...] = ("plain", "residual")
    depths: tuple[int, ...] = (20, 44)
    trained: bool = True


def images() -> Dataset:
    """The images that the networks were trained on."""
    return load("fashion-mnist-mini").pooled(2)


def network(training: Training, data: Dataset, trained: bool = True) -> nn.Module:
    """A network of an experiment with its first weights, or trained: then, or at some time before.

    Raises:
        KeyboardInterrupt: the training was interrupted.
    """
    if not trained:
        torch.manual_seed(training.seed)
        return training.build(data.in_channels, data.num_classes)
    return finish(training, data, checkpoint(NAME, training), progress=True)[0]


def networks(measurement: Measurement) -> list[Training]:
    """The trainings of the networks that a measurement is made in."""
    return [
        training
        for seed in SEEDS
        for depth in measurement.depths
        for training in pair(depth, seed, WIDTH, MINI)
        if training.net in measurement.nets
    ]


def measure(*names: str) -> None:
    """Measure what is not stored yet, and store it; train the networks that this needs.

    Args:
        names: of measurements; default, all.

    Raises:
        ValueError: there is no such measurement.
        SystemExit: it was interrupted.
    """
    names = tuple(one_of("name", name, MEASUREMENTS) for name in names) or tuple(MEASUREMENTS)
    stored = {(m.measurement, m.net, m.depth, m.seed) for m in results.read_measurements()}
    wanted = [
        (name, training)
        for name in names
        for training in networks(MEASUREMENTS[name])
        if (name, *training.key) not in stored
    ]
    print(f"{NAME}: {len(stored)} measurements stored, {len(wanted)} to go", flush=True)
    try:
        for name, training in tqdm(wanted, disable=None):
            _measure_and_store(name, training, images())
    except KeyboardInterrupt as error:
        raise SystemExit(STOPPED) from error


def _measure_and_store(name: str, training: Training, data: Dataset) -> None:
    measurement = MEASUREMENTS[name]
    net = network(training, data, measurement.trained)
    values = dict(measurement.measure(net, data, training.seed))
    recipe = {**training.recipe, **training.settings} if measurement.trained else training.settings
    results.write_measurements(name, *training.key, data, values, recipe)


def table(*names: str, depths: Collection[int] | None = None) -> str:
    """The summaries of what is stored as a Markdown table: mean, smallest and largest.

    Args:
        names: of measurements; default, all.
        depths: of the networks; default, all.

    Raises:
        ValueError: there is no such measurement.
    """
    names = tuple(one_of("name", name, MEASUREMENTS) for name in names) or tuple(MEASUREMENTS)
    everything = results.read_measurements()
    rows = [["measured", "layers", "plain", "residual"], ["---"] * 4]
    for name in names:
        stored = [one for one in everything if one.measurement == name]
        for figure, summary in MEASUREMENTS[name].summaries.items():
            for depth in sorted({m.depth for m in stored if depths is None or m.depth in depths}):
                cells = [
                    _span([summary(m.values) for m in stored if (m.net, m.depth) == (net, depth)])
                    for net in ("plain", "residual")
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
        propagation.signals_without_norm,
        {"the same without batch normalisation": propagation.growth_over_blocks},
    ),
    "gradients": _at_the_start(
        propagation.gradients,
        {"norm of the gradient at the start, first layer / last": propagation.first_over_last},
    ),
    "gradients without normalisation": _at_the_start(
        propagation.gradients_without_norm,
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
        propagation.shattering_at_the_start,
        {"autocorrelation of the gradient at the start, lag 1": lambda v: v["lag 1"]},
    ),
    "shattering without normalisation": _at_the_start(
        propagation.shattering_without_norm,
        {"the same without batch normalisation": lambda v: v["lag 1"]},
    ),
    "shattering after training": Measurement(
        propagation.shattering,
        {"autocorrelation of the gradient after training, lag 1": lambda v: v["lag 1"]},
    ),
    "branches": Measurement(
        propagation.branches_at_the_start,
        {"F(x) / x at the start, mean of the blocks": lambda v: mean(v.values())},
        nets=("residual",),
        depths=ALL_DEPTHS,
        trained=False,
    ),
    "branches after training": Measurement(
        propagation.branches,
        {"F(x) / x after training, mean of the blocks": lambda v: mean(v.values())},
        nets=("residual",),
    ),
    "lesions": Measurement(perturbations.lesions, perturbations.LESION_FIGURES),
    "single lesions": Measurement(
        perturbations.single_lesions, perturbations.SINGLE_FIGURES, nets=("residual",)
    ),
    "paths": Measurement(perturbations.paths, perturbations.PATH_FIGURES, nets=("residual",)),
    "slices": Measurement(perturbations.slices, perturbations.SLICE_FIGURES),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="*", help=f"default, all: {', '.join(MEASUREMENTS)}")
    results.measure_elsewhere_when_installed()
    measure(*parser.parse_args().name)
    report.tell(NAME, table())
    print(table())


if __name__ == "__main__":
    main()
