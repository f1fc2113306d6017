"""A53: the uploader at a control plane that really runs, when the gateway has reported too much."""

import uuid

import pytest

from ota_py.errors import ControlPlaneError
from ota_py.gateway.controlplane.api import Api, retry_after
from ota_py.gateway.controlplane.uploader import Uploader
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from tests.support.gateway import gateways
from tests.support.waiting import wait_for

pytestmark = pytest.mark.case("A53")
FEW = 20
EVENTS = 1000


@pytest.fixture
def side(tmp_path, real_control_plane):
    """Makes a gateway's outbox and uploader."""
    journals = []

    def make(name):
        directory = tmp_path / name
        directory.mkdir()
        token = real_control_plane.add_gateway(name, delivery="pull")["token"]
        gateways.write(directory, url=real_control_plane.url, token=token, gateway_id=name)
        settings = gateways.read(directory)
        journals.append(Journal(settings).__enter__())
        api = Api(settings.api.url, name, settings.api.token_file, timeout_seconds=30)
        outbox = Outbox(journals[-1])
        return outbox, api, Uploader(outbox, api, outbox.alarm, settings.state_dir)

    yield make
    for journal in journals:
        journal.__exit__(None, None, None)


def report_without_end(api, gateway):
    for _ in range(20):
        api.post_reports([one_report(gateway, seq) for seq in range(500)])


def one_report(gateway, seq):
    made = {"id": str(uuid.uuid4()), "seq": seq, "at": "2026-03-01T12:00:00Z", "kind": "transition"}
    return {**made, "gateway": gateway, "version": "1.1.0", "state": "RECEIVED", "details": {}}


def fill(outbox, count):
    for number in range(count):
        outbox.add("transition", details={"number": number})
    return {report["id"] for report in outbox.pending(count)}


def test_a_gateway_that_reports_without_end_waits_and_loses_nothing(side, real_control_plane):
    outbox, api, uploader = side("noisy_1")
    other_outbox, _, other = side("quiet_1")
    with pytest.raises(ControlPlaneError) as caught:
        report_without_end(api, "noisy_1")
    assert caught.value.details["status"] == 429
    assert retry_after(caught.value) > 0

    sent = fill(outbox, FEW)
    assert uploader.step() == 0, "refused"
    assert len(outbox.pending()) == FEW
    fill(other_outbox, 5)
    assert other.step() == 5, "the other one is served"
    attempts = 0

    def delivered():
        nonlocal attempts
        attempts += 1
        uploader.retry_now()  # a poll was answered: no reason to come before the time
        return uploader.step()

    wait_for(delivered, "the reports to be delivered", 120, 0.1)
    assert attempts > 10, "it waited"
    while uploader.step():
        pass
    assert outbox.pending() == []
    counted = [event["details"] for event in real_control_plane.events(gateway="noisy_1", limit=EVENTS)]
    assert [each["number"] for each in reversed(counted) if "number" in each] == list(range(FEW))
    assert len(sent) == FEW
