"""Containers, networks and volumes of a lab: made to be as specified, found by label."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lab.base_image import recipe_hash
from lab.config import LABEL, LABEL_GATEWAY, LABEL_ROLE, LABEL_SPEC, LabConfig
from lab.errors import LabError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

REMOVE_SECONDS = 120.0


@dataclass(frozen=True)
class Spec:
    """How a container is to be; a change of any field makes it anew."""

    role: str
    image: str
    address: str
    command: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    hostname: str | None = None
    binds: Sequence[str] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    host_config: Mapping[str, Any] = field(default_factory=dict)
    gateway: str | None = None
    extra: str = ""

    @property
    def fingerprint(self) -> str:
        """Return the hash that tells whether a container is of this specification."""
        return recipe_hash([json.dumps(asdict(self), sort_keys=True).encode()])


def lab_filter(config: LabConfig, *labels: str) -> dict[str, list[str]]:
    """Return the filter that finds what belongs to a lab."""
    return {"label": [f"{LABEL}={config.name}", *labels]}


def find(config: LabConfig, client: DockerClient, role: str) -> Container | None:
    """Return a lab's container by role, or None."""
    found = client.containers.list(all=True, filters=lab_filter(config, f"{LABEL_ROLE}={role}"))
    return found[0] if found else None


def ensure_network(config: LabConfig, client: DockerClient) -> None:
    """Create the lab's bridge network.

    Raises:
        LabError: the subnet is taken by something else.
    """
    import docker.types
    from docker.errors import APIError

    found = client.networks.list(filters=lab_filter(config))
    if found:
        subnet = found[0].attrs["IPAM"]["Config"][0]["Subnet"]
        if subnet != str(config.subnet):
            raise LabError(f"lab {config.name!r} has {subnet}: set OTA_LAB_SUBNET to it, or run lab/lab down")
        return
    pool = docker.types.IPAMPool(subnet=str(config.subnet), gateway=config.bridge_address)
    try:
        client.networks.create(
            config.name,
            driver="bridge",
            ipam=docker.types.IPAMConfig(pool_configs=[pool]),
            labels={LABEL: config.name},
        )
    except APIError as error:
        raise LabError(
            f"network {config.subnet} cannot be made ({error.explanation}); choose another OTA_LAB_SUBNET"
        ) from error


def ensure(
    config: LabConfig, client: DockerClient, spec: Spec, files: Mapping[str, tuple[bytes, int]] | None = None
) -> bool:
    """Make a container run as specified; return whether it was made anew.

    ``files`` are put in before its first start.
    """
    container = find(config, client, spec.role)
    if container is not None:
        # One that never started may lack its files: the lab was killed in between.
        if container.labels.get(LABEL_SPEC) == spec.fingerprint and container.status != "created":
            container.start()
            return False
        # A gateway begins anew; a server keeps what was stored in it.
        remove(client, container, list(spec.volumes) if spec.gateway else [])
    _create(config, client, spec, files or {})
    return True


def _create(config: LabConfig, client: DockerClient, spec: Spec, files: Mapping[str, tuple[bytes, int]]) -> None:
    api = client.api
    for volume in spec.volumes:
        client.volumes.create(volume, labels={LABEL: config.name})
    host_config = api.create_host_config(
        binds=[*spec.binds, *(f"{name}:{path}" for name, path in spec.volumes.items())],
        network_mode=config.name,
        restart_policy={"Name": "unless-stopped"},
    )
    host_config.update(spec.host_config)
    labels = {LABEL: config.name, LABEL_ROLE: spec.role, LABEL_SPEC: spec.fingerprint}
    if spec.gateway:
        labels[LABEL_GATEWAY] = spec.gateway
    created = api.create_container(
        spec.image,
        command=list(spec.command) or None,
        entrypoint=list(spec.entrypoint) if spec.entrypoint else None,
        name=config.container(spec.role),
        hostname=spec.hostname or spec.role,
        labels=labels,
        host_config=host_config,
        networking_config=api.create_networking_config(
            {config.name: api.create_endpoint_config(ipv4_address=spec.address)}
        ),
    )
    if files:
        api.put_archive(created["Id"], "/", _archive(files))
    api.start(created["Id"])


def _archive(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def remove(client: DockerClient, container: Container, volumes: Sequence[str] = ()) -> None:
    """Remove a container by force, with its volumes."""
    _insist(partial(container.remove, force=True, v=True))
    for volume in volumes:
        _insist(partial(client.api.remove_volume, volume, force=True))


def _insist(remove: Callable[[], object]) -> None:
    """Remove a container, network or volume, though the Docker daemon may refuse it for a while.

    On a busy machine a killed container takes longer to end than the daemon waits for it, and what it used is
    in use until then.

    Raises:
        APIError: it still refuses.
    """
    from docker.errors import APIError, NotFound

    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            remove()
        except NotFound:
            return
        except APIError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def remove_all(config: LabConfig, client: DockerClient) -> int:
    """Remove all containers, volumes and networks of a lab; return how many."""
    from concurrent.futures import ThreadPoolExecutor

    containers = client.containers.list(all=True, filters=lab_filter(config))
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda item: remove(client, item), containers))
    volumes = client.volumes.list(filters=lab_filter(config))
    networks = client.networks.list(filters=lab_filter(config))
    for item in [*volumes, *networks]:
        _insist(item.remove)
    return len(containers) + len(volumes) + len(networks)


def run_in(container: Container, command: Sequence[str]) -> tuple[int, str]:
    """Run a command in a container; return its status and output."""
    result = container.exec_run(list(command))
    return int(result.exit_code), result.output.decode(errors="replace")
