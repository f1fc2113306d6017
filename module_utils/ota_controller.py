"""The adapter from the project's errors to fail_json, for the modules that run on the controller."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ota_py.errors import OtaError
    from ota_py.manager.context import CommandContext
except ImportError:
    MISSING = traceback.format_exc()
else:
    MISSING = ""

if TYPE_CHECKING:
    Result = dict[str, Any]

CONFIG_OPTION: dict[str, Any] = {"config": {"type": "path"}}


def run(module: AnsibleModule, act: Callable[[AnsibleModule, CommandContext], Result]) -> None:
    """Run `act` and exit with its result, or fail with the error's own message, code and hint."""
    if MISSING:
        module.fail_json(msg=missing_required_lib("ota_py"), exception=MISSING)
    try:
        result = act(module, CommandContext(module.params["config"]))
    except OtaError as error:
        module.fail_json(msg=error.message, code=error.code, hint=error.hint, details=error.details)
    module.exit_json(**result)
