"""Hooks in real updates: their order, their results in the report, and what their failure leads to."""

from __future__ import annotations

import pytest

from ota_py.manifest import Hook
from tests.support.gateway.site import Site

pytestmark = pytest.mark.docker

POINTS = ["before-backup", "after-backup", "before-stop", "after-stop", "before-start", "after-start"]
BACK = ["before-rollback", "after-rollback"]


def write(site: Site, point: str, body: str) -> None:
    path = site.directory / "hooks.d" / point / "10-site"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_hooks_of_the_gateway_and_of_the_update(site: Site) -> None:
    heard = site.directory / "heard"
    for point in [*POINTS, *BACK]:
        write(site, point, f"echo $OTA_POINT $(cat config/app.conf) >>{heard}")
    site.configure(f'[hooks]\ndirectory = "{site.directory}/hooks.d"\n')
    in_app = ["sh", "-c", "cat /version; echo in $OTA_POINT of $OTA_VERSION"]
    site.publish(
        "1.1.0",
        {"app": site.push("app", "1.1.0")},
        {"config/app.conf": b"second\n"},
        hooks=[Hook(at=at, service="app", command=in_app) for at in ("before-stop", "after-start")],
    )

    result = site.update("1.1.0")

    assert result["outcome"] == "SUCCEEDED", result
    seen = ["first"] * 4 + ["second"] * 2
    assert heard.read_text().splitlines() == [f"{p} {text}" for p, text in zip(POINTS, seen, strict=True)]
    told = result["reports"][-1]["details"]["hooks"]
    of_update = [t for t in told if t["hook"].startswith("app: ")]
    lines = [["1.0.0in before-stop of 1.1.0"], ["1.1.0in after-start of 1.1.0"]]
    # An engine under load loses the output of an exec now and then.
    assert all(t["output"] in (line, []) for t, line in zip(of_update, lines, strict=True))
    assert len(told) == 8
    assert all(t["status"] == 0 and t["seconds"] >= 0 for t in told)

    # After the first touch a failure leads back, with the hook's words as the reason.
    ids, files = site.ids(), site.files()
    bad = Hook(at="after-start", service="app", command=["sh", "-c", "echo no sensor; exit 4"])
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")}, hooks=[bad])
    heard.unlink()
    result = site.update("1.2.0")
    assert result["outcome"] == "ROLLED_BACK", result
    reason = "the after-start hook app: sh -c echo no sensor; exit 4 ended with exit status 4"
    assert result["reason"] in (f"{reason}: no sensor", reason)
    assert result["error"]["code"] == "hook"
    details = result["reports"][-1]["details"]
    assert details["failing_service"] == "app"
    assert details["log_tail"] in (["no sensor"], [])
    assert [t["at"] for t in details["hooks"]][-3:] == ["after-start", *BACK]
    assert [line.split()[0] for line in heard.read_text().splitlines()] == [*POINTS, *BACK]
    assert site.files() == files
    assert site.version_of("app") == "1.1.0"

    # Before it, nothing was touched: "not now", and a failure.
    ids = site.ids()
    site.publish("1.3.0", {"app": site.push("app", "1.3.0")})
    write(site, "before-stop", "echo the till is open; exit 75")
    held = site.client_json("update", "--version", "1.3.0", status=34)
    assert held["reason"] == "the before-stop hook 10-site says not now: the till is open"
    write(site, "before-stop", "exit 0")
    hangs = Hook(at="before-stop", service="store", command=["sleep", "54321"], timeout_seconds=0.5)
    site.publish("1.3.1", {"app": site.push("app", "1.3.1")}, hooks=[hangs])
    late = site.update("1.3.1")
    assert late["outcome"] == "FAILED"
    assert late["reason"] == "the before-stop hook store: sleep 54321 did not end within 0.5 s"
    assert "54321" not in str(site.container("store").top()), "it does not run on in the container"
    write(site, "before-stop", "echo no disk; exit 1")
    failed = site.client_json("update", "--version", "1.3.0", status=29)
    assert failed["reason"] == "the before-stop hook 10-site ended with exit status 1: no disk"
    assert not held["changed"]
    assert not failed["changed"]
    assert site.ids() == ids

    # Around a rollback a failing hook is only told.
    for point in [*POINTS, *BACK]:
        write(site, point, "exit 9")
    back = site.client_json("rollback")
    assert back["outcome"] == "ROLLED_BACK"
    assert [(t["at"], t["status"]) for t in back["reports"][-1]["details"]["hooks"]] == [(point, 9) for point in BACK]
    assert site.version_of("app") == "1.0.0"
