"""The command `export-bundle`: the file's content, the output, and what is left when it breaks off."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from ota_py import bundle
from tests.support.manager.fleets import Fleet, Manager
from tests.support.manager.oci_images import digest, push_index
from tests.support.selfupdate.wheelhouses import archive

MIB = 1024**2


@pytest.fixture
def published(ota: Manager, registry: str) -> str:
    """Version 1.2.0, with an image for two architectures and a file."""
    layers = {"amd64": [b"base", b"for amd64"], "arm64": [b"base", b"for arm64"]}
    push_index(registry, "healthguard/wide", "1.2.0", layers)
    Path("bridge.conf").write_text("topic a\n")
    done = ota.create(
        "1.2.0",
        "--file",
        "bridge.conf:config/bridge.conf",
        images='{"mqtt-bridge": "healthguard/wide:1.2.0"}',
    )
    assert done.status == 0, done.err
    return "1.2.0"


def members(path: Path) -> dict[str, bytes]:
    with open(path, "rb") as file:
        data, found = file.read(), bundle.read_members(file)
    return {name: data[member.offset : member.offset + member.size] for name, member in found.items()}


def layers(path: Path) -> set[bytes]:
    return {data for data in members(path).values() if data in (b"base", b"for amd64", b"for arm64")}


def test_all_of_an_update_is_in_the_file(ota: Manager, published: str):
    done = ota("export-bundle", "--version", published, "--output", "a.bundle", "--json")
    assert done.status == 0, done.err
    shown = done.json
    assert (shown["version"], shown["platforms"]) == ("1.2.0", ["linux/amd64", "linux/arm64"])
    assert shown["bytes"] == Path("a.bundle").stat().st_size
    assert shown["fresh_until"] > "2026"
    found = members(Path("a.bundle"))
    assert next(iter(found)) == bundle.HEADER_NAME
    assert {"metadata/1.root.json", "metadata/timestamp.json"} <= found.keys()
    assert layers(Path("a.bundle")) == {b"base", b"for amd64", b"for arm64"}
    assert bundle.BLOBS + digest(b"topic a\n").removeprefix("sha256:") in found
    assert all(digest(data) == f"sha256:{name[-64:]}" for name, data in found.items() if "sha256" in name)


def test_a_large_file_is_never_held_in_memory_whole(ota: Manager, registry: str):
    software = archive(Path(), size=15 * MIB)
    assert ota.create("1.2.0", "--agent", software).status == 0
    tracemalloc.start()
    try:
        done = ota("export-bundle", "--version", "1.2.0", "--output", "a.bundle")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.status == 0, done.err
    assert Path("a.bundle").stat().st_size > 15 * MIB
    assert peak < 12 * MIB


def test_a_platform_can_be_chosen(ota: Manager, published: str):
    done = ota("export-bundle", "--version", published, "--output", "a.bundle", "--platform", "linux/arm64")
    assert done.status == 0, done.err
    assert "a.bundle: update 1.2.0" in done.out
    assert layers(Path("a.bundle")) == {b"base", b"for arm64"}


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--version", "9.9.9"], 6, "update 9.9.9 is not published"),
        (["--version", "1.2.0", "--platform", "linux/riscv64"], 2, "is not for linux/riscv64"),
    ],
)
def test_what_cannot_be_exported_is_named(ota: Manager, published: str, options: list[str], status: int, words: str):
    done = ota("export-bundle", *options, "--output", "a.bundle")
    assert (done.status, words in done.err) == (status, True), done.err
    assert not list(Path().glob("a.bundle*"))


def test_a_file_that_exists_is_not_replaced(ota: Manager, published: str):
    Path("a.bundle").write_text("mine")
    done = ota("export-bundle", "--version", published, "--output", "a.bundle", "--json")
    assert (done.status, json.loads(done.out)["error"]["code"]) == (5, "conflict")
    assert Path("a.bundle").read_text() == "mine"


def test_a_file_that_breaks_off_is_removed(ota: Manager, published: str, fleet: Fleet, monkeypatch):
    from ota_py.errors import RegistryError
    from ota_py.manager.registry.resolve import TagResolver

    def broken(self: TagResolver, image: object, name: str):
        yield b"b"
        raise RegistryError("the registry broke off")

    monkeypatch.setattr(TagResolver, "blob", broken)
    done = ota("export-bundle", "--version", published, "--output", "a.bundle")
    assert (done.status, "broke off" in done.err) == (10, True)
    assert not list(Path().glob("a.bundle*"))


def test_other_bytes_than_the_digests_are_refused(ota: Manager, published: str, monkeypatch):
    from ota_py.manager.registry.resolve import TagResolver

    real = TagResolver.blob
    monkeypatch.setattr(TagResolver, "blob", lambda *a: iter([b"".join(real(*a))[::-1]]))
    done = ota("export-bundle", "--version", published, "--output", "a.bundle")
    assert (done.status, "something on the way altered it" in done.err) == (20, True), done.err
    assert not list(Path().glob("a.bundle*"))
