"""Reading and writing what was measured: files of JSON lines, each line with its origin.

A line is an epoch of a training (`read`, `write`) or a value measured inside a network
(`read_measurements`, `write_measurements`). Lines are only ever written by what measures, never by
hand. A run or a measurement is written whole, when it is over, so an interrupted one leaves no half
behind.
"""

import dataclasses
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset
from resnet_lessons.training import Epoch, History

PACKAGE = Path(__file__).parents[1]
# In a clone the folder stands beside the package; an installed package carries a copy.
PACKAGED = PACKAGE / "_results"
FOLDER = PACKAGED if PACKAGED.is_dir() else PACKAGE.parent / "results"
MEASUREMENTS = "mechanisms"  # the file that holds values, not epochs


@dataclass(frozen=True)
class Run:
    """One stored training.

    Attributes:
        net: `"plain"`, `"residual"`, or what was changed in it.
        depth: layers with weights.
        seed: of the weights, the order of the images and the augmentation.
        data_set: title of the data set.
        epochs: what was measured, as `History` has it.
        origin: where and when: device, processor, torch version, commit, date, recipe.
        stopped: why the training ended before its last epoch, else None.
    """

    net: str
    depth: int
    seed: int
    data_set: str
    epochs: tuple[Epoch, ...]
    origin: dict
    stopped: str | None = None

    @property
    def label(self) -> str:
        """`"plain-20"`; where nets do not differ in depth, the net alone."""
        return f"{self.net}-{self.depth}" if self.net in ("plain", "residual") else self.net


@dataclass(frozen=True)
class Measured:
    """What one measurement found in one network.

    Attributes:
        measurement: its name.
        net, depth, seed, data_set, origin: as in `Run`.
        values: for each place in the network (`"layer1.0.conv1"`, `"3 blocks removed"`), a value;
            in the order in which they were measured.
    """

    measurement: str
    net: str
    depth: int
    seed: int
    data_set: str
    values: Mapping[str, float]
    origin: dict

    @property
    def label(self) -> str:
        """`"plain-20"`."""
        return f"{self.net}-{self.depth}"


def available() -> list[str]:
    """Names of the stored experiments."""
    return sorted(file.stem for file in FOLDER.glob("*.jsonl") if file.stem != MEASUREMENTS)


def read(experiment: str) -> list[Run]:
    """All runs stored for an experiment, sorted by net, depth and seed.

    Raises:
        ValueError: no such experiment is stored, or its file is damaged.
    """
    if not available():
        raise ValueError(
            f"experiment is {experiment!r}, but no measured runs are stored in {FOLDER}; restore "
            "the folder from the repository, or measure: python -m resnet_lessons.lab.sweep."
        )
    one_of("experiment", experiment, available())
    figures = [figure.name for figure in dataclasses.fields(Epoch)]
    runs: dict[tuple, Run] = {}
    for number, line in _lines(experiment):
        try:
            record = json.loads(line)
            key = (record["net"], record["depth"], record["seed"])
            epoch = Epoch(**{name: record[name] for name in figures})
            run = runs.get(key) or Run(
                *key, record["data_set"], (), record["origin"], record.get("stopped")
            )
            if epoch.epoch != len(run.epochs) + 1:
                raise ValueError(f"epoch {epoch.epoch} follows {len(run.epochs)} others")
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(experiment, number, "epoch", error) from error
        runs[key] = dataclasses.replace(run, epochs=(*run.epochs, epoch))
    return [runs[key] for key in sorted(runs)]


def read_measurements(name: str | None = None) -> list[Measured]:
    """What was measured inside networks, sorted by measurement, net, depth and seed.

    Args:
        name: of one measurement; default, all.

    Raises:
        ValueError: no such measurement is stored, or the file is damaged.
    """
    found: dict[tuple, Measured] = {}
    for number, line in _lines(MEASUREMENTS):
        try:
            record = json.loads(line)
            key = tuple(record[part] for part in ("measurement", "net", "depth", "seed"))
            measured = found.get(key) or Measured(*key, record["data_set"], {}, record["origin"])
            if record["place"] in measured.values:
                raise ValueError(f"{record['place']} has two values")
            measured.values[record["place"]] = float(record["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(MEASUREMENTS, number, "value", error) from error
        found[key] = measured
    if name is not None:
        one_of("name", name, {key[0]: None for key in sorted(found)})
    return [found[key] for key in sorted(found) if name in (None, key[0])]


def _lines(name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file and their numbers; none, if there is no such file."""
    file = FOLDER / f"{name}.jsonl"
    if file.exists():
        yield from enumerate(file.read_text(encoding="utf-8").splitlines(), 1)


def _damaged(name: str, number: int, thing: str, error: Exception) -> ValueError:
    return ValueError(
        f"line {number} of results/{name}.jsonl is damaged ({error!r}), but each line must be one "
        f"measured {thing}; restore the file from the repository."
    )


def write(
    experiment: str, net: str, depth: int, data: Dataset, history: History, recipe: dict
) -> None:
    """Append a finished training to an experiment: all its epochs, in one write.

    Raises:
        ValueError: the training finished no epoch.
    """
    if not history.epochs:
        raise ValueError(
            f"the history of {history.label} has no finished epoch, but a stored run must have at "
            f"least one; see why it ended: {history.ending_in_words()}"
        )
    shared = {"net": net, "depth": depth, "seed": history.seed, "data_set": data.title}
    if told := history.ending_in_words():
        shared["stopped"] = told
    origin = {"recipe": recipe, **_origin(data.device)}
    lines = [
        json.dumps({**shared, **dataclasses.asdict(epoch), "origin": origin}) for epoch in history
    ]
    _append(experiment, lines)


def write_measurements(
    measurement: str,
    net: str,
    depth: int,
    seed: int,
    data: Dataset,
    values: Mapping[str, float],
    recipe: Mapping[str, object],
) -> None:
    """Append what a measurement found in a network: all its values, in one write.

    Args:
        measurement, net, depth, seed, values: as in `Measured`.
        data: the images that were used.
        recipe: how the network was trained; empty, if it was not.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError(
            f"{measurement} found no value in {net}-{depth}, but a stored measurement must have at "
            "least one; see whether the network has the layers that it looks for."
        )
    shared = {"measurement": measurement, "net": net, "depth": depth, "seed": seed}
    origin = {"recipe": dict(recipe), **_origin(data.device)}
    lines = [
        json.dumps(
            {**shared, "data_set": data.title, "place": place, "value": value, "origin": origin}
        )
        for place, value in values.items()
    ]
    _append(MEASUREMENTS, lines)


def _append(name: str, lines: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())


def measure_elsewhere_when_installed() -> None:
    """Let new measurements go into the working folder, where the course is no clone of its own."""
    global FOLDER
    if FOLDER == PACKAGED:
        FOLDER = Path.cwd() / "results"
        print(f"the course is installed, not cloned, so what is measured goes to {FOLDER}")


def _origin(device: torch.device) -> dict:
    """Where a measurement was made, as far as it may matter to who reads it."""
    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        processor = f"{platform.machine()}, {torch.get_num_threads()} threads"
    return {
        "device": device.type,
        "processor": processor,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": _commit(),
        "date": date.today().isoformat(),
    }


def _commit() -> str | None:
    """The commit the code stands at, with a + where the working tree differs from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=PACKAGE,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
