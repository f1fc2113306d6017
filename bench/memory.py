"""The agent's memory and processor time while nothing happens."""

from __future__ import annotations

import time

from bench.fleet import operator
from bench.result import Comparison

SECONDS = 30
TICKS = "awk '{print $14 + $15}' /proc/$(cat /tmp/agent-pid)/stat"
FIND = "pgrep -f 'ota_client.py run' | head -1 > /tmp/agent-pid"
MEMORY = "awk '/VmRSS/ {print $2 / 1024}' /proc/$(cat /tmp/agent-pid)/status"


def run() -> list[Comparison]:
    """Measure resident memory and processor time of each gateway's agent over half a minute."""
    person = operator()

    def measure(gateway: str, line: str) -> float:
        return float(person.on_gateway(gateway, "sh", "-c", line).stdout or 0)

    for gateway in person.gateways:
        person.on_gateway(gateway, "sh", "-c", FIND)
    before = [measure(gateway, TICKS) for gateway in person.gateways]
    time.sleep(SECONDS)
    used = [measure(g, TICKS) - ticks for g, ticks in zip(person.gateways, before, strict=True)]
    memory = [measure(gateway, MEMORY) for gateway in person.gateways]
    return [
        Comparison("memory of the idle agent", "MB", memory, [40.0], "the limit set for it", mark=1.0),
        Comparison(
            "processor time of the idle agent",
            "% of a core",
            [ticks / SECONDS for ticks in used],  # a tick is 10 ms: ticks per second are per cent
            [0.5],
            "the limit set for it",
            mark=1.0,
            note=f"over {SECONDS} s",
        ),
    ]
