"""ota_client.py and ota-helper.sh as a person types them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.gateway.site import CLIENT, Site
from tests.support.processes import captured

HELPER = CLIENT.with_name("ota-helper.sh")


def helper(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    python = CLIENT.parent / ".venv" / "bin" / "python"
    known = {"PYTHON": str(python)} if python.exists() else {}
    return captured(["sh", str(HELPER), *arguments], cwd=cwd, environment={**known, **environment})


def test_the_helper_says_how_it_is_used() -> None:
    done = helper("--help")
    assert done.returncode == 0
    for command in (
        "backup",
        "list-backups",
        "restore [ID]",
        "health-check",
        "update FILE",
        "status",
        "rollback",
    ):
        assert f"\n  {command} " in done.stdout
    assert "Examples:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage: ota-helper.sh"),
        (("fly",), "unknown command: fly"),
        (("update",), "needs a bundle or a manifest file"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], message: str) -> None:
    done = helper(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_helper_is_clean() -> None:
    done = captured(["shellcheck", str(HELPER)])
    assert done.returncode == 0, done.stdout


@pytest.mark.docker
def test_a_gateway_is_looked_after_by_hand(site: Site, tmp_path: Path) -> None:
    """From any directory; exit statuses are those of ota_client.py."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = {"OTA_GATEWAY_CONFIG": str(site.config_file), "cwd": elsewhere}

    made = helper("backup", **settings)
    assert made.returncode == 0, made.stderr
    assert "of 1.0.0: 2 files, 1 databases" in made.stdout
    assert made.stdout.split()[1] in helper("list-backups", **settings).stdout
    well = helper("health-check", **settings)
    assert (well.returncode, well.stdout.splitlines()[0]) == (0, "ok   app")

    site.publish("1.1.0", files={"config/app.conf": b"second\n"})
    listed = site.client("check").stdout
    assert listed == "current: 1.0.0\navailable: 1.1.0\n"
    updated = site.client("update")
    assert updated.returncode == 0, updated.stderr
    assert updated.stdout.splitlines()[-1].startswith("updated from 1.0.0 to 1.1.0")
    assert site.client("check").stdout == "current: 1.1.0\nnothing newer\n"
    assert "last:    1.0.0 -> 1.1.0: COMMITTED" in site.client("status").stdout
    back = helper("rollback", **settings)
    assert back.returncode == 0, back.stderr
    assert back.stdout.splitlines()[-1] == "rolled back: 1.1.0 is left, 1.0.0 runs"

    site.container("app").stop(timeout=1)
    ill = helper("health-check", **settings)
    assert ill.returncode == 27
    assert "FAIL app  is exited" in ill.stdout


@pytest.mark.docker
def test_status_works_without_docker(site: Site) -> None:
    done = site.client("status", DOCKER_HOST="unix:///nowhere")
    assert done.returncode == 0
    assert "version: 1.0.0" in done.stdout
    assert "the Docker engine failed" in done.stdout
