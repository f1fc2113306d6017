"""ota_backup: back up what a gateway needs to return to its present version."""

from __future__ import annotations

from typing import Any

from ota_py.contract.transactions import State
from ota_py.manager.ansible_base.gateway_action import UpdateAction


class ActionModule(UpdateAction):
    rules = {"mutually_exclusive": [["version", "manifest"]]}
    until = State.BACKED_UP

    def command(self, options: dict[str, Any]) -> list[str]:
        return super().command(options) if _for_update(options) else ["backup"]

    def predict(self, options: dict[str, Any]) -> dict[str, Any]:
        if _for_update(options):
            return super().predict(options)
        return {"changed": True, "msg": "would make a backup"}


def _for_update(options: dict[str, Any]) -> bool:
    return bool(options["version"] or options["manifest"])
