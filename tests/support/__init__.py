"""Support that tests share: places, ports, programs, waiting, clocks, servers, simulated parts, and fixtures. No tests.

Folders are by subject, as far as possible as in `ota_py`. A fixture that several modules use is defined here; the
`conftest.py` of a folder of tests only imports and names those that its tests use.
"""
