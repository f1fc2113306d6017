"""What gets out of a container's box on a real engine: mounts in disguise, links, own files, unsigned images."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ota_py.errors import HealthError
from ota_py.gateway.docker import real_mounts
from tests.support.gateway.site import Site

pytestmark = pytest.mark.docker

# Plants a link to the root of the machine where another service has its mount, once it may write there.
PLANTS = b"""#!/bin/sh
rm -rf /shared/link
ln -s / /shared/link
trap 'exit 0' TERM INT
while :; do sleep 1 & wait $!; done
"""


def refused(site: Site, version: str, text: str, **more: bytes) -> str:
    """The reason why an update with this Compose file is refused; nothing is touched."""
    ids, files = site.ids(), site.files()
    site.publish(version, files={"docker-compose.yml": text.encode(), **more})
    result = site.update(version)
    assert (result["outcome"], result["changed"]) == ("FAILED", False), result
    assert [step["state"] for step in result["steps"]][:2] == ["RECEIVED", "VERIFIED"]
    assert (site.ids(), site.files()) == (ids, files)
    return str(result["reason"])


@pytest.mark.case("A40", "A44", "A46")
def test_volumes_own_files_and_keys_of_tomorrow(site: Site) -> None:
    present = site.compose_file.read_text()
    disguised = present.replace("  data:\n", "  data: {driver_opts: {type: tmpfs, o: bind, device: /}}\n")
    assert "the service store asks for /, the Docker socket" in refused(site, "1.1.0", disguised)
    own = present.replace("- data:/data", "- data:/data\n      - ./docker-compose.yml:/c.yml\n      - ./.env:/e")
    assert "store asks for writing to" in (reason := refused(site, "1.1.1", own))
    assert "which has files that Compose reads" in reason
    annotated = present.replace("    restart: unless-stopped\n    network_mode: none", "    annotations: {a: b}", 1)
    assert annotated != present
    assert 'the service app asks for annotations: {"a": "b"}' in refused(site, "1.1.2", annotated)


@pytest.mark.case("A44")
def test_what_a_file_says_since_the_last_update_gives_nothing(site: Site) -> None:
    assert site.client_json("status")["files_problem"] == "", "what is here first is recorded"
    present = site.compose_file.read_text()
    more = present.replace(
        "    network_mode: none\n    stop", "    network_mode: none\n    security_opt: [label=disable]\n    stop", 1
    )
    assert more != present
    site.compose_file.write_text(more)
    problem = site.client_json("status")["files_problem"]
    assert problem.startswith("docker-compose.yml not as recorded with the files that were here first")
    reason = refused(site, "1.1.0", more)
    assert reason == "the service app asks for security_opt: label=disable, which the policy of this gateway forbids"

    accepted = site.client_json("accept-files")
    assert ["app", "security_opt: label=disable"] in accepted["requests"]
    assert site.client_json("status")["files_problem"] == ""
    site.publish("1.1.1", files={"docker-compose.yml": f"{more}# more\n".encode()})
    assert site.update("1.1.1")["outcome"] == "SUCCEEDED"
    site.publish("1.1.2", files={"docker-compose.yml": present.encode()})
    assert site.update("1.1.2")["outcome"] == "SUCCEEDED"
    assert site.client_json("status")["files_problem"] == "", "the commit recorded what it left"
    (site.project_dir / ".env").write_text("NEW=1\n")
    assert site.client_json("status")["files_problem"].startswith(".env not as recorded with update 1.1.2")
    (site.project_dir / ".env").unlink()
    refused(site, "1.1.3", more)

    assert site.client_json("rollback")["outcome"] == "ROLLED_BACK"
    assert site.client_json("status")["files_problem"] == "", "what an operator brought back is in force"


@pytest.mark.case("A47")
def test_an_image_that_nobody_signed(site: Site) -> None:
    present = site.compose_file.read_text()
    override = {"docker-compose.override.yml": b"services: {store: {image: 'busybox:latest'}}\n"}
    reason = refused(site, "1.1.0", present, **override)
    assert "the service store would run busybox:latest, which the update does not name" in reason
    # The tag of the running service leads to another image by now.
    other = site.push("store", "1.0.1")
    subprocess.run(["docker", "pull", "--quiet", other.reference], check=True, capture_output=True)
    store = next(line.split()[1] for line in present.splitlines() if "/store:" in line)
    subprocess.run(["docker", "tag", other.reference, store], check=True)
    reason = refused(site, "1.1.2", present.replace("stop_grace_period: 2s", "stop_grace_period: 3s"))
    assert f"the service store would run {store}, which the update does not name" in reason
    app = site.push("app", "1.1.0")
    site.publish("1.1.3", images={"app": app}, files={
        "docker-compose.override.yml": f"services: {{app: {{image: '{store}'}}}}\n".encode()})  # fmt: skip
    result = site.update("1.1.3")
    assert result["outcome"] == "FAILED"
    assert f"the service app would run {store}, and the update has {app.reference.rpartition(':')[0]}" in (
        str(result["reason"]))  # fmt: skip


@pytest.mark.case("A42")
def test_a_part_of_a_mount_that_another_service_replaces(site: Site) -> None:
    shared = site.project_dir / "shared"
    (shared / "link").mkdir(parents=True)
    (shared / "link" / "own").write_text("of the project\n")
    text = site.compose_file.read_text()
    text = text.replace("- data:/data", "- data:/data\n      - ./shared:/shared")
    text = text.replace("- ./config/app.conf", "- ./shared/link:/host\n      - ./config/app.conf")
    text = text.replace("    stop_grace_period: 2s", "    depends_on: [store]\n    stop_grace_period: 2s", 1)
    reason = refused(site, "1.1.0", text)
    assert f"{shared}/link, a part of which the service store can replace, as it writes to {shared}" in reason
    # Even where it is granted, nobody is given what nobody judged.
    site.configure(f'[policy.grants]\napp = ["mount: {shared}/link below {shared}"]\n')
    store = site.push("store", "1.1.1", PLANTS)
    site.publish("1.1.1", images={"store": store}, files={"docker-compose.yml": text.encode()})
    result = site.update("1.1.1")
    assert result["outcome"] == "ROLLED_BACK", result
    assert "which app mounts, leads to / now" in str(result["reason"]) or "something else than" in str(result["reason"])


@pytest.mark.case("A42")
def test_what_the_kernel_has_mounted_is_compared_with_what_was_judged(site: Site) -> None:
    with site.engine() as (engine, _):
        containers = engine.context.compose.containers()
    conf = str(site.project_dir / "config" / "app.conf")
    data = next(str(m.source) for c in containers for m in c.mounts if c.service == "store")
    real_mounts.check(containers, {"app": {"/etc/app.conf": conf}, "store": {"/data": data}})
    for wrong in ("/etc/hostname", str(Path(conf).parent), "/"):
        with pytest.raises(HealthError, match=rf"app has something else than {wrong} mounted at /etc/app\.conf"):
            real_mounts.check(containers, {"app": {"/etc/app.conf": wrong}})
