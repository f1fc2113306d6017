"""SSH keys of the lab: one for the operator, one host key per gateway."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.state import private_dir, write_file


def ensure_key(path: Path, comment: str) -> str:
    """Make an ed25519 key pair unless it is there; return the public key's line."""
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        private_dir(path.parent)
        key = Ed25519PrivateKey.generate()
        line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        write_file(
            path,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            ),
        )
        write_file(public, line.decode() + f" {comment}\n", 0o644)
    return public.read_text().strip()
