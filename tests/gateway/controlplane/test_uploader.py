import itertools
import json

import pytest

from ota_py.gateway.controlplane import uploader as module
from ota_py.gateway.controlplane.api import Api
from ota_py.gateway.controlplane.uploader import PARKED_FILE, Uploader
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from tests.support.clocks import TurnedClock
from tests.support.gateway import gateways


@pytest.fixture
def settings(tmp_path, control_plane):
    gateways.write(tmp_path, url=control_plane.url)
    return gateways.read(tmp_path)


@pytest.fixture
def outbox(settings):
    with Journal(settings) as journal:
        yield Outbox(journal)


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def uploader(settings, outbox, clock):
    api = Api(settings.api.url, settings.gateway_id, settings.api.token_file, timeout_seconds=30)
    return Uploader(outbox, api, outbox.alarm, settings.state_dir, clock)


def fill(outbox, count, **details):
    for number in range(count):
        outbox.add("transition", details={"number": number, **details})
    return [report["id"] for report in outbox.pending(count)]


def test_nothing_to_deliver_asks_nobody(uploader, control_plane):
    assert uploader.step() == 0
    assert control_plane.connections == 0


def test_all_reports_arrive_once_and_in_order(uploader, outbox, control_plane):
    ids = fill(outbox, 450)
    assert [uploader.step() for _ in range(4)] == [200, 200, 50, 0]
    assert control_plane.deliveries == ids
    assert outbox.pending(1) == []


def test_a_report_keeps_its_fields(uploader, outbox, control_plane):
    fill(outbox, 1, digests={"mqtt-bridge": "sha256:1"})
    uploader.step()
    (report,) = control_plane.reports.values()
    assert report["seq"] == 1
    assert (report["gateway"], report["kind"], report["version"]) == ("boston_001", "transition", "1.1.0")
    assert report["details"]["digests"] == {"mqtt-bridge": "sha256:1"}


@pytest.mark.case("F24")
def test_a_lost_answer_is_delivered_again_and_counted_once(uploader, outbox, control_plane, clock):
    ids = fill(outbox, 3)
    control_plane.lose_answers = 1
    assert uploader.step() == 0
    assert len(outbox.pending(9)) == 3
    clock.now += 60
    assert uploader.step() == 3
    assert control_plane.deliveries == ids * 2
    assert list(control_plane.reports) == ids
    assert outbox.pending(1) == []


def test_an_unreachable_control_plane_is_left_in_peace_longer_and_longer(
    uploader, outbox, control_plane, clock, caplog
):
    fill(outbox, 1)
    control_plane.stop()
    tries = []
    for _ in range(3000):
        before = caplog.text.count("upload failed")
        uploader.step()
        if caplog.text.count("upload failed") > before:
            tries.append(clock.now)
        clock.now += 0.5
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps[0] < 3
    assert gaps[4] > 10
    assert max(gaps) <= module.RETRY_LIMIT_SECONDS * 1.2 + 0.5
    control_plane.start()
    uploader.retry_now()
    assert uploader.step() == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_refusal_that_is_not_for_the_content_keeps_every_report(uploader, outbox, control_plane, clock, status):
    fill(outbox, 3)
    control_plane.answer = (status, b"{}")
    assert uploader.step() == 0
    assert len(outbox.pending(9)) == 3
    control_plane.answer = None
    clock.now += 60
    assert uploader.step() == 3


def test_one_refused_report_is_parked_with_an_alarm_and_blocks_nothing(uploader, outbox, control_plane, settings):
    ids = fill(outbox, 9)
    control_plane.refused = {ids[4]}
    assert uploader.step() == 9
    assert list(control_plane.reports) == ids[:4] + ids[5:]
    (line,) = (settings.state_dir / PARKED_FILE).read_text().splitlines()
    parked = json.loads(line)
    assert parked["report"]["id"] == ids[4]
    assert "422: a report is not valid" in parked["refused"]
    (alarm,) = outbox.pending(9)
    assert alarm["kind"] == "alarm"
    assert "refused a report" in alarm["reason"]
    assert alarm["details"]["report"] == ids[4]


def test_a_refused_alarm_raises_no_alarm(uploader, outbox, control_plane):
    outbox.alarm("something")
    control_plane.refused = {outbox.pending(1)[0]["id"]}
    assert uploader.step() == 1
    assert outbox.pending(1) == []


def test_what_the_control_plane_does_not_confirm_stays(uploader, outbox, control_plane, clock):
    ids = fill(outbox, 3)
    answer = {"accepted": [ids[0], "somebody-else's"], "duplicates": [ids[2]]}
    control_plane.answer = (200, json.dumps(answer).encode())
    assert uploader.step() == 2
    assert [report["id"] for report in outbox.pending(9)] == [ids[1]]
    assert uploader.step() == 0  # not confirmed again: waits instead of asking at once
    control_plane.answer = None
    assert uploader.step() == 0
    clock.now += 60
    assert uploader.step() == 1


@pytest.mark.case("F24")
def test_who_asks_for_a_pause_gets_it(uploader, outbox, control_plane, clock, caplog):
    fill(outbox, 1)
    control_plane.answer, control_plane.headers = (503, b"{}"), {"Retry-After": "120"}
    assert uploader.step() == 0
    control_plane.answer, control_plane.headers = None, {}
    clock.now += 119
    assert uploader.step() == 0
    clock.now += 26
    assert uploader.step() == 1


def test_big_reports_travel_in_more_requests(uploader, outbox, control_plane):
    ids = fill(outbox, 30, log="x" * 100_000)
    while uploader.step():
        pass
    assert list(control_plane.reports) == ids
    assert control_plane.largest_batch < 1024 * 1024


def test_the_file_of_parked_reports_stays_small(uploader, outbox, control_plane, settings, monkeypatch):
    monkeypatch.setattr(module, "PARKED_MAX_BYTES", 5000)
    for _ in range(30):
        fill(outbox, 1)
        control_plane.refused = {report["id"] for report in outbox.pending(9)}
        while uploader.step():
            control_plane.refused |= {report["id"] for report in outbox.pending(9)}
    files = list(settings.state_dir.glob("parked-reports*"))
    assert len(files) == 2
    assert all(file.stat().st_size <= 5000 for file in files)


@pytest.mark.case("F24")
def test_a_gateway_that_is_offline_for_months_keeps_what_happened_and_one_word_on_how_it_stands(outbox):
    for number in range(40):
        outbox.add("status", version=f"1.{number}.0", details={"number": number})
        outbox.add("skipped", version="1.2.0", rollout=number % 2)
        outbox.add("transition", state="FAILED", details={"number": number})
        outbox.alarm("again")
    waiting = outbox.pending()
    kinds = [report["kind"] for report in waiting]
    assert (kinds.count("status"), kinds.count("skipped")) == (1, 2)
    assert (kinds.count("transition"), kinds.count("alarm")) == (40, 40)
    (status,) = [report for report in waiting if report["kind"] == "status"]
    assert (status["version"], status["details"]) == ("1.39.0", {"number": 39})
    assert [report["seq"] for report in waiting] == sorted(report["seq"] for report in waiting)
