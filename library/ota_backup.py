"""Documentation of ota_backup; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_backup
short_description: Back up what a gateway needs to return to its present version
version_added: "0.1.0"
description:
  - Saves the Compose file, configuration files, image digests and databases.
  - With O(version) or O(manifest) it is the backup of that update's transaction, which M(ota_apply)
    continues. Without, it is a backup of its own.
options:
  version:
    description: Version of the update that the backup is made for.
attributes:
  check_mode:
    description: For an update verifies it and shows what would change, else states that a backup would
      be made. Changes nothing.
    support: full
  diff_mode:
    description: A backup changes nothing that runs.
    support: none
extends_documentation_fragment:
  - ota_engine
  - ota_engine.update
"""

EXAMPLES = r"""
- name: Back up before 1.2.0
  ota_backup:
    version: 1.2.0

- name: Back up a gateway as it is
  ota_backup:
"""

RETURN = r"""
outcome:
  description:
    - How the transaction ended, C(SUCCEEDED), C(SKIPPED), C(FAILED), C(ROLLED_BACK) or C(BROKEN);
      C(UNFINISHED) when it was to stay open; C(HELD) when it waits for a maintenance window, a veto
      or a hook, and goes on by itself.
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
backup:
  description: Identifier of the backup.
  returned: when it was made by itself
  type: str
  sample: 0b0b6ee4-25d7-4a0e-8a6e-6c3a0f6d1f61
held:
  description: Whether it is held back; C(msg) says why. That is no failure.
  returned: when it is
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
