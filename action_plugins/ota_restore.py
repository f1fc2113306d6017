"""ota_restore: return a gateway to the version before, or end an interrupted transaction."""

from __future__ import annotations

from typing import Any

from ota_py.manager.gateway_action import GatewayAction


class ActionModule(GatewayAction):
    options = {"state": {"type": "str", "choices": ["recovered", "previous"], "default": "recovered"}}

    def command(self, options: dict[str, Any]) -> list[str]:
        return ["recover" if options["state"] == "recovered" else "rollback"]
