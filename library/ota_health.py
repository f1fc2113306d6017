"""Documentation of ota_health; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_health
short_description: Check the health of a gateway's services
version_added: "0.1.0"
description:
  - Runs the gateway's health checks, which are those of its containers, the settle time, and its probes.
  - Never changes anything. An unhealthy gateway fails the task.
attributes:
  check_mode:
    description: Only reads, so it runs as always.
    support: full
  diff_mode:
    description: Only reads.
    support: none
extends_documentation_fragment:
  - ota_engine
"""

EXAMPLES = r"""
- name: The services must be healthy
  ota_health:
"""

RETURN = r"""
healthy:
  description: Whether every check passed.
  returned: when the gateway answered
  type: bool
  sample: true
code:
  description: Stable identifier of the error, for example C(signature) or C(rolled_back).
  returned: failure
  type: str
  sample: incompatible
hint:
  description: What can be done about the error.
  returned: failure
  type: str
  sample: publish a build for arm64
"""
