"""The lab as a whole: up and down."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab import base_image, containers, engine, gateways, images, report, services, state
from lab.binaries import ensure_layers
from lab.config import MAX_GATEWAYS, LabConfig
from lab.errors import LabError
from lab.images import ImageFactory
from lab.oci import Registry
from lab.processes import stop_process
from lab.progress import Progress

STEPS = 7
DEFAULT_GATEWAYS = 3


def up(config: LabConfig, count: int | None) -> dict[str, Any]:
    """Bring the lab up, or what is missing of it; return its environment.

    Args:
        config: which lab.
        count: number of gateways; None keeps what was chosen before, or the default.

    Raises:
        LabError: a part cannot be made, or another process changes this lab.
    """
    progress = Progress(STEPS)
    state.private_dir(config.state_dir)
    with state.exclusive(config.state_dir.parent / f".{config.name}.lock", f"lab {config.name!r}"):
        record = state.load(config)
        record["gateways"] = _chosen(config, record, count)
        state.ensure_secrets(record, record["gateways"])
        state.save(config, record)
        with progress.step("Docker engine"):
            client = engine.ensure(config)
        with progress.step("base image"):
            root = base_image.ensure_root(client, progress.note)
        with progress.step("images of gateways and services"), ThreadPoolExecutor(2) as pool:
            building = pool.submit(base_image.ensure_gateway_image, client, root, progress.note)
            services_image = base_image.ensure_services_image(client, root, progress.note)
            gateway_image = building.result()
        with progress.step("registry, S3, MQTT broker"):
            containers.ensure_network(config, client)
            services.ensure(config, client, services_image, record)
        with progress.step(f"{len(record['gateways'])} gateways"):
            gateways.ensure(config, client, gateway_image, record)
            report.write_inventory(config, record)
        with progress.step("application images in the registry"):
            layers = ensure_layers(client, services_image, progress.note)
            images.publish_first(ImageFactory(Registry(config.registry), layers))
        with progress.step("application on the gateways, healthy"):
            pulls = gateways.ensure_projects(config, client, record)
            if pulls:
                progress.note(f"pulled in {min(pulls.values())} to {max(pulls.values())} s per gateway")
    progress.note(f"lab {config.name!r} is up; see: lab/lab status, lab/lab env")
    return report.environment(config, record)


def reset(config: LabConfig, names: list[str]) -> None:
    """Make gateways anew, as on their first day; all of them where none is named.

    Raises:
        LabError: a name is not a gateway of this lab.
    """
    client = engine.require()
    wanted = names or list(state.load_running(config)["gateways"])
    found = {name: gateways.gateway_container(config, client, name) for name in wanted}
    for name, container in found.items():
        containers.remove(client, container, [config.container(name)])
    up(config, None)


def _chosen(config: LabConfig, record: dict[str, Any], count: int | None) -> list[str]:
    number = count or len(record.get("gateways", [])) or DEFAULT_GATEWAYS
    if not 1 <= number <= MAX_GATEWAYS:
        raise LabError(f"--gateways {number}: choose 1 to {MAX_GATEWAYS}")
    return config.gateway_ids(number)


def down(config: LabConfig, *, everything: bool) -> list[str]:
    """Remove what ``up`` started; return what was done, in words.

    Args:
        config: which lab.
        everything: also the images and caches, which other labs on this machine share.
    """
    done: list[str] = []
    with state.exclusive(config.state_dir.parent / f".{config.name}.lock", f"lab {config.name!r}"):
        for pid_file in sorted((config.state_dir / "run").glob("*.pid")):
            if stop_process(pid_file.parent, pid_file.stem):
                done.append(f"stopped {pid_file.stem}")
        client = engine.connect()
        # Containers outlive an engine that was killed: start it once more to remove them.
        if client is None and (everything or state.load(config)):
            client = engine.ensure(config)
        if client is not None:
            removed = containers.remove_all(config, client)
            done.append(f"removed {removed} containers, volumes and networks")
            gateways.remove_cgroups(config)
            if everything:
                base_image.remove_images(client)
                done.append("removed the lab's images and caches")
            if engine.stop_if_ours(config, client):
                done.append("stopped the Docker engine that the lab had started")
        shutil.rmtree(config.state_dir, ignore_errors=True)
    return done
