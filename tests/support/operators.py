"""An operator's acts at a control plane that really runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.client import ControlPlane
from tests.support.ports import free_port
from tests.support.processes import MANAGER, running

# What `serve` writes, beside its ota.toml.
LOG = "log"
UPDATE = {
    "version": "1.2.0",
    "description": "",
    "critical": False,
    "manifest_sha256": "0" * 64,
    "key_ids": [],
    "images": {},
    "created": "2026-01-01T00:00:00Z",
}


@contextmanager
def serving(directory: Path, *options: str, settings: Sequence[str] = ()) -> Iterator[ControlPlane]:
    """A control plane made by `init` with these options, while it is served, with the operator's token.

    Args:
        settings: lines for the table `[server]` of its ota.toml.
    """
    port = free_port()
    given = (
        "--fleet healthguard --public-url http://127.0.0.1:1/ota "
        f"--control-plane-url http://127.0.0.1:{port} --listen 127.0.0.1:{port}"
    )
    argv = [*MANAGER, "init", *given.split(), *options]
    subprocess.run(argv, cwd=directory, check=True, stdin=subprocess.DEVNULL)
    config = directory / "ota.toml"
    config.write_text(config.read_text().replace("[server]", "\n".join(["[server]", *settings])))
    with running([*MANAGER, "--config", str(config), "serve"], port, directory / LOG):
        yield CommandContext(str(config)).control_plane


def start_rollout(control_plane: ControlPlane, gateway_id: str, version: str) -> int:
    """Register an update and start a rollout of it to one gateway that pulls; returns its number."""
    if version not in {update["version"] for update in control_plane.updates()}:
        control_plane.register_update({**UPDATE, "version": version})
    gateways = [{"id": gateway_id, "delivery": "pull"}]
    wanted = {"version": version, "gateways": gateways, "serial": ["100%"], "stagger_minutes": 0}
    rollout = int(control_plane.create_rollout({**wanted, "max_failures": "0"})["id"])
    control_plane.start_rollout(rollout)
    control_plane.start_batch(rollout, 0)
    return rollout


class Admin:
    """The admin's pages, as the operator sees them in a browser."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url, self._browser = f"{url}/admin", requests.Session()
        password = (directory / "admin-password").read_text().strip()
        self._browser.get(f"{self._url}/login/").raise_for_status()
        typed = {"csrfmiddlewaretoken": self._browser.cookies["csrftoken"]}
        typed |= {"username": "admin", "password": password, "next": "/admin/"}
        self._browser.post(f"{self._url}/login/", typed).raise_for_status()

    def row(self, gateway_id: str) -> str:
        """A gateway's row in the list, as HTML."""
        page = self._browser.get(f"{self._url}/fleet/gateway/?q={gateway_id}").text
        (row,) = [row for row in page.split("<tr>") if f">{gateway_id}</a>" in row]
        return row


def counted(control_plane: ControlPlane, gateway_id: str) -> list[str]:
    """The states of all transitions that the control plane has counted, the oldest first."""
    events = [e for e in control_plane.events(gateway=gateway_id) if e["kind"] == "transition"]
    return [event["state"] for event in sorted(events, key=lambda event: event["id"])]
