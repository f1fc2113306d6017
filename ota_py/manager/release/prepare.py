"""Preparation of an update: the operator's request, made ready to be signed. Read `prepare` from top to bottom.

It reads and checks, and changes nothing anywhere; `release.py` goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ota_py.errors import ConflictError, UsageError
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manager.registry.resolve import ResolvedImage, TagResolver
from ota_py.manager.release.compose_file import ComposeFile, parse_compose
from ota_py.manager.release.contents import Content, FileSource, compose_source, read_content
from ota_py.manager.release.gateway_software import Software, collect
from ota_py.manager.release.platforms import check_architectures
from ota_py.manager.release.published import check_version, published_file, step_left_out_warning
from ota_py.manager.release.sboms import read_sbom
from ota_py.manager.release.slow_stop import slow_stop_warning
from ota_py.manifest import Compatibility, Data, Hook, Image, Manifest, Sbom
from ota_py.manifest_health import Health
from ota_py.strict_json import describe
from ota_py.trust.repository.repository import Repository

PrintLine = Callable[[str], None]


@dataclass(frozen=True)
class UpdateRequest:
    """An update as the operator requests it.

    Attributes:
        images: image name by Compose service.
        compose: a whole new Compose file, or None.
        files: files and templates.
        known_compose: the fleet's Compose file, to check service names where the update brings none.
        compatibility: as requested; no architectures means those that all images have.
        sboms: service, or None for the whole update, and the file of its software bill of materials.
        agent: kinds of gateways that get this gateway software, see `gateway_software.collect`.
    """

    fleet: str
    version: str
    description: str = ""
    critical: bool = False
    images: Mapping[str, str] = field(default_factory=dict)
    compose: Path | None = None
    files: tuple[FileSource, ...] = ()
    known_compose: Path | None = None
    compatibility: Compatibility = field(default_factory=Compatibility)
    health: Health = field(default_factory=Health)
    data: Data = field(default_factory=Data)
    hooks: tuple[Hook, ...] = ()
    timeout_minutes: float | None = None
    agent: tuple[str, ...] = ()
    sboms: tuple[tuple[str | None, Path], ...] = ()


@dataclass(frozen=True)
class Destinations:
    """The places that an update goes to: repository and control plane, and the registry that has its images."""

    repository: Repository
    control_plane: ControlPlane
    registry: TagResolver


@dataclass(frozen=True)
class Prepared:
    """An update that is ready to be signed.

    Attributes:
        manifest: what will be signed.
        files: content by target path, large ones as a file.
        images: the registry's answer, by service.
        warnings: what the operator should know before going on.
        published: an earlier attempt published exactly this manifest, and did not register it.
    """

    manifest: Manifest
    files: dict[str, bytes | Path]
    images: dict[str, ResolvedImage]
    warnings: list[str]
    published: bool


def prepare(request: UpdateRequest, places: Destinations, now: datetime, print_line: PrintLine) -> Prepared:
    """Resolve, read and check everything of an update; nothing is changed anywhere.

    Raises:
        ConflictError: the version exists already.
        UsageError: a version that is not newer, an unknown service, or a file that cannot be used.
        NotFoundError: the registry does not have an image.
        CarrierError: the registry, the store or the control plane cannot be reached.
    """
    published = check_version(
        request.version,
        places.repository,
        places.control_plane,
        allow_older=request.compatibility.allow_downgrade,
    )
    compose = _read_compose(request)
    known = _known_compose(request, compose, places.repository)
    wanted = _wanted_images(request, known)
    images = _resolve(wanted, places.registry, print_line)
    contents = [_read(request.version, source) for source in request.files]
    software = collect(request.version, request.agent, print_line)
    sboms = [_read_sbom(request, images, *each) for each in request.sboms]
    created = _earlier(places, request.version).created if published else _timestamp(now)
    manifest = _manifest(request, images, compose, contents, software, [entry for entry, _ in sboms], created)
    if published and manifest != _earlier(places, request.version):
        raise ConflictError(
            f"update {request.version} is published with other content than asked for now",
            hint="a version is never replaced: use a newer one",
        )
    return Prepared(
        manifest=manifest,
        files={
            **{content.entry.target: content.data for content in [*contents, *([compose] if compose else [])]},
            **(software.archives if software else {}),
            **{entry.target: data for entry, data in sboms},
        },
        images=images,
        warnings=_warnings(request, images, known, places.repository),
        published=published,
    )


def _earlier(places: Destinations, version: str) -> Manifest:
    return places.repository.manifest(version).manifest


def _read_compose(request: UpdateRequest) -> Content | None:
    return _read(request.version, compose_source(request.compose)) if request.compose else None


def _known_compose(request: UpdateRequest, compose: Content | None, repository: Repository) -> ComposeFile | None:
    """The Compose file that has the service names: the update's, the fleet's, or the last published one."""
    if compose:
        return parse_compose(compose.data, str(request.compose))
    if request.known_compose:
        content = _read(request.version, compose_source(request.known_compose))
        return parse_compose(content.data, str(request.known_compose))
    for version in reversed(repository.versions()):
        manifest = repository.manifest(version).manifest
        if manifest.compose:
            return parse_compose(published_file(repository, manifest.compose), f"the Compose file of {version}")
    return None


def _wanted_images(request: UpdateRequest, known: ComposeFile | None) -> dict[str, str]:
    """The images requested, and those that a new Compose file names: no service runs by tag alone."""
    if known:
        known.check_services(request.images)
    if known and request.compose:
        return known.images(without=request.images) | dict(request.images)
    return dict(request.images)


def _resolve(wanted: Mapping[str, str], registry: TagResolver, print_line: PrintLine) -> dict[str, ResolvedImage]:
    references = {service: registry.parse(text) for service, text in sorted(wanted.items())}
    images = {}
    for service, reference in references.items():
        images[service] = registry.resolve(reference)
        print_line(f"resolved {reference} to {images[service].digest[:19]}")
    return images


def _read(version: str, source: FileSource) -> Content:
    try:
        return read_content(version, source)
    except ValidationError as error:
        raise UsageError(f"{source.path}: {describe(error)}") from None


def _read_sbom(
    request: UpdateRequest, images: Mapping[str, ResolvedImage], service: str | None, path: Path
) -> tuple[Sbom, bytes]:
    if service is not None and service not in images:
        raise UsageError(
            f"--sbom {service}={path}: the update has no image of {service}",
            hint=f"it has {', '.join(sorted(images)) or 'none'}; FILE alone is of the whole update",
        )
    try:
        return read_sbom(request.version, service, path)
    except ValidationError as error:
        raise UsageError(f"{path}: {describe(error)}") from None


def _manifest(
    request: UpdateRequest,
    images: Mapping[str, ResolvedImage],
    compose: Content | None,
    contents: list[Content],
    software: Software | None,
    sboms: list[Sbom],
    created: str,
) -> Manifest:
    architectures = check_architectures(request.compatibility.architectures, images)
    if software and not architectures:
        architectures = software.architectures
    timeout = {"timeout_minutes": request.timeout_minutes} if request.timeout_minutes is not None else {}
    try:
        return Manifest(
            fleet=request.fleet,
            version=request.version,
            description=request.description,
            critical=request.critical,
            created=created,
            images={
                service: Image(reference=found.reference.name, digest=found.digest, size=found.size)
                for service, found in images.items()
            },
            compose=compose.entry if compose else None,
            files=[content.entry for content in contents],
            agent=software.agent if software else None,
            compatibility=request.compatibility.model_copy(update={"architectures": architectures}),
            health=request.health,
            data=request.data,
            hooks=list(request.hooks),
            sbom=sboms,
            **timeout,  # type: ignore[arg-type]
        )
    except ValidationError as error:
        raise UsageError(f"the update cannot be made: {describe(error)}") from None


def _warnings(
    request: UpdateRequest,
    images: Mapping[str, ResolvedImage],
    known: ComposeFile | None,
    repository: Repository,
) -> list[str]:
    services = known.services if known else {}
    slow = [slow_stop_warning(name, found.command, services.get(name, {})) for name, found in images.items()]
    unchecked = (
        "the names of the services were not checked: give --compose, or set defaults.compose in ota.toml"
        if images and not known
        else None
    )
    left_out = step_left_out_warning(repository, request.version, request.compatibility.min_version)
    return [warning for warning in [unchecked, left_out, *slow] if warning]


def _timestamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
