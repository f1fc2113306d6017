"""Entry point of an upgrade: `python -m ota_py.gateway.supervisor [--config FILE]`.

A newer agent starts the supervisor of the build that is to be replaced by this module path, so it must stay
as it is (ADR 14).
"""

from ota_py.gateway.selfupdate.supervisor import main

if __name__ == "__main__":
    main()
