"""Processes of `serve`: the workers of the control plane's server, and maintenance beside them.

The server itself is `ota_py.server`.
"""
