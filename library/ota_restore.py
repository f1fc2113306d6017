"""Documentation of ota_restore; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_restore
short_description: Return a gateway to the version before, or finish an interrupted transaction
version_added: "0.1.0"
description:
  - Recovers a transaction that was interrupted, or rolls back the last one that was committed.
options:
  state:
    description:
      - V(recovered) ends a transaction that was interrupted, by committing it or by restoring its
        backup. It does nothing where there is none.
      - V(previous) restores the backup of the last committed transaction.
    type: str
    choices: [recovered, previous]
    default: recovered
attributes:
  check_mode:
    description: States what it would end or restore, from the gateway's status. Changes nothing.
    support: full
  diff_mode:
    description: Shows the version, and the digests of the images, before and after.
    support: full
extends_documentation_fragment:
  - ota_engine
"""

EXAMPLES = r"""
- name: End what was interrupted
  ota_restore:

- name: Go back to the version before
  ota_restore:
    state: previous
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
