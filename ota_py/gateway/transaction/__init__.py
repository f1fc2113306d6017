"""One update from RECEIVED to its end: engine, steps, rollback, restore, recovery after a crash.

What a step needs of Docker, backups or probes lives in the rooms below.
"""
