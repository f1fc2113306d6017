"""The signing request: a file that people pass on until enough of them have signed what is in it.

It holds the exact bytes to be signed and the signatures so far, never a secret. Nothing in it is believed: a
signature counts when a key of root made it over these bytes, and who signs is shown what the bytes say. The
title is for the person who finds the file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Signature, Signer
from tuf.api.metadata import Metadata, Root, Targets, VerificationResult
from tuf.api.serialization import DeserializationError, SerializationError
from tuf.api.serialization.json import JSONSerializer

from ota_py import durable
from ota_py.errors import ConfigError, KeyFileError, ManifestError, NotFoundError, UsageError
from ota_py.strict_json import describe, parse_json
from ota_py.trust.verify import SIGNATURES_MAX, parse_root

FORMAT = "ota-signing-request"
# The list of updates of a large fleet, in base64, is the largest thing in it.
REQUEST_MAX_BYTES = 16 * 1024 * 1024
DOCUMENTS_MAX = 1000

S = TypeVar("S", Root, Targets)
Kind = Literal["root", "release"]


@dataclass(frozen=True)
class SignedDocument:
    """One document of a signing request, with its signatures so far.

    Attributes:
        name: what it is called where it is published, such as `3.root.json` or `manifest.json`.
        role: the TUF role whose keys sign it: `root` or `targets`.
        payload: the exact bytes; of TUF metadata the canonical form of its signed part.
        signatures: so far, in hex by key id.
    """

    name: str
    role: Literal["root", "targets"]
    payload: bytes
    signatures: dict[str, str] = field(default_factory=dict)

    def result(self, root: Root) -> VerificationResult:
        """The keys of `root` that signed the document, and those that did not; an invalid signature is none."""
        signatures = {keyid: Signature(keyid, sig) for keyid, sig in self.signatures.items()}
        return root.get_verification_result(self.role, self.payload, signatures)

    def signed_by(self, signer: Signer) -> SignedDocument:
        """The document with one more signature.

        Raises:
            KeyFileError: the key cannot sign.
        """
        keyid = signer.public_key.keyid
        try:
            signature = signer.sign(self.payload).signature
        except (ValueError, OSError, SecureSystemsError) as error:
            raise KeyFileError(f"{self.name} could not be signed with the key {keyid[:16]}: {error}") from None
        return replace(self, signatures={**self.signatures, keyid: signature})

    def parsed(self, kind: type[S]) -> S:
        """The payload as TUF metadata of a kind such as `Root`.

        Raises:
            UsageError: it is not, or not in canonical form.
        """
        signed = self._metadata().signed
        if not isinstance(signed, kind):
            raise UsageError(f"{self.name} in the signing request holds the role {signed.type!r}")
        return signed

    def envelope(self, root: Root) -> bytes:
        """The TUF metadata as it is published, with the signatures that are valid for a key of `root`.

        Raises:
            UsageError: the bytes are not TUF metadata in canonical form.
        """
        return self.envelope_of(self.result(root).signed)

    def envelope_of(self, key_ids: Iterable[str]) -> bytes:
        """TUF metadata with the signatures of these keys; see `envelope`."""
        metadata = self._metadata()
        for keyid in sorted(key_ids):
            metadata.signatures[keyid] = Signature(keyid, self.signatures[keyid])
        return metadata.to_bytes(JSONSerializer())

    def _metadata(self) -> Metadata[Any]:
        try:
            # Canonical JSON has line ends in text as they are, which plain JSON has not.
            data = {"signatures": [], "signed": json.loads(self.payload, strict=False)}
            metadata: Metadata[Any] = Metadata.from_bytes(json.dumps(data).encode())
            canonical = metadata.signed_bytes
        except (ValueError, RecursionError, DeserializationError, SerializationError) as error:
            raise UsageError(f"{self.name} in the signing request is not TUF metadata: {error}") from None
        # Whatever a lenient parser overlooks, a double key for example, shows here.
        if canonical != self.payload:
            raise UsageError(f"{self.name} in the signing request is not in canonical form")
        return metadata


@dataclass(frozen=True)
class SigningRequest:
    """Documents to be signed, and the root whose keys must sign them.

    Attributes:
        kind: `root`: the fleet's keys change; `release`: an update is released.
        title: one line for people, such as `root version 3 of healthguard`.
        root: bytes of the root.json that the fleet trusts when the request is made; its keys count.
        documents: what is to be signed, in the order in which people are shown it.
    """

    kind: Kind
    title: str
    root: bytes
    documents: tuple[SignedDocument, ...]

    def document(self, name: str) -> SignedDocument:
        """The document named `name`.

        Raises:
            UsageError: there is none.
        """
        for document in self.documents:
            if document.name == name:
                return document
        raise UsageError(f"the signing request has no {name}", hint="it is of another kind; make a new one")

    def to_bytes(self) -> bytes:
        """The signing request as the bytes of its file."""
        data = {
            "format": FORMAT,
            "schema": 1,
            "kind": self.kind,
            "title": self.title,
            "root": base64.b64encode(self.root).decode(),
            "documents": [
                {
                    "name": document.name,
                    "role": document.role,
                    "payload": base64.b64encode(document.payload).decode(),
                    "signatures": document.signatures,
                }
                for document in self.documents
            ],
        }
        return (json.dumps(data, indent=2) + "\n").encode()


def parse_request(raw: bytes) -> SigningRequest:
    """A signing request from its bytes; its signatures are not checked yet.

    Raises:
        UsageError: it is something else, or damaged.
        TrustError: the root in it is not one.
    """
    try:
        data = _Request.model_validate(parse_json(raw, "signing request", REQUEST_MAX_BYTES))
    except ManifestError as error:
        raise UsageError(error.message) from None
    except ValidationError as error:
        raise UsageError(
            f"this is not a signing request: {describe(error)}",
            hint="give the file that create-update or `keys` wrote",
        ) from None
    parse_root(data.root)
    documents = (SignedDocument(each.name, each.role, each.payload, dict(each.signatures)) for each in data.documents)
    return SigningRequest(data.kind, data.title, data.root, tuple(documents))


def read_request(path: Path) -> SigningRequest:
    """Read a signing request; see `parse_request`.

    Raises:
        NotFoundError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return parse_request(file.read(REQUEST_MAX_BYTES + 1))
    except OSError as error:
        raise NotFoundError(f"cannot read the signing request {path}: {error.strerror}") from None


def write_request(request: SigningRequest, path: Path) -> None:
    """Write a signing request; a file that is there is replaced as a whole.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        durable.replace(path, request.to_bytes(), 0o644)
    except OSError as error:
        raise ConfigError(f"cannot write the signing request {path}: {error.strerror}") from None


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("must be text in base64")
    return base64.b64decode(text, validate=True)


_Bytes = Annotated[bytes, BeforeValidator(_decoded)]


class _StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Document(_StrictModel):
    name: Annotated[str, Field(max_length=200)]
    role: Literal["root", "targets"]
    payload: _Bytes
    signatures: Annotated[dict[str, str], Field(max_length=SIGNATURES_MAX)]


class _Request(_StrictModel):
    format: Literal["ota-signing-request"]
    # `schema` is a method of pydantic's models.
    schema_version: Annotated[Literal[1], Field(alias="schema")]
    kind: Kind
    title: Annotated[str, Field(max_length=200)]
    root: _Bytes
    documents: Annotated[list[_Document], Field(min_length=1, max_length=DOCUMENTS_MAX)]
