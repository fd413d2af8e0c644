"""A training kept on disk after every epoch, so that a killed one goes on where it was.

A checkpoint is written whole under another name and then renamed, which no crash can leave half
done. It is read with `weights_only=True`, so a file from elsewhere cannot run code.
"""

import contextlib
import io
import itertools
import os
import pickle
import warnings
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from resnet_lessons.data import Dataset
from resnet_lessons.training.recipe import Recipe

FORMAT = "resnet_lessons training 1"


def identity(model: nn.Module, data: Dataset, recipe: Recipe) -> dict[str, object]:
    """What must be the same for a training to go on: the net, the images and the recipe."""
    checksum = 0
    for split in (data.train, data.test):
        for tensor in (split.images, split.labels):
            checksum = zlib.crc32(tensor.cpu().contiguous().numpy(), checksum)
    images = f"{data!r}".partition(", on ")[0]
    return {
        # Printed, a net tells its blocks and their settings: plain and residual nets of one depth
        # have the same weights, and differ there alone.
        "net": f"{model}\n" + "\n".join(f"{k} {tuple(v.shape)}" for k, v in _weights(model)),
        "data": f"{images}, mean {data.mean}, std {data.std}, checksum {checksum:08x}",
        "recipe": asdict(recipe),
    }


def _weights(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(k, v) for k, v in model.state_dict().items() if isinstance(v, torch.Tensor)]


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
        for part in self.path.parent.glob(f"{self.path.name}.*.part"):
            part.unlink(missing_ok=True)

    def write(self, state: dict[str, object]) -> None:
        """Replace the file by one that holds `state`; where that fails, warn once and go on."""
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, "identity": self.identity, "state": state}, buffer)
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            if not self.warned:
                kept = "stays as it was" if self.path.exists() else "does not exist yet"
                warnings.warn(
                    f"The checkpoint {self.path} cannot be written ({error.strerror or error}); "
                    f"the training goes on, and the file {kept}. Free some space, or stop and "
                    "name another place.",
                    RuntimeWarning,
                    stacklevel=3,
                )
            self.warned = True
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def read(self) -> dict[str, object] | None:
        """The state that was written last, or None where there is no file.

        Raises:
            ValueError: the file is damaged, is something else, or belongs to another training.
        """
        if not self.path.exists():
            return None
        content = self._content()
        cure = "name another file, or delete this one to train from the start."
        for part, meaning in (("net", "another net"), ("data", "other images")):
            if content["identity"][part] != self.identity[part]:
                before, now = _first_difference(content["identity"][part], self.identity[part])
                raise ValueError(
                    f"The checkpoint {self.path} is of {meaning} ({before!r}, here {now!r}), but "
                    f"only the same training can go on; {cure}"
                )
        before, now = content["identity"]["recipe"], self.identity["recipe"]
        changed = [
            f"{k}={before.get(k)!r}, here {now[k]!r}" for k in now if before.get(k) != now[k]
        ]
        if changed:
            raise ValueError(
                f"The checkpoint {self.path} was trained with {'; '.join(changed)}, but only the "
                f"same training can go on; pass the same values, {cure}"
            )
        return content["state"]

    def _content(self) -> dict:
        """The file's content, once it is sure that nothing in it was damaged."""
        try:
            raw = self.path.read_bytes()
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                damaged = archive.testzip()
            if damaged:
                raise ValueError(f"{damaged} is damaged")
            content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
            if content["format"] != FORMAT:
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
        return content


def _first_difference(before: str, now: str) -> tuple[str, str]:
    """The first line in which two texts differ, from both."""
    pairs = itertools.zip_longest(before.splitlines(), now.splitlines(), fillvalue="")
    return next(((a.strip(), b.strip()) for a, b in pairs if a != b), ("", ""))
