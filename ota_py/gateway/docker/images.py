"""Images at the Docker daemon: inspected, pulled by digest, tagged and removed.

With compose.py and image_pins.py the only modules that talk to Docker. The SDK is imported late: it takes 0.2 s.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import GeneratorType
from typing import Any

from ota_py.errors import DeadlineError, DockerError, NoSpaceError, NotFoundError, RegistryError
from ota_py.gateway.system import failpoints

API_TIMEOUT_SECONDS = 60

# Called at each event of a pull: bytes that are here, bytes that are known to come. What it raises ends the pull.
Progress = Callable[[int, int], None]


def connect(timeout_seconds: float = API_TIMEOUT_SECONDS) -> Any:
    """A client of Docker's API, `docker.APIClient`, which has no types; see `Client`.

    Raises:
        DockerError: the Docker daemon cannot be reached.
    """
    with translated("reaching the Docker engine"):
        import docker

        sdk: Any = docker
        return Client(sdk.APIClient(version="auto", timeout=timeout_seconds, **sdk.utils.kwargs_from_env()))


class Client:
    """Docker's API, each call of which is a failpoint (failpoints.py), to the end of the stream that it gives."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._api, name)

        def with_failpoints(*arguments: Any, **options: Any) -> Any:
            failpoints.reach(f"docker.{name}.before")
            answer = call(*arguments, **options)
            if isinstance(answer, GeneratorType):
                return _to_the_end(answer, name)
            failpoints.reach(f"docker.{name}.after")
            return answer

        return with_failpoints


def _to_the_end(stream: Iterator[Any], name: str) -> Iterator[Any]:
    yield from stream
    failpoints.reach(f"docker.{name}.after")


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the Docker SDK and its HTTP library raise into our errors.

    Raises:
        DockerError: naming what was being done.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import ReadTimeout, RequestException

    try:
        yield
    except APIError as error:
        raise _classified(doing, str(error.explanation or error)) from None
    except ReadTimeout:
        raise DeadlineError(f"the Docker engine did not answer while {doing}") from None
    except (DockerException, RequestException) as error:
        raise DockerError(
            f"the Docker engine failed while {doing}: {error}",
            hint="check that it runs: `docker info`",
        ) from None


class Images:
    """The images of one Docker daemon."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def id_of(self, reference: str) -> str | None:
        """The id (`sha256:...`) of the image that `reference` names here, or None."""
        from docker.errors import ImageNotFound

        with translated(f"looking for {reference}"):
            try:
                return str(self._api.inspect_image(reference)["Id"])
            except ImageNotFound:
                return None

    def digest_of(self, image_id: str, reference: str) -> str | None:
        """The registry digest of an image, that of `reference`'s repository first; None if never pulled."""
        from docker.errors import ImageNotFound

        with translated(f"inspecting {image_id}"):
            try:
                digests = self._api.inspect_image(image_id).get("RepoDigests") or []
            except ImageNotFound:
                return None
        repository = reference.partition("@")[0]
        digests.sort(key=lambda digest: not repository.startswith(digest.partition("@")[0]))
        return digests[0].partition("@")[2] if digests else None

    def pull(self, pinned: str, progress: Progress) -> None:
        """Pull `registry/name@sha256:...`; the Docker daemon checks every byte against the digest.

        Raises:
            RegistryError: the registry is unreachable, refused, or was cut off.
            NotFoundError: the registry does not have the image.
            NoSpaceError: the Docker daemon's disk is full.
        """
        repository, _, digest = pinned.partition("@")
        layers = _Layers()
        with translated(f"pulling {pinned}"):
            for event in self._api.pull(repository, tag=digest, stream=True, decode=True):
                if "error" in event:
                    raise _pull_error(pinned, event["error"])
                layers.note(event)
                progress(layers.here, layers.total)
        if self.id_of(pinned) is None:
            raise RegistryError(f"{pinned} was pulled, but the Docker engine does not have it")

    def untagged(self) -> dict[str, list[str]]:
        """The images without a tag: id to the references by digest that they are known by."""
        with translated("listing images"):
            listed: list[dict[str, Any]] = self._api.images()
        return {
            image["Id"]: list(image.get("RepoDigests") or [])
            for image in listed
            if not [tag for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]
        }

    def remove(self, reference: str) -> bool:
        """Remove an image that no container uses; returns whether it is gone."""
        from docker.errors import APIError, ImageNotFound

        with translated(f"removing the image {reference}"):
            try:
                self._api.remove_image(reference)
            except ImageNotFound:
                return True
            except APIError as error:
                if error.status_code == 409:  # a container uses it
                    return False
                raise
        return True

    def is_whole(self, reference: str) -> bool:
        """Whether every layer of an image is whole: the Docker daemon compares each file with what was pulled.

        Takes as long as reading the image does, and as much free space as it has.

        Raises:
            NoSpaceError: the Docker daemon's disk is too full for that.
        """
        from docker.errors import APIError

        with translated(f"reading {reference}"):
            try:
                for _ in self._api.get_image(reference):
                    pass
            except APIError as error:
                if "no space left" in str(error).lower():
                    raise
                return False
        return True

    def restore(self, reference: str, image_id: str) -> None:
        """Make a tag name the image again that it named at the backup.

        Raises:
            DockerError: the image is gone.
        """
        if self.id_of(reference) == image_id:
            return
        if self.id_of(image_id) is None:
            raise DockerError(f"the image {image_id} of {reference} is gone from the Docker engine")
        if "@" in reference:
            return  # no image can be given a digest by hand: its service is started by the image's id
        repository, _, tag = reference.rpartition(":")
        has_tag = bool(repository) and "/" not in tag
        with translated(f"tagging {image_id}"):
            self._api.tag(image_id, repository if has_tag else reference, tag if has_tag else "latest")

    def is_insecure(self, registry: str) -> bool:
        """Whether the Docker daemon reaches a registry (`host` or `host:port`) without TLS."""
        with translated("asking Docker for its registries"):
            known = self._api.info().get("RegistryConfig") or {}
        if registry in (known.get("IndexConfigs") or {}):
            return not known["IndexConfigs"][registry].get("Secure", True)
        host = registry.rpartition(":")[0] or registry
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
            networks = [ipaddress.ip_network(text) for text in known.get("InsecureRegistryCIDRs") or []]
            return any(address in network for network in networks)
        return False

    def root_dir(self) -> Path:
        """The directory in which the Docker daemon keeps its images."""
        with translated("asking Docker for its directory"):
            return Path(str(self._api.info()["DockerRootDir"]))


@dataclass
class _Layer:
    here: int = 0
    total: int = 0


class _Layers:
    """The bytes of a pull, added up from Docker's events."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}

    def note(self, event: dict[str, Any]) -> None:
        """Count an event of the pull."""
        detail = event.get("progressDetail") or {}
        layer = self._layers.setdefault(str(event.get("id", "")), _Layer())
        if event.get("status") == "Downloading" and detail.get("total"):
            layer.here, layer.total = int(detail["current"]), int(detail["total"])
        elif event.get("status") in ("Download complete", "Pull complete"):
            layer.here = layer.total

    @property
    def here(self) -> int:
        return sum(layer.here for layer in self._layers.values())

    @property
    def total(self) -> int:
        return sum(layer.total for layer in self._layers.values())


def _pull_error(pinned: str, text: str) -> DockerError | RegistryError | NotFoundError | NoSpaceError:
    lower = text.lower()
    if "no space left" in lower:
        return NoSpaceError(f"no space left while pulling {pinned}", hint="free some space and try again")
    if "not found" in lower or "manifest unknown" in lower:
        return NotFoundError(
            f"the registry does not have {pinned}: {text}",
            hint="the image was removed from the registry; push it again or create a new update",
        )
    return RegistryError(
        f"cannot pull {pinned}: {text}",
        hint="check the registry and the link; nothing was touched, try again",
    )


def _classified(doing: str, text: str) -> DockerError | RegistryError | NotFoundError | NoSpaceError:
    return (
        _pull_error(doing.removeprefix("pulling "), text)
        if doing.startswith("pulling ")
        else DockerError(f"the Docker engine refused {doing}: {text}")
    )
