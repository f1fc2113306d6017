"""An update from a stick: with no network at all, checked like any other, refused when it was changed."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

import pytest

from ota_py import bundle
from ota_py.errors import OtaError
from ota_py.gateway.fetch.sources import from_bundle
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.publish.freshen import renew
from ota_py.trust.repository.repository import Repository
from tests.support.gateway.stick import Stick
from tests.support.paths import ROOT
from tests.support.processes import captured

pytestmark = pytest.mark.docker

HELPER = ROOT / "ota-helper.sh"


def test_an_update_and_its_rollback_need_no_network(stick: Stick):
    site, image = stick.site, stick.image
    before = site.ids()
    done = captured([HELPER, "update", str(stick.path), "--json", "--config", str(site.config_file)])
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["outcome"] == "SUCCEEDED"
    assert site.version_of("app") == "1.1.0"
    assert (site.project_dir / "config/app.conf").read_bytes() == b"second\n"
    name = image.repository.partition("/")[2]
    relayed = f"127.0.0.1:{stick.fetching.relay_port}/{name}@{image.digest}"
    assert relayed in site.compose_file.read_text()
    assert result["reports"][-1]["details"]["digests"]["app"] == image.digest
    assert site.ids()["store"] == before["store"]
    assert site.client_json("update", "--bundle", str(stick.path))["outcome"] == "SKIPPED"
    stick.path.unlink()
    assert site.client_json("rollback")["outcome"] == "ROLLED_BACK"
    assert site.version_of("app") == "1.0.0"


def test_a_service_is_not_replaced_because_its_image_came_from_a_stick(stick: Stick):
    """The next update, from the network, names the same image: it keeps the name that it has."""
    site = stick.site
    assert site.client_json("update", "--bundle", str(stick.path))["outcome"] == "SUCCEEDED"
    app = site.ids()["app"]
    (site.directory / "away").rename(site.directory / "repository")
    site.publish("1.2.0", {"app": stick.image}, {"config/other.conf": b"x"})
    assert site.client_json("update", "--version", "1.2.0")["outcome"] == "SUCCEEDED"
    assert site.ids()["app"] == app


@pytest.mark.case("A20", "A21", "A04", "A03")
def test_a_bundle_that_is_not_what_was_signed_is_refused_with_nothing_left_behind(stick: Stick):
    # Metadata that holds may be remembered; from then on nothing changes.
    read_all(stick)
    good, before, trusted = stick.members(), stick.state(), stick.site.standing()
    layer = next(n for n, d in good if n.endswith(stick.fetching.large.removeprefix("sha256:")))
    conf = next(n for n, d in good if d == b"second\n")
    manifest = next(n for n, d in good if b'"schema_version": 1' in d)
    timestamp = "metadata/timestamp.json"

    def changed(name: str, data: bytes) -> list[tuple[str, bytes]]:
        return [(n, data if n == name else d) for n, d in good]

    altered = {n: d[:-2] + bytes([d[-2] ^ 1]) + d[-1:] for n, d in good}
    cases: list[tuple[list[tuple[str, bytes]], str, str]] = [
        ([*good, (bundle.BLOBS + "0" * 64, b"x")], "integrity", "which the signed update does not list"),
        ([*good, ("metadata/7.root.json", b"{}")], "integrity", "does not list"),
        ([m for m in good if m[0] != conf], "not_found", "lacks blobs/sha256/"),
        ([m for m in good if m[0] != layer], "not_found", "has no image of app for"),
        (changed(conf, altered[conf]), "integrity", "file config/app.conf|does not match"),
        (changed(manifest, altered[manifest]), "integrity", "does not match"),
        (changed(timestamp, altered[timestamp]), "trust", "Failed to deserialize JSON"),
        (changed(layer, altered[layer]), "integrity", "was altered"),
        (good[:-1], "not_found", "has no image of app|lacks"),
    ]
    for members, code, words in cases:
        stick.rewrite(members)
        error = refusal(stick)
        assert error.code == code, error
        assert any(word in error.message for word in words.split("|")), error
        assert stick.site.standing() == trusted
    stick.path.write_bytes(b"ota-bundle.json\0" + b"x" * 10_000)
    assert "is not a whole bundle" in refusal(stick).message
    stick.rewrite(changed(layer, altered[layer]))
    result = stick.site.client_json("update", "--bundle", str(stick.path), status=20)
    assert (result["outcome"], "was altered" in result["reason"]) == ("FAILED", True), result["reason"]
    assert stick.state()[:2] == before[:2]
    assert stick.site.standing() == trusted
    assert not [path for path in stick.state()[2] if "fetched" in str(path)]


def refusal(stick: Stick) -> OtaError:
    """Why the gateway refuses the bundle."""
    with pytest.raises(OtaError) as caught:
        read_all(stick)
    return caught.value


def read_all(stick: Stick) -> None:
    """Read the bundle, as `verify --bundle` does."""
    with stick.site.engine() as (_, journal):
        source = from_bundle(stick.site.config, journal, stick.path)
        assert source.bundle
        with closing(source.bundle):
            for file in source.verified.manifest.all_files:
                source.fetch(file)
            source.bundle.check_blobs()


@pytest.mark.case("A03", "A04", "F34")
def test_a_bundle_that_is_too_old_is_refused_in_plain_words(stick: Stick):
    site = stick.site
    (site.directory / "away").rename(site.directory / "repository")
    repository = Repository(site._store, site._root)
    online = site._keys.signers["online"]
    renew(repository, OnlineSigners.one(online), datetime.now(UTC))
    site.client_json("check")  # the gateway has seen newer metadata than the stick has
    trusted = site.standing()
    done = site.client("update", "--bundle", str(stick.path))
    assert done.returncode == 20
    assert f"the bundle {stick.path} is too old" in done.stderr
    assert "export-bundle" in done.stderr
    assert site.standing() == trusted
