"""Both stores, a directory and a bucket of a real S3 server, by the same tests."""

from __future__ import annotations

import filecmp
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest

from ota_py.errors import ConfigError, ConflictError, NotFoundError, StoreError
from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.context import CommandContext
from ota_py.manager.release.release import Keys
from ota_py.manager.storage.s3 import S3Store
from ota_py.manager.storage.store import open_store
from ota_py.trust.publish.freshen import OVERTAKEN, renew
from ota_py.trust.repository.repository import Repository
from ota_py.trust.repository.store import Store
from tests.support.manager.fleets import Fleet, Manager
from tests.support.manager.s3 import credentials
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.processes import running

JSON, TIMESTAMP = "application/json", "metadata/timestamp.json"
MIB = 1024**2


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


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], S3Store]]:
    """Open a place in the bucket of a server that checks conditions, each time with a client of its own."""
    directory, port = tmp_path_factory.mktemp("conditional"), free_port()
    server, endpoint = ROOT / "tests/support/manager/s3_server.py", f"http://127.0.0.1:{port}"
    path = credentials(directory)

    def opened(prefix: str) -> S3Store:
        found = open_store(f"s3://ota/{prefix}", endpoint_url=endpoint, credentials_file=path)
        assert isinstance(found, S3Store)
        return found

    with running([sys.executable, str(server), str(port)], port, directory / "log"):
        opened("")._client.create_bucket(Bucket="ota")
        yield opened


def before_put(store: S3Store, ending: str, act: Callable[[], object]) -> None:
    """Let an act come between what `store` has read and its next write of such a key."""
    hooks, name = store._client.meta.events, "before-send.s3.PutObject"

    def hook(request: AWSPreparedRequest, **_: object) -> None:
        if request.url.endswith(ending):
            hooks.unregister(name, hook)
            act()

    hooks.register(name, hook)


def test_who_wrote_in_between_is_not_overwritten(conditional: Callable[[str], S3Store]) -> None:
    ours, theirs = conditional("between"), conditional("between")
    before_put(ours, "", lambda: theirs.put("metadata/2.snapshot.json", b"theirs", JSON))
    with pytest.raises(ConflictError, match=r"somebody else wrote metadata/2\.snapshot\.json"):
        ours.put_new("metadata/2.snapshot.json", b"ours", JSON)
    assert theirs.get("metadata/2.snapshot.json") == b"theirs"
    ours.put(TIMESTAMP, b"1", JSON)
    ours.replace(TIMESTAMP, b"2", JSON, b"1")
    before_put(ours, "", lambda: theirs.put(TIMESTAMP, b"theirs, later", JSON))
    with pytest.raises(ConflictError, match="somebody else wrote"):
        ours.replace(TIMESTAMP, b"3", JSON, b"2")
    assert theirs.get(TIMESTAMP) == b"theirs, later"


def test_of_two_who_write_at_once_one_succeeds(conditional: Callable[[str], S3Store]) -> None:
    stores = [conditional("at-once"), conditional("at-once")]
    stores[0].put(TIMESTAMP, b"0", JSON)
    barrier = threading.Barrier(len(stores))

    def write(store: S3Store, data: bytes) -> bool:
        barrier.wait()
        try:
            store.replace(TIMESTAMP, data, JSON, b"0")
        except ConflictError:
            return False
        return True

    written = [b"first", b"second"]
    with ThreadPoolExecutor(len(stores)) as pool:
        succeeded = list(pool.map(write, stores, written))
    assert sorted(succeeded) == [False, True]
    assert stores[0].get(TIMESTAMP) == written[succeeded.index(True)]


@pytest.mark.parametrize("ending", ["snapshot.json", "timestamp.json"])
def test_who_renews_while_somebody_else_does_is_told(
    fleet: Fleet, conditional: Callable[[str], S3Store], ending: str
) -> None:
    parts = CommandContext(str(fleet.config))
    online, now = Keys(parts.config.keys, Passphrases()).online(parts.repository), datetime.now(UTC)
    ours, theirs = conditional(ending), conditional(ending)
    for key, data in fleet.repository().items():
        theirs.put(key, data, JSON)
    late, early = Repository(ours, parts.root), Repository(theirs, parts.root)
    before_put(ours, ending, lambda: renew(early, online, now))
    with pytest.raises(ConflictError, match=OVERTAKEN):
        renew(late, online, now)
    assert Repository(theirs, parts.root).timestamp_raw == early.timestamp_raw
    late.load()
    renew(late, online, now)  # the same command again
    assert Repository(theirs, parts.root).timestamp.version == 3


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
