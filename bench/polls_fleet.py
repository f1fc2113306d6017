"""Fill a fresh control plane, and print one gateway's token: `python -m bench.polls_fleet 1000`."""

from __future__ import annotations

import sys

from ota_py.server.environment import from_environment
from ota_py.server.setup import migrate


def main() -> None:
    """Register as many gateways as the first argument states, and print a token."""
    migrate(from_environment())
    from ota_py.server.fleet.services import register_gateway

    count = int(sys.argv[1])
    tokens = {}
    for number in range(count):
        name = f"gateway_{number:04d}"
        _, tokens[name] = register_gateway(id=name, delivery="pull")
    sys.stdout.write(tokens["gateway_0500"] + "\n")


if __name__ == "__main__":
    main()
