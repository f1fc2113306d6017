"""The gateways that Ansible's inventory knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ota_py.errors import ConfigError
from ota_py.manager.project import environment, project_root

# The group that holds every gateway, in static inventories and in the control plane's.
GATEWAYS_GROUP = "gateways"
DEFAULT_DELIVERY = "push"


def load_deliveries(inventory: Path, config: Path) -> dict[str, str]:
    """Delivery by gateway id, of all gateways in the inventory's group `gateways`, in its order.

    Args:
        inventory: a file, directory or script, as `ansible-inventory -i` takes it.
        config: `ota.toml`, for an inventory that asks the control plane.

    Raises:
        ConfigError: missing, or Ansible cannot read it.
    """
    if not inventory.exists():
        raise ConfigError(
            f"there is no inventory at {inventory}", hint="name it as ansible.inventory in ota.toml"
        )
    from ansible_runner.interface import get_inventory

    said, complaint = get_inventory(  # type: ignore[no-untyped-call]
        "list",
        [str(inventory)],
        response_format="json",
        quiet=True,
        host_cwd=str(project_root()),
        envvars=environment(config),
    )
    if not isinstance(said, Mapping):
        raise ConfigError(f"Ansible cannot read the inventory {inventory}: {str(complaint)[:500]}")
    return deliveries(said)


def deliveries(listed: Mapping[str, Any]) -> dict[str, str]:
    """Delivery by gateway id from the JSON of `ansible-inventory --list`."""
    hostvars = listed.get("_meta", {}).get("hostvars", {})
    return {
        name: str(hostvars.get(name, {}).get("ota_delivery", DEFAULT_DELIVERY))
        for name in _members(listed, GATEWAYS_GROUP)
    }


def _members(listed: Mapping[str, Any], group: str) -> list[str]:
    found = listed.get(group, {})
    nested = [name for child in found.get("children", []) for name in _members(listed, child)]
    return list(dict.fromkeys([*found.get("hosts", []), *nested]))
