"""Agents of gateways that pull: they poll the control plane, and run the simulated engine."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ota_py.manager.controlplane.client import ControlPlane
from tests.support.processes import captured
from tests.support.rollout.fleets import Fleet


@contextmanager
def agent(fleet: Fleet, gateway: str) -> Iterator[None]:
    """Poll as the gateway until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=_poll, args=(fleet, gateway, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _poll(fleet: Fleet, gateway: str, stop: threading.Event) -> None:
    control_plane = ControlPlane(fleet.control_plane.url, fleet.tokens[gateway])
    while not stop.wait(0.2):
        if assigned := control_plane.assignment(gateway):
            _engine(fleet, gateway, "update", "--version", assigned["version"], "--rollout", assigned["rollout"])
            reports = _engine(fleet, gateway, "outbox")["reports"]
            delivered = control_plane.report(gateway, reports)["accepted"]
            _engine(fleet, gateway, "outbox", *(word for one in delivered for word in ("--ack", one)))


def _engine(fleet: Fleet, gateway: str, *arguments: Any) -> dict[str, Any]:
    engine = fleet.directory / "gateways" / gateway / "ota_client.py"
    words = [sys.executable, str(engine), *map(str, arguments)]
    said = captured(words).stdout
    answer: dict[str, Any] = json.loads(said[said.index("{") :])
    return answer
