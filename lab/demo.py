"""The main job, end to end, on a real fleet: `lab/demo`.

A good update reaches every gateway in batches by push; a bad one rolls itself back, with its data, and the
rollout stops; a third reaches one gateway by pull alone, woken by MQTT, and the others by push. Every command
that a person would type is shown and run as shown.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from lab import engine, fleet, images
from lab.config import LabConfig
from lab.errors import LabError
from lab.gateways import DATABASE_USER
from lab.operator import ADMIN, ROOT, Operator

# The oldest rows, which no sensor adds to while the demo runs.
FINGERPRINT = (
    "SELECT count(*) || ' readings, md5 ' || md5(string_agg(readings::text, ';' ORDER BY id)) "
    "FROM readings WHERE id <= 5000"
)
STAGGER_MINUTES = "0.1"


class Story:
    """The printed story of the demo: what happens, with the time since the start."""

    def __init__(self) -> None:
        self.begin = time.monotonic()

    def chapter(self, text: str) -> None:
        """Begin a chapter."""
        minutes, seconds = divmod(int(time.monotonic() - self.begin), 60)
        click.secho(f"\n== {minutes:02d}:{seconds:02d}  {text}", bold=True)

    def say(self, text: str) -> None:
        """One sentence."""
        click.echo(f"   {text}")

    def show(self, operator: Operator, *arguments: str, expect: int = 0) -> None:
        """Run one `ota_manager.py` command in sight of the reader.

        Raises:
            LabError: it did not end with the expected status.
        """
        click.secho(f"$ python ota_manager.py {shlex.join(arguments)}", fg="cyan")
        self._run(operator, operator.manager_argv(*arguments), expect)

    def play(self, operator: Operator, *arguments: str) -> None:
        """Run one playbook in sight of the reader."""
        click.secho(f"$ ansible-playbook {shlex.join(arguments)}", fg="cyan")
        self._run(operator, ["ansible-playbook", *arguments], 0)

    def _run(self, operator: Operator, argv: list[str], expect: int) -> None:
        sys.stdout.flush()
        done = operator.run(argv, check=False, capture=False)
        click.secho(f"  exit status {done.returncode}", dim=True)
        if done.returncode != expect:
            raise LabError(f"exit status {done.returncode}, expected {expect}: {shlex.join(argv)}")


@click.command()
@click.option("--gateways", type=click.IntRange(2, 50), default=3, show_default=True, help="How many.")
def main(gateways: int) -> None:
    """Run the demo from a clean fleet, and leave it up to look at; `lab/lab down` removes everything."""
    config = LabConfig.from_environment()
    story = Story()
    try:
        operator = _prepare(story, config, gateways)
        _good_update(story, operator)
        _bad_update(story, operator)
        _pulled_update(story, operator)
        _what_happened(story, operator)
    except LabError as error:
        raise SystemExit(f"demo: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("demo: interrupted; run it again at once, or clean up: lab/lab down") from None


def _prepare(story: Story, config: LabConfig, gateways: int) -> Operator:
    story.chapter(f"A fleet of {gateways} gateways, running version 1.0.0")
    fleet.down(config, everything=False)
    fleet.up(config, gateways)
    images.publish_all(images.factory(config, engine.require(), lambda _: None))
    operator = Operator(config)
    story.chapter("The operator's side: keys, an empty repository in S3, the control plane")
    operator.init()
    operator.serve()
    story.say(f"keys, ota.toml and the trust root are in {operator.directory.relative_to(ROOT)}")
    story.chapter("Ansible installs the updater on the gateways and registers them")
    operator.write_inventory()
    story.play(operator, *operator.provision_arguments())
    operator.wait_online()
    story.show(operator, "gateways")
    return operator


def _good_update(story: Story, operator: Operator) -> None:
    story.chapter("1.1.0: a good update, pushed in batches of half the fleet")
    story.show(
        operator,
        *("create-update", "--version", "1.1.0", "--description", "Add humidity sensor support"),
        *("--images", json.dumps({"mqtt-bridge": "healthguard/mqtt-bridge:1.1.0"}), "--critical"),
    )
    _rollout(story, operator, "1.1.0", expect=0)
    _expect_versions(operator, dict.fromkeys(operator.gateways, "1.1.0"))


def _bad_update(story: Story, operator: Operator) -> None:
    story.chapter("1.2.0: a service that starts and fails its health check, beside one that migrates the database")
    before = {gateway: fingerprint(operator, gateway) for gateway in operator.gateways}
    story.show(
        operator,
        *("create-update", "--version", "1.2.0", "--description", "Keep humidity too"),
        "--images",
        json.dumps({"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0", "sensors": "healthguard/sensors:1.2.0"}),
    )
    _rollout(story, operator, "1.2.0", expect=40)
    _expect_versions(operator, dict.fromkeys(operator.gateways, "1.1.0"))
    after = {gateway: fingerprint(operator, gateway) for gateway in operator.gateways}
    for gateway in operator.gateways:
        story.say(f"{gateway}: database before {before[gateway]}")
        story.say(f"{gateway}: database after  {after[gateway]}")
    if before != after:
        raise LabError("a database is not as it was")
    story.say("Every gateway is back on 1.1.0 with its database as it was.")
    rollout = operator.api(f"rollouts/{operator.api('rollouts')['rollouts'][0]['id']}")
    states = [item["state"] for item in rollout["gateways"]]
    if (rollout["state"], states) != ("PAUSED", ["ROLLED_BACK"] + ["PENDING"] * (len(states) - 1)):
        raise LabError(f"the rollout is {rollout['state']}, its gateways {states}")
    story.say("The gate paused the rollout before its second batch; a person ends it:")
    story.show(operator, "rollout", "--abort", str(rollout["id"]), "--yes")


def _pulled_update(story: Story, operator: Operator) -> None:
    hidden = operator.gateways[-1]
    story.chapter(f"1.3.0: {hidden} goes behind a firewall and pulls; the others are pushed to")
    operator.write_inventory(pull=[hidden])
    operator.close_ssh(hidden)
    story.say(f"{hidden} drops every connection to its SSH port; its agent hears the broker and asks the API.")
    story.show(
        operator,
        *("create-update", "--version", "1.3.0", "--description", "Humidity, done right"),
        *("--images", json.dumps({"mqtt-bridge": "healthguard/mqtt-bridge:1.3.0"})),
    )
    _rollout(story, operator, "1.3.0", expect=0)
    _expect_versions(operator, dict.fromkeys(operator.gateways, "1.3.0"))


def _rollout(story: Story, operator: Operator, version: str, expect: int) -> None:
    story.show(
        operator,
        *("rollout", "--version", version, "--gateways", ",".join(operator.gateways)),
        *("--percentage", "50", "--stagger", STAGGER_MINUTES),
        expect=expect,
    )


def _expect_versions(operator: Operator, expected: dict[str, str]) -> None:
    found = {g["id"]: g["version"] for g in operator.manager_json("gateways")["gateways"]}
    if found != expected:
        raise LabError(f"the gateways run {found}, expected {expected}")


def fingerprint(operator: Operator, gateway: str) -> str:
    """Count and hash of a gateway's oldest readings, asked of its database."""
    user = ["exec", "-T", "database", "psql", "-U", DATABASE_USER, "-d", DATABASE_USER, "-Atc", FINGERPRINT]
    line = ["docker", "compose", "--project-directory", operator.env["project_dir"], *user]
    argv = ["docker", "exec", operator.container(gateway), *line]
    return output_of(lambda: subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def output_of(ask: Callable[[], str]) -> str:
    """The output of a command, tried again: a Docker daemon under load loses the output of an exec now and then."""
    return next(filter(None, (ask().strip() for _ in range(5))), "")


def _what_happened(story: Story, operator: Operator) -> None:
    story.chapter("What happened, from the control plane's API")
    for rollout in sorted(operator.api("rollouts")["rollouts"], key=lambda item: item["id"]):
        _tell(story, operator.api(f"rollouts/{rollout['id']}"))
    statistics = operator.api("statistics")
    for update in statistics["updates"]:
        counts = ", ".join(
            f"{update[name]} {name.replace('_', ' ')}" for name in ("succeeded", "rolled_back", "failed")
        )
        story.say(f"update {update['version']}: {counts}")
    story.chapter("Look for yourself")
    story.say(
        f"admin      {operator.env['control_plane']['url']}/admin/   user {ADMIN}, password {operator.admin_password}"
    )
    story.say("fleet      lab/lab status; lab/lab ssh " + operator.gateways[0])
    story.say("clean up   lab/lab down")


def _tell(story: Story, rollout: dict[str, Any]) -> None:
    why = f": {rollout['reason']}" if rollout["reason"] else ""
    story.say(f"rollout {rollout['id']} of {rollout['version']}, {rollout['state']}{why}")
    for item in rollout["gateways"]:
        reason = f"  {item['reason']}" if item["reason"] else ""
        story.say(f"  batch {item['batch'] + 1}  {item['id']:12} {item['delivery']:5} {item['state']:11}{reason}")


if __name__ == "__main__":
    main()
