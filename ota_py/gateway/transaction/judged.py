"""What starts is what was judged: the files that Compose reads, and what is mounted."""

from __future__ import annotations

from ota_py.errors import ConflictError, HealthError
from ota_py.gateway.docker import real_mounts
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.versioned_records import known
from ota_py.gateway.policy.baseline import Baseline
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction.context import TransactionContext


def check_files(context: TransactionContext, plan: TransactionPlan, *, applied: bool) -> None:
    """Compare what Compose reads with what was judged, also of files that the update does not bring.

    Args:
        applied: whether the update's own files are in place.

    Raises:
        ConflictError: one of them was changed meanwhile.
    """
    if not plan.baseline:
        return  # prepared by older software
    judged = known(Baseline, plan.baseline)
    changed = judged.differing(context.config.project_dir)
    if not applied:  # what the update brings, or stops reading, is not in place yet
        coming = {file.dest for file in plan.files}
        changed = [path for path in changed if path in judged.files and path not in coming]
    if changed:
        raise ConflictError(
            f"{changed[0]} was changed on this gateway since the update was prepared",
            hint="start the update again: it will be prepared for the file as it is now",
        )


def start(context: TransactionContext, plan: TransactionPlan, clock: Clock) -> None:
    """Start what the update changes, and see that what is mounted is what was judged.

    Raises:
        HealthError: something else is, or would be.
    """
    compose = context.compose
    if not plan.order:
        compose.up(plan.change.changed, clock.check("starting services"), recreate=True)
        real_mounts.check(compose.containers(), plan.mounts)
        return
    # Whoever starts first may change what a later one mounts: no one starts before that was looked at.
    compose.create(plan.change.changed, clock.check("creating containers"))
    started: list[str] = []
    for group in plan.order:
        project = compose.present
        sources = {name: project.mount_sources(name) for name in group if name in project.services}
        if problem := real_mounts.moved(plan.mounts, sources):
            raise HealthError(problem)
        started += group
        compose.up(started, clock.check("starting services"), recreate=False)
        real_mounts.check(compose.containers(), plan.mounts)
