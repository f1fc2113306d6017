"""The agent, a real process, at a control plane that really runs."""

import pytest

from tests.gateway import gateways
from tests.gateway.operators import start_rollout
from tests.gateway.waiting import wait_for


@pytest.fixture
def control_plane(real_control_plane):
    return real_control_plane


@pytest.fixture
def gateway(tmp_path, control_plane):
    token = control_plane.add_gateway("boston_001", delivery="pull")["token"]
    gateways.write(tmp_path, url=control_plane.url, token=token)
    made = gateways.Gateway(tmp_path)
    yield made
    made.end()


def test_rollouts_reach_a_gateway_that_pulls(gateway, control_plane):
    def rolled_out(version):
        rollout = start_rollout(control_plane, "boston_001", version)
        result = lambda: control_plane.rollout(rollout)["gateways"][0]  # noqa: E731
        wait_for(lambda: result()["state"] not in ("ASSIGNED", "UPDATING"), "a result", seconds=20)
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
