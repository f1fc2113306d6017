"""The store in an S3 bucket, by boto3."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import botocore.session
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ota_py.errors import ConfigError, ConflictError, NotFoundError, StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 5
READ_SECONDS = 30
ATTEMPTS = 3
CHUNK_BYTES = 1024 * 1024

MISSING_KEY = {"NoSuchKey", "404"}
# A condition did not hold, or another conditional write was under way.
OVERTAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
MISSING_BUCKET = {"NoSuchBucket"}
DENIED = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}

# timestamp.json is the one object that changes: no cache may keep it, every other one may be kept for good.
CHANGING_NAME = "timestamp.json"
CACHE_NEVER = "no-cache"
CACHE_FOR_GOOD = "public, max-age=31536000, immutable"


class S3Store:
    """A `Store` below a prefix of a bucket.

    Raises:
        ConfigError: the credentials file can be read by others, or is missing.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        credentials_file: Path | None = None,
    ) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._where = f"{self.url} at {endpoint_url}" if endpoint_url else self.url
        try:
            self._client = _client(endpoint_url, region, credentials_file)
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(f"repository: cannot use S3 as configured: {error}") from None

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write one object; see `Store.put`."""
        self._write(key, data, content_type)

    def put_new(self, key: str, data: bytes, content_type: str) -> None:
        """Write an object that is not there yet; see `Store.put_new` and `_write_if`."""
        with suppress(NotFoundError):
            if self.get(key) != data:
                raise self._overtaken(key)
            return
        self._write_if(key, data, content_type, IfNoneMatch="*")

    def replace(self, key: str, data: bytes, content_type: str, before: bytes) -> None:
        """Replace an object that is as it was; see `Store.replace` and `_write_if`."""
        with self._errors(f"read {key} from"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            there = answer["Body"].read()
        if there != before:
            raise self._overtaken(key)
        self._write_if(key, data, content_type, IfMatch=answer["ETag"])

    def _write_if(self, key: str, data: bytes, content_type: str, **condition: str) -> None:
        """Write on a condition, which AWS and most other servers check, and some ignore.

        Where it is ignored, reading back shows who was overwritten by then, and not who is overwritten later.
        """
        # A refusal may be that of the second try of our own write, whose first answer was lost.
        with suppress(ConflictError):
            self._write(key, data, content_type, **condition)
        if self.get(key) != data:
            raise self._overtaken(key)

    def _overtaken(self, key: str) -> ConflictError:
        return ConflictError(f"somebody else wrote {key} in {self._where}", hint="look at what is there now")

    def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Write one object from a file, read as it is sent; see `Store.put_file`."""
        try:
            with open(path, "rb") as file:
                self._write(key, file, content_type)
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None

    def _write(self, key: str, body: bytes | BinaryIO, content_type: str, **condition: Any) -> None:
        changing = key.rpartition("/")[2] == CHANGING_NAME
        with self._errors(f"write {key} to"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=body,
                ContentType=content_type,
                CacheControl=CACHE_NEVER if changing else CACHE_FOR_GOOD,
                **condition,
            )

    def get(self, key: str) -> bytes:
        """Read one object; see `Store.get`."""
        with self._errors(f"read {key} from"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return answer["Body"].read()

    def get_file(self, key: str, path: Path) -> None:
        """Read one object into a file, in pieces; see `Store.get_file`."""
        with self._errors(f"read {key} from"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            try:
                with open(path, "wb") as file:
                    for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                        file.write(chunk)
            except OSError as error:
                raise StoreError(f"cannot write {path}: {error.strerror}") from None

    def stream(self, key: str) -> Iterator[bytes]:
        """Read one object piece by piece; see `Store.stream`."""
        with self._errors(f"read {key} from"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            yield from answer["Body"].iter_chunks(CHUNK_BYTES)

    def delete(self, key: str) -> None:
        """Remove one object; see `Store.delete`."""
        with self._errors(f"remove {key} from"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def list(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, sorted; see `Store.list`."""
        with self._errors("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return sorted(key.removeprefix(self._prefix) for key in keys)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except NoCredentialsError:
            raise StoreError(
                f"cannot {doing} {self._where}: there are no credentials",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or repository.credentials_file",
            ) from None
        except ClientError as error:
            raise self._refusal(doing, error) from None
        except BotoCoreError as error:
            raise StoreError(
                f"cannot {doing} {self._where}: {error}",
                hint="check repository.endpoint_url and the network, then run the command again",
            ) from None

    def _refusal(self, doing: str, error: ClientError) -> NotFoundError | ConflictError | StoreError:
        code = error.response.get("Error", {}).get("Code", "")
        if code in OVERTAKEN:
            return ConflictError(f"cannot {doing} {self._where}: somebody else wrote it")
        if code in MISSING_BUCKET:
            return StoreError(
                f"cannot {doing} {self._where}: the bucket {self._bucket!r} does not exist",
                hint="create the bucket, or correct repository.store",
            )
        if code in DENIED:
            return StoreError(
                f"cannot {doing} {self._where}: access denied ({code})",
                hint="check the credentials, and that they may list, read and write below that prefix",
            )
        if code in MISSING_KEY:
            return NotFoundError(f"cannot {doing} {self._where}: there is no such object")
        return StoreError(f"cannot {doing} {self._where}: {error}")


def _client(endpoint_url: str | None, region: str | None, credentials_file: Path | None) -> S3Client:
    core = botocore.session.Session()
    if credentials_file:
        _check_private(credentials_file)
        core.set_config_variable("credentials_file", str(credentials_file))
    settings = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # Other servers than AWS know neither host-style buckets nor the newer checksums.
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return Session(botocore_session=core, region_name=region).client("s3", endpoint_url=endpoint_url, config=settings)


def _check_private(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ConfigError(f"cannot read repository.credentials_file {path}: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigError(
            f"{path} can be read by others (mode {mode:04o}, expected 0600)", hint=f"run: chmod 600 {path}"
        )
