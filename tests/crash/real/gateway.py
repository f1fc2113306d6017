"""A lab gateway made ready for on_gateway/trials.py and on_gateway/driver.py, and a line to them."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
import uuid
from collections.abc import Sequence
from typing import Any

from docker.errors import APIError

from lab import engine, gateways
from lab.config import LabConfig
from tests.crash.real.release import PLACE, Release

VENV = "/opt/ota-crash-venv"
SMALL_DISK = "460m"
# A second engine, whose data and whose gateway's state share a disk that is soon full.
_SMALL_ENGINE = f"""
mount -t tmpfs -o size={SMALL_DISK} tmpfs {PLACE}
dockerd --data-root {PLACE}/docker --exec-root /run/ota-crash --pidfile /run/ota-crash.pid \
    --host unix:///run/ota-crash.sock --insecure-registry 0.0.0.0/0 --storage-driver overlay2 \
    --bridge none --iptables=false --ip6tables=false --config-file /dev/null \
    --default-address-pool base=10.210.0.0/16,size=24 >/var/log/lab/small-engine.log 2>&1 &
"""
# The database gets a schema of its own: what the lab's image puts there at first is of no use here.
SCHEMA = "DROP TABLE readings; CREATE TABLE readings (at bigint PRIMARY KEY, what text)"
_WAIT = "for i in $(seq 900); do docker version >/dev/null 2>&1 && break; sleep 0.2; done"
_STOP_AGENT = f"test ! -e {PLACE}/agent.pid || kill -KILL -- -$(cat {PLACE}/agent.pid) || true"
_REMOVE = f"""
pkill -CONT -x dockerd || true
{_STOP_AGENT}
{_WAIT}
test ! -e {PLACE}/project || docker compose --project-directory {PLACE}/project down --volumes --timeout 2
docker ps -aq --filter label=ota.keep=crash | xargs -r docker rm -f
docker images -q --filter 'reference=*/crash/*' | sort -u | xargs -r docker rmi -f >/dev/null
test ! -e /run/ota-crash.pid || kill $(cat /run/ota-crash.pid)
while test -e /run/ota-crash.pid; do sleep 0.1; done
# The engine removes its pid file a moment before it is gone and lets go of the disk.
for i in $(seq 300); do mountpoint -q {PLACE} || break; umount {PLACE} 2>/dev/null || sleep 0.1; done
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
        self._environment = ""

    def prepare(self, scenarios: Sequence[str]) -> dict[str, list[str]]:
        """Install all, bring the project up, start the driver; returns the failpoints of these scenarios."""
        self.remove()
        return self._set_up(self._release.files, scenarios)

    def prepare_on_a_small_disk(self) -> None:
        """Prepare with a Docker daemon of its own, and all on one small disk; without databases to restore."""
        self.remove()
        self._shell(_SMALL_ENGINE)
        self._environment = "export DOCKER_HOST=unix:///run/ota-crash.sock; "
        self._shell(_WAIT)
        settings = self._release.files["gateway.toml"].partition(b"[[databases]]")[0]
        self._set_up({**self._release.files, "gateway.toml": settings}, ())

    def _set_up(self, files: dict[str, bytes], scenarios: Sequence[str]) -> dict[str, list[str]]:
        self._put(files)
        # The lab's own project takes no part, and its services would cost time.
        self._shell("lab-agent stop || true; docker compose --project-name restaurant-gateway stop --timeout 5")
        self._install()
        self._shell(f"cd {PLACE}/project && docker compose up --detach --wait --quiet-pull 2>&1")
        self._shell(f"docker exec crash-database-1 psql -U crash -d crash -qc '{SCHEMA}'")
        self._start()
        answer = self.ask({"do": "prepare", "scenarios": list(scenarios)})
        if answer["violation"]:
            raise AssertionError(f"{self.name}: {answer['violation']}")
        traces: dict[str, list[str]] = answer["traces"]
        return traces

    def _install(self) -> None:
        """Install this checkout's gateway software, unless it is there from the last time."""
        version = self._release.wheels.parent.name
        if version in self._shell(f"cat {VENV}/version 2>/dev/null || true"):
            return
        self._put({"wheelhouse.tar": self._release.wheels.read_bytes()})
        self._shell(
            f"cd {PLACE} && mkdir wheels && tar -xf wheelhouse.tar -C wheels && rm wheelhouse.tar"
            f" && python3 -m venv --clear --without-pip {VENV}"
            f" && {VENV}/bin/python wheels/pip.whl/pip install"
            " --quiet --no-index --disable-pip-version-check --find-links wheels 'ota-py[gateway]'"
            f" && rm -r wheels && echo {version} >{VENV}/version"
        )

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Let the driver run a job; returns its answer."""
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
        script = f"while :; do {VENV}/bin/ota-client run --config {PLACE}/gateway.toml; sleep 1; done"
        self._shell(f"setsid sh -c '{script}' >>{PLACE}/agent.log 2>&1 & echo $! >{PLACE}/agent.pid")

    def stop_agent(self) -> None:
        """Stop the agent, and the loop that starts it again."""
        self._shell(_STOP_AGENT)

    def tail_of_logs(self) -> str:
        """The end of the logs of driver and agent."""
        return self._shell(f"cd {PLACE} && tail -n 15 log agent.log errors 2>&1")

    def remove(self) -> None:
        """Remove all of the matrix from the gateway, and leave the lab's own project as it was."""
        self._hang_up()
        self._environment = ""
        self._shell(_REMOVE)

    def reboot(self) -> None:
        """Cut the power and switch it on again: another boot id, and recovery before all else of ours."""
        self._hang_up()
        with contextlib.suppress(APIError):  # on a busy machine it ends later than the engine waits for it
            self._container.kill("SIGKILL")
        self._container.wait(timeout=180)
        self._container.start()
        self._shell(f"echo {uuid.uuid4()} >/run/boot-id && mount --bind /run/boot-id /proc/sys/kernel/random/boot_id")
        self._shell(_WAIT)
        self._shell(f"{VENV}/bin/ota-client recover --json --config {PLACE}/gateway.toml")
        self._start()

    def restart_services(self) -> None:
        """Bring the lab's own project back."""
        self._shell("cd /opt/restaurant-gateway && docker compose up --detach --quiet-pull 2>&1")
        self._shell("lab-agent start || true")

    def _hang_up(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(180)
            self._process = None

    def _start(self) -> None:
        argv = ["docker", "exec", "-i", self._container.id, "sh", "-c"]
        argv.append(f"{self._environment}exec {VENV}/bin/python {PLACE}/trials.py 2>>{PLACE}/errors")
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _shell(self, script: str) -> str:
        status, output = self._container.exec_run(["sh", "-ec", self._environment + script])
        text = str(output.decode(errors="replace"))
        if status:
            raise AssertionError(f"{self.name}: status {status} of {script}:\n{text[-2000:]}")
        return text

    def _put(self, files: dict[str, bytes]) -> None:
        # Not by the engine: that would write below what is mounted there.
        argv = ["docker", "exec", "-i", self._container.id, "tar", "-x", "-C", PLACE]
        subprocess.run(argv, input=_archive(files), check=True)


def _archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
