#!/usr/bin/env python3
"""The operator's command; see `ota_manager.py --help`."""

from ota_py.manager.cli import main

if __name__ == "__main__":
    main()
