"""The pull of a simulated Docker daemon from the gateway's own registry relay, over HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re

from ota_py.gateway.docker.image_names import RELAY_HOST

_SECONDS = 60.0
_THROUGH_RELAY = re.compile(rf"{re.escape(RELAY_HOST)}:\d+/(.+)")


def real_name(pinned: str) -> str:
    """The name in the registry, `registry/app@sha256:...`, of an image that may come through the relay."""
    through = _THROUGH_RELAY.fullmatch(pinned)
    return f"registry/{through[1]}" if through else pinned


def read(repository: str, digest: str) -> str:
    """Read an image's manifest and blobs; returns what is wrong with them, or an empty string."""
    host, _, name = repository.partition("/")
    try:
        data = json.loads(_get(host, f"/v2/{name}/manifests/{digest}", digest))
        for entry in (data["config"], *data["layers"]):
            _get(host, f"/v2/{name}/blobs/{entry['digest']}", entry["digest"])
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _get(host: str, path: str, digest: str) -> bytes:
    connection = http.client.HTTPConnection(host, timeout=_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200 or "sha256:" + hashlib.sha256(body).hexdigest() != digest:
        raise ValueError(f"{path}: status {answer.status}, not the digest's bytes")
    return body
