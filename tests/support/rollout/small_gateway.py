"""A gateway's engine as the controller sees it: commands in, JSON out, an outbox that survives.

Installed as `ota_client.py` of a simulated gateway. `behaviour.json` beside it says how the gateway behaves:
`{"update": "good" | "rolls_back" | "refuses" | "crashes" | "hangs" | "held", "busy": times, "reason": text}`.
`"says"` is added to every answer. `steps.json` names the states of an update. `state.json` holds what it did;
`calls` lists its commands.
"""

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
STEPS = json.loads((HERE / "steps.json").read_text())
EMPTY = {"version": "1.0.0", "seq": 0, "outbox": [], "transaction": None, "done": "", "calls": []}


def main(argv):
    behaviour = {
        "update": "good",
        "busy": 0,
        "reason": "",
        **json.loads((HERE / "behaviour.json").read_text()),
    }
    path = HERE / "state.json"
    state = json.loads(path.read_text()) if path.exists() else dict(EMPTY)
    state["calls"].append([argument for argument in argv if argument != "--json"])
    try:
        answer, status = answer_to(argv[0], argv[1:], state, behaviour)
    finally:
        path.write_text(json.dumps(state))
    print("Welcome to this gateway.")  # a banner, as a login shell may print it
    print(json.dumps({**answer, **behaviour.get("says", {})}, indent=2))
    return status


def answer_to(command, words, state, behaviour):
    if command == "outbox":
        acknowledged = {words[i + 1] for i, word in enumerate(words) if word == "--ack"}
        state["outbox"] = [report for report in state["outbox"] if report["id"] not in acknowledged]
        return {"reports": state["outbox"]}, 0
    if command == "status":
        return {"version": state["version"], "state": "IDLE", "transaction": None}, 0
    if command == "health-check":
        return {"healthy": True}, 0
    if command == "verify":
        return {"version": option(words, "--version")}, 0
    if command == "rollback":
        return ended(state, "SUCCEEDED", True, "COMMITTED", "", "0.9.0"), 0
    if command == "recover":
        state["transaction"] = None
        return ended(state, "SKIPPED", False, "", "", state["version"]), 0
    if command == "update":
        return update(words, state, behaviour)
    return {"error": {"code": "usage", "message": f"no command {command}", "hint": ""}}, 2


def option(words, name):
    return words[words.index(name) + 1] if name in words else None


def update(words, state, behaviour):
    version, until = option(words, "--version"), option(words, "--until")
    rollout = int(option(words, "--rollout"))
    if behaviour["busy"] > sum(call[0] == "update" for call in state["calls"][:-1]):
        return {"error": {"code": "busy", "message": "another transaction holds the gateway", "hint": ""}}, 24
    kind = behaviour["update"]
    if kind == "crashes":
        sys.exit("Segmentation fault")
    if state["version"] == version:
        report(state, "skipped", rollout, version, "", f"{version} runs already")
        return ended(state, "SKIPPED", False, "COMMITTED", "", version), 0
    if kind == "refuses":
        return error("signature", behaviour["reason"] or "the manifest is not signed", "FAILED", state, version), 20
    if until:
        return walk(state, rollout, version, until)
    if kind == "held":
        walk(state, rollout, version, "PULLED")
        reason = behaviour["reason"] or "outside the maintenance windows"
        report(state, "held", rollout, version, "PULLED", reason)
        result = error("held", reason, "HELD", state, version)
        return {**result, "state": "PULLED", "changed": False}, 34
    if kind == "hangs":
        (HERE / "hanging").touch()
        time.sleep(60)
    if kind == "rolls_back":
        walk(state, rollout, version, "STARTED")
        reason = behaviour["reason"] or "mqtt-bridge is unhealthy"
        report(state, "transition", rollout, version, "ROLLED_BACK", reason)
        state["transaction"] = None
        return error("rolled_back", reason, "ROLLED_BACK", state, version), 31
    walk(state, rollout, version, "COMMITTED")
    result = ended(state, "SUCCEEDED", True, "COMMITTED", "", version)
    state["version"], state["transaction"] = version, None
    return result, 0


def walk(state, rollout, version, until):
    if not state["transaction"]:
        state["transaction"], state["done"] = str(uuid.uuid4()), ""
    reached = STEPS.index(state["done"]) + 1 if state["done"] else 0
    for step in STEPS[reached : STEPS.index(until) + 1]:
        report(state, "transition", rollout, version, step, "")
        state["done"] = step
    return ended(state, "UNFINISHED", reached <= STEPS.index(until), until, "", version), 0


def report(state, kind, rollout, version, reached, reason):
    state["seq"] += 1
    state["outbox"].append(
        {
            "id": str(uuid.uuid4()),
            "seq": state["seq"],
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "kind": kind,
            "gateway": HERE.name,
            "transaction": state["transaction"],
            "rollout": rollout,
            "version": version,
            "from_version": state["version"],
            "state": reached,
            "reason": reason,
            "details": {},
        }
    )


def ended(state, outcome, changed, reached, reason, version):
    return {
        "transaction": state["transaction"],
        "version": version,
        "from_version": state["version"],
        "state": reached,
        "outcome": outcome,
        "changed": changed,
        "reason": reason,
        "error": None,
        "steps": [],
        "downtime_seconds": None,
        "reports": [],
    }


def error(code, message, outcome, state, version):
    result = ended(state, outcome, outcome == "ROLLED_BACK", outcome, message, version)
    return {
        **result,
        "error": {"code": code, "message": message, "hint": "look at the gateway", "details": {}},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
