"""ota_apply: bring an update to a gateway."""

from __future__ import annotations

from ota_py.manager.ansible_base.gateway_action import UpdateAction


class ActionModule(UpdateAction):
    shows_diff = True
