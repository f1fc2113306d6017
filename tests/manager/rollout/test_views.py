"""Views of a rollout: lines in a log, a table on a terminal, the fleet by `status`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ota_py.errors import OtaError
from ota_py.manager.rollout import progress
from ota_py.manager.rollout.progress import LineView, LiveView, SilentView, make_view
from ota_py.manager.rollout.run import verdict
from ota_py.manager.rollout.status_view import fleet_view, rollout_view


def rollout(*states: str, state: str = "RUNNING", reason: str = "") -> dict[str, Any]:
    return {
        "id": 7,
        "version": "1.2.0",
        "state": state,
        "reason": reason,
        "batch_sizes": [1] * len(states),
        "counts": {name: states.count(name) for name in dict.fromkeys(states)},
        "gateways": [
            {
                "id": f"boston_00{n}",
                "batch": n,
                "delivery": "push",
                "state": one,
                "step": "APPLIED" if one == "UPDATING" else "",
                "reason": "[red]mqtt-bridge[/red] is unhealthy" if one == "ROLLED_BACK" else "",
                "from_version": "1.1.0",
                "started_at": "2026-01-01T00:00:00Z",
                "finished_at": "2026-01-01T00:00:12.5Z",
            }
            for n, one in enumerate(states)
        ],
    }


def shown(what: RenderableType) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(what)
    return console.export_text()


def test_a_log_has_one_line_for_each_change() -> None:
    console = Console(width=40, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with LineView(console) as view:
        view.update(rollout("ASSIGNED", "PENDING"))
        view.step("boston_000", "applying")
        view.update(rollout("ASSIGNED", "PENDING"))
        view.update(rollout("ROLLED_BACK", "PENDING"))
    assert [line[8:] for line in console.export_text().splitlines()] == [
        "boston_000: ASSIGNED (batch 1)",
        "boston_000: applying",
        "boston_000: ROLLED_BACK (batch 1): [red]mqtt-bridge[/red] is unhealthy",
    ]


def test_a_terminal_shows_batch_gateway_step_and_elapsed_with_what_needs_a_look_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 0.0))  # no time passes
    console = Console(width=160, force_terminal=True, file=open("/dev/null", "w"))  # noqa: SIM115
    view = LiveView(console)
    view.step("boston_001", "verifying")
    view.update(rollout("SUCCEEDED", "UPDATING", "ROLLED_BACK", "PENDING"))
    lines = shown(view._render()).splitlines()

    assert lines[0].startswith("Rollout 7: 1.2.0  RUNNING  batch 3 of 4  0m 0s")
    assert "2/4" in lines[1]
    assert lines[3].split()[:6] == ["3", "boston_002", "push", "↶", "ROLLED_BACK", "[red]mqtt-bridge[/red]"]
    assert lines[4].split() == ["2", "boston_001", "push", "UPDATING", "applied", "0s"]


def test_the_view_fits_who_watches() -> None:
    terminal, log = Console(force_terminal=True), Console(force_terminal=False)
    assert isinstance(make_view(terminal, silent=True), SilentView)
    assert isinstance(make_view(terminal, silent=False), LiveView)
    assert isinstance(make_view(log, silent=False), LineView)


def test_status_shows_who_failed_and_why() -> None:
    text = shown(rollout_view(rollout("SUCCEEDED", "ROLLED_BACK", state="PAUSED", reason="1 failed, 0 allowed")))
    assert "1 failed, 0 allowed" in text
    assert "[red]mqtt-bridge[/red] is unhealthy" in text
    assert "12.5" in text


def test_status_of_the_fleet() -> None:
    statistics = {
        "gateways": {"total": 3, "online": 2, "by_version": {"1.1.0": 2, "": 1}},
        "updates": [{"version": "1.2.0", "succeeded": 1, "rolled_back": 1, "failed": 0, "success_rate": 0.5}],
        "rollbacks": [
            {
                "gateway": "boston_001",
                "version": "1.2.0",
                "from_version": "1.1.0",
                "failing_service": "mqtt-bridge",
                "reason": "exited 1",
            }
        ],
    }
    text = shown(fleet_view(statistics, [rollout("SUCCEEDED")]))
    assert "3 gateways, 2 online: 2 on 1.1.0, 1 on ?" in text
    assert "50%" in text
    assert "exited 1" in text


def outcome(error: OtaError | None) -> tuple[int, str]:
    return (error.exit_status, error.message) if error else (0, "")


def test_the_exit_status_tells_how_it_ended() -> None:
    assert outcome(verdict(rollout("SUCCEEDED", "SKIPPED", state="COMPLETED"))) == (0, "")
    assert outcome(verdict(rollout("SUCCEEDED", "DEFERRED", state="COMPLETED")))[0] == 41
    assert outcome(verdict(rollout("FAILED", state="PAUSED", reason="1 failed"))) == (
        40,
        "rollout 7 of 1.2.0 is PAUSED: 1 failed",
    )
    assert outcome(verdict(rollout("FAILED", state="ABORTED")))[0] == 40
    assert outcome(verdict(rollout("PENDING", state="PENDING")))[0] == 42
