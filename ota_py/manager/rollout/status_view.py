"""The views of `status`, from the control plane's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ota_py.manager.rollout.progress import bar, coloured, headline, plain, table_of

Json = Mapping[str, Any]


def rollout_view(rollout: Json) -> Group:
    """The view of one rollout: its bar, and each gateway with state, time taken and reason."""
    table = table_of("batch", "gateway", "delivery", "from", "state", "step", "seconds", "reason")
    for gateway in rollout["gateways"]:
        table.add_row(
            plain(gateway["batch"] + 1),
            plain(gateway["id"]),
            plain(gateway["delivery"]),
            plain(gateway["from_version"]),
            coloured(gateway["state"]),
            plain(gateway["step"].lower()),
            plain(_seconds(gateway["started_at"], gateway["finished_at"])),
            plain(gateway["reason"]),
        )
    return Group(headline(rollout), bar(rollout), table)


def fleet_view(statistics: Json, rollouts: Sequence[Json]) -> Group:
    """The view of the fleet: its versions, each update's success, the last rollouts and rollbacks."""
    gateways = statistics["gateways"]
    versions = ", ".join(f"{count} on {version or '?'}" for version, count in gateways["by_version"].items())
    parts: list[Any] = [
        plain(f"{gateways['total']} gateways, {gateways['online']} online" + (f": {versions}" * bool(versions)))
    ]
    if statistics["updates"]:
        parts += [Text(), _updates(statistics["updates"])]
    if rollouts:
        parts += [Text(), _rollouts(rollouts)]
    if statistics["rollbacks"]:
        parts += [Text(), _rollbacks(statistics["rollbacks"])]
    return Group(*parts)


def _updates(updates: Sequence[Json]) -> Table:
    table = table_of("update", "succeeded", "rolled back", "failed", "success")
    for update in updates:
        rate = update["success_rate"]
        counts = [plain(update[name]) for name in ("succeeded", "rolled_back", "failed")]
        table.add_row(plain(update["version"]), *counts, "" if rate is None else f"{rate:.0%}")
    return table


def _rollouts(rollouts: Sequence[Json]) -> Table:
    table = table_of("rollout", "update", "state", "gateways", "reason")
    for rollout in rollouts:
        state, reason = coloured(rollout["state"]), plain(rollout["reason"])
        table.add_row(plain(rollout["id"]), plain(rollout["version"]), state, bar(rollout), reason)
    return table


def _rollbacks(rollbacks: Sequence[Json]) -> Table:
    table = table_of("rolled back", "update", "to", "service", "reason")
    for one in rollbacks:
        table.add_row(
            *(plain(one[name]) for name in ("gateway", "version", "from_version", "failing_service", "reason"))
        )
    return table


def _seconds(begun: str | None, ended: str | None) -> str:
    if not begun or not ended:
        return ""
    taken = datetime.fromisoformat(ended) - datetime.fromisoformat(begun)
    return f"{taken.total_seconds():.1f}"
