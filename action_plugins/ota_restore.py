"""ota_restore: return a gateway to the version before, or end an interrupted transaction."""

from __future__ import annotations

from typing import Any

from ota_py.manager.ansible_base.gateway_action import GatewayAction


class ActionModule(GatewayAction):
    options = {"state": {"type": "str", "choices": ["recovered", "previous"], "default": "recovered"}}
    shows_diff = True

    def command(self, options: dict[str, Any]) -> list[str]:
        return ["recover" if options["state"] == "recovered" else "rollback"]

    def predict(self, options: dict[str, Any]) -> dict[str, Any]:
        status = self.run_engine(["status"])
        if status.get("failed"):
            return status
        last = status.get("transaction") or {}
        if options["state"] == "recovered":
            is_open = bool(last.get("open"))
            message = f"would end the transaction to {last.get('version')}" if is_open else "nothing is interrupted"
            return {"changed": is_open, "msg": message}
        return {"changed": True, "msg": f"would return from {status.get('version')} to the version before"}
