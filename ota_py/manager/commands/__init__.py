"""One module for each command of `ota_manager.py`: its options, its `--help`, what it prints.

The work is done in the rooms below.
"""
