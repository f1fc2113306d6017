#!/usr/bin/env python3
"""The gateway's command: check, update, rollback, status and the agent. See `--help`.

Runs with the system's Python: the Python of its own virtual environment takes over. On a gateway this file
lies in VENV/commands/ and is reached by a link, so that it changes with the version; in a clone it may have
`venv/` beside it.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))


def use_own_environment() -> None:
    """Replace this process by the same command in its environment, if there is one and it is not used yet."""
    for path in (os.path.dirname(HERE), os.path.join(HERE, "venv")):
        environment = os.path.realpath(path)
        python = os.path.join(environment, "bin", "python")
        if os.path.exists(os.path.join(environment, "pyvenv.cfg")) and os.path.exists(python):
            if environment != os.path.realpath(sys.prefix):
                os.execv(python, [python, os.path.join(HERE, "ota_client.py"), *sys.argv[1:]])
            return


if __name__ == "__main__":
    use_own_environment()
    from ota_py.gateway.cli import main

    main()
