"""The manifest: the signed document that describes one update.

Pure: bytes in, an object or an error out; no disk, network, clock or process. The JSON schema in
docs/reference/manifest.schema.json is generated from these models.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ota_py import names
from ota_py.errors import ManifestError, OtaError

MANIFEST_MAX_BYTES = 256 * 1024
FILE_MAX_BYTES = 8 * 1024 * 1024
SBOMS_MAX = 64
WHEELHOUSE_MAX_BYTES = 128 * 1024 * 1024
WHEELHOUSES_MAX = 16
FILES_MAX = 256
IMAGES_MAX = 64
PROBES_MAX = 64
HOOKS_MAX = 64
DESCRIPTION_MAX_CHARS = 2000
IMAGE_MAX_BYTES = 64 * 1024**3
# Of a field's name, and of what is wrong with it, in a message.
PROBLEM_MAX_CHARS = 200
TIMEOUT_MINUTES_MAX = 24 * 60
TIMEOUT_MINUTES_DEFAULT = 30
SETTLE_SECONDS_DEFAULT = 5.0

COMPOSE_FILE_NAME = "docker-compose.yml"
# The gateway's own directory inside the project: an update never writes there.
RESERVED_DIRECTORY = "ota"


def _version(text: str) -> str:
    try:
        names.parse_version(text)
    except OtaError as error:
        raise ValueError(error.message) from None
    return text


def _relative_path(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or str(path) != text or ".." in path.parts or not path.parts:
        raise ValueError(f"{text!r} is not a plain relative path")
    if not re.fullmatch(r"[A-Za-z0-9._/ @+-]{1,255}", text):
        raise ValueError(f"{text!r} has a character that is not allowed in a path")
    return text


def _destination(text: str) -> str:
    if PurePosixPath(_relative_path(text)).parts[0] == RESERVED_DIRECTORY:
        raise ValueError(f"{text!r} lies in the updater's own directory")
    return text


def _repository_name(text: str) -> str:
    # registry/path:tag without a digest: the digest is a field of its own.
    if not re.fullmatch(r"[a-z0-9][A-Za-z0-9._:/-]{0,254}", text) or "@" in text:
        raise ValueError(f"{text!r} is not an image reference of the form registry/name:tag")
    return text


VersionText = Annotated[str, AfterValidator(_version)]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
Destination = Annotated[str, AfterValidator(_destination)]
ServiceName = Annotated[str, Field(pattern=names.SERVICE)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(pattern=names.GROUP)]


class Model(BaseModel):
    """Base of all parts: unknown fields are errors, values are never coerced, objects never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Image(Model):
    """What a Compose service runs: pulled and started by digest, the tag is for people."""

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
    """One file of the update: where its bytes are in the repository, and where it goes."""

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
        """What people call it."""
        return f"file {self.dest}"


class Compatibility(Model):
    """Which gateways the update is for. An empty list allows all."""

    min_version: VersionText | None = Field(default=None, description="oldest version to update from")
    max_version: VersionText | None = Field(default=None, description="newest version to update from")
    architectures: list[Literal["amd64", "arm64", "arm"]] = Field(default=[])
    hardware: list[Word] = Field(default=[])
    groups: list[Word] = Field(default=[])
    allow_downgrade: bool = False

    @model_validator(mode="after")
    def _range(self) -> Compatibility:
        lowest, highest = self.min_version, self.max_version
        if lowest and highest and names.parse_version(lowest) > names.parse_version(highest):
            raise ValueError(f"no version is at least {lowest} and at most {highest}")
        return self


class AnyProbe(Model):
    """What all probes have."""

    required: bool = Field(
        default=False,
        description="counts although it failed before the update: for what the update itself brings",
    )


class HttpProbe(AnyProbe):
    """GET a URL from the gateway; healthy when the status is the expected one."""

    type: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://", max_length=500)]
    status: int = Field(default=200, ge=100, le=599)
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class TcpProbe(AnyProbe):
    """Open a TCP connection from the gateway."""

    type: Literal["tcp"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int = Field(ge=1, le=65535)
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class MqttProbe(AnyProbe):
    """Connect to an MQTT broker, publish and receive one message."""

    type: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int = Field(default=1883, ge=1, le=65535)
    topic: Annotated[str, Field(min_length=1, max_length=200)] = "ota/probe"
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class CommandProbe(AnyProbe):
    """Run a command inside a service's container; healthy when it exits 0."""

    type: Literal["command"]
    service: ServiceName
    command: Annotated[list[str], Field(min_length=1, max_length=32)]
    timeout_seconds: float = Field(default=10, gt=0, le=300)


Probe = Annotated[HttpProbe | TcpProbe | MqttProbe | CommandProbe, Field(discriminator="type")]


class Health(Model):
    """What must hold before the update is committed."""

    settle_seconds: float = Field(
        default=SETTLE_SECONDS_DEFAULT,
        ge=0,
        le=600,
        description="how long services without a healthcheck must run without a restart",
    )
    probes: Annotated[list[Probe], Field(max_length=PROBES_MAX)] = []


OnRollback = Literal["restore", "keep"]


class Data(Model):
    """What the update does to the gateway's databases."""

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
    """A command that runs at one point of the update. Exit status 75: not now, try later."""

    at: HookPoint
    service: ServiceName | None = Field(
        default=None,
        description="runs in its container; none: on the gateway, if its policy allows",
    )
    command: Annotated[list[str], Field(min_length=1, max_length=32)]
    timeout_seconds: float = Field(default=60, gt=0, le=3600)


class Wheelhouse(Model):
    """The gateway software and all it needs, for one kind of gateway."""

    name: Annotated[str, Field(pattern=names.BUILD)] = Field(
        description="of this build; names the virtual environment that is made from it"
    )
    architecture: Literal["amd64", "arm64", "arm"]
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    target: RelativePath = Field(description="path of the target in the TUF repository")
    sha256: Sha256
    length: int = Field(ge=0, le=WHEELHOUSE_MAX_BYTES, description="bytes")

    @property
    def what(self) -> str:
        """What people call it."""
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
        """What people call it."""
        return f"SBOM of {self.service or 'the update'}"


class Agent(Model):
    """A new version of the gateway software, installed once the services are committed."""

    version: VersionText
    wheelhouses: Annotated[list[Wheelhouse], Field(min_length=1, max_length=WHEELHOUSES_MAX)]

    @model_validator(mode="after")
    def _consistent(self) -> Agent:
        kinds = [(w.architecture, w.python) for w in self.wheelhouses]
        if len(kinds) != len(set(kinds)):
            raise ValueError("two wheelhouses are for the same architecture and Python")
        builds = {w.name for w in self.wheelhouses}
        if len(builds) != len(kinds):
            raise ValueError("two wheelhouses have the same name")
        return self

    def wheelhouse_for(self, architecture: str, python: str) -> Wheelhouse | None:
        """The one for this kind of gateway, if there is one."""
        found = (w for w in self.wheelhouses if (w.architecture, w.python) == (architecture, python))
        return next(found, None)


class Manifest(Model):
    """One update."""

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
    agent: Agent | None = None
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
        """All that the manifest names in the repository beside itself."""
        return [*self.all_files, *(self.agent.wheelhouses if self.agent else []), *self.sbom]

    def to_bytes(self) -> bytes:
        """The bytes that are signed: sorted keys, two spaces, UTF-8, one line feed at the end."""
        data = self.model_dump(mode="json")
        return (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parse_json(raw: bytes, what: str, max_bytes: int) -> Any:
    """Parse JSON that came from outside: size capped, no key twice, no NaN, no deep nesting, Unicode.

    Raises:
        ManifestError: anything but plain JSON of at most `max_bytes` bytes.
    """
    if len(raw) > max_bytes:
        raise ManifestError(f"{what} has {len(raw)} bytes, the limit is {max_bytes}")
    try:
        data = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if b"\\u" in raw:
            # Half of a surrogate pair, which only an escape can write, is no text that could be stored.
            json.dumps(data, ensure_ascii=False).encode()
        return data
    except RecursionError:
        raise ManifestError(f"{what} is nested too deeply") from None
    except ValueError as error:  # covers UnicodeError and JSONDecodeError
        raise ManifestError(f"{what} is not valid JSON: {error}") from None


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


def describe(error: ValidationError) -> str:
    """The first five problems of a pydantic error as `field: problem`, without echoing long input."""
    problems = [
        f"{'.'.join(str(part) for part in item['loc'])[:PROBLEM_MAX_CHARS] or 'document'}: "
        f"{item['msg'][:PROBLEM_MAX_CHARS]}"
        for item in error.errors(include_url=False, include_input=False)
    ]
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    return "; ".join(problems[:5]) + more


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:PROBLEM_MAX_CHARS]!r} stands twice")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
