"""Stand-ins of key services on loopback: the few calls of their HTTP APIs that signing needs, with real keys.

Services whose address cannot be chosen are reached through a proxy, which leads every host to the stand-in.
"""

from __future__ import annotations

import base64
import json
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from tests.support.http_servers import QuietHandler, serving

DER = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class StandIn(QuietHandler):
    """Answers JSON; a stand-in overrides `reply`, which gives None for what is not allowed."""

    protocol_version = "HTTP/1.1"

    def reply(self, body: dict[str, Any]) -> dict[str, Any] | None:
        raise NotImplementedError

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        answer = self.reply(json.loads(self.rfile.read(length) or b"{}"))
        data = json.dumps(answer or {"errors": ["denied"], "message": "denied"}).encode()
        self.send(200 if answer is not None else 403, {"Content-Type": "application/json"}, data)

    do_GET = do_POST  # noqa: N815


class AwsKms(StandIn):
    """AWS KMS with RSA-2048 keys: `alias/release`, and `alias/other`, which signs with another key."""

    KEYS = {name: rsa.generate_private_key(65537, 2048) for name in ("alias/release", "alias/other")}

    def reply(self, body: dict[str, Any]) -> dict[str, Any] | None:
        key = self.KEYS.get(body["KeyId"])
        if key is None:
            return None
        if self.headers["X-Amz-Target"] == "TrentService.GetPublicKey":
            public = base64.b64encode(key.public_key().public_bytes(*DER)).decode()
            return {"KeyId": body["KeyId"], "PublicKey": public, "SigningAlgorithms": ["RSASSA_PSS_SHA_256"]}
        assert (body["MessageType"], body["SigningAlgorithm"]) == ("DIGEST", "RSASSA_PSS_SHA_256")
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        signature = key.sign(base64.b64decode(body["Message"]), pss, Prehashed(hashes.SHA256()))
        return {"KeyId": body["KeyId"], "Signature": base64.b64encode(signature).decode()}


class Vault(StandIn):
    """Vault's transit engine with an Ed25519 key `release`, of which there are versions 1 and 2."""

    KEYS = {version: ed25519.Ed25519PrivateKey.generate() for version in (1, 2)}
    TOKEN = "vault-token"

    def reply(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if self.headers["X-Vault-Token"] != self.TOKEN:
            return None
        if self.path == "/v1/transit/keys/release":
            raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            keys = {v: base64.b64encode(key.public_key().public_bytes(*raw)) for v, key in self.KEYS.items()}
            return {"data": {"keys": {str(v): {"public_key": text.decode()} for v, text in keys.items()}}}
        assert self.path == "/v1/transit/sign/release"
        version = body["key_version"]
        signature = self.KEYS[version].sign(base64.b64decode(body["input"]))
        return {"data": {"signature": f"vault:v{version}:{base64.b64encode(signature).decode()}"}}


class AzureVault(StandIn):
    """Azure Key Vault with a P-256 key `release`; tokens come from `AzureIdentity`."""

    KEY = ec.generate_private_key(ec.SECP256R1())
    ID = "https://ota.vault.azure.net/keys/release/v1"
    TOKEN = "azure-token"

    def do_POST(self) -> None:
        if self.headers.get("Authorization") == f"Bearer {self.TOKEN}":
            super().do_POST()
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        challenge = 'authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
        self.send(401, {"WWW-Authenticate": f"Bearer {challenge}"}, b"")

    do_GET = do_POST  # noqa: N815

    def reply(self, body: dict[str, Any]) -> dict[str, Any] | None:
        path = self.path.partition("?")[0].rstrip("/")
        if path in ("/keys/release", "/keys/release/v1"):
            numbers = self.KEY.public_key().public_numbers()
            point = {"x": _url64(numbers.x.to_bytes(32)), "y": _url64(numbers.y.to_bytes(32))}
            return {"key": {"kid": self.ID, "kty": "EC", "crv": "P-256", "key_ops": ["sign", "verify"], **point}}
        assert (path, body["alg"]) == ("/keys/release/v1/sign", "ES256")
        digest = base64.urlsafe_b64decode(body["value"] + "==")
        r, s = decode_dss_signature(self.KEY.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
        return {"kid": self.ID, "value": _url64(r.to_bytes(32) + s.to_bytes(32))}


class AzureIdentity(StandIn):
    """The managed identity of an Azure machine: gives a token to who asks."""

    def reply(self, body: dict[str, Any]) -> dict[str, Any] | None:
        assert parse_qs(urlsplit(self.path).query)["resource"] == ["https://vault.azure.net"]
        return {"access_token": AzureVault.TOKEN, "expires_on": "4102444800", "token_type": "Bearer"}


@contextmanager
def proxy_to(target: str) -> Iterator[str]:
    """An HTTP proxy on loopback that leads every CONNECT to `target`; gives its URL."""
    host, _, port = target.rpartition(":")

    class Proxy(QuietHandler):
        def do_CONNECT(self) -> None:
            with socket.create_connection((host, int(port))) as there:
                self.send_response(200)
                self.end_headers()
                _join(self.connection, there)
            self.close_connection = True

    with serving(Proxy) as address:
        yield f"http://{address}"


def _join(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = ready.recv(64 * 1024)
            if not data:
                return
            (other if ready is one else one).sendall(data)


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
