"""A small engine in place of `ota_client.py`, for tests of the agent: real journal, real lock, no Docker.

Run as `small_engine.py run|recover|update|check|status ...`. `$SMALL_ENGINE` names a JSON file that says how
an update goes: `seconds` it takes, the `end` it comes to, an `exit_status` to leave with before there is a
transaction, `die_at` a state by SIGKILL, `until` which state it goes before it waits for another script; and
in which words the metadata is `stale`. Each call is appended to the file beside it, `calls`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import click

from ota_py.cli import echo_json, json_option, main
from ota_py.contract.transactions import State
from ota_py.errors import BrokenError, RolledBackError, UpdateFailedError
from ota_py.gateway.commands.run import run
from ota_py.gateway.config import model
from ota_py.gateway.fetch import freshness
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.states import STEPS
from ota_py.gateway.policy import hold
from ota_py.gateway.system import lock
from ota_py.gateway.system.clock import Clock

SCRIPT = Path(os.environ.get("SMALL_ENGINE", "script.json"))


config_option = click.option("--config", "config_file", type=click.Path(path_type=Path))


def wanted() -> dict:
    return json.loads(SCRIPT.read_text()) if SCRIPT.exists() else {}


@click.group()
def program() -> None:
    with open(SCRIPT.with_name("calls"), "a") as file:
        file.write(" ".join(sys.argv[1:]) + "\n")


@program.command()
@config_option
def check(config_file: Path | None) -> int:
    with Journal(model.load(config_file)) as journal:
        freshness.record_problem(journal, wanted().get("stale", ""))
    return 20 if wanted().get("stale") else 0


@program.command()
@click.option("--version")
@click.option("--rollout", type=int)
@click.option("--held", is_flag=True)
@config_option
def update(version: str, rollout: int, held: bool, config_file: Path | None) -> int:
    plan = wanted()
    if plan.get("exit_status"):
        return plan["exit_status"]
    settings = model.load(config_file)
    with lock.exclusive(settings.lock_path), Journal(settings) as journal:
        now = journal.open_transaction()
        if now and not held and (now.version, now.rollout) != (version, rollout):
            journal.advance(now, State.FAILED, reason="superseded")
            now = None
        now = now or journal.begin("update", version, rollout, {}, Clock.started(600))
        done = STEPS.index(now.state) + 1 if now.state in STEPS else 0
        for state in STEPS[done:]:
            time.sleep(plan.get("seconds", 0) / len(STEPS))
            while wanted().get("until") == state:
                time.sleep(0.05)
            end = plan.get("end")
            if end == "FAILED":
                journal.advance(now, State.FAILED, reason="as the script says")
                raise UpdateFailedError("as the script says")
            if state is State.STOPPED and (found := hold.look(settings.maintenance, critical=False)):
                hold.keep(journal, now, found.error(), settings.maintenance, critical=False)
                raise found.error()
            now = journal.intend(now, state)
            if plan.get("die_at") == state:
                os.kill(os.getpid(), signal.SIGKILL)
            if end == "ROLLED_BACK" and state is State.HEALTHY:
                now = journal.advance(now, State.ROLLING_BACK, reason="as the script says")
                if plan.get("then") == "BROKEN":
                    journal.advance(now, State.BROKEN, reason="the rollback failed too")
                    raise BrokenError("the rollback failed too")
                journal.advance(now, State.ROLLED_BACK)
                raise RolledBackError("as the script says")
            now = journal.advance(now, state)
    return 0


@program.command()
@click.option("--held", is_flag=True)
@config_option
def recover(held: bool, config_file: Path | None) -> None:
    settings = model.load(config_file)
    with lock.exclusive(settings.lock_path), Journal(settings) as journal:
        now = journal.open_transaction()
        if now is None or (hold.is_held(now) and not held):
            return
        if now.touched:
            if now.state is not State.ROLLING_BACK:
                now = journal.advance(now, State.ROLLING_BACK, reason="recovered")
            journal.advance(now, State.ROLLED_BACK)
        else:
            journal.advance(now, State.FAILED, reason="superseded")


@program.command()
@config_option
@json_option
def status(config_file: Path | None, as_json: bool) -> None:
    settings = model.load(config_file)
    with Journal(settings) as journal:
        told = {"version": journal.installed_version, "digests": {}, "groups": settings.groups, "more": 1}
        echo_json({**told, "freshness_problem": freshness.problem(journal)})


program.add_command(run)

if __name__ == "__main__":
    main(program)()
