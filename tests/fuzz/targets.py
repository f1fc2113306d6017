"""What is fuzzed: each target takes any bytes, and lets nothing but the project's own errors pass.

A target is a function that makes the function to call, because some need files or a database first. What
it calls is the product's own way in, the one that bytes from outside take.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ota_py import oci
from ota_py.errors import CarrierError, OtaError
from ota_py.gateway.controlplane import mqtt
from ota_py.gateway.docker import compose_files
from ota_py.gateway.fetch import staging
from ota_py.gateway.fetch.bundle import Bundle
from ota_py.gateway.policy import compose_inputs
from ota_py.gateway.policy.rules import GatewayDirectories
from ota_py.gateway.selfupdate import unpack
from ota_py.manager.release.compose_file import parse_compose
from ota_py.manifest import parse_manifest
from ota_py.trust.documents.signing_request import parse_request
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.verify import parse_root, parse_signature_file, verify_manifest
from tests.fuzz import server

CORPUS = Path(__file__).parent / "corpus"
Call = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """One way in.

    Attributes:
        name: also the directory of its corpus.
        make: given an empty directory to work in, returns what takes the bytes.
    """

    name: str
    make: Callable[[Path], Call]

    def corpus(self) -> list[Path]:
        """Inputs that are kept: good ones to start from, and bad ones that once got through."""
        return sorted((CORPUS / self.name).iterdir())


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """The project's own errors are right answers, if they can be shown: a message of bounded length."""
    try:
        yield
    except OtaError as error:
        text = json.dumps(error.as_dict())
        if len(text) > 16_384:
            raise AssertionError(f"an error of {len(text)} characters: {text[:200]}...") from None


def refusing(call: Call) -> Call:
    """`call`, with `refusals` let through."""

    @functools.wraps(call)
    def refused(data: bytes) -> None:
        with refusals():
            call(data)

    return refused


def manifest(_: Path) -> Call:
    """A manifest whose signature holds: the release key may be stolen."""

    def call(data: bytes) -> None:
        parsed = parse_manifest(data)
        assert parse_manifest(parsed.to_bytes()) == parsed

    return refusing(call)


def signature(_: Path) -> Call:
    """A manifest.json.sig, checked over a manifest that the corpus's keys signed."""
    root = parse_root((CORPUS / "root" / "good").read_bytes())
    raw = (CORPUS / "manifest" / "signed").read_bytes()
    good = parse_signature_file((CORPUS / "signature" / "good").read_bytes())

    def call(data: bytes) -> None:
        verified = verify_manifest(raw, data, root)
        assert set(verified.key_ids) <= set(parse_signature_file(data)) & set(good)

    return refusing(call)


def root(_: Path) -> Call:
    """A root.json that somebody gave to a gateway or to a command."""

    def call(data: bytes) -> None:
        assert parse_root(data).type == "root"

    return refusing(call)


def metadata(directory: Path) -> Call:
    """Anything that a repository may serve as its timestamp: parsed before a signature is checked."""
    anchor = directory / "root.json"
    anchor.write_bytes((CORPUS / "root" / "good").read_bytes())
    numbers = iter(range(10**9))

    def call(data: bytes) -> None:
        cache = directory / str(next(numbers))
        try:
            TrustClient(anchor, cache, "http://fuzz.invalid", _NoFloor(), _Serving(data)).refresh()
        finally:
            shutil.rmtree(cache, ignore_errors=True)

    return refusing(call)


def request(_: Path) -> Call:
    """A signing request that a colleague sent."""

    def call(data: bytes) -> None:
        found = parse_request(data)
        anchor = parse_root(found.root)
        for document in found.documents:
            with refusals():
                document.result(anchor)
                document.envelope(anchor)

    return refusing(call)


def bundle(directory: Path) -> Call:
    """A bundle on a stick: opened, checked, and its image documents read."""
    path = directory / "bundle.ota"

    def call(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.closing(Bundle(path)) as opened:
            for name in list(opened._members):
                with refusals():
                    digest = "sha256:" + name.rpartition("/")[2]
                    oci.parse(opened.document(digest), digest)
            opened.check_blobs()

    return refusing(call)


def image(_: Path) -> Call:
    """A document of a registry that lies; its digest is right, because a thief signed it."""

    def call(data: bytes) -> None:
        oci.parse(data, f"sha256:{hashlib.sha256(data).hexdigest()}")

    return refusing(call)


def compose(directory: Path) -> Call:
    """A Compose file of an update: judged by the policy, pinned, and read by `create-update`."""
    project = directory / "project"
    project.mkdir()
    file = project / "docker-compose.yml"
    places = GatewayDirectories(project.resolve(), ())

    def call(data: bytes) -> None:
        file.write_bytes(data)
        ways: list[Callable[[], object]] = [
            lambda: compose_inputs.requests(project, places),
            lambda: compose_files.files_of([file]),
            lambda: staging.pin_images(data, {"app": "r/app@sha256:" + "0" * 64}),
            lambda: parse_compose(data, "docker-compose.yml").images(),
        ]
        for way in ways:
            with refusals():
                way()

    return call


def archive(directory: Path) -> Call:
    """A tar archive that is laid out as files: nothing of it may lie elsewhere."""
    source, numbers = directory / "archive.tar", iter(range(10**9))

    def call(data: bytes) -> None:
        source.write_bytes(data)
        jail = directory / str(next(numbers))
        try:
            unpack.unpack(source, jail / "in")
        finally:
            assert [path.name for path in jail.iterdir()] in (["in"], [])
            shutil.rmtree(jail, ignore_errors=True)
        assert sorted(path.name for path in directory.iterdir()) == ["archive.tar"]

    return refusing(call)


def hint(_: Path) -> Call:
    """A message of the broker."""

    def call(data: bytes) -> None:
        mqtt._problem(data)

    return call


TARGETS = [
    Target(make.__name__, make)
    for make in (manifest, signature, root, metadata, request, bundle, image, compose, archive, hint)
] + [Target("api", server.api)]


class _NoFloor:
    def get(self, role: str) -> int:
        return 0

    def raise_to(self, role: str, version: int) -> None: ...


class _Serving:
    """A repository whose timestamp is `data`, and which has nothing else."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        if path != "metadata/timestamp.json":
            raise CarrierError(f"no {path}", status=404)
        yield self._data[start:]
