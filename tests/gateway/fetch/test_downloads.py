"""Downloads: what a try that was cut off leaves, and how the next one uses it (F20, F11)."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota_py.errors import CarrierError, IntegrityError, NoSpaceError, RepositoryError
from ota_py.gateway.fetch.downloads import Download, DownloadCache, worth_keeping
from ota_py.gateway.fetch.sources import from_repository, trust_client
from ota_py.manifest import File
from tests.support.gateway.site import Site

DATA = bytes(range(256)) * 40
WANTED = Download(hashlib.sha256(DATA).hexdigest(), len(DATA), "layer")


class Server:
    """Gives `data`, cut off after `until` bytes; remembers from where it was asked."""

    def __init__(self, data: bytes = DATA, until: int = 10**9) -> None:
        self.data, self.until, self.asked = data, until, []

    def __call__(self, start: int) -> Iterator[bytes]:
        self.asked.append(start)
        for at in range(start, len(self.data), 1000):
            if at >= self.until:
                raise CarrierError("was cut off")
            yield self.data[at : at + 1000]


@pytest.fixture
def fetched(tmp_path: Path) -> DownloadCache:
    return DownloadCache(tmp_path / "fetched")


@pytest.mark.case("F20", "F24")
def test_the_next_try_goes_on_where_the_last_was_cut_off(fetched: DownloadCache):
    with pytest.raises(CarrierError):
        fetched.fetch(WANTED, Server(until=3000))
    assert fetched.missing_bytes(WANTED) == len(DATA) - 3000
    server = Server()
    path = DownloadCache(fetched.directory).fetch(WANTED, server)
    assert (path.read_bytes(), server.asked) == (DATA, [3000])
    assert fetched.missing_bytes(WANTED) == 0


def test_what_is_there_is_not_asked_for(fetched: DownloadCache):
    fetched.fetch(WANTED, Server())
    server = Server()
    assert b"".join(fetched.pieces(WANTED, server)) == DATA
    assert server.asked == []


@pytest.mark.case("F20")
@pytest.mark.parametrize("is_whole", [False, True])
def test_a_damaged_leftover_is_removed_and_fetched_anew(fetched: DownloadCache, is_whole: bool):
    if is_whole:
        path = fetched.fetch(WANTED, Server())
    else:
        with pytest.raises(CarrierError):
            fetched.fetch(WANTED, Server(until=3000))
        (path,) = fetched.directory.iterdir()
    data = path.read_bytes()
    path.write_bytes(b"\0" * 100 + data[100:])
    with pytest.raises(CarrierError, match="what an earlier try left of layer is damaged; it was removed"):
        fetched.fetch(WANTED, Server())
    assert fetched.fetch(WANTED, Server()).read_bytes() == DATA


@pytest.mark.case("A05", "A06")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DATA[::-1], "layer has sha256 .*, expected"),
        (DATA + b"x" * 10**6, "layer has more than 10240 bytes, expected 10240"),
        (DATA[:-1], "layer has 10239 bytes, expected 10240"),
    ],
)
def test_what_is_not_as_signed_leaves_nothing(fetched: DownloadCache, data: bytes, message: str):
    with pytest.raises(IntegrityError, match=message):
        fetched.fetch(WANTED, Server(data))
    assert list(fetched.directory.iterdir()) == []


@pytest.mark.case("A05", "A22")
def test_nobody_is_given_a_wrong_file_whole(fetched: DownloadCache):
    given: list[bytes] = []
    with pytest.raises(IntegrityError):
        given.extend(fetched.pieces(WANTED, Server(DATA[:-1] + b"x")))
    assert 0 < len(b"".join(given)) < len(DATA)


@pytest.mark.docker
@pytest.mark.case("F20", "F11")
def test_a_large_file_of_an_update_is_fetched_once_over_all_tries(site: Site):
    data = b"x" * 200_000
    manifest = site.publish("1.1.0", files={"config/big": data, "config/small": b"y"})
    asked: list[str] = []
    with site.engine() as (engine, journal):
        source = from_repository(trust_client(site.config, journal), "1.1.0")

        def fetch(file: File) -> bytes:
            asked.append(file.dest)
            if file.dest == "config/small" and len(asked) == 2:
                raise RepositoryError("was cut off")
            return source.fetch(file)

        assert engine.update(source.verified, fetch)["outcome"] == "FAILED"
        kept = site.config.updates_dir / "1.1.0" / "fetched"
        assert [path.name for path in kept.iterdir()] == [manifest.files[0].sha256]
        assert engine.update(source.verified, fetch)["outcome"] == "SUCCEEDED"
    assert asked == ["config/big", "config/small", "config/small"]
    assert not kept.exists()
    assert (site.project_dir / "config/big").read_bytes() == data


@pytest.mark.docker
@pytest.mark.case("F11")
def test_what_was_fetched_for_one_update_goes_when_another_begins(site: Site):
    left = site.config.updates_dir / "1.1.0" / "fetched" / "leftover"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    site.publish("1.2.0", files={"config/app.conf": b"second\n"})
    assert site.update("1.2.0")["outcome"] == "SUCCEEDED"
    assert not left.parent.exists()


@pytest.mark.case("F10", "F11")
def test_a_disk_that_fills_up_meanwhile_is_named_and_gets_its_space_back(tmp_path: Path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    try:
        fetched = DownloadCache(tmp_path / "fetched")
        data = DATA * 20
        with pytest.raises(NoSpaceError, match="no space left to write"):
            fetched.fetch(Download(hashlib.sha256(data).hexdigest(), len(data), "layer"), Server(data))
        assert not worth_keeping(NoSpaceError("no space left"))
        fetched.discard()
        (tmp_path / "filler").write_bytes(b"x" * 50_000)
    finally:
        # Lazily: whoever looks through /tmp may just be in it.
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
