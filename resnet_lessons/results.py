"""Reading and writing measured runs: files of JSON lines, one line an epoch, each with its origin.

Lines are only ever written by training, never by hand. A run is written whole, when it is over, so
an interrupted one leaves no half behind.
"""

import dataclasses
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from resnet_lessons._arguments import one_of
from resnet_lessons.data import Dataset
from resnet_lessons.history import Epoch, History

PACKAGE = Path(__file__).parent
# In a clone the folder stands beside the package; an installed package carries a copy.
PACKAGED = PACKAGE / "_results"
FOLDER = PACKAGED if PACKAGED.is_dir() else PACKAGE.parent / "results"


@dataclass(frozen=True)
class Run:
    """One stored training.

    Attributes:
        net: `"plain"`, `"residual"`, or what was changed in it.
        depth: layers with weights.
        seed: of the weights, the order of the images and the augmentation.
        data_set: name of the data set.
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


def available() -> list[str]:
    """Names of the stored experiments."""
    return sorted(file.stem for file in FOLDER.glob("*.jsonl"))


def read(experiment: str) -> list[Run]:
    """All runs stored for an experiment, sorted by net, depth and seed.

    Raises:
        ValueError: no such experiment is stored, or its file is damaged.
    """
    if not available():
        raise ValueError(
            f"experiment is {experiment!r}, but no measured runs are stored in {FOLDER}; restore "
            "the folder from the repository, or measure: python -m resnet_lessons.sweep."
        )
    one_of("experiment", experiment, available())
    figures = [figure.name for figure in dataclasses.fields(Epoch)]
    runs: dict[tuple, Run] = {}
    for number, line in enumerate(
        (FOLDER / f"{experiment}.jsonl").read_text(encoding="utf-8").splitlines(), 1
    ):
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
            raise ValueError(
                f"line {number} of results/{experiment}.jsonl is damaged ({error!r}), but each "
                "line must be one measured epoch; restore the file from the repository."
            ) from error
        runs[key] = dataclasses.replace(run, epochs=(*run.epochs, epoch))
    return [runs[key] for key in sorted(runs)]


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
            f"least one; see why it ended: {history.stopped}"
        )
    shared = {"net": net, "depth": depth, "seed": history.seed, "data_set": data.name}
    if history.stopped:
        shared["stopped"] = history.stopped
    origin = {"recipe": recipe, **_origin(data.device)}
    lines = [
        json.dumps({**shared, **dataclasses.asdict(epoch), "origin": origin}) for epoch in history
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{experiment}.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())


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
