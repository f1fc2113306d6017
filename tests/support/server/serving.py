"""A control plane as an operator runs it: `init` and `serve`, in a directory of its own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from ota_py.manager.controlplane.client import ControlPlane
from tests.support.processes import MANAGER, free_port, running


@dataclass(frozen=True)
class Served:
    """One that runs.

    Attributes:
        directory: where its ota.toml is.
        log_file: what it writes on standard error.
    """

    directory: Path
    port: int
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def password(self) -> str:
        """Of the user `admin`."""
        return (self.directory / "admin-password").read_text().strip()

    @property
    def operator_token(self) -> str:
        return (self.directory / "operator-token").read_text().strip()

    def operator(self) -> ControlPlane:
        return ControlPlane(self.url, self.operator_token)


def initialise(directory: Path, *settings: str) -> int:
    """Run `init`, and add lines to the table `[server]`; returns the port to listen on."""
    port = free_port()
    words = f"--fleet test --public-url http://127.0.0.1:1/ota --control-plane-url http://127.0.0.1:{port}"
    command = [*MANAGER, "init", *words.split(), "--listen", f"127.0.0.1:{port}"]
    subprocess.run(command, cwd=directory, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    config = directory / "ota.toml"
    config.write_text(config.read_text().replace("[server]", "\n".join(["[server]", *settings])))
    return port


@contextmanager
def serving(directory: Path, *settings: str) -> Iterator[Served]:
    """Make a control plane and run it, with one worker."""
    port = initialise(directory, *settings)
    log = directory / "serve.log"
    with running([*MANAGER, "--config", str(directory / "ota.toml"), "serve"], port, log):
        yield Served(directory, port, log)


class Browser:
    """Somebody at the admin; `address` is who the proxy says it is."""

    def __init__(self, served: Served, address: str | None = None) -> None:
        self._login = f"{served.url}/admin/login/"
        self.session = requests.Session()
        if address:
            self.session.headers["X-Forwarded-For"] = address

    def sign_in(self, username: str, password: str) -> requests.Response:
        """Fill in the form; what succeeds is redirected, which is not followed."""
        page = self.session.get(self._login, timeout=60)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert found, page.text
        form = {"csrfmiddlewaretoken": found[1], "username": username, "password": password, "next": "/admin/"}
        return self.session.post(self._login, form, allow_redirects=False, timeout=60)
