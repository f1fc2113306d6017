"""Gateways: containers with their own sshd, Docker engine and Compose project."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import containers
from lab.config import FILES, LABEL_GATEWAY, LabConfig
from lab.containers import Spec, run_in
from lab.errors import LabError
from lab.keys import ensure_key

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

PROJECT_DIR = "/opt/restaurant-gateway"
DATABASE_USER = "restaurant"
READY_MARK = "/var/lib/lab-ready"
DAEMON_SECONDS = 180.0
HEALTH_SECONDS = 300
PARALLEL = 4

# What a nested engine needs. `--privileged` would ask for every capability of the kernel,
# and fails on a machine whose bounding set lacks one.
CAPABILITIES = [
    *("AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "DAC_READ_SEARCH", "IPC_LOCK", "IPC_OWNER", "LEASE"),
    *("LINUX_IMMUTABLE", "NET_ADMIN", "NET_BROADCAST", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE"),
    *("SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM"),
]
CGROUP_ROOT = Path("/sys/fs/cgroup")


def hostname(gateway: str) -> str:
    """Return a gateway's host name; an underscore is not allowed in one."""
    return gateway.replace("_", "-")


def _cgroup_parent(config: LabConfig, gateway: str = "") -> str:
    return f"/ota-lab/{config.name}/{gateway}".rstrip("/")


def _host_config() -> dict[str, Any]:
    return {
        "CapAdd": CAPABILITIES,
        # Empty lists are what `--security-opt systempaths=unconfined` means to the engine.
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "DeviceCgroupRules": ["a *:* rwm"],
        "CgroupnsMode": "host",
        "Tmpfs": {"/run": ""},
    }


def _specification(config: LabConfig, image: str, gateway: str, files: dict[str, tuple[bytes, int]]) -> Spec:
    content = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    return Spec(
        role=gateway,
        gateway=gateway,
        image=image,
        address=config.gateway_address(gateway),
        hostname=hostname(gateway),
        binds=[f"{CGROUP_ROOT}:{CGROUP_ROOT}:rw"],
        volumes={config.container(gateway): "/var/lib/docker"},
        host_config=_host_config(),
        extra=content,
    )


def compose_file(config: LabConfig) -> str:
    """Return the Compose file that gateways have at first."""
    return (FILES / "project" / "docker-compose.yml").read_text().replace("@REGISTRY@", config.registry)


def _files(config: LabConfig, state: dict[str, Any], gateway: str) -> dict[str, tuple[bytes, int]]:
    """Return what a gateway has before its first start: keys, engine settings, the project."""
    host_key = config.state_dir / "hosts" / gateway
    host_public = ensure_key(host_key, hostname(gateway))
    operator = ensure_key(config.state_dir / "ssh" / "id_ed25519", f"operator@{config.name}")
    daemon = {
        "insecure-registries": [config.registry],
        "storage-driver": "overlay2",
        # Away from the lab's own network and from each other.
        "bip": "10.199.0.1/24",
        "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}],
        # Nobody answers there: what a service asks for stays in the lab.
        "dns": ["10.199.0.1"],
        "cgroup-parent": _cgroup_parent(config, gateway),
        "log-opts": {"max-size": "1m", "max-file": "2"},
    }
    environment = {
        "GATEWAY_ID": gateway,
        "POSTGRES_USER": DATABASE_USER,
        "POSTGRES_PASSWORD": state["database_passwords"][gateway],
        "POSTGRES_DB": DATABASE_USER,
    }
    return {
        "/etc/docker/daemon.json": (json.dumps(daemon, indent=2).encode() + b"\n", 0o644),
        "/etc/ssh/ssh_host_ed25519_key": (host_key.read_bytes(), 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": (host_public.encode() + b"\n", 0o644),
        "/root/.ssh/authorized_keys": (operator.encode() + b"\n", 0o600),
        f"{PROJECT_DIR}/docker-compose.yml": (compose_file(config).encode(), 0o644),
        f"{PROJECT_DIR}/.env": ("".join(f"{k}={v}\n" for k, v in environment.items()).encode(), 0o600),
        f"{PROJECT_DIR}/config/bridge.conf": ((FILES / "project" / "bridge.conf").read_bytes(), 0o644),
    }


def ensure(config: LabConfig, client: DockerClient, image: str, state: dict[str, Any]) -> None:
    """Start the gateways of the state and remove those that are no longer in it.

    A gateway that was up before keeps its project as it is, whatever version that runs.
    """
    wanted = list(state["gateways"])
    for container in client.containers.list(all=True, filters=containers.lab_filter(config, LABEL_GATEWAY)):
        gateway = container.labels[LABEL_GATEWAY]
        if gateway not in wanted:
            containers.remove(client, container, [config.container(gateway)])

    contents = {gateway: _files(config, state, gateway) for gateway in wanted}

    def start(gateway: str) -> None:
        files = contents[gateway]
        containers.ensure(config, client, _specification(config, image, gateway, files), files)

    _for_each(start, wanted)


def ensure_projects(config: LabConfig, client: DockerClient, state: dict[str, Any]) -> dict[str, float]:
    """Bring up the Compose project on gateways that never had it up; return seconds of each pull."""
    pulls: dict[str, float] = {}

    def bring_up(gateway: str) -> None:
        container = gateway_container(config, client, gateway)
        _wait_for_daemon(container, gateway)
        if run_in(container, ["test", "-e", READY_MARK])[0] == 0:
            return
        begin = time.monotonic()
        _compose(container, gateway, "pull", "--quiet")
        pulls[gateway] = round(time.monotonic() - begin, 1)
        _compose(container, gateway, "up", "--detach", "--wait", "--wait-timeout", str(HEALTH_SECONDS))
        run_in(container, ["touch", READY_MARK])

    _for_each(bring_up, list(state["gateways"]))
    return pulls


def gateway_container(config: LabConfig, client: DockerClient, gateway: str) -> Container:
    """Return a gateway's container.

    Raises:
        LabError: the lab has no such gateway.
    """
    container = containers.find(config, client, gateway)
    if container is None or LABEL_GATEWAY not in container.labels:
        raise LabError(f"lab {config.name!r} has no gateway {gateway!r}; see: lab/lab status")
    return container


def project_services(container: Container) -> list[dict[str, str]]:
    """Return name, image and status of the nested containers of a gateway."""
    template = '{{.Label "com.docker.compose.service"}}\t{{.Image}}\t{{.Status}}'
    status, output = run_in(container, ["docker", "ps", "--all", "--format", template])
    if status:
        return []
    rows = [line.split("\t") for line in output.splitlines()]
    return sorted(
        ({"service": row[0], "image": row[1], "status": row[2]} for row in rows if len(row) == 3),
        key=lambda item: item["service"],
    )


def _compose(container: Container, gateway: str, *arguments: str) -> None:
    command = ["docker", "compose", "--project-directory", PROJECT_DIR, *arguments]
    status, output = run_in(container, command)
    if status:
        raise LabError(f"{gateway}: `docker compose {arguments[0]}` failed ({status}):\n{output[-2000:]}")


def _wait_for_daemon(container: Container, gateway: str) -> None:
    deadline = time.monotonic() + DAEMON_SECONDS
    while run_in(container, ["docker", "version"])[0]:
        if time.monotonic() > deadline:
            raise LabError(f"{gateway}: its engine did not answer; see: lab/lab logs {gateway}")
        time.sleep(0.3)


def _for_each(action: Callable[[str], None], gateways: list[str]) -> None:
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        for _ in pool.map(action, gateways):
            pass


def remove_cgroups(config: LabConfig) -> None:
    """Remove the control groups that the nested Docker daemon of a killed gateway leaves behind."""
    relative = _cgroup_parent(config).lstrip("/")
    for top in [CGROUP_ROOT / relative, *CGROUP_ROOT.glob(f"*/{relative}")]:
        if not top.is_dir():
            continue
        folders = sorted((item for item in top.rglob("*") if item.is_dir()), reverse=True)
        for folder in [*folders, top, top.parent]:
            with contextlib.suppress(OSError):
                folder.rmdir()
