"""Records that another version of this software may have stored, or may have to read. Pure.

After an upgrade the new version reads what the old one wrote, and after a return the old one reads what
the new one wrote (docs/adr/0014-upgrade-of-the-gateway-software.md). So a field that is not known is left
out, and a missing field has its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def known(cls: type[T], data: Mapping[str, Any]) -> T:
    """An object of the dataclass `cls` from stored data, of which it takes the fields that it knows."""
    names = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in dict(data).items() if name in names})
