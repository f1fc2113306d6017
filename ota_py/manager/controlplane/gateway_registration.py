"""Registration of a gateway at the control plane; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ota_py.errors import NotFoundError
from ota_py.manager.config.secrets import write_secret
from ota_py.manager.controlplane.client import ControlPlane

Json = dict[str, Any]


def register(
    control_plane: ControlPlane,
    gateway: str,
    token_file: Path,
    *,
    delivery: str,
    address: str,
    groups: Sequence[str],
    hardware: str,
    dry_run: bool = False,
) -> Json:
    """Register a gateway with these fields and write its token to `token_file`, as far as that is not so yet.

    The control plane shows a token once. Where the file is missing, the gateway gets a new token and the one
    before is revoked.

    Returns:
        `{"changed", "created", "diff"}`.
    """
    wanted = {"delivery": delivery, "address": address, "groups": list(groups), "hardware": hardware}
    try:
        known = control_plane.gateway(gateway)
    except NotFoundError:
        known = None
    before = {name: known[name] for name in wanted} if known else {}
    changed = before != wanted or not token_file.exists()
    result = {"changed": changed, "created": known is None, "diff": {"before": before, "after": wanted}}
    if changed and not dry_run:
        _bring_about(control_plane, gateway, token_file, wanted, known is not None, before != wanted)
    return result


def _bring_about(
    control_plane: ControlPlane, gateway: str, token_file: Path, wanted: Json, known: bool, differs: bool
) -> None:
    token_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not known:
        # A token of a gateway that was removed is of no use any more.
        token_file.unlink(missing_ok=True)
        write_secret(token_file, control_plane.add_gateway(gateway, **wanted)["token"])
        return
    if differs:
        control_plane.change_gateway(gateway, **wanted)
    if not token_file.exists():
        write_secret(token_file, control_plane.rotate_gateway_token(gateway)["token"])
