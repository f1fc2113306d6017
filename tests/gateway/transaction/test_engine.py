"""An update, from the signed manifest to the commit, on real containers."""

from __future__ import annotations

import sys
import time

import pytest

from tests.support.gateway.site import Site
from tests.support.processes import captured
from tests.support.states import STEPS

pytestmark = pytest.mark.docker


def test_an_update_replaces_what_changed_and_nothing_else(site: Site) -> None:
    image = site.push("app", "1.1.0")
    site.publish("1.1.0", {"app": image}, {"config/app.conf": b"second\n"})
    before = site.ids()

    begun = time.monotonic()
    result = site.update("1.1.0")
    took = time.monotonic() - begun

    assert result["outcome"] == "SUCCEEDED", result
    assert result["state"] == "COMMITTED"
    assert result["changed"]
    assert result["from_version"] == "1.0.0"
    assert site.version_of("app") == "1.1.0"
    after = site.ids()
    assert after["app"] != before["app"]
    assert (after["broker"], after["store"]) == (before["broker"], before["store"])
    assert (site.project_dir / "config" / "app.conf").read_text() == "second\n"
    assert image.pinned in site.compose_file.read_text()
    assert '# The site\'s project; comments and "quotes" must survive.' in site.compose_file.read_text()
    assert site.compose_file.stat().st_mode & 0o777 == 0o640
    states = [step["state"] for step in result["steps"]]
    assert states == STEPS
    assert [r["state"] for r in result["reports"]] == states
    assert result["reports"][-1]["details"]["digests"]["app"] == image.digest
    assert 0 < result["downtime_seconds"] < took
    with site.engine() as (_, journal):
        assert journal.installed_version == "1.1.0"


def test_the_same_update_again_changes_nothing(site: Site) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    site.update("1.1.0")
    before, files = site.ids(), site.files()

    again = site.client_json("update", "--version", "1.1.0", "--rollout", "7")

    assert again["outcome"] == "SKIPPED"
    assert not again["changed"]
    assert [(r["kind"], r["rollout"]) for r in again["reports"]] == [("skipped", 7)]
    assert site.ids() == before
    assert site.files() == files


def test_an_installed_version_whose_container_is_another_is_put_right(site: Site) -> None:
    old = site.compose_file.read_text()
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    site.update("1.1.0")
    site.compose_file.write_text(old)
    site.compose("up", "--detach")
    assert site.version_of("app") == "1.0.0"

    result = site.update("1.1.0")

    assert result["outcome"] == "SUCCEEDED", result
    assert site.version_of("app") == "1.1.0"


def test_a_new_compose_file_adds_and_removes_services(site: Site) -> None:
    image = site.push("extra", "1.0.0")
    text = site.compose_file.read_text()
    head, store = text.split("  store:")
    extra = "  extra:\n    image: placeholder\n    network_mode: none\n"
    new = f"{head}{extra}volumes:{store.split('volumes:')[2]}"
    site.publish("1.1.0", {"extra": image}, {"docker-compose.yml": new.encode()})
    site.configure(databases="")

    result = site.update("1.1.0")

    assert result["outcome"] == "SUCCEEDED", result
    assert sorted(site.ids()) == ["app", "broker", "extra"]


def test_a_template_is_rendered_with_the_gateways_variables(site: Site) -> None:
    template = b"{{ gateway_id }} at {{ site_name }} runs {{ version }}\n"
    site.publish("1.1.0", files={"config/app.conf": (template, True)})
    app = site.ids()["app"]

    assert site.update("1.1.0")["outcome"] == "SUCCEEDED"

    assert (site.project_dir / "config/app.conf").read_text() == "site_1 at Boston 1 runs 1.1.0\n"
    assert site.output_of("app", "cat", "/etc/app.conf").startswith("site_1 at")
    assert site.ids()["app"] != app, "a service sees a replaced file only when it is replaced itself"


def test_only_so_many_backups_are_kept(site: Site) -> None:
    site.configure("keep_backups = 2")
    for minor in (1, 2, 3):
        site.publish(f"1.{minor}.0", files={"config/app.conf": b"%d\n" % minor})
        assert site.update(f"1.{minor}.0")["outcome"] == "SUCCEEDED"

    entries = site.client_json("list-backups")["backups"]

    assert [entry["version"] for entry in entries] == ["1.2.0", "1.1.0"]
    assert {path.name for path in site.config.backups_dir.iterdir()} == {entry["id"] for entry in entries}


def test_the_engine_stays_small(site: Site) -> None:
    """The mark is 80 MB for the engine's own memory."""
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")}, {"config/app.conf": (b"{{ version }}", True)})
    script = (
        "import sys; from ota_py.cli import run; from ota_py.gateway.cli import command; "
        "status = run(command, sys.argv[1:]); "
        "print(open('/proc/self/status').read(), file=sys.stderr); sys.exit(status)"
    )
    done = captured([sys.executable, "-c", script, "update", "--version", "1.1.0", "--config", str(site.config_file)])
    assert done.returncode == 0, done.stderr
    (peak,) = (line for line in done.stderr.splitlines() if line.startswith("VmHWM:"))
    assert int(peak.split()[1]) < 80 * 1024, "kilobytes"
