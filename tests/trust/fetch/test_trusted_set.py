"""The access to python-tuf's inside, which stops at a version that keeps things elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import tuf
from tuf.api.metadata import Targets

from ota_py.errors import FreshnessError, TrustError
from ota_py.trust.fetch import trusted_set
from ota_py.trust.fetch.client import TrustClient

ELSEWHERE = [
    (SimpleNamespace(), "_trusted_set"),
    (SimpleNamespace(_trusted_set=SimpleNamespace()), "reference_time"),
    (SimpleNamespace(_trusted_set=SimpleNamespace(reference_time=0)), "reference_time"),
]


@pytest.mark.parametrize(("updater", "name"), ELSEWHERE)
def test_a_time_that_cannot_be_set_is_an_error(updater, name):
    with pytest.raises(TrustError) as caught:
        trusted_set.set_time(updater, datetime.now(UTC))
    assert caught.value.message == (f"python-tuf {tuf.__version__} has no {name} where this software looks for it")
    assert caught.value.hint.startswith("install the version that requirements.txt names")


@pytest.mark.parametrize("role", ["root", "snapshot", "targets"])
@pytest.mark.parametrize("found", [None, "another type"])
def test_a_role_that_is_not_there_is_an_error(role, found):
    updater = SimpleNamespace(_trusted_set=SimpleNamespace(**{role: found}))
    with pytest.raises(TrustError, match=f"has no {role} where this software looks for it"):
        getattr(trusted_set, role)(updater)


def test_roles_that_are_listed_in_another_form_are_an_error():
    """Names instead of roles: nothing would be found in them, and no key be checked."""

    class Names(list):
        targets = Targets()

    updater = SimpleNamespace(_trusted_set=Names(["root", "targets"]))
    with pytest.raises(TrustError, match="has no list of roles where this software looks for it"):
        trusted_set.delegations(updater)


def test_the_installed_version_keeps_them_there(publisher, gateway, monkeypatch):
    """Roles are those of the repository, and the time that is set is the time that counts."""
    publisher.publish(publisher.manifest("1.1.0"))
    client = gateway.client()
    client.refresh()
    updater = client._updater
    assert trusted_set.root(updater).version == 1
    assert (trusted_set.snapshot(updater).version, trusted_set.targets(updater).version) == (2, 2)
    monkeypatch.setattr(TrustClient, "_now", lambda _: datetime.now(UTC) + timedelta(days=31))
    with pytest.raises(FreshnessError, match="expired"):
        gateway.client().refresh()


def test_nobody_else_looks_inside():
    from tests.foundations.test_walls import sources

    looking = [path.name for path in sources() if "_trusted_set" in path.read_text()]
    assert looking == ["trusted_set.py"]
