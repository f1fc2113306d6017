"""The gateway's configuration, `gateway.toml`: its model, its checks, what the agent reads of it.

Values that change at run time are in `journal`.
"""
