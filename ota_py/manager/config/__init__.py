"""The operator's configuration, `ota.toml`, and the secrets and root.json that it names.

A gateway's configuration is `ota_py.gateway.config`.
"""
