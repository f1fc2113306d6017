"""The signing request, a file that people pass on: its content, the signatures that count, and refusals."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import replace

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from ota_py.errors import KeyFileError, NotFoundError, TrustError, UsageError
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.documents.signing_request import (
    SignedDocument,
    SigningRequest,
    parse_request,
    read_request,
    write_request,
)
from ota_py.trust.verify import parse_root


@pytest.fixture
def request_(publisher) -> SigningRequest:
    manifest = SignedDocument("manifest.json", "targets", publisher.manifest("1.2.0").to_bytes())
    return SigningRequest("release", "update 1.2.0", publisher.root, (manifest,))


@pytest.fixture
def root_document(publisher) -> SignedDocument:
    return SignedDocument("1.root.json", "root", Metadata.from_bytes(publisher.root).signed_bytes)


def test_it_is_passed_on_as_a_file(request_, publisher, tmp_path):
    path = tmp_path / "request.json"
    write_request(request_, path)
    read = read_request(path)
    assert read == request_
    write_request(Signing(read).signed_by([publisher.signers["release"]]), path)
    assert read_request(path).document("manifest.json").result(parse_root(publisher.root)).verified
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["request.json"]


def test_only_keys_of_the_role_count_and_each_once(request_, publisher):
    signers = publisher.signers
    document = request_.document("manifest.json")
    for name in ("online", "release", "release"):
        document = document.signed_by(signers[name])
    result = document.result(parse_root(publisher.root))
    assert list(result.signed) == [signers["release"].public_key.keyid]


def test_a_key_signs_only_what_it_may_and_what_needs_it(request_, publisher):
    signers = publisher.signers
    assert Signing(request_).signed_by([signers["root"], signers["online"]]) == request_
    signed = Signing(request_).signed_by([signers["release"]])
    assert not Signing(signed).missing()
    assert Signing(signed).signed_by([signers["release"]]) == signed


def test_a_signature_over_other_bytes_is_none(request_, publisher):
    signed = Signing(request_).signed_by([publisher.signers["release"]]).document("manifest.json")
    altered = replace(signed, payload=signed.payload.replace(b"1.2.0", b"1.2.1"))
    assert not altered.result(parse_root(publisher.root)).signed


def test_metadata_is_published_with_the_signatures_that_hold(root_document, publisher):
    signers = publisher.signers
    signed = root_document.signed_by(signers["root"]).signed_by(signers["online"])
    metadata = Metadata[Root].from_bytes(signed.envelope(parse_root(publisher.root)))
    assert list(metadata.signatures) == [signers["root"].public_key.keyid]
    parse_root(metadata.to_bytes())


def test_metadata_in_another_form_is_refused(request_, root_document, publisher):
    loose = replace(root_document, payload=root_document.payload.replace(b'"_type":', b'"_type": '))
    with pytest.raises(UsageError, match=r"1\.root\.json in the signing request is not in canonical form"):
        loose.envelope(parse_root(publisher.root))
    with pytest.raises(UsageError, match=r"manifest\.json in the signing request is not TUF metadata"):
        request_.document("manifest.json").envelope(parse_root(publisher.root))
    with pytest.raises(UsageError, match=r"1\.root\.json in the signing request holds the role 'root'"):
        root_document.parsed(Targets)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "other"}, "kind: Input should be 'root' or 'release'"),
        ({"schema": 2}, "schema: Input should be 1"),
        ({"documents": []}, "documents: List should have at least 1 item"),
        ({"root": "!"}, "root: Value error"),
        ({"private": "key"}, "private: Extra inputs are not permitted"),
    ],
)
def test_another_file_is_refused(request_, change, words):
    data = json.loads(request_.to_bytes()) | change
    with pytest.raises(UsageError, match=f"this is not a signing request: {words}"):
        parse_request(json.dumps(data).encode())


def test_a_damaged_file_is_refused(request_):
    with pytest.raises(UsageError, match="signing request is not valid JSON"):
        parse_request(request_.to_bytes()[:-9])
    data = json.loads(request_.to_bytes())
    data["root"] = base64.b64encode(b"{}").decode()
    with pytest.raises(TrustError, match=r"root\.json is not TUF metadata"):
        parse_request(json.dumps(data).encode())


def test_a_missing_file_and_a_missing_document_are_named(request_, tmp_path):
    with pytest.raises(NotFoundError, match="cannot read the signing request"):
        read_request(tmp_path / "none.json")
    with pytest.raises(UsageError, match=r"the signing request has no 7\.targets\.json"):
        request_.document("7.targets.json")


def test_a_key_that_cannot_sign_is_named(request_):
    class Broken:
        class public_key:  # noqa: N801
            keyid = "ab" * 32

        def sign(self, payload: bytes) -> None:
            raise OSError("the token is not there")

    with pytest.raises(KeyFileError, match=r"manifest\.json could not be signed with the key abab"):
        request_.document("manifest.json").signed_by(Broken())
