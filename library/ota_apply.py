"""Documentation of ota_apply; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_apply
short_description: Bring an update to a gateway
version_added: "0.1.0"
description:
  - Runs the whole transaction, or continues the open one, to its end. Images are pulled, services
    are stopped, changed and started, their health is checked, and the update is committed or rolled
    back by the gateway itself.
  - The gateway ends on exactly the new version or exactly the old one, also when the connection is lost.
attributes:
  check_mode:
    description: Verifies the update with the gateway's own trust root and shows what would change.
      Changes nothing.
    support: full
  diff_mode:
    description: Shows the version, and the digests of the images, before and after.
    support: full
extends_documentation_fragment:
  - ota_engine
  - ota_engine.update
"""

EXAMPLES = r"""
- name: Update the gateway to 1.2.0
  ota_apply:
    version: 1.2.0

- name: See what an update from a USB stick would change
  ota_apply:
    manifest: /media/usb/1.2.0/manifest.json
  check_mode: true
  diff: true
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
