"""Polls per second on one worker: an authenticated poll with nothing new, against an empty Django view."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.result import Comparison

GATEWAYS = 1000
ROUNDS = 5
SECONDS_PER_ROUND = 3
CONNECTIONS = 16


def run() -> list[Comparison]:
    """Measure polls per second, alternately with the empty view; needs wrk."""
    if not shutil.which("wrk"):
        raise SystemExit("bench: wrk is missing; install it: apt-get install wrk")
    with (
        tempfile.TemporaryDirectory(prefix="ota-bench-") as directory,
        _server(Path(directory)) as (url, token),
    ):
        poll = f"{url}/api/v1/gateways/gateway_0500/assignment"
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(_requests_per_second(f"{url}/empty", token))
            ours.append(_requests_per_second(poll, token))
    return [
        Comparison(
            "authenticated poll, nothing new",
            "requests/s",
            ours,
            theirs,
            "an empty Django view on the same worker",
            mark=0.4,
            better="higher",
            note=f"SQLite, {GATEWAYS} gateways, {CONNECTIONS} connections, {SECONDS_PER_ROUND} s a round",
        )
    ]


@contextmanager
def _server(directory: Path) -> Iterator[tuple[str, str]]:
    environment = {
        **os.environ,
        "OTA_SERVER_DATABASE": f"sqlite:///{directory}/bench.sqlite3",
        "OTA_SERVER_SECRET_KEY_FILE": str(directory / "secret"),
        "DJANGO_SETTINGS_MODULE": "ota_py.server.settings",
    }
    token = subprocess.run(
        [sys.executable, "-m", "bench.polls_fleet", str(GATEWAYS)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"interface": "rsgi", "host": "127.0.0.1", "port": port, "workers": 1}
    options |= {"http": "1", "log-level": "warning"}  # as `serve` runs it
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "granian", *flags, "--no-ws", "--no-access-log", "bench.polls_rsgi:application"]
    with subprocess.Popen(command, env=environment) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(f"{url}/empty")
            yield url, token
        finally:
            server.terminate()


def _wait(url: str) -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit(f"bench: nothing answers at {url}")


def _requests_per_second(url: str, token: str) -> float:
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS_PER_ROUND}s",
        "-H",
        f"Authorization: Bearer {token}",
        url,
    ]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in shown:
        raise SystemExit(f"bench: {url} answers with errors:\n{shown}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    assert found, shown
    return float(found[1])
