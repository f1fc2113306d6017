"""ota_manifest: sign a manifest, or verify its signature."""

from __future__ import annotations

from ota_py.manager.ansible_base.controller_action import ControllerAction


class ActionModule(ControllerAction):
    paths = ("config", "path", "signature")
