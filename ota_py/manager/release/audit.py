"""The chain of trust of a published update, followed from outside by the gateway's own client.

Nothing is trusted but the root.json that the caller gives: no ota.toml, no store, no control plane.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from ota_py.errors import ConfigError, FreshnessError, IntegrityError, OtaError, RepositoryError
from ota_py.hashes import digest_of, sha256_of_pieces
from ota_py.manager.registry.resolve import TagResolver
from ota_py.manifest import Manifest, Sbom, Wheelhouse
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.verify import VerifiedManifest

CHECKED, UNREACHABLE = "checked", "not reachable from here"
HINTS: dict[type[OtaError], str] = {
    ConfigError: "--root names a root.json that you trust: the fleet's operator hands it out",
    FreshnessError: "check this machine's clock; if it is right, the fleet's operator must run "
    "`ota_manager.py renew`, or somebody serves an old state",
    RepositoryError: "check --url, below which metadata/ and targets/ must lie, and the network",
}


@dataclass(frozen=True)
class ChainLink:
    """One signed document, and who signed it.

    Attributes:
        name: such as `2.root.json`.
        signers: the keys that count and signed it.
        threshold: how many must.
        keys: how many may.
        expires: ISO 8601, or empty for the manifest, which does not expire.
    """

    name: str
    signers: list[str]
    threshold: int
    keys: int
    expires: str = ""


@dataclass(frozen=True)
class Part:
    """A content that the manifest names by its hash, and whether its bytes were checked.

    Attributes:
        kind: `image`, `file` or `sbom`.
        state: `checked`, or why it could not be.
    """

    kind: str
    name: str
    digest: str
    state: str


@dataclass(frozen=True)
class Chain:
    """The chain of trust from the trusted root to the parts of an update, each vouching for the next."""

    verified: VerifiedManifest
    links: list[ChainLink] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


class MemoryFloor:
    """A floor for a single check, which knows of no earlier one."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def get(self, role: str) -> int:
        """The highest version of a role seen, or 0."""
        return self._seen.get(role, 0)

    def raise_to(self, role: str, version: int) -> None:
        """Record that a version of a role was seen."""
        self._seen[role] = version


def follow(root: Path, url: str, version: str, registry: TagResolver) -> Chain:
    """Check a published update and all that it names, as a gateway that trusts `root` would.

    Args:
        root: a root.json that the caller trusts; later versions are followed.
        url: of the repository.
        registry: where images are checked, as far as it can be reached.

    Raises:
        NotFoundError: no such update.
        TrustError: something is not what was signed, expired, or signed by too few.
        RepositoryError: the repository cannot be fetched.
    """
    with TemporaryDirectory(prefix="ota-") as directory, _outside():
        client = TrustClient(root, Path(directory), url, MemoryFloor())
        verified = client.fetch_manifest(version)
        links = list(_links(Path(directory) / "metadata", verified))
        parts = [*_files(client, verified.manifest), *_images(registry, verified.manifest)]
    return Chain(verified, links, parts)


@contextmanager
def _outside() -> Iterator[None]:
    """Give the client's errors hints for a person at `verify`; its own hints are for a gateway's owner."""
    try:
        yield
    except tuple(HINTS) as error:
        error.hint = next(hint for kind, hint in HINTS.items() if isinstance(error, kind))
        raise


def _links(directory: Path, verified: VerifiedManifest) -> Iterator[ChainLink]:
    """The documents that the client accepted, from its cache; their signers are determined once more."""
    history = directory.glob("root_history/*.root.json")
    roots = [Metadata[Root].from_bytes(path.read_bytes()) for path in history]
    roots.sort(key=lambda root: root.signed.version)
    for number, root in enumerate(roots):
        judge = roots[max(number - 1, 0)].signed
        yield _link(f"{root.signed.version}.root.json", root, root.signed, judge)
    newest = roots[-1].signed
    for kind in (Timestamp, Snapshot, Targets):
        envelope: Metadata[Any] = Metadata.from_bytes((directory / f"{kind.type}.json").read_bytes())
        yield _link(f"{kind.type}.json, version {envelope.signed.version}", envelope, newest)
    role = newest.roles[Targets.type]
    name = f"manifest.json of {verified.manifest.version}"
    yield ChainLink(name, list(verified.key_ids), role.threshold, len(role.keyids))


def _link(name: str, envelope: Metadata[Any], *judges: Root) -> ChainLink:
    role = envelope.signed.type
    signed: set[str] = set()
    for judge in judges:
        signed |= set(judge.get_verification_result(role, envelope.signed_bytes, envelope.signatures).signed)
    named = judges[0].roles[role]
    expires = envelope.signed.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ChainLink(name, sorted(signed), named.threshold, len(named.keyids), expires)


def _files(client: TrustClient, manifest: Manifest) -> Iterator[Part]:
    for file in manifest.all_files:
        client.fetch_file(file)
        yield Part("file", file.dest, f"sha256:{file.sha256}", CHECKED)
    for wheelhouse in manifest.agent.wheelhouses if manifest.agent else []:
        _check(client, wheelhouse)
        yield Part("file", wheelhouse.what, f"sha256:{wheelhouse.sha256}", CHECKED)
    for sbom in manifest.sbom:
        _check(client, sbom)
        yield Part("sbom", f"{sbom.service or 'update'} ({sbom.format})", f"sha256:{sbom.sha256}", CHECKED)


def _check(client: TrustClient, named: Wheelhouse | Sbom) -> None:
    got = sha256_of_pieces(client.stream(named.target, named.sha256))
    if got != named.sha256:
        raise IntegrityError(f"{named.what} has sha256 {got}, expected {named.sha256}")


def _images(registry: TagResolver, manifest: Manifest) -> Iterator[Part]:
    for service, image in manifest.images.items():
        state = CHECKED
        try:
            data = registry.document(registry.parse(image.reference), image.digest)
        except OtaError:
            state = UNREACHABLE  # a registry behind a login or a wall is no fault of the update
        else:
            got = digest_of(data)
            if got != image.digest:
                raise IntegrityError(f"the registry sent {got} for {service}, expected {image.digest}")
        yield Part("image", f"{service}: {image.reference}", image.digest, state)
