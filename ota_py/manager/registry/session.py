"""HTTP to image registries: authentication and errors of the distribution API.

Specification: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NoReturn

import requests

from ota_py import registry_login
from ota_py.errors import NotFoundError, RegistryError
from ota_py.manager.registry.references import Reference
from ota_py.manager.system.http_errors import reason
from ota_py.registry_login import DeniedError, Login

TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, to answer
PIECE_BYTES = 256 * 1024
ANSWER_MAX_BYTES = 4 * 1024 * 1024  # the specification's limit for manifests


class RegistrySession:
    """Kept-alive connections to registries.

    Args:
        insecure: registries (`host:port`) to be reached by plain HTTP.
    """

    def __init__(self, insecure: Collection[str] = ()) -> None:
        self._insecure = frozenset(insecure)
        self._session = requests.Session()
        self._authorizations: dict[tuple[str, str], str] = {}

    def get(self, image: Reference, kind: str, name: str, accept: str = "*/*") -> requests.Response:
        """GET `/v2/<path>/<kind>/<name>` of an image's registry, with its credentials where it demands them.

        Args:
            image: names the registry and the path, and is what errors name.
            kind: `manifests` or `blobs`.
            name: a tag or a digest.
            accept: media types.

        Raises:
            NotFoundError: the registry does not have it.
            RegistryError: unreachable, denied, too many requests, or another refusal.
        """
        answer = self._allowed(image, kind, name, accept)
        if len(answer.content) > ANSWER_MAX_BYTES:
            raise RegistryError(f"{image.registry} answered {len(answer.content)} bytes about {image}, too many")
        return answer

    def stream(self, image: Reference, digest: str) -> Iterator[bytes]:
        """The bytes of a blob, piece by piece.

        Raises:
            NotFoundError, RegistryError: as above, or it was cut off.
        """
        with self._allowed(image, "blobs", digest, "*/*", stream=True) as answer:
            try:
                yield from answer.iter_content(PIECE_BYTES)
            except requests.RequestException as error:
                raise RegistryError(
                    f"the registry {image.registry} broke off while it sent {image}: {reason(error)}",
                    hint="check the link and run the command again",
                ) from None

    def _allowed(
        self, image: Reference, kind: str, name: str, accept: str, *, stream: bool = False
    ) -> requests.Response:
        """The answer to a request, which is sent once more with credentials where they are demanded."""
        answer = self._request(image, kind, name, accept, stream)
        if answer.status_code == 401:
            challenge = answer.headers.get("WWW-Authenticate", "")
            self._authorizations[image.registry, image.path] = self._authorize(image, challenge)
            answer = self._request(image, kind, name, accept, stream)
        if not answer.ok:
            _refuse(image, answer)
        return answer

    def _request(self, image: Reference, kind: str, name: str, accept: str, stream: bool) -> requests.Response:
        headers = {"Accept": accept}
        if authorization := self._authorizations.get((image.registry, image.path)):
            headers["Authorization"] = authorization
        url = f"{self._scheme(image)}://{registry_login.api_host(image.registry)}/v2/{image.path}/{kind}/{name}"
        return self._send(image, url, headers=headers, stream=stream)

    def _scheme(self, image: Reference) -> str:
        return "http" if image.registry in self._insecure else "https"

    def _authorize(self, image: Reference, challenge: str) -> str:
        def fetch(url: str, login: Login | None) -> bytes:
            answer = self._send(image, url, auth=login)
            if not answer.ok:
                raise DeniedError(f"its token service answered {answer.status_code}")
            return answer.content

        stored = registry_login.login(image.registry)
        try:
            return registry_login.authorization(challenge, image.path, stored, self._scheme(image), fetch)
        except DeniedError as error:
            raise _denied(image, str(error)) from None

    def _send(
        self,
        image: Reference,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        try:
            return self._session.get(url, headers=headers, auth=auth, timeout=TIMEOUT_SECONDS, stream=stream)
        except requests.exceptions.SSLError as error:
            raise RegistryError(
                f"the registry {image.registry} has no valid TLS certificate: {error.args[0].reason}",
                hint=f'if it speaks plain HTTP, add "{image.registry}" to registry.insecure in ota.toml; '
                "for a private CA set REQUESTS_CA_BUNDLE",
            ) from None
        except requests.RequestException as error:
            raise RegistryError(
                f"the registry {image.registry} cannot be reached to resolve {image}: {reason(error)}",
                hint="check the registry's name, that it runs, and registry.default and registry.insecure",
            ) from None


def _refuse(image: Reference, answer: requests.Response) -> NoReturn:
    if answer.status_code == 404:
        raise NotFoundError(
            f"the registry {image.registry} does not have the image {image}",
            hint="push the image first, or correct its name, tag or registry",
        )
    if answer.status_code == 429:
        wait = answer.headers.get("Retry-After", "")
        after = f" in {wait} seconds" if wait.isdecimal() else " later"
        raise RegistryError(
            f"the registry {image.registry} has had too many requests (429) to resolve {image}",
            hint=f"run the command again{after}; logged-in users often have a higher limit",
        )
    if answer.status_code in (401, 403):
        raise _denied(image, f"it answered {answer.status_code}")
    raise RegistryError(f"the registry {image.registry} answered {answer.status_code} about {image}")


def _denied(image: Reference, why: str) -> RegistryError:
    return RegistryError(
        f"the registry {image.registry} denied access to {image}: {why}",
        hint=f"run `docker login {image.registry}` with an account that may pull it; "
        "some registries also deny what does not exist",
    )
