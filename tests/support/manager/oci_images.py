"""Small OCI images, pushed by plain HTTP PUTs, without Docker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push_image(
    registry: str,
    name: str,
    tag: str,
    *,
    architecture: str = "amd64",
    layers: Sequence[bytes] = (b"layer",),
    entrypoint: Sequence[str] = ("/bin/service",),
) -> str:
    """Push a single-platform image and return its digest."""
    manifest = _push_platform(registry, name, architecture, layers, entrypoint)
    return _put_manifest(registry, name, tag, MANIFEST_TYPE, manifest)


def push_index(registry: str, name: str, tag: str, layers: Mapping[str, Sequence[bytes]]) -> str:
    """Push an image for several architectures, with an attestation beside them, and return its digest."""
    entries = []
    for architecture, blobs in layers.items():
        manifest = _push_platform(registry, name, architecture, blobs, ("/bin/service",))
        _put_manifest(registry, name, digest(manifest), MANIFEST_TYPE, manifest)
        platform = {"os": "linux", "architecture": architecture}
        entries.append(_descriptor(MANIFEST_TYPE, manifest) | {"platform": platform})
    attestation = _push_platform(registry, name, "unknown", [b"attestation" * 1000], ())
    _put_manifest(registry, name, digest(attestation), MANIFEST_TYPE, attestation)
    unknown = {"os": "unknown", "architecture": "unknown"}
    entries.append(_descriptor(MANIFEST_TYPE, attestation) | {"platform": unknown})
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}).encode()
    return _put_manifest(registry, name, tag, INDEX_TYPE, index)


def _push_platform(
    registry: str, name: str, architecture: str, layers: Sequence[bytes], entrypoint: Sequence[str]
) -> bytes:
    document = {"os": "linux", "architecture": architecture, "config": {"Entrypoint": list(entrypoint)}}
    config = json.dumps(document).encode()
    for blob in (config, *layers):
        _push_blob(registry, name, blob)
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(CONFIG_TYPE, config),
            "layers": [_descriptor(LAYER_TYPE, blob) for blob in layers],
        }
    ).encode()


def _push_blob(registry: str, name: str, blob: bytes) -> None:
    start = requests.post(f"http://{registry}/v2/{name}/blobs/uploads/", timeout=60)
    start.raise_for_status()
    headers = {"Content-Type": "application/octet-stream"}
    requests.put(
        start.headers["Location"], params={"digest": digest(blob)}, data=blob, headers=headers, timeout=60
    ).raise_for_status()


def _put_manifest(registry: str, name: str, reference: str, media_type: str, data: bytes) -> str:
    url = f"http://{registry}/v2/{name}/manifests/{reference}"
    requests.put(url, data=data, headers={"Content-Type": media_type}, timeout=60).raise_for_status()
    return digest(data)


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}
