"""The fleet as Ansible's dynamic inventory: checked identifiers only, as Ansible renders it."""

from __future__ import annotations

from typing import Any

from ota_py import names
from ota_py.errors import UsageError
from ota_py.server.fleet.models import Gateway

ALL_GATEWAYS = "gateways"


def inventory() -> dict[str, Any]:
    """The inventory `{"_meta": {"hostvars"}, "gateways": {"hosts"}, GROUP: {"hosts"}, ...}`.

    Groups carry `-` as `_`, since Ansible allows no dash in a group's name.
    """
    groups: dict[str, list[str]] = {ALL_GATEWAYS: []}
    hostvars: dict[str, dict[str, str]] = {}
    for gateway in Gateway.objects.all():
        hostvars[gateway.id] = _hostvars(gateway)
        for group in {ALL_GATEWAYS, *(group.replace("-", "_") for group in gateway.groups)}:
            groups.setdefault(group, []).append(gateway.id)
    return {
        "_meta": {"hostvars": hostvars},
        "all": {"children": sorted(groups)},
        **{name: {"hosts": hosts} for name, hosts in sorted(groups.items())},
    }


def _hostvars(gateway: Gateway) -> dict[str, str]:
    values = {
        "ansible_host": gateway.address,
        "ota_delivery": gateway.delivery,
        "ota_hardware": gateway.hardware,
        "ota_current_version": _checked_version(gateway.version),
    }
    return {name: value for name, value in values.items() if value}


def _checked_version(reported: str) -> str:
    try:
        return str(names.parse_version(reported))
    except UsageError:
        return ""
