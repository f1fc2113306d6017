"""A rollout as the operator requests it, and as the play carries it out. Pure: no network, no clock.

Batches are computed by the control plane; the play handles each as one batch host (a stand-in on the
controller that assigns, notifies and watches) followed by the gateways that are pushed to. Gateways that pull
are no hosts of the play: a batch of ten thousand of them costs one host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ota_py import names
from ota_py.contract.fleet import Delivery, GatewayResult
from ota_py.errors import NotFoundError, UsageError

DEFAULT_SERIAL: tuple[int | str, ...] = (1, "25%", "100%")
STAGGER_MINUTES_MAX = 7 * 24 * 60.0
# States of a gateway in a rollout that a (re)started play still has to see to.
OPEN_STATES = frozenset({GatewayResult.PENDING, GatewayResult.ASSIGNED, GatewayResult.UPDATING})
# No gateway id has a dot.
BATCH_HOST_PREFIX = "batch."
GOOD_STATES = frozenset({GatewayResult.SUCCEEDED, GatewayResult.SKIPPED})


@dataclass(frozen=True)
class RolloutRequest:
    """A rollout as an operator requests it, checked.

    Attributes:
        version: the update's version.
        gateways: delivery (`push` or `pull`) by gateway id, in the order of the rollout.
        serial: batch sizes as Ansible's `serial` takes them: numbers and percentages of the whole.
        stagger_minutes: time between two batches.
        max_failures: `N` or `N%` of the gateways that may fail or roll back before the rollout stops.
    """

    version: str
    gateways: Mapping[str, str]
    serial: tuple[int | str, ...] = DEFAULT_SERIAL
    stagger_minutes: float = 0.0
    max_failures: str = "0"

    def as_json(self) -> dict[str, Any]:
        """The request as the body of `POST /rollouts`."""
        return {
            "version": self.version,
            "gateways": [{"id": name, "delivery": how} for name, how in self.gateways.items()],
            "serial": list(self.serial),
            "stagger_minutes": self.stagger_minutes,
            "max_failures": self.max_failures,
        }


def parse_gateways(text: str) -> list[str]:
    """The gateway ids in a text such as `boston_001,boston_002`, in that order.

    Raises:
        UsageError: none, one that is no gateway id, or one that stands twice.
    """
    ids = [names.check_gateway_id(part.strip()) for part in text.split(",") if part.strip()]
    if not ids:
        raise UsageError("no gateway is named", hint='name them as --gateways "boston_001,boston_002"')
    twice = sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) != len(ids) else []
    if twice:
        raise UsageError(f"named twice: {', '.join(twice)}", hint="name each gateway once")
    return ids


def parse_percentage(text: str | None) -> tuple[int | str, ...]:
    """A percentage `50` or a ramp `10,50,100` as `serial`; None is one gateway alone, then 25%, then 100%.

    Raises:
        UsageError: not whole numbers from 1 to 100.
    """
    if text is None or not text.strip():
        return DEFAULT_SERIAL
    parts = [part.strip().removesuffix("%") for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,3}", part) and 1 <= int(part) <= 100 for part in parts):
        raise UsageError(
            f"percentage {text[:80]!r} is out of range",
            hint="give whole numbers from 1 to 100: --percentage 50, or a ramp: --percentage 10,50,100",
        )
    return tuple(f"{int(part)}%" for part in parts)


def parse_stagger(value: str | float) -> float:
    """Minutes between two batches, 0 to a week.

    Raises:
        UsageError: not such a number.
    """
    try:
        minutes = float(value)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes <= STAGGER_MINUTES_MAX:  # also false for NaN
        raise UsageError(
            f"stagger {str(value)[:80]!r} is out of range",
            hint=f"give minutes from 0 to {STAGGER_MINUTES_MAX:.0f}, for example --stagger 5",
        )
    return minutes


def parse_max_failures(text: str) -> str:
    """The limit of failures, `N` or `N%`, as the control plane takes it.

    Raises:
        UsageError: neither.
    """
    match = re.fullmatch(r"\s*([0-9]{1,6})(%?)\s*", text)
    if not match or (match[2] and int(match[1]) > 100):
        raise UsageError(
            f"max-failures {text[:80]!r} is out of range",
            hint="give a number of gateways, or a percentage of them: --max-failures 2, --max-failures 10%",
        )
    return f"{int(match[1])}{match[2]}"


def choose_gateways(wanted: Iterable[str], inventory: Mapping[str, str]) -> dict[str, str]:
    """The wanted gateways with their delivery by the inventory.

    Raises:
        NotFoundError: some are not in the inventory; names all of them.
        UsageError: the inventory gives one another delivery than push or pull.
    """
    wanted = list(wanted)
    unknown = [name for name in wanted if name not in inventory]
    if unknown:
        raise NotFoundError(
            f"not in the inventory: {', '.join(unknown)}",
            hint="check the names, or add them: ansible-inventory --graph gateways shows what is known",
        )
    chosen = {name: inventory[name] for name in wanted}
    for name, delivery in chosen.items():
        if delivery not in set(Delivery):
            raise UsageError(
                f"gateway {name} has ota_delivery {str(delivery)[:40]!r} in the inventory",
                hint="use push or pull",
            )
    return chosen


def open_batches(rollout: Mapping[str, Any]) -> list[tuple[int, list[dict[str, Any]]]]:
    """The open batches of a rollout: their numbers, each with its gateways that have no result yet."""
    batches: dict[int, list[dict[str, Any]]] = {}
    for gateway in rollout["gateways"]:
        if gateway["state"] in OPEN_STATES:
            batches.setdefault(gateway["batch"], []).append(gateway)
    return sorted(batches.items())


def play_hosts(batches: Iterable[tuple[int, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """The hosts of the play, in order: for each batch its batch host, then the gateways it pushes to.

    Returns:
        `{"name", "batch", "push": [ids], "last": bool}` for a batch host, `{"name", "batch"}` for a gateway.
    """
    hosts: list[dict[str, Any]] = []
    batches = list(batches)
    for position, (number, gateways) in enumerate(batches):
        # They become hosts of the play: what the control plane answers is checked like what a person types.
        push = [names.check_gateway_id(gateway["id"]) for gateway in gateways if gateway["delivery"] == Delivery.PUSH]
        last = position == len(batches) - 1
        hosts.append({"name": f"{BATCH_HOST_PREFIX}{number + 1}", "batch": number, "push": push, "last": last})
        hosts += [{"name": name, "batch": number} for name in push]
    return hosts


def is_batch_host(name: str) -> bool:
    """Whether a host of the play stands for a batch, and is no gateway."""
    return name.startswith(BATCH_HOST_PREFIX)


def serial_sizes(hosts: Iterable[Mapping[str, Any]]) -> list[int]:
    """The play's `serial`: how many of `play_hosts` each batch takes."""
    return [1 + len(host["push"]) for host in hosts if "push" in host]


def shortfall(rollout: Mapping[str, Any]) -> str:
    """The gateways that a rollout failed to update, as `1 ROLLED_BACK, 2 DEFERRED`; empty if there are none."""
    counts = rollout.get("counts", {})
    return ", ".join(f"{n} {state}" for state, n in counts.items() if n and state not in GOOD_STATES)
