#!/usr/bin/env python3
"""Ansible's dynamic inventory from the control plane that `ota.toml` (or $OTA_CONFIG) names.

Use it as `ansible-playbook -i inventory/control_plane.py rollout.yml -e version=1.2.0`.
"""

from ota_py.manager.inventory import main

if __name__ == "__main__":
    main()
