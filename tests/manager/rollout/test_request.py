"""A rollout as requested, and as the play carries it out."""

from __future__ import annotations

import pytest

from ota_py.errors import NotFoundError, UsageError
from ota_py.manager.rollout import request


def row(name: str, batch: int, state: str = "PENDING", delivery: str = "push") -> dict[str, object]:
    return {"id": name, "batch": batch, "state": state, "delivery": delivery}


def test_percentages_become_serial() -> None:
    assert request.parse_percentage("50") == ("50%",)
    assert request.parse_percentage("10, 50%,100") == ("10%", "50%", "100%")
    assert request.parse_percentage(None) == request.parse_percentage("") == (1, "25%", "100%")


@pytest.mark.parametrize("text", ["0", "101", "-5", "5.5", "ten", "50,", ",", "{{ 50 }}", "\u0665\u0660"])
def test_other_percentages_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="out of range"):
        request.parse_percentage(text)


@pytest.mark.parametrize(("text", "checked"), [("0", "0"), ("2", "2"), ("10%", "10%"), (" 007 ", "7")])
def test_max_failures(text: str, checked: str) -> None:
    assert request.parse_max_failures(text) == checked


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5", "many", "1 %"])
def test_other_max_failures_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="out of range"):
        request.parse_max_failures(text)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon", "10081"])
def test_stagger_out_of_range(value: str) -> None:
    with pytest.raises(UsageError, match="out of range"):
        request.parse_stagger(value)


def test_gateways_keep_their_order_and_must_be_in_the_inventory() -> None:
    inventory = {"a": "push", "b": "pull", "c": "push"}
    assert request.choose_gateways(["b", "a"], inventory) == {"b": "pull", "a": "push"}
    with pytest.raises(NotFoundError, match="not in the inventory: x, y"):
        request.choose_gateways(["x", "a", "y"], inventory)
    with pytest.raises(UsageError, match="gateway a has ota_delivery 'carrier pigeon'"):
        request.choose_gateways(["a"], {"a": "carrier pigeon"})


def test_only_what_has_no_result_is_visited_and_pull_gateways_are_no_hosts() -> None:
    recorded = {
        "gateways": [
            row("a", 0, "SUCCEEDED"),
            row("b", 0, "UPDATING"),
            row("c", 1, "ROLLED_BACK"),
            row("d", 2, delivery="pull"),
            row("e", 2),
        ]
    }
    hosts = request.play_hosts(request.open_batches(recorded))
    assert hosts == [
        {"name": "batch.1", "batch": 0, "push": ["b"], "last": False},
        {"name": "b", "batch": 0},
        {"name": "batch.3", "batch": 2, "push": ["e"], "last": True},
        {"name": "e", "batch": 2},
    ]
    assert request.serial_sizes(hosts) == [2, 2]
    assert [request.is_batch_host(host["name"]) for host in hosts] == [True, False, True, False]
