"""Compose files from outside, as YAML: bounded, and only such YAML as has one reading.

YAML allows a file of a kilobyte that stands for a terabyte, by aliases of aliases; and the parser is so slow
that a large file would be a way to stop a gateway. What Compose files in use have is far below these limits.

Compose reads the same bytes with another parser. Where the two could read different things, what is judged
would not be what runs, so what only one of them knows, or each in its own way, is refused: tags, directives,
further documents, keys that are not plain text, control characters.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode
from ruamel.yaml.scanner import RoundTripScanner

MAX_BYTES = 512 * 1024
MAX_DEPTH = 64
# Values, keys and collections, each alias counted as all that it stands for.
MAX_NODES = 50_000
PROBLEM_MAX_CHARS = 500

# Compose's own, on values only: they take something away that another file gave.
_TAGS = ("!reset", "!override")
_MERGE = "<<"
# Line feed, tab and carriage return are checked apart. The last three are line breaks to one parser only.
_CONTROL = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ufeff\\ufffe\\uffff]|\\r(?!\\n)")
# Plain text that YAML 1.1, YAML 1.2 or Go's parser takes for something else: truth values, null, numbers in all
# their forms (0o7, 1_000, 1:30, .inf), dates, and the signs for merging and for a default.
_NO_TEXT = re.compile(
    r"(true|false|yes|no|on|off|null|~|=|<<)?"
    r"|[-+]?(0[xob])?[.0-9_][.0-9_:]*(e[-+]?[0-9]+)?|[-+]?0x[0-9a-f_]+"
    r"|[0-9]+-[0-9]+-[0-9]+.*|[-+]?\.(inf|nan)",
    re.IGNORECASE,
)

# What the parser raises on odd input, beside its own error: it was not made for hostile files.
_PARSER_ERRORS = (
    YAMLError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    RecursionError,
)


def round_trip() -> YAML:
    """A reader and writer that leaves a file as people wrote it, and takes tags such as !reset."""
    yaml = YAML()
    yaml.Scanner = _StrictScanner
    yaml.Composer = _StrictComposer
    return yaml


def load(text: bytes, yaml: YAML | None = None) -> Any:
    """The only document of a YAML file, None where it has none.

    Args:
        yaml: from `round_trip`; not given: a new one.

    Raises:
        ValueError: it is not YAML with one reading, or beyond a limit; in words, of bounded length.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has {len(text)} bytes, the limit is {MAX_BYTES}")
    try:
        decoded = text.decode("utf-8-sig")  # editors of Windows begin a file with this mark
        _check_characters(decoded)
        documents = list((yaml or round_trip()).load_all(decoded))
    except _PARSER_ERRORS as error:
        raise ValueError(_problem_text(error)[:PROBLEM_MAX_CHARS]) from None
    if len(documents) > 1:
        raise ValueError(f"it has {len(documents)} documents, expected one")
    return documents[0] if documents else None


def _check_characters(text: str) -> None:
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"it has the control character U+{ord(found[0]):04X} in line {line}")


def _problem_text(error: Exception) -> str:
    """The problem and its place in words, without the line itself or values, among which there may be secrets."""
    if not isinstance(error, MarkedYAMLError):
        return re.sub("'[^']*'", "'...'", " ".join(str(error).split()))
    problem = str(error.problem or error.context).partition(" with value ")[0]
    mark = error.problem_mark or error.context_mark
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else problem


def _refused(what: str, mark: Any) -> ValueError:
    return ValueError(f"{what} in line {mark.line + 1}, column {mark.column + 1}: Compose could read it otherwise")


class _StrictScanner(RoundTripScanner):
    """A scanner that refuses directives and marked keys; what is overridden is undocumented there, too."""

    def fetch_directive(self) -> None:
        """Refuse a line such as `%YAML 1.1`."""
        raise _refused("a directive", self.reader.get_mark())

    def fetch_key(self) -> None:
        """Refuse a key after a question mark."""
        raise _refused("a key that begins with `?`", self.reader.get_mark())


class _StrictComposer(Composer):
    """A composer that refuses what has two readings, and stops at a limit while it reads: afterwards is too late."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # the later one counts, to both
        self._level = 0
        self._nodes = 0
        # Of finished nodes with an anchor: the node, which keeps its id from being used again, and its size.
        self._sizes: dict[int, tuple[Any, int]] = {}
        # Of mappings under way: the keys so far.
        self._keys: dict[int, set[str]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose the next node; what is overridden is undocumented there, too."""
        event = self.parser.peek_event()
        if isinstance(parent, MappingNode) and index is None:
            self._check_key(event, self._keys.setdefault(id(parent), set()))
        elif (tag := _tag(event)) is not None and tag not in _TAGS:
            raise _refused("a tag that is neither !reset nor !override", event.start_mark)
        if isinstance(event, AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise ValueError("an alias stands for something that it is part of")
            self._count(self._sizes[id(node)][1])
            return node
        before, self._level = self._nodes, self._level + 1
        if self._level > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        self._count(1)
        node = super().compose_node(parent, index)
        self._level -= 1
        self._keys.pop(id(node), None)
        if node.anchor is not None:
            self._sizes[id(node)] = (node, self._nodes - before)
        return node

    def _check_key(self, event: Any, known: set[str]) -> None:
        """A key is plain text: a scalar on one line, without tag, anchor or escapes, and not there before."""
        mark = event.start_mark
        if not isinstance(event, ScalarEvent):
            raise _refused("a key that is not plain text", mark)
        if event.anchor is not None or _tag(event) is not None:
            raise _refused("a key with a tag or an anchor", mark)
        quotes = 0 if event.style is None else 2
        if event.style in ("|", ">") or event.end_mark.index - mark.index != len(event.value) + quotes:
            raise _refused("a key with escapes or line breaks", mark)
        if event.value == _MERGE and quotes:
            raise _refused("the key `<<` in quotes", mark)
        if not quotes and event.value != _MERGE and _NO_TEXT.fullmatch(event.value):
            raise _refused("a key without quotes that YAML may take for something other than text", mark)
        if event.value in known:
            raise ValueError(f'found duplicate key "{event.value}" in line {mark.line + 1}, column {mark.column + 1}')
        known.add(event.value)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ValueError(f"it has more than {MAX_NODES} values, with all that its aliases stand for")


def _tag(event: Any) -> str | None:
    """The tag that is written at a node; None where there is none."""
    tag = getattr(event, "ctag", None)
    return None if tag is None else str(tag)
