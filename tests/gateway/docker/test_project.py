"""What differs between two Compose projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ota_py.gateway.docker.project import Project, compare

ROOT = Path("/opt/project")


def project(**services: dict[str, Any]) -> Project:
    return Project({"name": "p", "services": services, "volumes": {"data": {"name": "p_data"}}})


def test_a_service_that_is_the_same_is_left_alone() -> None:
    same = project(a={"image": "x"}, b={"image": "y"})
    assert compare(same, project(a={"image": "x2"}, b={"image": "y"}), []).changed == ["a"]


def test_services_that_come_and_go() -> None:
    change = compare(project(a={}, b={}), project(b={}, c={}), [])
    assert (change.changed, change.added, change.removed) == (["c"], ["c"], ["a"])


def test_a_service_is_replaced_for_a_file_that_it_mounts() -> None:
    mount = {"type": "bind", "source": "/opt/project/config/a.conf", "target": "/a"}
    directory = {"type": "bind", "source": "/opt/project/config", "target": "/c"}
    same = project(a={"volumes": [mount]}, b={"volumes": [directory]}, c={})
    assert compare(same, same, [ROOT / "config" / "a.conf"]).changed == ["a", "b"]
    assert compare(same, same, [ROOT / "config" / "b.conf"]).changed == ["b"]
    assert compare(same, same, [ROOT / "configuration"]).changed == []


def test_a_service_is_replaced_for_a_volume_network_or_secret_that_it_uses() -> None:
    services = {
        "a": {"volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
        "b": {"networks": {"inner": None}},
        "c": {"secrets": [{"source": "key"}]},
        "d": {},
    }
    old = {"name": "p", "services": services, "volumes": {"data": {}}, "networks": {"inner": {}},
           "secrets": {"key": {"file": "/opt/project/key"}}}  # fmt: skip
    new = {**old, "volumes": {"data": {"driver": "x"}}, "networks": {"inner": {"internal": True}}}
    assert compare(Project(old), Project(new), [ROOT / "key"]).changed == ["a", "b", "c"]


def test_replicas_and_volumes() -> None:
    found = project(a={}, b={"deploy": {"replicas": 0}}, c={"scale": 3},
                    d={"volumes": [{"type": "volume", "source": "data"}]})  # fmt: skip
    assert [found.replicas(name) for name in "abc"] == [1, 0, 3]
    assert found.writers_of("data") == ["d"]
    assert found.volume_name("data") == "p_data"
    assert found.volume_name("other") is None
