"""Secrets while a whole fleet is provisioned with -vvv and --diff: not in output, log or arguments."""

from __future__ import annotations

import pytest

from tests.support.provisioned import Provisioning

pytestmark = [pytest.mark.lab, pytest.mark.case("A33"), pytest.mark.timeout(1800)]


def test_provisioning_tells_no_secret(provisioning: Provisioning) -> None:
    operator, seen = provisioning
    files = [operator.directory / name for name in ("operator-token", "passphrase", "admin-password")]
    files += [operator.directory / "tokens" / gateway for gateway in operator.gateways]
    secrets = {path.name: path.read_text().strip() for path in files}
    secrets |= {f"{name} at the broker": word for name, word in operator.env["mqtt"]["users"].items()}
    secrets["the store"] = operator.env["s3"]["secret_key"]
    texts = seen.texts
    # The lab's own S3 server takes its key as an argument; passphrases are the operator's own environment.
    lines = texts["arguments"].splitlines()
    texts["arguments"] = "\n".join(line for line in lines if "--auth-key" not in line)
    del texts["environments"]

    assert "Install the token" in texts["output"]
    assert "provision.yml" in texts["arguments"]
    assert any(place.endswith("ansible.log") for place in texts)
    assert {name: seen.places_of(secret) for name, secret in secrets.items() if seen.places_of(secret)} == {}
