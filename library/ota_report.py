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
  directory:
    description:
      - Where the engine is installed on the gateway.
      - When not given, the variable C(ota_directory), and else C(/opt/restaurant-gateway/ota).
    type: path
  config:
    description:
      - The operator's C(ota.toml), which names the control plane and its token.
      - When not given, the environment variable E(OTA_CONFIG), and else C(ota.toml) in the current directory.
    type: path
notes:
  - Asks the gateway by one command of its engine, and the control plane from the controller.
attributes:
  check_mode:
    description: Relays nothing.
    support: full
  diff_mode:
    description: Nothing that could be shown as a difference.
    support: none
author:
  - ota-py authors (@ota-py)
"""

EXAMPLES = r"""
- name: Relay what the gateway reported
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
