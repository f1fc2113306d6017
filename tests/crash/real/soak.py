"""`make soak`: updates, good and bad, forward and back, with trouble at random moments, on a lab gateway.

Where the crash matrix goes from point to point, this goes by time: the engine's process, the Docker engine
or the agent dies or hangs at any moment, in the middle of a system call or of Compose's own work. After
each round the gateway must be whole. The same seed gives the same rounds, as far as time can be repeated.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import time

from lab import fleet, state
from lab.config import LabConfig
from tests.crash.real.gateway import RealGateway
from tests.crash.real.release import Release

OLD, GOOD, BAD = "1.0.0", "2.0.0", "2.1.0"
# How long a round goes undisturbed at most: an update takes about so long.
UNDISTURBED_SECONDS = 8.0
FAULTS = {"killed": 12, "engine-killed": 3, "engine-hung": 2, "agent-killed": 3}


def main() -> int:
    """Go round after round until time is up; exit status 1 if an invariant did not hold."""
    options = _parser().parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"soak: seed {seed}, {options.minutes:g} minutes", flush=True)
    config = LabConfig.from_environment()
    was_up = bool(state.load(config))
    fleet.up(config, None if was_up else 1)
    gateway = RealGateway(config, state.load_running(config)["gateways"][-1], Release.publish(config))
    try:
        gateway.prepare([])
        gateway.start_agent()
        return _soak(gateway, random.Random(seed), options.minutes * 60)
    finally:
        gateway.remove()
        gateway.restart_services()
        if not was_up:
            fleet.down(config, everything=False)


def _soak(gateway: RealGateway, chance: random.Random, seconds: float) -> int:
    counts: collections.Counter[str] = collections.Counter()
    begun = time.monotonic()
    version, rounds, violations = OLD, 0, 0
    while time.monotonic() - begun < seconds:
        rounds += 1
        job = {
            "do": "kill",
            "version": chance.choice([GOOD, GOOD, BAD]),
            "seconds": round(chance.random() * UNDISTURBED_SECONDS, 3),
            "fault": chance.choices(list(FAULTS), list(FAULTS.values()))[0],
        }
        answer = gateway.ask(job)
        counts[str(job["fault"])] += 1
        if answer["violation"]:
            violations += 1
            print(f"round {rounds}, from {version}, {job}: {answer['violation']}", flush=True)
            print(gateway.tail_of_logs(), flush=True)
            break  # what comes after it says nothing: the gateway is not whole
        counts[answer["ended"]] += 1
        version = answer["version"]
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    print(f"soak: {rounds} rounds in {time.monotonic() - begun:.0f} s: {told}; {violations} violations")
    return int(violations > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.real.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long to go on (default: 5)")
    parser.add_argument("--seed", type=int, help="repeat the rounds of an earlier run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
