"""Measurement on a gateway, by its own Python: time of a command, its memory, and how long a service was down.

python3 - SERVICE COMMAND...      prints {"seconds", "down_seconds", "memory_mb", "status", "output"}
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any


def _peak_memory(process: subprocess.Popen[str], result: dict[str, Any]) -> None:
    """Record the highest resident memory of the process itself, not of what it starts."""
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as file:
                found = [line for line in file if line.startswith("VmHWM")]
            result["memory_mb"] = max(result["memory_mb"], int(found[0].split()[1]) / 1024)
        except (OSError, IndexError):
            return
        time.sleep(0.02)


def _down(service: str, since: float, until: float) -> float | None:
    """Seconds from the death of the service's old container to the start of the new one."""
    command = [
        "docker",
        "events",
        "--since",
        f"{since:.6f}",
        "--until",
        f"{until:.6f}",
        "--format",
        "{{json .}}",
    ]
    command += ["--filter", "type=container", "--filter", "label=com.docker.compose.service=" + service]
    events = [json.loads(line) for line in subprocess.check_output(command, text=True).splitlines()]
    died = [event["timeNano"] for event in events if event["Action"] == "die"]
    started = [event["timeNano"] for event in events if event["Action"] == "start"]
    return (max(started) - min(died)) / 1e9 if died and started else None


def main() -> None:
    """Measure the command given as arguments."""
    service, command = sys.argv[1], sys.argv[2:]
    result: dict[str, Any] = {"memory_mb": 0.0}
    since = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watcher = threading.Thread(target=_peak_memory, args=(process, result))
    watcher.start()
    output = process.communicate()[0]
    until = time.time()
    watcher.join()
    result.update(seconds=until - since, status=process.returncode, output=output[-2000:])
    result["down_seconds"] = _down(service, since, until)
    print(json.dumps(result))


main()
