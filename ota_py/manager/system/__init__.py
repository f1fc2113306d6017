"""What the manager needs of its machine: processes, the checkout, the texts of HTTP failures.

This room knows nothing of updates.
"""
