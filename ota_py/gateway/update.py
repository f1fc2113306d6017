"""The steps of an update, one method each, in the order of the table in states.py.

A step is "make it so": taken twice it does no harm. Up to and including PULLED nothing is touched.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ota_py.errors import ConflictError, HealthError, IntegrityError, InterruptedByOperatorError
from ota_py.gateway import compat, health, intact, space
from ota_py.gateway.images import Images, connect
from ota_py.gateway.parts import Parts
from ota_py.gateway.plan import Plan
from ota_py.gateway.project import Project, compare
from ota_py.gateway.staging import Fetch
from ota_py.gateway.states import State
from ota_py.gateway.timing import Clock
from ota_py.gateway.transaction import Transaction
from ota_py.manifest import AnyProbe, Image, Manifest
from ota_py.trust.verify import VerifiedManifest

# A dump made longer ago is made again before anything stops: what is written after it is lost by a rollback.
BACKUP_FRESH_SECONDS = 120.0
PARALLEL_PULLS = 3
# Without an event from the engine for so long, a pull hangs.
PULL_STALL_SECONDS = 600.0


class Update:
    """One update under way.

    Args:
        verified: the manifest, its signature checked.
        fetch: gives the checked bytes of its files.
        force: try a version that was rolled back here before.
    """

    def __init__(self, parts: Parts, verified: VerifiedManifest, fetch: Fetch, *, force: bool) -> None:
        self._parts = parts
        self._config = parts.config
        self._journal = parts.journal
        self._compose = parts.compose
        self._verified = verified
        self._fetch = fetch
        self._force = force
        self._staging = parts.staging(self.manifest.version)
        self._new: Project | None = None

    @property
    def manifest(self) -> Manifest:
        """What the release key signed."""
        return self._verified.manifest

    @property
    def sha256(self) -> str:
        """Identifies the manifest."""
        return hashlib.sha256(self._verified.raw).hexdigest()

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
        """Keep the manifest and its signature: what was verified is what is used."""
        self._parts.forget_fetched(but=self.manifest.version)
        self._staging.store_manifest(self._verified.raw, self._verified.signature)

    def is_prepared(self, transaction: Transaction) -> bool:
        """Whether what was staged for it is still there, and still for the files that are here."""
        try:
            self._staging.check(Plan.of(transaction.plan).files)
        except (ConflictError, IntegrityError):
            return False
        return True

    # -- nothing is touched ---------------------------------------------------------------------------

    def _verify(self, transaction: Transaction) -> None:
        compat.check(
            self.manifest,
            self._config,
            self._journal.installed_version,
            self._journal.known_bad(),
            force=self._force,
        )
        space.require_for_update(self._parts, self.manifest, self._missing_images())
        new, self._new = self._staging.stage(self.manifest, self._fetch)
        written = [self._config.project_dir / file.dest for file in new]
        change = compare(self._compose.present, self._new, written)
        keep = self.manifest.data.on_rollback == "keep"
        self._parts.hooks.check(self.manifest, self._compose.present.services, self._new.services)
        hooks = [hook.model_dump(mode="json") for hook in self.manifest.hooks]
        plan = Plan(self.sha256, files=new, change=change, keep_databases=keep, hooks=hooks)
        self._journal.note(transaction, **plan.as_dict())

    def _missing_images(self) -> list[Image]:
        unique = {image.pinned: image for image in self.manifest.images.values()}
        return [image for pinned, image in unique.items() if self._parts.images.id_of(pinned) is None]

    def _back_up(self, transaction: Transaction) -> None:
        try:
            transaction = self._parts.hooks.run("before-backup", transaction)
            transaction = self._make_backup(transaction)
        except (Exception, KeyboardInterrupt):
            # What was prepared for the backup must not stay as it is.
            self._parts.hooks.tell("after-backup", transaction)
            raise
        self._parts.hooks.run("after-backup", transaction)

    def _make_backup(self, transaction: Transaction) -> Transaction:
        plan = Plan.of(transaction.plan)
        project = self._compose.present
        backup = self._parts.backups.create(
            project, [file.dest for file in plan.files], transaction.clock, transaction.id
        )
        before = health.before(self._compose, project, self._probes, plan.change.added)
        fresh = Clock.started(BACKUP_FRESH_SECONDS)
        plan = replace(plan, backup=backup.id, backup_clock=fresh, before=before)
        transaction = self._journal.note(transaction, **plan.as_dict())
        self._parts.backups.remove_of(transaction.id, but=backup.id)
        return transaction

    def _pull(self, transaction: Transaction) -> None:
        images = {image.pinned for image in self.manifest.images.values()}
        intact.pull(self._parts, sorted(images), lambda: self._pull_images(transaction.clock))
        fresh = Plan.of(transaction.plan).backup_clock
        if fresh is None or fresh.left() <= 0:
            self._parts.progress.note("the backup is not fresh any more; making it again")
            self._back_up(transaction)
            transaction = self._journal.transaction(transaction.id)
        plan = Plan.of(transaction.plan)
        self._parts.keeping.hold(self._parts.backups.load(plan.backup))
        self._staging.check(plan.files)
        space.require_for_archives(self._parts)

    def _pull_images(self, clock: Clock) -> None:
        missing = [image.pinned for image in self._missing_images()]
        if not missing:
            return
        given_up = threading.Event()

        def pull(pinned: str) -> None:
            def progress(here: int, total: int) -> None:
                clock.check(f"pulling {pinned}")
                if given_up.is_set():
                    raise InterruptedByOperatorError(f"the pull of {pinned} was given up")
                self._parts.progress.pulling(pinned, here, total)

            # A client of its own: one connection serves one thread.
            Images(connect(PULL_STALL_SECONDS)).pull(pinned, progress)

        with ThreadPoolExecutor(min(len(missing), PARALLEL_PULLS)) as pool:
            try:
                for _ in pool.map(pull, missing):
                    pass
            except BaseException:
                given_up.set()
                raise

    def before_touch(self, transaction: Transaction) -> Transaction:
        """The last moment at which a hook can still say "not now"."""
        return self._parts.hooks.run("before-stop", transaction)

    # -- services are touched -------------------------------------------------------------------------

    def _stop(self, transaction: Transaction) -> None:
        """Stop what cannot be copied or kept while it runs; all else stops only at the swap itself."""
        plan = Plan.of(transaction.plan)
        backups = self._parts.backups
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
        self._parts.hooks.run("after-stop", transaction)

    def _apply(self, transaction: Transaction) -> None:
        self._staging.apply(Plan.of(transaction.plan).files)
        self._compose.forget()

    def _start(self, transaction: Transaction) -> None:
        transaction = self._parts.hooks.run("before-start", transaction)
        plan = Plan.of(transaction.plan)
        clock = transaction.clock
        self._compose.up(plan.change.changed, clock.check("starting services"), recreate=True)
        others = set(plan.stopped) - set(plan.change.changed) - set(plan.change.removed)
        self._compose.up(others, clock.check("starting services"), recreate=False)
        self._parts.hooks.run("after-start", transaction)

    def _wait_for_health(self, transaction: Transaction) -> None:
        plan = Plan.of(transaction.plan)
        expected = health.Expectation(
            project=self._new or self._compose.present,
            watched=plan.change.changed,
            images=self._image_ids(),
            settle_seconds=self._settle_seconds,
            probes=self._probes,
            probe_seconds=self._config.probe_seconds,
            before=plan.before,
        )
        health.wait(self._compose, expected, transaction.clock)

    def _image_ids(self) -> dict[str, str]:
        ids: dict[str, str] = {}
        for service, image in self.manifest.images.items():
            found = self._parts.images.id_of(image.pinned)
            if found is None:
                raise HealthError(f"the image {image.pinned} of {service} is gone", failing_service=service)
            ids[service] = found
        return ids

    @property
    def _settle_seconds(self) -> float:
        override = self._config.settle_seconds
        return self.manifest.health.settle_seconds if override is None else override

    @property
    def _probes(self) -> list[AnyProbe]:
        return [*self._config.probes, *self.manifest.health.probes]
