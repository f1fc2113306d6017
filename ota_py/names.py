"""The identifiers that travel between machines, and the form that each must have.

Everything that reaches an Ansible variable, a URL path, an MQTT topic or a file name passes one of
these checks first: Ansible renders extra variables and inventory as templates, so nothing but a
checked identifier goes there (docs/adr/0003).
"""

from __future__ import annotations

import re

import semver

from ota_py.errors import UsageError

GATEWAY_ID = r"^[a-z0-9](?:[a-z0-9_-]{0,62})$"
GROUP = GATEWAY_ID
SERVICE = r"^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,62})$"
# Names the virtual environment of one build of the gateway software: VERSION-FINGERPRINT.
BUILD = r"^[0-9][0-9A-Za-z.+-]{0,63}$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
VERSION_MAX_CHARS = 64


def parse_version(text: str) -> semver.Version:
    """Parse a semantic version 2.0 (https://semver.org) of at most 64 characters.

    Raises:
        UsageError: the text is not a semantic version.
    """
    try:
        if len(text) > VERSION_MAX_CHARS:
            raise ValueError("too long")
        return semver.Version.parse(text)
    except (ValueError, TypeError):
        raise UsageError(
            f"version {text[:80]!r} is not a semantic version",
            hint="use MAJOR.MINOR.PATCH, for example 1.2.0 or 1.3.0-rc.1",
        ) from None


def check_gateway_id(text: str) -> str:
    """Return the gateway id unchanged.

    Raises:
        UsageError: it is not 1 to 63 lower-case letters, digits, `_` or `-`.
    """
    if not re.fullmatch(GATEWAY_ID, text):
        raise UsageError(
            f"gateway id {text[:80]!r} is not allowed",
            hint="use 1 to 63 lower-case letters, digits, _ or -, for example boston_001",
        )
    return text
