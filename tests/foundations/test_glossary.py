"""docs/glossary.md: each word once, in the order of the alphabet, and every state of the code among them."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
LINES = [line for line in GLOSSARY.splitlines() if line.startswith("| ") and not line.startswith("| word |")]
WORDS = [line.split("|")[1].strip() for line in LINES]
# In a process of its own: Django is set up once in a process, and tests of the control plane choose its database.
ALL_STATES = """
import django, json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "ota_py.server.settings"
django.setup()
from ota_py.gateway.journal.states import State
from ota_py.gateway.journal.upgrades import Stage
from ota_py.server.fleet.models import GatewayState
from ota_py.server.rollouts.states import GatewayResult, RolloutState
from ota_py.server.updates.models import UpdateState
kinds = (State, Stage, UpdateState, RolloutState, GatewayResult, GatewayState)
print(json.dumps({kind.__name__: [state.value for state in kind] for kind in kinds}))
"""
KINDS = ("State", "Stage", "UpdateState", "RolloutState", "GatewayResult", "GatewayState")


def order(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", word.lower()).strip()


@pytest.fixture(scope="module")
def states() -> dict[str, list[str]]:
    done = subprocess.run([sys.executable, "-c", ALL_STATES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_has_a_line(states: dict[str, list[str]], kind: str) -> None:
    assert states[kind]
    assert not [state for state in states[kind] if f"`{state}`" not in WORDS]


def test_no_word_is_there_twice() -> None:
    keys = [order(word) for word in WORDS]
    assert not sorted({word for word in WORDS if keys.count(order(word)) > 1})


def test_words_are_in_the_order_of_the_alphabet() -> None:
    assert [order(word) for word in WORDS] == sorted(order(word) for word in WORDS)


def test_each_line_has_a_meaning_and_the_term_of_the_field() -> None:
    assert len(LINES) > 60
    assert not [line for line in LINES if not re.fullmatch(r"\| [^|]+ \| [^|]+ \| [^|]+ \|", line)]
