"""Keys in a KMS or an HSM: the real libraries against stand-ins on loopback, and a real PKCS#11 token."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import certificates
from ota_py.errors import KeyFileError, KeyMismatchError
from ota_py.trust.keys.key_files import generate_key
from ota_py.trust.keys.signers import EXTRAS, import_public, load_matching, load_signer
from tests.support.http_servers import serving
from tests.support.kms.stand_ins import AwsKms, AzureIdentity, AzureVault, Vault, proxy_to
from tests.support.paths import ROOT
from tests.support.processes import captured

# Where lab/setup.sh puts the libraries.
LIBRARIES = ROOT / ".venv/kms"
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
AWS = {
    "AWS_ACCESS_KEY_ID": "operator",
    "AWS_SECRET_ACCESS_KEY": "not-really-secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
VERSION = "projects/ota/locations/global/keyRings/ota/cryptoKeys/release/cryptoKeyVersions/1"


def with_libraries(**more: str) -> dict[str, str]:
    assert (LIBRARIES / "hvac").is_dir(), "the libraries of key services are missing: run lab/setup.sh"
    return os.environ | {"PYTHONPATH": f"{ROOT}:{LIBRARIES}"} | more


def use_key(uri: str, **env: str) -> Any:
    """Import a key, sign with it and verify, in a process that has the libraries."""
    done = captured(
        [sys.executable, "-m", "tests.support.kms.use_key", uri], environment=with_libraries(**env), seconds=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch):
    with serving(AwsKms) as address:
        for name, value in {**AWS, "AWS_ENDPOINT_URL_KMS": f"http://{address}"}.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    """A directory with certificates of the services' host names: ca.crt, server.crt, server.key."""
    names = ["ota.vault.azure.net", "cloudkms.googleapis.com"]
    certificates.ensure(tmp_path / "tls", "127.0.0.1", names)
    return tmp_path / "tls"


def test_aws(aws):
    uri, key = import_public("awskms:alias/release", str)
    assert uri == "awskms:alias/release"
    key.verify_signature(load_signer(uri, key, str).sign(b"data"), b"data")


def test_a_service_that_signs_with_another_key_is_found_out_before_the_signature_is_used(aws):
    _, key = import_public("awskms:alias/release", str)
    signer = load_signer("awskms:alias/other", key, str)
    with pytest.raises(KeyMismatchError, match="awskms:alias/other is not the private key of"):
        signer.sign(b"data")


def test_the_right_one_of_several_keys_is_found(aws, tmp_path):
    _, key = import_public("awskms:alias/release", str)
    others = [generate_key(tmp_path / "a.pem", None), generate_key(tmp_path / "b.pem", None, "ed25519")]
    assert load_matching("awskms:alias/release", [*others, key], str).public_key == key
    with pytest.raises(KeyMismatchError):
        load_matching("awskms:alias/release", others, str)


def test_what_the_service_refuses_is_told(aws):
    with pytest.raises(KeyFileError, match=r"cannot use the key awskms:alias/none: .*denied"):
        import_public("awskms:alias/none", str)


def test_vault():
    with serving(Vault) as address:
        env = {"VAULT_ADDR": f"http://{address}", "VAULT_TOKEN": Vault.TOKEN}
        found = use_key("hv:release", **env)
    assert (found["uri"], found["kind"]) == ("hv:release/2", "ed25519")


def test_azure(tls: Path):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    with serving(AzureVault, context) as vault, serving(AzureIdentity) as identity, proxy_to(vault) as proxy:
        found = use_key(
            "azurekms://ota.vault.azure.net/keys/release",
            HTTPS_PROXY=proxy,
            REQUESTS_CA_BUNDLE=str(tls / "ca.crt"),
            IDENTITY_ENDPOINT=f"http://{identity}/token",
            IDENTITY_HEADER="of-this-machine",
        )
    assert found["uri"] == "azurekms://ota.vault.azure.net/keys/release/v1"
    assert found["kind"] == "ecdsa-sha2-nistp256"


def test_google(tls: Path, tmp_path: Path):
    account = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    credentials = tmp_path / "account.json"
    credentials.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": "ota@ota.iam.gserviceaccount.com",
                "private_key": account.decode(),
                "token_uri": "http://127.0.0.1:1/never-asked",
            }
        )
    )
    command = [sys.executable, "-m", "tests.support.kms.google_kms", str(tls / "server.crt"), str(tls / "server.key")]
    with subprocess.Popen(
        command, env=with_libraries(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdin
        assert service.stdout
        with service.stdin, proxy_to(f"127.0.0.1:{service.stdout.readline().strip()}") as proxy:
            found = use_key(
                f"gcpkms:{VERSION}",
                GOOGLE_APPLICATION_CREDENTIALS=str(credentials),
                GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(tls / "ca.crt"),
                grpc_proxy=proxy,
                https_proxy=proxy,
            )
    assert (found["uri"], found["kind"]) == (f"gcpkms:{VERSION}", "ecdsa-sha2-nistp256")


def test_hsm(tmp_path: Path):
    assert SOFTHSM.exists(), "the tests need Debian's package softhsm2: run lab/setup.sh"
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    env = {"SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"), "PYKCS11LIB": str(SOFTHSM), "PIN": "1234"}
    key = tmp_path / "key.pem"
    generate_key(key, None, "ecdsa-p256")
    for arguments in (
        ["--init-token", "--free", "--label", "ota office", "--so-pin", "4321"],
        ["--import", str(key), "--token", "ota office", "--label", "release", "--id", "02"],
    ):
        subprocess.run(
            ["softhsm2-util", *arguments, "--pin", "1234"],
            env=os.environ | env,
            check=True,
            capture_output=True,
        )
    expected = import_public(f"file:{key}", str)[1]
    found = use_key("hsm:2?label=ota+office", **env)
    assert (found["uri"], found["id"]) == ("hsm:2?label=ota+office", expected.keyid)


@pytest.mark.parametrize("uri", ["azurekms://v.vault.azure.net/keys/a/b", f"gcpkms:{VERSION}", "hv:release/1", "hsm:2"])
def test_a_missing_library_is_named(uri: str, tmp_path: Path):
    key = generate_key(tmp_path / "a.pem", None, "ecdsa-p256")
    for attempt in (lambda: import_public(uri, str), lambda: load_signer(uri, key, str)):
        with pytest.raises(KeyFileError, match="its library is not installed") as error:
            attempt()
        assert error.value.hint == f"run: pip install 'ota-py[{EXTRAS[uri.partition(':')[0]]}]'"
