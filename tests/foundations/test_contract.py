"""The wire contract: no side has words of its own, and both sides mean the same report."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import ota_py.contract
from ota_py.contract.fleet import (
    ActKind,
    Delivery,
    FreshnessState,
    GatewayResult,
    GatewayState,
    RolloutState,
    TokenRole,
    TokenState,
    UpdateState,
    Verdict,
)
from ota_py.contract.reports import EndDetails, Report, ReportKind, StatusDetails
from ota_py.contract.transactions import SUPERSEDED, HoldKind, Outcome, State
from ota_py.errors import all_errors
from ota_py.server.events.report import IncomingReport as TakenReport
from tests.support.paths import ROOT

SIDES = ("ota_py", "library", "action_plugins", "module_utils", "inventory")
# Where the words are made, and what must stay as it was.
SOURCES = ("ota_py/contract/", "ota_py/errors.py", "/migrations/")
# What a word of the contract is given to, or found under.
TELLING = {"kind", "state", "step", "outcome", "verdict", "delivery", "code", "transaction_state"}
# The same word for another thing: file, words, reason.
EXEMPT: dict[str, set[str]] = {
    "ota_py/gateway/journal/upgrades.py": {"FAILED"},  # a stage of an upgrade of this software, known to the gateway
    "ota_py/gateway/journal/states.py": {"fetch"},  # a time limit
    "ota_py/gateway/journal/transaction.py": {"update"},  # a kind of transaction, known to the journal
    "ota_py/gateway/health/gate.py": {"failed"},  # how a service stands
    "ota_py/gateway/backup/project_files.py": {"config"},  # a directory
    "ota_py/gateway/docker/compose_files.py": {"config"},  # a part of a Compose file
    "ota_py/gateway/config/model.py": {"window"},  # a setting's choice
    "ota_py/manager/ansible_base/gateway_answer.py": {"skipped", "unreachable"},  # what Ansible reads in a result
    "ota_py/manager/commands/init.py": {"operator"},  # a name
}


def contract_enums() -> list[type[StrEnum]]:
    found = pkgutil.iter_modules(ota_py.contract.__path__, "ota_py.contract.")
    modules = [importlib.import_module(module.name) for module in found]
    return [
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, StrEnum) and cls is not StrEnum
    ]


WORDS = {str(word) for cls in contract_enums() for word in cls} | {cls.code for cls in all_errors()} | {SUPERSEDED}
LOUD = {word for word in WORDS if word.isupper()}


def bare_words(source: str) -> Iterator[str]:
    """Each literal that should be a member of the contract.

    A word in capitals is one wherever it stands, in SQL as well. Small words are names of fields and commands, too:
    they count where they are compared, collected in a set or a `Literal`, named, or given as what `TELLING` lists.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from LOUD & {node.value, *re.findall(r"'([A-Z_]+)'", node.value)}
        for place in _places(node):
            elements = place.elts if isinstance(place, ast.Tuple | ast.List | ast.Set) else [place]
            yield from (e.value for e in elements if isinstance(e, ast.Constant) and e.value in WORDS - LOUD)


def _places(node: ast.AST) -> list[ast.expr]:
    """Where a small word of the contract would be one of its own."""
    match node:
        case ast.Compare(left=ast.Constant(), ops=[ast.In() | ast.NotIn()]):  # whether there is a key
            return node.comparators
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.Set():
            return [node]
        case ast.Subscript(value=ast.Name(id="Literal")):
            return [node.slice]
        case ast.MatchValue():
            return [node.value]
        case ast.Assign(targets=[ast.Tuple()]) | ast.Assign(value=ast.Constant()):
            return [node.value]
        case ast.AnnAssign(value=ast.Constant() as value):
            return [value]
        case ast.keyword() if node.arg in TELLING:
            return [node.value]
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return [value for key, value in pairs if isinstance(key, ast.Constant) and key.value in TELLING]
    return []


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources() -> list[Path]:
    paths = [path for side in SIDES for path in sorted((ROOT / side).rglob("*.py"))]
    return [path for path in paths if not any(part in path.as_posix() for part in SOURCES)]


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_no_side_has_words_of_its_own(path: Path):
    found = set(bare_words(path.read_text())) - EXEMPT.get(name_of(path), set())
    assert not found, "name the member of ota_py.contract, or the error class whose code it is"


def test_each_exemption_is_needed():
    for name, words in EXEMPT.items():
        assert words <= set(bare_words((ROOT / name).read_text())), name


@pytest.mark.parametrize(
    "text",
    [
        "x == 'BROKEN'",
        "{'SUCCEEDED': 1}",
        "f('COMMITTED')",
        "query = \"SELECT * FROM t WHERE state = 'RUNNING'\"",
        "report['kind'] != 'alarm'",
        "'held' == kind",
        "kind in ('held', 'status')",
        "REFUSALS = frozenset({'known_bad', 'policy'})",
        "SUPERSEDED = 'superseded'",
        "WINDOW, VETO = 'window', 'veto'",
        "kind: Literal['transition', 'alarm']",
        "Event(kind='deferred')",
        "{'kind': 'transition'}",
        "match kind:\n    case 'alarm': pass",
    ],
)
def test_a_bare_word_is_found(text: str):
    assert set(bare_words(text))


@pytest.mark.parametrize("text", ["plan['held']", "'held' in plan", "f('status')", "{'rollout': 7}", "x == 'BREAD'"])
def test_names_of_fields_and_commands_are_no_words_of_the_contract(text: str):
    assert not set(bare_words(text))


def test_words_that_are_not_python_are_those_of_the_contract():
    """Playbooks, roles, pages and the modules' documentation cannot import it."""
    # Names of variables of the environment are quoted, too.
    quoted = re.compile(r"""["'](?!OTA_|MOLECULE_)([A-Z][A-Z_]{3,})["']|C\(([A-Z][A-Z_]{3,})\)""")
    found = set()
    for folder, pattern in (("roles", "*.yml"), ("playbooks", "*.yml"), ("ota_py", "*.html"), ("library", "*.py")):
        for path in sorted((ROOT / folder).rglob(pattern)):
            found |= {one or other for one, other in quoted.findall(path.read_text())}
    assert {"ROLLED_BACK", "SKIPPED", "UNFINISHED"} <= found
    assert found <= LOUD, found - LOUD
    compared = re.compile(r"""state == ["'](\w+)["']""")
    pages = "".join(path.read_text() for path in (ROOT / "ota_py/server/templates").rglob("*.html"))
    assert set(compared.findall(pages)) == {FreshnessState.EXPIRED}
    # An argument spec is read where ota_py may be missing.
    assert f'"choices": {json.dumps([*Delivery])}' in (ROOT / "library/ota_gateway.py").read_text()


@pytest.mark.parametrize(
    ("enum", "words"),
    [
        (
            State,
            "RECEIVED VERIFIED BACKED_UP PULLED STOPPED APPLIED STARTED HEALTHY COMMITTED "
            "ROLLING_BACK ROLLED_BACK FAILED BROKEN",
        ),
        (Outcome, "SUCCEEDED ROLLED_BACK FAILED BROKEN SKIPPED HELD UNFINISHED"),
        (HoldKind, "window veto hook fetch"),
        (ReportKind, "transition skipped held status alarm"),
        (Delivery, "push pull"),
        (GatewayState, "UNKNOWN IDLE UPDATING BROKEN"),
        (UpdateState, "STAGED RELEASED WITHDRAWN"),
        (RolloutState, "PENDING RUNNING PAUSED COMPLETED ABORTED"),
        (GatewayResult, "PENDING ASSIGNED UPDATING SUCCEEDED ROLLED_BACK FAILED DEFERRED SKIPPED"),
        (Verdict, "WAIT GO STOP"),
        (ActKind, "gateway update rollout deferred hint_failed"),
        (FreshnessState, "fresh expiring expired"),
        (TokenRole, "operator reader gateway"),
        (TokenState, "valid expired revoked"),
    ],
)
def test_words_of_builds_in_the_field_stay(enum: type[StrEnum], words: str):
    """They are in journals, databases and outboxes: written here once more, so that no rename takes them along."""
    assert set(words.split()) <= {str(word) for word in enum}


def test_every_kind_of_word_is_held():
    (held,) = (mark for mark in test_words_of_builds_in_the_field_stay.pytestmark if mark.name == "parametrize")
    assert {enum for enum, _ in held.args[1]} == set(contract_enums())


# -- the report -----------------------------------------------------------------------------------


def test_a_report_is_the_same_to_who_writes_and_who_reads_it():
    """The API's document is held to its schemas by test_reference.py."""
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text())["components"]["schemas"]
    schema = document["ReportIn"]
    assert set(schema["properties"]) == set(Report.__annotations__) == Report.__required_keys__
    assert set(schema["required"]) <= Report.__required_keys__
    written = {name: _json_types(hint) for name, hint in get_type_hints(Report).items()}
    read = {name: _schema_types(field, document) for name, field in schema["properties"].items()}
    assert {name: types - read[name] for name, types in written.items() if types - read[name]} == {}
    # The path names the gateway; the rest is applied.
    assert {field.name for field in dataclasses.fields(TakenReport)} == set(Report.__annotations__) - {"gateway"}


def test_every_state_fits_into_a_report():
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text())["components"]["schemas"]
    assert max(map(len, State)) <= document["ReportIn"]["properties"]["state"]["maxLength"]


def test_the_control_plane_reads_no_detail_that_no_gateway_writes():
    text = (ROOT / "ota_py/server/events/apply.py").read_text()
    status, ended = set(re.findall(r"status\.get\(\"(\w+)", text)), set(re.findall(r"details\.get\(\"(\w+)", text))
    assert {"version", "freshness_problem", "transaction_state"} <= status <= set(StatusDetails.__annotations__)
    # `code` beside `error` is how older gateways said it.
    assert {"digests", "error"} <= ended <= {*EndDetails.__annotations__, "code"}


def _json_types(hint: Any) -> set[str]:
    names = {str: "string", int: "integer", type(None): "null"}
    parts = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return {names.get(part) or ("string" if _is_enum(part) else "object") for part in parts}


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def _schema_types(field: dict[str, Any], document: dict[str, Any]) -> set[str]:
    if "$ref" in field:
        return _schema_types(document[field["$ref"].rpartition("/")[2]], document)
    return (
        {kind for part in field["anyOf"] for kind in _schema_types(part, document)}
        if "anyOf" in field
        else {field["type"]}
    )


# -- its cost -------------------------------------------------------------------------------------


def test_the_contract_loads_the_standard_library_alone():
    modules = [f"ota_py.contract.{name.name}" for name in pkgutil.iter_modules(ota_py.contract.__path__)]
    program = f"import sys; before = set(sys.modules); import {', '.join(modules)}; print(*(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert loaded - set(sys.stdlib_module_names) == {"ota_py"}
