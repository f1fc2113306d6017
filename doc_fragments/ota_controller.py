"""Documentation that is shared by the modules that talk to the control plane from the controller."""

from __future__ import annotations

_CONFIG = r"""
options:
  config:
    description:
      - The operator's C(ota.toml), which names the control plane and its token.
      - When not given, the environment variable E(OTA_CONFIG), and else C(ota.toml) in the current directory.
    type: path
attributes:
  diff_mode:
    description: Nothing that could be shown as a difference.
    support: none
author:
  - ota-py authors (@ota-py)
"""

_NOTES = r"""
notes:
  - Runs on the controller, where the package C(ota_py) is installed.
"""


class ModuleDocFragment:
    """The fragments `ota_controller` and `ota_controller.config`."""

    DOCUMENTATION = _CONFIG + _NOTES

    # For a module that reads `ota.toml`, and has notes of its own.
    CONFIG = _CONFIG
