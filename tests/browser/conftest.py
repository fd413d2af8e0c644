"""A browser and a JupyterLab for the tests of this folder: `make test-browser`."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from lab import Lab
from server import Server

HERE = Path(__file__).parent
SCREENSHOTS = HERE / "screenshots"  # not in git; tools/readme_pictures.py takes README's from here
LAPTOP = {"width": 1280, "height": 800}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
MISSING = (
    "No Chromium is installed, but these tests drive one; install it (on Debian: apt install "
    "chromium), or let the environment variable BROWSER_PATH name one."
)
# A browser of a test asks nobody for news. Chromium shuts nobody in when root starts it.
QUIET = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
QUIET += ["--disable-component-update", "--disable-quic"]


def browser_path() -> str:
    """The Chromium or Chrome of this machine; empty where there is none."""
    named = os.environ.get("BROWSER_PATH")
    found = [named] if named else [*map(shutil.which, NAMES), *filter(os.path.exists, ELSEWHERE)]
    return next(filter(None, found), "")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = browser_path()
    if not path or not shutil.which(path):
        pytest.exit(MISSING, returncode=1)
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=QUIET, chromium_sandbox=not as_root
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture
def lab(browser, server, request) -> Iterator[Lab]:
    """A page of a laptop's size; what it looked like at the end is kept, and kernels are shut."""
    context = browser.new_context(viewport=LAPTOP)
    lab = Lab(context.new_page(), server, SCREENSHOTS)
    yield lab
    name = request.node.name.removeprefix("test_").translate(str.maketrans("[]/", "___"))
    lab.shoot(name)
    context.close()
    server.shut_kernels()
