"""The operator's side: its entry point, the context of its commands, and a room for each part of the work.

Each sub-package imports only the rooms below it (docs/architecture.md).
"""
