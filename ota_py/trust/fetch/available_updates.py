"""The updates that the signed list of a repository names."""

from __future__ import annotations

from dataclasses import dataclass

from tuf.api.metadata import TargetFile

from ota_py import errors, names


@dataclass(frozen=True)
class AvailableUpdate:
    """An update in the repository, as the signed targets metadata names it."""

    version: str
    critical: bool


def available(target: TargetFile) -> AvailableUpdate | None:
    """The update whose manifest this target is; None for all other targets.

    Raises:
        TrustError: its description makes no sense, although it was signed.
    """
    custom = target.custom or {}
    version = custom.get("version") if isinstance(custom, dict) else custom
    if version is None:
        return None
    try:
        names.parse_version(version if isinstance(version, str) else "")
    except errors.UsageError:
        raise errors.TrustError(f"the repository lists {target.path} with a version that is none") from None
    return AvailableUpdate(version, bool(custom.get("critical")))
