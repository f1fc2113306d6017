"""An operator with a provisioned fleet, as the demo has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from lab import engine, fleet, images
from lab.config import LabConfig
from lab.demo import output_of
from lab.operator import Operator
from tests.support.rollout.watching import Watched, watch

PROVISION_SECONDS = 1200


class Provisioning(NamedTuple):
    """The operator, and what was seen while the fleet was provisioned."""

    operator: Operator
    seen: Watched


@pytest.fixture(scope="session")
def provisioning(lab_config: LabConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioning]:
    """Keys, an empty repository, a control plane, and all gateways provisioned and online."""
    images.publish_all(images.factory(lab_config, engine.require(), lambda _: None))
    fleet.reset(lab_config, [])
    person = Operator(lab_config)
    person.reset()
    person.init()
    person.serve()
    # With all that Ansible can be made to say, for the test that looks for secrets in it.
    person.write_inventory()
    temporary = tmp_path_factory.mktemp("provisioning")
    argv = ["ansible-playbook", *person.provision_arguments(), "-vvv", "--diff"]
    env = person.environment() | {"ANSIBLE_LOG_PATH": str(temporary / "ansible.log")}
    seen = watch(argv, person.directory, env, temporary, PROVISION_SECONDS)
    assert seen.status == 0, seen.texts["output"][-5000:]
    person.wait_online()
    yield Provisioning(person, seen)
    person.stop()


@pytest.fixture(scope="session")
def operator(provisioning: Provisioning) -> Operator:
    """The operator of a provisioned fleet."""
    return provisioning.operator


@pytest.fixture(scope="session")
def releases(operator: Operator) -> dict[str, str]:
    """Versions that tests install, each created once: what it is, and its version.

    Versions rise, so that a test may take any of them in the order of this table.
    """
    images.build_and_push("mqtt-bridge", "1.6.0", images.GOOD, operator.config)
    table = {
        "good": ("1.1.0", {"mqtt-bridge": "1.1.0"}),
        "migrates, unhealthy": ("1.2.0", {"mqtt-bridge": "1.2.0", "sensors": "1.2.0"}),
        "better": ("1.3.0", {"mqtt-bridge": "1.3.0"}),
        "exits": ("1.4.0", {"mqtt-bridge": "1.4.0"}),
        "crashes later": ("1.5.0", {"mqtt-bridge": "1.5.0"}),
        "best": ("1.6.0", {"mqtt-bridge": "1.6.0"}),
    }
    for version, services in table.values():
        named = {service: f"healthguard/{service}:{tag}" for service, tag in services.items()}
        # By default it would be trusted after five seconds, and on a busy machine three become as many.
        longer = ["--settle-seconds", "30"] if version == "1.5.0" else []
        create(operator, version, named, *longer)
    return {name: version for name, (version, _) in table.items()}


def create(operator: Operator, version: str, named: dict[str, str], *more: str) -> None:
    """`create-update` of some services."""
    operator.manager("create-update", "--version", version, "--images", json.dumps(named), *more)


def running_bridge(operator: Operator, gateway: str) -> str:
    """The images that run by the gateway's own Docker daemon, asked past all of our code."""
    line = "cd /opt/restaurant-gateway && docker compose exec -T mqtt-bridge cat /version"
    return output_of(lambda: operator.on_gateway(gateway, "sh", "-c", line).stdout)
