"""The standing of a gateway, which no attack may change: what it trusts, its floor, the version that it runs."""

from __future__ import annotations

from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.journal import Journal


def standing(config: GatewayConfig) -> dict[str, object]:
    """The files of the trust cache by path, `floor` (versions by role) and `installed`."""
    cache = config.trust_dir
    with Journal(config) as journal:
        rows = journal.read("SELECT role, version FROM floor WHERE role != 'time'")
        installed = journal.installed_version
    files = {str(path.relative_to(cache)): path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    return {**files, "floor": {row["role"]: row["version"] for row in rows}, "installed": installed}
