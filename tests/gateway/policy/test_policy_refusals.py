"""The policy at work: refused before anything stops, and before Compose fetches anything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.gateway.site import Site

pytestmark = [pytest.mark.docker, pytest.mark.case("A23", "A43")]

LOADERS_ON = b"COMPOSE_EXPERIMENTAL_GIT_REMOTE=true\nCOMPOSE_EXPERIMENTAL_OCI_REMOTE=true\n"


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A port, and the first line of each request that came there."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(1000).partition(b"\r\n")[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_what_the_policy_forbids_stops_nothing_and_fetches_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    # As newer Compose does without being asked to.
    monkeypatch.setenv("COMPOSE_EXPERIMENTAL_GIT_REMOTE", "1")
    ids, files = site.ids(), site.files()
    present = site.compose_file.read_text()

    def refused(version: str, text: str, **more: bytes) -> str:
        site.publish(version, files={"docker-compose.yml": text.encode(), **more})
        trusted = site.refreshed()
        result = site.update(version)
        assert (result["outcome"], result["changed"]) == ("FAILED", False), result
        assert result["error"]["code"] == "policy"
        assert [step["state"] for step in result["steps"]][:2] == ["RECEIVED", "VERIFIED"]
        assert site.standing() == trusted
        return str(result["reason"])

    privileged = present.replace("network_mode: none\n    stop", "privileged: true\n    stop", 1)
    assert privileged != present
    reason = refused("1.1.0", privileged)
    assert reason == "the service app asks for privileged, which the policy of this gateway forbids"

    mounts = present.replace("- ./config/app.conf", "- ${WHERE}:/x\n      - ./config/app.conf")
    assert "asks for writing to /usr, which" in refused("1.1.1", mounts, **{".env": b"WHERE=/usr\n"})
    override = b"services: {store: {pid: host}}\n"
    reason = refused("1.1.2", present, **{"docker-compose.override.yml": override})
    assert reason.startswith("the service store asks for pid: host")
    included = f"include: [more.yml]\n{present}"
    more = b"services: {more: {image: busybox, ipc: host}}\n"
    assert "the service more asks for ipc: host" in refused("1.1.3", included, **{"more.yml": more})

    with listener() as (port, heard):
        url = f"http://127.0.0.1:{port}/x.git"
        assert "asks for include: " + url in refused("1.1.4", f"include: ['{url}']\n{present}")
        assert heard == []
        # Not even where the policy lets it pass, and the update's own .env switches the loaders on.
        site.configure(f'[policy.grants]\n"compose file" = ["include: {url}"]\n')
        remote = {"docker-compose.yml": f"include: ['{url}']\n{present}".encode(), ".env": LOADERS_ON}
        site.publish("1.1.5", files=remote)
        result = site.update("1.1.5")
        assert result["error"]["code"] == "docker"
        assert "COMPOSE_EXPERIMENTAL_GIT_REMOTE" in str(result["reason"])
        assert heard == []

    assert (site.ids(), site.files()) == (ids, files)

    site.configure('[policy]\nallow_privileged = ["app"]\n')
    site.publish(
        "1.2.0",
        files={"docker-compose.yml": privileged.replace("privileged: true", "cap_drop: [ALL]").encode()},
    )
    assert site.update("1.2.0")["outcome"] == "SUCCEEDED", "what is as before needs no setting"
