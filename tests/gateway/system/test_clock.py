"""A limit that neither a restart nor a reboot resets or skips."""

from __future__ import annotations

import pytest

from ota_py.errors import DeadlineError
from ota_py.gateway.system import clock
from ota_py.gateway.system.clock import Clock


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    state: dict[str, object] = {"boot": "one", "up": 1000.0}
    monkeypatch.setattr(clock, "boot_id", lambda: state["boot"])
    monkeypatch.setattr(clock, "boot_seconds", lambda: state["up"])
    return state


def test_time_goes_on_while_no_process_watches(machine: dict[str, object]) -> None:
    clock = Clock.started(60)
    machine["up"] = 1050.0
    assert clock.left() == 10
    assert clock.stored().left() == 10


def test_a_reboot_neither_resets_nor_skips(machine: dict[str, object]) -> None:
    machine["up"] = 1000.0
    clock = Clock.started(60)
    machine["up"] = 1040.0
    clock = clock.stored()
    machine.update(boot="two", up=15.0)
    assert clock.elapsed() == 55
    machine["up"] = 21.0
    with pytest.raises(DeadlineError, match="time was up while testing: the limit is 60 s"):
        clock.check("testing")
