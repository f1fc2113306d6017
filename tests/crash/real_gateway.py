"""A lab gateway made ready for real_driver.py, and a line to it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from typing import Any

from lab import engine, gateways
from lab.config import LabConfig
from tests.crash.real_release import PLACE, Release

PYTHON = f"{PLACE}/venv/bin/python"
# The database gets a schema of its own: what the lab's image puts there at first is of no use here.
SCHEMA = "DROP TABLE readings; CREATE TABLE readings (at bigint PRIMARY KEY, what text)"
_REMOVE = f"""
pkill -CONT -x dockerd
test ! -e {PLACE}/agent.pid || kill -KILL -- -$(cat {PLACE}/agent.pid) || true
for i in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
test ! -e {PLACE}/project || docker compose --project-directory {PLACE}/project down --volumes --timeout 2
docker ps -aq --filter label=ota.keep=crash | xargs -r docker rm -f
rm -rf {PLACE}
mkdir -p {PLACE}
"""


class RealGateway:
    """One gateway, and the driver that runs on it.

    Args:
        name: id of the gateway in the lab.
    """

    def __init__(self, config: LabConfig, name: str, release: Release) -> None:
        self.name = name
        self._container = gateways.gateway_container(config, engine.require(), name)
        self._release = release
        self._process: subprocess.Popen[str] | None = None

    def prepare(self, scenarios: Sequence[str]) -> dict[str, list[str]]:
        """Install all, bring the project up, start the driver; returns the points of these scenarios."""
        self.remove()
        self._put(self._release.files)
        wheels = self._release.wheels
        self._container.put_archive(PLACE, _archive({"wheelhouse.tar": wheels.read_bytes()}))
        # The control plane of the lab's own project takes no part, and its services would cost time.
        self._shell("lab-agent stop || true; cd /opt/restaurant-gateway && docker compose stop --timeout 5")
        self._shell(
            f"cd {PLACE} && mkdir wheels && tar -xf wheelhouse.tar -C wheels && rm wheelhouse.tar"
            f" && python3 -m venv --without-pip venv && {PYTHON} wheels/pip.whl/pip install --quiet"
            " --no-index --disable-pip-version-check --find-links wheels 'ota-py[gateway]' && rm -r wheels"
        )
        self._shell(f"cd {PLACE}/project && docker compose up --detach --wait --quiet-pull 2>&1")
        self._shell(f"docker exec crash-database-1 psql -U crash -d crash -qc '{SCHEMA}'")
        self._start()
        answer = self.ask({"do": "prepare", "scenarios": list(scenarios)})
        if answer["violation"]:
            raise AssertionError(f"{self.name}: {answer['violation']}")
        traces: dict[str, list[str]] = answer["traces"]
        return traces

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have the driver do something; its answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name}: the driver ended: {self._shell(f'tail -30 {PLACE}/errors')}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start_agent(self) -> None:
        """Start the agent, and start it again whenever it is gone, as a service manager does."""
        script = f"while :; do {PLACE}/venv/bin/ota-client run --config {PLACE}/gateway.toml; sleep 1; done"
        self._shell(f"setsid sh -c '{script}' >>{PLACE}/agent.log 2>&1 & echo $! >{PLACE}/agent.pid")

    def tail_of_logs(self) -> str:
        """What driver and agent said last."""
        return self._shell(f"cd {PLACE} && tail -n 15 log agent.log errors 2>&1")

    def remove(self) -> None:
        """Leave nothing behind, and the lab's own project as it was."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(60)
            self._process = None
        self._shell(_REMOVE)

    def restart_services(self) -> None:
        """Bring the lab's own project back."""
        self._shell("cd /opt/restaurant-gateway && docker compose start; lab-agent start || true")

    def _start(self) -> None:
        argv = ["docker", "exec", "-i", self._container.id, "sh", "-c"]
        argv.append(f"exec {PYTHON} {PLACE}/real_driver.py 2>>{PLACE}/errors")
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _shell(self, script: str) -> str:
        status, output = self._container.exec_run(["sh", "-ec", script])
        text = str(output.decode(errors="replace"))
        if status:
            raise AssertionError(f"{self.name}: status {status} of {script}:\n{text[-2000:]}")
        return text

    def _put(self, files: dict[str, bytes]) -> None:
        self._container.put_archive(PLACE, _archive(files))


def _archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
