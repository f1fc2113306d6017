"""One file for each command of `ota_manager.py`; each exposes `command`."""
