"""Version numbers of the metadata files in a store."""

from __future__ import annotations

import re

from ota_py.trust import layout
from ota_py.trust.repository.store import Store
from ota_py.trust.verify import METADATA_VERSION_MAX


def versions_there(store: Store, role: str) -> set[int]:
    """The versions of a role that have a file in the store."""
    pattern = re.compile(re.escape(layout.METADATA) + rf"([1-9]\d{{0,9}})\.{role}\.json")
    return {int(found[1]) for key in store.list(layout.METADATA) if (found := pattern.fullmatch(key))}


def free_version(store: Store, role: str, above: int) -> int:
    """The lowest version above `above` that no file in the store has; from 1 on where that would be too high.

    So the file of a failed attempt is never overwritten. Not one above all that are there: a thief may
    have left a file with the highest number.
    """
    taken = versions_there(store, role)
    for start in (above + 1, 1):
        version = start
        while version in taken:
            version += 1
        if version <= METADATA_VERSION_MAX:
            return version
    raise AssertionError("a store cannot have so many files")
