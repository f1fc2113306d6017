"""A repository that is down, half published or cut off: the old set or an error, never a mix (F21)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ota_py.errors import OtaError, RepositoryError, StoreError, TrustError
from ota_py.trust.fetch import transfer
from tests.support.trust.bad_link import BadLink, Fault

pytestmark = pytest.mark.case("F21")

TROUBLES = {
    "is missing": Fault(status=404),
    "answers 500": Fault(status=500),
    "asks for patience": Fault(status=429, headers={"Retry-After": "86400"}),
    "is cut off": Fault(cut_after=1),
    "is another file": Fault(status=200, body=b'{"signed": {}, "signatures": []}'),
}
FILES = [
    r"/timestamp\.json$",
    r"/\d\.snapshot\.json$",
    r"/\d\.targets\.json$",
    r"/1\.2\.0/\w+\.manifest\.json$",
    r"/1\.2\.0/\w+\.manifest\.json\.sig$",
    r"/1\.2\.0/files/\w+\.a\.conf$",
]


@pytest.fixture
def link(served: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadLink]:
    monkeypatch.setattr(transfer, "PAUSE_FIRST_SECONDS", 0.01)
    link = BadLink(served.removeprefix("http://"))
    yield link
    link.close()


@pytest.fixture
def old_and_new(publisher, gateway, link: BadLink):
    """The gateway has seen 1.1.0; meanwhile 1.2.0 was published."""
    gateway.url = f"http://{link.address}"
    publish(publisher, "1.1.0")
    assert seen(gateway) == ["1.1.0"]
    publish(publisher, "1.2.0")
    return gateway


def publish(publisher, version: str) -> None:
    file = publisher.file(version, "a.conf", version.encode())
    publisher.publish(publisher.manifest(version, files=[file]), {file.target: version.encode()})


def seen(gateway) -> list[str]:
    """The versions that a new process finds, each whole: with its manifest and its file."""
    client = gateway.client()
    versions = [update.version for update in client.updates()]
    for version in versions:
        (file,) = client.fetch_manifest(version).manifest.files
        assert client.fetch_file(file) == version.encode()
    return versions


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_file_in_trouble(old_and_new, link: BadLink, trouble: str):
    before, floor = old_and_new.directory.with_name("before"), dict(old_and_new.floor)
    shutil.copytree(old_and_new.directory, before)
    for file in FILES:
        shutil.rmtree(old_and_new.directory)
        shutil.copytree(before, old_and_new.directory)
        old_and_new.floor.update(floor)
        link.faults = [replace(TROUBLES[trouble], path=file)]
        with pytest.raises(OtaError) as caught:
            seen(old_and_new)
        assert isinstance(caught.value, RepositoryError | TrustError), file
        link.faults = []
        assert seen(old_and_new) == ["1.1.0", "1.2.0"], f"once the trouble with {file} is over, all is well"


def test_at_each_moment_of_publishing_the_old_set_is_whole(publisher, gateway):
    publish(publisher, "1.1.0")
    publisher.store.puts.clear()
    publish(publisher, "1.2.0")
    writes = len(publisher.store.puts)
    assert writes >= 6
    assert seen(gateway) == ["1.1.0", "1.2.0"]
    for done in range(writes):
        publisher.store.puts.clear()
        publisher.store.fail_after = done
        with pytest.raises(StoreError):
            publish(publisher, "1.3.0")
        publisher.store.fail_after = None
        assert seen(gateway) == ["1.1.0", "1.2.0"], f"after {done} writes"
    publish(publisher, "1.3.0")
    assert seen(gateway) == ["1.1.0", "1.2.0", "1.3.0"]


def test_a_repository_that_is_away(old_and_new, link: BadLink):
    link.close()
    with pytest.raises(RepositoryError, match="cannot fetch from the repository") as caught:
        seen(old_and_new)
    assert "nothing was changed" in caught.value.hint
