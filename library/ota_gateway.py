#!/usr/bin/python
"""ota_gateway: register a gateway at the control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_gateway
short_description: Register a gateway at the control plane
version_added: "0.1.0"
description:
  - Registers a gateway, or changes what is recorded of it, and keeps its token in a file on the controller.
  - Where the file is missing the gateway gets a new token, and the one before is revoked.
options:
  id:
    description: Identifier of the gateway.
    type: str
    required: true
  token_file:
    description: File on the controller that holds the gateway's token. It is made with the mode 0600.
    type: path
    required: true
  delivery:
    description: Whether the controller pushes to the gateway by SSH, or its agent pulls.
    type: str
    choices: [push, pull]
    default: push
  address:
    description: Where SSH reaches it.
    type: str
    default: ""
  groups:
    description: Groups that it belongs to.
    type: list
    elements: str
    default: []
  hardware:
    description: Kind of hardware.
    type: str
    default: ""
attributes:
  check_mode:
    description: Shows what would change. Records nothing.
    support: full
  diff_mode:
    description: Shows what is recorded of the gateway before and after.
    support: full
extends_documentation_fragment:
  - ota_controller
"""

EXAMPLES = r"""
- name: Register a gateway
  ota_gateway:
    id: boston_001
    token_file: tokens/boston_001
    delivery: pull
    groups: [boston]
  delegate_to: localhost
"""

RETURN = r"""
created:
  description: Whether the gateway was not known before.
  returned: success
  type: bool
  sample: true
code:
  description: Stable identifier of the error, for example C(usage) or C(unreachable).
  returned: failure
  type: str
  sample: unreachable
hint:
  description: What can be done about the error.
  returned: failure
  type: str
  sample: is the control plane running there?
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ota_controller import CONFIG_OPTION, run


def main():
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "token_file": {"type": "path", "required": True, "no_log": False},
            "delivery": {"type": "str", "choices": ["push", "pull"], "default": "push"},
            "address": {"type": "str", "default": ""},
            "groups": {"type": "list", "elements": "str", "default": []},
            "hardware": {"type": "str", "default": ""},
            **CONFIG_OPTION,
        },
        supports_check_mode=True,
    )
    run(module, act)


def act(module, context):
    from pathlib import Path

    from ota_py.manager.controlplane.gateway_registration import register
    from ota_py.names import check_gateway_id

    fields = {name: module.params[name] for name in ("delivery", "address", "groups", "hardware")}
    return register(
        context.control_plane,
        check_gateway_id(module.params["id"]),
        Path(module.params["token_file"]),
        **fields,
        dry_run=module.check_mode,
    )


if __name__ == "__main__":
    main()
