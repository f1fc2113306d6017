"""Documentation of ota_verify; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_verify
short_description: Verify an update on a gateway, without touching its services
version_added: "0.1.0"
description:
  - Fetches the manifest, checks it against the gateway's own trust root, and checks that it is for
    this gateway.
  - Leaves a transaction open in the state C(VERIFIED), which M(ota_backup) and M(ota_apply) continue.
attributes:
  check_mode:
    description: Verifies the update with the gateway's own trust root and shows what would change.
      Changes nothing.
    support: full
  diff_mode:
    description: Nothing that runs changes.
    support: none
extends_documentation_fragment:
  - ota_engine
  - ota_engine.update
"""

EXAMPLES = r"""
- name: Check that 1.2.0 is genuine and fits this gateway
  ota_verify:
    version: 1.2.0
"""

RETURN = r"""
outcome:
  description:
    - How the transaction ended, C(SUCCEEDED), C(SKIPPED), C(FAILED), C(ROLLED_BACK) or C(BROKEN);
      C(UNFINISHED) when it was to stay open.
  returned: when the gateway began a transaction
  type: str
  sample: SUCCEEDED
state:
  description: State that the transaction is in.
  returned: when the gateway began a transaction
  type: str
  sample: COMMITTED
version:
  description: Version that the transaction goes to.
  returned: when the gateway began a transaction
  type: str
  sample: 1.2.0
from_version:
  description: Version that ran before.
  returned: when the gateway began a transaction
  type: str
  sample: 1.1.0
transaction:
  description: Identifier of the transaction in the gateway's journal.
  returned: when the gateway began a transaction
  type: str
  sample: 6f2a9d52-3a54-4f0e-9c39-5d0f5f9d3c11
steps:
  description: States that the transaction went through, with the seconds each took.
  returned: when the gateway began a transaction
  type: list
  elements: dict
downtime_seconds:
  description: How long the changed services were down.
  returned: when services were touched
  type: float
  sample: 0.41
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
