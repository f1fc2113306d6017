"""The retention of images: those that a rollback or a service needs stay, others that an update brought go.

The image of a running service is safe; one that only a backup or an open transaction needs gets a pin
(image_pins.py). An image that an update brought and that is needed no more is removed, so that failed
versions do not fill the disk. All is derived anew from journal, backups and containers each time.
"""

from __future__ import annotations

from collections.abc import Collection

from ota_py.contract.transactions import State
from ota_py.errors import BackupError, NoSpaceError, OtaError
from ota_py.gateway.backup.backups import Backups
from ota_py.gateway.backup.index import Backup
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.docker import image_names
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.image_pins import ImagePins
from ota_py.gateway.docker.images import Images
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.transaction import Transaction
from ota_py.manifest import Image, parse_manifest


class ImageRetention:
    """The retention of the images of one gateway: pins those that are needed, removes the others."""

    def __init__(
        self, config: GatewayConfig, journal: Journal, compose: Compose, images: Images, backups: Backups
    ) -> None:
        self._config = config
        self._journal = journal
        self._compose = compose
        self._images = images
        self._backups = backups

    def pin(self, backup: Backup) -> None:
        """Pin the images that a rollback will need and that the update will start, before services are touched.

        Args:
            backup: what a rollback returns to; its images must be there.

        Raises:
            BackupError: an image of the backup is gone, so no rollback would be possible.
            DockerError: no container can be made from an image: its layers are not whole.
        """
        for service, image in backup.images.items():
            if self._images.id_of(image.image_id) is None:
                raise BackupError(
                    f"the image {image.reference} that {service} runs is gone from the Docker engine: "
                    "no rollback would be possible",
                    hint=f"pull it again, or replace the container: `docker compose up -d {service}`",
                )
        self._pin()

    def clean_up(self) -> None:
        """Pin the images that are needed, and no others; remove those that updates brought and that are not needed."""
        self._pin()
        needed = {*self._backups.images(), *(c.image_id for c in self._compose.containers())}
        removable = self._brought() - {image.digest for image in self._awaited()}
        for image_id, names in self._images.untagged().items():
            if image_id in needed:
                continue
            for reference in names:
                if reference.partition("@")[2] in removable:
                    self._images.remove(reference)

    def _pin(self) -> None:
        wanted = self._backups.images()
        replaced: Collection[str] = ()
        last = self._journal.last_transaction()
        if last is not None and last.is_open:
            change = TransactionPlan.of(last.plan).change
            replaced = {*change.changed, *change.removed}
            port = self._config.fetch.relay_port
            awaited = [image_names.present(image, self._images, port) for image in self._awaited()]
            wanted |= {found.image_id: found.name for found in awaited if found}
        running = {
            container.image_id
            for container in self._compose.containers()
            if container.state == "running" and container.service not in replaced
        }
        here = {
            image_id: reference
            for image_id, reference in wanted.items()
            if image_id not in running and self._images.id_of(image_id) is not None
        }
        ImagePins(self._compose.api, self._compose.name).pin(here)

    def _awaited(self) -> list[Image]:
        """The images of the update under way, or of one that failed and may be tried again."""
        last = self._journal.last_transaction()
        if last is None or not (last.is_open or self._may_be_retried(last)):
            return []
        return self._images_of(last.version)

    def _may_be_retried(self, last: Transaction) -> bool:
        if last.version in self._journal.known_bad():
            return False
        # Images that filled the disk have to go.
        filled = (last.error or {}).get("code") == NoSpaceError.code
        return last.state in (State.FAILED, State.ROLLED_BACK) and not filled

    def _brought(self) -> set[str]:
        """Digests of the images of every update that was ever stored here."""
        versions = [path.parent.name for path in self._config.updates_dir.glob("*/manifest.json")]
        return {image.digest for version in versions for image in self._images_of(version)}

    def _images_of(self, version: str) -> list[Image]:
        try:
            raw = (self._config.updates_dir / version / "manifest.json").read_bytes()
            return list(parse_manifest(raw).images.values())
        except (OSError, OtaError):
            return []
