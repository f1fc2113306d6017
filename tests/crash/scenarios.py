"""Scenarios: what a simulated gateway does when a fault comes. To sweep something new, add a line to SCENARIOS."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from ota_py.contract.transactions import State
from ota_py.errors import OtaError
from tests.crash import child, faults
from tests.crash.case import Fault
from tests.crash.faults import Place
from tests.crash.sim import release as sim_release
from tests.crash.sim.gateway import SimGateway
from tests.crash.sim.release import OLD

Action = Callable[[SimGateway], None]


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Attributes:
        prepare: brings the gateway where the scenario begins; each step in a process of its own.
        act: what is swept.
        ends: the worlds (see `sweep.WORLDS`) that it may end in; the last one without any fault. None: it
            ends BROKEN, and says why.
        share: how many failpoints of each kind of fault but kills are run, at most.
        every_state: kills come at every state of disk and Docker that differs. If not, as most of the way is
            that of another scenario: at one state for each point's name in each phase of the journal.
        part: only points whose names this regular expression finds are swept; the rest of the way is that of
            another scenario.
        untouched: whatever happens, no service may be stopped or started.
    """

    name: str
    prepare: tuple[Action, ...]
    act: Action
    ends: tuple[str, ...]
    share: int
    every_state: bool = True
    part: str = ""
    untouched: bool = False


def _update(gateway: SimGateway) -> None:
    gateway.update(force=True)


def _unhealthy(gateway: SimGateway) -> None:
    gateway.update(healthy=False)


def _rollback(gateway: SimGateway) -> None:
    gateway.rollback()


def _recover(gateway: SimGateway) -> None:
    gateway.recover()


def _restore(gateway: SimGateway) -> None:
    """Restore the backup of the old version, by its id."""
    with gateway.engine() as (engine, _):
        entries = engine.context.backups.entries()
        engine.restore(next(entry["id"] for entry in entries if entry["version"] == OLD))


def _wait(gateway: SimGateway) -> None:
    gateway.update(until=State.BACKED_UP)


def _backup(gateway: SimGateway) -> None:
    gateway.backup()


def _update_with_hooks(gateway: SimGateway) -> None:
    gateway.update(with_hooks=True)


def _unhealthy_with_hooks(gateway: SimGateway) -> None:
    gateway.update(with_hooks=True, healthy=False)


def _add_hooks(gateway: SimGateway) -> None:
    gateway.add_hooks()


def _hold_and_go_on(gateway: SimGateway) -> None:
    """Update while `_veto` or `_be_busy` holds the update, and go on when the hold is gone."""
    gateway.update()
    gateway.go_on()


def _veto(gateway: SimGateway) -> None:
    (gateway.directory / "veto").touch()


def _be_busy(gateway: SimGateway) -> None:
    gateway.add_hooks()
    (gateway.directory / "busy").touch()


def _publish(gateway: SimGateway) -> None:
    sim_release.publish(gateway.directory)


def _fetch(gateway: SimGateway) -> None:
    gateway.fetch()


def _update_from_bundle(gateway: SimGateway) -> None:
    gateway.update_from_bundle()


def _damage(gateway: SimGateway) -> None:
    """Damage a file of the newest backup."""
    with gateway.engine() as (engine, _):
        newest = engine.context.backups.entries()[0]["id"]
    (gateway.config.backups_dir / newest / "files" / "config" / "app.conf").write_text("damaged\n")


def killed(action: Action, point: str) -> Action:
    """The action, killed where it first reaches a failpoint."""

    def until_killed(gateway: SimGateway) -> None:
        faults.install(gateway.docker, Place(point, 1), Fault.KILLED_AFTER)
        action(gateway)
        raise AssertionError(f"{point} was not reached")

    return until_killed


def _recovery(state: str, point: str, ends: tuple[str, ...], action: Action = _update) -> Scenario:
    return Scenario(f"recovery-{state}", (killed(action, point),), _recover, ends, share=3, every_state=False)


# What these scenarios are about.
_HOOK = r"^process\.(hook|docker)"
_ROLLBACK_HOOK = r"^process\.hook-(after-stop|.*rollback)|^journal\.attempt"
_HOLD = r"^process\.(hook-before|docker-compose)|^journal\.(hold|intend)"
_FETCH = r"^journal\.(floor|begin)|^docker\.pull"
_PULL = r"^docker\.(pull|tag|remove_image)|^journal\.pull"

SCENARIOS = (
    Scenario("update", (), _update, ("old", "new"), share=15),
    Scenario("unhealthy", (), _unhealthy, ("old",), share=15),
    Scenario("rollback", (_update,), _rollback, ("new", "old"), share=8),
    Scenario("restore", (_update, _backup), _restore, ("new", "old"), share=5, every_state=False),
    Scenario("go-on", (_wait,), _update, ("old", "new"), share=5, every_state=False),
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
        every_state=False,
    ),
    Scenario("hooks", (_add_hooks,), _update_with_hooks, ("old", "new"), share=5, part=_HOOK),
    Scenario("hooks-unhealthy", (_add_hooks,), _unhealthy_with_hooks, ("old",), share=4, part=_ROLLBACK_HOOK),
    Scenario("not-now", (_be_busy,), _hold_and_go_on, ("old", "new"), share=5, part=_HOLD),
    Scenario("veto", (_veto,), _hold_and_go_on, ("old", "new"), share=5, part=_HOLD),
    Scenario("fetch", (_publish,), _fetch, ("old", "new"), share=5, part=_FETCH),
    Scenario("bundle", (_publish,), _update_from_bundle, ("old", "new-by-bundle"), share=5, part=_PULL),
    Scenario("damaged-backup", (_wait, _damage), _update, ("old",), share=3, untouched=True),
    Scenario(
        "damaged-way-back",
        (killed(_update, "journal.advance.STARTED.after"), _damage),
        _recover,
        (),
        share=3,
        every_state=False,
    ),
)


def named(name: str) -> Scenario:
    """The scenario of a name.

    Raises:
        KeyError: there is none.
    """
    return {scenario.name: scenario for scenario in SCENARIOS}[name]


def steps(name: str) -> tuple[Action, ...]:
    """All that a scenario does, from its preparation on."""
    return (*named(name).prepare, named(name).act)


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
