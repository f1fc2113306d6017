"""The manifest: the signed document that describes one update.

Pure: bytes in, an object or an error out; no disk, network, clock or process. The JSON schema in
docs/reference/manifest.schema.json is generated from these models.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ota_py import names
from ota_py.architectures import Architecture
from ota_py.errors import ManifestError
from ota_py.manifest_fields import Destination, Model, RelativePath, ServiceName, Sha256, VersionText, Word
from ota_py.manifest_health import Health
from ota_py.strict_json import describe, parse_json

MANIFEST_MAX_BYTES = 256 * 1024
FILE_MAX_BYTES = 8 * 1024 * 1024
SBOMS_MAX = 64
WHEELHOUSE_MAX_BYTES = 128 * 1024 * 1024
WHEELHOUSES_MAX = 16
FILES_MAX = 256
IMAGES_MAX = 64
HOOKS_MAX = 64
DESCRIPTION_MAX_CHARS = 2000
IMAGE_MAX_BYTES = 64 * 1024**3
TIMEOUT_MINUTES_MAX = 24 * 60
TIMEOUT_MINUTES_DEFAULT = 30

COMPOSE_FILE_NAME = "docker-compose.yml"


def _repository_name(text: str) -> str:
    # registry/path:tag without a digest: the digest is a field of its own.
    if not re.fullmatch(r"[a-z0-9][A-Za-z0-9._:/-]{0,254}", text) or "@" in text:
        raise ValueError(f"{text!r} is not an image reference of the form registry/name:tag")
    return text


class Image(Model):
    """The image that a Compose service runs: pulled and started by digest, the tag is for people."""

    reference: Annotated[str, AfterValidator(_repository_name)] = Field(
        description="registry/name:tag as the operator gave it, with the registry made explicit"
    )
    digest: Annotated[str, Field(pattern=names.DIGEST)] = Field(
        description="digest of the image index or manifest, resolved when the update was created"
    )
    size: int = Field(ge=0, le=IMAGE_MAX_BYTES, description="compressed bytes of the largest platform")

    @property
    def repository(self) -> str:
        """`registry/name` without the tag."""
        head, _, last = self.reference.rpartition("/")
        return f"{head}/{last.split(':')[0]}" if head else last.split(":")[0]

    @property
    def pinned(self) -> str:
        """`registry/name@sha256:...`: what the gateway pulls and what Compose runs."""
        return f"{self.repository}@{self.digest}"


class File(Model):
    """One file of the update: its target in the repository, and its destination."""

    dest: Destination = Field(description="path relative to the gateway's Compose project directory")
    target: RelativePath = Field(description="path of the target in the TUF repository")
    sha256: Sha256
    length: int = Field(ge=0, le=FILE_MAX_BYTES, description="bytes")
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0644"
    template: bool = Field(
        default=False,
        description="render with sandboxed Jinja2 and the gateway's own variables before it is written",
    )

    @property
    def what(self) -> str:
        """A name for messages."""
        return f"file {self.dest}"


class Compatibility(Model):
    """The gateways that the update is for. An empty list allows all."""

    min_version: VersionText | None = Field(default=None, description="oldest version to update from")
    max_version: VersionText | None = Field(default=None, description="newest version to update from")
    architectures: list[Architecture] = Field(default=[])
    hardware: list[Word] = Field(default=[])
    groups: list[Word] = Field(default=[])
    allow_downgrade: bool = False

    @model_validator(mode="after")
    def _range(self) -> Compatibility:
        lowest, highest = self.min_version, self.max_version
        if lowest and highest and names.parse_version(lowest) > names.parse_version(highest):
            raise ValueError(f"no version is at least {lowest} and at most {highest}")
        return self


OnRollback = Literal["restore", "keep"]


class Data(Model):
    """The update's effect on the gateway's databases."""

    migrates: bool = Field(
        default=False,
        description="changes data in a way that the old version cannot read: refused by a gateway that has "
        "no database to restore",
    )
    on_rollback: OnRollback = Field(
        default="restore",
        description="restore: what was written since the backup is lost; keep: it stays",
    )


HookPoint = Literal[
    "before-backup",
    "after-backup",
    "before-stop",
    "after-stop",
    "before-start",
    "after-start",
    "before-rollback",
    "after-rollback",
]


class Hook(Model):
    """A command that runs at one point of the update. Exit status 75 holds the update back until later."""

    at: HookPoint
    service: ServiceName | None = Field(
        default=None,
        description="runs in its container; none: on the gateway, if its policy allows",
    )
    command: Annotated[list[str], Field(min_length=1, max_length=32)]
    timeout_seconds: float = Field(default=60, gt=0, le=3600)


class Wheelhouse(Model):
    """The gateway software and all packages that it needs, for one kind of gateway."""

    name: Annotated[str, Field(pattern=names.BUILD)] = Field(
        description="of this build; names the virtual environment that is made from it"
    )
    architecture: Architecture
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    target: RelativePath = Field(description="path of the target in the TUF repository")
    sha256: Sha256
    length: int = Field(ge=0, le=WHEELHOUSE_MAX_BYTES, description="bytes")

    @property
    def what(self) -> str:
        """A name for messages."""
        return f"gateway software {self.name}"


class Sbom(Model):
    """A software bill of materials: what is in the update or in a service. Gateways do not fetch it."""

    service: ServiceName | None = Field(default=None, description="absent: of the whole update")
    format: Literal["spdx", "cyclonedx"]
    target: RelativePath = Field(description="path of the target in the TUF repository")
    sha256: Sha256
    length: int = Field(ge=0, le=FILE_MAX_BYTES, description="bytes")

    @property
    def what(self) -> str:
        """A name for messages."""
        return f"SBOM of {self.service or 'the update'}"


class GatewaySoftware(Model):
    """A new version of the gateway software, installed once the services are committed."""

    version: VersionText
    wheelhouses: Annotated[list[Wheelhouse], Field(min_length=1, max_length=WHEELHOUSES_MAX)]

    @model_validator(mode="after")
    def _consistent(self) -> GatewaySoftware:
        kinds = [(w.architecture, w.python) for w in self.wheelhouses]
        if len(kinds) != len(set(kinds)):
            raise ValueError("two wheelhouses are for the same architecture and Python")
        builds = {w.name for w in self.wheelhouses}
        if len(builds) != len(kinds):
            raise ValueError("two wheelhouses have the same name")
        return self

    def wheelhouse_for(self, architecture: str, python: str) -> Wheelhouse | None:
        """The wheelhouse for a kind of gateway, if there is one."""
        found = (w for w in self.wheelhouses if (w.architecture, w.python) == (architecture, python))
        return next(found, None)


class Manifest(Model):
    """The description of one update, which is signed."""

    schema_version: Literal[1] = 1
    fleet: Word = Field(description="the fleet that the update is for; a gateway of another one refuses it")
    version: VersionText
    description: Annotated[str, Field(max_length=DESCRIPTION_MAX_CHARS)] = ""
    critical: bool = False
    created: Annotated[str, Field(description="RFC 3339, UTC")]
    images: Annotated[dict[ServiceName, Image], Field(max_length=IMAGES_MAX)] = {}
    compose: File | None = Field(default=None, description="a whole new docker-compose.yml")
    files: Annotated[list[File], Field(max_length=FILES_MAX)] = []
    compatibility: Compatibility = Compatibility()
    health: Health = Health()
    data: Data = Data()
    hooks: Annotated[list[Hook], Field(max_length=HOOKS_MAX)] = []
    agent: GatewaySoftware | None = None
    sbom: Annotated[list[Sbom], Field(max_length=SBOMS_MAX)] = []
    timeout_minutes: float = Field(
        default=TIMEOUT_MINUTES_DEFAULT,
        gt=0,
        le=TIMEOUT_MINUTES_MAX,
        description="from the first touch of a service to commit",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if not (self.images or self.compose or self.files or self.agent):
            raise ValueError("the update changes nothing: it has no images, files or gateway software")
        if self.data.migrates and self.data.on_rollback == "keep":
            raise ValueError("data that the old version cannot read must not be kept by a rollback")
        described = [each.service for each in self.sbom]
        if len(described) != len(set(described)):
            raise ValueError("two SBOMs are of the same service")
        dests = [f.dest for f in self.all_files]
        if len(dests) != len(set(dests)):
            raise ValueError("two files have the same dest")
        if self.compose and self.compose.dest != COMPOSE_FILE_NAME:
            raise ValueError(f"compose.dest must be {COMPOSE_FILE_NAME}")
        if any(f.dest == COMPOSE_FILE_NAME for f in self.files):
            raise ValueError(f"{COMPOSE_FILE_NAME} is given as compose, not in files")
        try:
            moment = datetime.fromisoformat(self.created)
        except ValueError:
            raise ValueError(f"created is not RFC 3339: {self.created!r}") from None
        if moment.utcoffset() is None:
            raise ValueError(f"created has no time zone: {self.created!r}")
        return self

    @property
    def all_files(self) -> list[File]:
        """The compose file, where there is one, and then the other files."""
        return ([self.compose] if self.compose else []) + list(self.files)

    @property
    def targets(self) -> list[File | Wheelhouse | Sbom]:
        """Everything that the manifest names in the repository beside itself."""
        return [*self.all_files, *(self.agent.wheelhouses if self.agent else []), *self.sbom]

    def to_bytes(self) -> bytes:
        """The bytes that are signed: sorted keys, two spaces, UTF-8, one line feed at the end."""
        data = self.model_dump(mode="json")
        return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parse_manifest(raw: bytes) -> Manifest:
    """Parse a manifest whose signature was checked over exactly these bytes.

    Raises:
        ManifestError: malformed, of an unknown schema version, or beyond a limit; names each field.
    """
    data = parse_json(raw, "manifest", MANIFEST_MAX_BYTES)
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise ManifestError(f"manifest is not valid: {describe(error)}") from None
