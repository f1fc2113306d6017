#!/usr/bin/python
"""ota_gate: wait for a batch of a rollout, and stop the rollout if too many failed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_gate
short_description: Wait for a batch of a rollout, and stop the rollout if too many failed
version_added: "0.1.0"
description:
  - Waits until every gateway of the batch reported a result, then watches the rollout for the stagger time.
  - Pauses the rollout and fails as soon as more gateways failed or rolled back than the rollout allows.
  - Defers gateways that cannot be reached. They are no failures, and are tried again at the end of
    the rollout.
options:
  rollout:
    description: Number of the rollout.
    type: int
    required: true
  batch:
    description: Number of the batch, from 0.
    type: int
    required: true
  unreachable:
    description: Gateways of the batch that the play lost.
    type: list
    elements: str
    default: []
  stagger_minutes:
    description: How long to watch the rollout when the batch is done.
    type: float
    default: 0
  reach_minutes:
    description: How long a gateway may take to begin before it is deferred.
    type: float
    default: 15
  report_minutes:
    description: How long a gateway may take to report a result before it is deferred.
    type: float
    default: 300
  held_minutes:
    description:
      - How long a gateway may wait for its maintenance window, a veto or a hook before it is deferred.
      - Batches go on one after the other, so a rollout waits with them for their windows.
    type: float
    default: 1440
  poll_seconds:
    description: Time between two queries of the control plane.
    type: float
    default: 1
attributes:
  check_mode:
    description: Waits for nothing and records nothing.
    support: full
extends_documentation_fragment:
  - ota_controller
"""

EXAMPLES = r"""
- name: Wait for the first batch and watch it for five minutes
  ota_gate:
    rollout: 7
    batch: 0
    stagger_minutes: 5
"""

RETURN = r"""
verdict:
  description: Always C(GO); the task fails otherwise.
  returned: success
  type: str
  sample: GO
failures:
  description: Gateways of the whole rollout that failed or rolled back.
  returned: success
  type: int
  sample: 0
deferred:
  description: Gateways that were deferred.
  returned: success
  type: list
  elements: str
  sample: [boston_003]
counts:
  description: Gateways of the whole rollout by their state.
  returned: success
  type: dict
  sample: {"SUCCEEDED": 2, "DEFERRED": 1}
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
            "unreachable": {"type": "list", "elements": "str", "default": []},
            "stagger_minutes": {"type": "float", "default": 0},
            "reach_minutes": {"type": "float", "default": 15},
            "report_minutes": {"type": "float", "default": 300},
            "held_minutes": {"type": "float", "default": 1440},
            "poll_seconds": {"type": "float", "default": 1},
            **CONFIG_OPTION,
        },
        supports_check_mode=True,
    )
    run(module, act)


def act(module, context):
    if module.check_mode:
        return {"changed": False, "deferred": []}
    from ota_py.manager.rollout.gate import Gate, GateTimeouts

    given = module.params
    gate = Gate(context.control_plane, given["rollout"], given["batch"])
    timeouts = GateTimeouts(
        reach=given["reach_minutes"],
        report=given["report_minutes"],
        held=given["held_minutes"],
        stagger=given["stagger_minutes"],
        poll_seconds=given["poll_seconds"],
    )
    answer = gate.pass_through(given["unreachable"], timeouts)
    return {**answer, "changed": bool(gate.deferred), "deferred": gate.deferred}


if __name__ == "__main__":
    main()
