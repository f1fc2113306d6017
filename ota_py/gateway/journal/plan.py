"""The plan of a transaction: what its later steps, rollback and recovery need; stored in the journal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from ota_py.gateway.docker.project import ServiceChanges
from ota_py.gateway.journal.versioned_records import known
from ota_py.gateway.system.clock import Clock


@dataclass(frozen=True)
class NewFile:
    """A file that the update writes; its bytes wait in the update's private directory.

    Attributes:
        dest: path relative to the project directory.
        sha256: of the bytes to be written (rendered, pinned).
        mode: permission bits.
        replaces: sha256 of the file in its place now, or an empty string where there is none.
    """

    dest: str
    sha256: str
    mode: int
    replaces: str


@dataclass(frozen=True)
class Before:
    """The health before an update: only what was well then can count against it.

    Attributes:
        running: services whose containers ran.
        well: services that the health gate would have passed.
        probes: positions of the probes that passed.
        required: positions of the probes that count whatever was before, until the update is rolled back.
    """

    running: list[str] = field(default_factory=list)
    well: list[str] = field(default_factory=list)
    probes: list[int] = field(default_factory=list)
    required: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class TransactionPlan:
    """The plan of one transaction, as the journal stores it.

    Attributes:
        manifest_sha256: the manifest that the plan was made from; another one needs another plan.
        files: the files that APPLIED writes: only those that differ from the present ones.
        references: the name of each service's image, see ota_py.gateway.docker.image_names.
        change: the changes that STARTED makes to services.
        stopped: services that STOP stopped although the update does not change them.
        backup: id of the backup, once there is one; `backup_clock`: for how long it counts as fresh.
        before: see `Before`.
        keep_databases: a rollback leaves the databases as they are, as the update or the operator decided.
        hooks: the update's hooks, as in the manifest; `hook_results`: how hooks went, for the last report.
        obsolete: files that an operator's restore removes besides those that the backup names.
        down_clock: of a rollback: time since services were first touched, stored in that boot.
        failure: of a failed update: `failing_service` and `log_tail`, for the last report.
        mounts: by service, where each mounted path led to when it was judged, by its place in the container.
        baseline: what the project gives to services once it is in force, see policy/baseline.py.
        order: groups in which services start one after the other, where a service can change what another mounts.
        held: of an update that waits: `kind`, `reason`, `since` and `critical`, see policy/hold.py.
    """

    manifest_sha256: str = ""
    files: list[NewFile] = field(default_factory=list)
    references: dict[str, str] = field(default_factory=dict)
    change: ServiceChanges = field(default_factory=ServiceChanges)
    stopped: list[str] = field(default_factory=list)
    backup: str = ""
    backup_clock: Clock | None = None
    before: Before = field(default_factory=Before)
    keep_databases: bool = False
    hooks: list[dict[str, Any]] = field(default_factory=list)
    hook_results: list[dict[str, Any]] = field(default_factory=list)
    obsolete: list[str] = field(default_factory=list)
    down_clock: Clock | None = None
    failure: dict[str, Any] = field(default_factory=dict)
    mounts: dict[str, dict[str, str]] = field(default_factory=dict)
    order: list[list[str]] = field(default_factory=list)
    baseline: dict[str, Any] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON data."""
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """The plan of JSON data that this version or another stored; missing fields have their defaults."""
        parts = dict(data)
        parts["files"] = [known(NewFile, entry) for entry in data.get("files", [])]
        parts["change"] = known(ServiceChanges, data.get("change", {}))
        parts["before"] = known(Before, data.get("before", {}))
        for name in ("backup_clock", "down_clock"):
            parts[name] = known(Clock, data[name]) if data.get(name) else None
        return known(cls, parts)
