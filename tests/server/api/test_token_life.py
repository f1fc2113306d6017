"""A54: tokens expire, show their last use, are cached nowhere; whose act something was is on record."""

from __future__ import annotations

import sqlite3
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ota_py.server.events.models import Event
from ota_py.server.fleet.presence import last_seen
from ota_py.server.tokens.models import ApiToken
from tests.support.paths import ROOT
from tests.support.processes import captured
from tests.support.server.world import Api, World

pytestmark = [pytest.mark.django_db, pytest.mark.case("A54")]


def made(world: World, **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = world.operator.ok("POST", "/tokens", {"name": "otto", "role": "operator", **fields})
    return answer


def soon() -> str:
    return (timezone.now() + timedelta(hours=1)).isoformat()


def expire(number: int) -> None:
    ApiToken.objects.filter(pk=number).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_token_is_made_listed_and_revoked(world: World) -> None:
    token = made(world, role="reader", expires_at=soon())
    own = Api(token["token"])
    (listed,) = [one for one in own.ok("GET", "/tokens")["tokens"] if one["id"] == token["id"]]
    assert (listed["name"], listed["role"], listed["state"]) == ("otto", "reader", "valid")
    assert listed["created_by"].startswith("olga#")
    assert not {"token", "digest"} & set(listed)
    assert world.operator.ok("POST", "/tokens/revoke", {"id": token["id"]})["state"] == "revoked"
    assert own.get("/tokens").status_code == 401
    again = world.operator.ok("POST", "/tokens/revoke", {"id": token["id"]})
    assert again["revoked_at"] == ApiToken.objects.get(pk=token["id"]).revoked_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_token_that_has_expired_is_refused_on_both_paths(world: World) -> None:
    world.gateway("boston_001")
    token = made(world, role="gateway", gateway="boston_001", expires_at=soon())
    own = Api(token["token"])
    assert own.get("/gateways/boston_001/assignment").status_code == 204
    expire(token["id"])
    assert own.get("/gateways/boston_001/assignment").status_code == 401
    assert own.post("/gateways/boston_001/reports", {"reports": []}).status_code == 401
    assert world.gateways["boston_001"].get("/gateways/boston_001/assignment").status_code == 204
    (listed,) = [one for one in world.reader.ok("GET", "/tokens?gateway=boston_001")["tokens"] if one["expires_at"]]
    assert listed["state"] == "expired"


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "admin"},
        {"role": "gateway"},
        {"gateway": "boston_001"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2020-01-01T00:00:00"},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "a\u202eb"},
        {"more": 1},
    ],
)
def test_what_is_wrong_makes_no_token(world: World, wrong: dict[str, Any]) -> None:
    world.gateway("boston_001")
    before = ApiToken.objects.count()
    answer = world.operator.post("/tokens", {"name": "otto", "role": "operator", **wrong})
    assert answer.status_code in (400, 422)
    assert ApiToken.objects.count() == before


def test_unknown_tokens_and_gateways_are_404(world: World) -> None:
    assert "no token 999" in world.operator.refused(404, "POST", "/tokens/revoke", {"id": 999})
    assert world.operator.post("/tokens", {"name": "x", "role": "gateway", "gateway": "nobody"}).status_code == 404


def test_the_last_use_is_written_in_batches(world: World) -> None:
    own = world.gateway("boston_001")
    number = ApiToken.objects.get(gateway="boston_001").pk
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            own.get("/gateways/boston_001/assignment")
    assert not [query for query in queries if query["sql"].startswith("UPDATE")], "a poll writes nothing"
    with CaptureQueriesContext(connection) as queries:
        last_seen.flush()
    assert sum("tokens_apitoken" in query["sql"] and "UPDATE" in query["sql"] for query in queries) == 1
    (used,) = [one["last_used_at"] for one in world.reader.ok("GET", "/tokens")["tokens"] if one["id"] == number]
    assert used is not None


def test_the_last_use_by_an_operator_is_known_as_well(world: World) -> None:
    world.operator.get("/gateways")
    last_seen.flush()
    assert ApiToken.objects.get(name="olga").last_used_at is not None
    assert ApiToken.objects.get(name="rita").last_used_at is None


def test_no_answer_is_kept_in_a_cache(world: World) -> None:
    gateway = {"id": "boston_001", "delivery": "pull"}
    for answer in (
        world.operator.post("/gateways", gateway),
        world.operator.post("/gateways/boston_001/token"),
        world.operator.post("/tokens", {"name": "x", "role": "reader"}),
        world.operator.get("/gateways"),
        world.nobody.get("/gateways"),
        world.nobody.get("/nowhere"),
    ):
        assert answer["Cache-Control"] == "no-store"


def test_pages_that_show_a_token_are_not_kept_either(admin_client: Client) -> None:
    form = {"name": "olga", "role": "operator", "expires_at_0": "", "expires_at_1": ""}
    answer = admin_client.post("/admin/tokens/apitoken/add/", form)
    shown = admin_client.get(answer["Location"])
    assert b"shown only now" in shown.content
    for page in (answer, shown):
        assert "no-store" in page["Cache-Control"]
    assert ApiToken.objects.get().created_by == "user admin"


def test_every_act_is_on_record_with_the_tokens_name(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ota.acts")
    rollout = world.running(world.fleet(1))
    other = Api(made(world)["token"])
    other.ok("POST", f"/rollouts/{rollout}/pause", {"reason": "lunch"})
    other.ok("POST", "/gateways/gw_000/token")
    other.ok("PATCH", "/gateways/gw_000", {"address": "192.0.2.9"})
    other.ok("POST", "/updates/1.1.0/withdraw")
    acts = {(event.kind, event.reason.partition(" ")[0]): event.by for event in Event.objects.all()}
    olga, otto = (ApiToken.objects.get(name=name).label for name in ("olga", "otto"))
    assert acts[("update", "registered")] == acts[("rollout", "started")] == olga
    assert acts[("rollout", "paused:")] == acts[("update", "withdrawn")] == otto
    assert "" not in acts.values()
    before, after = ApiToken.objects.filter(gateway="gw_000").order_by("pk")
    assert (before.created_by, before.revoked_by, after.created_by, after.revoked_by) == (olga, otto, otto, "")
    for line in (f"gateway gw_000 registered by {olga}", f"gateway gw_000 changed: address by {otto}"):
        assert line in caplog.messages


def test_a_gateways_report_is_nobodys_act(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.ends(rollout, "gw_000", "COMMITTED")
    assert set(Event.objects.filter(kind="transition").values_list("by", flat=True)) == {""}


def test_acts_in_the_admin_are_on_record_with_the_users_name(admin_client: Client, world: World) -> None:
    rollout = world.running(world.fleet(1))
    admin_client.post(f"/admin/rollouts/rollout/{rollout}/act/", {"verb": "pause", "reason": "tea"})
    assert Event.objects.get(reason="paused: tea").by == "user admin"


def test_a_database_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    """Tokens of before go on: without an expiry, and never used as far as is known."""
    script = """
import sys
from django.core.management import call_command
from ota_py.server.environment import ServerSettings
from ota_py.server import setup
setup.configure(ServerSettings(f"sqlite:///{sys.argv[1]}/db.sqlite3"))
if sys.argv[2] == "old":
    call_command("migrate", "tokens", "0001", verbosity=0)
    call_command("migrate", "events", "0002", verbosity=0)
else:
    setup.migrate(ServerSettings(f"sqlite:///{sys.argv[1]}/db.sqlite3"))
    from ota_py.server.tokens.services import find_token
    from ota_py.server.events.models import Event
    found = find_token("ota_old")
    print(found.name, found.state, found.expires_at, found.last_used_at, repr(Event.objects.get().by))
"""

    def run(which: str) -> str:
        command = [sys.executable, "-c", script, str(tmp_path), which]
        return captured(command, cwd=ROOT, check=True).stdout.strip()

    run("old")
    from ota_py.server.tokens.services import digest

    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        database.execute(
            "INSERT INTO tokens_apitoken (name, role, digest, created_at) VALUES ('olga', 'operator', ?, '2026-01-01')",
            (digest("ota_old"),),
        )
        database.execute(
            'INSERT INTO events_event (kind, at, recorded_at, "transaction", version, from_version, state, reason, '
            "details) VALUES ('update', '2026-01-01', '2026-01-01', '', '', '', '', 'registered', '{}')"
        )
    assert run("new") == "olga valid None None ''"
