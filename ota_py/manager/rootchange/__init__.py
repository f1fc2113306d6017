"""Adding, rotating, revoking and renewing keys: each is a new root.json.

Signatures of updates are in `release`.
"""
