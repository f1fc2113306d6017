"""The shared base of the action plugins whose modules run on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase  # type: ignore[import-untyped]

from ota_py.manager.config.model import config_path


class ControllerAction(ActionBase):  # type: ignore[misc]
    """Base of the plugins that run the module of the same name, with paths from the operator's directory.

    Ansible runs modules in the directory of the playbook; `ota.toml` and the paths that an operator gives lie
    where ansible-playbook was started.
    """

    _supports_check_mode = True
    _supports_async = True

    paths: ClassVar[tuple[str, ...]] = ("config",)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; called by Ansible, once per task."""
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "config": str(config_path(self._task.args.get("config")))}
        for name in self.paths:
            if arguments.get(name):
                arguments[name] = str(Path(arguments[name]).expanduser().absolute())
        result: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result
