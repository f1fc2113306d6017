"""A real mosquitto with TLS on loopback, users by password, and the ACL of the product's broker."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
import threading
from pathlib import Path

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.ports import free_port
from tests.support.processes import wait_until_served

USERS = {"boston_001": "gateway-password", "control": "control-password"}
ACL = """pattern read ota/%u/hint
pattern write ota/%u/status
user control
topic readwrite ota/#
"""


def certificate(directory: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1, `ca.pem`, and its key, `key.pem`; returns the former."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test broker")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "key.pem").write_bytes(pem)
    (directory / "ca.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return directory / "ca.pem"


class Broker:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.ca_file = certificate(directory)
        self.process: subprocess.Popen | None = None
        (directory / "acl").write_text(ACL)
        for user, password in USERS.items():
            flags = ["-b"] if (directory / "passwords").exists() else ["-b", "-c"]
            subprocess.run(["mosquitto_passwd", *flags, directory / "passwords", user, password], check=True)
        (directory / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\n"
            f"password_file {directory}/passwords\nacl_file {directory}/acl\n"
            f"certfile {directory}/ca.pem\nkeyfile {directory}/key.pem\n"
        )

    def start(self) -> Broker:
        self.process = subprocess.Popen(
            ["mosquitto", "-c", self.directory / "mosquitto.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_served(self.process, self.port)
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


class Control:
    """The control plane's client of the broker: sends hints, sees every status."""

    def __init__(self, broker: Broker) -> None:
        self.statuses: list[tuple[bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="control")
        self._client.username_pw_set("control", USERS["control"])
        self._client.tls_set(ca_certs=str(broker.ca_file))
        self._client.on_connect = lambda client, *_: client.subscribe("ota/+/status", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _c, _u, message: self.statuses.append((message.payload, message.retain))
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(60)

    def hint(self, payload: bytes = b'{"version": "1.2.0", "rollout": 7}', **options) -> None:
        self._client.publish("ota/boston_001/hint", payload, qos=1, **options).wait_for_publish(60)

    def status(self, gateway: str, *, online: bool) -> None:
        """Publish a status as an agent, or its last will, does: the broker keeps it."""
        payload = json.dumps({"online": online})
        said = self._client.publish(f"ota/{gateway}/status", payload, qos=1, retain=True)
        said.wait_for_publish(60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
