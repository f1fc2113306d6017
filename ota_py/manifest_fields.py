"""Types of a manifest's fields: versions, paths, names, hashes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ota_py import names
from ota_py.errors import OtaError

# The gateway's own directory inside the project: an update never writes there.
RESERVED_DIRECTORY = "ota"


def _version(text: str) -> str:
    try:
        names.parse_version(text)
    except OtaError as error:
        raise ValueError(error.message) from None
    return text


def _relative_path(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or str(path) != text or ".." in path.parts or not path.parts:
        raise ValueError(f"{text!r} is not a plain relative path")
    if not re.fullmatch(r"[A-Za-z0-9._/ @+-]{1,255}", text):
        raise ValueError(f"{text!r} has a character that is not allowed in a path")
    return text


def _destination(text: str) -> str:
    if PurePosixPath(_relative_path(text)).parts[0] == RESERVED_DIRECTORY:
        raise ValueError(f"{text!r} lies in the updater's own directory")
    return text


VersionText = Annotated[str, AfterValidator(_version)]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
Destination = Annotated[str, AfterValidator(_destination)]
ServiceName = Annotated[str, Field(pattern=names.SERVICE)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(pattern=names.GROUP)]


class Model(BaseModel):
    """Base of all models of a manifest: unknown fields are errors, values are never coerced, objects never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
