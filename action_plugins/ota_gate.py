"""ota_gate: wait for a batch of a rollout, and stop the rollout if too many failed."""

from __future__ import annotations

from ota_py.manager.ansible_base.controller_action import ControllerAction


class ActionModule(ControllerAction):
    """Action of the module ota_gate; see library/ota_gate.py."""
