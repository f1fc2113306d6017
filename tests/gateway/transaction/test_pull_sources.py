"""Docker or the registry relay: which fetches an image, and how long a dead link is given (ADR 0015). No Docker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from ota_py.errors import (
    CarrierError,
    DeadlineError,
    IntegrityError,
    NoSpaceError,
    NotFoundError,
    OtaError,
    RegistryError,
)
from ota_py.gateway.config.model import FetchConfig, GatewayConfig
from ota_py.gateway.fetch.relay import RegistryRelay
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.system.progress import Silence
from ota_py.gateway.transaction import pull
from ota_py.gateway.transaction.pull import LINK_TRIES, ImagePull
from ota_py.manifest import Image
from ota_py.trust.fetch import transfer
from ota_py.trust.fetch.transfer import HttpTransfer, Throttle
from tests.support.ports import free_port

pytestmark = pytest.mark.case("F20")

# What the engine was measured to spend on a link that is cut again and again.
ENGINE_GIVES_UP_SECONDS = 75


class SimulatedTime:
    """Stands in place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Ways(ImagePull):
    """Records which way is taken; Docker fails with `problem` after it has pulled what is in `brought`."""

    def __init__(self, context: Any, problem: OtaError | None, bundle: Any = None) -> None:
        super().__init__(context, Clock.started(600), SimpleNamespace(), bundle)  # type: ignore[arg-type]
        self.problem = problem
        self.taken: list[str] = []

    def _by_docker(self, references: Collection[str], relay: RegistryRelay | None = None) -> None:
        self.taken.append(f"engine {' '.join(sorted(references))}")
        if self.problem:
            raise self.problem

    def _through_relay(self, wanted: Mapping[str, Image]) -> None:
        self.taken.append(f"relay {' '.join(sorted(wanted))}")


def ways(problem: OtaError | None = None, here: str = "", bandwidth: int = 0, bundle: Any = None) -> Ways:
    fetch = FetchConfig(bandwidth_kib=bandwidth) if bandwidth else FetchConfig()
    images = SimpleNamespace(id_of=lambda name: "sha256:x" if name == here else None)
    context = SimpleNamespace(config=SimpleNamespace(fetch=fetch), images=images, progress=Silence())
    return Ways(context, problem, bundle)


WANTED: Any = {"r/a@1": None, "r/b@2": None}


def test_the_engine_pulls_by_itself_where_that_works() -> None:
    made = ways()
    made.pull(WANTED)
    assert made.taken == ["engine r/a@1 r/b@2"]


def test_the_relay_goes_on_with_what_the_engine_could_not_bring() -> None:
    made = ways(RegistryError("cut off for the sixth time"), here="r/a@1")
    made.pull(WANTED)
    assert made.taken == ["engine r/a@1 r/b@2", "relay r/b@2"]


@pytest.mark.parametrize("problem", [NoSpaceError, NotFoundError, DeadlineError, IntegrityError])
def test_what_is_not_the_links_fault_no_relay_can_mend(problem: type[OtaError]) -> None:
    made = ways(problem("so it is"))
    with pytest.raises(problem):
        made.pull(WANTED)
    assert made.taken == ["engine r/a@1 r/b@2"]


@pytest.mark.parametrize("options", [{"bandwidth": 100}, {"bundle": SimpleNamespace()}])
def test_only_the_relay_can_be_limited_or_has_the_stick(options: dict[str, Any]) -> None:
    made = ways(**options)
    made.pull(WANTED)
    assert made.taken == ["relay r/a@1 r/b@2"]


def test_a_registry_that_is_away_at_the_last_moment_is_asked_for_the_name_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = SimulatedTime()
    monkeypatch.setattr(pull, "time", time)
    made = ways(RegistryError("gone"))
    with pytest.raises(RegistryError):
        made._name("r/a@1")
    assert (len(made.taken), time.slept) == (4, [1.0, 4.0, 15.0])


def test_a_dead_link_is_given_some_minutes_of_all_that_fetching_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = SimulatedTime()
    monkeypatch.setattr(transfer, "time", time)
    link = HttpTransfer(Throttle(), tries=LINK_TRIES)
    with pytest.raises(CarrierError):
        link.read(f"http://127.0.0.1:{free_port()}/", 1000)
    # 0.5 + 1 + 2 + 4 + 8 + 16 + 32: a router that starts anew is back by then.
    assert time.now == pytest.approx(63.5)
    silent = time.now + LINK_TRIES * (transfer.CONNECT_SECONDS + transfer.SILENCE_SECONDS)
    whole = ENGINE_GIVES_UP_SECONDS + silent + sum(pull.NAME_PAUSES_SECONDS)
    assert whole < 600, "ten minutes, then it is told, and tried again later"
    assert whole < GatewayConfig.model_fields["fetch_minutes"].default * 60 / 20
