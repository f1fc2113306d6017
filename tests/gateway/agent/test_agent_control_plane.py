"""The agent, a real process, at a control plane that really runs."""

import pytest

from tests.support.gateway import gateways
from tests.support.operators import start_rollout
from tests.support.waiting import wait_for


@pytest.fixture
def control_plane(real_control_plane):
    return real_control_plane


@pytest.fixture
def gateway(tmp_path, control_plane, request):
    name = getattr(request, "param", "boston_001")
    token = control_plane.add_gateway(name, delivery="pull")["token"]
    gateways.write(tmp_path, url=control_plane.url, token=token, gateway_id=name)
    made = gateways.Gateway(tmp_path)
    yield made
    made.end()


def test_rollouts_reach_a_gateway_that_pulls(gateway, control_plane):
    def rolled_out(version):
        rollout = start_rollout(control_plane, "boston_001", version)
        result = lambda: control_plane.rollout(rollout)["gateways"][0]  # noqa: E731
        wait_for(lambda: result()["state"] not in ("ASSIGNED", "UPDATING"), "a result")
        verdict = control_plane.gate(rollout, 0)["verdict"]
        if verdict == "STOP":
            control_plane.abort_rollout(rollout, "the gate says so")
        else:
            control_plane.finish_rollout(rollout)
        return result(), verdict

    gateway.start()
    wait_for(lambda: control_plane.gateway("boston_001")["version"] == "1.1.0", "the first status")
    result, verdict = rolled_out("1.2.0")
    assert (result["state"], result["step"], verdict) == ("SUCCEEDED", "COMMITTED", "GO")
    assert control_plane.gateway("boston_001")["version"] == "1.2.0"
    gateway.script(end="ROLLED_BACK")
    result, verdict = rolled_out("1.3.0")
    assert (result["state"], result["reason"], verdict) == ("ROLLED_BACK", "as the script says", "STOP")
    assert control_plane.gateway("boston_001")["version"] == "1.2.0"
    assert len(gateway.calls("update")) == 2
    wait_for(lambda: gateway.waiting() == 0, "an empty outbox")


@pytest.mark.case("F36")
@pytest.mark.parametrize("gateway", ["broken_1"], indirect=True)
def test_the_alarm_of_a_broken_gateway_reaches_the_operator(gateway, control_plane):
    gateway.script(end="ROLLED_BACK", then="BROKEN")
    rollout = start_rollout(control_plane, "broken_1", "1.4.0")
    gateway.start()
    wait_for(lambda: control_plane.gateway("broken_1")["state"] == "BROKEN", "the alarm")
    row = control_plane.rollout(rollout)["gateways"][0]
    assert (row["state"], row["step"], row["reason"]) == ("FAILED", "BROKEN", "the rollback failed too")
    assert control_plane.gate(rollout, 0)["verdict"] == "STOP"
    (alarm,) = [e for e in control_plane.events(gateway="broken_1") if e["kind"] == "alarm"]
    assert (alarm["state"], alarm["rollout"]) == ("BROKEN", rollout)
    (shown,) = [r for r in control_plane.statistics()["rollbacks"] if r["gateway"] == "broken_1"]
    assert (shown["state"], shown["reason"]) == ("BROKEN", "the rollback failed too")
