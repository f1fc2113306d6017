"""ota_verify: verify an update on a gateway."""

from __future__ import annotations

from ota_py.contract.transactions import State
from ota_py.manager.ansible_base.gateway_action import UpdateAction


class ActionModule(UpdateAction):
    until = State.VERIFIED
