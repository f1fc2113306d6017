"""Types of single fields, with the form that each must have. All values end in a database or an inventory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer

from ota_py import names
from ota_py.manifest_fields import VersionText
from ota_py.server.clock import rfc3339
from ota_py.server.fleet.models import ADDRESS
from ota_py.text.printable import REPLACEMENT, printable

BIGINT_MAX = 2**63 - 1


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is before the year 1 or after 9999 in UTC") from None


def _printable(text: str) -> str:
    # What was not seen has been replaced by the parser.
    if REPLACEMENT in text or printable(text) != text or text != text.strip():
        raise ValueError("has characters that are not seen")
    return text


GatewayId = Annotated[str, Field(pattern=names.GATEWAY_ID)]
Word = Annotated[str, Field(pattern=names.GROUP)]
# What people give to something: shown in lists and in the record.
Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
OptionalWord = Annotated[str, Field(pattern=rf"{names.GROUP}|^$")]
Address = Annotated[str, Field(pattern=rf"{ADDRESS}|^$")]
RolloutId = Annotated[int, Field(ge=1, le=BIGINT_MAX)]
TokenId = Annotated[int, Field(ge=1, le=BIGINT_MAX)]
BatchNumber = Annotated[int, Field(ge=0, le=1_000_000)]
Reason = Annotated[str, Field(max_length=2000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Version = VersionText
# A gateway that was never updated may report a version of its own making; PostgreSQL takes no NUL in a query.
ReportedVersion = Annotated[str, Field(max_length=names.VERSION_MAX_CHARS, pattern=r"^[^\x00]*$")]
Groups = Annotated[list[Word], Field(max_length=64), AfterValidator(lambda groups: sorted(set(groups)))]
# Written as RFC 3339 with Z, in whole seconds.
Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
MomentIn = Annotated[AwareDatetime, AfterValidator(_in_utc)]
