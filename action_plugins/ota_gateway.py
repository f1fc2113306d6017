"""ota_gateway: register a gateway at the control plane."""

from __future__ import annotations

from ota_py.manager.ansible_base.controller_action import ControllerAction


class ActionModule(ControllerAction):
    paths = ("config", "token_file")
