"""The client of the control plane's HTTP API, and the records that the manager keeps there.

The control plane itself is `ota_py.server`.
"""
