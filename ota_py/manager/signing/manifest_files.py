"""A manifest and its detached signature as two files: sign and verify them with the fleet's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ota_py.errors import NotFoundError, SignatureError
from ota_py.hashes import sha256_of
from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.context import CommandContext
from ota_py.manager.signing.local_keys import release_signer
from ota_py.manifest import parse_manifest
from ota_py.trust.keys.signers import sign_manifest
from ota_py.trust.verify import parse_root, verify_manifest


class ManifestFiles:
    """A manifest file and its signature file."""

    def __init__(self, context: CommandContext, manifest: Path, signature: Path) -> None:
        self._context = context
        self._manifest = manifest
        self._signature = signature

    def verify(self) -> dict[str, Any]:
        """Check the signature against the fleet's root: `{"version", "sha256", "key_ids"}`.

        Raises:
            NotFoundError: a file is missing.
            SignatureError, ManifestError: it is not what the release keys signed, or malformed.
        """
        found = verify_manifest(_read(self._manifest), _read(self._signature), parse_root(self._context.root))
        return _describe(found.manifest.version, found.raw, found.key_ids)

    def sign(self, *, dry_run: bool) -> dict[str, Any]:
        """Write the signature, unless a valid one is there; `changed` is whether it was written.

        Raises:
            NotFoundError, ManifestError: no manifest, or a malformed one.
            KeyFileError: the release key cannot be used.
        """
        try:
            return {"changed": False, **self.verify()}
        except (SignatureError, NotFoundError):
            raw = _read(self._manifest)
        version = parse_manifest(raw).version
        if dry_run:
            return {"changed": True, **_describe(version, raw, ())}
        signer = release_signer(self._context.config.keys, self._context.repository, Passphrases())
        self._signature.write_bytes(sign_manifest(raw, [signer]))
        return {"changed": True, **self.verify()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}") from None


def _describe(version: str, raw: bytes, key_ids: tuple[str, ...]) -> dict[str, Any]:
    return {"version": version, "sha256": sha256_of(raw), "key_ids": list(key_ids)}
