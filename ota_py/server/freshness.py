"""How fresh the repository's signatures are, as the process beside the server noted it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from ota_py.contract.fleet import FreshnessState

UNKNOWN: dict[str, Any] = {"checked_at": None, "problem": "nobody has looked yet", "roles": []}


def freshness() -> dict[str, Any]:
    """When it was looked at, what was in the way, and for each role until when it holds and who must do what.

    What has expired since is told as EXPIRED.
    """
    path: Path | None = settings.SERVER.freshness_file
    try:
        found: dict[str, Any] = json.loads(path.read_bytes()) if path else UNKNOWN
    except (OSError, ValueError):
        found = UNKNOWN
    roles = [{**role, "expires": datetime.fromisoformat(role["expires"])} for role in found["roles"]]
    for role in roles:
        if role["expires"] <= datetime.now(UTC):
            role["state"] = FreshnessState.EXPIRED
    return {**found, "roles": roles}
