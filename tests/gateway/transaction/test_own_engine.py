"""What a stranger may do to a whole Docker daemon: prune everything (F15), or fill its disk (F11)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from lab.oci import Layer, Registry
from tests.support.gateway.fetching import Fetching
from tests.support.gateway.gateways import closed_window
from tests.support.gateway.own_engine import OwnEngine, own_engine
from tests.support.gateway.site import Site
from tests.support.gateway.stick import Stick
from tests.support.ports import free_port
from tests.support.trust.bad_link import Fault
from tests.support.waiting import wait_for

pytestmark = pytest.mark.docker

DISK_MIB = 400


@pytest.fixture
def engine(
    tmp_path_factory: pytest.TempPathFactory, layers: dict[str, Layer], compose_plugin: None
) -> Iterator[OwnEngine]:
    # The layers are made with the machine's own engine, before.
    with own_engine(tmp_path_factory.mktemp("e"), DISK_MIB) as engine:
        yield engine


@pytest.fixture
def site(engine: OwnEngine, tmp_path: Path, keys, registry: Registry, layers: dict[str, Layer]) -> Iterator[Site]:
    made = Site(tmp_path, keys, registry, layers, free_port())
    try:
        made.start()
        yield made
    finally:
        made.remove()
        shutil.rmtree(tmp_path, ignore_errors=True)


def settings(fetching: Fetching, windows: str = "") -> None:
    """Settings for pulls by the registry relay alone: Docker's own patience of a minute would be in the way."""
    text = f"[fetch]\nrelay_port = {fetching.relay_port}\nbandwidth_kib = 1000000\n"
    fetching.site.configure(text + (f'[maintenance]\nwindows = ["{windows}"]\n' if windows else ""))


@pytest.mark.case("F15")
def test_what_came_from_a_stick_outlasts_a_prune_of_everything(
    site: Site, engine: OwnEngine, registry: Registry
) -> None:
    stick = Stick(site, registry)
    settings(stick.fetching, closed_window())
    held = site.client_json("update", "--bundle", str(stick.path), status=34)
    stick.path.unlink()
    engine.prune()
    result = site.client_json("update", "--held", "--now")
    assert (result["outcome"], result["transaction"]) == ("SUCCEEDED", held["transaction"])
    assert "127.0.0.1:" in site.compose_file.read_text(), "the relay's name"

    (site.directory / "away").rename(site.directory / "repository")
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")})
    assert site.client_json("update", "--version", "1.2.0", "--now")["outcome"] == "SUCCEEDED"
    engine.prune()
    assert site.client_json("rollback")["outcome"] == "ROLLED_BACK"
    assert site.version_of("app") == "1.1.0"


@pytest.mark.case("F15", "F20")
def test_what_is_lost_while_an_update_waits_is_fetched_again_as_soon_as_it_can_be(
    site: Site, engine: OwnEngine, fetching: Fetching
) -> None:
    image = fetching.release("1.1.0")
    settings(fetching, closed_window())
    first = site.update("1.1.0")
    assert first["outcome"] == "HELD"
    before = site.ids(), site.files()
    engine.prune()
    with closing(docker.from_env()) as client:
        assert client.images.get(image.pinned), "a pin keeps it"
        for pin in site.pins():
            pin.remove(force=True)
        client.images.remove(image.pinned, force=True)
    fetching.link.faults = [Fault("/v2/", status=503)]

    lost = site.update("1.1.0", held=True, now=True)

    assert (lost["outcome"], lost["state"], lost["transaction"]) == ("HELD", "PULLED", first["transaction"])
    assert lost["reason"].startswith("an image that was here is gone, and cannot be fetched now: ")
    assert [r["details"]["kind"] for r in lost["reports"] if r["kind"] == "held"] == ["fetch"]
    assert (site.ids(), site.files()) == before
    with site.engine() as (_, journal):
        assert not journal.known_bad()
    fetching.link.faults = []
    ended = site.update("1.1.0", held=True, now=True)
    assert (ended["outcome"], ended["transaction"]) == ("SUCCEEDED", first["transaction"])
    assert site.version_of("app") == "1.1.0"


@pytest.mark.case("F11")
def test_an_engine_whose_disk_fills_up_while_an_image_comes_keeps_the_old_one(
    site: Site, engine: OwnEngine, fetching: Fetching
) -> None:
    """What an image takes once it is unpacked cannot be known before."""
    settings(fetching)
    fetching.release("1.1.0", mib=80, content=bytes)
    before = site.ids(), site.files()
    filler = engine.fill(60)
    free = engine.free_mib()

    result = site.update("1.1.0")

    assert (result["outcome"], result["error"]["code"]) == ("FAILED", "no_space"), result["reason"]
    assert f"does not fit, unpacked, on the Docker engine's disk ({engine.disk}/docker, which has " in result["reason"]
    assert abs(result["error"]["details"]["free_bytes"] // 1024**2 - free) <= 1
    assert (site.ids(), site.files()) == before
    assert site.version_of("app") == "1.0.0"
    assert not fetching.left()
    wait_for(lambda: engine.free_mib() >= free - 1, "nothing of the image to be left")
    filler.unlink()
    assert site.update("1.1.0")["outcome"] == "SUCCEEDED"
