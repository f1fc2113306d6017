"""The checkout with the playbooks, and the environment in which Ansible runs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ota_py.errors import ConfigError

PLAYBOOK = "rollout.yml"
ROOT_VARIABLE = "OTA_PROJECT"


def project_root() -> Path:
    """The directory of rollout.yml and ansible.cfg: `$OTA_PROJECT`, or the checkout that this package is in.

    Raises:
        ConfigError: there is no rollout.yml.
    """
    root = Path(os.environ.get(ROOT_VARIABLE) or Path(__file__).resolve().parents[3])
    if not (root / PLAYBOOK).is_file():
        raise ConfigError(
            f"there is no {PLAYBOOK} in {root}",
            hint=f"run ota_manager.py from a checkout of the project, or set ${ROOT_VARIABLE} to one",
        )
    return root


def environment(config: Path) -> dict[str, str]:
    """The variables of Ansible's environment beside the operator's own.

    Args:
        config: `ota.toml`; the modules read control plane and keys from it.
    """
    beside = Path(sys.executable).parent
    return {
        "ANSIBLE_CONFIG": str(project_root() / "ansible.cfg"),
        "OTA_CONFIG": str(config),
        # Ansible's own commands are those beside this interpreter, whether its environment is active or not.
        "PATH": os.pathsep.join([str(beside), os.environ.get("PATH", os.defpath)]),
    }
