"""The client of an image registry for the registry relay: by digest, in parts, with the login that Docker has.

Specification: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from ota_py import oci, registry_login
from ota_py.errors import CarrierError, NotFoundError, RegistryError
from ota_py.registry_login import DeniedError, Login, basic
from ota_py.trust.fetch.transfer import HttpTransfer

TOKEN_MAX_BYTES = 256 * 1024
# Where Docker looks for a registry's own certificates.
CERTIFICATES = Path("/etc/docker/certs.d")

# The login stored for a registry, or None.
FindLogin = Callable[[str], Login | None]


def ca_file(registry: str) -> str | None:
    """The certificates that Docker trusts for a registry instead of the system's, or None."""
    path = CERTIFICATES / registry / "ca.crt"
    return str(path) if path.is_file() else None


class RegistryRepository:
    """One repository of a registry.

    Args:
        repository: `registry/name`.
        login: see `FindLogin`.
        is_insecure: whether the registry speaks plain HTTP.
    """

    def __init__(self, repository: str, link: HttpTransfer, login: FindLogin, *, is_insecure: bool) -> None:
        self._host, _, self._path = repository.partition("/")
        self._link = link
        self._login = login
        self._scheme = "http" if is_insecure else "https"
        self._base = f"{self._scheme}://{registry_login.api_host(self._host)}/v2/{quote(self._path)}"
        self._authorization = ""

    def document(self, digest: str) -> bytes:
        """The bytes of a manifest or an index.

        Raises:
            NotFoundError: the registry does not have it.
            RegistryError: it cannot be fetched now.
        """
        pieces = self._get(f"{self._base}/manifests/{digest}", 0, ", ".join(oci.TYPES))
        data = bytearray()
        for piece in pieces:
            data += piece
            if len(data) > oci.DOCUMENT_MAX_BYTES:
                raise RegistryError(f"the registry {self._host} sends a manifest without end")
        return bytes(data)

    def blob(self, digest: str, start: int) -> Iterator[bytes]:
        """The bytes of a layer or configuration from `start` on; see `document`."""
        return self._get(f"{self._base}/blobs/{digest}", start, "*/*")

    def _get(self, url: str, start: int, accept: str) -> Iterator[bytes]:
        position = start
        for is_last in (False, True):
            try:
                for piece in self._link.stream(url, position, self._headers(accept)):
                    position += len(piece)
                    yield piece
                return
            except CarrierError as error:
                # A token may also end while a large layer is on its way.
                if error.details.get("status") != 401 or is_last:
                    raise self._refused(error) from None
                self._authorization = self._authorize(str(error.details["challenge"]))

    def _headers(self, accept: str) -> dict[str, str]:
        return {"Accept": accept} | ({"Authorization": self._authorization} if self._authorization else {})

    def _authorize(self, challenge: str) -> str:
        stored = self._login(self._host)
        try:
            return registry_login.authorization(challenge, self._path, stored, self._scheme, self._token)
        except DeniedError as error:
            raise self._denied(str(error)) from None

    def _token(self, url: str, login: Login | None) -> bytes:
        try:
            return self._link.read(url, TOKEN_MAX_BYTES, {"Authorization": basic(login)} if login else {})
        except CarrierError as error:
            raise DeniedError(f"its token service: {error.message}") from None

    def _refused(self, error: CarrierError) -> RegistryError | NotFoundError:
        status = error.details.get("status")
        if status == 404:
            return NotFoundError(
                f"the registry {self._host} does not have what the update names: {error.message}",
                hint="the image was removed from the registry; push it again or create a new update",
            )
        if status in (401, 403):
            return self._denied(f"it answered {status}")
        return RegistryError(
            f"the registry {self._host} failed: {error.message}",
            hint="check the registry and the link; nothing was touched, and the next try goes on from here",
        )

    def _denied(self, why: str) -> RegistryError:
        return RegistryError(
            f"the registry {self._host} denied access to {self._path}: {why}",
            hint=f"run `docker login {self._host}` on this gateway as the user that updates it",
        )
