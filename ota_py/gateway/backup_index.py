"""What a backup holds: the document `backup.json`. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ota_py.errors import BackupError
from ota_py.gateway.records import known


@dataclass(frozen=True)
class SavedFile:
    """A file of the project: where it was, and how it looked."""

    path: str
    sha256: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class SavedImage:
    """What a service ran; `kept` is the tag of ours that holds the image."""

    reference: str
    image_id: str
    digest: str | None
    kept: str


@dataclass(frozen=True)
class SavedDatabase:
    """A dump, and the section of the configuration that describes the database."""

    label: str
    file: str
    sha256: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Backup:
    """One backup.

    Attributes:
        version: what ran when it was made.
        absent: files that the update adds: the way back removes them.
        running: services that ran.
    """

    id: str
    version: str
    created_at: str
    files: list[SavedFile] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    images: dict[str, SavedImage] = field(default_factory=dict)
    databases: list[SavedDatabase] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """The bytes of backup.json."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


def parse(raw: bytes) -> Backup:
    """From the bytes of backup.json.

    Raises:
        BackupError: they are not an index.
    """
    try:
        data = json.loads(raw)
        data["files"] = [known(SavedFile, entry) for entry in data["files"]]
        data["images"] = {name: known(SavedImage, entry) for name, entry in data["images"].items()}
        data["databases"] = [known(SavedDatabase, entry) for entry in data["databases"]]
        return known(Backup, data)
    except (ValueError, TypeError, KeyError) as error:
        raise BackupError(f"a backup's index cannot be read: {error}") from None
