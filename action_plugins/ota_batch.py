"""ota_batch: assign a batch of a rollout and wake its gateways."""

from __future__ import annotations

from ota_py.manager.ansible_base.controller_action import ControllerAction


class ActionModule(ControllerAction):
    """Action of the module ota_batch; see library/ota_batch.py."""
