"""The store of the repository: a directory here, or a bucket (`s3.py`)."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ota_py import durable
from ota_py.errors import ConfigError, ConflictError, NotFoundError, StoreError
from ota_py.trust.repository.store import Store

# What a web server reads. Nothing in a repository is secret.
FILE_MODE = 0o644
CHUNK_BYTES = 256 * 1024


def open_store(
    url: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    credentials_file: Path | None = None,
) -> Store:
    """The store at a URL; nothing is read or written yet.

    Args:
        url: `s3://BUCKET/PREFIX`, `file:DIRECTORY` or `file:///DIRECTORY`.
        endpoint_url: S3 only: a server that is not AWS.
        region: S3 only.
        credentials_file: S3 only: an AWS credentials file; without it the usual AWS environment and files.

    Raises:
        ConfigError: another kind of URL, or credentials that others can read.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return DirectoryStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from ota_py.manager.storage.s3 import S3Store

        return S3Store(
            parts.netloc,
            parts.path.strip("/"),
            endpoint_url=endpoint_url,
            region=region,
            credentials_file=credentials_file,
        )
    raise ConfigError(
        f"repository.store {url!r} is not a place to publish to",
        hint="use s3://BUCKET/PREFIX or file:DIRECTORY",
    )


class DirectoryStore:
    """A `Store` in a directory. A reader sees an old file or a new one, also after a power cut."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.url = self.directory.as_uri()

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write one file atomically; see `Store.put`."""
        self._write(key, io.BytesIO(data))

    def put_new(self, key: str, data: bytes, content_type: str) -> None:
        """Write a file that is not there yet; see `Store.put_new`."""
        with self._locked():
            try:
                there = self.get(key)
            except NotFoundError:
                self._write(key, io.BytesIO(data))
                return
        if there != data:
            raise ConflictError(f"{self._path(key)} is there already", hint="somebody else wrote it")

    def replace(self, key: str, data: bytes, content_type: str, before: bytes) -> None:
        """Replace a file that is as it was; see `Store.replace`."""
        with self._locked():
            if self.get(key) != before:
                raise ConflictError(f"{self._path(key)} is not as it was", hint="somebody else wrote it")
            self._write(key, io.BytesIO(data))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the store for one process, here and where else it is mounted; a killed process lets go."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StoreError(f"cannot write to {self.directory}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise StoreError(f"cannot lock {self.directory}: {error.strerror}") from None
        finally:
            os.close(descriptor)

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Copy one file, atomically too; see `Store.put_file`."""
        try:
            with open(path, "rb") as source:
                self._write(key, source)
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None

    def _write(self, key: str, source: BinaryIO) -> None:
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with durable.replacing(path, FILE_MODE) as file:
                shutil.copyfileobj(source, file)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from None

    def get(self, key: str) -> bytes:
        """Read one file; see `Store.get`."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"there is no {path}") from None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None

    def get_file(self, key: str, path: Path) -> None:
        """Copy one file; see `Store.get_file`."""
        source = self._path(key)
        try:
            shutil.copyfile(source, path)
        except FileNotFoundError:
            raise NotFoundError(f"there is no {source}") from None
        except OSError as error:
            raise StoreError(f"cannot copy {source} to {path}: {error.strerror}") from None

    def stream(self, key: str) -> Iterator[bytes]:
        """Read one file piece by piece; see `Store.stream`."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                while piece := file.read(CHUNK_BYTES):
                    yield piece
        except FileNotFoundError:
            raise NotFoundError(f"there is no {path}") from None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None

    def delete(self, key: str) -> None:
        """Remove one file, and the directories below the store's that are empty then; see `Store.delete`."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot remove {path}: {error.strerror}") from None
        for parent in path.parents:
            if parent == self.directory:
                return
            with suppress(OSError):  # not empty, or gone
                parent.rmdir()

    def list(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, sorted; see `Store.list`."""
        try:
            found = [
                path.relative_to(self.directory).as_posix()
                for path in self.directory.rglob("*")
                if path.is_file() and not path.name.startswith(durable.DRAFT_PREFIX)
            ]
        except OSError as error:
            raise StoreError(f"cannot list {self.directory}: {error.strerror}") from None
        return sorted(key for key in found if key.startswith(prefix))

    def _path(self, key: str) -> Path:
        relative = PurePosixPath(key)
        if relative.is_absolute() or ".." in relative.parts:
            raise StoreError(f"the key {key!r} leaves the store {self.url}")
        return self.directory / relative
