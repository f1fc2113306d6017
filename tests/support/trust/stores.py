"""A store for tests: a directory whose writes can be set to fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ota_py.errors import ConflictError, NotFoundError, StoreError


class DirectoryOfBytes:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = directory.as_uri()
        self.puts: list[str] = []
        self.fail_after: int | None = None

    def put(self, key: str, data: bytes, content_type: str) -> None:
        if self.fail_after is not None and len(self.puts) >= self.fail_after:
            raise StoreError(f"cannot write {key}")
        self.puts.append(key)
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def put_new(self, key: str, data: bytes, content_type: str) -> None:
        if (self.directory / key).exists():
            raise ConflictError(key)
        self.put(key, data, content_type)

    def replace(self, key: str, data: bytes, content_type: str, before: bytes) -> None:
        if self.get(key) != before:
            raise ConflictError(key)
        self.put(key, data, content_type)

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        self.put(key, path.read_bytes(), content_type)

    def get_file(self, key: str, path: Path) -> None:
        path.write_bytes(self.get(key))

    def stream(self, key: str) -> Iterator[bytes]:
        yield self.get(key)

    def delete(self, key: str) -> None:
        (self.directory / key).unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        try:
            return (self.directory / key).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(key) from None

    def list(self, prefix: str) -> list[str]:
        found = (p.relative_to(self.directory).as_posix() for p in self.directory.rglob("*") if p.is_file())
        return sorted(key for key in found if key.startswith(prefix))
