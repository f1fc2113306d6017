"""The registry relay: what it serves, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator

import pytest
import requests

from ota_py import oci
from ota_py.errors import ConflictError, IntegrityError, NotFoundError, RegistryError
from ota_py.gateway.fetch.relay import RegistryRelay
from tests.support.ports import free_port

LAYER = bytes(range(256)) * 100


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(data: bytes, **more: object) -> dict[str, object]:
    return {"digest": digest(data), "size": len(data), **more}


MANIFEST = json.dumps({"schemaVersion": 2, "config": descriptor(b"{}"), "layers": [descriptor(LAYER)]}).encode()
OTHER = json.dumps({"schemaVersion": 2, "config": descriptor(b"[]"), "layers": []}).encode()
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            descriptor(MANIFEST, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
            descriptor(OTHER, platform={"os": "linux", "architecture": "amd64"}),
        ],
    }
).encode()


class Memory:
    """A supply from memory."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {digest(data): data for data in contents}
        self.asked: list[str] = []

    def document(self, digest: str) -> bytes:
        self.asked.append(digest)
        return self.contents[digest]

    def blob(self, blob: oci.Descriptor, start: int) -> Generator[bytes]:
        if blob.digest not in self.contents:
            raise RegistryError("the registry went away")
        yield self.contents[blob.digest][start:]


@pytest.fixture
def supply() -> Memory:
    return Memory(INDEX, MANIFEST, OTHER, LAYER)


@pytest.fixture
def relay(supply: Memory) -> Iterator[RegistryRelay]:
    with RegistryRelay(free_port(), supply, [digest(INDEX)], "arm") as relay:
        yield relay


def get(relay: RegistryRelay, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, f"http://127.0.0.1:{relay._port}{path}", headers=headers, timeout=60)


def test_it_gives_manifests_and_blobs_of_the_images_by_digest(relay: RegistryRelay, supply: Memory):
    assert get(relay, "/v2/").ok
    found = get(relay, f"/v2/a/b/manifests/{digest(INDEX)}")
    assert (found.content, found.headers["Content-Type"]) == (INDEX, oci.INDEX_TYPE)
    found = get(relay, f"/v2/a/b/manifests/{digest(MANIFEST)}")
    assert (found.content, found.headers["Content-Type"]) == (MANIFEST, oci.MANIFEST_TYPE)
    assert get(relay, f"/v2/a/b/manifests/{digest(MANIFEST)}", "HEAD").headers["Docker-Content-Digest"] == digest(
        MANIFEST
    )
    assert get(relay, f"/v2/a/b/blobs/{digest(LAYER)}").content == LAYER
    part = get(relay, f"/v2/a/b/blobs/{digest(LAYER)}", Range="bytes=100-")
    assert (part.status_code, part.content) == (206, LAYER[100:])


def test_what_this_architecture_needs_is_known_at_once_the_rest_when_it_is_asked_for(
    relay: RegistryRelay, supply: Memory
):
    assert supply.asked == [digest(INDEX), digest(MANIFEST)]
    assert get(relay, f"/v2/a/manifests/{digest(OTHER)}").content == OTHER


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/a/blobs/{digest(b'unknown')}",
        f"/v2/a/blobs/{digest(MANIFEST)}",
        f"/v2/a/manifests/{digest(LAYER)}",
        "/v2/a/manifests/latest",
        "/v2/_catalog",
        "/v2/a/tags/list",
        "/v2/../../../../etc/passwd",
        f"/v2/%2e%2e/blobs/{digest(LAYER)}",
        "/",
    ],
)
def test_it_gives_nothing_else(relay: RegistryRelay, path: str):
    assert get(relay, path).status_code == 404
    assert relay.problem is None


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_it_only_reads(relay: RegistryRelay, method: str):
    assert get(relay, "/v2/a/blobs/uploads/", method).status_code == 501


def test_it_tells_why_its_supply_failed(relay: RegistryRelay, supply: Memory):
    del supply.contents[digest(LAYER)]
    assert get(relay, f"/v2/a/blobs/{digest(LAYER)}").status_code == 404
    assert relay.problem is not None
    assert relay.problem.message == "the registry went away"


@pytest.mark.case("A22")
def test_a_document_that_is_not_its_digest_is_refused(supply: Memory):
    supply.contents[digest(INDEX)] = OTHER
    with pytest.raises(IntegrityError, match=f"the image document {digest(INDEX)} has the digest"):
        RegistryRelay(free_port(), supply, [digest(INDEX)], "arm").__enter__()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"manifests": [{}]}', b'{"manifests": 3}', b"[" * 100_000])
def test_a_document_that_makes_no_sense_is_refused(raw: bytes):
    with pytest.raises(IntegrityError, match="makes no sense"):
        oci.parse(raw, digest(raw))


def test_a_port_that_is_taken_is_named(relay: RegistryRelay, supply: Memory):
    with pytest.raises(ConflictError, match=f"the relay cannot listen on 127.0.0.1:{relay._port}") as caught:
        RegistryRelay(relay._port, supply, [digest(INDEX)], "arm").__enter__()
    assert "fetch.relay_port" in caught.value.hint


def test_not_found_is_a_word_of_the_supply(supply: Memory):
    class Empty(Memory):
        def document(self, digest: str) -> bytes:
            raise NotFoundError("the bundle has no such image")

    with pytest.raises(NotFoundError, match="the bundle has no such image"):
        RegistryRelay(free_port(), Empty(), [digest(INDEX)], "arm").__enter__()
