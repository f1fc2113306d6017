"""The commands of `ota_client.py`: one module for each group of verbs, and what they print.

No decision about an update is taken here.
"""
