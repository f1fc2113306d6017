"""Documentation that is shared by the modules that act on a gateway."""

from __future__ import annotations

_DIRECTORY = r"""
options:
  directory:
    description:
      - Where the engine is installed on the gateway.
      - When not given, the variable C(ota_directory), and else C(/opt/restaurant-gateway/ota).
    type: path
author:
  - ota-py authors (@ota-py)
"""

_NOTES = r"""
notes:
  - Runs on the gateway by one command of its engine, so it needs no Python modules there and
    gathers no facts.
  - The task fails with the gateway's own reason, code and hint.
"""


class ModuleDocFragment:
    """The fragments `ota_engine`, `ota_engine.directory` and `ota_engine.update`."""

    DOCUMENTATION = _DIRECTORY + _NOTES

    # For a module that reaches the engine, and has notes of its own.
    DIRECTORY = _DIRECTORY

    # Options of `UPDATE_OPTIONS`: the update, and how its transaction begins.
    UPDATE = r"""
options:
  version:
    description:
      - Version of the update. The gateway fetches its manifest from the repository.
      - One of O(version) and O(manifest) is required.
    type: str
  manifest:
    description:
      - Path of a manifest on the gateway, with its signature beside it as the same name and C(.sig).
    type: path
  rollout:
    description: Rollout that the transaction belongs to; its reports carry the number.
    type: int
  force:
    description: Try a version again that was rolled back on this gateway before.
    type: bool
    default: false
"""
