#!/usr/bin/env python3
"""The gateway's command: check, update, rollback, status and the agent. See `--help`.

Runs with the system's Python: where there is a virtual environment beside it, its Python takes over.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def use_environment_beside() -> None:
    """Replace this process by the same command in `venv/`, if there is one and it is not used yet."""
    environment = os.path.join(HERE, "venv")
    python = os.path.join(environment, "bin", "python")
    if os.path.exists(python) and os.path.realpath(environment) != os.path.realpath(sys.prefix):
        os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])


if __name__ == "__main__":
    use_environment_beside()
    from ota_py.gateway.cli import main

    main()
