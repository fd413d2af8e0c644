"""Files that are whole or not there, whatever stops the process that writes them."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

# A disk that is full, a quota that is used up, a limit on the size of files.
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class DiskError(OSError):
    """Nothing more can be written here; the message says where and why."""

    def __init__(self, folder: Path, error: OSError, needed: int) -> None:
        """`needed` is the number of bytes that were still to come."""
        reason = "the disk is full" if error.errno in FULL else error.strerror or str(error)
        super().__init__(
            f"{folder} cannot take the {needed:,} bytes that are still to be written ({reason})"
        )


def is_writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, which is itself made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def demand_space(folder: Path, needed: int) -> None:
    """Make sure that `folder` has room for `needed` bytes, before hours go into fetching them.

    Raises:
        DiskError: it has less. It may still fill up later, or have a quota that nobody tells of.
    """
    if shutil.disk_usage(folder).free < needed:
        raise DiskError(folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), needed)


def write_whole(path: Path, size: int, write: Callable[[BinaryIO], None]) -> None:
    """Make or replace the file `path` by what `write` puts into the file that it is given.

    Until all is on the disk it stands under another name, which no crash can leave at `path`.

    Raises:
        DiskError: it cannot be written; `size` is the number of bytes that it takes.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write(file)
        put_in_place(part, path)
    except OSError as error:
        raise DiskError(path.parent, error, size) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def put_in_place(part: Path, path: Path) -> None:
    """Give the finished file `part` its name `path`, once its bytes are on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


@contextlib.contextmanager
def alone(lock: Path, notice: str) -> Iterator[None]:
    """Let one process at a time work under `lock`; another prints `notice` and waits its turn."""
    from filelock import FileLock, Timeout  # here, since few ever fetch anything

    held = FileLock(lock)
    try:
        turn = held.acquire(timeout=0)
    except Timeout:
        print(notice, flush=True)
        turn = held.acquire()
    with turn:
        yield
