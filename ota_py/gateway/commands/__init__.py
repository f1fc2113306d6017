"""What `ota_client.py` does: one module for each group of verbs, and what they print.

No decision about an update is taken here.
"""
