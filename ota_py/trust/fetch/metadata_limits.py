"""Limits of the size of metadata: enough for some thousand updates; an endless file is cut off here."""

from __future__ import annotations

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp
from tuf.ngclient import UpdaterConfig

LIMITS = UpdaterConfig(
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=2_000_000,
    targets_max_length=5_000_000,
)
LIMITS_BY_ROLE = {
    Root.type: LIMITS.root_max_length,
    Timestamp.type: LIMITS.timestamp_max_length,
    Snapshot.type: LIMITS.snapshot_max_length,
    Targets.type: LIMITS.targets_max_length,
}
