"""Reading and writing what was measured: files of JSON lines, each line with its origin.

A line is an epoch of a training, or what a measurement found in one network. Lines are only ever
written by what measures, never by hand. A run or a measurement is written whole, when it is over,
so an interrupted one leaves no half behind.

`read`, `read_measurements` and `available` read what the course itself brings along.
"""

import dataclasses
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset
from resnet_lessons.lab.trial import Trial
from resnet_lessons.training import Ending, Epoch, History

PACKAGE = Path(__file__).parents[1]
PACKAGED = PACKAGE / "_results"  # the copy that an installed package carries
MECHANISMS = "mechanisms"  # the file that holds measurements, not epochs

# A value and the place in a network where it was found: {"lag": 1, "value": 0.97}.
Value = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Run(Trial):
    """One stored training.

    Attributes:
        data_set: title of the data set.
        epochs: what was measured, as `History` has it.
        origin: where and when: device, processor, torch version, commit, date, recipe.
        ending: how the training ended.
    """

    data_set: str
    epochs: tuple[Epoch, ...]
    origin: dict
    ending: Ending


@dataclass(frozen=True, kw_only=True)
class Measured(Trial):
    """What one measurement found in the network of a trial.

    Attributes:
        measurement: its name.
        values: in the order in which they were measured.
        data_set, origin: as in `Run`.
    """

    measurement: str
    data_set: str
    values: tuple[Value, ...]
    origin: dict

    @property
    def key(self) -> tuple:
        """What tells it from all others; keys can be sorted."""
        return self.measurement, *super().key


TRIAL = [field.name for field in dataclasses.fields(Trial)]
EPOCH = [field.name for field in dataclasses.fields(Epoch)]
MEASURED = [field.name for field in dataclasses.fields(Measured)]


class RunStore:
    """A folder of stored runs and measurements: a file an experiment.

    Args:
        folder: made when something is written.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)

    def available(self) -> list[str]:
        """Names of the stored experiments."""
        names = (file.stem for file in self.folder.glob("*.jsonl"))
        return sorted(name for name in names if name != MECHANISMS)

    def read(self, experiment: str) -> list[Run]:
        """All runs stored for an experiment, sorted by kind, change, number, depth and seed.

        Raises:
            ValueError: no such experiment is stored, or its file is damaged.
        """
        if not self.available():
            raise ValueError(
                f"experiment is {experiment!r}, but no measured runs are stored in {self.folder}; "
                "restore the folder from the repository, or measure: python -m resnet_lessons.lab."
            )
        one_of("experiment", experiment, self.available())
        runs: dict[tuple, Run] = {}
        for number, line in self._lines(experiment):
            try:
                run = _run(json.loads(line))
                before = runs.get(run.key)
                epochs = before.epochs if before else ()
                if run.epochs[0].epoch != len(epochs) + 1:
                    raise ValueError(f"epoch {run.epochs[0].epoch} follows {len(epochs)} others")
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(experiment, number, "epoch", error) from error
            runs[run.key] = dataclasses.replace(before or run, epochs=(*epochs, *run.epochs))
        return [runs[key] for key in sorted(runs)]

    def read_measurements(self, name: str | None = None) -> list[Measured]:
        """What was measured inside networks, sorted by measurement, kind, depth and seed.

        Args:
            name: of one measurement; default, all.

        Raises:
            ValueError: no such measurement is stored, or the file is damaged.
        """
        found: dict[tuple, Measured] = {}
        for number, line in self._lines(MECHANISMS):
            try:
                record = json.loads(line)
                record["values"] = tuple(record["values"])
                measured = Measured(**{part: record[part] for part in MEASURED})
                if measured.key in found:
                    raise ValueError("it was measured before")
                if not measured.values or not all("value" in at for at in measured.values):
                    raise ValueError("a place has no value")
            except (KeyError, TypeError, ValueError) as error:
                raise _damaged(MECHANISMS, number, "network", error) from error
            found[measured.key] = measured
        if name is not None:
            one_of("name", name, {key[0]: None for key in sorted(found)})
        return [found[key] for key in sorted(found) if name in (None, key[0])]

    def write(
        self,
        experiment: str,
        trial: Trial,
        data: Dataset,
        history: History,
        recipe: Mapping[str, object],
    ) -> None:
        """Append a finished training to an experiment: all its epochs, in one write.

        Raises:
            ValueError: the training finished no epoch, or is not over.
        """
        if not history.epochs or history.ending is None:
            lacks = "no ending" if history.epochs else "no finished epoch"
            raise ValueError(
                f"the history of {history.label} has {lacks}, but a stored run must have one, and "
                "at least one epoch; train to the end, or see why it ended: print the history."
            )
        shared = {**_fields(trial), "data_set": data.title, "ending": history.ending}
        origin = {"recipe": dict(recipe), **_origin(data.device)}
        lines = ({**shared, **dataclasses.asdict(epoch), "origin": origin} for epoch in history)
        self._append(experiment, lines)

    def write_measurement(
        self,
        measurement: str,
        trial: Trial,
        data: Dataset,
        values: Iterable[Value],
        recipe: Mapping[str, object],
    ) -> None:
        """Append what a measurement found in the network of a trial: all its values, in one write.

        Args:
            measurement: its name.
            trial: which network.
            data: the images that were used.
            values: as in `Measured`.
            recipe: how the network was trained; empty, if it was not.

        Raises:
            ValueError: there are no values.
        """
        values = list(values)
        if not values:
            raise ValueError(
                f"{measurement} found no value in {trial.label}, but a stored measurement must "
                "have at least one; see whether the network has the layers that it looks for."
            )
        shared = {"measurement": measurement, **_fields(trial), "data_set": data.title}
        origin = {"recipe": dict(recipe), **_origin(data.device)}
        self._append(MECHANISMS, [{**shared, "values": values, "origin": origin}])

    def _lines(self, name: str) -> Iterator[tuple[int, str]]:
        """The lines of a file and their numbers; none, if there is no such file."""
        file = self.folder / f"{name}.jsonl"
        if file.exists():
            yield from enumerate(file.read_text(encoding="utf-8").splitlines(), 1)

    def _append(self, name: str, records: Iterable[dict]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write("".join(f"{json.dumps(record)}\n" for record in records))
            file.flush()
            os.fsync(file.fileno())


# In a clone the folder stands beside the package.
COURSE = RunStore(PACKAGED if PACKAGED.is_dir() else PACKAGE.parent / "results")


def available() -> list[str]:
    """Names of the experiments that the course has stored."""
    return COURSE.available()


def read(experiment: str) -> list[Run]:
    """The runs that the course has stored for an experiment, see `RunStore.read`."""
    return COURSE.read(experiment)


def read_measurements(name: str | None = None) -> list[Measured]:
    """What the course has stored of the inside of networks, see `RunStore.read_measurements`."""
    return COURSE.read_measurements(name)


def store_to_write() -> RunStore:
    """Where new measurements go: into the working folder, where the course is no clone."""
    if COURSE.folder != PACKAGED:
        return COURSE
    store = RunStore(Path.cwd() / "results")
    print(f"the course is installed, not cloned, so what is measured goes to {store.folder}")
    return store


def _fields(trial: Trial) -> dict[str, object]:
    return {name: getattr(trial, name) for name in TRIAL}


def _run(record: Mapping[str, object]) -> Run:
    """The run of one line, with the one epoch that the line holds."""
    return Run(
        **{name: record[name] for name in TRIAL},
        data_set=record["data_set"],
        epochs=(Epoch(**{name: record[name] for name in EPOCH}),),
        origin=record["origin"],
        ending=Ending(record["ending"]),
    )


def _damaged(name: str, number: int, thing: str, error: Exception) -> ValueError:
    return ValueError(
        f"line {number} of results/{name}.jsonl is damaged ({error!r}), but each line must be one "
        f"measured {thing}; restore the file from the repository."
    )


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
