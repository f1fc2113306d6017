"""Image registries: references, sessions, and tags resolved to digests.

Gateways have their own way to a registry (`ota_py.gateway.fetch`).
"""
