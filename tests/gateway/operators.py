"""An operator's acts at a control plane that really runs."""

from __future__ import annotations

from ota_py.manager.control_plane import ControlPlane

UPDATE = {
    "version": "1.2.0",
    "description": "",
    "critical": False,
    "manifest_sha256": "0" * 64,
    "key_ids": [],
    "images": {},
    "created": "2026-01-01T00:00:00Z",
}


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


def counted(control_plane: ControlPlane, gateway_id: str) -> list[str]:
    """The states of all transitions that the control plane has counted, the oldest first."""
    events = [e for e in control_plane.events(gateway=gateway_id) if e["kind"] == "transition"]
    return [event["state"] for event in sorted(events, key=lambda event: event["id"])]
