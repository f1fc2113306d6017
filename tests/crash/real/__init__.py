"""The crash matrix on lab gateways: what makes one ready, sweeps it and soaks it.

`on_gateway/` is no package: its files are copied to the gateway and run there, without the rest of the tests.
"""
