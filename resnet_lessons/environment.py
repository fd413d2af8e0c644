"""What this machine has for the course, and what to do where something is amiss: `report()`.

What is known is gathered first, as plain `Facts`; each `Problem` is then found by a function of
these alone. So a machine can be described that is not at hand.
"""

import html
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from resnet_lessons.training import budget, in_notebook

OLDEST_PYTHON, OLDEST_TORCH = "3.11", "2.6"
ENOUGH = 2.0  # GB, of memory and of disk
# The oldest driver that runs the builds of a CUDA generation:
# docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
PACKAGES = ("torch", "torchvision", "d2l", "jupyterlab", "ipywidgets")
# What `from d2l import torch` loads besides torch itself.
D2L_NEEDS = (
    *("numpy", "torchvision", "PIL", "pandas", "requests", "IPython"),
    *("matplotlib", "matplotlib_inline", "scipy"),
)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Facts:
    """What was found out about a machine. None stands for what it does not tell.

    Attributes:
        place: `"colab"`, `"jupyter"` or `"terminal"`.
        python: version.
        packages: version of each of `PACKAGES`, None where it is missing.
        d2l_lacks: modules that d2l imports and that are not there.
        cuda_build: the CUDA version that torch was built with, None without.
        gpu: the GPU that torch sees, None where it sees none.
        gpu_refusal: what torch said about a GPU that it could not use.
        nvidia: whether the machine shows an NVIDIA GPU, to torch or not.
        driver: version of the NVIDIA driver.
        visible_devices: the environment variable CUDA_VISIBLE_DEVICES.
        budget_variable: the environment variable RESNET_LESSONS_BUDGET.
        threads: that torch computes with, and those that the processor has.
        memory, free_memory, free_disk: in GB.
    """

    place: str
    python: str
    packages: dict[str, str | None]
    d2l_lacks: tuple[str, ...] = ()
    cuda_build: str | None = None
    gpu: str | None = None
    gpu_refusal: str | None = None
    nvidia: bool = False
    driver: str | None = None
    visible_devices: str | None = None
    budget_variable: str | None = None
    threads: tuple[int, int | None] = (1, None)
    memory: float | None = None
    free_memory: float | None = None
    free_disk: float | None = None


class Problem(NamedTuple):
    """A sentence that says what is wrong, and one that says what to do."""

    trouble: str
    cure: str


@dataclass(frozen=True, repr=False)
class Report:
    """What there is, line by line, and what is wrong with it.

    It is shown as text in a terminal and as a table in a notebook.
    """

    rows: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]

    @property
    def verdict(self) -> str:
        count = len(self.problems)
        return "No problem found." if not count else f"{count} problem{'s' * (count > 1)} found:"

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{name:{width}}  {value}" for name, value in self.rows]
        for trouble, cure in self.problems:
            lines += ["", f"- {trouble}", f"  {cure}"]
        lines.insert(len(self.rows), f"\n{self.verdict}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        # No colours: the notebook's theme, light or dark, sets them.
        left = 'style="text-align:left"'
        rows = "".join(
            f'<tr><th scope="row" {left}>{_html(name)}</th><td {left}>{_html(value)}</td></tr>'
            for name, value in self.rows
        )
        items = "".join(
            f"<li>{_html(trouble)}<br><strong>{_html(cure)}</strong></li>"
            for trouble, cure in self.problems
        )
        return (
            f'<table aria-label="environment"><tbody>{rows}</tbody></table>'
            f"<p>{_html(self.verdict)}</p>" + (f"<ul>{items}</ul>" if items else "")
        )


def report() -> Report:
    """Look at this machine and say what it has and what is wrong; takes less than a second."""
    facts = probe()
    return Report(rows(facts), problems(facts))


def rows(facts: Facts) -> tuple[tuple[str, str], ...]:
    """What there is, as name and value."""
    where = {"colab": "Google Colab", "jupyter": "Jupyter", "terminal": "a terminal"}
    found = [(name, facts.packages.get(name) or "not installed") for name in PACKAGES]
    threads, all_threads = facts.threads
    memory = _gigabytes(facts.memory)
    if facts.free_memory is not None:
        memory = f"{_gigabytes(facts.free_memory)} free of {memory}"
    return (
        ("running in", where[facts.place]),
        ("Python", facts.python),
        *found,
        ("device", facts.gpu or "CPU"),
        ("processor threads", f"{threads} of {all_threads}" if all_threads else f"{threads}"),
        ("memory", memory),
        ("free disk", _gigabytes(facts.free_disk)),
        ("budget", _budget(facts)),
    )


def problems(facts: Facts) -> tuple[Problem, ...]:
    """What is wrong, the gravest first; empty where nothing is."""
    return tuple(problem for case in CASES if (problem := case(facts)))


# --- the cases: each a function of the facts, None where it does not apply ---


def old_python(facts: Facts) -> Problem | None:
    """A Python that the course does not run on."""
    if _numbers(facts.python) >= _numbers(OLDEST_PYTHON):
        return None
    return Problem(
        f"Python is {facts.python}, but the course needs {OLDEST_PYTHON} or newer.",
        "Install a newer one and name it, for example `make lab PYTHON=python3.13`.",
    )


def old_torch(facts: Facts) -> Problem | None:
    """A torch that the course does not run on."""
    version = facts.packages.get("torch")
    if not version or _numbers(version) >= _numbers(OLDEST_TORCH):
        return None
    return Problem(
        f"torch is {version}, but the course needs {OLDEST_TORCH} or newer.",
        _fresh_colab(facts)
        or "Run `pip install -r requirements.txt` in the course's folder, and restart the kernel.",
    )


def colab_without_gpu(facts: Facts) -> Problem | None:
    """A Colab runtime that nobody switched to a GPU."""
    if facts.place != "colab" or facts.gpu or facts.nvidia:
        return None
    return Problem(
        "This Colab runtime has no GPU, so every training runs on the processor.",
        "Choose Runtime → Change runtime type → T4 GPU, then run the notebook from the top.",
    )


def torch_without_cuda(facts: Facts) -> Problem | None:
    """An NVIDIA GPU, and a torch that knows of none."""
    if facts.gpu or not facts.nvidia or facts.cuda_build:
        return None
    return Problem(
        "This machine has an NVIDIA GPU, but this torch is built without CUDA and cannot use it.",
        _fresh_colab(facts) or f"Run {_OTHER_BUILD}.",
    )


def old_driver(facts: Facts) -> Problem | None:
    """A driver older than torch's CUDA build needs."""
    if facts.gpu or not facts.nvidia or not facts.cuda_build or not facts.driver:
        return None
    needed = OLDEST_DRIVER.get(_numbers(facts.cuda_build)[0], 0)
    if _numbers(facts.driver)[0] >= needed:
        return None
    return Problem(
        f"torch cannot use the NVIDIA GPU: the driver is {facts.driver}, but a torch built for "
        f"CUDA {facts.cuda_build} needs {needed} or newer.",
        _fresh_colab(facts)
        or f"Update the driver, or take the newest torch that this one can run: {_OTHER_BUILD}.",
    )


def hidden_gpu(facts: Facts) -> Problem | None:
    """A GPU that CUDA_VISIBLE_DEVICES hides."""
    if facts.gpu or not facts.nvidia or not facts.cuda_build or not _hides(facts.visible_devices):
        return None
    return Problem(
        "This machine has an NVIDIA GPU, but the environment variable CUDA_VISIBLE_DEVICES is "
        f"{facts.visible_devices!r}, which hides it from torch.",
        "Run `unset CUDA_VISIBLE_DEVICES` in the terminal, and start the course from there again.",
    )


def refused_gpu(facts: Facts) -> Problem | None:
    """An NVIDIA GPU that torch cannot use for none of the reasons above."""
    if facts.gpu or not facts.nvidia:
        return None
    if any(case(facts) for case in (torch_without_cuda, old_driver, hidden_gpu)):
        return None
    said = f": {facts.gpu_refusal.rstrip('.')}" if facts.gpu_refusal else ""
    return Problem(
        f"This machine has an NVIDIA GPU, but torch cannot use it{said}.",
        _fresh_colab(facts)
        or "Run `nvidia-smi` in a terminal: where it fails, restart the machine or mend its "
        "driver; in a container, let it have the GPU (`docker run --gpus all`).",
    )


def broken_d2l(facts: Facts) -> Problem | None:
    """No d2l, or one that cannot be imported."""
    percent = "" if facts.place == "terminal" else "%"
    if not facts.packages.get("d2l"):
        return Problem(
            "d2l, the package of the book Dive into Deep Learning, is missing; the few cells that "
            "use it will fail.",
            f"Run `{percent}pip install --no-deps d2l==1.0.3`.",
        )
    if not facts.d2l_lacks:
        return None
    lacking = [{"PIL": "pillow"}.get(name, name.replace("_", "-")) for name in facts.d2l_lacks]
    return Problem(
        f"d2l cannot be imported without {', '.join(lacking)}; the few cells that use it will "
        "fail.",
        f"Run `{percent}pip install {' '.join(lacking)}`.",
    )


def unknown_budget(facts: Facts) -> Problem | None:
    """A budget that does not exist."""
    if not facts.budget_variable or facts.budget_variable in budget.NAMES:
        return None
    cure = f"`export {budget.VARIABLE}=cpu` in the terminal"
    if facts.place != "terminal":
        cure = f"`%env {budget.VARIABLE}=cpu` in a cell"
    return Problem(
        f"{budget.VARIABLE} is {facts.budget_variable!r}, but a budget is one of "
        f"{', '.join(budget.NAMES)}.",
        f"Run {cure}, or another of the three.",
    )


def little_memory(facts: Facts) -> Problem | None:
    """Less free memory than a training may need."""
    if facts.free_memory is None or facts.free_memory >= ENOUGH:
        return None
    return Problem(
        f"Only {_gigabytes(facts.free_memory)} of memory are free, and a training may need more.",
        "Shut down other notebooks and close other programs.",
    )


def little_disk(facts: Facts) -> Problem | None:
    """Less free disk than data sets may need."""
    if facts.free_disk is None or facts.free_disk >= ENOUGH:
        return None
    return Problem(
        f"Only {_gigabytes(facts.free_disk)} of disk are free, and data sets may need more.",
        "Delete what you no longer need.",
    )


CASES: tuple[Callable[[Facts], Problem | None], ...] = (
    *(old_python, old_torch),
    *(colab_without_gpu, torch_without_cuda, old_driver, hidden_gpu, refused_gpu),
    *(unknown_budget, little_memory, little_disk, broken_d2l),
)
_OTHER_BUILD = (
    "`make lab TORCH_BACKEND=auto` in the course's folder "
    "(or `uv pip install --reinstall --torch-backend=auto torch torchvision`)"
)


def _fresh_colab(facts: Facts) -> str:
    """The cure for whatever is amiss with Colab's own torch: a new machine. Elsewhere, nothing."""
    if facts.place != "colab":
        return ""
    return "Choose Runtime → Disconnect and delete runtime, then run the notebook from the top."


# --- finding out: nothing here raises ---


def probe() -> Facts:
    """The facts of this machine."""
    gpu, refusal = _attempt(_gpu_of_torch, (None, None))
    nvidia, driver = (True, None) if gpu else _attempt(_nvidia, (False, None))
    memory, free_memory = _attempt(_memory, (None, None))
    packages = {name: _attempt(lambda name=name: metadata.version(name)) for name in PACKAGES}
    return Facts(
        place=_place(),
        python=platform.python_version(),
        # torch itself also names its build, such as 2.11.0+cu130.
        packages={**packages, "torch": str(torch.__version__)},
        d2l_lacks=tuple(name for name in D2L_NEEDS if not _importable(name)),
        cuda_build=torch.version.cuda,
        gpu=gpu,
        gpu_refusal=refusal,
        nvidia=nvidia,
        driver=driver,
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        budget_variable=os.environ.get(budget.VARIABLE),
        threads=(torch.get_num_threads(), os.cpu_count()),
        memory=memory,
        free_memory=free_memory,
        free_disk=_attempt(lambda: shutil.disk_usage(Path.cwd()).free / 1e9),
    )


def _attempt(work: Callable[[], Value], otherwise: Value = None) -> Value:
    try:
        return work()
    except Exception:
        return otherwise


def _place() -> str:
    if "google.colab" in sys.modules:
        return "colab"
    return "jupyter" if _attempt(in_notebook) else "terminal"


def _importable(name: str) -> bool:
    return _attempt(lambda: importlib.util.find_spec(name)) is not None


def _gpu_of_torch() -> tuple[str | None, str | None]:
    """The GPU that torch sees, or what it says of one that it cannot use."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            gpu = torch.cuda.get_device_properties(0)
            return f"GPU, {gpu.name}, {_gigabytes(gpu.total_memory / 1e9)}", None
    said = next((str(warning.message) for warning in caught), "")
    return None, said.partition(" (Triggered")[0].strip() or None


def _nvidia(proc: Path = Path("/proc/driver/nvidia")) -> tuple[bool, str | None]:
    """Whether there is an NVIDIA GPU, and its driver's version: the kernel's word, or the tool's.

    Args:
        proc: where Linux shows the driver; elsewhere nvidia-smi is asked.
    """
    if any(proc.glob("gpus/*")):
        version = re.search(r"\d{3,}\.[\d.]+", (proc / "version").read_text(encoding="utf-8"))
        return True, version and version[0]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False, None
    question = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, timeout=0.8)
    except subprocess.TimeoutExpired:
        return True, None  # without a GPU it gives up at once
    version = re.match(r"\d[\d.]*", answer.stdout)
    if answer.returncode or version is None:
        return False, None
    return True, version[0]


def _memory() -> tuple[float | None, float | None]:
    """All memory and what is free of it; Linux tells both, macOS the first."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    meminfo = Path("/proc/meminfo")
    text = meminfo.read_text(encoding="utf-8") if meminfo.exists() else ""
    free = re.search(r"MemAvailable:\s*(\d+) kB", text)
    return total, int(free[1]) * 1024 / 1e9 if free else None


# --- wording ---


def _budget(facts: Facts) -> str:
    if facts.budget_variable:
        return f"{facts.budget_variable} (set by {budget.VARIABLE})"
    return f"{'gpu' if facts.gpu else 'cpu'} (detected)"


def _hides(visible: str | None) -> bool:
    """Whether this value of CUDA_VISIBLE_DEVICES leaves torch no device."""
    return visible is not None and visible.strip() in ("", "-1", "NoDevFiles")


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version: those of 2.11.0+cu130 are 2 and 11."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2]) or (0,)


def _gigabytes(number: float | None) -> str:
    if number is None:
        return "unknown"
    return f"{number:.1f} GB" if number < 10 else f"{number:.0f} GB"


def _html(text: str) -> str:
    """The text with `code` as code."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(text))
