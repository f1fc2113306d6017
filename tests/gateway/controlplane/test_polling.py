"""When the control plane is asked again. A real server, and the test's own clock."""

from __future__ import annotations

import pytest

from ota_py.errors import ControlPlaneError
from ota_py.gateway.controlplane.api import Api
from ota_py.gateway.controlplane.polling import GAP_SECONDS, LIMIT_SECONDS, Polling
from tests.support.clocks import TurnedClock

SECONDS = 60.0


@pytest.fixture
def polling(control_plane, token_file):
    return Polling(Api(control_plane.url, "boston_001", token_file, timeout_seconds=30), SECONDS, TurnedClock())


def fails(polling):
    with pytest.raises(ControlPlaneError):
        polling.poll()
    return polling.seconds_left()


def test_a_fleet_drifts_apart(polling):
    waits = set()
    for _ in range(20):
        polling.poll()
        waits.add(polling.seconds_left())
        assert 0.8 * SECONDS <= polling.seconds_left() <= 1.2 * SECONDS
        assert not polling.due()
    assert len(waits) > 10


@pytest.mark.case("F24")
def test_a_control_plane_that_is_away_is_asked_less_and_less(polling, control_plane):
    control_plane.answer = (500, b"{}")
    waits = [fails(polling) for _ in range(12)]
    assert waits[0] <= 1.2 * SECONDS
    assert waits[3] > 4 * SECONDS
    assert max(waits) <= 1.2 * LIMIT_SECONDS
    control_plane.answer = None
    polling.poll()
    assert polling.is_back
    assert polling.seconds_left() <= 1.2 * SECONDS
    polling.poll()
    assert not polling.is_back


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_asked_for_is_kept_and_a_fleet_comes_back_spread(polling, control_plane, status):
    control_plane.answer, control_plane.headers = (status, b"{}"), {"Retry-After": "300"}
    assert 300 <= fails(polling) <= 1.2 * 300


@pytest.mark.parametrize(("header", "longest"), [("86400", 1.2 * 3600), ("-5", 1.2 * SECONDS), ("soon", 1.2 * SECONDS)])
def test_an_odd_pause_is_bounded(polling, control_plane, header, longest):
    control_plane.answer, control_plane.headers = (429, b"{}"), {"Retry-After": header}
    assert fails(polling) <= longest


def test_a_revoked_token_is_tried_again_as_soon_as_it_was_replaced(polling, control_plane, token_file):
    control_plane.token = "gateway-token-2"
    for _ in range(6):
        fails(polling)
    assert not polling.due()
    token_file.write_text("")  # half written
    assert not polling.due()
    token_file.write_text("gateway-token-2\n")
    assert polling.due()
    assert polling.poll() is None
    assert polling.is_back
    assert not polling.due()


@pytest.mark.case("F23")
def test_hints_bring_the_poll_forward_but_never_more_than_one_a_second(polling, control_plane):
    polling.poll()
    for _ in range(1000):
        polling.hinted()
    assert GAP_SECONDS <= polling.seconds_left() <= max(GAP_SECONDS, SECONDS / 30)
    assert control_plane.polls == 1
