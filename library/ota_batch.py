#!/usr/bin/python
"""ota_batch: assign a batch of a rollout and wake its gateways."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_batch
short_description: Assign a batch of a rollout and wake its gateways
version_added: "0.1.0"
description:
  - Assigns the update to the gateways of a batch, and wakes those that pull. Those that are pushed
    to are returned.
  - Doing it again assigns nothing twice.
options:
  rollout:
    description: Number of the rollout.
    type: int
    required: true
  batch:
    description: Number of the batch, from 0.
    type: int
    required: true
attributes:
  check_mode:
    description: States that the batch would begin. Records nothing.
    support: full
extends_documentation_fragment:
  - ota_controller
"""

EXAMPLES = r"""
- name: Begin the first batch
  ota_batch:
    rollout: 7
    batch: 0
"""

RETURN = r"""
assigned:
  description: Gateways that are under way, with their delivery.
  returned: success
  type: list
  elements: dict
  sample: [{"id": "boston_001", "delivery": "push"}]
code:
  description: Stable identifier of the error, for example C(conflict) or C(unreachable).
  returned: failure
  type: str
  sample: conflict
hint:
  description: What can be done about the error.
  returned: failure
  type: str
  sample: finish or abort that rollout first
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ota_controller import CONFIG_OPTION, run


def main():
    module = AnsibleModule(
        argument_spec={
            "rollout": {"type": "int", "required": True},
            "batch": {"type": "int", "required": True},
            **CONFIG_OPTION,
        },
        supports_check_mode=True,
    )
    run(module, act)


def act(module, context):
    if module.check_mode:
        return {"changed": True, "assigned": []}
    from ota_py.manager.rollout.gate import call_with_retries

    rollout, batch = module.params["rollout"], module.params["batch"]
    answer = call_with_retries(lambda: context.control_plane.start_batch(rollout, batch))
    return {"changed": bool(answer["assigned"]), "assigned": answer["assigned"]}


if __name__ == "__main__":
    main()
