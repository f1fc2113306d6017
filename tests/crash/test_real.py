"""Lab gateways under faults: the real part of the crash matrix, and faults of the machine around the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab.config import LabConfig
from tests.crash import matrix
from tests.crash.case import Case, Layer, Report
from tests.crash.real import sweep as real
from tests.crash.real.gateway import RealGateway

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def fleet(lab_config: LabConfig) -> Iterator[real.Fleet]:
    """All gateways of the lab with the matrix's project, and the failpoints that its scenarios pass."""
    made = real.Fleet(lab_config)
    try:
        made.prepare()
        yield made
    finally:
        made.remove()


@pytest.fixture
def gateway(fleet: real.Fleet) -> RealGateway:
    return fleet.gateways[0]


@pytest.mark.case("F01", "F03", "F05", "F08", "F09")
def test_the_matrix_on_real_engines(
    fleet: real.Fleet, cases: list[Case], swept: Callable[[Callable[[Report], None]], None]
):
    swept(lambda report: fleet.work_off(real.jobs(fleet.traces), report))
    assert sum(case.layer is Layer.REAL for case in cases) >= matrix.REAL_MIN


@pytest.mark.case("F15")
@pytest.mark.parametrize(
    ("scenario", "point", "ended"),
    [
        ("good-update", "journal.advance.PULLED.after", "COMMITTED"),
        ("unhealthy-update", "journal.advance.STARTED.after", "ROLLED_BACK"),
    ],
)
def test_a_stranger_prunes_all_images_with_the_registry_gone(
    gateway: RealGateway, scenario: str, point: str, ended: str
):
    """What ends in COMMITTED is pruned once more, and then rolled back, still without a registry."""
    assert not violation(gateway, do="prune", scenario=scenario, point=point, ended=ended)


@pytest.mark.case("F09")
def test_an_engine_killed_on_an_idle_gateway_takes_no_service_with_it(gateway: RealGateway):
    gateway.start_agent()
    try:
        assert not violation(gateway, do="idle")
    finally:
        gateway.stop_agent()


@pytest.mark.case("F08")
@pytest.mark.parametrize("event", ["create", "die"])
def test_killed_while_compose_replaces_a_container(gateway: RealGateway, event: str):
    assert not violation(gateway, do="recreate", event=event)


@pytest.mark.case("F06")
@pytest.mark.parametrize(
    ("point", "version"),
    [
        ("journal.advance.STARTED.after", "1.0.0"),
        ("journal.intend.COMMITTED.after", "2.0.0"),
    ],
)
def test_after_a_reboot_the_journal_decides_whatever_the_engine_started(gateway: RealGateway, point: str, version: str):
    assert not violation(gateway, do="interrupt", scenario="good-update", point=point)
    gateway.reboot()
    assert not violation(gateway, do="judge", version=version)


@pytest.mark.case("F07")
@pytest.mark.parametrize("how", ["truncated", "gone"])
def test_a_layer_damaged_after_the_pull_is_found_before_anything_stops(gateway: RealGateway, how: str):
    assert not violation(gateway, do="damage", how=how)


@pytest.fixture(scope="module")
def small_disk(fleet: real.Fleet) -> Iterator[RealGateway]:
    """A gateway whose Docker daemon, state and project share a disk of a few hundred megabytes."""
    gateway = fleet.gateways[-1]
    gateway.prepare_on_a_small_disk()
    yield gateway
    gateway.remove()


@pytest.mark.case("F11")
def test_a_pull_that_fills_the_disk_leaves_nothing_behind(small_disk: RealGateway):
    assert not violation(small_disk, do="overfill")


@pytest.mark.case("F12")
def test_a_way_back_on_a_disk_that_is_full(small_disk: RealGateway):
    assert not violation(small_disk, do="fill")


def violation(gateway: RealGateway, **job: str) -> str:
    return str(gateway.ask(dict(job))["violation"])
