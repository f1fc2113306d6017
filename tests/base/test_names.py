"""Only checked identifiers travel to Ansible, topics and paths (A25)."""

from __future__ import annotations

import pytest

from ota_py.errors import UsageError
from ota_py.names import check_gateway_id, parse_version


@pytest.mark.parametrize("good", ["boston_001", "a", "0-0", "a" * 63])
def test_gateway_ids(good):
    assert check_gateway_id(good) == good


@pytest.mark.case("A25")
@pytest.mark.parametrize("bad", ["", "Boston", "a/b", "a b", "../x", "{{ x }}", "a\n", "+", "#", "_a", "a" * 64, "ä"])
def test_bad_gateway_ids(bad):
    with pytest.raises(UsageError, match="is not allowed"):
        check_gateway_id(bad)


def test_versions_compare_by_semver():
    assert parse_version("1.10.0") > parse_version("1.9.0") > parse_version("1.9.0-rc.1")


@pytest.mark.case("A25")
@pytest.mark.parametrize(
    "bad", ["", "1", "1.2", "v1.2.0", "1.2.0 ", "1.2.0\n", "01.2.0", "1.2.0-" + "a" * 64, "{{ 1 }}"]
)
def test_bad_versions(bad):
    with pytest.raises(UsageError, match="is not a semantic version"):
        parse_version(bad)
