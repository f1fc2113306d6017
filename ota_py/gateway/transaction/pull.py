"""The pull of images: by Docker's own pull where that is good enough, else through the registry relay.

Within one pull Docker resumes a layer that is cut off a few times; what it has is lost when the pull
fails, and its bandwidth cannot be limited. What was measured, and why this rule: docs/adr/0015.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ota_py.errors import InterruptedByOperatorError, NoSpaceError, OtaError, RegistryError
from ota_py.gateway.docker import images
from ota_py.gateway.docker.image_names import relayed
from ota_py.gateway.fetch import sources
from ota_py.gateway.fetch.downloads import DownloadCache
from ota_py.gateway.fetch.registry import RegistryRepository, ca_file
from ota_py.gateway.fetch.registry_supply import RegistrySupply
from ota_py.gateway.fetch.relay import RegistryRelay, Supply
from ota_py.gateway.system import free_space
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.manifest import Image
from ota_py.registry_login import login
from ota_py.trust.fetch.transfer import HttpTransfer

PARALLEL_PULLS = 3
# Without an event from Docker for so long, a pull hangs.
PULL_STALL_SECONDS = 600.0
# So many answers in a row may bring nothing: some minutes of a dead link.
LINK_TRIES = 8
NAME_PAUSES_SECONDS = (1.0, 4.0, 15.0)


class ImagePull:
    """The pull of the images of one update.

    Args:
        clock: the limit of all fetching.
        fetched: keeps the layers that came through the registry relay, until Docker has all.
        bundle: the source of the images, without any network.
    """

    def __init__(
        self, context: TransactionContext, clock: Clock, fetched: DownloadCache, bundle: Supply | None = None
    ) -> None:
        self._context = context
        self._config = context.config
        self._clock = clock
        self._fetched = fetched
        self._bundle = bundle
        self._given_up = threading.Event()

    def pull(self, wanted: Mapping[str, Image]) -> None:
        """Pull images that Docker does not have.

        Args:
            wanted: images by the references by which services will name them.

        Raises:
            CarrierError: they cannot be fetched now; the bytes that arrived are kept.
            IntegrityError: other bytes than the digests'.
            NoSpaceError, NotFoundError, DeadlineError: as they say.
        """
        if self._bundle or self._config.fetch.bandwidth_kib:
            self._through_relay(wanted)
            return
        try:
            self._by_docker(wanted)
        except RegistryError as error:
            self._context.progress.note(f"{error.message}; going on piece by piece")
            missing = {name: wanted[name] for name in wanted if self._context.images.id_of(name) is None}
            self._through_relay(missing)

    def _through_relay(self, wanted: Mapping[str, Image]) -> None:
        self._given_up.clear()
        port = self._config.fetch.relay_port
        names = {name: relayed(image, port) for name, image in wanted.items()}
        new = {relay for relay in names.values() if self._context.images.id_of(relay) is None}
        supply = self._bundle or RegistrySupply(wanted.values(), self._registry, self._fetched)
        digests = {image.digest for image in wanted.values()}
        with RegistryRelay(port, supply, digests, self._config.architecture) as relay:
            try:
                self._by_docker(new, relay)
            except OtaError as error:
                raise relay.problem or error from None
        for name, relay_name in names.items():
            if name == relay_name:
                continue
            self._name(name)
            if relay_name in new:
                self._context.images.remove(relay_name)

    def _name(self, reference: str) -> None:
        """Give an image its own name by a pull: all its layers are here, so that little comes from the registry."""
        for pause in (*NAME_PAUSES_SECONDS, None):
            try:
                self._by_docker([reference])
                return
            except RegistryError as error:
                if pause is None:
                    raise
                self._context.progress.note(f"{error.message}; again in {pause:g} s")
            time.sleep(min(pause, self._clock.check("fetching images")))

    def _by_docker(self, references: Collection[str], relay: RegistryRelay | None = None) -> None:
        if not references:
            return
        self._given_up.clear()

        def pull(reference: str) -> None:
            def progress(here: int, total: int) -> None:
                self._check()
                if relay and relay.problem:
                    raise relay.problem
                self._context.progress.pulling(reference, here, total)

            # A client of its own: one connection serves one thread.
            docker = images.Images(images.connect(PULL_STALL_SECONDS))
            try:
                docker.pull(reference, progress)
            except NoSpaceError:
                raise _docker_is_full(reference, docker.root_dir()) from None

        with ThreadPoolExecutor(min(len(references), PARALLEL_PULLS)) as pool:
            try:
                for _ in pool.map(pull, references):
                    pass
            except BaseException:
                self._given_up.set()
                raise

    def _check(self) -> None:
        self._clock.check("fetching images")
        if self._given_up.is_set():
            raise InterruptedByOperatorError("the pull was given up")

    def _registry(self, repository: str) -> RegistryRepository:
        host = repository.partition("/")[0]
        link = HttpTransfer(sources.throttle(self._config), tries=LINK_TRIES, check=self._check, ca_file=ca_file(host))
        return RegistryRepository(repository, link, login, is_insecure=self._context.images.is_insecure(host))


def _docker_is_full(reference: str, root: Path) -> NoSpaceError:
    """The error that Docker's disk is full: what an image takes unpacked is not known before it is pulled."""
    free = free_space.free_bytes(root) if root.exists() else None
    has = f", which has {free // 1024**2:,} MiB free" if free is not None else ""
    return NoSpaceError(
        f"{reference} does not fit, unpacked, on the Docker engine's disk ({root}{has})",
        hint="free more space there, for example with `docker image prune`, and try again",
        free_bytes=free,
    )
