"""A damaged cache of metadata: nothing older gets through, and it heals from the repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ota_py.errors import FreshnessError

pytestmark = pytest.mark.case("F16")

ROLES = ("root", "timestamp", "snapshot", "targets")


def _empty(directory: Path, _: str) -> None:
    shutil.rmtree(directory)


def _remove(directory: Path, role: str) -> None:
    (directory / f"{role}.json").unlink()


def _truncate(directory: Path, role: str) -> None:
    path = directory / f"{role}.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zero(directory: Path, role: str) -> None:
    path = directory / f"{role}.json"
    path.write_bytes(b"\0" * path.stat().st_size)


DAMAGES = [(_empty, "all"), *((how, role) for how in (_remove, _truncate, _zero) for role in ROLES)]


def _name(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "").strip("_")


@pytest.fixture
def ahead(publisher, gateway):
    """The repository at 1.1.0 as an attacker kept it; the gateway has seen 1.2.0."""
    publisher.publish(publisher.manifest("1.1.0"))
    kept = publisher.store.get("metadata/timestamp.json")
    publisher.publish(publisher.manifest("1.2.0"))
    gateway.client().refresh()
    return kept


@pytest.mark.parametrize(("damage", "role"), DAMAGES, ids=_name)
def test_nothing_older_gets_through(publisher, gateway, ahead: bytes, damage, role: str) -> None:
    floor = dict(gateway.floor)
    publisher.store.put("metadata/timestamp.json", ahead, "")
    damage(gateway.directory / "trust" / "metadata", role)

    for _ in range(2):  # the second time with what the first one left in the cache
        with pytest.raises(FreshnessError, match=r"version 2,? .*3"):
            gateway.client().refresh()

    assert dict(gateway.floor) == floor


@pytest.mark.parametrize(("damage", "role"), DAMAGES, ids=_name)
def test_it_heals_from_the_repository(publisher, gateway, ahead: bytes, damage, role: str) -> None:
    damage(gateway.directory / "trust" / "metadata", role)

    assert [update.version for update in gateway.client().updates()] == ["1.1.0", "1.2.0"]
