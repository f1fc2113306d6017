"""What a simulated gateway is doing when a fault comes. To sweep something new, add a line to SCENARIOS."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from ota_py.errors import OtaError
from ota_py.gateway.states import State
from tests.crash import child, faults
from tests.crash.case import Fault
from tests.crash.faults import Place
from tests.crash.sim_gateway import OLD, SimGateway

Action = Callable[[SimGateway], None]


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        prepare: brings the gateway where the scenario begins; each step in a process of its own.
        act: what is swept.
        ends: the versions (`old`, `new`) that it may end in; the last one without any fault.
        share: how many points of each kind of fault but kills are run, at most; kills come at all of them.
    """

    name: str
    prepare: tuple[Action, ...]
    act: Action
    ends: tuple[str, ...]
    share: int


def _update(gateway: SimGateway) -> None:
    gateway.update(force=True)


def _unhealthy(gateway: SimGateway) -> None:
    gateway.update(healthy=False)


def _rollback(gateway: SimGateway) -> None:
    gateway.rollback()


def _recover(gateway: SimGateway) -> None:
    gateway.recover()


def _restore(gateway: SimGateway) -> None:
    """Back to the backup of the old version, by its id."""
    with gateway.engine() as (engine, _):
        entries = engine.parts.backups.entries()
        engine.restore(next(entry["id"] for entry in entries if entry["version"] == OLD))


def _wait(gateway: SimGateway) -> None:
    gateway.update(until=State.BACKED_UP)


def _backup(gateway: SimGateway) -> None:
    gateway.backup()


def killed(action: Action, point: str) -> Action:
    """The action, killed where it first reaches a point."""

    def until_killed(gateway: SimGateway) -> None:
        faults.install(gateway.docker, Place(point, 1), Fault.KILLED_AFTER)
        action(gateway)
        raise AssertionError(f"{point} was not reached")

    return until_killed


def _recovery(state: str, point: str, ends: tuple[str, ...], action: Action = _update) -> Scenario:
    return Scenario(f"recovery-{state}", (killed(action, point),), _recover, ends, share=5)


SCENARIOS = (
    Scenario("update", (), _update, ("old", "new"), share=20),
    Scenario("unhealthy", (), _unhealthy, ("old",), share=20),
    Scenario("rollback", (_update,), _rollback, ("new", "old"), share=10),
    Scenario("restore", (_update, _backup), _restore, ("new", "old"), share=5),
    Scenario("go-on", (_wait,), _update, ("old", "new"), share=5),
    Scenario("backup", (_update,), _backup, ("new",), share=5),
    _recovery("received", "journal.begin.after", ("old",)),
    _recovery("verified", "journal.advance.VERIFIED.after", ("old",)),
    _recovery("backed-up", "journal.advance.BACKED_UP.after", ("old",)),
    _recovery("pulled", "journal.intend.STOPPED.after", ("old",)),
    _recovery("stopped", "journal.advance.STOPPED.after", ("old",)),
    _recovery("applied", "journal.advance.APPLIED.after", ("old",)),
    _recovery("replacing", "compose.up.removed", ("old",)),
    _recovery("started", "journal.advance.STARTED.after", ("old",)),
    _recovery("healthy", "journal.advance.HEALTHY.after", ("new",)),
    _recovery("rolling-back", "journal.part.rollback.databases.begin.after", ("old",), _unhealthy),
    Scenario(
        "recovery-rollback",
        (_update, killed(_rollback, "journal.part.rollback.services.begin.after")),
        _recover,
        ("old",),
        share=5,
    ),
)


def named(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        KeyError: there is none.
    """
    return {scenario.name: scenario for scenario in SCENARIOS}[name]


def prepare(scenario: Scenario, gateway: SimGateway) -> None:
    """Build the gateway and bring it where the scenario begins."""
    for step in (SimGateway.build, *scenario.prepare):
        ended = child.run(lambda step=step: _simulated(gateway, step))
        if ended.problem:
            raise RuntimeError(f"{scenario.name} cannot be prepared: {ended.problem}")


def act(scenario: Scenario, gateway: SimGateway) -> None:
    """The scenario's action; an error that it ends in is one that a command would print."""
    with contextlib.suppress(OtaError):
        scenario.act(gateway)


def _simulated(gateway: SimGateway, step: Action) -> None:
    gateway.install()
    step(gateway)
