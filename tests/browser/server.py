"""A JupyterLab of the tests' own: on a copy of the notebooks, with nobody's settings but these."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from set_repository import ROOT

SETTINGS = {
    # Every cell is in the page, not only those on the screen.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}


class Server:
    """JupyterLab as `make lab` starts it, in the `quick` budget.

    Attributes:
        url: where it answers, without a slash at the end.
        token: what it wants to be told first.
        notebooks: the folder that it shows, a copy of the course's.
        log: the file that it writes to.
    """

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(16)
        self.notebooks, self.log = folder / "notebooks", folder / "jupyterlab.log"
        self._settings, self._runtime = folder / "settings", folder / "runtime"
        shutil.copytree(
            ROOT / "notebooks",
            self.notebooks,
            ignore=shutil.ignore_patterns("source", ".ipynb_checkpoints"),
        )
        self.set_theme("JupyterLab Light")
        for name, values in SETTINGS.items():
            self._write(name, values)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=folder,
                env=self._environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = self._wait()

    def set_theme(self, name: str) -> None:
        """Colours of pages that are loaded from now on."""
        self._write("@jupyterlab/apputils-extension/themes", {"theme": name})

    def api(self, path: str, method: str = "GET") -> object:
        """What the server's own interface says; see /api/spec.yaml in any Jupyter server."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def shut_kernels(self) -> None:
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", "DELETE")

    def stop(self) -> None:
        """End it and its kernels."""
        try:
            self.api("shutdown", "POST")
            self._process.wait(30)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _command(self) -> list[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]  # should it be taken in the meantime, the next is tried
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            f"--ServerApp.root_dir={self.notebooks}",
            f"--ServerApp.port={port}",
            "--ServerApp.ip=127.0.0.1",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
        ]

    def _environment(self, folder: Path) -> dict[str, str]:
        skip = ("JUPYTER", "IPYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(skip)}
        return kept | {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(self._settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            "RESNET_LESSONS_BUDGET": "quick",
        }

    def _write(self, name: str, values: dict) -> None:
        file = self._settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")

    def _wait(self, seconds: float = 120) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._process.poll() is None:
            for file in self._runtime.glob("jpserver-*.json"):
                try:
                    self.url = json.loads(file.read_text(encoding="utf-8"))["url"].rstrip("/")
                    self.api("status")
                    return self.url
                except (OSError, ValueError):
                    pass  # half written, or not yet listening
            time.sleep(0.1)
        self._process.kill()
        self._process.wait()
        said = self.log.read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"JupyterLab did not answer within {seconds:.0f} s; it said:\n{said}")
