#!/usr/bin/python
"""ota_report: relay a gateway's reports to the control plane."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_report
short_description: Relay a gateway's reports to the control plane
version_added: "0.1.0"
description:
  - Reads the reports that wait in the gateway's outbox, delivers them to the control plane, and
    lets the gateway forget those that arrived. Each report is counted once, however often it is
    delivered.
  - A gateway that failed O(result) without being able to report it is reported as failed.
options:
  rollout:
    description: Number of the rollout.
    type: int
    required: true
  version:
    description: Version that the rollout brings.
    type: str
    required: true
  result:
    description: What the module that failed on this gateway returned.
    type: dict
    default: {}
notes:
  - Reads from the gateway by one command of its engine, and calls the control plane from the controller.
attributes:
  check_mode:
    description: Relays nothing.
    support: full
extends_documentation_fragment:
  - ota_engine.directory
  - ota_controller.config
"""

EXAMPLES = r"""
- name: Relay the reports of the gateway
  ota_report:
    rollout: 7
    version: 1.2.0
"""

RETURN = r"""
accepted:
  description: How many reports were new to the control plane.
  returned: success
  type: int
  sample: 9
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
