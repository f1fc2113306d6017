"""Text of others as people see it: no character in it steers a terminal, forges a line or turns text round."""

from __future__ import annotations

from typing import Any

# Controls (C0, C1, DEL), invisible formats (bidi, zero width, tags), halves of pairs, private and unassigned ones,
# and line and paragraph separators: what no name, version or reason needs.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Invisible as well, though Unicode counts them as letters or marks: fillers, and selectors of variants.
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
MARKS_IN_A_ROW = 4
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str, *, lines: bool = False) -> str:
    """The text with a space for each newline or tab, and `\ufffd` for anything else that is not seen.

    Args:
        lines: keep newlines and tabs: for text that is shown as a block of its own.
    """
    if text.isascii() and text.isprintable():
        return text
    from unicodedata import category  # only here: the agent, which is to stay small, shows plain text

    shown: list[str] = []
    marks = 0
    for character in text.replace("\r\n", "\n"):
        kind = category(character)
        marks = marks + 1 if kind.startswith("M") else 0
        if character in "\n\t":
            shown.append(character if lines else " ")
        elif _is_hidden(character, kind):
            shown.append(REPLACEMENT)
        elif marks <= MARKS_IN_A_ROW:  # a tower of accents covers the lines above
            shown.append(character)
    return "".join(shown)


def printable_data(data: Any, *, lines: bool = True) -> Any:
    """The same for every string in data of JSON, keys too."""
    if isinstance(data, str):
        return printable(data, lines=lines)
    if isinstance(data, dict):
        return {printable_data(key, lines=False): printable_data(value, lines=lines) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [printable_data(item, lines=lines) for item in data]
    return data


def _is_hidden(character: str, kind: str) -> bool:
    return (
        kind in HIDDEN
        or character in FILLERS
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )
