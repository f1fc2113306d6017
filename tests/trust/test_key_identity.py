"""Keys are compared as keys: one that is written in two ways, or has a twin, counts once (A48)."""

from __future__ import annotations

import textwrap
from copy import deepcopy

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Root, Targets

from ota_py.errors import ConflictError, TrustError
from ota_py.trust.documents.root_change import RoleKeys, with_key
from ota_py.trust.key_identity import identity_of
from ota_py.trust.verify import RSA_SCHEME, check_keys, parse_root
from tests.support.trust.published import Publisher

pytestmark = pytest.mark.case("A48")

RSA = rsa.generate_private_key(65537, 2048).public_key()
EC = ec.generate_private_key(ec.SECP256R1()).public_key()
ED = ed25519.Ed25519PrivateKey.generate().public_key()
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
ED_PRIME = 2**255 - 19


def pem(key: object, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    return key.public_bytes(Encoding.PEM, form).decode()  # type: ignore[attr-defined]


def raw(key: ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def rewrapped(text: str, width: int) -> str:
    lines = text.strip().splitlines()
    return "\n".join([lines[0], *textwrap.wrap("".join(lines[1:-1]), width), lines[-1]])


def mirrored(key: ec.EllipticCurvePublicKey) -> ec.EllipticCurvePublicKey:
    numbers = key.public_numbers()
    return ec.EllipticCurvePublicNumbers(numbers.x, P256 - numbers.y, numbers.curve).public_key()


RSA_FORMS = {
    "plain": pem(RSA),
    "without the last line's end": pem(RSA).strip(),
    "lines of Windows": pem(RSA).replace("\n", "\r\n"),
    "white space about it": f"\n  \n{pem(RSA)}\n\n",
    "a text before it": f"somebody's key\n{pem(RSA)}",
    "shorter lines": rewrapped(pem(RSA), 32),
    "longer lines": rewrapped(pem(RSA), 76),
    "PKCS#1": pem(RSA, PublicFormat.PKCS1),
    "another exponent": pem(rsa.RSAPublicNumbers(3, RSA.public_numbers().n).public_key()),
}
EC_FORMS = {"plain": pem(EC), "shorter lines": rewrapped(pem(EC), 20), "the mirrored point": pem(mirrored(EC))}
ED_FORMS = {
    "plain": raw(ED).hex(),
    "capitals": raw(ED).hex().upper(),
    "white space": f" {raw(ED).hex()}\n",
    "white space between": " ".join(textwrap.wrap(raw(ED).hex(), 2)),
    "PEM": pem(ED),
    "the other sign": (raw(ED)[:-1] + bytes([raw(ED)[-1] ^ 0x80])).hex(),
}
FORMS = [
    *[("rsa", RSA_SCHEME, name, RSA_FORMS["plain"], form) for name, form in RSA_FORMS.items()],
    *[("ecdsa", "ecdsa-sha2-nistp256", name, EC_FORMS["plain"], form) for name, form in EC_FORMS.items()],
    *[("ed25519", "ed25519", name, ED_FORMS["plain"], form) for name, form in ED_FORMS.items()],
]
IDS = [f"{kind}: {name}" for kind, _, name, _, _ in FORMS]


def key(keyid: str, kind: str, scheme: str, text: str) -> SSlibKey:
    return SSlibKey(keyid, kind, scheme, {"public": text})


@pytest.mark.parametrize(("kind", "scheme", "name", "plain", "form"), FORMS, ids=IDS)
def test_a_role_does_not_count_one_key_twice(
    kind: str, scheme: str, name: str, plain: str, form: str, publisher: Publisher
) -> None:
    root = deepcopy(parse_root(publisher.root))
    for number, text in enumerate((plain, form)):
        root.keys[f"{number}" * 64] = key(f"{number}" * 64, kind, scheme, text)
        root.roles[Targets.type].keyids.append(f"{number}" * 64)
    with pytest.raises(TrustError, match="names one key of the role targets twice, under two ids"):
        check_keys(root)


@pytest.mark.parametrize(("kind", "scheme", "name", "plain", "form"), FORMS, ids=IDS)
def test_a_key_that_a_role_has_is_not_added_again(kind: str, scheme: str, name: str, plain: str, form: str) -> None:
    role = RoleKeys((key("1" * 64, kind, scheme, plain),), 1)
    with pytest.raises(ConflictError, match="is there already"):
        with_key(role, key("2" * 64, kind, scheme, form), None)


def test_other_keys_are_others() -> None:
    others = [
        key("1" * 64, "rsa", RSA_SCHEME, pem(RSA)),
        key("2" * 64, "rsa", RSA_SCHEME, pem(rsa.generate_private_key(65537, 2048).public_key())),
        key("3" * 64, "ecdsa", "ecdsa-sha2-nistp256", pem(EC)),
        key("4" * 64, "ecdsa", "ecdsa-sha2-nistp256", pem(ec.generate_private_key(ec.SECP256R1()).public_key())),
        key("5" * 64, "ed25519", "ed25519", raw(ED).hex()),
        key("6" * 64, "ed25519", "ed25519", raw(ed25519.Ed25519PrivateKey.generate().public_key()).hex()),
    ]
    assert len({identity_of(each) for each in others}) == len(others)


@pytest.mark.parametrize("text", ["", "zz", "00", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "é"])
def test_what_is_no_key_is_told_apart_by_its_text(text: str) -> None:
    assert identity_of(key("1" * 64, "ed25519", "ed25519", text)) == ("text", text.strip())


def test_a_root_of_todays_keys_is_fine(publisher: Publisher) -> None:
    check_keys(parse_root(publisher.root))
    assert Root.type in parse_root(publisher.root).roles
