"""Odd documents that the right keys signed: whatever they hold, only the project's own errors come out (A49)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Signer

from ota_py.errors import CarrierError, OtaError
from ota_py.trust.documents.signing_request import parse_request
from ota_py.trust.fetch.client import TrustClient
from ota_py.trust.keys.signers import sign_manifest
from ota_py.trust.verify import parse_root, verify_manifest
from tests.support.trust.published import MemoryFloor, Publisher

pytestmark = pytest.mark.case("A49")

ODD: list[Any] = [
    *(None, True, -1, 0, 2**63, 2**70, "", "x", "ü\x00", "../x", "2030-13-99T00:00:00Z", "9" * 5000),
    *([], [None], [[]], {}, {"": None}, {"x": {"x": {}}}),
]
# Whose signature each role of the repository needs.
SIGNERS = {"root": "root", "targets": "release", "snapshot": "online", "timestamp": "online"}
Document = dict[str, Any]


class Serving:
    """A repository in memory, with other bytes for one of its files."""

    def __init__(self, publisher: Publisher, name: str, data: bytes) -> None:
        self._publisher, self._name, self._data = publisher, name, data

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        if path == f"metadata/{self._name}":
            yield self._data[start:]
            return
        try:
            yield self._publisher.store.get(path)[start:]
        except OtaError:
            raise CarrierError(f"no {path}", status=404) from None


def variants(document: Document) -> Iterator[tuple[str, Document]]:
    """The document with each of its values replaced by each odd one, or left out, or with a key too many."""
    for path in _paths(document):
        for odd in [*ODD, ...]:
            changed = copy.deepcopy(document)
            place = _at(changed, path[:-1])
            if odd is not ...:
                place[path[-1]] = odd
            elif isinstance(place, dict):
                del place[path[-1]]
            yield f"{'/'.join(map(str, path))}={odd!r:.40}", changed
    yield "a key too many", {**document, "unheard_of": {"x": [1]}}


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def signed(content: Document, signer: Signer) -> bytes | None:
    """Metadata as whoever has the key can make it; None where no signature can be over it."""
    try:
        signature = signer.sign(encode_canonical(content).encode())
    except (FormatError, UnicodeEncodeError):
        return None
    entry = {"keyid": signature.keyid, "sig": signature.signature}
    return json.dumps({"signed": content, "signatures": [entry]}).encode()


def only_our_errors(call: Callable[[], object], what: str) -> None:
    """Assert that a call succeeds, or raises one of the project's errors with a message that can be shown."""
    try:
        call()
    except OtaError as error:
        shown = error.message
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    else:
        return
    assert 0 < len(shown) < 4000, what


@pytest.mark.parametrize("role", SIGNERS)
def test_metadata(role: str, publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(publisher.manifest("1.0.0"))
    name = "2.root.json" if role == "root" else _newest(publisher, role)
    present = publisher.root if role == "root" else publisher.store.get(f"metadata/{name}")
    content = json.loads(present)["signed"]
    if role == "root":
        content["version"] = 2
    anchor = tmp_path / "root.json"
    anchor.write_bytes(publisher.root)
    tried = 0
    for what, changed in variants(content):
        data = signed(changed, publisher.signers[SIGNERS[role]])
        if data is None:
            continue
        tried += 1
        carrier = Serving(publisher, name, data)
        client = TrustClient(anchor, tmp_path / f"cache-{tried}", "http://odd.invalid", MemoryFloor(), carrier)
        only_our_errors(client.refresh, what)
        only_our_errors(client.updates, what)
        if role == "root":
            only_our_errors(lambda data=data: parse_root(data), what)
    assert tried > 100


def test_a_manifest(publisher: Publisher) -> None:
    publisher.publish(publisher.manifest("1.0.0"))
    root = parse_root(publisher.root)
    content = json.loads(publisher.manifest("1.0.0", files=[publisher.file("1.0.0", "a/b", b"x")]).to_bytes())
    for what, changed in variants(content):
        raw = json.dumps(changed).encode()
        signature = sign_manifest(raw, [publisher.signers["release"]])
        only_our_errors(lambda raw=raw, signature=signature: verify_manifest(raw, signature, root), what)


def test_a_signing_request() -> None:
    good = (Path(__file__).parents[1] / "fuzz/corpus/request").iterdir()
    for file in sorted(good):
        try:
            content = json.loads(file.read_bytes())
        except (ValueError, RecursionError):
            continue
        if not isinstance(content, dict):
            continue
        for what, changed in variants(content):
            only_our_errors(lambda changed=changed: parse_request(json.dumps(changed).encode()), what)


def _newest(publisher: Publisher, role: str) -> str:
    timestamp = json.loads(publisher.store.get("metadata/timestamp.json"))["signed"]
    if role == "timestamp":
        return "timestamp.json"
    snapshot = f"{timestamp['meta']['snapshot.json']['version']}.snapshot.json"
    if role == "snapshot":
        return snapshot
    listed = json.loads(publisher.store.get(f"metadata/{snapshot}"))["signed"]["meta"]["targets.json"]["version"]
    return f"{listed}.targets.json"
