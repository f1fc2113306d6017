"""Names, addresses and paths of one lab, in one place.

Two labs run side by side when they differ in name and subnet.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
FILES = Path(__file__).resolve().parent / "files"

LABEL = "ota.lab"
LABEL_ROLE = "ota.lab.role"
LABEL_GATEWAY = "ota.lab.gateway"
LABEL_SPEC = "ota.lab.spec"
LABEL_IMAGE = "ota.lab.image"

REGISTRY_PORT = 5000
S3_PORT = 9000
CDN_PORT = 8080
MQTT_PORT = 8883
CONTROL_PLANE_PORT = 8000

BUCKET = "ota"
SITE = "boston"
FIRST_GATEWAY_HOST = 101
MAX_GATEWAYS = 150

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class LabConfig:
    """One lab: its name and subnet, and what follows from them."""

    name: str
    subnet: ipaddress.IPv4Network

    @classmethod
    def from_environment(cls) -> LabConfig:
        """Read OTA_LAB_NAME and OTA_LAB_SUBNET.

        Raises:
            LabError: the name or the subnet cannot be used.
        """
        name = os.environ.get("OTA_LAB_NAME", "ota-lab")
        if not _NAME.fullmatch(name):
            raise LabError(f"OTA_LAB_NAME={name!r}: use 1 to 32 lower-case letters, digits and dashes")
        text = os.environ.get("OTA_LAB_SUBNET", "172.30.77.0/24")
        try:
            subnet = ipaddress.IPv4Network(text)
        except ValueError as error:
            raise LabError(f"OTA_LAB_SUBNET={text!r}: {error}") from error
        if subnet.prefixlen > 24 or not subnet.is_private:
            raise LabError(f"OTA_LAB_SUBNET={text!r}: use a private network of /24 or larger")
        return cls(name, subnet)

    def host(self, number: int) -> str:
        """Return the address number ``number`` of the subnet."""
        return str(self.subnet.network_address + number)

    @property
    def bridge_address(self) -> str:
        """This machine's own address on the lab's network."""
        return self.host(1)

    @property
    def registry(self) -> str:
        """Host and port of the registry, as image references use it."""
        return f"{self.host(10)}:{REGISTRY_PORT}"

    @property
    def s3_endpoint(self) -> str:
        """URL of the S3 server, for clients that have the keys."""
        return f"http://{self.host(11)}:{S3_PORT}"

    @property
    def public_url(self) -> str:
        """URL under which gateways read the bucket's content without keys."""
        return f"http://{self.host(12)}:{CDN_PORT}/"

    @property
    def mqtt_host(self) -> str:
        """Address of the lab's MQTT broker."""
        return self.host(13)

    @property
    def control_plane_url(self) -> str:
        """Where the control plane is expected; the lab does not start it."""
        return f"http://{self.bridge_address}:{CONTROL_PLANE_PORT}"

    def container(self, role: str) -> str:
        """Return the name of the container, volume or process of a role."""
        return f"{self.name}-{role}"

    def gateway_ids(self, count: int) -> list[str]:
        """Return the ids of the first ``count`` gateways."""
        return [f"{SITE}_{number:03d}" for number in range(1, count + 1)]

    def gateway_address(self, gateway: str) -> str:
        """Return the fixed address of a gateway."""
        return self.host(FIRST_GATEWAY_HOST - 1 + int(gateway.rsplit("_", 1)[1]))

    @property
    def state_dir(self) -> Path:
        """Keys, passwords, certificates and the inventory of this lab."""
        return PROJECT_ROOT / ".lab" / self.name

    @property
    def engine_dir(self) -> Path:
        """Directory of the Docker daemon's files, which all labs share."""
        return PROJECT_ROOT / ".lab" / ".engine"


def cache_dir() -> Path:
    """Return where downloads and builds that outlive a lab are kept."""
    default = Path.home() / ".cache" / "ota-lab"
    return Path(os.environ.get("OTA_LAB_CACHE") or default)
