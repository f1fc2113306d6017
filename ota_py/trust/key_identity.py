"""Identity of a public key: what is the same for all keys that one private key can sign for. Pure.

A threshold counts holders, so a key must not count twice because it is written in two ways: with other white space,
another line length or letter case, as another structure, or as a key that its holder has for nothing (an RSA key of
the same modulus, the mirrored point of a curve).
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import Key

# Of Curve25519: coordinates are numbers modulo this prime (RFC 8032, section 5.1).
_ED25519_PRIME = 2**255 - 19

Identity = tuple[str, str]


def identity_of(key: Key) -> Identity:
    """The identity of a key as root.json has it; comparable, and of no other use.

    A text that is no key at all can verify nothing; its identity is the text.
    """
    text = str(key.keyval.get("public", ""))
    try:
        return _of_pem(text.encode()) if "-----BEGIN" in text else _of_ed25519(bytes.fromhex(text.strip()))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "text", text.strip()


def _of_pem(text: bytes) -> Identity:
    public = load_pem_public_key(text)
    if isinstance(public, RSAPublicKey):
        return "rsa", str(public.public_numbers().n)
    if isinstance(public, EllipticCurvePublicKey):
        return public.curve.name, str(public.public_numbers().x)
    if isinstance(public, Ed25519PublicKey):
        return _of_ed25519(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return "other", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def _of_ed25519(raw: bytes) -> Identity:
    if len(raw) != 32:
        raise ValueError("an Ed25519 key has 32 bytes")
    # The highest bit is the sign of x, which the holder of the key may choose.
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return "ed25519", str(y % _ED25519_PRIME)
