"""What is measured inside networks, and kept: `python -m resnet_lessons.mechanisms [NAME …]`.

The networks are pairs as those of the experiment `degradation-mini`. Their weights are kept in the
folder `unfinished`, so they are trained once. Each measurement finds values at places in
a network; they go to `results/mechanisms.jsonl`, a line a value. What is stored is not measured
again.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

import torch
from torch import nn
from tqdm import tqdm

from resnet_lessons import report, results
from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset
from resnet_lessons.diagnostics import gradient_norms, layer_responses
from resnet_lessons.experiments import MINI, SEEDS, Training, pair
from resnet_lessons.loading import load
from resnet_lessons.sweep import checkpoint, finish

NAME = results.MEASUREMENTS
WIDTH = 8
STOPPED = "Stopped; what is finished is stored. Run again to go on."
Values = Mapping[str, float]


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

    measure: Callable[[nn.Module, Dataset, int], Iterable[tuple[str, float]]]
    summaries: Mapping[str, Callable[[Values], float]]
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


def table() -> str:
    """The summaries of what is stored as a Markdown table: mean, smallest and largest."""
    rows = [["measured", "layers", "plain", "residual"], ["---"] * 4]
    for name, measurement in MEASUREMENTS.items():
        stored = [m for m in results.read_measurements() if m.measurement == name]
        for figure, summary in measurement.summaries.items():
            for depth in sorted({one.depth for one in stored}):
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


def _gradients(net: nn.Module, data: Dataset, seed: int) -> Iterable[tuple[str, float]]:
    return ((layer.name, layer.gradient) for layer in gradient_norms(net, data))


def _responses(net: nn.Module, data: Dataset, seed: int) -> Iterable[tuple[str, float]]:
    batch = data.normalize(data.test.images)
    return ((layer.name, layer.std) for layer in layer_responses(net, batch))


def _first_over_last(values: Values) -> float:
    """The first place's value as a multiple of the last one's."""
    found = list(values.values())
    return found[0] / found[-1]


MEASUREMENTS = {
    "gradients": Measurement(
        _gradients,
        {"gradient norm at the start: first layer / last": _first_over_last},
        depths=(8, 20, 44, 110),
        trained=False,
    ),
    "gradients after training": Measurement(
        _gradients, {"gradient norm after training: first layer / last": _first_over_last}
    ),
    "responses": Measurement(
        _responses,
        {"response after training: mean of all layers": lambda v: mean(v.values())},
    ),
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
