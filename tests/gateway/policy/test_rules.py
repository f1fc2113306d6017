"""The rules of what an update's Compose file may request: on resolved projects and on the text of files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ota_py.errors import IncompatibleError, PolicyError
from ota_py.gateway.config.model import PolicyConfig
from ota_py.gateway.docker.project import Project
from ota_py.gateway.policy import compose_inputs, compose_requests, rules
from ota_py.gateway.policy.rules import GatewayDirectories, PolicyRequest

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
        given = {request.key for request in requested(places, old or {})}
        rules.check(requested(places, new), given, PolicyConfig(**allowed))
    except PolicyError as error:
        return f"{error.message} | {error.hint}"
    return ""


def requested(places: GatewayDirectories, app: dict[str, Any]) -> set[PolicyRequest]:
    own_files = compose_inputs.own_files(places.project, places.project)
    return compose_requests.of_project(project(app), places, own_files)


def project(app: dict[str, Any]) -> Project:
    """`app` as given; a key that starts with a slash is a shared part: `/volumes`."""
    shared = {key[1:]: value for key, value in app.items() if key.startswith("/")}
    body = {key: value for key, value in app.items() if not key.startswith("/")}
    return Project({"name": "p", "services": {"app": body, "other": {"network_mode": "host"}}, **shared})


def bind(path: object, **more: Any) -> dict[str, Any]:
    return {"volumes": [{"type": "bind", "source": str(path), "target": "/x", **more}]}


def volume(**body: Any) -> dict[str, Any]:
    return {"volumes": [{"type": "volume", "source": "v", "target": "/v"}], "/volumes": {"v": body}}


OTHERS = {"networks": {"n": None}}
REQUESTS = [
    ({"privileged": True}, "privileged", {"allow_privileged": ["app"]}),
    ({"post_start": [{"privileged": True}]}, "privileged", {"allow_privileged": ["app"]}),
    ({"pre_stop": [{"tomorrow": True}]}, "pre_stop.tomorrow: true", {}),
    ({"network_mode": "host"}, "network_mode: host", {}),
    ({"network_mode": "container:x"}, "network_mode: container:x", {}),
    ({"network_mode": "service:other"}, "network_mode: host", {}),
    ({"network_mode": "another-projects"}, "network_mode: another-projects", {}),
    ({"pid": "host"}, "pid: host", {}),
    ({"ipc": "container:x"}, "ipc: container:x", {}),
    ({"uts": "host"}, "uts: host", {}),
    ({"userns_mode": "host"}, "userns_mode: host", {}),
    ({"cgroup": "host"}, "cgroup: host", {}),
    ({**OTHERS, "/networks": {"n": {"name": "host", "external": True}}}, "networks.n.external: host", {}),
    ({**OTHERS, "/networks": {"n": {"driver": "macvlan"}}}, "networks.n.driver: macvlan", {}),
    ({**OTHERS, "/networks": {"n": {"name": "lan"}}}, "networks.n.name: lan", {}),
    ({**OTHERS, "/networks": {"n": {"ipam": {"config": [{"subnet": "10.0.0.0/8"}]}}}},
     'networks.n.ipam: {"config": [{"subnet": "10.0.0.0/8"}]}', {}),
    ({"networks": {"n": {"driver_opts": {"a": "b"}}}}, 'networks.n.driver_opts: {"a": "b"}', {}),
    ({"cap_add": ["NET_ADMIN"]}, "cap_add: NET_ADMIN", {}),
    ({"devices": [{"source": "/dev/sda", "target": "/dev/x", "permissions": "r"}]}, "devices: /dev/sda:/dev/x:r", {}),
    ({"device_cgroup_rules": ["a *:* rwm"]}, "device_cgroup_rules: a *:* rwm", {}),
    ({"deploy": {"resources": {"reservations": {"devices": [{"count": 1}]}}}},
     'deploy.resources.reservations.devices: {"count": 1}', {}),
    ({"security_opt": ["seccomp=unconfined"]}, "security_opt: seccomp=unconfined", {}),
    ({"build": {"context": "."}}, 'build: {"context": "."}', {}),
    ({"provider": {"type": "vm"}}, 'provider: {"type": "vm"}', {}),
    ({"models": {"llm": {}}}, 'models: {"llm": {}}', {}),
    ({"/models": {"llm": {"model": "x"}}}, 'models: {"llm": {"model": "x"}}', {}),
    ({"runtime": "sysbox"}, "runtime: sysbox", {}),
    ({"cgroup_parent": "system.slice"}, "cgroup_parent: system.slice", {}),
    ({"annotations": {"a": "b"}}, 'annotations: {"a": "b"}', {}),
    ({"a_key_of_tomorrow": 1}, "a_key_of_tomorrow: 1", {}),
    ({"a_key_of_tomorrow": False}, "a_key_of_tomorrow: false", {}),
    ({"oom_score_adj": -1000}, "oom_score_adj: -1000", {}),
    ({"sysctls": {"kernel.core_pattern": "|/x"}}, "sysctls.kernel.core_pattern: |/x", {}),
    ({"labels": {"com.docker.compose.project": "x"}}, "labels.com.docker.compose.project: x", {}),
    ({"labels": {"ota.keep": "x"}}, "labels.ota.keep: x", {}),
    ({"logging": {"driver": "syslog"}}, "logging.driver: syslog", {}),
    ({"external_links": ["x"]}, "external_links: x", {}),
    ({"use_api_socket": True}, "the Docker socket", {"allow_docker_socket": ["app"]}),
    (bind("/var/run/docker.sock"), "/var/run/docker.sock, the Docker socket", {"allow_docker_socket": ["app"]}),
    (bind("/run", read_only=True), "/run, the Docker socket",
     {"allow_docker_socket": ["app"], "allow_mounts": ["/run"]}),
    (bind("/usr/share", read_only=True), "/usr/share, which", {"allow_mounts": ["/usr"]}),
    (bind("/usr/share"), "/usr/share", {"allow_mounts": ["/usr/share"]}),
    ({"volumes": [{"type": "tmpfs", "target": "/x", "bind": {"propagation": "rshared"}}]},
     "volumes[/x].bind.propagation: rshared", {}),
    ({"volumes": [{"type": "npipe", "source": "a", "target": "/x"}]}, "volumes[/x]: ", {}),
    ({"secrets": [{"source": "s"}], "/secrets": {"s": {"file": "/etc/hostname"}}}, "/etc/hostname",
     {"allow_mounts": ["/etc/hostname"]}),
    ({"secrets": [{"source": "s"}], "/secrets": {"s": {"external": True}}}, "secrets.s.external: true", {}),
    ({"volumes_from": ["container:x"]}, "volumes_from: container:x", {}),
    (volume(driver_opts={"type": "none", "o": "rw,bind", "device": "/usr"}), "/usr", {"allow_mounts": ["/usr"]}),
    (volume(external=True, name="x"), "volumes.v.external: x", {}),
    (volume(name="of-another-project"), "volumes.v.name: of-another-project", {}),
    (volume(driver="rclone"), "volumes.v.driver: rclone", {}),
]  # fmt: skip


@pytest.mark.case("A45", "A46")
@pytest.mark.parametrize(("asked", "what", "allowed"), REQUESTS, ids=[row[1] for row in REQUESTS])
def test_what_is_refused_and_what_allows_it(
    places: GatewayDirectories, asked: Any, what: str, allowed: dict[str, Any]
) -> None:
    refusal = judged(places, asked)
    assert re.match("the (service app|Compose file) asks for ", refusal)
    assert what in refusal
    assert "which the policy of this gateway forbids" in refusal
    assert judged(places, asked, old=asked) == "", "it was given before"
    found = sorted((r for r in requested(places, asked) if r.service != "other"), key=lambda request: request.what)
    granted = {found[0].service or "compose file": [request.grant for request in found]}
    assert judged(places, asked, grants=granted) == "", "its own words grant it"
    if allowed:
        assert judged(places, asked, **allowed) == "", "the setting allows it"
    else:
        line = json.dumps(found[0].grant)
        assert refusal.endswith(f" = [{line}] in [policy.grants] of gateway.toml"), refusal
    elsewhere = {"web" if name == "app" else "app": texts for name, texts in granted.items()}
    assert judged(places, asked, grants=elsewhere), "what another service was granted is not for this one"
    longer = {name: [f"{text}x" for text in texts] for name, texts in granted.items()}
    assert judged(places, asked, grants=longer), "another detail is not this one"


@pytest.mark.case("A45")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"devices": [{"source": "/dev/a"}]}, {"devices": [{"source": "/dev/b"}]}),
        ({"build": {"context": "./a"}}, {"build": {"context": "/"}}),
        (bind("/usr/share"), bind("/usr/lib")),
        ({"cap_add": ["NET_RAW"]}, {"cap_add": ["SYS_ADMIN"]}),
        ({"security_opt": ["label=disable"]}, {"security_opt": ["seccomp=unconfined"]}),
        (volume(driver="a"), volume(driver="b")),
    ],
)
def test_a_detail_that_was_given_gives_no_other(places: GatewayDirectories, old: Any, new: Any) -> None:
    assert judged(places, new, old=old)
    assert judged(places, old, old=old) == ""


@pytest.mark.case("A40")
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"type": "tmpfs", "o": "bind", "device": "/etc"}, "writing to /etc, "),
        ({"type": "nfs", "o": "bind", "device": "/etc"}, "writing to /etc, "),
        ({"o": "rbind", "device": "/usr"}, "writing to /usr, "),
        ({"type": "", "o": "bind,ro", "device": "/usr"}, "writing to /usr, "),
        ({"type": "none", "o": "bind", "device": "/usr/../etc"}, "writing to /etc, "),
        ({"o": "bind", "device": "usr"}, "volumes.v.driver_opts: "),
        ({"o": "bind,rshared", "device": "/usr"}, "volumes.v.driver_opts: "),
        ({"o": "bind", "device": "/usr", "more": "x"}, "volumes.v.driver_opts: "),
        ({"o": "BIND", "device": "/usr"}, "volumes.v.driver_opts: "),
        ({"type": "tmpfs", "o": "remount", "device": "tmpfs"}, "volumes.v.driver_opts: "),
        ({"type": "tmpfs", "o": "size=1m,move", "device": "tmpfs"}, "volumes.v.driver_opts: "),
        ({"type": "tmpfs", "device": "/usr"}, "volumes.v.driver_opts: "),
        ({"type": "nfs", "o": "addr=127.0.0.1,rw", "device": ":/"}, "volumes.v.driver_opts: "),
        ({"type": "cifs", "o": "addr=127.0.0.1", "device": "//127.0.0.1/c"}, "volumes.v.driver_opts: "),
        ({"type": "ext4", "device": "/dev/sda1"}, "volumes.v.driver_opts: "),
        ({"type": "overlay", "o": "lowerdir=/,upperdir=/tmp/u,workdir=/tmp/w", "device": "overlay"},
         "volumes.v.driver_opts: "),
        ({"type": "btrfs", "device": "/dev/loop0"}, "volumes.v.driver_opts: "),
        ({"size": "1g"}, "volumes.v.driver_opts: "),
    ],
)  # fmt: skip
def test_a_volume_in_disguise_is_refused(places: GatewayDirectories, options: dict[str, str], what: str) -> None:
    asked = volume(driver_opts=options)
    assert judged(places, asked).startswith(f"the service app asks for {what}")
    (found,) = (request for request in requested(places, asked) if request.service != "other")
    assert judged(places, asked, grants={"app": [found.grant]}) == ""


@pytest.mark.case("A42")
def test_a_source_that_a_service_may_turn_into_a_link(places: GatewayDirectories) -> None:
    data = str(places.project / "data")
    inside = bind(f"{data}/link")
    writer = {"volumes": [{"type": "bind", "source": data, "target": "/data"}]}
    assert judged(places, inside) == ""
    found = judged(places, {**inside, "volumes": [*inside["volumes"], *writer["volumes"]]})
    assert "a part of which the service app can replace, as it writes to" in found
    assert f'app = ["mount: {data}/link below {data}"] in [policy.grants]' in found
    reader = [{**writer["volumes"][0], "read_only": True}]
    assert judged(places, {"volumes": [*inside["volumes"], *reader]}) == "", "who only reads changes nothing"
    both = [*writer["volumes"], *writer["volumes"]]
    assert judged(places, {"volumes": both}) == "", "a mounted directory itself cannot be replaced from within"
    secret = {"secrets": [{"source": "s"}], "/secrets": {"s": {"file": f"{data}/s"}}}
    assert "can replace" in judged(places, {**secret, **writer})
    behind = {"volumes": [{"type": "volume", "source": "v", "target": "/v"}, *inside["volumes"]],
              "/volumes": {"v": {"driver_opts": {"o": "bind", "device": data}}}}  # fmt: skip
    assert "can replace" in judged(places, behind)
    other = project({**inside})
    other.top["services"]["other"] = dict(writer)
    assert any("the service other can replace" in r.what for r in compose_requests.of_project(other, places))


@pytest.mark.case("A42")
def test_a_link_on_the_way_counts_by_where_it_leads(places: GatewayDirectories) -> None:
    data = places.project / "data"
    (places.project / "alias").symlink_to(data)
    asked = [*bind(places.project / "alias" / "x")["volumes"], *bind(data)["volumes"]]
    assert "can replace" in judged(places, {"volumes": asked})


@pytest.mark.case("A44")
@pytest.mark.parametrize(
    "source", ["docker-compose.yml", ".env", "compose.override.yml", "more.yml", "data/app.env", "data", "base.yml"]
)
def test_files_that_compose_reads_are_not_written_without_a_grant(places: GatewayDirectories, source: str) -> None:
    (places.project / "docker-compose.yml").write_text(
        "include: [more.yml]\nservices: {s: {extends: {file: base.yml, service: t}, env_file: data/app.env}}"
    )
    refusal = judged(places, bind(places.project / source))
    assert "which has files that Compose reads" in refusal
    assert judged(places, bind(places.project / source), allow_mounts=[str(places.project)]), "not by its directory"
    assert judged(places, bind(places.project / source, read_only=True)) == ""
    grant = f"mount: {places.project / source}:rw"
    assert judged(places, bind(places.project / source), grants={"app": [grant]}) == ""


@pytest.mark.case("A46")
def test_settings_that_named_no_detail_are_refused_in_plain_words() -> None:
    with pytest.raises(ValueError, match=r"allow_capabilities allows a kind without its detail.*\[policy.grants\]"):
        PolicyConfig(allow_capabilities=["app"])
    for name, value in (("allow_build", True), ("allow_remote_include", True), ("allow_host_namespaces", ["a"])):
        with pytest.raises(ValueError, match=f"{name} allows a kind"):
            PolicyConfig(**{name: value})
    assert PolicyConfig(allow_build=False, allow_capabilities=[]).grants == {}, "what allowed nothing is no error"


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
    given = {request.key for request in compose_requests.of_project(old, places)}
    with pytest.raises(PolicyError, match="the service app2 asks for privileged"):
        rules.check(compose_requests.of_project(new, places), given, PolicyConfig(allow_privileged=["app"]))


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
    return {str(request) for request in compose_inputs.requests(places.project, places)}


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
    (found,) = compose_inputs.requests(tree, places, [new])
    assert found.what == f"include: {places.project}/a.yml"
    (tree / "docker-compose.yml").write_text("include: [a.yml]")
    assert compose_inputs.requests(tree, places, [new]) == set()


def test_text_that_cannot_be_judged_is_refused(places: GatewayDirectories) -> None:
    with pytest.raises(IncompatibleError, match=r"docker-compose\.yml is not YAML"):
        sources(places, "a: [")


def test_tags_of_compose_can_be_judged(places: GatewayDirectories) -> None:
    assert sources(places, "services: {s: {ports: !reset [], env_file: !override [/etc/x]}}") == {
        "the service s asks for /etc/x"
    }
