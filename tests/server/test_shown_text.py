"""A52: whatever a gateway reported, no page and no answer has a character that people do not see."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from django.test import Client

from ota_py.server.events.models import Event
from ota_py.server.fleet.models import Gateway
from ota_py.server.http.log import LineFormatter
from ota_py.server.rollouts.models import Rollout, RolloutGateway
from ota_py.text.printable import printable
from tests.support.server.world import World, report

pytestmark = [pytest.mark.django_db, pytest.mark.case("A52")]

HOSTILE = "x\x1b[2J\x9b1m\x07\x7f\u202e\u2066\u2028\u200b\U000e0041\rend"
API = ["/events", "/gateways", "/gateways/gw_000", "/rollouts", "/rollouts/{rollout}", "/statistics", "/inventory"]
API += ["/rollouts/{rollout}/gate?batch=0", "/updates", "/tokens", "/freshness"]
PAGES = ["", "fleet/gateway/", "fleet/gateway/gw_000/change/", "events/event/", "events/event/{event}/change/"]
PAGES += ["rollouts/rollout/", "rollouts/rollout/{rollout}/change/", "rollouts/rolloutgateway/"]
PAGES += ["rollouts/rolloutgateway/{row}/change/", "events/event/?q=x%1b%e2%80%ae"]


def assert_seen(text: str) -> None:
    """No character in it that `printable` replaces."""
    assert not sorted({character for character in text if printable(character, lines=True) != character})


def strings(data: Any) -> str:
    """All strings in data of JSON, one a line."""
    if isinstance(data, dict):
        return "\n".join(strings(part) for pair in data.items() for part in pair)
    if isinstance(data, list):
        return "\n".join(map(strings, data))
    return data if isinstance(data, str) else ""


@pytest.fixture
def story(world: World) -> dict[str, int]:
    """A gateway that reports such text wherever it may."""
    rollout = world.running(world.fleet(1))
    world.ends(rollout, "gw_000", "ROLLED_BACK", reason=HOSTILE, from_version=HOSTILE[:40])
    said = {"version": HOSTILE[:60], "agent_version": HOSTILE[:60], "freshness_problem": HOSTILE, HOSTILE: [HOSTILE]}
    world.report("gw_000", [report("gw_000", seq=20, kind="status", reason=HOSTILE, details=said)])
    return {"rollout": rollout, "event": Event.objects.latest("pk").pk, "row": RolloutGateway.objects.get().pk}


@pytest.fixture
def recorded_before(story: dict[str, int]) -> dict[str, int]:
    """The same, as a control plane recorded it that took in everything."""
    text = HOSTILE
    Event.objects.update(reason=text, version=text[:60], from_version=text[:60], details={text: text})
    Gateway.objects.update(version=text[:60], agent_version=text[:60], freshness_problem=text, architecture=text[:30])
    Gateway.objects.update(digests={text: text}, differing=[text])
    RolloutGateway.objects.update(reason=text, from_version=text[:60])
    Rollout.objects.update(reason=text, controller=text[:60])
    return story


@pytest.mark.parametrize("path", API)
def test_no_answer_has_one(world: World, recorded_before: dict[str, int], path: str) -> None:
    assert_seen(strings(world.operator.ok("GET", path.format(**recorded_before))))


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_one(admin_client: Client, recorded_before: dict[str, int], path: str) -> None:
    answer = admin_client.get(f"/admin/{path.format(**recorded_before)}", follow=True)
    assert answer.status_code == 200
    assert_seen(answer.content.decode())


def test_none_is_taken_in(story: dict[str, int]) -> None:
    kept = [
        *Event.objects.values_list("reason", "version", "from_version", "details"),
        *Gateway.objects.values_list("version", "agent_version", "freshness_problem", "digests"),
        *RolloutGateway.objects.values_list("reason", "from_version"),
    ]
    text = strings(json.loads(json.dumps(kept)))
    assert "x\ufffd[2J" in text, "what can be seen stays"
    assert_seen(text)


def test_an_error_quotes_none(world: World) -> None:
    for answer in (
        world.operator.post("/updates", {"version": HOSTILE, HOSTILE: 1}),
        world.operator.get("/gateways/x%1b%5b2J%e2%80%ae"),
        world.operator.get("/nothing/x%1b%5b2J%e2%80%ae"),
    ):
        assert answer.status_code >= 400
        assert_seen(strings(answer.json()))


def test_a_record_of_the_log_is_one_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "who: %s", (f"a\nERROR forged {HOSTILE}",), None)
    line = LineFormatter("%(levelname)s %(message)s").format(record)
    assert line.startswith("INFO who: a ERROR forged x")
    assert "\n" not in line
    assert_seen(line)


def test_a_trace_in_the_log_steers_nothing() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    text = LineFormatter("%(message)s").format(record)
    assert "Traceback" in text
    assert_seen(text)
