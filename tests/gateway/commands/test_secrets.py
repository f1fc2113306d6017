"""Secrets of a gateway's Compose project while it updates: not in arguments, journal, reports or answers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway.postgresql import CONFIG
from tests.support.gateway.site import UNHEALTHY, Site
from tests.support.gateway.slow_docker import slow_docker
from tests.support.rollout.watching import Watched, watch

pytestmark = [pytest.mark.docker, pytest.mark.case("A33")]

PASSWORD, TOKEN, KEY = "c4nary-of-the-database", "c4nary-token-of-app", "c4nary-key-of-app"
# It says so once only: the engine starts it anew while its log is read.
SAYS_ALL = b"""#!/bin/sh
[ -e /tmp/said ] && exit 3
env
cat /run/secrets/key
echo done
touch /tmp/said
exit 3
"""
TELLS = ["sh", "-c", 'echo "it has $API_TOKEN"; exit 1']


def with_secrets(site: Site) -> None:
    """Give `app` a token from an environment file and a key from a file."""
    (site.project_dir / "app.env").write_text(f"API_TOKEN={TOKEN}\n")
    (site.project_dir / "key").write_text(f"{KEY}\n")
    text = site.compose_file.read_text()
    service = "    network_mode: none\n    stop_grace_period: 2s\n"
    assert service in text
    text = text.replace(service, f"    env_file: [app.env]\n    secrets: [key]\n{service}", 1)
    site.compose_file.write_text(f"{text}secrets: {{key: {{file: ./key}}}}\n")
    site.compose("up", "--detach", "--wait", "--quiet-pull")


def client(
    site: Site, tmp_path: Path, *arguments: str, env: dict[str, str] | None = None
) -> tuple[Watched, dict[str, Any]]:
    """Run ota_client.py: what another user could see of it, and its answer."""
    argv = site.client_argv(*arguments, "--json")
    seen = watch(argv, site.directory, env or dict(os.environ), tmp_path / "tmp", 300)
    return seen, json.loads(seen.texts["output"])


def check_kept(site: Site, seen: Watched, *secrets: str) -> None:
    """Check that the secrets are in no argument, in no answer, and in nothing that the gateway keeps to report."""
    assert "ota_client.py" in seen.texts["arguments"], "the process list was not seen"
    seen.texts.pop("environments")
    for path in (site.directory / "state").glob("journal*"):
        seen.texts[str(path)] = path.read_bytes().decode(errors="replace")
    assert any("journal" in place for place in seen.texts)
    assert [place for secret in secrets for place in seen.places_of(secret)] == []


def test_what_updates_and_tools_tell_has_no_secret_in_it(with_postgresql: Site, tmp_path: Path) -> None:
    site = with_postgresql
    assert PASSWORD in site.compose_file.read_text()
    with_secrets(site)

    # A service that prints all that it knows, a database that is dumped and restored.
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", SAYS_ALL, UNHEALTHY)})
    slow = slow_docker(tmp_path / "slow", "pg_dump", "pg_restore")
    seen, said = client(site, tmp_path, "update", "--version", "1.1.0", env=slow)
    assert said["outcome"] == "ROLLED_BACK", said
    told = said["reports"][-1]["details"]["log_tail"]
    assert "API_TOKEN=[secret]" in told
    assert told[-1] == "done", "the rest of the log is there"
    assert "pg_dump" in seen.texts["arguments"]
    assert "pg_restore" in seen.texts["arguments"]
    check_kept(site, seen, PASSWORD, TOKEN, KEY)

    # A hook, and a probe.
    hook = {"at": "before-stop", "service": "app", "command": TELLS}
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")}, hooks=[hook])
    for _ in range(5):
        seen, said = client(site, tmp_path, "update", "--version", "1.2.0")
        check_kept(site, seen, PASSWORD, TOKEN, KEY)
        if not said["reason"].endswith("ended with exit status 1"):
            break  # an engine under load loses the output of an exec now and then
    assert said["reason"].endswith("ended with exit status 1: it has [secret]")
    site.configure(databases=f'{CONFIG}[[probes]]\ntype = "command"\nservice = "app"\ncommand = {TELLS}\n')
    for _ in range(5):
        seen, said = client(site, tmp_path, "health-check")
        check_kept(site, seen, PASSWORD, TOKEN, KEY)
        if "it has" in str(said):
            break
    assert "exit status 1: it has [secret]" in str(said)

    # A file that Compose cannot read, and therefore quotes.
    site.publish("1.3.0", files={"app.env": f"API_TOKEN=x\n{KEY}+/=\n".encode()})
    seen, said = client(site, tmp_path, "update", "--version", "1.3.0")
    assert (said["outcome"], said["error"]["code"]) == ("FAILED", "docker")
    assert 'in variable name "[secret]"' in said["reason"]
    check_kept(site, seen, PASSWORD, TOKEN, KEY)
