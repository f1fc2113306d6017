"""A gateway's answer as a module result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ota_py.manager.ansible_base.gateway_answer import Answer, parse_answer, to_result


def test_changed_is_what_the_gateway_said() -> None:
    for changed in (True, False):
        assert to_result(Answer(0, json.dumps({"changed": changed, "state": "COMMITTED"}), "")) == {
            "changed": changed,
            "state": "COMMITTED",
        }
    assert to_result(Answer(0, "{}", ""))["changed"] is False


def test_a_banner_around_the_answer_is_no_part_of_it() -> None:
    text = 'Last login: {never}\n{\n  "version": "1.2.0"\n}\nlogout\n'
    assert parse_answer(Answer(0, text, "")) == {"version": "1.2.0"}


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "{", "{'a': 1}", '"{}"', "{" * 100_000 + "}" * 100_000])
def test_anything_else_is_no_answer(text: str) -> None:
    output = to_result(Answer(127, text, "python3: can't open file 'ota_client.py'"))
    assert (output["failed"], output["changed"], output["code"]) == (True, False, "no_engine")
    assert "python3: can't open file 'ota_client.py'" in output["msg"]


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        ({"error": {"code": "busy", "message": "locked", "hint": "wait"}}, "locked", "busy"),
        (
            {"reason": "unhealthy", "error": {"code": "rolled_back", "message": "m"}},
            "unhealthy",
            "rolled_back",
        ),
        ({"error": {}}, "the gateway gave no reason", "error"),
        ({"error": None}, "ota_client.py ended with status 3", "error"),
        ({"error": "text"}, "ota_client.py ended with status 3", "error"),
    ],
)
def test_failures(answer: dict[str, Any], message: str, code: str) -> None:
    output = to_result(Answer(3, json.dumps(answer), ""))
    assert (output["failed"], output["msg"], output["code"]) == (True, message, code)


def test_an_update_that_is_held_back_is_no_failure() -> None:
    answer = {"outcome": "HELD", "reason": "at the till", "error": {"code": "held", "message": "at the till"}}
    output = to_result(Answer(34, json.dumps(answer), ""))
    assert (output["held"], output["msg"], output["changed"]) == (True, "held: at the till", False)
    assert "failed" not in output
