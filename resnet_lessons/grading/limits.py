"""How much a submission may take, and the operating system's help in seeing to it."""

import contextlib
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The most that one submission gets.

    Attributes:
        total: seconds for all of it, by the clock.
        step: seconds of processor time for one cell, or for one call of an answer.
        memory: MiB, beyond what torch takes by itself.
        file: MiB in files.
        processes: how many, threads included.
    """

    total: float = 60.0
    step: float = 8.0
    memory: int = 2048
    file: int = 64
    processes: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(
                    f"{name} is {value}, but a limit must be above 0; pass for example {name}=10."
                )


@dataclass(frozen=True)
class Already:
    """What this process and this user take before any code of the learner's runs."""

    memory: int = 0
    threads: int = 0

    @classmethod
    def measured(cls, user: int | None = None) -> "Already":
        """Of this process, and of `user` (a number), on Linux; elsewhere nobody would use it."""
        if sys.platform != "linux":
            return cls()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), 0 if user is None else _threads(user))


def apply(limits: Limits, already: Already) -> list[str]:
    """Limit this process and its children for good; returns what is limited, in words."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    wanted = [
        ("core", resource.RLIMIT_CORE, 0),
        ("files", resource.RLIMIT_FSIZE, limits.file * MIB),
        ("processor time", resource.RLIMIT_CPU, int(limits.total) + 5),
    ]
    if sys.platform == "linux":  # elsewhere the kernel does not heed it
        wanted.append(("memory", resource.RLIMIT_AS, already.memory + limits.memory * MIB))
        wanted.append(("processes", resource.RLIMIT_NPROC, already.threads + limits.processes))
    elif hasattr(resource, "RLIMIT_NPROC"):
        wanted.append(("processes", resource.RLIMIT_NPROC, 0))  # threads are none there
    kept = []
    for name, kind, most in wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
            kept.append(name)
    return kept[1:]


def _threads(user: int) -> int:
    """How many threads a user has now: the kernel counts them all."""
    count = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == user:
                count += len(os.listdir(entry / "task"))
    return count
