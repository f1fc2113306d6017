"""`python -m tests.support.kms.google_kms CERTIFICATE KEY`: a stand-in of Google Cloud KMS, by gRPC.

It has a P-256 key, prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import sys
from concurrent import futures
from pathlib import Path

import grpc
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from google.cloud import kms
from google.cloud.kms_v1.types import CryptoKeyVersion

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
P256 = CryptoKeyVersion.CryptoKeyVersionAlgorithm.EC_SIGN_P256_SHA256


def public_key(request: kms.GetPublicKeyRequest, _context: grpc.ServicerContext) -> kms.PublicKey:
    assert request.public_key_format == kms.PublicKey.PublicKeyFormat.PEM
    data = kms.ChecksummedData(data=KEY.public_key().public_bytes(*PEM))
    return kms.PublicKey(public_key=data, algorithm=P256, name=request.name)


def sign(request: kms.AsymmetricSignRequest, _context: grpc.ServicerContext) -> kms.AsymmetricSignResponse:
    signature = KEY.sign(request.digest.sha256, ec.ECDSA(Prehashed(hashes.SHA256())))
    return kms.AsymmetricSignResponse(signature=signature, name=request.name)


def main() -> None:
    certificate, key = (Path(name).read_bytes() for name in sys.argv[1:3])
    server = grpc.server(futures.ThreadPoolExecutor(2))
    calls = {
        "GetPublicKey": (public_key, kms.GetPublicKeyRequest, kms.PublicKey),
        "AsymmetricSign": (sign, kms.AsymmetricSignRequest, kms.AsymmetricSignResponse),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(call, asked.deserialize, answer.serialize)
        for name, (call, asked, answer) in calls.items()
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.cloud.kms.v1.KeyManagementService", handlers)]
    )
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main()
