"""The commands of `ota_manager.py`, a module each: its options, its `--help`, its output.

The work is done in the rooms below.
"""
