"""Reports by `POST /gateways/{id}/reports`: each counted once, in any order (F24)."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest

from ota_py.server.events.models import Event
from tests.support.server.world import DIGEST, World, held, moment, report, transaction
from tests.support.states import STEPS

ROLLBACK = (*STEPS[:7], "ROLLING_BACK", "ROLLED_BACK")


@pytest.mark.parametrize(
    ("last", "result", "state", "version"),
    [
        ("COMMITTED", "SUCCEEDED", "IDLE", "1.1.0"),
        ("ROLLED_BACK", "ROLLED_BACK", "IDLE", "1.0.0"),
        ("FAILED", "FAILED", "IDLE", "1.0.0"),
        ("BROKEN", "FAILED", "BROKEN", "1.0.0"),
        ("PULLED", "UPDATING", "UPDATING", "1.0.0"),
    ],
)
def test_what_each_state_means(world: World, last: str, result: str, state: str, version: str) -> None:
    rollout = world.running(world.fleet(1))
    details = {"digests": {"mqtt-bridge": DIGEST}}
    steps = transaction("gw_000", ["RECEIVED", last], rollout, details=details, reason="because")
    world.report("gw_000", steps)
    row = world.result(rollout, "gw_000")
    assert (row["state"], row["step"], row["reason"]) == (result, last, "because")
    assert (row["transaction"], row["from_version"]) == (steps[0]["transaction"], "1.0.0")
    assert row["started_at"] == steps[0]["at"]
    assert row["finished_at"] == (None if result == "UPDATING" else steps[1]["at"])
    record = world.record("gw_000")
    assert (record["state"], record["version"], record["digests"]) == (state, version, details["digests"])


def test_what_is_held_back_is_under_way_and_says_why(world: World) -> None:
    rollout = world.running(world.fleet(1))
    waiting = held("gw_000", rollout)
    world.report("gw_000", [*transaction("gw_000", ["RECEIVED"], rollout), waiting])
    row = world.result(rollout, "gw_000")
    assert (row["state"], row["step"]) == ("UPDATING", "HELD")
    assert row["reason"] == "held: outside the maintenance windows (mon 02:00-05:00)"
    (event,) = [e for e in world.reader.ok("GET", "/events")["events"] if e["kind"] == "held"]
    assert (event["gateway"], event["rollout"]) == ("gw_000", rollout)
    gone_on = report("gw_000", seq=6, state="STOPPED", rollout=rollout, transaction=waiting["transaction"])
    world.report("gw_000", [gone_on])
    row = world.result(rollout, "gw_000")
    assert (row["state"], row["step"], row["reason"]) == ("UPDATING", "STOPPED", "")


def test_an_update_that_gave_way_is_deferred_and_no_failure(world: World) -> None:
    rollout = world.running(world.fleet(1))
    details = {"error": {"code": "superseded"}}
    steps = transaction("gw_000", ["RECEIVED", "FAILED"], rollout, reason="superseded", details=details)
    world.report("gw_000", steps)
    row = world.result(rollout, "gw_000")
    assert (row["state"], row["reason"], row["finished_at"]) == ("DEFERRED", "superseded", None)
    assert world.gate(rollout)["verdict"] == "GO"
    assert [g["id"] for g in world.operator.ok("POST", f"/rollouts/{rollout}/sweep")["gateways"]] == ["gw_000"]


def test_a_report_sent_again_is_counted_once(world: World) -> None:
    rollout = world.running(world.fleet(1))
    steps = transaction("gw_000", STEPS, rollout)
    ids = [step["id"] for step in steps]
    assert world.report("gw_000", steps) == {"accepted": ids, "duplicates": []}
    assert world.report("gw_000", steps) == {"accepted": [], "duplicates": ids}
    assert world.report("gw_000", [steps[0], steps[0], report("gw_000")])["duplicates"] == [ids[0], ids[0]]
    assert Event.objects.filter(report_id__isnull=False).count() == len(STEPS) + 1


def test_any_order_of_arrival_ends_the_same(world: World) -> None:
    for seed in range(8):
        gateway = f"shuffled_{seed}"
        world.gateway(gateway)
        rollout = world.running([gateway], f"1.1.{seed}")
        steps = transaction(gateway, ROLLBACK, rollout, version=f"1.1.{seed}", reason="unhealthy")
        shuffled = list(steps)
        random.Random(seed).shuffle(shuffled)
        for step in shuffled:
            world.report(gateway, [step])
        row = world.result(rollout, gateway)
        assert (row["state"], row["step"], row["reason"]) == ("ROLLED_BACK", "ROLLED_BACK", "unhealthy")
        assert (row["started_at"], row["finished_at"]) == (steps[0]["at"], steps[-1]["at"])
        assert world.record(gateway)["version"] == "1.0.0"


def test_a_late_report_of_an_earlier_transaction_changes_nothing(world: World) -> None:
    world.fleet(1)
    earlier = transaction("gw_000", STEPS, version="1.1.0")
    later = transaction("gw_000", STEPS, first_seq=20, version="1.2.0", from_version="1.1.0")
    world.report("gw_000", later)
    assert len(world.report("gw_000", earlier)["accepted"]) == len(STEPS)
    assert world.record("gw_000")["version"] == "1.2.0"


def test_a_new_journal_that_counts_from_one_is_believed(world: World) -> None:
    world.fleet(1)
    world.report("gw_000", transaction("gw_000", STEPS, first_seq=500))
    fresh = transaction("gw_000", ["COMMITTED"], version="1.2.0")
    fresh[0]["at"] = "2026-05-01T00:00:00Z"
    world.report("gw_000", fresh)
    assert world.record("gw_000")["version"] == "1.2.0"


def test_a_clock_set_back_within_a_transaction_does_not_hide_its_end(world: World) -> None:
    rollout = world.running(world.fleet(1))
    steps = transaction("gw_000", STEPS, rollout)
    steps[-1]["at"] = "1970-01-01T00:00:05Z"
    world.report("gw_000", steps)
    assert world.result(rollout, "gw_000")["state"] == "SUCCEEDED"


def test_skipped_says_already_there_unless_it_is_a_refusal(world: World) -> None:
    rollout = world.running(world.fleet(2))
    for gateway, code, expected in (("gw_000", None, "SKIPPED"), ("gw_001", "known_bad", "FAILED")):
        details = {"error": {"code": code, "message": "m"}} if code else {}
        world.report(gateway, [report(gateway, kind="skipped", state="", rollout=rollout, details=details)])
        assert world.result(rollout, gateway)["state"] == expected


def test_a_rollout_that_the_gateway_is_not_part_of_is_not_touched(world: World) -> None:
    world.fleet(2)
    rollout = world.running(["gw_001"])
    for number in (rollout, 9999):
        assert len(world.report("gw_000", transaction("gw_000", STEPS, number))["accepted"]) == len(STEPS)
    assert world.result(rollout, "gw_001")["state"] == "ASSIGNED"
    assert not Event.objects.filter(gateway="gw_000", rollout__isnull=False).exists()


def test_another_version_than_the_rollouts_is_no_result(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.report("gw_000", transaction("gw_000", STEPS, rollout, version="9.0.0"))
    assert world.result(rollout, "gw_000")["state"] == "ASSIGNED"


def test_the_controllers_word_never_replaces_the_gateways(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.report("gw_000", transaction("gw_000", ROLLBACK, rollout))
    output = report("gw_000", state="FAILED", rollout=rollout, seq=0, at=moment(99))
    world.report("gw_000", [output])
    assert world.result(rollout, "gw_000")["state"] == "ROLLED_BACK"


def test_an_id_counts_within_its_gateway(world: World) -> None:
    world.fleet(2)
    same = str(uuid.uuid4())
    for gateway in ("gw_000", "gw_001"):
        assert world.report(gateway, [report(gateway, id=same)])["accepted"] == [same]


def test_an_operator_relays_reports(world: World) -> None:
    rollout = world.running(world.fleet(1, delivery="push"))
    body = {"reports": transaction("gw_000", STEPS, rollout)}
    world.operator.ok("POST", "/gateways/gw_000/reports", body)
    assert world.result(rollout, "gw_000")["state"] == "SUCCEEDED"


def test_reports_of_another_gateway_are_refused_whole(world: World) -> None:
    one, _ = world.fleet(2)
    reports = [report("gw_000"), report("gw_001")]
    message = world.gateways[one].refused(400, "POST", "/gateways/gw_000/reports", {"reports": reports})
    assert message == "reports of gw_001 were sent as those of gw_000"
    assert not Event.objects.filter(report_id__isnull=False).exists()


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "no uuid"},
        {"seq": -1},
        {"seq": 2**63},
        {"at": "yesterday"},
        {"at": "2026-03-01T12:00:00"},
        {"kind": "opinion"},
        {"gateway": "NO"},
        {"rollout": 0},
        {"version": "v" * 65},
        {"details": []},
        {"details": None},
        {"transaction": 5},
    ],
    ids=str,
)
def test_a_malformed_report_is_422_and_names_its_field(world: World, bad: dict[str, Any]) -> None:
    world.fleet(1)
    body = {"reports": [report("gw_000"), {**report("gw_000"), **bad}]}
    message = world.gateways["gw_000"].refused(422, "POST", "/gateways/gw_000/reports", body)
    assert f"reports.1.{next(iter(bad))}" in message
    assert not Event.objects.filter(report_id__isnull=False).exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"reports": NaN}',
        b'{"reports": [], "details": "\\ud800"}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "list", "nan", "surrogate", "not utf-8", "deep"],
)
def test_what_is_not_such_json_is_refused(world: World, raw: bytes) -> None:
    world.fleet(1)
    answer = world.gateways["gw_000"].call("POST", "/gateways/gw_000/reports", raw=raw)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]


def test_limits(world: World) -> None:
    world.fleet(1)
    gateway = world.gateways["gw_000"]
    many = {"reports": [report("gw_000")] * 1001}
    assert "1000" in gateway.refused(422, "POST", "/gateways/gw_000/reports", many)
    large = {"reports": [report("gw_000", details={"log_tail": "x" * 1024 * 1024})]}
    assert gateway.refused(413, "POST", "/gateways/gw_000/reports", large) == "the request has more than 1 MiB"


def test_nul_in_a_containers_log_does_not_stop_the_outbox(world: World) -> None:
    world.fleet(1)
    odd = report("gw_000", reason="bad\x00byte", details={"log\x00tail": ["a\x00b", {"n": 10**30}]})
    world.report("gw_000", [odd])
    event = world.operator.ok("GET", "/events?gateway=gw_000&limit=1")["events"][0]
    assert event["reason"] == "badbyte"
    assert event["details"]["logtail"][0] == "ab"


def test_a_state_of_a_newer_engine_is_recorded_and_harmless(world: World) -> None:
    rollout = world.running(world.fleet(1))
    world.report("gw_000", [report("gw_000", state="POLISHED", rollout=rollout, novelty=1)])
    assert world.result(rollout, "gw_000")["state"] == "ASSIGNED"


def test_reporting_is_being_seen(world: World) -> None:
    from ota_py.server.fleet.presence import last_seen

    world.fleet(1)
    world.report("gw_000", [report("gw_000", kind="alarm", state="")])
    last_seen.flush()
    assert world.record("gw_000")["online"] is True
