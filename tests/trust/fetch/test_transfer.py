"""Transfers over a link that cuts, drips, refuses, or demands a pause (F20, F21, A06)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from ota_py.errors import CarrierError
from ota_py.trust.fetch import transfer
from ota_py.trust.fetch.transfer import HttpTransfer, Throttle
from tests.support.trust.bad_link import BadLink, Fault

DATA = bytes(range(256)) * 1024


@pytest.fixture
def link_to_data(publisher, served: str) -> Iterator[BadLink]:
    publisher.store.put("data", DATA, "")
    link = BadLink(served.removeprefix("http://").rstrip("/"))
    yield link
    link.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_FIRST_SECONDS", 0.01)


def read(link: BadLink, throttle: Throttle | None = None, start: int = 0, **options: object) -> bytes:
    asker = HttpTransfer(throttle or Throttle(), **{"tries": 3, **options})
    return b"".join(asker.stream(f"http://{link.address}/data", start))


@pytest.mark.case("F20", "F21", "F24")
def test_an_answer_that_is_cut_off_is_asked_for_its_rest(link_to_data: BadLink):
    link_to_data.faults = [Fault(times=6, cut_after=40_000)]
    assert read(link_to_data) == DATA
    assert [request.range for request in link_to_data.requests] == [
        "", *(f"bytes={n * 40_000}-" for n in range(1, 7))
    ]  # fmt: skip
    assert link_to_data.sent("data") == len(DATA), "nothing is sent twice"


@pytest.mark.case("F20", "F21")
def test_a_server_that_sends_the_whole_again_is_read_past_what_is_there(link_to_data: BadLink):
    link_to_data.faults = [Fault(times=1, cut_after=100_000), Fault(ignore_range=True)]
    assert read(link_to_data) == DATA
    assert read(link_to_data, start=1000) == DATA[1000:]


@pytest.mark.case("F20")
def test_a_link_that_brings_nothing_is_given_up_after_some_tries(link_to_data: BadLink):
    link_to_data.faults = [Fault(cut_after=100)]
    with pytest.raises(CarrierError, match="was cut off"):
        read(link_to_data)
    assert len(link_to_data.requests) == 3


@pytest.mark.case("F20")
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_gets_it(link_to_data: BadLink, status: int):
    link_to_data.faults = [Fault(times=1, status=status, headers={"Retry-After": "1"})]
    assert read(link_to_data) == DATA
    first, second = link_to_data.requests
    assert second.at - first.at >= 1


@pytest.mark.case("F20")
def test_a_server_that_asks_for_too_much_patience_is_away(link_to_data: BadLink):
    link_to_data.faults = [Fault(status=429, headers={"Retry-After": "86400"})]
    with pytest.raises(CarrierError, match="answered 429, and asks to wait for 86400 s"):
        read(link_to_data)


def test_a_missing_file_is_told_at_once(link_to_data: BadLink):
    link_to_data.faults = [Fault(status=404)]
    with pytest.raises(CarrierError) as caught:
        read(link_to_data)
    assert caught.value.details["status"] == 404
    assert len(link_to_data.requests) == 1


@pytest.mark.timeout(120)
@pytest.mark.case("F20", "F21", "A06")
def test_a_server_that_drips_bytes_is_cut_off(link_to_data: BadLink):
    link_to_data.faults = [Fault(bytes_per_second=300)]
    begun = time.monotonic()
    with pytest.raises(CarrierError, match="is too slow"):
        read(link_to_data, tries=2, grace_seconds=0.3)
    assert time.monotonic() - begun < 60, "all of it would take a quarter of an hour"


def read_thrice(link: BadLink, throttle: Throttle) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(lambda _: read(link, throttle), range(3))) == {DATA}


def test_the_limit_holds_over_all_threads_of_a_process(link_to_data: BadLink):
    begun = time.monotonic()
    read_thrice(link_to_data, Throttle(512 * 1024))
    assert time.monotonic() - begun > 1.2, "three times 256 KiB at 512 KiB/s, less a burst"


def test_the_limit_costs_no_more_than_it_must(link_to_data: BadLink, monkeypatch: pytest.MonkeyPatch):
    """By a clock that stands still, so that a slow machine is not blamed on the limit."""
    waits: list[float] = []
    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=lambda: 1000.0, sleep=waits.append))
    read_thrice(link_to_data, Throttle(512 * 1024))
    assert max(waits) == pytest.approx(1.25), "three times 256 KiB at 512 KiB/s, less a burst"


@pytest.mark.case("A33")
def test_a_secret_in_a_url_is_not_told(link_to_data: BadLink):
    link_to_data.faults = [Fault(status=403)]
    with pytest.raises(CarrierError) as caught:
        list(HttpTransfer(Throttle(), tries=1).stream(f"http://user:secret@{link_to_data.address}/data?token=secret"))
    assert "secret" not in caught.value.message
