"""Image registries: references, sessions, and tags resolved to digests.

Gateways have their own client of registries (`ota_py.gateway.fetch`).
"""
