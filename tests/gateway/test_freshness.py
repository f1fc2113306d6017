"""A gateway whose metadata expired keeps what runs, refuses new updates, and says so wherever one looks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ota_py.cli import run
from ota_py.gateway.cli import command
from ota_py.gateway.freshness import problem
from ota_py.gateway.journal import Journal
from ota_py.trust.freshening import renew
from ota_py.trust.metadata import OnlineSigners
from tests.gateway import gateways
from tests.trust.conftest import publisher, served, signers  # noqa: F401

WORDS = "the repository's metadata has expired"


@pytest.fixture
def type_(tmp_path, publisher, served, capsys):  # noqa: F811
    path = gateways.write(tmp_path)
    (tmp_path / "root.json").write_bytes(publisher.root)
    text = path.read_text().replace(f"file://{tmp_path}/repository", served)
    path.write_text(f'root = "{tmp_path}/root.json"\n{text}')

    def typed(*arguments):
        capsys.readouterr()
        status = run(command, [*arguments, "--config", str(path)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return typed


@pytest.mark.case("A04")
def test_expired_metadata_is_said_wherever_one_looks(tmp_path, publisher, type_):  # noqa: F811
    publisher.publish(publisher.manifest("1.2.0"), now=datetime.now(UTC) - timedelta(days=15))
    before = json.loads(type_("status", "--json")[1])
    assert before["freshness_problem"] == ""
    for arguments in (("check",), ("update", "--version", "1.2.0")):
        status, _, error = type_(*arguments)
        assert status == 20
        assert WORDS in error
        assert "what runs is kept" in error
    _, shown, _ = type_("status")
    assert f"stale:   new updates are refused, what runs is kept: {WORDS}" in shown
    after = json.loads(type_("status", "--json")[1])
    assert WORDS in after["freshness_problem"]
    assert after["version"] == before["version"]
    assert after["transaction"]["state"] == "FAILED"
    with Journal(gateways.read(tmp_path)) as journal:
        assert WORDS in problem(journal)

    renew(publisher.repository(), OnlineSigners.one(publisher.signers["online"]), datetime.now(UTC))
    assert type_("check")[0] == 0
    assert "stale:" not in type_("status")[1]
    assert json.loads(type_("status", "--json")[1])["freshness_problem"] == ""
