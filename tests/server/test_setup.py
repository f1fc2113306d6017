"""The set-up of the control plane for `init` and `serve`, in a process of its own, as they use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ota_py.errors import UsageError
from ota_py.server import setup
from ota_py.server.tokens.models import ApiToken
from ota_py.server.tokens.services import find_token

SCRIPT = """
import sys
from pathlib import Path
from ota_py.server import setup
from ota_py.server.environment import ServerSettings
here = Path(sys.argv[1])
for _ in range(2):
    setup.migrate(ServerSettings(f"sqlite:///{here}/db.sqlite3", secret_key_file=here / "secret"))
from ota_py.server.tokens.services import find_token
print(find_token(setup.create_operator_token("olga")).role)
print(setup.ensure_admin("admin", "correct horse battery"), setup.ensure_admin("admin", "x"))
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTA_", "DJANGO_"))}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean)


def test_an_empty_directory_becomes_a_control_plane(tmp_path: Path) -> None:
    done = run(SCRIPT, tmp_path)
    assert done.stdout.splitlines() == ["operator", "True False"], done.stderr
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_database_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    script = """
import sys
from ota_py.errors import ControlPlaneError
from ota_py.server import setup
from ota_py.server.environment import ServerSettings
try:
    setup.migrate(ServerSettings(f"sqlite:///{sys.argv[1]}/no/such/db.sqlite3"))
except ControlPlaneError as error:
    print(error.message)
"""
    done = run(script, tmp_path)
    assert done.stdout == "the control plane's database cannot be used: unable to open database file\n", done.stderr


def test_a_weak_password_is_refused(db: None) -> None:
    with pytest.raises(UsageError, match="too weak"):
        setup.ensure_admin("admin", "12345")


def test_the_token_command_prints_a_token(db: None) -> None:
    token = call_command("create_token", "rita", role="reader")
    found = find_token(token)
    assert found is not None
    assert (found.name, found.role) == ("rita", "reader")


def test_the_token_command_makes_no_gateway_tokens(db: None) -> None:
    with pytest.raises(CommandError):
        call_command("create_token", "g", "--role", "gateway")
    assert not ApiToken.objects.exists()
