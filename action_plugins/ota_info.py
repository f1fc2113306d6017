"""ota_info: read what a gateway runs."""

from __future__ import annotations

from typing import Any

from ota_py.manager.ansible_base.gateway_action import GatewayAction


class ActionModule(GatewayAction):
    def command(self, options: dict[str, Any]) -> list[str]:
        return ["status"]
