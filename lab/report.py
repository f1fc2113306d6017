"""The lab for other programs and people: its environment, its state, an Ansible inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import broker, gateways, services
from lab.config import BUCKET, CONTROL_PLANE_PORT, LABEL_GATEWAY, LABEL_ROLE, MQTT_PORT, LabConfig
from lab.containers import lab_filter
from lab.images import NAMESPACE
from lab.processes import process_id
from lab.state import write_file

if TYPE_CHECKING:
    from docker import DockerClient

S3_REGION = "us-east-1"
# The process that an operator starts beside the lab.
CONTROL_PLANE = "control-plane"


def ssh_key(config: LabConfig) -> Path:
    """Return the operator's private key."""
    return config.state_dir / "ssh" / "id_ed25519"


def known_hosts(config: LabConfig) -> Path:
    """Return the file with the gateways' host keys."""
    return config.state_dir / "ssh" / "known_hosts"


def inventory(config: LabConfig) -> Path:
    """Return the generated Ansible inventory."""
    return config.state_dir / "inventory.yml"


def environment(config: LabConfig, state: dict[str, Any]) -> dict[str, Any]:
    """Return everything that another program needs to use the lab."""
    return {
        "name": config.name,
        "subnet": str(config.subnet),
        "bridge_address": config.bridge_address,
        "state_dir": str(config.state_dir),
        "run_dir": str(config.state_dir / "run"),
        "control_plane": {
            "url": config.control_plane_url,
            "host": config.bridge_address,
            "port": CONTROL_PLANE_PORT,
        },
        "registry": {
            "address": config.registry,
            "url": f"http://{config.registry}",
            "namespace": NAMESPACE,
            "insecure": True,
        },
        "s3": {
            "endpoint": config.s3_endpoint,
            "region": S3_REGION,
            "bucket": BUCKET,
            "access_key": state["s3_access_key"],
            "secret_key": state["s3_secret_key"],
        },
        "repository": {"public_url": config.public_url},
        "mqtt": {
            "host": config.mqtt_host,
            "port": MQTT_PORT,
            "ca_path": str(broker.directory(config) / "tls" / "ca.crt"),
            "users": state["mqtt_users"],
        },
        "ssh": {
            "user": "root",
            "key_path": str(ssh_key(config)),
            "known_hosts_path": str(known_hosts(config)),
        },
        "inventory": str(inventory(config)),
        "project_dir": gateways.PROJECT_DIR,
        "gateways": [
            {
                "id": gateway,
                "address": config.gateway_address(gateway),
                "container": config.container(gateway),
                "hostname": gateways.hostname(gateway),
            }
            for gateway in state["gateways"]
        ],
    }


def write_inventory(config: LabConfig, state: dict[str, Any]) -> None:
    """Write known_hosts and the inventory for Ansible."""
    import yaml

    lines = []
    for gateway in state["gateways"]:
        public = (config.state_dir / "hosts" / f"{gateway}.pub").read_text().split()
        lines.append(f"{config.gateway_address(gateway)} {public[0]} {public[1]}\n")
    write_file(known_hosts(config), "".join(lines))
    shared = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(ssh_key(config)),
        "ansible_ssh_common_args": (
            f"-o UserKnownHostsFile={known_hosts(config)} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        ),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ota_delivery": "push",
    }
    hosts = {gateway: {"ansible_host": config.gateway_address(gateway)} for gateway in state["gateways"]}
    document = {"gateways": {"hosts": hosts, "vars": shared}}
    write_file(inventory(config), yaml.safe_dump(document, sort_keys=False, width=200))


def status(config: LabConfig, client: DockerClient) -> dict[str, Any]:
    """Return what runs: the servers, the gateways, the services on them, and where to log in."""
    everything = client.containers.list(all=True, filters=lab_filter(config))
    found = {item.labels[LABEL_ROLE]: item for item in everything}
    listed = {
        role: {"address": f"{host}:{port}", "state": found[role].status if role in found else "missing"}
        for role, (host, port) in services.endpoints(config).items()
    }
    running = process_id(config.state_dir / "run", CONTROL_PLANE) is not None
    listed[CONTROL_PLANE] = {
        "address": config.control_plane_url.removeprefix("http://"),
        "state": "running" if running else "not started",
    }
    fleet = {}
    for role, container in sorted(found.items()):
        if LABEL_GATEWAY in container.labels:
            up = container.status == "running"
            fleet[role] = {
                "address": config.gateway_address(role),
                "state": container.status,
                "services": gateways.project_services(container) if up else [],
            }
    logins = {"gateways": "lab/lab ssh " + next(iter(fleet), "GATEWAY")}
    if running:
        password = config.state_dir / "operator" / "admin-password"
        logins["admin"] = f"{config.control_plane_url}/admin/ as admin; the password is in {password}"
    return {"name": config.name, "services": listed, "gateways": fleet, "log in": logins}
