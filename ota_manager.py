#!/usr/bin/env python3
"""The operator's command; see `ota_manager.py --help`."""

import sys

try:
    from ota_py.manager.cli import main

    if __name__ == "__main__":
        main()  # commands import what they need when they run
except ModuleNotFoundError as missing:
    sys.exit(
        f"error: this Python ({sys.executable}) lacks the package {missing.name}\n"
        "hint: use the virtual environment that has the project's requirements, for example .venv/bin/python"
    )
