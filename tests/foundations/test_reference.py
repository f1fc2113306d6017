"""The generated documents say what the code does now."""

from __future__ import annotations

import sys

import pytest

from tests.support.processes import captured
from tools.reference import DOCUMENTS, REFERENCE

# In a process of its own: a command remembers what it was in its first context.
RUN_FIRST = """
from ota_py.cli import run
from ota_py.{side}.cli import command
from tools.reference import DOCUMENTS, REFERENCE
run(command, ["--help"])
assert DOCUMENTS["{name}"]() == (REFERENCE / "{name}").read_text()
"""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_reference_has_not_drifted(name: str):
    written = (REFERENCE / name).read_text()
    assert written == DOCUMENTS[name](), "run: python -m tools.reference"


@pytest.mark.parametrize(("side", "name"), [("manager", "ota_manager.md"), ("gateway", "ota_client.md")])
def test_a_command_that_has_run_has_the_same_reference(side: str, name: str):
    script = RUN_FIRST.format(side=side, name=name)
    done = captured([sys.executable, "-c", script])
    assert done.returncode == 0, done.stderr


def test_nothing_else_lies_there():
    assert {path.name for path in REFERENCE.iterdir()} == set(DOCUMENTS)
