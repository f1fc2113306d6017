"""Schemas of the API's requests and answers: gateways, updates, reports, events."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, field_validator

from ota_py import names
from ota_py.contract.fleet import Delivery, FreshnessState, GatewayState, TokenRole, TokenState, UpdateState
from ota_py.contract.reports import ReportKind
from ota_py.manifest import (
    DESCRIPTION_MAX_CHARS,
    HOOKS_MAX,
    IMAGES_MAX,
    SBOMS_MAX,
    HookPoint,
    Image,
    OnRollback,
    Sbom,
)
from ota_py.manifest_fields import ServiceName
from ota_py.server.api.fields import (
    BIGINT_MAX,
    Address,
    GatewayId,
    Groups,
    Moment,
    MomentIn,
    Name,
    OptionalWord,
    ReportedVersion,
    Sha256,
    TokenId,
    Version,
)

REPORTS_MAX = 1000


class Request(Schema):
    """Base of request bodies: a field that nobody knows is an error, so that a typing mistake shows."""

    model_config = ConfigDict(extra="forbid")


class Problem(Schema):
    """The error of a failed request: its code, message and hint."""

    code: str
    message: str
    hint: str


class Failure(Schema):
    """The body of every answer that is not a success."""

    error: Problem


class HealthOut(Schema):
    """The health of the control plane, whose database answers."""

    status: str
    version: str


class RoleFreshness(Schema):
    """Freshness of one role's signatures, `fresh`, `expiring` or `expired`, and who must act."""

    role: str
    expires: Moment
    state: FreshnessState
    to_do: str


class FreshnessOut(Schema):
    """Freshness of the repository; a problem states why it is not known, or could not be renewed."""

    checked_at: Moment | None
    problem: str
    roles: list[RoleFreshness]


class AssignmentOut(Schema):
    """The update that a gateway should look for. It carries no authority."""

    version: str
    rollout: int
    critical: bool


class GatewayIn(Request):
    """A new gateway."""

    id: GatewayId
    delivery: Delivery = Delivery.PULL
    address: Address = ""
    groups: Groups = []
    hardware: OptionalWord = ""


class GatewayPatch(Request):
    """Fields of a gateway to change."""

    delivery: Delivery | None = None
    address: Address | None = None
    groups: Groups | None = None
    hardware: OptionalWord | None = None


class GatewayOut(Schema):
    """A gateway."""

    id: str
    delivery: Delivery
    address: str
    groups: list[str]
    hardware: str
    architecture: str
    version: str
    digests: dict[str, str]
    differing: list[str]
    freshness_problem: str
    files_problem: str
    agent_version: str
    disk_free_bytes: int | None
    online: bool
    last_seen: Moment | None
    state: GatewayState
    created_at: Moment


class GatewayList(Schema):
    """Gateways by id."""

    gateways: list[GatewayOut]


class TokenOut(Schema):
    """A new token; it is not kept and cannot be shown again."""

    token: str


class GatewayCreated(TokenOut):
    """A new gateway and its token."""

    gateway: GatewayOut


class ApiTokenIn(Request):
    """A token to be made."""

    name: Name
    role: TokenRole
    gateway: GatewayId | None = None
    expires_at: MomentIn | None = None


class ApiTokenRevocation(Request):
    """Which token is to be revoked."""

    id: TokenId


class ApiTokenOut(Schema):
    """A token, without its secret."""

    id: int
    name: str
    role: TokenRole
    gateway: str | None
    state: TokenState
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    last_used_at: Moment | None
    revoked_at: Moment | None
    revoked_by: str


class ApiTokenList(Schema):
    """Tokens, the newest first."""

    tokens: list[ApiTokenOut]


class ApiTokenCreated(ApiTokenOut):
    """A token with its secret, which is not kept and cannot be shown again."""

    token: str


class UpdateIn(Request):
    """A published update, to be registered."""

    version: Version
    description: Annotated[str, Field(max_length=DESCRIPTION_MAX_CHARS)] = ""
    critical: bool = False
    manifest_sha256: Sha256
    key_ids: Annotated[list[Sha256], Field(max_length=64)] = []
    images: Annotated[dict[ServiceName, Image], Field(max_length=IMAGES_MAX)] = {}
    agent_version: Annotated[str, Field(max_length=names.VERSION_MAX_CHARS)] = ""
    migrates: bool = False
    on_rollback: OnRollback = "restore"
    hooks: Annotated[list[HookPoint], Field(max_length=HOOKS_MAX)] = []
    sbom: Annotated[list[Sbom], Field(max_length=SBOMS_MAX)] = []
    created: MomentIn


class UpdateOut(Schema):
    """A registered update."""

    version: str
    description: str
    critical: bool
    state: UpdateState
    manifest_sha256: str
    key_ids: list[str]
    images: dict[str, Any]
    agent_version: str
    migrates: bool
    on_rollback: str
    hooks: list[str]
    sbom: list[dict[str, Any]]
    created: Moment
    registered_at: Moment
    released_at: Moment | None
    withdrawn_at: Moment | None


class UpdateList(Schema):
    """Updates, the newest version first."""

    updates: list[UpdateOut]


class ReportIn(Schema):
    """One report of a gateway's outbox. Fields of a newer engine are kept out, and are no error."""

    id: UUID
    seq: Annotated[int, Field(ge=0, le=BIGINT_MAX)]
    at: MomentIn
    kind: ReportKind
    gateway: GatewayId
    transaction: UUID | None = None
    rollout: Annotated[int, Field(ge=1, le=BIGINT_MAX)] | None = None
    version: ReportedVersion = ""
    from_version: ReportedVersion = ""
    state: Annotated[str, Field(max_length=16)] = ""
    reason: Annotated[str, Field(max_length=20_000)] = ""
    details: dict[str, Any] = {}

    @field_validator("version", "from_version", "state", "reason", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value


class ReportsIn(Request):
    """Reports of a gateway, in any order."""

    reports: Annotated[list[ReportIn], Field(max_length=REPORTS_MAX)]


class ReportsOut(Schema):
    """The ids of reports that were new, and of those that were known. Both may leave the outbox."""

    accepted: list[str]
    duplicates: list[str]


class EventOut(Schema):
    """An event: a gateway's report, or an act of the control plane."""

    id: int
    at: Moment
    recorded_at: Moment
    kind: str
    gateway: str | None
    rollout: int | None
    transaction: str | None
    version: str
    from_version: str
    state: str
    reason: str
    by: str
    details: dict[str, Any]


class EventList(Schema):
    """Events, the newest first."""

    events: list[EventOut]
