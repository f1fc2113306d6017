"""Images: those that a rollback needs outlast a stranger's prune, those that are not needed go (F15)."""

from __future__ import annotations

import subprocess
from contextlib import closing

import docker
import pytest

from tests.support.gateway.site import RUNS, UNHEALTHY, Site

pytestmark = [pytest.mark.docker, pytest.mark.case("F15")]


def images(site: Site) -> set[str]:
    """The images of this site at the Docker daemon, as `service@sha256:...`."""
    with closing(docker.from_env()) as client:
        # Not images.list(): it asks for each image anew, and others remove theirs meanwhile.
        digests = {digest for image in client.api.images() for digest in image["RepoDigests"] or []}
    return {digest.rpartition("/")[2] for digest in digests if f"/{site.project}/" in digest}


def name(image) -> str:
    return image.pinned.rpartition("/")[2]


def remove_as_a_prune_would(site: Site) -> None:
    """Do as `docker system prune -a` does, to the images of this site alone: others use this Docker daemon, too."""
    with closing(docker.from_env()) as client:
        for image in client.api.images():
            for reference in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]:
                if f"/{site.project}/" in reference:
                    subprocess.run(["docker", "rmi", reference], capture_output=True)


def test_a_way_back_outlasts_a_prune_with_the_registry_gone(site: Site) -> None:
    # As if Compose had built it: such labels must not make its pin one of the project's containers.
    labels = {"com.docker.compose.project": site.project, "com.docker.compose.service": "app"}
    wanted = site.push("app", "1.1.0", labels=labels)
    site.publish("1.1.0", {"app": wanted})
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")})
    first = site.container("app").image.id
    site.update("1.1.0")
    assert [pin.image.id for pin in site.pins()] == [first], "services hold what they run"
    second = site.container("app").image.id
    site.update("1.2.0")

    pins = site.pins()
    assert {pin.image.id for pin in pins} == {first, second}
    for pin in pins:
        assert pin.status == "running"
        assert pin.attrs["HostConfig"]["NetworkMode"] == "none"
        assert pin.attrs["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert site.container("app")

    with closing(docker.from_env()) as client:
        # In two repositories: a prune takes one name after the other, also that of the Compose file.
        assert client.images.get(second).tag(f"{site.project}/other", "x")
    remove_as_a_prune_would(site)
    assert name(wanted) not in images(site)

    assert site.client_json("rollback")["outcome"] == "ROLLED_BACK"
    assert site.version_of("app") == "1.1.0"
    assert [pin.image.id for pin in site.pins()] == [first]


def test_images_that_nobody_needs_any_more_are_removed(site: Site) -> None:
    bad, wanted = site.push("app", "1.1.0", RUNS, UNHEALTHY), site.push("app", "1.2.0")
    site.publish("1.1.0", {"app": bad})
    site.publish("1.2.0", {"app": wanted})
    site.publish("1.3.0", {"app": site.push("app", "1.3.0")})
    before = images(site)

    assert site.update("1.1.0")["outcome"] == "ROLLED_BACK"
    assert images(site) == before, "a version that was rolled back"
    assert not site.pins(), "the services run all that the backup needs"

    site.client("update", "--version", "1.2.0", OTA_CRASH_AT="journal.advance.PULLED.before")
    assert site.client_json("recover")["outcome"] == "FAILED"
    assert name(wanted) in images(site), "it may be tried again"

    assert site.update("1.3.0")["outcome"] == "SUCCEEDED"
    assert name(wanted) not in images(site), "nobody will"


def test_an_image_that_is_gone_is_found_before_anything_stops(site: Site) -> None:
    site.publish("1.1.0", {"app": site.push("app", "1.1.0")})
    store = site.container("store")
    store.stop(timeout=1)
    with closing(docker.from_env()) as client:
        client.images.remove(store.image.id, force=True)
    before = site.ids()

    result = site.update("1.1.0")

    assert result["outcome"] == "FAILED"
    assert "that store runs is gone from the Docker engine" in result["reason"]
    assert site.ids() == before
