"""A repository that misbehaves on demand: real metadata of the real publishing code, behind real HTTP.

`Mirror` serves a store and may give other bytes than are there: it has the bucket or the network.
`Forger` makes metadata with the keys that a test gives it: it stole those.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from ota_py.errors import NotFoundError
from ota_py.trust.documents.metadata import meta_of
from tests.support.http_servers import QuietHandler, serving
from tests.support.trust.online import online_metadata
from tests.support.trust.published import Publisher

JSON = JSONSerializer()
Change = Callable[[Any], object]


@dataclass
class Drip:
    """An answer that comes `step` bytes at a time, with a pause before each."""

    data: bytes
    step: int
    pause_seconds: float


@dataclass
class Mirror:
    """A web server for `publisher.store`.

    Attributes:
        instead: by path, such as `metadata/timestamp.json`, what is sent instead; None: 404.
        requests: the paths that were requested.
    """

    publisher: Publisher
    instead: dict[str, bytes | Drip | None] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    @contextlib.contextmanager
    def serving(self) -> Iterator[Mirror]:
        mirror = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):  # whoever asked hung up
                    mirror._answer(self)

        with serving(Handler) as address:
            self.url = f"http://{address}"
            yield self

    def targets_requested(self) -> list[str]:
        """The names of the targets that were requested, without their hashes."""
        return [p.rpartition("/")[2].partition(".")[2] for p in self.requests if p.startswith("targets/")]

    def _answer(self, handler: QuietHandler) -> None:
        path = unquote(handler.path.lstrip("/"))
        self.requests.append(path)
        try:
            found = self.instead[path] if path in self.instead else self.publisher.store.get(path)
        except (NotFoundError, OSError):
            found = None
        if found is None:
            handler.send_error(404)
            return
        handler.send_response(200)
        data = found.data if isinstance(found, Drip) else found
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if not isinstance(found, Drip):
            handler.wfile.write(data)
            return
        for start in range(0, len(data), found.step):
            time.sleep(found.pause_seconds)
            handler.wfile.write(data[start : start + found.step])
            handler.wfile.flush()


class Forger:
    """A thief that makes metadata from what is published, and has the mirror serve it."""

    def __init__(self, mirror: Mirror, signers: dict[str, Signer]) -> None:
        self.mirror = mirror
        self.signers = signers

    def current(self, role: str) -> tuple[str, Metadata[Any]]:
        """The honest metadata of a role, and its file name."""
        timestamp = self._read("timestamp.json")
        if role == Timestamp.type:
            return "timestamp.json", timestamp
        name = f"{timestamp.signed.snapshot_meta.version}.snapshot.json"
        if role == Snapshot.type:
            return name, self._read(name)
        if role == Root.type:
            return "1.root.json", self._read("1.root.json")
        name = f"{self._read(name).signed.meta['targets.json'].version}.targets.json"
        return name, self._read(name)

    def forge(self, role: str, change: Change = lambda _: None, *keys: str) -> bytes:
        """The current metadata of a role, changed, and signed with these keys only."""
        _, envelope = self.current(role)
        change(envelope.signed)
        return self.sign(envelope.signed, *keys)

    def sign(self, content: Any, *keys: str) -> bytes:
        """Metadata with these signatures."""
        envelope = Metadata(content)
        envelope.signatures.clear()
        for key in keys:
            envelope.sign(self.signers[key], append=True)
        return envelope.to_bytes(JSON)

    def serve_root(self, change: Change, *keys: str, version: int = 2) -> bytes:
        """Serve a next root."""

        def next_version(root: Root) -> None:
            root.version = version
            change(root)

        data = self.forge(Root.type, next_version, *keys)
        self.mirror.instead[f"metadata/{version}.root.json"] = data
        return data

    def serve_timestamp(self, change: Change, *keys: str) -> None:
        """Serve another timestamp, one version later unless changed."""

        def later(timestamp: Timestamp) -> None:
            timestamp.version += 1
            change(timestamp)

        self.mirror.instead["metadata/timestamp.json"] = self.forge(Timestamp.type, later, *keys)

    def serve_snapshot(self, data: bytes, version: int | None = None) -> None:
        """Serve a snapshot, and a newer timestamp of the stolen online key that fits it."""
        version = version or int(json.loads(data)["signed"]["version"])

        def point(timestamp: Timestamp) -> None:
            timestamp.snapshot_meta = meta_of(version, data)

        self.mirror.instead[f"metadata/{version}.snapshot.json"] = data
        self.serve_timestamp(point, "online")

    def serve_targets(self, data: bytes, version: int | None = None, *, online: str = "online") -> None:
        """Serve targets metadata, and newer snapshot and timestamp of the stolen online key that fit it."""
        version = version or int(json.loads(data)["signed"]["version"])
        _, snapshot = self.current(Snapshot.type)
        _, timestamp = self.current(Timestamp.type)
        made = online_metadata(
            version,
            data,
            (snapshot.signed.version + 1, timestamp.signed.version + 1),
            self.signers[online],
        )
        self.mirror.instead[f"metadata/{version}.targets.json"] = data
        self.mirror.instead[f"metadata/{snapshot.signed.version + 1}.snapshot.json"] = made[0]
        self.mirror.instead["metadata/timestamp.json"] = made[1]

    def release(self, change: Change) -> None:
        """Serve changed targets metadata, signed by the real release key."""

        def next_version(targets: Targets) -> None:
            targets.version += 1
            change(targets)

        self.serve_targets(self.forge(Targets.type, next_version, "release"))

    def _read(self, name: str) -> Metadata[Any]:
        return Metadata.from_bytes(self.mirror.publisher.store.get("metadata/" + name))


def twice(data: bytes) -> bytes:
    """Metadata with its first signature standing there twice."""
    document = json.loads(data)
    document["signatures"].append(document["signatures"][0])
    return json.dumps(document).encode()


def under_another_id(data: bytes, keyid: str) -> bytes:
    """Metadata with its first signature standing there once more, under another key id."""
    document = json.loads(data)
    document["signatures"].append({**document["signatures"][0], "keyid": keyid})
    return json.dumps(document).encode()
