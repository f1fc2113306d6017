"""The context of a transaction: the objects that the engine, the rollback and recovery work with."""

from __future__ import annotations

import functools

from ota_py.contract.reports import EndDetails
from ota_py.errors import OtaError
from ota_py.gateway.backup.backups import Backups
from ota_py.gateway.backup.image_retention import ImageRetention
from ota_py.gateway.backup.retention import Retention
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.images import Images
from ota_py.gateway.fetch.staging import Staging
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.policy import baseline
from ota_py.gateway.policy.baseline import Baseline
from ota_py.gateway.policy.rules import GatewayDirectories
from ota_py.gateway.selfupdate import installation
from ota_py.gateway.system.progress import Progress
from ota_py.gateway.transaction import results
from ota_py.gateway.transaction.hooks import Hooks


class TransactionContext:
    """The context: one gateway's configuration, journal, project, images, backups; Docker is reached on first use."""

    def __init__(self, config: GatewayConfig, journal: Journal, progress: Progress) -> None:
        self.config = config
        self.journal = journal
        self.progress = progress
        self.compose = Compose(config.project_dir)

    @functools.cached_property
    def images(self) -> Images:
        """The images at the Docker daemon."""
        return Images(self.compose.api)

    @functools.cached_property
    def backups(self) -> Backups:
        """The gateway's backups."""
        return Backups(self.config, self.journal, self.compose, self.images)

    @functools.cached_property
    def retention(self) -> Retention:
        """The retention of the gateway's backups."""
        return Retention(self.config, self.journal, self.backups)

    @functools.cached_property
    def hooks(self) -> Hooks:
        """The gateway's hooks."""
        return Hooks(self.config, self.journal, self.compose, self.progress)

    @functools.cached_property
    def image_retention(self) -> ImageRetention:
        """The retention of the gateway's images."""
        return ImageRetention(self.config, self.journal, self.compose, self.images, self.backups)

    def baseline(self) -> Baseline:
        """What was given to the services; where nothing is recorded yet, what the present files give, from now on."""
        return baseline.ensure(self.journal, self.compose, GatewayDirectories.of(self.config))

    def staging(self, version: str) -> Staging:
        """The private directory of an update."""
        return Staging(self.config, self.compose, self.config.updates_dir / version)

    def forget_fetched(self, but: str) -> None:
        """Remove the downloads of other updates than `but`, which nothing goes on from any more."""
        for directory in self.config.updates_dir.glob("*"):
            staging = self.staging(directory.name)
            if directory.name != but and staging.fetched.directory.exists():
                staging.fetched.discard()

    def digests(self) -> dict[str, str | None]:
        """The registry digest that each service's container runs; None for an image that was never pulled.

        Never raises: a report without digests is better than none.
        """
        try:
            return {
                container.service: self.images.digest_of(container.image_id, container.reference)
                for container in self.compose.containers()
                if container.service
            }
        except OtaError:
            return {}

    def final_details(
        self, transaction: Transaction, downtime_seconds: float | None, *, with_digests: bool = True
    ) -> EndDetails:
        """The details of a transaction's last report.

        Args:
            with_digests: whether to ask Docker for digests; not where that may have crashed each time.
        """
        failure: EndDetails | None = transaction.plan.get("failure")
        details: EndDetails = {
            "digests": self.digests() if with_digests else {},
            "agent_version": installation.own_version(),
            "seconds": results.seconds_since(transaction.created_at),
            "downtime_seconds": downtime_seconds,
            **(failure or EndDetails()),
        }
        if hooks := transaction.plan.get("hook_results"):
            details["hooks"] = hooks
        return details
