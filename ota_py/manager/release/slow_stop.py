"""Warnings of services that will be slow to stop, each for its whole grace period of down time. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

GRACE_SECONDS_DEFAULT = 10.0  # Compose's stop_grace_period
SHELLS = ("sh", "bash", "ash", "dash")
UNIT_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def slow_stop_warning(service: str, command: tuple[str, ...], compose: Mapping[str, Any]) -> str | None:
    """A warning for the operator of a service that ignores TERM, or None.

    A shell that is process 1 does not pass TERM on to what it runs, and the kernel ignores TERM for process 1
    unless it has a handler; so Docker waits for the whole grace period and then kills it.

    Args:
        service: its name.
        command: entrypoint and command of its image.
        compose: its mapping in the Compose file, or an empty one.
    """
    grace = grace_seconds(compose.get("stop_grace_period"))
    overridden = "entrypoint" in compose or "command" in compose
    if overridden or compose.get("init") or grace < 1 or not _shell_is_first(command):
        return None
    return (
        f"the service {service} runs under a shell that does not pass TERM on: stopping it can take "
        f"{grace:g} s of down time; start it with `exec`, in exec form, or with `init: true`"
    )


def grace_seconds(text: object) -> float:
    """Compose's duration, such as `1m30s`, in seconds; the default where there is none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)", text) if isinstance(text, str) else []
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts) if parts else GRACE_SECONDS_DEFAULT


def _shell_is_first(command: tuple[str, ...]) -> bool:
    if len(command) < 3 or command[0].rpartition("/")[2] not in SHELLS or command[1] != "-c":
        return False
    # One simple command is exec'ed by most shells themselves, but not by all: only `exec` is sure.
    return not re.search(r"(^|[;&|]\s*)exec\s", command[2].strip())
