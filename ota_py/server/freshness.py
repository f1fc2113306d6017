"""The freshness of the repository's signatures, as the maintenance process wrote it down."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from ota_py.contract.fleet import FreshnessState

UNKNOWN: dict[str, Any] = {"checked_at": None, "problem": "nobody has looked yet", "roles": []}


def freshness() -> dict[str, Any]:
    """The repository's freshness: when it was checked, a problem if there was one, and each role's state.

    A role whose signatures have expired since then is given as `expired`.
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
