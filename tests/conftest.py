"""What several test files share, and what keeps all of them from the network."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A shell that starts the tests in the background lets them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests run side by side: a thread each, or they wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The folder with real data sets that some tests read where there is one; no other test sees it. It
# has another name from here on, under which the processes that pytest-xdist starts find it.
if "RESNET_LESSONS_DATA" in os.environ:
    os.environ["DATA_FOR_TESTS"] = os.environ.pop("RESNET_LESSONS_DATA")
DATA = os.environ.get("DATA_FOR_TESTS")
# Set here, and not for each test, for the notebooks and programs that the tests start. Those find
# the user's cache empty, too, but what other tools keep in it stays theirs.
os.environ["RESNET_LESSONS_OFFLINE"] = "1"
CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
for variable, name in (
    ("MPLCONFIGDIR", "matplotlib"),
    ("PIP_CACHE_DIR", "pip"),
    ("UV_CACHE_DIR", "uv"),
):
    os.environ.setdefault(variable, str(CACHES / name))
EMPTY = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = EMPTY.name

# A proxy of the user's is none for the servers that tests start here.
os.environ["no_proxy"] = f"127.0.0.1,localhost,{os.environ.get('no_proxy', '')}"

LOCAL = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname()}
find_address = socket.getaddrinfo


def find_local_address(host, *arguments, **options):
    """Stand in for `socket.getaddrinfo`: without network, no other machine has an address."""
    if host not in LOCAL:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return find_address(host, *arguments, **options)


socket.getaddrinfo = find_local_address


# Files whose tests start Jupyter kernels run in one process: two kernels that look for free ports
# at the same moment can find the same.
WITH_KERNELS = {
    "tests/checks/test_exercises.py",
    "tests/plots/test_plots.py",
    "tests/tools/test_descriptions.py",
    "tests/tools/test_nbgrader.py",
    "tests/tools/test_notebooks.py",
    "tests/tools/test_otter.py",
    "tests/tools/test_times.py",
    "tests/widgets/test_training_explorer.py",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A process takes one file after another, so that what a file's tests share is made once.

    xdist's own groups do nothing from pytest 9.2 on.
    """
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "kernels" if file in WITH_KERNELS else file

    return Files(config, log)


def pytest_collection_modifyitems(items):
    """What takes longest comes first: at the end no process waits for another."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The package as pip would install it, built from this folder."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))
