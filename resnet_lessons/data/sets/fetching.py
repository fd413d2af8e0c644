"""Fetching files that others publish: from whichever mirror serves them, resumed, and checked.

Written for a day on which the usual source of a file hangs, is throttled or hands out something
else. Neither pooch (its issue 310) nor torchvision.datasets.utils tries mirrors, resumes a file,
or leaves a source that is slow.
"""

import contextlib
import hashlib
import sys
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from resnet_lessons._files import DiskError, demand_space, put_in_place
from resnet_lessons._http import answer, bytes_to_skip, host, reason

PIECE = 1 << 16  # bytes that are read at once
TRIES = 10  # how often a mirror that breaks off may go on


@dataclass(frozen=True)
class Archive:
    """A file that is published: its name, its size in bytes, its md5, and where it is to be had.

    All mirrors hold the same bytes; they are tried in turn.
    """

    name: str
    size: int
    md5: str
    mirrors: tuple[str, ...]


@dataclass(frozen=True)
class Patience:
    """How long to wait for a mirror.

    Attributes:
        answer: seconds until it answers, finding its address and all redirections included. After
            that the next one is asked, and this one once more, without hurry, when all have been.
        stall: seconds between two pieces of the file.
        silence: seconds without a byte from any mirror, after which there is no network.
        slow: bytes a second, below which a mirror is left while there is another.
        window: seconds over which that rate is averaged.
        pause: seconds before a mirror that had served is asked again, where no other is left.
    """

    answer: float = 2.0
    stall: float = 10.0
    silence: float = 20.0
    slow: float = 200_000
    window: float = 15.0
    pause: float = 1.0


class DownloadError(OSError):
    """No mirror gave the file; the message names them, each on its line with what went wrong."""


class _Slow(Exception):
    """A mirror was left for its `rate`, in bytes a second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate


class _WrongBytes(OSError):
    """The file had another md5; `mixed` tells whether others than the last mirror had a part."""

    def __init__(self, mixed: bool) -> None:
        super().__init__("its bytes are not those of the file: their md5 is another")
        self.mixed = mixed


def download(
    archive: Archive, folder: Path, *, patience: Patience | None = None, progress: bool = True
) -> Path:
    """Fetch `archive` into `folder`, and return the path of the file, whose md5 is right.

    What has come stays in `folder` under a name that ends in ".part", however the process ends,
    and the next call goes on from there. Two processes must not fetch the same file at a time: see
    `_files.alone`.

    Args:
        archive: what to fetch.
        folder: where to; it must exist.
        patience: how long to wait (None: the defaults of `Patience`).
        progress: whether to show a bar, on standard output.

    Raises:
        DownloadError: no mirror gave the file.
        DiskError: the folder cannot take it.
    """
    path = folder / archive.name
    if path.is_file() and _md5(path) == archive.md5:
        return path
    transfer = _Transfer(archive, folder, patience or Patience(), progress)
    with transfer.bar:
        try:
            transfer.run()
        except KeyboardInterrupt:
            transfer.bar.close()
            kept = f"{transfer.size():,} of {archive.size:,} bytes"
            print(f"Stopped: {kept} are kept in {folder}, and the next call goes on from there.")
            raise
    put_in_place(transfer.part, path)
    return path


class _Transfer:
    """One call of `download`: the file so far, the mirrors that are left, and what went wrong."""

    def __init__(self, archive: Archive, folder: Path, patience: Patience, shown: bool) -> None:
        self.archive, self.patience = archive, patience
        self.part = folder / f"{archive.name}.part"
        self.part.touch()
        # Mirrors, and perhaps an earlier call, of which the file so far has bytes.
        self.sources = {"an earlier call"} if self.size() else set()
        self.waiting = list(archive.mirrors)  # still to be asked
        self.slow: dict[str, float] = {}  # left for their rates
        self.late: list[str] = []  # that did not answer in time
        self.lost: list[str] = []  # that had served, and are gone
        self.problems: dict[str, str] = {}
        self.heard = time.monotonic()  # when a byte came last
        self.bar = tqdm(
            total=archive.size,
            initial=self.size(),
            desc=archive.name,
            disable=not shown,
            delay=0.5,  # where there is no network, no bar is begun
            file=sys.stdout,  # standard error would be shown on red in a notebook
            unit="B",
            unit_scale=True,
            mininterval=0.2,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {rate_fmt}, {remaining} left{postfix}",
        )

    def size(self) -> int:
        return self.part.stat().st_size

    def run(self) -> None:
        """Go from mirror to mirror until the file is whole and its md5 right."""
        demand_space(self.part.parent, self.archive.size - self.size())
        if self.size() >= self.archive.size:
            with contextlib.suppress(_WrongBytes):
                self.verify("")
        tries: Counter[str] = Counter()
        while self.size() < self.archive.size:
            mirror, floor, wait = self.choose()
            before = self.size()
            tries[mirror] += 1
            try:
                self.receive(mirror, floor, wait)
                self.verify(mirror)
            except _Slow as error:
                self.slow[mirror] = error.rate
                self.say(f"{host(mirror)} sends {error.rate / 1000:,.0f} kB/s; trying another.")
            except DiskError:
                raise
            except (OSError, HTTPException) as error:
                self.problems[mirror] = reason(error)
                gained = self.size() > before
                if tries[mirror] == 1 and isinstance(error, TimeoutError) and not gained:
                    self.late.append(mirror)
                elif tries[mirror] < TRIES and getattr(error, "mixed", False):
                    self.waiting.insert(0, mirror)  # others may be at fault: now from it alone
                elif tries[mirror] < TRIES and gained:
                    self.waiting.append(mirror)
                elif tries[mirror] < TRIES and mirror in self.sources:
                    self.lost.append(mirror)

    def choose(self) -> tuple[str, float, float]:
        """The next mirror, the rate below which to leave it, and the seconds to wait for it.

        Raises:
            DownloadError: there is none left, or nothing comes from anywhere.
        """
        left = self.patience.silence - (time.monotonic() - self.heard)
        if left > 0 and self.waiting:
            mirror = self.waiting.pop(0)
            floor = self.patience.slow if self.waiting or self.slow else 0
            return mirror, floor, min(left, self.patience.answer)
        # All have been asked. A slow one is better than none, a late one better than no network.
        if left > 0 and self.slow:
            mirror = max(self.slow, key=self.slow.get)
            del self.slow[mirror]
            return mirror, 0, left
        if left > 0 and self.late:
            return self.late.pop(0), 0, left
        if left > 0 and self.lost:  # the network may be away for a moment
            time.sleep(self.patience.pause)
            return self.lost.pop(0), 0, left
        raise DownloadError(self.failure())

    def receive(self, mirror: str, floor: float, wait: float) -> None:
        """Add what `mirror` has to the file, up to its end, if it answers within `wait` seconds.

        Raises:
            _Slow: it sends fewer than `floor` bytes a second.
            OSError, HTTPException: it does not have the file, or breaks off.
        """
        self.bar.set_postfix_str(host(mirror), refresh=False)
        start = self.size()
        with (
            answer(mirror, start, wait, self.patience.stall) as response,
            self.part.open("ab", buffering=0) as file,  # unbuffered: what came survives a kill
        ):
            skip = bytes_to_skip(response, start, self.archive.size)
            received, since = 0, time.monotonic()
            while (left := self.archive.size - file.tell()) and (piece := response.read1(PIECE)):
                self.heard = time.monotonic()
                received += len(piece)
                if fresh := memoryview(piece)[skip:][:left]:
                    self.sources.add(mirror)
                    self.write(file, fresh)
                skip = max(0, skip - len(piece))
                if (passed := self.heard - since) >= self.patience.window:
                    if received / passed < floor:
                        raise _Slow(received / passed)
                    received, since = 0, self.heard
        if left:
            raise OSError(f"broke off {left:,} bytes before the end")

    def write(self, file: BinaryIO, piece: memoryview) -> None:
        while piece:
            try:
                written = file.write(piece)
            except OSError as error:
                left = self.archive.size - file.tell()
                raise DiskError(self.part.parent, error, left) from error
            self.bar.update(written)
            piece = piece[written:]

    def verify(self, mirror: str) -> None:
        """Check the md5 of the whole file; a wrong one is thrown away.

        Raises:
            _WrongBytes: it was wrong.
        """
        if _md5(self.part) == self.archive.md5:
            return
        mixed = self.sources != {mirror}
        self.part.write_bytes(b"")
        self.sources.clear()
        self.bar.n = self.bar.last_print_n = self.bar.initial = 0
        raise _WrongBytes(mixed)

    def say(self, line: str) -> None:
        if not self.bar.disable:
            self.bar.write(line, file=sys.stdout)

    def failure(self) -> str:
        """What to tell when there is no mirror left."""
        silent = f"not tried, since nothing had come for {self.patience.silence:g} s"
        lines = [
            f"  {host(mirror)}: {self.problems.get(mirror, silent)}"
            for mirror in self.archive.mirrors
        ]
        return "\n".join([f"{self.archive.name} could not be fetched:", *lines])


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # A guard against damage, not against forgery: hence allowed wherever md5 is banned.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
