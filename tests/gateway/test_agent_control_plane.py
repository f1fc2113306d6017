"""The agent, a real process, at a control plane that really runs."""

import subprocess

import pytest

from ota_py.manager.parts import Parts
from tests.gateway import gateways
from tests.gateway.waiting import wait_for
from tests.manager.processes import MANAGER, free_port, running

UPDATE = {
    "version": "1.2.0",
    "description": "",
    "critical": False,
    "manifest_sha256": "0" * 64,
    "key_ids": [],
    "images": {},
    "created": "2026-01-01T00:00:00Z",
}


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory):
    directory = tmp_path_factory.mktemp("operator")
    port = free_port()
    options = (
        "--fleet healthguard --public-url http://127.0.0.1:1/ota "
        f"--control-plane-url http://127.0.0.1:{port} --listen 127.0.0.1:{port}"
    )
    subprocess.run([*MANAGER, "init", *options.split()], cwd=directory, check=True, stdin=subprocess.DEVNULL)
    with running([*MANAGER, "--config", str(directory / "ota.toml"), "serve"], port, directory / "log"):
        yield Parts(str(directory / "ota.toml")).control_plane


@pytest.fixture
def gateway(tmp_path, control_plane):
    token = control_plane.add_gateway("boston_001", delivery="pull")["token"]
    gateways.write(tmp_path, url=control_plane.url, token=token)
    made = gateways.Gateway(tmp_path)
    yield made
    made.end()


def test_rollouts_reach_a_gateway_that_pulls(gateway, control_plane):
    def rolled_out(version):
        control_plane.register_update({**UPDATE, "version": version})
        wanted = {
            "version": version,
            "gateways": [{"id": "boston_001", "delivery": "pull"}],
            "serial": ["100%"],
        }
        rollout = control_plane.create_rollout({**wanted, "stagger_minutes": 0, "max_failures": "0"})["id"]
        control_plane.start_rollout(rollout)
        control_plane.start_batch(rollout, 0)
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
