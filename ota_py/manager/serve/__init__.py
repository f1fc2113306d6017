"""What runs beside the control plane's server: its worker process and its maintenance.

The server itself is `ota_py.server`.
"""
