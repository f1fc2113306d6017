"""What the control plane marks at a gateway: from the gateway itself through its real agent to the admin."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ota_py.manager.controlplane.client import ControlPlane
from ota_py.trust.documents.metadata import OnlineSigners
from ota_py.trust.publish.freshen import renew
from tests.support.gateway import gateways
from tests.support.gateway.site import CLIENT, Site
from tests.support.operators import UPDATE, Admin, start_rollout
from tests.support.trust.published import Publisher

WORDS = "the repository&#x27;s metadata has expired"


@pytest.fixture
def admin(real_control_plane: ControlPlane, operator_directory: Path) -> Admin:
    return Admin(real_control_plane.url, operator_directory)


@pytest.mark.case("A04")
def test_a_gateway_with_expired_metadata_is_marked_until_it_is_fresh(
    tmp_path: Path,
    publisher: Publisher,
    served: str,
    real_control_plane: ControlPlane,
    admin: Admin,
) -> None:
    token = real_control_plane.add_gateway("late_1", delivery="pull")["token"]
    path = gateways.write(tmp_path, url=real_control_plane.url, token=token, gateway_id="late_1")
    text = path.read_text().replace(f"file://{tmp_path}/repository", served)
    path.write_text(f'root = "{tmp_path}/root.json"\n{text}')
    (tmp_path / "root.json").write_bytes(publisher.root)

    def client(*arguments: str) -> int:
        argv = [sys.executable, str(CLIENT), *arguments, "--config", str(path)]
        return subprocess.run(argv, capture_output=True, timeout=300, check=False).returncode

    def known() -> str:
        found: str = real_control_plane.gateway("late_1")["freshness_problem"]
        return found

    publisher.publish(publisher.manifest("1.9.0"), now=datetime.now(UTC) - timedelta(days=15))
    assert (known(), ">stale<" in admin.row("late_1")) == ("", False)
    assert client("run", "--once") == 0  # nothing is assigned; it looks by itself
    assert known().startswith("the repository's metadata has expired: ")
    assert ">stale<" in admin.row("late_1")

    rollout = start_rollout(real_control_plane, "late_1", "1.9.0")
    assert client("run", "--once") == 20
    assert known().startswith("the repository's metadata has expired: ")
    shown = admin.row("late_1")
    assert WORDS in shown
    assert ">stale<" in shown
    result = real_control_plane.rollout(rollout)["gateways"][0]
    assert (result["state"], result["reason"]) == ("FAILED", known())

    real_control_plane.abort_rollout(rollout, "the metadata is renewed first")
    renew(publisher.repository(), OnlineSigners.one(publisher.signers["online"]), datetime.now(UTC))
    assert client("check") == 0
    assert client("run", "--once") == 0
    assert (known(), WORDS in admin.row("late_1")) == ("", False)


@pytest.mark.docker
def test_a_container_that_somebody_changed_is_marked_until_it_is_put_right(
    site: Site, real_control_plane: ControlPlane, admin: Admin
) -> None:
    token = real_control_plane.add_gateway("site_1", delivery="pull")["token"]
    (site.directory / "token").write_text(token)
    site.configure(f'[api]\nurl = "{real_control_plane.url}"\ntoken_file = "{site.directory}/token"\n')
    images = {name: site.push(name, "1.0.0").model_dump(mode="json") for name in ("app", "store")}
    real_control_plane.register_update({**UPDATE, "version": "1.0.0", "images": images})

    def marks() -> tuple[list[str], bool]:
        """The services that differ, as the API and as the admin tell them after the agent's next report."""
        done = site.client("run", "--once")
        assert done.returncode == 0, done.stderr
        gateway = real_control_plane.gateway("site_1")
        assert gateway["digests"].keys() == {"app", "broker", "store"}
        shown = admin.row("site_1")
        said = "another image than the update names: app" in shown and ">differs<" in shown
        return gateway["differing"], said

    assert marks() == ([], False)
    right = site.compose_file.read_text()
    other = site.push("app", "6.6.6")
    site.compose_file.write_text(right.replace("/app:1.0.0", "/app:6.6.6"))
    site.compose("up", "--detach", "--quiet-pull", "app")
    assert marks() == (["app"], True)
    assert real_control_plane.gateway("site_1")["digests"]["app"] == other.digest
    assert [each["id"] for each in real_control_plane.gateways(differs=True)] == ["site_1"]
    site.compose_file.write_text(right)
    site.compose("up", "--detach", "app")
    assert marks() == ([], False)
