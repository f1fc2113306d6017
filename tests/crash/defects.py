"""Deliberate defects of the engine, each a few lines: the sweep must find every one of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ota_py.contract.transactions import State
from ota_py.gateway.backup import backups
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.system import failpoints, files, openat
from ota_py.gateway.system.beneath import Tree
from ota_py.gateway.system.files import Attributes
from tests.crash.case import Fault

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Defect:
    """One defect.

    Attributes:
        name: what the engine does wrong.
        apply: breaks the engine so.
        scenario: where the sweep is to find it, by faults of one kind at the failpoints of these names.
        fault: None where the scenario itself is the fault.
    """

    name: str
    apply: Callable[[Patch], None]
    scenario: str
    fault: Fault | None
    failpoints: str = ""


def _skips_syncs(patch: Patch) -> None:
    patch.setattr(files, "sync", lambda path: None)
    patch.setattr(os, "fsync", lambda descriptor: None)


def _writes_in_place(patch: Patch) -> None:
    def copy(self: Tree, source: Path, path: str, attributes: Attributes) -> None:
        self.make_directory(Path(path).parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with self._parent(path) as (parent, name), failpoints.around("file.copy"):
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
            with os.fdopen(descriptor, "wb") as file:
                data = source.read_bytes()
                file.write(data[: len(data) // 2])
                file.flush()
                failpoints.reach("file.copy.half-way")
                file.write(data[len(data) // 2 :])
                file.flush()
                files.dress_open(descriptor, attributes)
                os.fsync(descriptor)

    patch.setattr(Tree, "copy", copy)


def _renames_before_it_syncs(patch: Patch) -> None:
    """Swaps two steps: the new name is there before the bytes are."""

    def replace(self: Tree, path: str, point: str, fill: Callable[[Any], Any], attributes: Attributes) -> None:
        self.make_directory(Path(path).parent)
        with self._parent(path) as (parent, name):
            descriptor, draft = openat.new_file(parent)
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
                file.flush()
                files.dress_open(descriptor, attributes)
                os.rename(draft or openat.named(descriptor, parent), name, src_dir_fd=parent, dst_dir_fd=parent)
                openat.sync_directory(parent)
                os.fsync(descriptor)

    patch.setattr(Tree, "_replace", replace)


def _forgets_the_intent(patch: Patch) -> None:
    def intend(self: Journal, transaction: Transaction, state: State, clock: Any = None) -> Transaction:
        return transaction

    patch.setattr(Journal, "intend", intend)


def _notes_parts_too_early(patch: Patch) -> None:
    """Records a part as done before it is."""

    @contextlib.contextmanager
    def part(self: Journal, transaction: Transaction, name: str) -> Iterator[bool]:
        done = any(step.name == name and step.done_at for step in self.steps(transaction.id))
        if not done:
            with self.write(f"part.{name}.end") as connection:
                self._steps.end(connection, transaction.id, name)
        yield not done

    patch.setattr(Journal, "part", part)


def _reports_apart(patch: Patch) -> None:
    """Queues the report in a SQLite transaction of its own, after the change."""
    real = Journal._report
    late: list[tuple[str, dict[str, Any]]] = []

    def report(self: Journal, connection: Any, transaction_id: str, details: dict[str, Any]) -> None:
        late.append((transaction_id, details))

    advance = Journal.advance

    def advance_then_report(self: Journal, *arguments: Any, **options: Any) -> Transaction:
        advanced = advance(self, *arguments, **options)
        transaction_id, details = late.pop()
        with self.write("report") as connection:
            real(self, connection, transaction_id, details)
        return advanced

    patch.setattr(Journal, "_report", report)
    patch.setattr(Journal, "advance", advance_then_report)


def _forgets_index_before(patch: Patch) -> None:
    """Reads the newest index of a backup only, whatever the journal has recorded."""

    def index_of(self: Any, backup_id: str) -> Any:
        rows = self._journal.read("SELECT sha256 FROM backups WHERE id = ?", (backup_id,))
        path = self.directory(backup_id) / backups.INDEX
        return backups.parse(backups._checked(path, rows[0]["sha256"]).read_bytes())

    patch.setattr(backups.Backups, "index_of", index_of)


def _forgets_the_hashes_of_backups(patch: Patch) -> None:
    patch.setattr(backups, "_checked", lambda path, sha256: path)


def _leaves_half_renamed_containers(patch: Patch) -> None:
    patch.setattr(Compose, "clean_up", lambda self, services: None)


def _does_not_count_attempts(patch: Patch) -> None:
    patch.setattr(Journal, "count_attempt", lambda self, transaction, clock: transaction)


# The sweep finds these; the last one is for a loop of crashes (F04).
DEFECTS = (
    Defect("skips-every-sync", _skips_syncs, "update", Fault.POWER_CUT),
    Defect("renames-before-it-syncs", _renames_before_it_syncs, "update", Fault.POWER_CUT, "rename"),
    Defect("writes-in-place", _writes_in_place, "unhealthy", Fault.KILLED_AFTER, "file.copy.half-way"),
    Defect("forgets-the-intent", _forgets_the_intent, "update", Fault.KILLED_AFTER, "compose."),
    Defect("notes-parts-before-they-are-done", _notes_parts_too_early, "unhealthy", Fault.ERROR, "process."),
    Defect("reports-apart", _reports_apart, "update", Fault.KILLED_AFTER, "journal.advance."),
    Defect("forgets-the-index-before", _forgets_index_before, "update", Fault.KILLED_BEFORE, "journal.backup"),
    Defect("goes-on-with-a-damaged-backup", _forgets_the_hashes_of_backups, "damaged-backup", None),
    Defect("restores-a-damaged-backup", _forgets_the_hashes_of_backups, "damaged-way-back", None),
    Defect(
        "leaves-half-renamed-containers",
        _leaves_half_renamed_containers,
        "update",
        Fault.KILLED_AFTER,
        "compose.up.",
    ),
)
UNCOUNTED = Defect("does-not-count", _does_not_count_attempts, "recovery-started", Fault.KILLED_AFTER)
