"""What Colab gives a learner: an environment of its versions, and an address to install from."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from set_repository import ROOT

VERSIONS = ROOT / "tests" / "colab" / "versions-2026-08.txt"
NO_NEWER = "2026-09-01"  # for what the list gives no version of
WANTED = (3, 13)
VENV = ROOT / ".venv-colab"
PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / "installed"  # stands only in a finished environment, and says what is in it
ADDED = ("d2l", "resnet-lessons")
# The stand-in for Colab's own package. Like it, it is loaded when a kernel starts, by IPython's
# configuration; all that the course asks of it is to be there.
STAND_IN = {
    "etc/ipython/ipython_config.py": (
        'get_config().InteractiveShellApp.extensions = ["google.colab"]\n'
    ),
    "lib/python3.13/site-packages/google/colab/__init__.py": (
        '"""Stands in for the package of Google Colab."""\n\n\n'
        "def load_ipython_extension(shell):\n    pass\n"
    ),
}
OF_THE_USER = ("IPYTHON", "JUPYTER", "MPL", "PYTHON", "RESNET", "TORCH", "VIRTUAL_ENV", "XDG")


def run(*command: object, cwd: Path = ROOT, env: dict | None = None) -> str:
    """What a command prints.

    Raises:
        RuntimeError: it failed; the message ends with what it said.
    """
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{said}")
    return done.stdout


def uv(*arguments: object) -> str:
    """Run uv away from this folder, whose pyproject.toml would override the listed versions."""
    return run(sys.executable, "-m", "uv", *arguments, cwd=Path(tempfile.gettempdir()))


def find_python() -> str:
    """A Python of Colab's version on this machine: one that is named, on the path, or pyenv's.

    Raises:
        RuntimeError: there is none.
    """
    name = ".".join(map(str, WANTED))
    folders = os.get_exec_path()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [Path(folder) / f"python{name}" for folder in folders]
    places += sorted(pyenv.glob(f"{name}*/bin/python"))
    asks = "import sys; print(*sys.version_info[:2], sep='.')"
    for candidate in (os.environ.get("COLAB_PYTHON"), sys.executable, *places, _of_uv(name)):
        try:  # a file of that name may be a launcher of what is not installed
            if candidate and run(candidate, "-c", asks).strip() == name:
                return str(candidate)
        except (OSError, RuntimeError):
            continue
    raise RuntimeError(
        f"Colab has Python {name}, and none is on this machine's path; install it, or name it: "
        f"make test-colab COLAB_PYTHON=/path/to/python{name}"
    )


def _of_uv(name: str) -> str:
    try:
        return uv("python", "find", "--managed-python", "--no-python-downloads", name).strip()
    except RuntimeError:
        return ""


def recorded() -> list[str]:
    """The requirements of which Colab's exact version is known."""
    lines = VERSIONS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "==" in line and not line.startswith("#")]


def freeze() -> list[str]:
    return uv("pip", "freeze", "--python", PYTHON).splitlines()


def uninstall() -> None:
    uv("pip", "uninstall", "--python", PYTHON, *ADDED)


def state() -> str:
    """What the environment is made of, as written down when it was finished."""
    head = [str(ROOT), VERSIONS.read_text(encoding="utf-8"), *STAND_IN.values()]
    return "\n".join([*head, *freeze()])


def make_environment() -> None:
    """Make .venv-colab, unless a finished one is there that nothing has changed since."""
    if INSTALLED.exists() and PYTHON.exists():
        uninstall()
        if INSTALLED.read_text(encoding="utf-8") == state():
            return
    python = find_python()
    shutil.rmtree(VENV, ignore_errors=True)
    print(f"Making {VENV.name}; the first time, uv fetches gigabytes.", flush=True)
    uv("venv", "--python", python, VENV)
    fetch = ("pip", "install", "--python", PYTHON, "--exclude-newer", NO_NEWER)
    uv(*fetch, "--requirements", VERSIONS)
    if missing := {line.replace("_", "-") for line in recorded()} - set(freeze()):
        raise RuntimeError(f"{VENV.name} lacks {sorted(missing)}")
    for name, text in STAND_IN.items():
        (VENV / name).parent.mkdir(parents=True, exist_ok=True)
        (VENV / name).write_text(text, encoding="utf-8")
    INSTALLED.write_text(state(), encoding="utf-8")


# --- what stands for the repository on GitHub ---


def build_wheel(folder: Path) -> str:
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    return str(next(folder.glob("*.whl")))


def commit(folder: Path) -> str:
    """The address of a new repository with a commit of the course as it lies here."""
    git = ("git", f"--git-dir={folder}", f"--work-tree={ROOT}", "-c", "core.autocrlf=false")
    run("git", "init", "--quiet", "--bare", folder)
    run(*git, "add", "--all")
    who = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost")
    run(*git, *who, "commit", "--quiet", "--message", "The course")
    return f"git+{folder.as_uri()}"


# --- the learner ---


def of_a_learner(home: Path, **extra: str) -> dict[str, str]:
    """Environment variables of somebody whose home is new: no settings, no caches, no network."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OF_THE_USER)}
    home.mkdir(exist_ok=True)
    own = {"HOME": str(home), "TMPDIR": str(home), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    course = {"RESNET_LESSONS_BUDGET": "quick", "RESNET_LESSONS_OFFLINE": "1"}
    return {**kept, **own, **course, **extra}
