"""`python -m tests.support.kms.use_key URI`: import the key, sign with it, verify; says what it found as JSON.

A process of its own: it alone has the services' libraries. The PIN of an HSM is in $PIN.
"""

from __future__ import annotations

import json
import os
import sys

from ota_py.trust.keys.key_files import describe_key
from ota_py.trust.keys.signers import import_public, load_matching


def main() -> None:
    uri, key = import_public(sys.argv[1], lambda: os.environ["PIN"])
    signer = load_matching(uri, [key], lambda: os.environ["PIN"])
    key.verify_signature(signer.sign(b"data"), b"data")
    print(json.dumps({"uri": uri, "kind": describe_key(key), "id": key.keyid}))


if __name__ == "__main__":
    main()
