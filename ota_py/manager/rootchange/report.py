"""The output of `keys` and `publish` on a change of root, as lines and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuf.api.metadata import Root

from ota_py.contract.fleet import FreshnessState
from ota_py.errors import OtaError
from ota_py.manager.rootchange.plan import RootChangePlan
from ota_py.manager.rootchange.publish import Published
from ota_py.manager.signing.freshness_text import freshness_json, state_words
from ota_py.manager.signing.request_text import day, gateway_lines, request_lines
from ota_py.trust.documents.metadata import ID_LENGTH
from ota_py.trust.documents.root_change import KEY_ROLES, differences, role_keys
from ota_py.trust.keys.key_files import describe_key
from ota_py.trust.repository.freshness import Freshness


def plan_lines(plan: RootChangePlan) -> list[str]:
    """A planned change of root as lines: what will change, and what gateways will see."""
    signing = plan.signing
    lines = [*request_lines(signing), *gateway_lines(signing.before, signing.after)]
    if plan.taken_off:
        lines += [
            f"Taken off the list, no gateway installs them any more: {', '.join(plan.taken_off)}.",
            "  The control plane still knows them: `ota_manager.py withdraw VERSION` each.",
        ]
    return lines


def plan_json(plan: RootChangePlan) -> dict[str, Any]:
    """A planned change of root as JSON, for programs."""
    before, after = plan.signing.before, plan.signing.after
    return {
        "root": {"before": before.version, "after": after.version, "expires": after.expires.isoformat()},
        "changes": [vars(change) for change in differences(before, after)],
        "signed_anew": plan.again,
        "taken_off": plan.taken_off,
    }


def published_lines(done: Published) -> list[str]:
    """A published change of root as lines, with what is left to do."""
    lines = [f"Published root version {done.version}; root.json here is that version now."]
    lines += [f"ota.toml names {', '.join(uris)} for {role} now." for role, uris in done.renamed.items()]
    lines += [f"To do: {line}" for line in _to_do(done)]
    return lines


def published_json(done: Published) -> dict[str, Any]:
    """A published change of root as JSON, for programs."""
    return {
        "published": True,
        "root_version": done.version,
        "keys": done.renamed,
        "to_do": "; ".join(_to_do(done)) or None,
    }


def _to_do(done: Published) -> list[str]:
    return [f"{problem.message}: {problem.hint}" for problem in done.problems]


def keys_json(root: Root, uris: Mapping[str, list[str]], fresh: list[Freshness] | OtaError) -> dict[str, Any]:
    """The keys of each role as JSON, and how long what they signed holds; or why that is not known."""
    known = {} if isinstance(fresh, OtaError) else {each.role: freshness_json(each) for each in fresh}
    roles = {}
    for role, signs in KEY_ROLES.items():
        named = role_keys(root, role)
        roles[role] = {
            "signs": signs,
            "threshold": named.threshold,
            "keys": [{"id": key.keyid, "kind": describe_key(key)} for key in named.keys],
            "configured": uris[role],
            "freshness": known.get(role),
        }
    return {
        "root_version": root.version,
        "expires": root.expires.isoformat(),
        "roles": roles,
        "problem": fresh.message if isinstance(fresh, OtaError) else None,
    }


def keys_lines(root: Root, uris: Mapping[str, list[str]], fresh: list[Freshness] | OtaError) -> list[str]:
    """The keys of each role as lines; see `keys_json`."""
    known = {} if isinstance(fresh, OtaError) else {each.role: each for each in fresh}
    lines = [f"root.json version {root.version}, until {day(root.expires)}"]
    for role, signs in KEY_ROLES.items():
        named = role_keys(root, role)
        label = role if role == signs else f"{role} ({signs})"
        lines.append(f"{label}: {named.threshold} of {len(named.keys)} must sign")
        lines += [f"  {key.keyid[:ID_LENGTH]}  {describe_key(key)}" for key in named.keys]
        lines.append(f"  ota.toml: {', '.join(uris[role])}")
        lines += _fresh_lines(known[role]) if role in known else []
    if isinstance(fresh, OtaError):
        lines.append(f"how long signatures hold is not known: {fresh.message}")
    return lines


def _fresh_lines(each: Freshness) -> list[str]:
    lines = [f"  version {each.version}: {state_words(each)}"]
    return lines if each.state is FreshnessState.FRESH else [*lines, f"    {each.to_do}"]
