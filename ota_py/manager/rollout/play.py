"""Running the rollout's playbook by ansible-runner, in the background."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ota_py.manager.rollout.request import is_batch_host
from ota_py.manager.system.checkout import PLAYBOOK, environment, project_root

Event = Mapping[str, Any]

# What the progress view calls a task. Ansible reports a start also where a task is then skipped, so only
# tasks that always run are here.
STEPS = {
    "ota_verify": "verifying",
    "ota_backup": "backing up",
    "ota_apply": "applying",
    "ota_report": "reporting",
}


@dataclass(frozen=True)
class Play:
    """One run of the playbook for a rollout that the control plane has recorded.

    Attributes:
        rollout: its number.
        version: what it brings.
        inventory: as `ansible-playbook -i` takes it.
        config: `ota.toml`.
    """

    rollout: int
    version: str
    inventory: Path
    config: Path


def runner_arguments(play: Play, private_data_dir: Path) -> dict[str, Any]:
    """The arguments of ansible-runner for a play.

    Only checked identifiers are extra variables, because Ansible renders them as templates.
    """
    root = project_root()
    return {
        "private_data_dir": str(private_data_dir),
        "project_dir": str(root),
        "playbook": PLAYBOOK,
        "inventory": str(play.inventory),
        "extravars": {"version": play.version, "rollout": play.rollout},
        "envvars": environment(play.config),
        "quiet": True,
        # Our own process reports progress; Ansible prompts for nothing, so nothing waits for an answer.
        "settings": {"suppress_ansible_output": True, "idle_timeout": 0, "job_timeout": 0},
    }


class BackgroundPlay:
    """A running play, in the background.

    Args:
        play: what to run.
        on_step: called with (gateway, step) when a step begins on a gateway.
    """

    def __init__(self, play: Play, on_step: Callable[[str, str], None]) -> None:
        from ansible_runner.interface import run_async

        self._on_step = on_step
        self._cancelled = False
        self.failures: list[str] = []
        # mkdtemp makes it 0700: the runner leaves arguments and output there.
        self._directory = Path(tempfile.mkdtemp(prefix="ota-rollout-"))
        self._thread, self._runner = run_async(  # type: ignore[no-untyped-call]
            **runner_arguments(play, self._directory),
            event_handler=self._handle_event,
            status_handler=self._remove_environment,
            cancel_callback=lambda: self._cancelled,
        )

    def wait(self, seconds: float) -> bool:
        """Wait for the play's end for at most `seconds`; returns whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """End the play on this machine. Gateways bring what they have begun to an end by themselves."""
        self._cancelled = True
        self._thread.join()

    def close(self) -> None:
        """Remove the runner's files. The play must have ended."""
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def status(self) -> int:
        """The exit status of ansible-playbook."""
        return int(self._runner.rc if self._runner.rc is not None else 1)

    def _remove_environment(self, status: Event, runner_config: object) -> None:
        """Remove the file in which the runner keeps the whole environment, with the secrets in it."""
        if status.get("status") == "running":
            for path in self._directory.glob("artifacts/*/command"):
                path.unlink()

    def _handle_event(self, event: Event) -> bool:
        data = event.get("event_data", {})
        kind, host = event.get("event"), data.get("host", "")
        if is_batch_host(host):
            host = ""
        if kind == "runner_on_start" and host and data.get("task_action") in STEPS:
            self._on_step(host, STEPS[data["task_action"]])
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            self.failures.append(str(data.get("res", {}).get("msg", ""))[:1000])
        elif kind == "runner_on_unreachable" and host:
            self._on_step(host, "unreachable")
        return False  # Keep no event files: a big fleet has very many events.
