"""The steps of an update, one method each, in the order of the table in states.py.

A step is "make it so": done twice it does no harm. Up to and including PULLED nothing is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ota_py.contract.transactions import HoldKind, State
from ota_py.errors import CarrierError, ConflictError, HealthError, HeldError, IntegrityError
from ota_py.gateway.docker import image_names
from ota_py.gateway.docker.project import Project, compare
from ota_py.gateway.fetch import compatibility
from ota_py.gateway.fetch.downloads import TargetStream
from ota_py.gateway.fetch.relay import Supply
from ota_py.gateway.fetch.staging import Fetch
from ota_py.gateway.health import gate
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.policy import mounts
from ota_py.gateway.selfupdate import upgrade
from ota_py.gateway.system import ballast
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction import judged, pull_integrity, space
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.pull import ImagePull
from ota_py.hashes import sha256_of
from ota_py.manifest import Image, Manifest
from ota_py.manifest_health import AnyProbe
from ota_py.trust.verify import VerifiedManifest

# A dump made longer ago is made again before anything stops: a rollback loses the data that is written after it.
BACKUP_FRESH_SECONDS = 120.0


class UpdateSteps:
    """The steps of one update.

    Args:
        verified: the manifest, its signature checked.
        fetch: gives the checked bytes of its files.
        stream: gives the gateway software that it brings.
        force: try a version that was rolled back here before.
        bundle: has the images, which then need no registry.
    """

    def __init__(
        self,
        context: TransactionContext,
        verified: VerifiedManifest,
        fetch: Fetch,
        stream: TargetStream | None = None,
        *,
        force: bool,
        bundle: Supply | None = None,
    ) -> None:
        self._context = context
        self._config = context.config
        self._journal = context.journal
        self._compose = context.compose
        self._verified = verified
        self._fetch = fetch
        self._stream = stream
        self._force = force
        self._bundle = bundle
        self._staging = context.staging(self.manifest.version)
        self._new: Project | None = None

    @property
    def manifest(self) -> Manifest:
        """The update's manifest, as it was signed."""
        return self._verified.manifest

    @property
    def sha256(self) -> str:
        """The SHA-256 of the manifest's bytes, in hex."""
        return sha256_of(self._verified.raw)

    def action(self, state: State) -> Callable[[Transaction], None]:
        """The step that leads to `state`."""
        return {
            State.VERIFIED: self._verify,
            State.BACKED_UP: self._back_up,
            State.PULLED: self._pull,
            State.STOPPED: self._stop,
            State.APPLIED: self._apply,
            State.STARTED: self._start,
            State.HEALTHY: self._wait_for_health,
        }[state]

    def store(self) -> None:
        """Keep the verified manifest and its signature, and remove the downloads of other updates."""
        self._context.forget_fetched(but=self.manifest.version)
        self._staging.store_manifest(self._verified.raw, self._verified.signature)

    def is_prepared(self, transaction: Transaction) -> bool:
        """Whether the staged files of a transaction are unchanged, and so are the files that they replace."""
        try:
            plan = TransactionPlan.of(transaction.plan)
            self._staging.check(plan.files)
            judged.check_files(self._context, plan, applied=False)
        except (ConflictError, IntegrityError):
            return False
        return True

    def can_bring_images(self, transaction: Transaction) -> bool:
        """Whether the present source of the update can bring the images that a transaction was prepared for."""
        if self._bundle is None or transaction.state is State.RECEIVED:
            return True
        missing = self._missing(self._references(TransactionPlan.of(transaction.plan)))
        return all(name != image.pinned for name, image in missing.items())

    # -- nothing is touched ---------------------------------------------------------------------------

    def _verify(self, transaction: Transaction) -> None:
        compatibility.check(
            self.manifest,
            self._config,
            self._journal.installed_version,
            self._journal.known_bad(),
            force=self._force,
        )
        software = upgrade.choose(self.manifest, self._config, self._journal, self._context.progress, force=self._force)
        more = upgrade.needs(software, self._config)
        chosen = self._choose_references()
        missing = list(self._missing(chosen).values())
        is_kept = bool(self._config.fetch.bandwidth_kib) and self._bundle is None
        space.require_for_update(self._context, self.manifest, missing, more, layers_are_kept=is_kept)
        if software:
            upgrade.fetch(software, self.manifest, self._config, self._journal, transaction.id, self._stream)
        staged = self._staging.stage(self.manifest, self._fetch, chosen, self._context.baseline().given)
        self._new = staged.project
        judged.check_images(self._context, self._new, chosen)
        written = [self._config.project_dir / file.dest for file in staged.files]
        change = compare(self._compose.present, self._new, written)
        keep = self.manifest.data.on_rollback == "keep"
        self._context.hooks.check(self.manifest, self._compose.present.services, self._new.services)
        hooks = [hook.model_dump(mode="json") for hook in self.manifest.hooks]
        plan = TransactionPlan(
            self.sha256,
            files=staged.files,
            references=chosen,
            change=change,
            keep_databases=keep,
            hooks=hooks,
            baseline=staged.baseline.as_dict(),
            mounts=mounts.judged(self._new),
            order=self._new.start_order(change.changed) if mounts.can_change(self._new) else [],
        )
        self._journal.note(transaction, **plan.as_dict())

    def _choose_references(self) -> dict[str, str]:
        """The reference of each service's image: the one that Docker has, else that of its source."""
        present, port = self._compose.present, self._config.fetch.relay_port
        chosen = {}
        for service, image in self.manifest.images.items():
            used = present.image(service) if service in present.services else ""
            found = image_names.present(image, self._context.images, port, used)
            coming = image_names.relayed(image, port) if self._bundle else image.pinned
            chosen[service] = found.name if found else coming
        return chosen

    def _references(self, plan: TransactionPlan) -> dict[str, str]:
        """The reference of each service's image, as it was chosen when the update was verified."""
        return {service: plan.references.get(service, image.pinned) for service, image in self.manifest.images.items()}

    def _missing(self, chosen: Mapping[str, str]) -> dict[str, Image]:
        """The images that Docker does not have, by the references that were chosen for them."""
        wanted = {name: self.manifest.images[service] for service, name in chosen.items()}
        return {name: image for name, image in wanted.items() if self._context.images.id_of(name) is None}

    def _back_up(self, transaction: Transaction) -> None:
        try:
            transaction = self._context.hooks.run("before-backup", transaction)
            transaction = self._make_backup(transaction)
        except (Exception, KeyboardInterrupt):
            # What the before-backup hooks changed must not stay so.
            self._context.hooks.run_best_effort("after-backup", transaction)
            raise
        self._context.hooks.run("after-backup", transaction)

    def _make_backup(self, transaction: Transaction) -> Transaction:
        plan = TransactionPlan.of(transaction.plan)
        project = self._compose.present
        backup = self._context.backups.create(
            project, [file.dest for file in plan.files], transaction.clock, transaction.id
        )
        before = gate.before(self._compose, project, self._probes, plan.change.added)
        fresh = Clock.started(BACKUP_FRESH_SECONDS)
        plan = replace(plan, backup=backup.id, backup_clock=fresh, before=before)
        transaction = self._journal.note(transaction, **plan.as_dict())
        self._context.backups.remove_of(transaction.id, but=backup.id)
        return transaction

    def _pull(self, transaction: Transaction) -> None:
        chosen = self._references(TransactionPlan.of(transaction.plan))
        named = sorted(set(chosen.values()))
        pull_integrity.pull(self._context, named, lambda: self._pull_images(chosen, transaction.clock))
        self._staging.fetched.discard()
        fresh = TransactionPlan.of(transaction.plan).backup_clock
        if fresh is None or fresh.left() <= 0:
            self._context.progress.note("the backup is not fresh any more; making it again")
            self._back_up(transaction)
            transaction = self._journal.transaction(transaction.id)
        plan = TransactionPlan.of(transaction.plan)
        backup = self._context.backups.load(plan.backup)
        with pull_integrity.doubted(self._journal):
            self._context.image_retention.pin(backup)
        ballast.reserve(self._config.ballast_path, self._context.backups.bytes_of_files(backup))
        self._staging.check(plan.files)
        judged.check_files(self._context, plan, applied=False)
        space.require_for_archives(self._context)

    def recheck(self, transaction: Transaction) -> None:
        """Check a held update once more before it goes on; images that are gone are fetched again.

        Raises:
            HeldError: an image is gone and cannot be fetched now: that is no fault of the update.
        """
        try:
            self._pull(transaction)
        except CarrierError as error:
            raise HeldError(
                f"an image that was here is gone, and cannot be fetched now: {error.message}",
                hint="it tries again by itself; a bundle of the update brings the image, too",
                kind=HoldKind.FETCH,
            ) from None

    def _pull_images(self, chosen: Mapping[str, str], clock: Clock) -> None:
        missing = self._missing(chosen)
        if missing:
            ImagePull(self._context, clock, self._staging.fetched, self._bundle).pull(missing)

    def before_touch(self, transaction: Transaction) -> Transaction:
        """Run the last hooks that can still hold the update, before services are touched."""
        return self._context.hooks.run("before-stop", transaction)

    # -- services are touched -------------------------------------------------------------------------

    def _stop(self, transaction: Transaction) -> None:
        """Stop services whose data can only be copied then, and remove those that the update drops."""
        plan = TransactionPlan.of(transaction.plan)
        backups = self._context.backups
        writers = backups.writers()
        if writers:
            running = {c.service for c in self._compose.containers() if c.state == "running"}
            stopped = [name for name in writers if name in running]
            transaction = self._journal.note(transaction, stopped=stopped)
            self._compose.stop(stopped, transaction.clock.check("stopping services"))
        # Its hashes were checked a moment ago: not again while services are down.
        backups.add_stopped(backups.index_of(plan.backup), transaction.clock, transaction.id)
        if plan.change.removed:
            self._compose.remove(plan.change.removed)
        self._context.hooks.run("after-stop", transaction)

    def _apply(self, transaction: Transaction) -> None:
        plan = TransactionPlan.of(transaction.plan)
        self._staging.apply(plan.files)
        judged.check_files(self._context, plan, applied=True)
        self._compose.forget()

    def _start(self, transaction: Transaction) -> None:
        transaction = self._context.hooks.run("before-start", transaction)
        plan = TransactionPlan.of(transaction.plan)
        clock = transaction.clock
        judged.start(self._context, plan, clock)
        others = set(plan.stopped) - set(plan.change.changed) - set(plan.change.removed)
        self._compose.up(others, clock.check("starting services"), recreate=False)
        self._context.hooks.run("after-start", transaction)

    def _wait_for_health(self, transaction: Transaction) -> None:
        plan = TransactionPlan.of(transaction.plan)
        expected = gate.Expectation(
            project=self._new or self._compose.present,
            watched=plan.change.changed,
            images=self._image_ids(plan),
            settle_seconds=self._settle_seconds,
            probes=self._probes,
            probe_seconds=self._config.probe_seconds,
            before=plan.before,
        )
        gate.wait(self._compose, expected, transaction.clock)

    def _image_ids(self, plan: TransactionPlan) -> dict[str, str]:
        ids: dict[str, str] = {}
        for service, reference in self._references(plan).items():
            found = self._context.images.id_of(reference)
            if found is None:
                raise HealthError(f"the image {reference} of {service} is gone", failing_service=service)
            ids[service] = found
        return ids

    @property
    def _settle_seconds(self) -> float:
        override = self._config.settle_seconds
        return self.manifest.health.settle_seconds if override is None else override

    @property
    def _probes(self) -> list[AnyProbe]:
        return [*self._config.probes, *self.manifest.health.probes]
