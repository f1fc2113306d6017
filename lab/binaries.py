"""Image layers of programs taken from the services image, each with just the libraries that it needs."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from lab.base_image import Note, recipe_hash
from lab.config import FILES, LABEL, cache_dir
from lab.errors import LabError
from lab.oci import Layer, digest
from lab.state import exclusive, private_dir, write_file

if TYPE_CHECKING:
    from docker import DockerClient

COLLECTED = "/collected"
PG = "/usr/lib/postgresql/17"
PG_PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_controldata", "pg_dump", "pg_dumpall", "pg_isready",
               "pg_restore", "psql")  # fmt: skip

# Layer name to: programs (their libraries come along), and trees copied as they are.
LAYERS: dict[str, tuple[list[str], list[str]]] = {
    "busybox": (["/usr/bin/busybox"], []),
    "mosquitto": (["/usr/sbin/mosquitto", "/usr/bin/mosquitto_pub", "/usr/bin/mosquitto_sub"], []),
    "psql": ([f"{PG}/bin/psql"], []),
    "postgres": (
        [*(f"{PG}/bin/{name}" for name in PG_PROGRAMS), f"{PG}/lib/dict_snowball.so", f"{PG}/lib/plpgsql.so"],
        ["/usr/share/postgresql/17", "/usr/share/zoneinfo/UTC", "/usr/share/zoneinfo/Etc"],
    ),
}


# Only for tests of databases, from an image of its own.
MARIADB_PROGRAMS = (
    "/usr/sbin/mariadbd",
    "/usr/bin/mariadb",
    "/usr/bin/mariadb-dump",
    "/usr/bin/mariadb-admin",
)
MARIADB_TREES = ("/usr/share/mariadb", "/var/lib/mysql", "/run/mysqld")


def ensure_layers(client: DockerClient, services_image: str, note: Note) -> dict[str, Layer]:
    """Return the layers by name, from the cache or collected anew."""
    script = (FILES / "services" / "collect.sh").read_bytes()
    recipe = recipe_hash([services_image.encode(), script, json.dumps(LAYERS).encode()])
    folder = private_dir(cache_dir() / f"layers-{recipe}")
    return {
        name: _ensure_layer(client, services_image, name, content, folder, note) for name, content in LAYERS.items()
    }


def ensure_mariadb_layer(client: DockerClient, mariadb_image: str, note: Note) -> Layer:
    """Return the layer of a MariaDB server with an empty data directory."""
    script = (FILES / "services" / "collect.sh").read_bytes()
    content = (list(MARIADB_PROGRAMS), list(MARIADB_TREES))
    recipe = recipe_hash([mariadb_image.encode(), script, json.dumps(content).encode()])
    folder = private_dir(cache_dir() / f"layers-{recipe}")
    return _ensure_layer(client, mariadb_image, "mariadb", content, folder, note)


def _ensure_layer(
    client: DockerClient,
    image: str,
    name: str,
    content: tuple[list[str], list[str]],
    folder: Path,
    note: Note,
) -> Layer:
    blob, diff_id = folder / f"{name}.tar.gz", folder / f"{name}.diff-id"
    # Two that collect at once may not get the same bytes, and these two files belong together.
    with exclusive(folder / f".lock-{name}", "the lab's cache", wait=True):
        if not (blob.exists() and diff_id.exists()):
            note(f"collecting layer {name}")
            layer = Layer.from_tar(_normalized(_collect(client, image, name, content)))
            write_file(blob, layer.blob)
            write_file(diff_id, layer.diff_id)
            note(f"layer {name}: {len(layer.blob) / 1e6:.1f} MB compressed")
    return Layer(blob.read_bytes(), diff_id.read_text())


def _collect(client: DockerClient, image: str, name: str, content: tuple[list[str], list[str]]) -> bytes:
    """Run the collecting script in the services image; return what it made as a tar archive.

    Raises:
        LabError: the script failed.
    """
    programs, trees = content
    script = (FILES / "services" / "collect.sh").read_text()
    command = ["bash", "-c", script, "collect", name, " ".join(programs), " ".join(trees)]
    container = client.containers.run(image, command, detach=True, network_mode="none", labels={LABEL: "collect"})
    try:
        status = container.wait()["StatusCode"]
        if status:
            raise LabError(f"collecting layer {name} failed with status {status}: {container.logs()!r}")
        stream, _ = container.get_archive(f"{COLLECTED}/.")
        return b"".join(stream)
    finally:
        container.remove(force=True)


def _normalized(data: bytes) -> bytes:
    """Rewrite an archive in the order of its paths, without times."""
    output = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as source,
        tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as target,
    ):
        for entry in sorted(source.getmembers(), key=lambda item: item.name):
            entry.mtime = 0
            target.addfile(entry, source.extractfile(entry) if entry.isfile() else None)
    return output.getvalue()


def layer_digests(layers: dict[str, Layer]) -> dict[str, str]:
    """Return the digest of each layer, for reports."""
    return {name: digest(layer.blob) for name, layer in layers.items()}
