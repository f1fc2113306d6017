"""The layout of a repository: target paths and keys of the store."""

from __future__ import annotations

METADATA = "metadata/"
TARGETS = "targets/"
# Prefix of all target paths that belong to updates.
UPDATES = "updates/"
# The only file that is ever overwritten.
TIMESTAMP = METADATA + "timestamp.json"


def update_prefix(version: str) -> str:
    """Prefix of all target paths of an update."""
    return f"{UPDATES}{version}/"


def manifest_path(version: str) -> str:
    """Target path of an update's manifest."""
    return update_prefix(version) + "manifest.json"


def signature_path(version: str) -> str:
    """Target path of the manifest's detached signature."""
    return manifest_path(version) + ".sig"


def file_path(version: str, dest: str) -> str:
    """Target path of one file of an update."""
    return f"{update_prefix(version)}files/{dest}"


def wheelhouse_path(version: str, name: str) -> str:
    """Target path of one build of the gateway software that an update brings."""
    return f"{update_prefix(version)}agent/{name}.tar"


def sbom_path(version: str, service: str | None) -> str:
    """Target path of a software bill of materials: of one service, or of the whole update."""
    return f"{update_prefix(version)}sbom/{service or 'update'}.json"


def target_key(path: str, sha256: str) -> str:
    """Store key of a target with consistent snapshots: the hash goes before the file name.

    Source: TUF specification, section 6.2 (consistent snapshots).
    """
    head, _, name = path.rpartition("/")
    return f"{TARGETS}{head}/{sha256}.{name}" if head else f"{TARGETS}{sha256}.{name}"
