#!/usr/bin/python
"""ota_manifest: sign a manifest, or verify its signature."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ota_manifest
short_description: Sign a manifest, or verify its signature
version_added: "0.1.0"
description:
  - V(signed) writes the detached signature of the release key beside a manifest, V(verified) checks it.
  - A manifest that the release keys signed already is left alone.
options:
  path:
    description: The manifest.
    type: path
    required: true
  signature:
    description: The signature. When not given, O(path) and C(.sig).
    type: path
  state:
    description: Whether to sign, or only to verify.
    type: str
    choices: [signed, verified]
    default: verified
attributes:
  check_mode:
    description: States whether the manifest would be signed. Writes nothing.
    support: full
extends_documentation_fragment:
  - ota_controller
"""

EXAMPLES = r"""
- name: Verify a manifest from elsewhere
  ota_manifest:
    path: /media/usb/1.2.0/manifest.json

- name: Sign a manifest with the release key of ota.toml
  ota_manifest:
    path: build/manifest.json
    state: signed
  environment:
    OTA_RELEASE_PASSPHRASE: "{{ release_passphrase }}"
"""

RETURN = r"""
version:
  description: Version of the update.
  returned: success
  type: str
  sample: 1.2.0
sha256:
  description: Hash of the manifest.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
key_ids:
  description: Release keys that signed it; empty in check mode where it would be signed.
  returned: success
  type: list
  elements: str
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
            "path": {"type": "path", "required": True},
            "signature": {"type": "path"},
            "state": {"type": "str", "choices": ["signed", "verified"], "default": "verified"},
            **CONFIG_OPTION,
        },
        supports_check_mode=True,
    )
    run(module, act)


def act(module, context):
    from pathlib import Path

    from ota_py.manager.signing.manifest_files import ManifestFiles

    path = Path(module.params["path"])
    signature = Path(module.params["signature"] or f"{path}.sig")
    files = ManifestFiles(context, path, signature)
    if module.params["state"] == "verified":
        return {"changed": False, **files.verify()}
    return files.sign(dry_run=module.check_mode)


if __name__ == "__main__":
    main()
