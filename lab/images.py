"""Images of the gateways' services: the running version, and versions for stories and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.base_image import Note, ensure_root, ensure_services_image
from lab.binaries import ensure_layers
from lab.config import FILES, LabConfig
from lab.errors import LabError
from lab.oci import Image, Layer, Registry, layer_of_files

if TYPE_CHECKING:
    from docker import DockerClient

NAMESPACE = "healthguard"
FIRST_VERSION = "1.0.0"

# Service to the layers below its own.
SERVICES: dict[str, tuple[str, ...]] = {
    "database": ("busybox", "postgres"),
    "mqtt-broker": ("busybox", "mosquitto"),
    "mqtt-bridge": ("busybox", "mosquitto"),
    "sensors": ("busybox", "mosquitto", "psql"),
}

GOOD = "good"
UNHEALTHY = "unhealthy"
EXITS = "exits"
CRASHES_LATER = "crashes-later"
MIGRATES = "migrates"
BEHAVIOURS = (GOOD, UNHEALTHY, EXITS, CRASHES_LATER, MIGRATES)

# The story of mqtt-bridge.
BRIDGE_VERSIONS: dict[str, str] = {
    "1.0.0": GOOD,
    "1.1.0": GOOD,
    "1.2.0": UNHEALTHY,
    "1.3.0": GOOD,
    "1.4.0": EXITS,
    "1.5.0": CRASHES_LATER,
}
# Comes with the bridge's bad version, and changes the database in a way that cannot be undone.
MIGRATING_SENSORS = "1.2.0"

_EXITS = b'#!/bin/sh\necho "$0 $(cat /version): cannot start, on purpose" >&2\nexit 1\n'
_UNHEALTHY = b"#!/bin/sh\necho 'unhealthy, on purpose' >&2\nexit 1\n"
# Healthy for three seconds after the first start of a container, then a crash loop.
_CRASHES_LATER = b"""#!/bin/sh
[ ! -e /tmp/ran ] || { echo 'crashing again, on purpose' >&2; exit 1; }
touch /tmp/ran
/start.good & child=$!
trap 'exit 0' TERM INT
sleep 3 & wait $!
echo 'crashing, on purpose' >&2
kill $child
exit 1
"""
# Adds a column and thins out the readings, once; then does its work.
_MIGRATES = b"""#!/bin/sh
until psql -q -h database -U "$PGUSER" -d "$PGDATABASE" -c "BEGIN; \\
    ALTER TABLE readings ADD COLUMN IF NOT EXISTS humidity numeric(4,1); \\
    DELETE FROM readings WHERE id % 2 = 0; COMMIT"; do sleep 0.2; done
echo "sensors $(cat /version): migrated the database"
exec /start.good
"""


class ImageFactory:
    """Builds and pushes images of the gateways' services."""

    def __init__(self, registry: Registry, layers: Mapping[str, Layer]) -> None:
        self._registry = registry
        self._layers = layers

    def build_and_push(self, service: str, version: str, behaviour: str = GOOD) -> str:
        """Push one version of a service; return its reference by digest.

        Raises:
            LabError: the service or the behaviour is unknown, or the registry refused.
        """
        image = self.build(service, version, behaviour)
        repository = f"{NAMESPACE}/{service}"
        digest = self._registry.push(repository, version, image)
        return f"{self._registry.address}/{repository}@{digest}"

    def build(self, service: str, version: str, behaviour: str = GOOD) -> Image:
        """Build one version of a service in memory."""
        if service not in SERVICES:
            raise LabError(f"unknown service {service!r}: choose one of {', '.join(SERVICES)}")
        if behaviour not in BEHAVIOURS:
            raise LabError(f"unknown behaviour {behaviour!r}: choose one of {', '.join(BEHAVIOURS)}")
        own = layer_of_files(_service_files(service, version, behaviour))
        is_database = service == "database"
        return Image(
            layers=[*(self._layers[name] for name in SERVICES[service]), own],
            entrypoint=["/start"],
            env={
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                **({"PGDATA": "/var/lib/postgresql/data"} if is_database else {}),
            },
            labels={"org.opencontainers.image.version": version},
            user="999:999" if is_database else "",
            # PostgreSQL's fast shutdown: TERM would wait for every client to leave.
            stop_signal="SIGINT" if is_database else "SIGTERM",
        )


def _service_files(service: str, version: str, behaviour: str) -> dict[str, tuple[bytes, int]]:
    start = (FILES / "images" / f"{service}.sh").read_bytes()
    health = (FILES / "images" / f"{service}.health.sh").read_bytes()
    files = {"/version": (f"{version}\n".encode(), 0o644)}
    if service == "mqtt-broker":
        files["/etc/mosquitto/mosquitto.conf"] = ((FILES / "images" / "mqtt-broker.conf").read_bytes(), 0o644)
    if behaviour in (CRASHES_LATER, MIGRATES):
        files["/start.good"] = (start, 0o755)
        start = _CRASHES_LATER if behaviour == CRASHES_LATER else _MIGRATES
    files["/start"] = (_EXITS if behaviour == EXITS else start, 0o755)
    files["/health"] = (_UNHEALTHY if behaviour == UNHEALTHY else health, 0o755)
    return files


def factory(config: LabConfig, client: DockerClient, note: Note) -> ImageFactory:
    """Return a factory that pushes to a lab's registry, with its layers at hand."""
    services_image = ensure_services_image(client, ensure_root(client, note), note)
    return ImageFactory(Registry(config.registry), ensure_layers(client, services_image, note))


def build_and_push(service: str, version: str, behaviour: str = GOOD, config: LabConfig | None = None) -> str:
    """Push one version of a service to a running lab's registry; return its reference by digest."""
    from lab.engine import require

    chosen = config or LabConfig.from_environment()
    return factory(chosen, require(), lambda _: None).build_and_push(service, version, behaviour)


def publish_first(images: ImageFactory) -> dict[str, str]:
    """Push the version that gateways run at first; return references by service."""
    return {name: images.build_and_push(name, FIRST_VERSION) for name in SERVICES}


def publish_all(images: ImageFactory) -> dict[str, str]:
    """Push every version of the story; return references by name and version."""
    published = {f"{name}:{FIRST_VERSION}": ref for name, ref in publish_first(images).items()}
    for version, behaviour in BRIDGE_VERSIONS.items():
        published[f"mqtt-bridge:{version}"] = images.build_and_push("mqtt-bridge", version, behaviour)
    migrating = images.build_and_push("sensors", MIGRATING_SENSORS, MIGRATES)
    published[f"sensors:{MIGRATING_SENSORS}"] = migrating
    return published
