"""The gateways in Ansible's inventory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ota_py import names
from ota_py.contract.fleet import Delivery
from ota_py.errors import ConfigError, ControlPlaneError
from ota_py.manager.system.checkout import environment, project_root
from ota_py.manager.system.processes import run_command

# The group that holds every gateway, in static inventories and in the control plane's.
GATEWAYS_GROUP = "gateways"
DEFAULT_DELIVERY = Delivery.PUSH
# Variables of a host that the control plane may give, and what each may look like.
_HOST_VARIABLES = {
    "ansible_host": r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}",
    "ota_delivery": r"push|pull",
    "ota_hardware": names.GROUP,
    "ota_current_version": r"[0-9][0-9A-Za-z.+-]{0,63}",
}


def load_deliveries(inventory: Path, config: Path) -> dict[str, str]:
    """The delivery of each gateway in the inventory's group `gateways` by its id, in the group's order.

    Args:
        inventory: a file, directory or script, as `ansible-inventory -i` takes it.
        config: `ota.toml`, for an inventory that comes from the control plane.

    Raises:
        ConfigError: missing, or Ansible cannot read it.
    """
    if not inventory.exists():
        raise ConfigError(f"there is no inventory at {inventory}", hint="name it as ansible.inventory in ota.toml")
    # Not by ansible-runner, which would leave a directory behind, with the whole environment in it.
    done = run_command(
        ["ansible-inventory", "--list", "--inventory", str(inventory)],
        cwd=project_root(),
        env=environment(config) | {"ANSIBLE_VERBOSITY": "0"},  # more would stand before the JSON
    )
    try:
        listed = json.loads(done.stdout)
    except ValueError:
        listed = None
    if done.returncode or not isinstance(listed, Mapping):
        raise ConfigError(f"Ansible cannot read the inventory {inventory}: {done.stderr.strip()[:500]}")
    return deliveries(listed)


def checked(document: Mapping[str, Any]) -> dict[str, Any]:
    """The control plane's inventory, checked to hold identifiers and nothing else.

    Ansible renders an inventory's values as templates and takes from it how to connect, so an attacker with the
    control plane could run programs on the operator's machine (docs/adr/0003).

    Raises:
        ControlPlaneError: naming what is not allowed.
    """
    try:
        groups = {name: body for name, body in document.items() if name != "_meta"}
        hostvars = document["_meta"]["hostvars"]
        _require(set(document["_meta"]) == {"hostvars"}, "more than variables of hosts in _meta")
        for group, body in groups.items():
            _require(set(body) <= {"hosts", "children"}, f"more than members in the group {group!r}")
        members = [name for body in groups.values() for part in body.values() for name in part]
        for name in [*groups, *members, *hostvars]:
            _require(re.fullmatch(names.GATEWAY_ID, name) and name != "localhost", f"the name {name!r}")
        for host, variables in hostvars.items():
            for key, value in variables.items():
                allowed = isinstance(value, str) and re.fullmatch(_HOST_VARIABLES.get(key, "(?!)"), value)
                _require(allowed, f"{key} = {value!r} of {host}")
    except (AttributeError, KeyError, TypeError):
        raise _not_allowed("what is no inventory") from None
    return dict(document)


def _require(holds: object, what: str) -> None:
    if not holds:
        raise _not_allowed(what[:200])


def _not_allowed(what: str) -> ControlPlaneError:
    return ControlPlaneError(
        f"the control plane's inventory holds {what}, which Ansible must not be given",
        hint="nothing was run; find out who changed the control plane",
    )


def deliveries(listed: Mapping[str, Any]) -> dict[str, str]:
    """The delivery of each gateway by its id, from the JSON of `ansible-inventory --list`."""
    hostvars = listed.get("_meta", {}).get("hostvars", {})
    return {
        name: str(hostvars.get(name, {}).get("ota_delivery", DEFAULT_DELIVERY))
        for name in _members(listed, GATEWAYS_GROUP)
    }


def _members(listed: Mapping[str, Any], group: str) -> list[str]:
    found = listed.get(group, {})
    nested = [name for child in found.get("children", []) for name in _members(listed, child)]
    return list(dict.fromkeys([*found.get("hosts", []), *nested]))
