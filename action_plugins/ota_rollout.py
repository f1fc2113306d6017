"""ota_rollout: plan, start, pause or finish a rollout at the control plane."""

from __future__ import annotations

from ota_py.manager.ansible_base.controller_action import ControllerAction


class ActionModule(ControllerAction):
    """Action of the module ota_rollout; see library/ota_rollout.py."""
