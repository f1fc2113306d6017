"""Documentation of ota_info; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_info
short_description: Read what a gateway runs
version_added: "0.1.0"
description:
  - Reads version, open transaction and last outcome from the gateway's journal, and from its Docker
    daemon what runs.
  - Never changes anything.
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
- name: Read the gateway's status
  ota_info:
  register: gateway

- name: Show its version
  ansible.builtin.debug:
    var: gateway.version
"""

RETURN = r"""
version:
  description: Version that runs.
  returned: success
  type: str
  sample: 1.2.0
digests:
  description: Digest of the image that each service runs.
  returned: success
  type: dict
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
