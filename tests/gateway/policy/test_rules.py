"""The rules of what an update's Compose file may request: on resolved projects and on the text of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ota_py.errors import IncompatibleError, PolicyError
from ota_py.gateway.config.model import PolicyConfig
from ota_py.gateway.docker.project import Project
from ota_py.gateway.policy import compose_inputs, compose_requests, rules
from ota_py.gateway.policy.rules import GatewayDirectories

pytestmark = pytest.mark.case("A23")


@pytest.fixture
def places(tmp_path: Path) -> GatewayDirectories:
    project = tmp_path / "project"
    (project / "ota").mkdir(parents=True)
    (project / "data").mkdir()
    return GatewayDirectories(project, (project / "ota", tmp_path / "state"))


def judged(places: GatewayDirectories, new: dict[str, Any], old: dict[str, Any] | None = None, **allowed: Any) -> str:
    """The refusal of a project whose service `app` is `new`; empty where it is accepted."""
    try:
        rules.check(
            compose_requests.of_project(project(new), places),
            compose_requests.of_project(project(old or {}), places),
            PolicyConfig(**allowed),
            places,
        )
    except PolicyError as error:
        return f"{error.message} | {error.hint}"
    return ""


def project(app: dict[str, Any]) -> Project:
    """`app` as given; a key that starts with a slash is a shared part: `/volumes`."""
    shared = {key[1:]: value for key, value in app.items() if key.startswith("/")}
    body = {key: value for key, value in app.items() if not key.startswith("/")}
    return Project({"name": "p", "services": {"app": body, "other": {"network_mode": "host"}}, **shared})


def bind(path: object, **more: Any) -> dict[str, Any]:
    return {"volumes": [{"type": "bind", "source": str(path), "target": "/x", **more}]}


OTHERS = {"networks": {"n": None}}
ASKS = [
    ({"privileged": True}, "privileged", {"allow_privileged": ["app"]}),
    ({"post_start": [{"privileged": True}]}, "privileged", {"allow_privileged": ["app"]}),
    ({"network_mode": "host"}, "network_mode: host", {"allow_host_namespaces": ["app"]}),
    ({"network_mode": "container:x"}, "network_mode: container:x", {"allow_host_namespaces": ["app"]}),
    ({"network_mode": "service:other"}, "network_mode: host", {"allow_host_namespaces": ["app"]}),
    ({"pid": "host"}, "pid: host", {"allow_host_namespaces": ["app"]}),
    ({"ipc": "container:x"}, "ipc: container:x", {"allow_host_namespaces": ["app"]}),
    ({"uts": "host"}, "uts: host", {"allow_host_namespaces": ["app"]}),
    ({"userns_mode": "host"}, "userns_mode: host", {"allow_host_namespaces": ["app"]}),
    ({"cgroup": "host"}, "cgroup: host", {"allow_host_namespaces": ["app"]}),
    ({**OTHERS, "/networks": {"n": {"name": "host", "external": True}}}, "the host network n",
     {"allow_host_namespaces": ["app"]}),
    ({**OTHERS, "/networks": {"n": {"driver": "macvlan"}}}, "the macvlan network n",
     {"allow_host_namespaces": ["app"]}),
    ({"cap_add": ["NET_ADMIN"]}, "cap_add: NET_ADMIN", {"allow_capabilities": ["app"]}),
    ({"devices": [{"source": "/dev/sda"}]}, "the device /dev/sda", {"allow_capabilities": ["app"]}),
    ({"device_cgroup_rules": ["a *:* rwm"]}, "device_cgroup_rules", {"allow_capabilities": ["app"]}),
    ({"deploy": {"resources": {"reservations": {"devices": [{}]}}}}, "reserved devices",
     {"allow_capabilities": ["app"]}),
    ({"security_opt": ["seccomp=unconfined"]}, "security_opt: seccomp", {"allow_capabilities": ["app"]}),
    ({"build": {"context": "."}}, "build", {"allow_build": True}),
    ({"provider": {"type": "vm"}}, "a provider", {"allow_host_commands": True}),
    ({"use_api_socket": True}, "the Docker socket", {"allow_docker_socket": ["app"]}),
    (bind("/var/run/docker.sock"), "/var/run/docker.sock, the Docker socket",
     {"allow_docker_socket": ["app"]}),
    (bind("/run", read_only=True), "/run, the Docker socket",
     {"allow_docker_socket": ["app"], "allow_mounts": ["/run"]}),
    (bind("/usr/share", read_only=True), "/usr/share, which", {"allow_mounts": ["/usr"]}),
    (bind("/usr/share"), "/usr/share", {"allow_mounts": ["/usr/share"]}),
    ({"secrets": [{"source": "s"}], "/secrets": {"s": {"file": "/etc/hostname"}}}, "/etc/hostname",
     {"allow_mounts": ["/etc/hostname"]}),
    ({"volumes": [{"type": "volume", "source": "v"}],
      "/volumes": {"v": {"driver_opts": {"type": "none", "o": "rw,bind", "device": "/usr"}}}},
     "/usr", {"allow_mounts": ["/usr"]}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "what", "allowed"), ASKS, ids=[row[1] for row in ASKS])
def test_what_is_refused_and_what_allows_it(places: GatewayDirectories, asked: Any, what: str, allowed: Any) -> None:
    refusal = judged(places, asked)
    assert refusal.startswith("the service app asks for ")
    assert what in refusal
    assert "which the policy of this gateway forbids" in refusal
    assert any(f"{setting} =" in refusal for setting in allowed)
    assert judged(places, asked, **allowed) == "", "the setting allows it"
    assert judged(places, asked, old=asked) == "", "the owner gave it before"


@pytest.mark.parametrize(
    "asked",
    [
        {"volumes": [{"type": "volume", "source": "v"}],
         "/volumes": {"v": {"driver_opts": {"type": "overlay", "o": "lowerdir=/", "device": "overlay"}}}},
        {"volumes_from": ["container:x"]},
    ],
)  # fmt: skip
def test_a_mount_in_disguise_that_no_path_allows(places: GatewayDirectories, asked: dict[str, Any]) -> None:
    assert judged(places, asked, allow_mounts=["/"]).endswith("forbids | ")


@pytest.mark.parametrize(
    "asked",
    [
        {"security_opt": ["no-new-privileges:true"], "cap_drop": ["ALL"], "privileged": False},
        {"network_mode": "none", "ipc": "private"},
        {**OTHERS, "/networks": {"n": {"driver": "bridge"}}},
        {"volumes": [{"type": "volume", "source": "v"}, {"type": "tmpfs"}], "/volumes": {"v": {}}},
        {"volumes": [{"type": "volume", "source": "v"}],
         "/volumes": {"v": {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}}},
    ],
)  # fmt: skip
def test_a_plain_service_asks_for_nothing(places: GatewayDirectories, asked: dict[str, Any]) -> None:
    assert judged(places, asked) == ""


def test_more_than_before_is_refused(places: GatewayDirectories) -> None:
    assert "writing to /usr" in judged(places, bind("/usr"), old=bind("/usr", read_only=True))
    assert judged(places, bind("/usr", read_only=True), old=bind("/usr")) == ""
    both = judged(places, {"privileged": True, "pid": "host"}, old={"privileged": True})
    assert both.startswith("the service app asks for pid: host, which the policy of this gateway forbids |")
    assert "(and 1 more)" in judged(places, {"privileged": True, "pid": "host"})


def test_what_one_service_has_another_may_not_take(places: GatewayDirectories) -> None:
    old = Project({"name": "p", "services": {"app": {"privileged": True}}})
    new = Project({"name": "p", "services": {"app2": {"privileged": True}}})
    with pytest.raises(PolicyError, match="the service app2 asks for privileged"):
        rules.check(
            compose_requests.of_project(new, places),
            compose_requests.of_project(old, places),
            PolicyConfig(allow_privileged=["app"]),
            places,
        )


def test_mounts_through_another_service_count(places: GatewayDirectories) -> None:
    document = {"name": "p", "services": {"other": bind("/usr"), "app": {"volumes_from": ["other:ro"]}}}
    asked = {str(ask) for ask in compose_requests.of_project(Project(document), places)}
    assert "the service app asks for /usr" in asked


def test_the_project_may_be_mounted_but_not_what_is_the_updaters(places: GatewayDirectories, tmp_path: Path) -> None:
    (places.project / "link").symlink_to("/usr")
    assert judged(places, bind(places.project / "data")) == ""
    assert judged(places, bind(places.project / "not-yet" / "there")) == ""
    assert "/usr" in judged(places, bind(places.project / "link")), "links are followed"
    for own in (places.project, places.project / "ota", places.project / "ota" / "x", tmp_path / "state"):
        assert judged(places, bind(own)), own
        assert judged(places, bind(own), allow_mounts=["/"]), "only its own name allows it"
        assert judged(places, bind(own), allow_mounts=[str(own)]) == ""


# -- the text of files -----------------------------------------------------------------------------------


def sources(places: GatewayDirectories, text: str, **files: str) -> set[str]:
    (places.project / "docker-compose.yml").write_text(text)
    for name, content in files.items():
        (places.project / name.replace("_", ".")).write_text(content)
    return {str(ask) for ask in compose_inputs.asks(places.project, places)}


@pytest.mark.parametrize(
    "path",
    [
        "https://example.com/x.git",
        "git@github.com:o/r.git",
        "github.com/o/r",
        "oci://registry/x",
        "../x.yml",
        "/etc/x.yml",
        "${WHERE}",
        "~/x.yml",
        "missing.yml",
    ],
)
def test_includes_from_elsewhere(places: GatewayDirectories, path: str) -> None:
    found = {f"the Compose file asks for include: {path}"}
    assert sources(places, f'include: ["{path}"]\n') == found
    assert sources(places, f'include:\n  - path: ["{path}"]\n') == found
    assert sources(places, f'include: ["a.yml"]\n', a_yml=f'include: ["{path}"]\n') == found  # noqa: F541
    extends = f'services: {{s: {{extends: {{file: "{path}", service: t}}}}}}'
    assert sources(places, extends) == {f"the service s asks for extends: {path}"}


def test_includes_and_environment_files_of_the_project(places: GatewayDirectories) -> None:
    text = "include: [a.yml]\nservices: {s: {env_file: [{path: x.env}], extends: {file: a.yml, service: t}}}"
    assert sources(places, text, a_yml="services: {t: {env_file: data/y.env}}") == set()


def test_environment_files_from_elsewhere(places: GatewayDirectories) -> None:
    text = 'services: {{s: {{env_file: "{0}"}}, t: {{env_file: [{{path: "{0}"}}]}}}}'
    assert sources(places, text.format("/etc/environment")) == {
        f"the service {name} asks for /etc/environment" for name in "st"
    }
    assert sources(places, text.format("../x.env")) == {
        f"the service {name} asks for env_file: ../x.env" for name in "st"
    }
    assert sources(places, "include: [{path: a.yml, env_file: ../e}]", a_yml="{}") == {
        "the Compose file asks for env_file: ../e"
    }


def test_a_link_that_leads_out_of_the_project(places: GatewayDirectories) -> None:
    (places.project / "a.yml").symlink_to("/etc/hostname")
    assert sources(places, "include: [a.yml]") == {"the Compose file asks for include: a.yml"}


def test_the_file_that_an_update_brings_must_not_hide_behind_the_present_one(
    places: GatewayDirectories, tmp_path: Path
) -> None:
    """By its absolute path, Compose would judge the file that is there now."""
    tree, new = tmp_path / "tree", tmp_path / "new"
    tree.mkdir()
    new.mkdir()
    (new / "a.yml").write_text("{}")
    (tree / "a.yml").symlink_to(new / "a.yml")
    (tree / "docker-compose.yml").write_text(f"include: [{places.project}/a.yml]")
    (found,) = compose_inputs.asks(tree, places, [new])
    assert found.what == f"include: {places.project}/a.yml"
    (tree / "docker-compose.yml").write_text("include: [a.yml]")
    assert compose_inputs.asks(tree, places, [new]) == set()


def test_text_that_cannot_be_judged_is_refused(places: GatewayDirectories) -> None:
    with pytest.raises(IncompatibleError, match=r"docker-compose\.yml is not YAML"):
        sources(places, "a: [")


def test_tags_of_compose_can_be_judged(places: GatewayDirectories) -> None:
    assert sources(places, "services: {s: {ports: !reset [], env_file: !override [/etc/x]}}") == {
        "the service s asks for /etc/x"
    }
