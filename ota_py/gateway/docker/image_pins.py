"""Image pins: containers that only wait, so that no prune takes the images that they were made from.

`docker system prune -a` removes every container that does not run, then every image that no container
uses. A tag of ours is no help against that, and it does harm: an image that is known in two
repositories loses their references one by one, although a container runs it (`isSingleReference` in
moby's image_delete.go), and with the digest's reference goes what the Compose file calls it. So an image
that is needed, and that no service runs, gets a container that runs (ADR 0010).

With compose.py and images.py the only modules that talk to Docker.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from ota_py.errors import DockerError
from ota_py.gateway.docker import pin_program
from ota_py.gateway.docker.images import translated

LABEL = "ota.keep"
_PROGRAM = "ota-pause"
_NOBODY = "65534:65534"


class ImagePins:
    """The image pins of one Compose project.

    Args:
        api: Docker's API.
        project: name of the Compose project; the value of the label on its pins.
    """

    def __init__(self, api: Any, project: str) -> None:
        self._api = api
        self._project = project

    def pin(self, wanted: Mapping[str, str]) -> None:
        """Pin exactly the wanted images: one pin each, and none for others.

        Args:
            wanted: image id to the reference under which it is needed.

        Raises:
            DockerError: an image is gone, or no container can be made from it: its layers are not whole.
        """
        pinned: set[str] = set()
        for container in self._present():
            image = container["ImageID"]
            if image in wanted and image not in pinned and container["State"] == "running":
                pinned.add(image)
            else:
                self._remove(container["Id"])
        for image, reference in wanted.items():
            if image not in pinned:
                self._create(image, reference)

    def _present(self) -> list[dict[str, Any]]:
        with translated("listing image pins"):
            found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": f"{LABEL}={self._project}"})
        return found

    def _create(self, image: str, reference: str) -> None:
        with translated(f"pinning the image {reference}"):
            program = pin_program.program(self._api.version()["Arch"])
            if program is None:
                return  # an architecture that updates do not support either
            settings = self._api.inspect_image(image)["Config"] or {}
            created = self._api.create_container(
                self._named(image, reference),
                command=[],
                entrypoint=[f"/{_PROGRAM}"],
                name=f"{LABEL.replace('.', '-')}-{self._project}-{image.removeprefix('sha256:')[:12]}",
                user=_NOBODY,
                working_dir="/",
                labels=self._labels(settings.get("Labels") or {}),
                stop_signal="SIGKILL",
                healthcheck={"Test": ["NONE"]},
                host_config=_host_config(settings.get("Volumes") or {}),
            )
            if not self._api.put_archive(created["Id"], "/", _archive(program)):
                raise DockerError(f"the pin of the image {reference} could not be filled")
            self._api.start(created["Id"])

    def _named(self, image: str, reference: str) -> str:
        """The reference if it still names the image, else its id: versions of Docker differ in which a prune spares."""
        from docker.errors import ImageNotFound

        try:
            return reference if self._api.inspect_image(reference)["Id"] == image else image
        except ImageNotFound:
            return image

    def _labels(self, of_image: Mapping[str, str]) -> dict[str, str]:
        """The labels of a pin; those of an image that Compose built must not make it a container of the project."""
        hidden = {name: "" for name in of_image if name.startswith("com.docker.compose.")}
        return {**hidden, LABEL: self._project}

    def _remove(self, container_id: str) -> None:
        from docker.errors import NotFound

        with translated("removing the pin of an image"):
            try:
                self._api.remove_container(container_id, force=True, v=True)
            except NotFound:
                return


def _host_config(volumes: Mapping[str, Any]) -> dict[str, Any]:
    """The host settings of a pin: cut off from everything, and up again after every restart of the Docker daemon."""
    return {
        "NetworkMode": "none",
        "RestartPolicy": {"Name": "always"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "LogConfig": {"Type": "none", "Config": {}},
        # Over the volumes that the image declares: else Docker would make some, with the image's data.
        "Mounts": [{"Type": "tmpfs", "Target": path} for path in volumes],
    }


def _archive(program: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.TarFile(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(_PROGRAM)
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    return stream.getvalue()
