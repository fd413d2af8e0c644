"""A training kept on disk after every epoch, so that a killed one goes on where it was.

A checkpoint is written whole under another name and then renamed, which no crash can leave half
done. It is read with `weights_only=True`, so a file from elsewhere cannot run code.
"""

import contextlib
import copy
import io
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from resnet_lessons._files import write_whole
from resnet_lessons.data import Dataset
from resnet_lessons.training.evaluation import first_scores
from resnet_lessons.training.recipe import Recipe

SERIES = "resnet_lessons training "
FORMAT = f"{SERIES}2"
# By how much of the largest score the stored net's scores may differ when its weights are loaded:
# other memory layouts, processors and releases of torch round otherwise. Without its shortcuts a
# net differs by as much as it scores.
TOLERANCE = 0.01
CURE = "name another file, or delete this one to train from the start."


def identity(model: nn.Module, data: Dataset, recipe: Recipe) -> dict[str, dict[str, object]]:
    """What must be the same for a training to go on: the weights' shapes, the images, the recipe.

    What the net computes belongs to it, too: see `first_scores`.
    """
    weights = {k: v for k, v in model.state_dict().items() if isinstance(v, Tensor)}
    return {
        "net": {name: tuple(value.shape) for name, value in weights.items()},
        "data": data.identity(),
        "recipe": asdict(recipe),
    }


class Checkpoint:
    """One file that holds a training as it was after its last finished epoch.

    Args:
        path: where it lies, or will; the folder is made.
        identity: of the training that reads and writes it, see `identity`.

    Raises:
        TypeError: `path` is no path.
        ValueError: `path` is a folder.
    """

    def __init__(self, path: str | os.PathLike, identity: dict[str, object]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                f"checkpoint is {path!r}, but it must be the path of a file; pass for example "
                "checkpoint='resnet20.pt'."
            )
        self.path = Path(path).expanduser()
        if self.path.is_dir():
            raise ValueError(
                f"checkpoint is {str(path)!r}, but that is a folder; name a file in it, for "
                f"example {str(self.path / 'resnet20.pt')!r}."
            )
        self.identity = identity
        self.warned = False
        # A process that was killed while it wrote has left a part behind.
        part = re.compile(re.escape(self.path.name) + r"\.\d+\.part")
        with contextlib.suppress(OSError):
            for file in list(self.path.parent.iterdir()):
                if part.fullmatch(file.name):
                    file.unlink(missing_ok=True)

    def write(self, state: dict[str, object]) -> None:
        """Replace the file by one that holds `state`; where that fails, warn once and go on."""
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "identity": self.identity, "state": state}, buffer)
        content = buffer.getbuffer()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, len(content), lambda file: file.write(content))
        except OSError as error:
            if not self.warned:
                reason = error.__cause__ or error
                kept = "stays as it was" if self.path.exists() else "does not exist yet"
                warnings.warn(
                    f"The checkpoint {self.path} cannot be written "
                    f"({getattr(reason, 'strerror', None) or reason}); "
                    f"the training goes on, and the file {kept}. Free some space, or stop and "
                    "name another place.",
                    RuntimeWarning,
                    stacklevel=3,
                )
            self.warned = True

    def read(self) -> dict[str, object] | None:
        """The state that was written last, or None where there is no file.

        Raises:
            ValueError: the file is damaged, is something else, or belongs to another training.
        """
        if not self.path.exists():
            return None
        content = self._content()
        before = content["identity"]
        for part, meaning in (("net", "another net"), ("data", "other images")):
            if changed := _differences(before[part], self.identity[part]):
                raise self._other(f"is of {meaning} ({'; '.join(changed[:3])})")
        if changed := _differences(before["recipe"], self.identity["recipe"]):
            raise self._other(f"was trained with {'; '.join(changed)}", "pass the same values, ")
        return content["state"]

    def load_weights(self, model: nn.Module, data: Dataset, state: Mapping[str, object]) -> None:
        """Put the stored weights into `model`.

        Raises:
            ValueError: it computes something else from them; its own weights stay.
        """
        own = copy.deepcopy(model.state_dict())
        model.load_state_dict(state["model"])
        before, now = state["scores"], first_scores(model, data).cpu()
        scale = before.nan_to_num(0, 0, 0).abs().max().item()
        if before.shape != now.shape or not torch.allclose(
            before, now, rtol=0, atol=TOLERANCE * scale, equal_nan=True
        ):
            model.load_state_dict(own)
            raise self._other(
                f"is of another net (with these weights its largest score is {before.max():.4g}, "
                f"here {now.max():.4g})"
            )

    def _other(self, difference: str, cure: str = "") -> ValueError:
        """What is said where the file holds another training."""
        return ValueError(
            f"The checkpoint {self.path} {difference}, but only the same training can go on; "
            f"{cure}{CURE}"
        )

    def _content(self) -> dict:
        """The file's content, once it is sure that nothing in it was damaged."""
        try:
            raw = self.path.read_bytes()
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                damaged = archive.testzip()
            if damaged:
                raise ValueError(f"{damaged} is damaged")
            content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
            known = content["format"] == FORMAT
            if not known and not content["format"].startswith(SERIES):
                raise ValueError(f"its format is {content['format']!r}")
            if not content["identity"].keys() >= self.identity.keys():
                raise ValueError("it does not say of what")
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{self.path} holds Python objects that might run code when they are read, so it "
                "was not opened, but a checkpoint holds tensors and numbers alone; name another "
                "file, and delete this one if you do not know where it comes from."
            ) from error
        except Exception as error:
            raise ValueError(
                f"{self.path} cannot be read ({type(error).__name__}: {error}), but a checkpoint "
                "is a file that an earlier training wrote; it is damaged or something else: "
                "delete it to train from the start, or name another file."
            ) from error
        if not known:
            raise ValueError(
                f"{self.path} was written by another version of the course (its format is "
                f"{content['format']!r}, here {FORMAT!r}), so its training cannot go on; {CURE}"
            )
        return content


def _differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What two identities, field by field, do not have in common; a missing field is None."""
    return [
        f"{name}={before.get(name)!r}, here {now.get(name)!r}"
        for name in {**now, **before}
        if before.get(name) != now.get(name)
    ]
