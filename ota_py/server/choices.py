"""Words of the contract as the choices of a database field."""

from __future__ import annotations

from enum import StrEnum


def choices(*kinds: type[StrEnum]) -> list[tuple[str, str]]:
    """Value and label of each word, in order: migrations hold both, so that a new word needs one."""
    return [(word.value, word.name.replace("_", " ").title()) for kind in kinds for word in kind]
