"""OCI images made and pushed without Docker: layers in, a digest out.

The same input gives the same digest, on any machine; building one version of a service is
a layer of a few hundred bytes and three requests. Registries and engines see ordinary images.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from lab.errors import LabError
from ota_py.architectures import this_architecture

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
REQUEST_SECONDS = 120


@dataclass(frozen=True)
class Layer:
    """One compressed layer: what is sent, and the digest of what is inside."""

    blob: bytes
    diff_id: str

    @classmethod
    def from_tar(cls, data: bytes) -> Layer:
        """Compress a tar archive, with nothing in it that depends on the time."""
        return cls(gzip.compress(data, compresslevel=6, mtime=0), digest(data))

    @property
    def descriptor(self) -> dict[str, Any]:
        """Return what a manifest says about this layer."""
        return {"mediaType": LAYER_TYPE, "digest": digest(self.blob), "size": len(self.blob)}


@dataclass(frozen=True)
class Image:
    """Layers, and how to run them."""

    layers: Sequence[Layer]
    entrypoint: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    stop_signal: str = "SIGTERM"

    def config_bytes(self) -> bytes:
        """Return the image's configuration document."""
        document = {
            "architecture": this_architecture(),
            "os": "linux",
            "created": "2025-01-01T00:00:00Z",
            "config": {
                "Entrypoint": list(self.entrypoint),
                "Env": [f"{key}={value}" for key, value in self.env.items()],
                "Labels": dict(self.labels),
                "User": self.user,
                "StopSignal": self.stop_signal,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
        }
        return json.dumps(document, separators=(",", ":")).encode()

    def manifest_bytes(self) -> bytes:
        """Return the manifest; its digest is the image's identity."""
        config = self.config_bytes()
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest(config), "size": len(config)},
            "layers": [layer.descriptor for layer in self.layers],
        }
        return json.dumps(document, separators=(",", ":")).encode()


def digest(data: bytes) -> str:
    """Return the OCI digest of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer_of_files(files: Mapping[str, tuple[bytes, int]]) -> Layer:
    """Make a layer of small files: path to content and mode."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return Layer.from_tar(stream.getvalue())


class Registry:
    """A registry's HTTP API, as much of it as a push needs."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._base = f"http://{address}/v2"
        self._session = requests.Session()
        self._session.trust_env = False  # the lab's addresses are never behind a proxy

    def ready(self) -> bool:
        """Say whether the registry answers."""
        try:
            return bool(self._session.get(f"{self._base}/", timeout=2).ok)
        except requests.RequestException:
            return False

    def digest_of(self, repository: str, reference: str) -> str | None:
        """Return the digest behind a tag, or None where there is none."""
        answer = self._session.head(
            f"{self._base}/{repository}/manifests/{reference}",
            headers={"Accept": MANIFEST_TYPE},
            timeout=REQUEST_SECONDS,
        )
        return answer.headers.get("Docker-Content-Digest") if answer.ok else None

    def push(self, repository: str, tag: str, image: Image) -> str:
        """Push an image, sending only what the registry does not have; return its digest.

        Raises:
            LabError: the registry refused something.
        """
        manifest = image.manifest_bytes()
        if self.digest_of(repository, tag) == digest(manifest):
            return digest(manifest)
        for blob in [*(layer.blob for layer in image.layers), image.config_bytes()]:
            self._push_blob(repository, blob)
        answer = self._session.put(
            f"{self._base}/{repository}/manifests/{tag}",
            data=manifest,
            headers={"Content-Type": MANIFEST_TYPE},
            timeout=REQUEST_SECONDS,
        )
        self._check(answer, f"manifest {repository}:{tag}")
        return digest(manifest)

    def _push_blob(self, repository: str, blob: bytes) -> None:
        name = digest(blob)
        if self._session.head(f"{self._base}/{repository}/blobs/{name}", timeout=REQUEST_SECONDS).ok:
            return
        begun = self._session.post(f"{self._base}/{repository}/blobs/uploads/", timeout=REQUEST_SECONDS)
        self._check(begun, f"upload to {repository}")
        answer = self._session.put(
            begun.headers["Location"], params={"digest": name}, data=blob, timeout=REQUEST_SECONDS
        )
        self._check(answer, f"blob {name} of {repository}")

    def _check(self, answer: requests.Response, what: str) -> None:
        if not answer.ok:
            raise LabError(f"registry {self.address} refused {what}: {answer.status_code} {answer.text[:300]}")
