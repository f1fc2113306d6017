"""Registration, release and withdrawal of updates."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from ota_py import names
from ota_py.contract.fleet import ActKind, UpdateState
from ota_py.errors import ConflictError, NotFoundError
from ota_py.server.events.services import record
from ota_py.server.updates.models import Update


def register_update(**values: Any) -> tuple[Update, bool]:
    """Register a published update as STAGED; return it and whether it is new.

    Of one that is registered already, who signed it is taken over: release keys change, and what they signed
    is signed anew. Nothing else of it ever changes.

    Raises:
        ConflictError: the version is registered with another manifest.
    """
    try:
        with transaction.atomic():
            update, created = Update.objects.get_or_create(version=values["version"], defaults=values)
            if created:
                record(ActKind.UPDATE, "registered", version=update.version)
    except IntegrityError:
        update, created = Update.objects.get(pk=values["version"]), False
    if update.manifest_sha256 != values["manifest_sha256"]:
        raise ConflictError(
            f"update {update.version} is registered with another manifest (sha256 {update.manifest_sha256})",
            hint="a version is never changed: create a new one",
        )
    if values["key_ids"] and update.key_ids != values["key_ids"]:
        _take_signers(update, values["key_ids"])
    return update, created


def _take_signers(update: Update, key_ids: list[str]) -> None:
    before, update.key_ids = update.key_ids, key_ids
    with transaction.atomic():
        update.save(update_fields=["key_ids"])
        record(
            ActKind.UPDATE,
            "signed by other keys now",
            version=update.version,
            details={"before": before, "now": key_ids},
        )


def get_update(version: str) -> Update:
    """The registered update of a version.

    Raises:
        NotFoundError: no update of this version is registered.
    """
    try:
        return Update.objects.get(pk=version)
    except Update.DoesNotExist:
        raise NotFoundError(
            f"update {version[:80]} is not registered", hint="create it with ota_manager.py create-update"
        ) from None


def newest_first() -> list[Update]:
    """All updates by semantic version, the newest first."""
    return sorted(Update.objects.all(), key=lambda update: names.parse_version(update.version), reverse=True)


def release(update: Update) -> None:
    """Release an update, STAGED to RELEASED, when its first rollout starts.

    Raises:
        ConflictError: it was withdrawn.
    """
    released = Update.objects.filter(pk=update.pk, state=UpdateState.STAGED).update(
        state=UpdateState.RELEASED, released_at=timezone.now()
    )
    if released:
        record(ActKind.UPDATE, "released", version=update.version)
    check_not_withdrawn(get_update(update.version))


def check_not_withdrawn(update: Update) -> None:
    """Check that an update is not withdrawn.

    Raises:
        ConflictError: it was withdrawn.
    """
    if update.state == UpdateState.WITHDRAWN:
        raise ConflictError(f"update {update.version} was withdrawn", hint="roll out another version")


def mark_withdrawn(version: str) -> bool:
    """Withdraw an update, any state to WITHDRAWN; return whether it was not so before."""
    get_update(version)
    changed = Update.objects.filter(pk=version).exclude(state=UpdateState.WITHDRAWN)
    if not changed.update(state=UpdateState.WITHDRAWN, withdrawn_at=timezone.now()):
        return False
    record(ActKind.UPDATE, "withdrawn", version=version)
    return True
