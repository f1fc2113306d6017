"""Text of others as people see it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota_py.text.printable import printable, printable_data

pytestmark = pytest.mark.case("A52")

HOSTILE = {
    "an escape sequence": "\x1b[31m",
    "a title of the terminal": "\x1b]0;x\x07",
    "C1": "\x9b31m",
    "DEL": "\x7f",
    "a backspace": "\b",
    "a carriage return": "\r",
    "bidi override": "\u202e",
    "bidi isolate": "\u2066",
    "a mark of direction": "\u200f",
    "zero width": "\u200b",
    "a joiner": "\u2060",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "next line": "\x85",
    "a vertical tab": "\x0b",
    "a tag": "\U000e0041",
    "a selector": "\ufe0f",
    "a filler": "\u3164",
    "private use": "\ue000",
    "unassigned": "\U000e1000",
    "half of a pair": "\ud800",
    "NUL": "\x00",
    "an annotation": "\ufff9",
}


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_seen_is_replaced(text: str, lines: bool) -> None:
    seen = "".join(character for character in text[1:] if character.isascii() and character.isprintable())
    assert printable(f"a{text}b", lines=lines).replace("\ufffd", "") == f"a{seen}b"
    assert "\ufffd" in printable(text, lines=lines)


@pytest.mark.parametrize("text", ["", "plain", "Gerät läuft, 温度 21°", "…→✓", "שלום", "e\u0301", "a b", "naïve 🚀"])
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_newlines_stay_only_where_a_block_is_shown() -> None:
    assert printable("a\r\nb\tc\n") == "a b c "
    assert printable("a\r\nb\tc\n", lines=True) == "a\nb\tc\n"


def test_accents_do_not_pile_up() -> None:
    assert len(printable("e" + "\u0301" * 500)) < 10


def test_keys_and_lists_of_data_as_well() -> None:
    data = {"a\x1b": ["b\x07", {"c": "\u202e"}], "n": 1, "f": None}
    assert printable_data(data) == {"a\ufffd": ["b\ufffd", {"c": "\ufffd"}], "n": 1, "f": None}


@given(st.text())
def test_nothing_that_steers_is_left(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert printable(shown) == shown
