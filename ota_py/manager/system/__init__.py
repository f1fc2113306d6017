"""The manager's means on its machine: processes, the checkout, the texts of HTTP failures.

This room knows nothing of updates.
"""
