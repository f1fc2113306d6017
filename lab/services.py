"""The lab's servers: registry, S3, its public read-only side, and the MQTT broker."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from lab import broker, containers
from lab.config import BUCKET, CDN_PORT, MQTT_PORT, REGISTRY_PORT, S3_PORT, LabConfig
from lab.containers import Spec
from lab.errors import LabError
from lab.state import write_file

if TYPE_CHECKING:
    from docker import DockerClient

READY_SECONDS = 120.0
ROLES = ("registry", "s3", "cdn", "mqtt")

REGISTRY_CONFIGURATION = f"""\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: /var/lib/registry}}
  delete: {{enabled: true}}
http: {{addr: ":{REGISTRY_PORT}"}}
"""

# The S3 server answers no request without a signature, so gateways read the same files here.
CDN_CONFIGURATION = f"""\
daemon off;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  default_type application/octet-stream;
  server {{
    listen {CDN_PORT};
    root /data/{BUCKET};
    location / {{ limit_except GET {{ deny all; }} }}
  }}
}}
"""


def specifications(config: LabConfig, image: str, state: dict[str, Any]) -> list[Spec]:
    """Return the containers of the lab's servers."""
    bucket_volume = {config.container("s3"): "/data"}
    keys = f"{state['s3_access_key']},{state['s3_secret_key']}"
    return [
        Spec(
            role="registry",
            image=image,
            address=config.host(10),
            command=["docker-registry", "serve", "/etc/lab-registry.yml"],
            binds=[f"{config.state_dir / 'registry.yml'}:/etc/lab-registry.yml:ro"],
            volumes={config.container("registry"): "/var/lib/registry"},
            extra=REGISTRY_CONFIGURATION,
        ),
        Spec(
            role="s3",
            image=image,
            address=config.host(11),
            command=["rclone", "serve", "s3", "--addr", f":{S3_PORT}", "--auth-key", keys, "/data"],
            volumes=bucket_volume,
        ),
        Spec(
            role="cdn",
            image=image,
            address=config.host(12),
            command=["nginx", "-c", "/etc/lab-cdn.conf"],
            binds=[f"{config.state_dir / 'cdn.conf'}:/etc/lab-cdn.conf:ro"],
            volumes=bucket_volume,
            extra=CDN_CONFIGURATION,
        ),
        Spec(
            role="mqtt",
            image=image,
            address=config.mqtt_host,
            command=["mosquitto", "-c", f"{broker.MOUNT}/mosquitto.conf"],
            binds=[f"{broker.directory(config)}:{broker.MOUNT}:ro"],
            volumes={config.container("mqtt"): "/var/lib/mosquitto"},
        ),
    ]


def ensure(config: LabConfig, client: DockerClient, image: str, state: dict[str, Any]) -> None:
    """Start the servers and wait until each answers.

    Raises:
        LabError: one of them does not come up.
    """
    write_file(config.state_dir / "registry.yml", REGISTRY_CONFIGURATION)
    write_file(config.state_dir / "cdn.conf", CDN_CONFIGURATION)
    users_changed = broker.write_files(config, state["mqtt_users"])
    for spec in specifications(config, image, state):
        containers.ensure(config, client, spec)
    if users_changed:
        reload_broker(config, client)
    for role, (host, port) in endpoints(config).items():
        _wait_for(role, host, port)


def endpoints(config: LabConfig) -> dict[str, tuple[str, int]]:
    """Return where each server listens."""
    return {
        "registry": (config.host(10), REGISTRY_PORT),
        "s3": (config.host(11), S3_PORT),
        "cdn": (config.host(12), CDN_PORT),
        "mqtt": (config.mqtt_host, MQTT_PORT),
    }


def reload_broker(config: LabConfig, client: DockerClient) -> None:
    """Make the broker read its users again, without dropping anybody."""
    container = containers.find(config, client, "mqtt")
    if container is not None and container.status == "running":
        container.kill(signal.SIGHUP)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait_for(role: str, host: str, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(host, port):
        if time.monotonic() > deadline:
            raise LabError(f"{role} did not answer in {READY_SECONDS:.0f} s; see: lab/lab logs {role}")
        time.sleep(0.1)
