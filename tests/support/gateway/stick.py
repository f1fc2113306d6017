"""A site, and a stick with a bundle of its next update."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.oci import Registry
from ota_py import bundle
from ota_py.manager.registry.resolve import TagResolver as OperatorsRegistry
from ota_py.manager.release.export_bundle import plan, write
from ota_py.trust.repository.repository import Repository
from tests.support.gateway.fetching import Fetching
from tests.support.gateway.site import Site
from tests.support.trust.bad_link import BadLink


class Stick:
    """A site, and the bundle of its update 1.1.0; the registry and the repository are away."""

    def __init__(self, site: Site, registry: Registry) -> None:
        self.site = site
        link = BadLink(registry.address)
        self.fetching = Fetching(site, link, registry)
        self.image = self.fetching.release("1.1.0", mib=0.5, files={"config/app.conf": b"second\n"})
        self.path = site.directory / "update.bundle"
        self.export(self.path)
        link.close()
        (site.directory / "repository").rename(site.directory / "away")

    def export(self, path: Path, version: str = "1.1.0") -> None:
        repository = Repository(self.site._store, self.site._root)
        registry = OperatorsRegistry(insecure=[self.fetching.link.address])
        write(plan(repository, registry, version, []), path, lambda _: None)

    def members(self) -> list[tuple[str, bytes]]:
        data = self.path.read_bytes()
        with open(self.path, "rb") as file:
            return [(n, data[m.offset : m.offset + m.size]) for n, m in bundle.read_members(file).items()]

    def rewrite(self, members: list[tuple[str, bytes]]) -> None:
        with open(self.path, "wb") as file:
            for name, data in members:
                bundle.write_member(file, name, len(data), iter([data]))
            bundle.write_end(file)

    def state(self) -> tuple[object, ...]:
        """The state that a refused bundle must leave as it was; metadata that holds may be remembered."""
        kept = sorted((self.site.directory / "state").glob("*/*/*"))
        return self.site.ids(), self.site.files(), kept


@pytest.fixture
def stick(site: Site, registry: Registry) -> Stick:
    return Stick(site, registry)
