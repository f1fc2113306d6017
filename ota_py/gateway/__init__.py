"""The gateway's side: its entry points, and a room for each part of the work.

Each sub-package imports only the rooms below it (docs/architecture.md).
"""
