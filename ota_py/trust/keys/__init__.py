"""Private and public keys: as files, and by the URI of a KMS or HSM.

Which keys count is stated by the root (`documents`).
"""
