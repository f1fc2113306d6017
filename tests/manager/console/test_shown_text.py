"""A52: whatever a gateway reported, and a control plane let through, it does not steer the operator's terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import click
import pytest
from rich.console import Console

from ota_py.cli import run
from ota_py.errors import NotFoundError, OtaError
from ota_py.manager.console.table import echo_table
from ota_py.manager.controlplane.client import ControlPlane
from ota_py.manager.rollout.progress import LineView, LiveView
from ota_py.manager.rollout.status_view import fleet_view, rollout_view
from ota_py.text.printable import printable
from tests.support.http_servers import scripted

pytestmark = pytest.mark.case("A52")

HOSTILE = "x\x1b[2J\x9b1m\x07\x7f\u202e\u2066\u2028\u200b\nforged\rend"
# Rich's own markup: a link, and an end of what nothing began.
MARKUP = "[link=http://evil.example]x[/link][/red]"


def assert_seen(text: str) -> None:
    """No character in it that `printable` replaces."""
    assert not sorted({character for character in text if printable(character, lines=True) != character})


def rollout(text: str) -> dict[str, Any]:
    row = {"id": text, "delivery": text, "state": text, "step": text, "reason": text, "from_version": text}
    return {
        "id": 7,
        "version": text,
        "state": text,
        "reason": text,
        "batch_sizes": [1],
        "counts": {text: 1},
        "gateways": [{**row, "batch": 0, "started_at": None, "finished_at": None}],
    }


def fleet(text: str) -> dict[str, Any]:
    update = {"version": text, "succeeded": 1, "rolled_back": 0, "failed": 0, "success_rate": 1.0}
    back = dict.fromkeys(("gateway", "version", "from_version", "failing_service", "reason"), text)
    gateways = {"total": 1, "online": 1, "by_version": {text: 1}}
    return {"statistics": {"updates": [update], "gateways": gateways, "rollbacks": [back]}, "rollouts": [rollout(text)]}


def by_lines(console: Console, text: str) -> None:
    with LineView(console) as view:
        view.update(rollout(text))
        view.step("boston_001", text)


def live(console: Console, text: str) -> None:
    with LiveView(console) as view:
        view.step(text, text)
        view.update(rollout(text))


OUTLETS: dict[str, Callable[[Console, str], None]] = {
    "status of a rollout": lambda console, text: console.print(rollout_view(rollout(text))),
    "status of the fleet": lambda console, text: console.print(fleet_view(**fleet(text))),
    "progress in lines": by_lines,
    "progress, live": live,
}


@pytest.mark.parametrize("outlet", OUTLETS)
@pytest.mark.parametrize("text", [HOSTILE, MARKUP], ids=["characters", "markup"])
def test_progress_and_status_steer_nothing(outlet: str, text: str) -> None:
    written = io.StringIO()
    OUTLETS[outlet](Console(file=written, width=1000, color_system=None), text)
    shown = written.getvalue()
    assert_seen(shown)
    assert printable(text).lower() in shown.lower(), "what can be seen is shown as it is"
    assert "\nforged" not in shown


def test_a_table_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(["id", "notes"], [[HOSTILE, [HOSTILE, "more"]]], "none")
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2
    assert_seen(shown)


def test_an_error_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def failing() -> None:
        raise OtaError(f"gateway said {HOSTILE}", hint=HOSTILE)

    run(failing, [])
    shown = capsys.readouterr().err
    assert "gateway said x" in shown
    assert_seen(shown)


def test_what_a_control_plane_answers_is_taken_in_without() -> None:
    def script(path: str, _headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("/gateways"):
            return 200, {}, json.dumps({"gateways": [{"id": "a", "version": HOSTILE, HOSTILE: 1}]}).encode()
        return 404, {}, json.dumps({"error": {"message": HOSTILE, "hint": HOSTILE}}).encode()

    with scripted(script) as address:
        control_plane = ControlPlane(f"http://{address}")
        assert_seen(json.dumps(control_plane.gateways(), ensure_ascii=False))
        assert "\\u001b" not in json.dumps(control_plane.gateways())
        with pytest.raises(NotFoundError) as caught:
            control_plane.gateway("x")
    assert_seen(caught.value.message + caught.value.hint)
