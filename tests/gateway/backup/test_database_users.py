"""Which services stop while a database is restored, and which run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ota_py.gateway.backup.database_users import users_of, with_dependents
from ota_py.gateway.config.model import DatabaseConfig
from ota_py.gateway.docker.project import Project

ROOT = Path("/opt/project")


def bind(source: str, target: str = "/x") -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": target}


PROJECT = Project(
    {
        "name": "p",
        "services": {
            "server": {"networks": {"inner": None}},
            "client": {"networks": {"inner": None, "other": None}},
            "stranger": {"networks": {"other": None}},
            "on_host": {"network_mode": "host"},
            "rider": {"network_mode": "service:client"},
            "alone": {"network_mode": "none", "volumes": [bind("/opt/project/other")]},
            "writer": {"network_mode": "none", "volumes": [bind("/opt/project/data", "/data")]},
            "reader": {"network_mode": "none", "volumes": [bind("/opt/project")]},
            "keeper": {"network_mode": "none",
                       "volumes": [{"type": "volume", "source": "v", "target": "/var/lib"}]},
            "sharer": {"network_mode": "none",
                       "volumes": [{"type": "volume", "source": "v", "target": "/v"}]},
            "borrower": {"network_mode": "none", "volumes_from": ["keeper"]},
        },
        "volumes": {"v": {}},
    }
)  # fmt: skip
EVERY = set(PROJECT.services)


@pytest.mark.parametrize(
    ("section", "users"),
    [
        ({"type": "postgresql", "service": "server", "user": "u", "name": "n"},
         {"server", "client", "on_host", "rider"}),
        ({"type": "mysql", "service": "on_host", "user": "u", "name": "n"},
         {"server", "client", "stranger", "on_host", "rider"}),
        ({"type": "mysql", "service": "gone", "user": "u", "name": "n"}, EVERY),
        ({"type": "volume", "name": "v"}, {"keeper", "sharer", "borrower"}),
        ({"type": "sqlite", "service": "keeper", "path": "/var/lib/a.db"}, {"keeper", "sharer", "borrower"}),
        ({"type": "sqlite", "service": "keeper", "path": "/tmp/a.db"}, {"keeper", "borrower"}),
        ({"type": "sqlite", "service": "writer", "path": "/data/a.db"}, {"writer", "reader", "borrower"}),
        ({"type": "sqlite", "path": "/opt/project/data/a.db"}, {"writer", "reader", "borrower"}),
        ({"type": "directory", "path": "other/files"}, {"alone", "reader", "borrower"}),
        ({"type": "sqlite", "path": "/var/lib/docker/volumes/p_v/_data/a.db"}, EVERY),
    ],
)  # fmt: skip
def test_who_may_use_a_database(section: dict[str, Any], users: set[str]) -> None:
    assert users_of(DatabaseConfig.model_validate(section), PROJECT, ROOT) == users


def test_a_published_port_is_open_to_all_that_have_a_network() -> None:
    project = Project({"name": "p", "services": {"server": {"networks": {"a": None}, "ports": [{}]},
                                                 "other": {"networks": {"b": None}},
                                                 "alone": {"network_mode": "none"}}})  # fmt: skip
    section = DatabaseConfig(type="mysql", service="server", user="u", name="n")
    assert users_of(section, project, ROOT) == {"server", "other"}


def test_who_lives_in_anothers_namespace_stops_with_it() -> None:
    project = Project({"name": "p", "services": {"a": {}, "b": {"pid": "service:a"}, "d": {},
                                                 "c": {"network_mode": "service:b"}}})  # fmt: skip
    assert with_dependents({"a"}, project) == {"a", "b", "c"}
    assert with_dependents({"d"}, project) == {"d"}
