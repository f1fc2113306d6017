"""The index of a backup: the document `backup.json`. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ota_py.errors import BackupError
from ota_py.gateway.journal.versioned_records import known


@dataclass(frozen=True)
class SavedFile:
    """A saved file of the project: its path, hash, mode and owner."""

    path: str
    sha256: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class SavedLink:
    """A saved symbolic link of the project; its target is saved, too, where that lies in the project."""

    path: str
    target: str


@dataclass(frozen=True)
class SavedDirectory:
    """A directory that saved files lie in: its path, mode and owner."""

    path: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class SavedImage:
    """The image that a service ran; a pin (image_pins.py) keeps it when no service runs it any more."""

    reference: str
    image_id: str
    digest: str | None


@dataclass(frozen=True)
class SavedDatabase:
    """A dump of a database, and the section of the configuration that describes the database.

    Attributes:
        facts: what its restore needs besides the dump.
        saved_at: when the dump began: data that was written later is not in it.
        bytes: size of the dump; `expected`: the size that the database stated beforehand.
    """

    label: str
    file: str
    sha256: str
    config: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    saved_at: str = ""
    bytes: int = 0
    expected: int = 0


@dataclass(frozen=True)
class Backup:
    """The index of one backup.

    Attributes:
        version: the version that ran when the backup was made.
        project: the Compose project's name.
        absent: files that the update adds: a rollback removes them.
        absent_directories: directories that they need, the innermost first.
        running: services that ran.
        ended: number of the newest transaction that had ended: later ones came after it, whatever clocks say.
    """

    id: str
    version: str
    created_at: str
    files: list[SavedFile] = field(default_factory=list)
    links: list[SavedLink] = field(default_factory=list)
    directories: list[SavedDirectory] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    absent_directories: list[str] = field(default_factory=list)
    images: dict[str, SavedImage] = field(default_factory=dict)
    databases: list[SavedDatabase] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    project: str = ""
    ended: int | None = None

    def to_bytes(self) -> bytes:
        """The bytes of backup.json."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


def parse(raw: bytes) -> Backup:
    """The index in the bytes of backup.json.

    Raises:
        BackupError: the bytes are not an index.
    """
    try:
        data = json.loads(raw)
        data["files"] = [known(SavedFile, entry) for entry in data["files"]]
        data["links"] = [known(SavedLink, entry) for entry in data.get("links", [])]
        data["directories"] = [known(SavedDirectory, entry) for entry in data.get("directories", [])]
        data["images"] = {name: known(SavedImage, entry) for name, entry in data["images"].items()}
        data["databases"] = [known(SavedDatabase, entry) for entry in data["databases"]]
        return known(Backup, data)
    except (ValueError, TypeError, KeyError) as error:
        raise BackupError(f"a backup's index cannot be read: {error}") from None
