"""The health gate on real containers: what each kind of service is meant to do, and what a rollback says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ota_py.contract.transactions import State
from ota_py.gateway.fetch.sources import from_repository, trust_client
from ota_py.gateway.system.progress import Silence
from ota_py.gateway.transaction.engine import Engine
from ota_py.manifest_health import CommandProbe, Health, TcpProbe
from tests.support.gateway.site import RUNS, Site
from tests.support.ports import free_port

pytestmark = pytest.mark.docker

DOES_ITS_WORK = b"#!/bin/sh\necho migrated\nexit 0\n"
CANNOT = b"#!/bin/sh\necho cannot migrate\nexit 3\n"
# It says so once only: the engine starts it anew while its log is read.
WELL_AT_FIRST = b"""#!/bin/sh
[ -e /tmp/said ] || echo looks fine
sleep 0.7
[ -e /tmp/said ] || echo out of memory
touch /tmp/said
exit 1
"""


def with_services(site: Site, *services: str, replace: tuple[str, str] = ("", "")) -> bytes:
    text = site.compose_file.read_text().replace(*replace) if replace[0] else site.compose_file.read_text()
    head, volumes = text.split("\nvolumes:\n")
    return "\n".join([head, *services, "volumes:", volumes]).encode()


def details(result: dict[str, Any]) -> dict[str, Any]:
    return dict(result["reports"][-1]["details"])


@pytest.mark.case("F32")
def test_each_service_is_judged_by_what_it_is_meant_to_do(site: Site) -> None:
    files, ids = site.files(), site.ids()
    once = "  once:\n    image: x\n    network_mode: none\n    restart: 'no'"
    idle = "  idle:\n    image: x\n    network_mode: none\n    scale: 0"
    twice = "  twice:\n    image: x\n    network_mode: none\n    stop_grace_period: 1s\n    deploy: {replicas: 2}"
    images = {name: site.push(name, "1", RUNS) for name in ("idle", "twice")}
    renamed = ("  app:\n", "  application:\n")

    # A one-shot that fails takes all of it back: what was added, renamed and replaced.
    new = with_services(site, once, idle, twice, replace=renamed)
    application = site.push("app", "1.1.0")
    bad = {"once": site.push("once", "1", CANNOT), "application": application, **images}
    site.publish("1.1.0", bad, {"docker-compose.yml": new})
    result = site.update("1.1.0")
    assert result["outcome"] == "ROLLED_BACK", result
    assert result["reason"] == "the service once is exited with exit status 3"
    assert (details(result)["failing_service"], details(result)["log_tail"]) == ("once", ["cannot migrate"])
    assert site.files() == files
    assert sorted(site.ids()) == ["app", "broker", "store"]
    assert site.ids()["broker"] == ids["broker"]
    assert site.version_of("app") == "1.0.0"

    # One that exits with 0 did its work, one scaled to zero is not missed, a renamed one is a new one.
    good = {**bad, "once": site.push("once", "2", DOES_ITS_WORK)}
    site.publish("1.2.0", good, {"docker-compose.yml": new})
    result = site.update("1.2.0")
    assert result["outcome"] == "SUCCEEDED", result
    assert [len(site.containers(name)) for name in ("app", "application", "idle", "once", "twice")] == [
        0,
        1,
        0,
        1,
        2,
    ]
    assert details(result)["digests"]["application"] == application.digest
    assert site.ids()["broker"] == ids["broker"]

    # Scaled to zero by an update what ran before: not missed either, and back after a rollback.
    zero = site.compose_file.read_text().replace("deploy: {replicas: 2}", "deploy: {replicas: 0}")
    site.publish("1.3.0", files={"docker-compose.yml": zero.encode()})
    result = site.update("1.3.0")
    assert result["outcome"] == "SUCCEEDED", result
    assert site.containers("twice") == []
    with site.engine() as (engine, _):
        assert engine.rollback()["outcome"] == "ROLLED_BACK"
    assert [c.status for c in site.containers("twice")] == ["running", "running"]


@pytest.mark.case("F31")
def test_healthy_at_first_and_crashing_soon_after(site: Site) -> None:
    site.configure(settle=6)
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", WELL_AT_FIRST)})
    result = site.update("1.1.0")
    assert result["outcome"] == "ROLLED_BACK", result
    words = "the service app restarted [3-9] times(, last exit status 1)?"
    assert re.fullmatch(words, result["reason"]), result["reason"]
    assert details(result)["failing_service"] == "app"
    assert details(result)["log_tail"] == ["looks fine", "out of memory"]
    assert site.version_of("app") == "1.0.0"


def test_a_service_that_cannot_start(site: Site) -> None:
    """The second of the four triggers; the others are in test_rollback.py."""
    files = site.files()
    new = with_services(site, replace=("    restart:", '    entrypoint: ["/nowhere"]\n    restart:'))
    site.publish("1.1.0", files={"docker-compose.yml": new})
    result = site.update("1.1.0")
    assert result["outcome"] == "ROLLED_BACK", result
    assert result["error"]["code"] == "docker"
    assert "/nowhere: no such file or directory" in result["reason"]
    assert details(result)["failing_service"] == "app"
    assert site.files() == files
    assert site.version_of("app") == "1.0.0"


def test_probes_of_the_update(site: Site) -> None:
    site.configure(patience=10)
    nobody = TcpProbe(type="tcp", host="127.0.0.1", port=free_port())
    extra = "  extra:\n    image: x\n    network_mode: none\n    stop_grace_period: 1s"
    fails = CommandProbe(type="command", service="extra", command=["sh", "-c", "echo no data; exit 5"])
    image = {"extra": site.push("extra", "1", RUNS)}
    text = {"docker-compose.yml": with_services(site, extra)}

    # What the update itself brings counts, though it could not pass before.
    site.publish("1.1.0", image, text, health=Health(probes=[fails]))
    result = site.update("1.1.0")
    assert result["outcome"] == "ROLLED_BACK", result
    assert "the probe command in extra: sh -c echo no data; exit 5: exit status 5" in result["reason"]
    assert (details(result)["failing_service"], details(result)["log_tail"]) == ("extra", ["running 1"])

    required = nobody.model_copy(update={"required": True})
    site.publish("1.2.0", image, text, health=Health(probes=[required]))
    result = site.update("1.2.0")
    assert result["outcome"] == "ROLLED_BACK", result
    assert f"the probe tcp 127.0.0.1:{nobody.port}: [Errno 111] Connection refused" in result["reason"]

    # What failed before, and is not said to be required, does not.
    works = fails.model_copy(update={"command": ["cat", "/version"]})
    site.publish("1.3.0", image, text, health=Health(probes=[nobody, works]))
    assert site.update("1.3.0")["outcome"] == "SUCCEEDED"


class Swapping(Silence):
    """Puts a container of another image in the place of `app` when the gate begins, as a stranger might."""

    def __init__(self, site: Site, image: Any) -> None:
        self._site = site
        self._image = image

    def step(self, state: State) -> None:
        if state is State.HEALTHY:
            (found,) = self._site.containers("app")
            found.remove(force=True)
            found.client.containers.run(
                self._image, name=found.name, labels=found.labels, network_mode="none", detach=True
            )


@pytest.mark.case("A22")
def test_another_image_than_the_signed_one_does_not_pass_the_gate(site: Site) -> None:
    (before,) = site.containers("app")
    files = site.files()
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    trusted = site.refreshed()
    with site.engine() as (_, journal):
        engine = Engine(site.config, journal, Swapping(site, before.image))
        source = from_repository(trust_client(site.config, journal), "1.1.0")
        result = engine.update(source.verified, source.fetch)
    assert result["outcome"] == "ROLLED_BACK", result
    assert result["reason"].startswith(f"the service app runs the image {before.image.id}, expected sha256:")
    assert details(result)["failing_service"] == "app"
    assert site.files() == files
    assert site.standing() == trusted
    assert site.version_of("app") == "1.0.0"
