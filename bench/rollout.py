"""A push rollout to the whole fleet in one batch, against a plain playbook that does pull and up."""

from __future__ import annotations

import time
from pathlib import Path

from bench.fleet import SERVICE, Versions, operator
from bench.result import Comparison

ROUNDS = 3
PLAYBOOK = str(Path(__file__).with_suffix(".yml"))


def run() -> list[Comparison]:
    """Measure rollouts alternately, each time with an image that the gateways have not seen."""
    person = operator()
    versions = Versions(person, major=30)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        image = f"{person.env['registry']['address']}/healthguard/{SERVICE}:{versions.image()}"
        begin = time.monotonic()
        person.run(["ansible-playbook", "-i", "inventory.yml", PLAYBOOK, "-e", f"bench_image={image}"])
        theirs.append(time.monotonic() - begin)
        version = versions.update()
        begin = time.monotonic()
        everyone = ",".join(person.gateways)
        person.manager("rollout", "--version", version, "--gateways", everyone, "--percentage", "100")
        ours.append(time.monotonic() - begin)
    return [
        Comparison(
            f"push rollout to {len(person.gateways)} gateways in one batch",
            "s",
            ours,
            theirs,
            "a playbook of three tasks: set the image, pull, up --wait",
            note="ours: verify, back up with database, apply, health gate, report, gate",
        )
    ]
