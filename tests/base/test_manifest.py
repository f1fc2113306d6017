"""The manifest's limits and refusals, word for word (A05, A07, A22, A24)."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota_py.errors import ManifestError
from ota_py.manifest import MANIFEST_MAX_BYTES, Image, Manifest, parse_manifest

DIGEST = "sha256:" + "a" * 64


def document(**changes):
    data = {
        "schema_version": 1,
        "fleet": "healthguard",
        "version": "1.2.0",
        "created": "2026-01-01T00:00:00Z",
        "images": {"mqtt-bridge": {"reference": "registry:5000/a/b:1.2.0", "digest": DIGEST, "size": 1}},
    }
    data.update(changes)
    return data


def file(dest, **changes):
    return {"dest": dest, "target": "updates/1.2.0/files/x", "sha256": "0" * 64, "length": 1, **changes}


def parse(**changes):
    return parse_manifest(json.dumps(document(**changes)).encode())


def test_bytes_read_back_and_are_stable():
    manifest = parse()
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert parse_manifest(manifest.to_bytes()).to_bytes() == manifest.to_bytes()


def test_image_is_pinned_by_digest_without_its_tag():
    assert parse().images["mqtt-bridge"].pinned == f"registry:5000/a/b@{DIGEST}"
    assert Image(reference="plain:1", digest=DIGEST, size=0).pinned == f"plain@{DIGEST}"


@pytest.mark.case("A07", "A22", "A24")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "1.2"}, "version: Value error, version '1.2' is not a semantic version"),
        ({"version": "1.2.0\n"}, "is not a semantic version"),
        ({"fleet": "{{ lookup('pipe', 'id') }}"}, "fleet: String should match pattern"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"schema_version": 2}, "schema_version: Input should be 1"),
        ({"images": {}}, "the update changes nothing"),
        ({"images": {"a": {"reference": "r/a:1", "digest": "1.2", "size": 1}}}, "images.a.digest"),
        ({"images": {"a": {"reference": "r/a@" + DIGEST, "digest": DIGEST, "size": 1}}}, "registry/name:tag"),
        ({"images": {"a": {"reference": "r/a:1", "size": 1}}}, "images.a.digest: Field required"),
        ({"images": {"a b": {"reference": "r/a:1", "digest": DIGEST, "size": 1}}}, "should match pattern"),
        ({"files": [file("/etc/passwd")]}, "is not a plain relative path"),
        ({"files": [file("config/../../x")]}, "is not a plain relative path"),
        ({"files": [file("./x")]}, "is not a plain relative path"),
        ({"files": [file("ota/ota_client.py")]}, "lies in the updater's own directory"),
        ({"files": [file("a"), file("a")]}, "two files have the same dest"),
        ({"files": [file("docker-compose.yml")]}, "is given as compose, not in files"),
        ({"compose": file("compose.yml")}, "compose.dest must be docker-compose.yml"),
        ({"files": [file("a", mode="4755")]}, "files.0.mode"),
        ({"files": [file("a", target="../../metadata/x")]}, "is not a plain relative path"),
        ({"timeout_minutes": 0}, "timeout_minutes"),
        ({"timeout_minutes": 10**400}, "timeout_minutes"),
        ({"critical": "yes"}, "critical: Input should be a valid boolean"),
        ({"created": "2026-01-01T00:00:00"}, "created has no time zone"),
        ({"created": "yesterday"}, "created is not RFC 3339"),
        ({"health": {"probes": [{"type": "shell", "command": "x"}]}}, "health.probes.0"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(ManifestError) as caught:
        parse(**changes)
    assert words in caught.value.message


@pytest.mark.case("A24")
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": Infinity}', "Infinity is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 10_000, "not valid"),
        (b" " * (MANIFEST_MAX_BYTES + 1), f"the limit is {MANIFEST_MAX_BYTES}"),
        (b"[]", "manifest is not valid"),
    ],
)
def test_a24_odd_bytes(raw, words):
    with pytest.raises(ManifestError) as caught:
        parse_manifest(raw)
    assert words in caught.value.message


@pytest.mark.case("A24")
@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_a24_any_bytes_give_a_manifest_or_a_manifest_error(raw):
    with pytest.raises(ManifestError):
        parse_manifest(raw)


@pytest.mark.case("A24")
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_a24_any_value_in_any_field(value):
    for field in document():
        with contextlib.suppress(ManifestError):
            assert isinstance(parse(**{field: value}), Manifest)
