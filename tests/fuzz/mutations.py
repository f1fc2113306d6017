"""Inputs near those of a corpus: what a parser nearly takes shows more than noise does.

Two ways: bytes are cut, doubled and replaced; and where an input is JSON, its values become odd ones, keys
are doubled, and parts are nested very deep.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

TOKENS = [
    *(b"{", b"}", b"[", b"]", b'"', b"'", b":", b",", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800"),
    *(b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 5000, b"null", b"true", b"{}", b"[]", b'{"a":1,"a":1}'),
    *(b"&a ", b"*a", b"<<: *a", b"!!binary ", b"!!timestamp ", b"!!int ", b"? ", b"- ", b"|\n", b"---\n"),
    *(b"!reset ", b"%YAML 9.9\n", b"../", b"/etc/passwd", b"{{ 1 }}", b"$(id)", b"[" * 1500, b'{"a":' * 1500),
]
ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf")),
    *("", " ", "\0", "\ud800", "\u202e", "a" * 5000, "1.2.0", "../x", "{{ 1 }}", [], {}, [[]], {"": None}),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9" * 5000, ["a"] * 300),
]
# Stands for a value that is written another way than JSON can say.
_MARK = "\ufdd0"


def near(corpus: Sequence[bytes]) -> SearchStrategy[bytes]:
    """Bytes near one of `corpus`."""
    seeds = st.sampled_from(corpus)
    return seeds.flatmap(_edited_bytes) | seeds.flatmap(_edited_json) | st.binary(max_size=200)


@st.composite
def _edited_bytes(draw: DrawFn, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 4, 8, 100, 10_000])))
        new = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(bytes(data[start:end]) * 2))
        data[start:end] = new
    return bytes(data)


@st.composite
def _edited_json(draw: DrawFn, seed: bytes) -> bytes:
    """The seed with some of its values changed. A request's first lines stay as they are."""
    head, gap, body = seed.partition(b"\n\n")
    if not gap:
        head, body = b"", seed
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return seed
    raw: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        places = _places(document)
        at = draw(st.integers(0, len(places)))
        if at == len(places):
            document = deepcopy(draw(st.sampled_from(ODD_VALUES)))
            break
        _change(draw, places[at], raw)
    text = json.dumps(document)
    for number, written in enumerate(raw):
        text = text.replace(json.dumps(f"{_MARK}{number}"), written)
    return head + gap + text.encode()


Place = tuple[Any, Any]


def _places(document: Any) -> list[Place]:
    """Each (container, key or index) in a document."""
    found: list[Place] = []
    waiting = [document]
    while waiting:
        part = waiting.pop()
        keys = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        for key in keys:
            found.append((part, key))
            waiting.append(part[key])
    return found


def _change(draw: DrawFn, place: Place, raw: list[str]) -> None:
    container, key = place
    kind = draw(st.sampled_from(["value", "value", "key", "drop", "twice", "deep", "number"]))
    if kind == "value":
        odd = st.sampled_from(ODD_VALUES) | st.text(max_size=8) | st.integers() | st.floats()
        container[key] = deepcopy(draw(odd))
    elif kind == "drop":
        del container[key]
    elif kind == "key" and isinstance(container, dict):
        container[draw(st.text(max_size=8) | st.just("k" * 20_000))] = container.pop(key)
    else:
        old = json.dumps(container[key])
        if kind == "twice" and isinstance(container, dict):
            raw.append(f"{old}, {json.dumps(key)}: {old}")
        elif kind == "deep":
            depth = draw(st.sampled_from([100, 5000]))
            raw.append("[" * depth + old + "]" * depth)
        else:
            raw.append(draw(st.sampled_from(["1e400", "-" + "9" * 5000, "1E-999", "0" * 50, "NaN"])))
        container[key] = f"{_MARK}{len(raw) - 1}"
