"""Who is there: agent, broker and control plane are real; the operator sees who is gone by the last will."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota_py.server.environment import BrokerSettings
from ota_py.server.fleet.listener import Listener
from tests.support.brokers import USERS, Broker, Control
from tests.support.flapping import Flapping
from tests.support.gateway import gateways, small_engine
from tests.support.operators import serving
from tests.support.waiting import wait_for

# The agent, but the broker gives up a silent one after a second and a half, not after a minute and a half.
IMPATIENT = f"""
import sys
from ota_py.gateway.controlplane import mqtt
mqtt.KEEPALIVE_SECONDS = 1
sys.argv[0] = {small_engine.__file__!r}
from tests.support.gateway.small_engine import main, program
main(program)()
"""


@pytest.fixture
def broker(tmp_path: Path):
    (tmp_path / "broker").mkdir()
    made = Broker(tmp_path / "broker").start()
    yield made
    made.stop()


@pytest.fixture
def control_plane(tmp_path: Path, broker: Broker):
    (tmp_path / "operator").mkdir()
    secret = tmp_path / "operator" / "mqtt-password"
    secret.touch(0o600)
    secret.write_text(USERS["control"])
    options = (
        f"--mqtt-host 127.0.0.1 --mqtt-port {broker.port} --mqtt-username control "
        f"--mqtt-password-file mqtt-password --mqtt-ca-file {broker.ca_file}"
    )
    with serving(tmp_path / "operator", *options.split()) as made:
        yield made


@pytest.fixture
def gateway(tmp_path: Path):
    (tmp_path / "gateway").mkdir()
    made = gateways.Gateway(tmp_path / "gateway")
    yield made
    made.end()


@pytest.mark.case("F24")
def test_the_operator_sees_who_is_gone_and_who_is_back(control_plane, broker, gateway):
    token = control_plane.add_gateway("boston_001", delivery="pull")["token"]
    online = lambda: control_plane.gateway("boston_001")["online"]  # noqa: E731
    counted = lambda: control_plane.statistics()["gateways"]["online"]  # noqa: E731
    (gateway.directory / "impatient.py").write_text(IMPATIENT)
    api = Flapping(int(control_plane.url.rpartition(":")[2]))
    hints = Flapping(broker.port)
    with api, hints:
        gateways.write(
            gateway.directory,
            url=f"http://127.0.0.1:{api.port}",
            token=token,
            broker=broker,
            broker_port=hints.port,
            password=USERS["boston_001"],
        )
        impatient = str(gateway.directory / "impatient.py")
        agent = gateway.start(program=impatient)
        wait_for(lambda: "connected" in gateway.log() and online(), "online")

        agent.kill()
        agent.wait()
        wait_for(lambda: not online(), "the last will of a killed agent")
        assert counted() == 0
        gateway.start(program=impatient)
        # One that stood still for a moment is away for a moment: so both are asked until both hold.
        wait_for(lambda: online() and counted() == 1, "online again, and counted")

        api.freeze()
        hints.freeze()
        wait_for(lambda: not online(), "the last will of one whose link is cut")
        api.thaw()
        hints.thaw()
        wait_for(online, "online once more")


def test_who_left_while_the_control_plane_was_away_is_known_at_once(broker, tmp_path):
    said: list[str] = []

    class Notes:
        def touch(self, gateway_id: str) -> None:
            said.append(f"touch {gateway_id}")

        def gone(self, gateway_id: str) -> None:
            said.append(f"gone {gateway_id}")

    control = Control(broker)
    control.status("boston_001", online=False)
    control.status("boston_002", online=True)
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text(USERS["control"])
    settings = BrokerSettings("127.0.0.1", broker.port, "control", password, broker.ca_file)
    listener = Listener(settings, Notes())
    wait_for(lambda: said, "the last will that the broker keeps")
    control.status("boston_003", online=True)
    wait_for(lambda: len(said) > 1, "the next word")
    listener.close()
    control.close()
    assert said == ["gone boston_001", "touch boston_003"], "an old online proves nothing"
