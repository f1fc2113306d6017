"""Signatures of a signing request: required, present, still missing, and added.

A change of root is signed by the root keys before and after it; what the release keys sign in it is judged by
the keys after it. A manifest's signature file is itself a target, so the list of updates can be signed only
when its manifests are: where several people sign, the file then goes around once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from securesystemslib.signer import Key, Signature, Signer
from tuf.api.metadata import Metadata, Root, TargetFile, Targets, VerificationResult

from ota_py.errors import UsageError
from ota_py.trust.documents.signing_request import SignedDocument, SigningRequest
from ota_py.trust.verify import check_keys, parse_root, signature_file

SIGNATURE_SUFFIX = ".sig"
MANIFEST_NAME = "manifest.json"
TARGETS_NAME = ".targets.json"
ROOT_NAME = ".root.json"


@dataclass(frozen=True)
class Missing:
    """Signatures that a document still needs.

    Attributes:
        document: its name.
        whose: which keys, in words, such as `root keys before the change`.
        count: how many more.
        key_ids: of those that have not signed.
    """

    document: str
    whose: str
    count: int
    key_ids: tuple[str, ...]


@dataclass(frozen=True)
class Signing:
    """A signing request, judged by the roots that are in it."""

    request: SigningRequest

    @cached_property
    def before(self) -> Root:
        """The root that the fleet trusts."""
        return parse_root(self.request.root)

    @cached_property
    def after(self) -> Root:
        """The root that the fleet will trust.

        Raises:
            UsageError: it is not the next version.
            TrustError: it names a weak key.
        """
        document = root_document(self.request)
        if document is None:
            return self.before
        after = document.parsed(Root)
        if after.version != self.before.version + 1 or document.name != f"{after.version}{ROOT_NAME}":
            raise UsageError(
                f"{document.name} in the signing request is version {after.version} of root, "
                f"expected {self.before.version + 1}"
            )
        check_keys(after)
        return after

    def results(self, document: SignedDocument) -> list[tuple[str, VerificationResult]]:
        """The groups of keys that must sign a document, in words, and which of their keys signed it."""
        if document.role == "root":
            return [
                ("root keys before the change", document.result(self.before)),
                ("root keys after the change", document.result(self.after)),
            ]
        return [("release keys", document.result(self.after))]

    def missing(self) -> list[Missing]:
        """Signatures that the request still needs; when there are none, it can be published."""
        return [
            Missing(document.name, whose, result.missing, tuple(sorted(result.unsigned)))
            for document in self.request.documents
            for whose, result in self.results(document)
            if not result.verified
        ]

    def keys(self) -> list[Key]:
        """Every key that may sign something of the request."""
        found: dict[str, Key] = {}
        for document in self.request.documents:
            for _, result in self.results(document):
                found |= {**result.signed, **result.unsigned}
        return list(found.values())

    def signed_by(self, signers: Sequence[Signer]) -> SigningRequest:
        """The request with the signatures of these keys on all that they may sign and that needs them.

        Raises:
            KeyFileError: a key cannot sign.
        """
        request = with_signature_files(self._sign(signers, lists=False), self.after)
        signing = Signing(request)
        if any(each.document.endswith(MANIFEST_NAME) for each in signing.missing()):
            return request
        return signing._sign(signers, lists=True)

    def _sign(self, signers: Sequence[Signer], *, lists: bool) -> SigningRequest:
        documents = tuple(
            self._signed(document, signers) if _is_list(document) == lists else document
            for document in self.request.documents
        )
        return replace(self.request, documents=documents)

    def _signed(self, document: SignedDocument, signers: Iterable[Signer]) -> SignedDocument:
        for signer in signers:
            results = [result for _, result in self.results(document)]
            keyid = signer.public_key.keyid
            if any(not result.verified and keyid in result.unsigned for result in results):
                document = document.signed_by(signer)
        return document


def root_document(request: SigningRequest) -> SignedDocument | None:
    """The new root in a request, if it changes root."""
    return next((each for each in request.documents if each.name.endswith(ROOT_NAME)), None)


def list_document(request: SigningRequest) -> SignedDocument | None:
    """The new list of updates in a request, if it has one."""
    return next((each for each in request.documents if _is_list(each)), None)


def manifest_documents(request: SigningRequest) -> list[SignedDocument]:
    """The manifests in a request."""
    return [each for each in request.documents if each.name.endswith(MANIFEST_NAME)]


def signature_bytes(manifest: SignedDocument, root: Root) -> bytes:
    """The signature file of a manifest, with the signatures of the release keys of `root`."""
    signed = manifest.result(root).signed
    return signature_file([Signature(keyid, manifest.signatures[keyid]) for keyid in signed])


def with_signature_files(request: SigningRequest, root: Root) -> SigningRequest:
    """The request with the signature file of each manifest that is signed entered in its list of updates.

    A list that changes by that loses its signatures: they were over other bytes.
    """
    document = list_document(request)
    if document is None:
        return request
    targets = document.parsed(Targets)
    for manifest in manifest_documents(request):
        if manifest.result(root).verified:
            path = manifest.name + SIGNATURE_SUFFIX
            targets.targets[path] = TargetFile.from_data(path, signature_bytes(manifest, root), ["sha256"])
    payload = Metadata(targets).signed_bytes
    if payload == document.payload:
        return request
    changed = SignedDocument(document.name, document.role, payload)
    return replace(request, documents=tuple(changed if each is document else each for each in request.documents))


def _is_list(document: SignedDocument) -> bool:
    return document.name.endswith(TARGETS_NAME)
