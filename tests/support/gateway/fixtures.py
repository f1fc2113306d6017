"""A small gateway on this machine: real Docker engine, registry, signed repository and Compose project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.oci import Layer, Registry
from tests.support.gateway.site import Keys, Site
from tests.support.gateway.small_control_plane import TOKEN, SmallControlPlane
from tests.support.ports import free_port
from tests.support.registries import running_registry

if TYPE_CHECKING:
    from ota_py.manager.controlplane.client import ControlPlane


@pytest.fixture(scope="session")
def docker_client() -> Iterator[object]:
    """The engine of this machine, started as the lab starts it where none runs."""
    from lab import engine
    from lab.config import LabConfig

    client = engine.ensure(LabConfig.from_environment())
    yield client
    client.close()


@pytest.fixture(scope="session")
def layers(docker_client) -> dict[str, Layer]:
    from lab.base_image import ensure_root, ensure_services_image
    from lab.binaries import ensure_layers

    image = ensure_services_image(docker_client, ensure_root(docker_client, print), print)
    return ensure_layers(docker_client, image, print)


@pytest.fixture(scope="session", autouse=False)
def compose_plugin(docker_client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compose v2: this machine's, else the one of the lab's gateway image (Debian 12 has none)."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        yield
        return
    from lab.base_image import ensure_gateway_image, ensure_root

    image = ensure_gateway_image(docker_client, ensure_root(docker_client, print), print)
    directory = tmp_path_factory.mktemp("docker-config")
    plugin = directory / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir()
    container = docker_client.containers.create(image)
    try:
        source = f"{container.id}:/usr/libexec/docker/cli-plugins/docker-compose"
        subprocess.run(["docker", "cp", source, str(plugin)], check=True, capture_output=True)
    finally:
        container.remove()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(directory))
        yield


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that is up for the whole session."""
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        yield Registry(address)


@pytest.fixture(scope="session")
def operator_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the operator's files are: ota.toml, tokens, the admin's password."""
    return tmp_path_factory.mktemp("operator")


@pytest.fixture(scope="session")
def real_control_plane(operator_directory: Path) -> Iterator[ControlPlane]:
    """The control plane as an operator runs it, seen with the operator's token."""
    from tests.support.operators import serving

    with serving(operator_directory) as control_plane:
        yield control_plane


@pytest.fixture
def control_plane() -> Iterator[SmallControlPlane]:
    """A small control plane, which a test can lead into anything."""
    server = SmallControlPlane().start()
    yield server
    server.stop()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """The token that the small control plane knows, with the newline that an editor adds."""
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.generate(tmp_path_factory.mktemp("gateway-keys"))


@pytest.fixture
def site(
    tmp_path: Path, keys: Keys, registry: Registry, layers: dict[str, Layer], compose_plugin: None
) -> Iterator[Site]:
    """A gateway that runs version 1.0.0: `app`, `broker` and `store`."""
    made = Site(tmp_path, keys, registry, layers, free_port())
    try:
        made.start()
        yield made
    finally:
        made.remove()
        shutil.rmtree(tmp_path, ignore_errors=True)
