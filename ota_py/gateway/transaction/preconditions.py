"""The preconditions of an update, checked before there is a transaction."""

from __future__ import annotations

from ota_py.contract.reports import ReportKind
from ota_py.errors import BrokenError
from ota_py.gateway.docker import image_names
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.selfupdate import upgrade
from ota_py.gateway.transaction import results
from ota_py.gateway.transaction.context import TransactionContext
from ota_py.gateway.transaction.results import Result
from ota_py.manifest import Manifest


def refuse_when_broken(journal: Journal, force: bool) -> None:
    """Refuse every update after a rollback that failed, unless it is forced.

    Raises:
        BrokenError: the last rollback failed, and no person has repaired the gateway yet.
    """
    if journal.is_broken() and not force:
        raise BrokenError(
            "the last rollback failed; nothing is updated until a person has looked",
            hint="look with `status`, repair the services, then update with --force",
        )


def runs_already(context: TransactionContext, manifest: Manifest, force: bool) -> bool:
    """Whether the manifest's version is installed, and its services run its images.

    Args:
        force: gateway software that did not come up is to be tried once more.
    """
    if context.journal.installed_version != manifest.version:
        return False
    if force and upgrade.is_wanted(manifest, context.config):
        return False
    running = {c.service: c for c in context.compose.containers()}
    port = context.config.fetch.relay_port
    for service, image in manifest.images.items():
        container = running.get(service)
        found = container and image_names.present(image, context.images, port, container.reference)
        if not container or not found or found.image_id != container.image_id:
            return False
    return True


def skip(journal: Journal, version: str, rollout: int | None) -> Result:
    """Report that a version runs already; returns the result of the update."""
    result = results.nothing_done(version, f"version {version} runs already")
    outbox = Outbox(journal)
    outbox.add(ReportKind.SKIPPED, version=version, reason=str(result["reason"]), rollout=rollout)
    result["reports"] = [r for r in outbox.pending() if r["kind"] == ReportKind.SKIPPED and r["rollout"] == rollout]
    return result
