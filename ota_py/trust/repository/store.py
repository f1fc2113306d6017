"""The interface of the store that keeps a repository's bytes: a bucket or a directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Objects by key: a key is a relative path with `/`, a value a whole object, of some megabytes unless a file.

    Attributes:
        url: where it is, for messages.
    """

    url: str

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write one object; a reader sees the old one or the new one, never a part.

        Raises:
            StoreError: it could not be written.
        """

    def put_new(self, key: str, data: bytes, content_type: str) -> None:
        """Write an object that is not there yet; of two who do so at once, one succeeds.

        Raises:
            ConflictError: it is there, with other bytes.
            StoreError: it could not be written.
        """

    def replace(self, key: str, data: bytes, content_type: str, before: bytes) -> None:
        """Replace an object that is still as it was read; of two who do so at once, one succeeds.

        Raises:
            ConflictError: it is not as it was any more.
            StoreError: it could not be written.
        """

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Write one object from a file of any size, with the guarantees of `put`.

        Raises:
            StoreError: it could not be written, or the file could not be read.
        """

    def get(self, key: str) -> bytes:
        """Read one object.

        Raises:
            NotFoundError: there is no such object.
            StoreError: it could not be read.
        """

    def get_file(self, key: str, path: Path) -> None:
        """Read one object of any size into a new file.

        Raises:
            NotFoundError: there is no such object.
            StoreError: it could not be read, or the file could not be written.
        """

    def stream(self, key: str) -> Iterator[bytes]:
        """Read one object of any size, piece by piece.

        Raises:
            NotFoundError: there is no such object.
            StoreError: it could not be read, or not to its end.
        """

    def delete(self, key: str) -> None:
        """Remove one object; one that is not there is no error.

        Raises:
            StoreError: it could not be removed.
        """

    def list(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, sorted.

        Raises:
            StoreError: they could not be listed.
        """
