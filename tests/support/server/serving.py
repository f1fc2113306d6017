"""A control plane as an operator runs it, and a browser at its admin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from ota_py.manager.controlplane.client import ControlPlane
from tests.support import operators


@dataclass(frozen=True)
class Served:
    """A control plane that runs.

    Attributes:
        directory: where its ota.toml is.
        operator: its client, with the operator's token.
    """

    directory: Path
    operator: ControlPlane

    @property
    def url(self) -> str:
        return self.operator.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def log(self) -> str:
        return (self.directory / operators.LOG).read_text()

    @property
    def password(self) -> str:
        """Password of the user `admin`."""
        return (self.directory / "admin-password").read_text().strip()


@contextmanager
def serving(directory: Path, *settings: str) -> Iterator[Served]:
    """Make a control plane with these lines in the table `[server]`, and run it with one worker."""
    with operators.serving(directory, settings=settings) as operator:
        yield Served(directory, operator)


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
