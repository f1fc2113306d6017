"""Updates of a site that come over a bad link."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.oci import Image as OciImage
from lab.oci import Registry, layer_of_files
from ota_py.gateway.transaction import pull
from ota_py.manifest import Image
from ota_py.trust.fetch import transfer
from tests.support.gateway.site import HEALTHY, PATH, RUNS, Site
from tests.support.ports import free_port
from tests.support.trust.bad_link import BadLink

MIB = 1024 * 1024


@pytest.fixture
def link(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadLink]:
    """The bad link to the registry."""
    monkeypatch.setattr(transfer, "PAUSE_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(pull, "NAME_PAUSES_SECONDS", (0.01, 0.01))
    link = BadLink(registry.address)
    yield link
    link.close()


class Fetching:
    """A site whose update comes over the link."""

    def __init__(self, site: Site, link: BadLink, registry: Registry) -> None:
        self.site, self.link, self.registry = site, link, registry
        self.relay_port = free_port()
        site.configure(f"[fetch]\nrelay_port = {self.relay_port}\n")

    def limit(self, kib_per_second: int) -> None:
        self.site.configure(f"[fetch]\nrelay_port = {self.relay_port}\nbandwidth_kib = {kib_per_second}\n")

    def release(
        self,
        version: str,
        mib: float = 2,
        files: dict[str, bytes] | None = None,
        content: Callable[[int], bytes] = secrets.token_bytes,
    ) -> Image:
        """Publish `app` with a large layer, of what nothing compresses if not said otherwise."""
        site = self.site
        own = {"/version": (version.encode(), 0o644), "/start": (RUNS, 0o755), "/health": (HEALTHY, 0o755)}
        large = layer_of_files({"/large": (content(int(mib * MIB)), 0o644)})
        layers = [site._layers["busybox"], layer_of_files({**own, "/tmp/.keep": (b"", 0o644)}), large]
        name = f"{site.project}/app"
        digest = self.registry.push(name, version, OciImage(layers, ["/start"], {"PATH": PATH}))
        self.large = large.descriptor["digest"]
        image = Image(reference=f"{self.link.address}/{name}:{version}", digest=digest, size=len(large.blob))
        site.publish(version, {"app": image}, files)
        return image

    def left(self) -> list[Path]:
        """The downloads that are kept."""
        return sorted((self.site.directory / "state" / "updates").glob("*/fetched/*"))


@pytest.fixture
def fetching(site: Site, link: BadLink, registry: Registry) -> Fetching:
    return Fetching(site, link, registry)
