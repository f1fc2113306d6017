"""The answer of a gateway's command as an Ansible result. Pure: text in, data out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ota_py.errors import HeldError, OtaError

ANSWER_MAX_CHARS = 4 * 1024 * 1024
STDERR_SHOWN_CHARS = 2000
# What Ansible acts on in the result of any task. A gateway must not add hosts or set variables.
_ANSIBLE_KEYS = frozenset({"add_host", "add_group", "results", "skipped", "unreachable", "warnings"})
_ANSIBLE_KEYS |= {"deprecations", "exception", "invocation"}
_ANSIBLE_PREFIXES = ("ansible_", "_ansible_")


@dataclass(frozen=True)
class Answer:
    """The end of a command on a gateway: exit status and both streams, as text."""

    status: int
    stdout: str
    stderr: str


def parse_answer(answer: Answer) -> dict[str, Any] | None:
    """The JSON object that the gateway printed, or None if it printed none.

    A login banner or a sudo lecture may stand before it, so the object is looked for from the first brace
    that begins a line to the last brace. What Ansible would act on is left out.
    """
    text = answer.stdout[:ANSWER_MAX_CHARS]
    start = 0 if text.startswith("{") else text.find("\n{") + 1
    if not text[start:].startswith("{"):
        return None
    try:
        data = json.loads(text[start : text.rfind("}") + 1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    return {
        key: value for key, value in data.items() if key not in _ANSIBLE_KEYS and not key.startswith(_ANSIBLE_PREFIXES)
    }


def to_result(answer: Answer) -> dict[str, Any]:
    """The gateway's answer as a module result; `changed` is what the gateway reported, never inferred.

    Returns:
        The gateway's own JSON, and `changed`; for a failure also `failed`, `msg`, `code` and `hint`.
    """
    data = parse_answer(answer)
    if data is None:
        return {"changed": False, **_no_answer(answer)}
    result = {**data, "changed": bool(data.get("changed", False))}
    error = data.get("error")
    if isinstance(error, dict) and error.get("code") == HeldError.code:
        # No failure: the gateway waits for its maintenance window, a veto or a hook, and ends it by itself.
        result |= {"held": True, "msg": f"held: {data.get('reason') or error.get('message')}"}
    elif isinstance(error, dict):
        message = str(data.get("reason") or error.get("message") or "the gateway gave no reason")
        hint = str(error.get("hint") or "")
        result |= {"failed": True, "msg": message, "code": str(error.get("code", OtaError.code)), "hint": hint}
    elif answer.status != 0:
        message = str(data.get("reason") or f"ota_client.py ended with status {answer.status}")
        result |= {"failed": True, "msg": message, "code": OtaError.code, "hint": ""}
    return result


def _no_answer(answer: Answer) -> dict[str, Any]:
    output = (answer.stderr.strip() or answer.stdout.strip())[-STDERR_SHOWN_CHARS:]
    return {
        "failed": True,
        "msg": f"the gateway's engine gave no answer (status {answer.status}): {output or 'no output'}",
        "code": "no_engine",
        "hint": "provision the gateway again: ansible-playbook playbooks/provision.yml --limit GATEWAY",
    }
