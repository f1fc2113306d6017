"""Old states, states that never were, and metadata past its time (A03, A04)."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import pytest
from tuf.api.metadata import Timestamp

from ota_py.errors import FreshnessError, IncompatibleError, IntegrityError
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.publish.freshen import renew
from ota_py.trust.verify import METADATA_VERSION_MAX
from tests.support.gateway.attacked import PASSED, ROOT_FILES, Box, now, serve


def old_state(box: Box) -> dict[str, bytes]:
    """The metadata that is published now, to be served again later."""
    return {key: box.publisher.store.get(key) for key in box.publisher.store.list("metadata/")}


@pytest.mark.case("A03")
def test_an_older_timestamp(box: Box) -> None:
    old = old_state(box)
    renew(box.publisher.repository(), OnlineSigners.one(box.publisher.signers["online"]), now())
    box.look()
    box.mirror.instead["metadata/timestamp.json"] = old["metadata/timestamp.json"]
    box.refuses(FreshnessError, "the repository is older than what this gateway has seen: New timestamp version 3")
    box.heals()


@pytest.mark.case("A03")
def test_an_older_timestamp_for_a_gateway_that_lost_its_cache(box: Box) -> None:
    """The floor in the journal is what is left; what it refuses does not become the new cache."""
    old = old_state(box)
    renew(box.publisher.repository(), OnlineSigners.one(box.publisher.signers["online"]), now())
    box.look()
    shutil.rmtree(box.config.trust_dir)
    box.mirror.instead["metadata/timestamp.json"] = old["metadata/timestamp.json"]
    root = {"metadata/root.json", "metadata/root_history/1.root.json"}
    box.refuses(FreshnessError, "timestamp metadata is version 3, expected at least 4", kept=root)
    box.heals()


@pytest.mark.case("A03")
def test_an_older_snapshot_in_a_newer_timestamp(box: Box) -> None:
    box.forger.serve_snapshot(box.publisher.store.get("metadata/2.snapshot.json"))
    box.refuses(FreshnessError, "New snapshot version must be >= 3, got version 2")
    box.heals()


@pytest.mark.case("A03")
def test_an_older_list_of_updates_in_a_newer_snapshot(box: Box) -> None:
    """Mix and match with the stolen online key: an old list, genuinely signed, as if it were the newest."""
    box.forger.serve_targets(box.publisher.store.get("metadata/2.targets.json"))
    box.refuses(FreshnessError, "Expected targets.json version", kept={"metadata/timestamp.json"})
    box.heals()


@pytest.mark.case("A03")
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_fast_forward(box: Box, role: str) -> None:
    """So high a version would end all updates; refused, and unlike what python-tuf does, not kept."""

    def highest(content: Any) -> None:
        content.version = METADATA_VERSION_MAX + 1

    key = "release" if role == "targets" else "online"
    serve(box.forger, role, box.forger.forge(role, highest, key))
    words = f"{role} metadata is version {METADATA_VERSION_MAX + 1}, expected at most {METADATA_VERSION_MAX}"
    error = box.refuses(FreshnessError, words)
    assert "keys rotate" in error.hint
    box.heals()


@pytest.mark.case("A03")
def test_an_older_manifest_under_a_newer_name(box: Box) -> None:
    old = box.publisher.manifest("1.0.0").to_bytes()
    box.publish_raw("1.3.0", old)
    box.look()
    box.refuses(
        IntegrityError,
        "the manifest at updates/1.3.0/manifest.json is of version 1.0.0, expected 1.3.0",
        lambda client: client.fetch_manifest("1.3.0"),
    )


@pytest.mark.case("A03")
def test_an_older_update_by_hand(box: Box) -> None:
    """It was genuine once, and its signature still holds."""
    path = box.stick(box.publisher.manifest("1.0.0").to_bytes())
    before = box.state()
    status, answer = box.command("update", "--manifest", str(path))
    assert status == IncompatibleError.exit_status
    assert (answer["outcome"], answer["changed"]) == ("FAILED", False)
    assert answer["reason"] == "update 1.0.0 is older than the installed 1.1.0"
    assert box.state() == before


@pytest.mark.case("A04")
@pytest.mark.parametrize("role", PASSED)
def test_expired_metadata(box: Box, role: str) -> None:
    def expire(content: Any) -> None:
        content.version += 1
        content.expires = (now() - timedelta(hours=1)).replace(microsecond=0)

    key = {"root": "root", "targets": "release"}.get(role, "online")
    serve(box.forger, role, box.forger.forge(role, expire, key))
    # A root is kept before its expiry is judged: the next one may be in time (specification, 5.3.10).
    kept = ROOT_FILES if role == "root" else PASSED[role]
    named = {"root": "Final root.json", "targets": "New targets"}.get(role, f"{role}.json")
    error = box.refuses(FreshnessError, f"the repository's metadata has expired: {named} is expired", kept=kept)
    assert error.hint.endswith("the operator renews the metadata; what runs is kept")


@pytest.mark.case("A04")
def test_expired_metadata_by_command(box: Box) -> None:
    """A repository frozen by its bucket: in plain words, with a status of its own, and what runs goes on."""

    def expire(timestamp: Timestamp) -> None:
        timestamp.expires = (now() - timedelta(hours=1)).replace(microsecond=0)

    box.forger.serve_timestamp(expire, "online")
    before = box.state()
    for words in (("check",), ("update", "--version", "1.2.0")):
        status, answer = box.command(*words)
        assert (status, answer["error"]["code"]) == (20, "freshness")
        assert answer["error"]["message"] == "the repository's metadata has expired: timestamp.json is expired"
    assert box.state() == before
    assert box.command("status")[0] == 0
