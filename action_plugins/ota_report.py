"""ota_report: bring a gateway's reports to the control plane (the report relay)."""

from __future__ import annotations

from typing import Any

from ota_py.errors import OtaError
from ota_py.manager.ansible_base.gateway_action import GatewayAction
from ota_py.manager.context import CommandContext
from ota_py.manager.rollout.report_relay import relay


class ActionModule(GatewayAction):
    options = {
        "rollout": {"type": "int", "required": True},
        "version": {"type": "str", "required": True},
        "result": {"type": "dict", "default": {}},
        "config": {"type": "path"},
    }

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            return relay(
                CommandContext(options["config"]).control_plane,
                self.host,
                self.run_engine,
                rollout=options["rollout"],
                version=options["version"],
                result=options["result"],
            )
        except OtaError as error:
            return {"failed": True, "msg": error.message, "code": error.code, "hint": error.hint}

    def predict(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"changed": False, "accepted": 0}
