"""One gateway's whole update against `docker compose pull && docker compose up -d --wait`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from bench.fleet import PROJECT, SERVICE, Versions, operator
from bench.result import Comparison
from lab.operator import Operator
from ota_py.manifest_health import SETTLE_SECONDS_DEFAULT

ROUNDS = 5
BARE = f"cd {PROJECT} && docker compose pull -q && docker compose up -d --wait"
SCRIPT = (Path(__file__).parent / "on_gateway.py").read_text()


def run() -> list[Comparison]:
    """Measure updates alternately, each time with an image that the gateway has not seen."""
    person = operator()
    versions = Versions(person, major=20)
    gateway = person.gateways[0]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(_bare(person, gateway, versions.image()))
        version = versions.update()
        ours.append(_timed(person, gateway, f"python3 {PROJECT}/ota/ota_client.py update --version {version}"))
    return [
        Comparison(
            "whole update of one service, with backup and health gate",
            "s",
            [m["seconds"] - SETTLE_SECONDS_DEFAULT for m in ours],
            [m["seconds"] for m in theirs],
            "docker compose pull && docker compose up -d --wait",
            mark=1.5,
            note=f"the settle time of {SETTLE_SECONDS_DEFAULT:g} s is not counted",
        ),
        Comparison(
            "down time of the changed service",
            "s",
            [m["down_seconds"] for m in ours],
            [m["down_seconds"] for m in theirs],
            "the same",
            mark=1.2,
            note="from the old container's death to the new one's start",
        ),
        Comparison(
            "memory of the process that runs the transaction",
            "MB",
            [m["memory_mb"] for m in ours],
            [80.0],
            "the limit set for it",
            mark=1.0,
        ),
    ]


def _bare(person: Operator, gateway: str, tag: str) -> dict[str, Any]:
    image = f"{person.env['registry']['address']}/healthguard/{SERVICE}:{tag}"
    edit = f"s|image: .*/{SERVICE}[:@].*|image: {image}|"
    person.on_gateway(gateway, "sed", "-i", edit, f"{PROJECT}/docker-compose.yml")
    return _timed(person, gateway, BARE)


def _timed(person: Operator, gateway: str, line: str) -> dict[str, Any]:
    shell = ["sh", "-c", f"exec {line}" if line.startswith("python3") else line]
    done = person.on_gateway(gateway, "python3", "-c", SCRIPT, SERVICE, *shell)
    measured: dict[str, Any] = json.loads(done.stdout)
    if measured["status"] != 0:
        raise SystemExit(
            f"bench: {shlex.join(shell)} on {gateway} ended with {measured['status']}:\n{measured['output']}"
        )
    return measured
