"""The paths `/updates`: updates registered, listed and withdrawn."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from ota_py.server.api.auth import OPERATOR, READER
from ota_py.server.api.fields import Version
from ota_py.server.api.schemas import UpdateIn, UpdateList, UpdateOut
from ota_py.server.rollouts.lifecycle import withdraw
from ota_py.server.updates import services

router = Router(tags=["updates"])


@router.get("", auth=READER, response=UpdateList)
def list_updates(request: HttpRequest) -> Any:
    """All updates, the newest version first."""
    return {"updates": services.newest_first()}


@router.post("", auth=OPERATOR, response={200: UpdateOut, 201: UpdateOut})
def register_update(request: HttpRequest, payload: UpdateIn) -> Any:
    """Register a published update as STAGED. 200 if it is there already; its signers are then those given."""
    update, created = services.register_update(
        **{**payload.dict(), **payload.model_dump(mode="json", include={"images", "sbom"})}
    )
    return Status(201 if created else 200, update)


@router.get("/{version}", auth=READER, response=UpdateOut)
def get_update(request: HttpRequest, version: Version) -> Any:
    """One update."""
    return services.get_update(version)


@router.post("/{version}/withdraw", auth=OPERATOR, response=UpdateOut)
def withdraw_update(request: HttpRequest, version: Version) -> Any:
    """Take the update out of use for good, and abort its active rollouts."""
    withdraw(version)
    return services.get_update(version)
