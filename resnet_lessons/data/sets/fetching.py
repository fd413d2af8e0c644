"""Fetching files that others publish: from whichever mirror serves them, resumed, and checked.

Written for a day on which the usual source of a file hangs, is throttled or hands out something
else. Neither pooch (its issue 310) nor torchvision.datasets.utils tries mirrors, resumes a file,
or leaves a source that is slow.
"""

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
# What is hoped of a mirror, in bytes a second; of one that was left as too slow, the rate it had.
ALONE = 2e15  # it ended a file that others may have spoilt: now all of it comes from this one
UNTRIED = 1e15
LATE = 0.0  # it did not answer in time
LOST = -1.0  # it had served, and is gone


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
    """How long to wait for a mirror, in seconds, and how slow it may be, in bytes a second."""

    answer: float = 2.0  # until it answers, its address and all redirections found, at first
    stall: float = 10.0  # between two pieces of the file
    silence: float = 20.0  # without a byte from any mirror, after which there is no network
    slow: float = 200_000  # below this rate a mirror is left while there is another
    window: float = 15.0  # over which that rate is averaged
    pause: float = 1.0  # before a mirror that had served is asked again, where no other is left


class DownloadError(OSError):
    """No mirror gave the file; the message names them, each on its line with what went wrong."""


def download(archive: Archive, folder: Path, patience: Patience | None = None) -> Path:
    """Fetch `archive` into `folder`, which exists; return the path of the file, its md5 checked.

    What has come stays in `folder` under a name that ends in ".part", however the process ends,
    and the next call goes on from there. Two processes must not fetch the same file at a time: see
    `_files.alone`. A bar on standard output shows how it goes.

    Raises:
        DownloadError: no mirror gave the file.
        DiskError: the folder cannot take it.
    """
    path = folder / archive.name
    if path.is_file() and _md5(path) == archive.md5:
        return path
    transfer = _Transfer(archive, folder, patience or Patience())
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

    def __init__(self, archive: Archive, folder: Path, patience: Patience) -> None:
        self.archive, self.patience = archive, patience
        self.part = folder / f"{archive.name}.part"
        self.part.touch()
        # Mirrors, and perhaps an earlier call, of which the file so far has bytes.
        self.sources = {"an earlier call"} if self.size() else set()
        # What is hoped of each mirror that is still to be asked, or to be asked again.
        self.hopes = dict.fromkeys(archive.mirrors, UNTRIED)
        self.problems: dict[str, str] = {}
        self.heard = time.monotonic()  # when a byte came last
        self.bar = tqdm(
            total=archive.size,
            initial=self.size(),
            desc=archive.name,
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
        if self.size() >= self.archive.size and self.is_right():
            return
        tries: Counter[str] = Counter()
        while True:
            mirror, floor, wait = self.choose()
            before = self.size()
            tries[mirror] += 1
            try:
                rate = self.receive(mirror, floor, wait)
            except DiskError:
                raise
            except (OSError, HTTPException) as error:
                self.problems[mirror] = reason(error)
                if self.size() > before and tries[mirror] < TRIES:
                    self.hopes[mirror] = UNTRIED
                elif mirror in self.sources and tries[mirror] < TRIES:
                    self.hopes[mirror] = LOST
                elif tries[mirror] == 1 and isinstance(error, TimeoutError):
                    self.hopes[mirror] = LATE
            else:
                mixed = self.sources != {mirror}
                if rate is not None:
                    self.hopes[mirror] = rate
                elif self.is_right():
                    return
                else:
                    wrong = "its bytes are not those of the file: their md5 is another"
                    self.problems[mirror] = wrong
                    if mixed and tries[mirror] < TRIES:
                        self.hopes[mirror] = ALONE

    def choose(self) -> tuple[str, float, float]:
        """The next mirror, the rate below which to leave it, and the seconds to wait for it.

        Raises:
            DownloadError: there is none left, or nothing comes from anywhere.
        """
        left = self.patience.silence - (time.monotonic() - self.heard)
        if left > 0 and self.hopes:
            # A slow one is better than none, a late one better than no network.
            mirror = max(self.hopes, key=self.hopes.get)  # of equal ones the first
            hope = self.hopes.pop(mirror)
            if hope == LOST:  # the network may be away for a moment
                time.sleep(self.patience.pause)
            if hope < UNTRIED:
                return mirror, 0, left
            others = max(self.hopes.values(), default=LATE) > LATE
            return mirror, self.patience.slow if others else 0, min(left, self.patience.answer)
        silent = f"not tried, since nothing had come for {self.patience.silence:g} s"
        lines = [f"  {host(m)}: {self.problems.get(m, silent)}" for m in self.archive.mirrors]
        raise DownloadError("\n".join([f"{self.archive.name} could not be fetched:", *lines]))

    def receive(self, mirror: str, floor: float, wait: float) -> float | None:
        """Add what `mirror` has to the file, if it answers within `wait` seconds.

        Returns:
            None once the file has its size; the rate, if that was below `floor` and it was left.

        Raises:
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
            while left := self.archive.size - file.tell():
                if (passed := time.monotonic() - since) >= self.patience.window:
                    rate = received / passed
                    if rate < floor:
                        line = f"{host(mirror)} sends {rate / 1000:,.0f} kB/s; trying another."
                        self.bar.write(line, file=sys.stdout)
                        return rate
                    received, since = 0, time.monotonic()
                piece = response.read1(PIECE)
                if not piece:
                    raise OSError(f"broke off {left:,} bytes before the end")
                self.heard = time.monotonic()
                received += len(piece)
                if fresh := memoryview(piece)[skip:][:left]:
                    self.sources.add(mirror)
                    self.write(file, fresh)
                skip = max(0, skip - len(piece))
        return None

    def write(self, file: BinaryIO, piece: memoryview) -> None:
        while piece:  # it may take fewer bytes than it is given
            try:
                written = file.write(piece)
            except OSError as error:
                left = self.archive.size - file.tell()
                raise DiskError(self.part.parent, error, left) from error
            self.bar.update(written)
            piece = piece[written:]

    def is_right(self) -> bool:
        """Whether the md5 of the whole file is right; else the file is thrown away."""
        if _md5(self.part) == self.archive.md5:
            return True
        self.part.write_bytes(b"")
        self.sources.clear()
        self.bar.n = self.bar.last_print_n = self.bar.initial = 0
        return False


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        # A guard against damage, not against forgery: hence allowed wherever md5 is banned.
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
