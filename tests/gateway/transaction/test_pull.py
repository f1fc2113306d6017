"""Images over a bad link, by real Docker from a real registry: resumed, or refused and the old runs."""

from __future__ import annotations

import re

import pytest

from tests.support.gateway.fetching import MIB, Fetching
from tests.support.trust.bad_link import Fault
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.case("F20")]


def test_a_layer_that_is_cut_off_again_and_again_comes_piece_by_piece(fetching: Fetching):
    """With 100 KB in each answer Docker gives up; the registry relay goes on, and fetches no byte twice."""
    image = fetching.release("1.1.0")
    fetching.link.faults = [
        Fault("/blobs/", times=2, status=429, headers={"Retry-After": "1"}),  # the engine fails at once
        Fault(fetching.large, cut_after=100_000),
    ]
    result = fetching.site.update("1.1.0")
    assert result["outcome"] == "SUCCEEDED", result["error"]
    assert fetching.site.version_of("app") == "1.1.0"
    assert image.pinned in fetching.site.compose_file.read_text(), "the name is the registry's own"
    assert result["reports"][-1]["details"]["digests"]["app"] == image.digest
    assert not fetching.left()


def test_a_process_that_is_killed_while_it_fetches_leaves_the_next_one_little_to_do(fetching: Fetching):
    fetching.limit(100_000)
    fetching.release("1.1.0", mib=4)
    fetching.link.faults = [Fault(fetching.large, times=1, hold_after=3 * MIB)]
    site = fetching.site
    process = site.start_client("update", "--version", "1.1.0")
    kept = lambda: sum(path.stat().st_size for path in fetching.left())  # noqa: E731
    wait_for(lambda: kept() > 2 * MIB, "half of the layer")
    process.kill()
    process.wait()
    assert kept() > MIB
    before = fetching.link.sent(fetching.large)

    assert site.client_json("recover")["outcome"] == "FAILED"
    assert site.version_of("app") == "1.0.0"
    result = site.client_json("update", "--version", "1.1.0")

    assert result["outcome"] == "SUCCEEDED"
    (again,) = [r for r in fetching.link.requests if fetching.large in r.path and r.range]
    assert int(again.range.removeprefix("bytes=").rstrip("-")) >= MIB
    assert fetching.link.sent(fetching.large) - before < 4 * MIB
    assert not fetching.left()


REFUSALS = [
    (Fault("/v2/", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}), "denied access to"),
    (Fault("/v2/", status=429, headers={"Retry-After": "86400"}), "asks to wait for 86400 s"),
    (Fault("/v2/", status=500), "answered 500"),
    (Fault("/blobs/", cut_after=10), "was cut off"),
]


def test_a_registry_that_refuses_or_is_down_leaves_the_old_version_running(fetching: Fetching):
    fetching.limit(100_000)  # so that the engine's own patience of a minute is not in the way
    fetching.release("1.1.0")
    site = fetching.site
    before = site.ids(), site.files()
    for fault, words in REFUSALS:
        fetching.link.faults = [fault]
        result = site.update("1.1.0")
        assert (result["outcome"], result["error"]["code"]) == ("FAILED", "registry"), words
        assert words in result["reason"]
    fetching.link.close()
    result = site.update("1.1.0")
    assert (result["outcome"], result["error"]["code"]) == ("FAILED", "registry")
    assert "Connection refused" in result["reason"]
    assert (site.ids(), site.files()) == before


@pytest.mark.case("A22")
def test_other_bytes_than_the_digests_are_refused(fetching: Fetching):
    fetching.limit(100_000)
    image = fetching.release("1.1.0")
    fetching.link.faults = [Fault(fetching.large, status=200, body=b"x" * image.size)]
    before = fetching.site.refreshed()
    result = fetching.site.update("1.1.0")
    assert (result["outcome"], result["error"]["code"]) == ("FAILED", "integrity")
    assert re.match(r"the layer sha256:\w+ has sha256 \w+, expected \w+", result["reason"]), result["reason"]
    assert fetching.site.standing() == before
    assert fetching.site.version_of("app") == "1.0.0"
    assert not fetching.left(), "nothing of it is kept"


@pytest.mark.case("F11")
def test_a_disk_that_fills_up_while_layers_come_is_emptied_again(fetching: Fetching, monkeypatch):
    fetching.limit(100_000)
    fetching.release("1.1.0")
    left = fetching.site.config.updates_dir / "1.1.0" / "fetched" / "beginning.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of an earlier try")
    monkeypatch.setattr("ota_py.gateway.fetch.registry_supply.RESERVE_BYTES", 10**15)
    result = fetching.site.update("1.1.0")
    assert (result["outcome"], result["error"]["code"]) == ("FAILED", "no_space")
    assert not fetching.left()


def test_the_bandwidth_is_limited(fetching: Fetching):
    fetching.limit(1024)
    fetching.release("1.1.0", mib=3)
    result = fetching.site.update("1.1.0")
    assert result["outcome"] == "SUCCEEDED"
    (pulled,) = [step for step in result["steps"] if step["state"] == "PULLED"]
    assert pulled["seconds"] > 2.5, "3 MiB at 1 MiB/s, less a burst"
