"""`ota_client.py run`: builds the agent from the configuration, and ends it at a signal."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.errors import OtaError, UsageError
from ota_py.gateway.system.log import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ota_py.gateway.agent.launcher import Commands
    from ota_py.gateway.config.agent_settings import Settings
    from ota_py.gateway.controlplane.mqtt import MqttLink

# How long the loop may take to end after a signal.
STOP_SECONDS = 1.0

log = logging.getLogger("ota.agent")

HELP = """Run the agent: poll the control plane, listen to MQTT, take what is assigned.

It needs [api] in gateway.toml; without it, it only recovers transactions and keeps their reports.
Each transaction is a process of its own, which goes on when the agent ends.

\b
Examples:
  ota_client.py run                  # for the service manager: runs until SIGTERM
  ota_client.py run --once           # for cron: ask once, do what is assigned, deliver, exit

Exit status of --once: 0 nothing to do or done; 10 the control plane was not reached or did not take
the reports; else that of `update` (21 not for this gateway, 31 rolled back, 34 held back for now, ...).
"""


@click.command(name="run", help=HELP)
@click.option("--once", is_flag=True, help="Ask once, do what is assigned, deliver the reports, and exit.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="The gateway's configuration.")
@json_option
def run(once: bool, config_file: Path | None, as_json: bool) -> int:
    """Run the agent."""
    from ota_py.gateway.config import agent_settings

    if as_json and not once:
        raise UsageError("--json needs --once", hint="the running agent logs to standard error")
    chosen = agent_settings.load(config_file)
    commands = _commands(config_file, chosen)
    log_to_stderr()
    return _once(chosen, commands, as_json) if once else _serve(chosen, commands)


def _once(settings: Settings, commands: Commands, as_json: bool) -> int:
    from ota_py.gateway.agent.loop import Agent

    with _signals() as (wake, stop):
        status = Agent(settings, commands, lambda version: None, wake, stop).once()
    if as_json:
        echo_json({"exit_status": status})
    return status


def _serve(settings: Settings, commands: Commands) -> int:
    with _signals() as (wake, stop):
        link = _link(settings, wake)
        worker = _Worker(settings, commands, link, wake, stop)
        log.info("start gateway=%s pid=%d", settings.gateway_id, os.getpid())
        if link is not None:
            link.start()
        worker.start()
        stop.wait()
        # The worker may wait for a network that is gone. It is a daemon, and everything it does may
        # be cut off: so it gets a moment, and no more.
        worker.join(STOP_SECONDS)
        if link is not None:
            link.close()
        log.info("stop gateway=%s", settings.gateway_id)
    return worker.exit_status


class _Worker(threading.Thread):
    """The loop in a thread of its own, so that the main thread can always answer a signal."""

    def __init__(
        self,
        settings: Settings,
        commands: Commands,
        link: MqttLink | None,
        wake: threading.Event,
        stop: threading.Event,
    ) -> None:
        super().__init__(name="agent", daemon=True)
        self._settings = settings
        self._commands = commands
        self._link = link
        self._wake = wake
        self._stop_event = stop
        self.exit_status = 0

    def run(self) -> None:
        from ota_py.gateway.agent.loop import Agent

        try:
            Agent(self._settings, self._commands, self._announce, self._wake, self._stop_event).run()
        except OtaError as error:
            log.error("ended code=%s reason=%s hint=%s", error.code, error.message, error.hint)
            self.exit_status = error.exit_status
        except Exception:  # a defect: the service manager starts us again, the log says why
            log.critical("ended by a defect", exc_info=True)
            self.exit_status = 1
        finally:
            self._stop_event.set()

    def _announce(self, version: str) -> None:
        if self._link is not None:
            self._link.announce(version)


def _link(settings: Settings, wake: threading.Event) -> MqttLink | None:
    if settings.mqtt is None:
        return None
    from ota_py.gateway.controlplane.mqtt import MqttLink

    return MqttLink(settings.gateway_id, wake.set, **vars(settings.mqtt))


def _commands(config_file: Path | None, chosen: Settings) -> Commands:
    from ota_py.gateway.agent.launcher import Commands

    # Of this very build: an agent that is about to be replaced starts no parts of another one.
    program = (sys.executable, os.path.abspath(sys.argv[0]))
    return Commands(program, config_file, chosen.agent_directory, chosen.upgrade_log_path)


@contextlib.contextmanager
def _signals() -> Iterator[tuple[threading.Event, threading.Event]]:
    """The events `wake` and `stop`; SIGTERM and SIGINT set both."""
    wake, stop = threading.Event(), threading.Event()

    def end(number: int, frame: Any) -> None:
        stop.set()
        wake.set()

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield wake, stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
