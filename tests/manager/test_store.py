"""Both stores keep the same promises: a directory, and a bucket of a real S3 server."""

from __future__ import annotations

import filecmp
import hashlib
import http.server
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ota_py.errors import ConfigError, ConflictError, NotFoundError, StoreError
from ota_py.manager.store import open_store
from ota_py.trust.store import Store
from tests.manager.conftest import Fleet, Manager
from tests.manager.processes import RCLONE, free_port, running

MIB = 1024**2
ACCESS_KEY, SECRET_KEY = "operator", "not-really-secret"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an S3 server with a bucket `ota`."""
    directory = tmp_path_factory.mktemp("s3")
    (directory / "data" / "ota").mkdir(parents=True)
    port = free_port()
    serve = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    command = [*serve, "--vfs-cache-mode", "off", str(directory / "data")]
    env = os.environ | {"RCLONE_CONFIG": "/dev/null"}
    with running(command, port, directory / "log", env):
        yield f"http://127.0.0.1:{port}"


def credentials(directory: Path, secret: str = SECRET_KEY) -> Path:
    path = directory / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return open_store(f"file:{tmp_path}/store")
    url = f"s3://ota/{tmp_path.name}"
    endpoint = request.getfixturevalue("s3")
    return open_store(url, endpoint_url=endpoint, credentials_file=credentials(tmp_path))


def test_what_is_deleted_is_gone(store: Store) -> None:
    store.put("metadata/a.json", b"1", "application/json")
    store.put("metadata/b.json", b"2", "application/json")
    store.delete("metadata/a.json")
    store.delete("metadata/a.json")
    assert store.list("") == ["metadata/b.json"]
    with pytest.raises(NotFoundError):
        store.get("metadata/a.json")


def test_what_is_put_can_be_got_listed_and_replaced(store: Store) -> None:
    assert store.list("") == []
    store.put("metadata/timestamp.json", b"1", "application/json")
    store.put("targets/updates/1.0.0+b/a b.txt", b"", "text/plain")
    store.put("metadata/timestamp.json", b"22", "application/json")
    assert store.get("metadata/timestamp.json") == b"22"
    assert store.get("targets/updates/1.0.0+b/a b.txt") == b""
    assert store.list("metadata/") == ["metadata/timestamp.json"]
    assert store.list("") == ["metadata/timestamp.json", "targets/updates/1.0.0+b/a b.txt"]


def test_of_two_who_write_one_key_the_second_is_refused(store: Store) -> None:
    store.put_new("metadata/2.targets.json", b"first", "application/json")
    with pytest.raises(ConflictError):
        store.put_new("metadata/2.targets.json", b"second", "application/json")
    assert store.get("metadata/2.targets.json") == b"first"
    store.put_new("metadata/2.targets.json", b"first", "application/json")  # our own, once more
    store.put("metadata/timestamp.json", b"1", "application/json")
    store.replace("metadata/timestamp.json", b"2", "application/json", b"1")
    with pytest.raises(ConflictError):
        store.replace("metadata/timestamp.json", b"3", "application/json", b"1")
    assert store.get("metadata/timestamp.json") == b"2"


class Conditional(http.server.BaseHTTPRequestHandler):
    """An S3 server, as far as one key goes, that checks conditions, and to which somebody else writes."""

    protocol_version = "HTTP/1.1"
    body: bytes | None = None
    theirs: bytes | None = None

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        found = type(self).body
        self._answer(404 if found is None else 200, found or b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        data, kind = self.rfile.read(int(self.headers["Content-Length"])), type(self)
        if kind.theirs is not None:
            kind.body, kind.theirs = kind.theirs, None
        wanted = self.headers.get("If-Match")
        is_new = self.headers.get("If-None-Match") == "*"
        if (is_new and kind.body is not None) or (wanted and wanted != self._tag()):
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        kind.body = data
        self._answer(200, b"")

    def _tag(self) -> str:
        return f'"{hashlib.md5(type(self).body or b"").hexdigest()}"'

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", self._tag())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_conditions_are_sent_to_s3(tmp_path: Path) -> None:
    class Server(Conditional): ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        store = open_store("s3://ota/x", endpoint_url=url, credentials_file=credentials(tmp_path))
        Server.theirs = b"theirs"
        with pytest.raises(ConflictError, match=r"somebody else wrote metadata/2\.snapshot\.json"):
            store.put_new("metadata/2.snapshot.json", b"ours", "application/json")
        assert Server.body == b"theirs"
        store.replace("metadata/timestamp.json", b"ours", "application/json", b"theirs")
        assert Server.body == b"ours"
        Server.theirs = b"theirs, later"
        with pytest.raises(ConflictError, match="somebody else wrote"):
            store.replace("metadata/timestamp.json", b"ours, again", "application/json", b"ours")
        assert Server.body == b"theirs, later"
        server.shutdown()


def test_a_large_file_passes_without_being_held_in_memory(store: Store, tmp_path: Path) -> None:
    source, copy = tmp_path / "wheelhouse.tar", tmp_path / "copy"
    with open(source, "wb") as file:
        file.truncate(48 * MIB)
        file.write(b"end")
    tracemalloc.start()
    try:
        store.put_file("targets/updates/1.0.0/agent/a.tar", source, "application/octet-stream")
        store.get_file("targets/updates/1.0.0/agent/a.tar", copy)
        streamed = sum(map(len, store.stream("targets/updates/1.0.0/agent/a.tar")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert filecmp.cmp(source, copy, shallow=False)
    assert streamed == source.stat().st_size
    assert peak < 12 * MIB
    with pytest.raises(NotFoundError):
        store.get_file("targets/none", copy)
    with pytest.raises(NotFoundError):
        next(store.stream("targets/none"))
    with pytest.raises(StoreError, match="cannot read"):
        store.put_file("targets/x", tmp_path / "none", "text/plain")


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(NotFoundError, match=r"no such object|there is no"):
        store.get("metadata/none.json")


def test_a_key_never_leaves_the_directory(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/store")
    with pytest.raises(StoreError, match="leaves the store"):
        store.put("../escaped", b"", "text/plain")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*/file/x: (Not a directory|File exists)"):
        open_store(f"file:{tmp_path}/file").put("x", b"", "text/plain")


def test_files_can_be_read_by_a_web_server(tmp_path: Path) -> None:
    open_store(f"file:{tmp_path}").put("a/b", b"1", "text/plain")
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o644


def test_unreachable_endpoint(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    store = open_store("s3://ota/repo", endpoint_url=url, credentials_file=credentials(tmp_path))
    with pytest.raises(StoreError, match=f"cannot list s3://ota/repo at {url}: Could not connect") as error:
        store.list("")
    assert "repository.endpoint_url" in error.value.hint


def test_missing_bucket(s3: str, tmp_path: Path) -> None:
    store = open_store("s3://nowhere/repo", endpoint_url=s3, credentials_file=credentials(tmp_path))
    with pytest.raises(StoreError, match="the bucket 'nowhere' does not exist"):
        store.list("")


def test_denied(s3: str, tmp_path: Path) -> None:
    path = credentials(tmp_path, secret="wrong")
    store = open_store("s3://ota/repo", endpoint_url=s3, credentials_file=path)
    with pytest.raises(StoreError, match=r"access denied \(\w+\)"):
        store.put("a", b"", "text/plain")


def test_no_credentials(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="there are no credentials") as error:
        open_store("s3://ota/repo", endpoint_url=s3).list("")
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_credentials_that_others_can_read(tmp_path: Path) -> None:
    path = credentials(tmp_path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"can be read by others \(mode 0644, expected 0600\)"):
        open_store("s3://ota", credentials_file=path)


@pytest.mark.parametrize("url", ["ftp://x/y", "s3://", "file://host/x", "/srv"])
def test_other_urls(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a place to publish to"):
        open_store(url)


def test_an_update_in_a_bucket(fleet: Fleet, ota: Manager, s3: str) -> None:
    """The whole way with S3: everything of the repository is copied there, then an update is published."""
    path = credentials(fleet.directory)
    fleet.change(
        'store = "file:repository"',
        f'store = "s3://ota/whole"\nendpoint_url = "{s3}"\ncredentials_file = "{path.name}"',
    )
    store = open_store("s3://ota/whole", endpoint_url=s3, credentials_file=path)
    for key, data in fleet.repository().items():
        store.put(key, data, "application/json")
    done = ota.create()
    assert done.status == 0, done.err
    assert "published to s3://ota/whole" in done.err
    assert ota("verify", "1.2.0").status == 0
    assert any(key.endswith(".manifest.json.sig") for key in store.list("targets/updates/1.2.0/"))


def test_an_unreachable_bucket_when_an_update_is_created(fleet: Fleet, ota: Manager) -> None:
    path = credentials(fleet.directory)
    url = f"http://127.0.0.1:{free_port()}"
    fleet.change(
        'store = "file:repository"',
        f'store = "s3://ota/whole"\nendpoint_url = "{url}"\ncredentials_file = "{path.name}"',
    )
    done = ota.create()
    assert done.status == 10
    assert urlsplit(url).netloc in done.err
    assert fleet.rows("SELECT count(*) FROM updates_update") == [(0,)]
