"""A bundle on a stick, opened: it carries the repository's files and supplies the registry relay with images.

Nothing of it is unpacked. Metadata, manifest and files are checked by the trust client as those of any
repository are, layers by their digests; members that are not signed for are refused before anything begins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

from ota_py import bundle, oci
from ota_py.errors import CarrierError, IntegrityError, NotFoundError, OtaError
from ota_py.hashes import sha256_of_pieces
from ota_py.manifest import Manifest

_CHUNK_BYTES = 256 * 1024


class Bundle:
    """An open bundle; implements `ota_py.trust.fetch.carriers.Carrier` and `ota_py.gateway.fetch.relay.Supply`.

    Raises:
        NotFoundError: there is no such file.
        IntegrityError: the file is not a bundle, or not a whole one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        try:
            self._members = bundle.read_members(self._file)
            self.version = bundle.parse_version(b"".join(self._read(bundle.HEADER_NAME, 0)))
        except (IntegrityError, IndexError) as error:
            self.close()
            raise IntegrityError(
                f"{path} is not a whole bundle: {error}",
                hint="copy it to the stick again, or export it again with `ota_manager.py export-bundle`",
            ) from None

    def close(self) -> None:
        """Close the bundle's file, so that the stick can be removed."""
        self._file.close()

    # -- as a carrier ---------------------------------------------------------------------------------

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """See `Carrier`: metadata lies under its name, a target `.../HEX.name` under its hash."""
        name = path if path.startswith(bundle.METADATA) else bundle.BLOBS + Path(path).name.partition(".")[0]
        if name not in self._members:
            raise CarrierError(f"the bundle {self.path} has no {path}", status=404)
        return self._read(name, start)

    # -- as a supply ----------------------------------------------------------------------------------

    def document(self, digest: str) -> bytes:
        """See `Supply`."""
        name = _blob_name(digest)
        if name not in self._members:
            raise NotFoundError(
                f"the bundle {self.path} has no image {digest}",
                hint="export it again; --platform says which gateways it is for",
            )
        if self._members[name].size > oci.DOCUMENT_MAX_BYTES:
            raise IntegrityError(f"the bundle {self.path} has a manifest {digest} that is too large")
        return b"".join(self._read(name, 0))

    def blob(self, blob: oci.Descriptor, start: int) -> Generator[bytes]:
        """See `Supply`. For an altered layer an error is raised before its last piece is given."""
        name = _blob_name(blob.digest)
        if name not in self._members:
            raise NotFoundError(f"the bundle {self.path} lacks the layer {blob.digest}")
        if self._members[name].size != blob.size:
            raise self._altered(blob.digest)
        digest, last = hashlib.sha256(), b""
        for piece in self._read(name, start):
            digest.update(piece)
            if last:
                yield last
            last = piece
        if start == 0 and digest.hexdigest() != blob.sha256:
            raise self._altered(blob.digest)
        yield last

    # -- what it must hold, and no more ---------------------------------------------------------------

    def check(self, manifest: Manifest, targets: set[str], metadata: set[str], architecture: str) -> None:
        """Check that all of an update is there for this gateway, and nothing that it does not name.

        Args:
            manifest: verified.
            targets: hashes (hex) of the update's targets: manifest, signature, files.
            metadata: names of the metadata files that belong together, such as `timestamp.json`.

        Raises:
            IntegrityError: the bundle has a member that is not signed for, or not as it was signed.
            NotFoundError: something is missing.
        """
        allowed = {bundle.HEADER_NAME} | {bundle.METADATA + name for name in metadata}
        allowed |= {bundle.BLOBS + sha256 for sha256 in targets}
        missing = sorted(allowed - set(self._members))
        if missing:
            raise NotFoundError(f"the bundle {self.path} lacks {missing[0]}", hint="export it again")
        for service, image in manifest.images.items():
            names, is_whole = self._names_of(image.digest, architecture)
            if not is_whole:
                raise NotFoundError(
                    f"the bundle {self.path} has no image of {service} for {architecture}",
                    hint=f"export it again with --platform linux/{architecture}",
                )
            allowed |= names
        unlisted = sorted(set(self._members) - allowed)
        if unlisted:
            raise IntegrityError(
                f"the bundle {self.path} has {unlisted[0]}, which the signed update does not list",
                hint="somebody changed the bundle, or exported it with other software; export it again",
            )

    def check_blobs(self) -> None:
        """Read the whole bundle once, and compare each blob with its name.

        Raises:
            IntegrityError: a blob was altered.
        """
        for name in self._members:
            if name.startswith(bundle.BLOBS) and bundle.BLOBS + sha256_of_pieces(self._read(name, 0)) != name:
                raise self._altered("sha256:" + name.removeprefix(bundle.BLOBS))

    def _names_of(self, digest: str, architecture: str) -> tuple[set[str], bool]:
        """The members that an image may have, and whether all are there that this architecture needs."""
        document = oci.parse(self.document(digest), digest)
        names = {_blob_name(digest)} | {_blob_name(entry.digest) for entry in document.blobs}
        if not document.manifests:
            return names, names <= set(self._members)
        fitting = document.for_architecture(architecture)
        is_whole = False
        for entry in document.manifests:
            own = {_blob_name(entry.digest)}
            if own <= set(self._members):
                blobs = oci.parse(self.document(entry.digest), entry.digest).blobs
                own |= {_blob_name(blob.digest) for blob in blobs}
                is_whole = is_whole or (entry in fitting and own <= set(self._members))
            names |= own
        return names, is_whole

    def _read(self, name: str, start: int) -> Iterator[bytes]:
        member = self._members[name]
        position, end = member.offset + start, member.offset + member.size
        while position < end:
            try:
                piece = os.pread(self._file.fileno(), min(_CHUNK_BYTES, end - position), position)
            except OSError as error:
                raise CarrierError(f"cannot read {self.path}: {error.strerror}") from None
            if not piece:
                raise CarrierError(f"{self.path} became shorter while it was read")
            position += len(piece)
            yield piece

    def _altered(self, digest: str) -> IntegrityError:
        return IntegrityError(
            f"the bundle {self.path} was altered: {digest} is not what it was",
            hint="copy it to the stick again; if that does not help, export it again",
        )


def _open(path: Path) -> IO[bytes]:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist") from None
    except OSError as error:
        raise OtaError(f"cannot read {path}: {error.strerror}") from None


def _blob_name(digest: str) -> str:
    return bundle.BLOBS + digest.removeprefix("sha256:")
