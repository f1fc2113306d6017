#!/usr/bin/python
"""ota_rollout: plan, start, pause or finish a rollout at the control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_rollout
short_description: Plan, start, pause or finish a rollout at the control plane
version_added: "0.1.0"
description:
  - Creates a rollout or picks one up, and returns which hosts a play has to visit, in which order and batches.
  - Every value is checked, and gateways that are not in the inventory or at the control plane are
    refused, before anything is recorded.
options:
  state:
    description:
      - V(planned) creates a rollout from O(version), or picks up O(rollout) where it stopped.
      - V(started) lets it run. V(paused) stops assigning gateways.
      - V(swept) puts the gateways that could not be reached into one more batch.
      - V(finished) completes it, and fails if a gateway did not get the update.
    type: str
    choices: [planned, started, paused, swept, finished]
    required: true
  rollout:
    description: Number of the rollout. Required for all states but V(planned).
    type: int
  version:
    description: Version to bring to the gateways. Required to create a rollout.
    type: str
  gateways:
    description: Identifiers, separated by commas. When not given, all of O(inventory).
    type: str
  inventory:
    description: Delivery, V(push) or V(pull), of each gateway of the inventory by its identifier.
    type: dict
    default: {}
  percentage:
    description:
      - Size of the batches as V(50), or a ramp as V(10,50,100).
      - When not given, one gateway alone, then 25%, then 100%.
    type: str
  stagger:
    description: Minutes between two batches.
    type: str
    default: "0"
  max_failures:
    description: How many gateways, as V(2) or V(10%), may fail or roll back before the rollout stops.
    type: str
    default: "0"
  reason:
    description: Why the rollout is paused.
    type: str
    default: paused by a play
attributes:
  check_mode:
    description: Checks everything and shows the plan. Records nothing.
    support: full
extends_documentation_fragment:
  - ota_controller
"""

EXAMPLES = r"""
- name: Plan a rollout to two gateways
  ota_rollout:
    state: planned
    version: 1.2.0
    gateways: boston_001,boston_002
    inventory:
      boston_001: push
      boston_002: pull
    percentage: 50
  register: plan

- name: Start it
  ota_rollout:
    state: started
    rollout: "{{ plan.rollout }}"
"""

RETURN = r"""
rollout:
  description: Number of the rollout; not there when it was only planned in check mode.
  returned: success
  type: int
  sample: 7
version:
  description: Version that it brings.
  returned: success
  type: str
  sample: 1.2.0
stagger_minutes:
  description: Minutes between two batches.
  returned: success
  type: float
  sample: 5.0
hosts:
  description: What a play visits, in order. A batch host stands for a batch, and is followed by its
    push gateways.
  returned: when O(state) is V(planned) or V(swept)
  type: list
  elements: dict
  sample: [{"name": "batch.1", "batch": 0, "push": ["boston_001"], "last": true}, {"name":
    "boston_001", "batch": 0}]
serial:
  description: How many of RV(hosts) each batch has.
  returned: when O(state) is V(planned) or V(swept)
  type: list
  elements: int
  sample: [2]
counts:
  description: Gateways by their state in the rollout.
  returned: when O(state) is not V(swept)
  type: dict
  sample: {"SUCCEEDED": 2}
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
            "state": {
                "type": "str",
                "choices": ["planned", "started", "paused", "swept", "finished"],
                "required": True,
            },
            "rollout": {"type": "int"},
            "version": {"type": "str"},
            "gateways": {"type": "str"},
            "inventory": {"type": "dict", "default": {}},
            "percentage": {"type": "str"},
            "stagger": {"type": "str", "default": "0"},
            "max_failures": {"type": "str", "default": "0"},
            "reason": {"type": "str", "default": "paused by a play"},
            **CONFIG_OPTION,
        },
        required_if=[("state", state, ("rollout",)) for state in ("started", "paused", "swept", "finished")]
        + [("state", "planned", ("version", "rollout"), True)],
        supports_check_mode=True,
    )
    run(module, act)


def act(module, context):
    from ota_py.manager.rollout import play_steps

    return play_steps.take(context.control_plane, module.params, check_mode=module.check_mode)


if __name__ == "__main__":
    main()
