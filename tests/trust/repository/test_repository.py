"""Publishing: the order of writing, refusals, and what a failure half-way leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.metadata import Metadata, Targets

from ota_py.errors import ConflictError, IntegrityError, NotFoundError, SignatureError, StoreError, TrustError
from ota_py.trust import layout
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.publish.initialise import initialise
from ota_py.trust.publish.release import is_current, publish_request, release, release_request
from ota_py.trust.repository.repository import Repository


def test_timestamp_is_written_last_and_targets_first(publisher):
    publisher.store.puts.clear()
    file = publisher.file("1.2.0", "a.conf", b"x")
    publisher.publish(publisher.manifest("1.2.0", files=[file]), {file.target: b"x"})
    kinds = [key.split(".")[-2] if key.startswith("metadata") else "target" for key in publisher.store.puts]
    assert kinds == ["target", "target", "target", "targets", "snapshot", "metadata/timestamp"]


def test_same_version_twice_is_refused(publisher):
    publisher.publish(publisher.manifest("1.2.0"))
    with pytest.raises(ConflictError, match=r"update 1\.2\.0 is published already"):
        publisher.publish(publisher.manifest("1.2.0", description="other"))


def test_failure_at_every_write_leaves_the_old_set_and_can_be_run_again(publisher, gateway):
    publisher.publish(publisher.manifest("1.1.0"))
    file = publisher.file("1.2.0", "a.conf", b"x")
    manifest = publisher.manifest("1.2.0", files=[file])
    writes = 6
    for allowed in range(writes):
        publisher.store.puts.clear()
        publisher.store.fail_after = allowed
        with pytest.raises(StoreError):
            publisher.publish(manifest, {file.target: b"x"})
        assert [u.version for u in gateway.client().updates()] == ["1.1.0"], f"after {allowed} writes"
    publisher.store.fail_after = None
    publisher.publish(manifest, {file.target: b"x"})
    assert [u.version for u in gateway.client().updates()] == ["1.1.0", "1.2.0"]


def test_unsigned_manifest_is_not_published(publisher):
    raw = publisher.manifest("1.2.0").to_bytes()
    with pytest.raises(SignatureError, match=r"manifest\.json needs 1 more of the release keys"):
        release(
            publisher.repository(),
            raw,
            {},
            [],
            OnlineSigners.one(publisher.signers["online"]),
            datetime.now(UTC),
        )
    assert publisher.repository().versions() == []


def test_file_that_differs_from_the_manifest_is_not_published(publisher):
    file = publisher.file("1.2.0", "a.conf", b"x")
    with pytest.raises(IntegrityError, match=r"file a\.conf has sha256"):
        publisher.publish(publisher.manifest("1.2.0", files=[file]), {file.target: b"y"})


def test_manifest_reads_back_verified(publisher):
    publisher.publish(publisher.manifest("1.2.0"))
    assert publisher.repository().manifest("1.2.0").manifest.version == "1.2.0"
    with pytest.raises(NotFoundError):
        publisher.repository().manifest("1.3.0")


def test_initialise_never_overwrites(publisher, signers):
    release = signers["release"]
    with pytest.raises(ConflictError, match="holds a repository already"):
        initialise(
            publisher.store,
            signers["root"],
            release.public_key,
            release,
            signers["online"],
            datetime.now(UTC),
        )


def test_store_of_another_fleet_is_refused(publisher, signers, tmp_path):
    from tests.support.trust.stores import DirectoryOfBytes

    other = DirectoryOfBytes(tmp_path / "other")
    swapped = initialise(
        other,
        signers["online"],
        signers["root"].public_key,
        signers["root"],
        signers["release"],
        datetime.now(UTC),
    )
    with pytest.raises(TrustError, match="is not what root's keys signed"):
        Repository(publisher.store, swapped)


def test_a_request_whose_list_drops_an_update_is_not_current(publisher):
    publisher.publish(publisher.manifest("1.1.0"))
    now, repository = datetime.now(UTC), publisher.repository()
    request = release_request(repository, publisher.manifest("1.2.0").to_bytes(), now)
    assert is_current(repository, request, now)
    assert not is_current(repository, request, now + timedelta(days=91))
    manifest, document = request.documents
    listed = document.parsed(Targets)
    del listed.targets[layout.manifest_path("1.1.0")]
    dropped = replace(document, payload=Metadata(listed).signed_bytes)
    altered = replace(request, documents=(manifest, dropped))
    assert not is_current(repository, altered, now)
    signed = Signing(altered).signed_by([publisher.signers["release"]])
    with pytest.raises(ConflictError):
        publish_request(repository, signed, OnlineSigners.one(publisher.signers["online"]), now)
    assert publisher.repository().versions() == ["1.1.0"]
