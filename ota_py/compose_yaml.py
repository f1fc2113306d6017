"""Compose files from outside, as YAML: bounded in size, in nesting, and in what aliases stand for.

YAML allows a file of a kilobyte that stands for a terabyte, by aliases of aliases; and the parser is so slow
that a large file would be a way to stop a gateway. What Compose files in use have is far below these limits.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

MAX_BYTES = 512 * 1024
MAX_DEPTH = 64
# Values, keys and collections, each alias counted as all that it stands for.
MAX_NODES = 50_000
PROBLEM_MAX_CHARS = 500

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
    yaml.Composer = _BoundedComposer
    return yaml


def load_all(text: bytes, yaml: YAML | None = None) -> list[Any]:
    """All documents of a YAML file.

    Args:
        yaml: from `round_trip`; not given: a new one.

    Raises:
        ValueError: it is not YAML, or beyond a limit; in words, of bounded length.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has {len(text)} bytes, the limit is {MAX_BYTES}")
    try:
        return list((yaml or round_trip()).load_all(text.decode("utf-8")))
    except _PARSER_ERRORS as error:
        raise ValueError(_problem_text(error)[:PROBLEM_MAX_CHARS]) from None


def load(text: bytes, yaml: YAML | None = None) -> Any:
    """The only document of a YAML file, None where it has none; see `load_all`."""
    documents = load_all(text, yaml)
    if len(documents) > 1:
        raise ValueError(f"it has {len(documents)} documents, expected one")
    return documents[0] if documents else None


def _problem_text(error: Exception) -> str:
    """The problem and its place in words, without the line itself or values, among which there may be secrets."""
    if not isinstance(error, MarkedYAMLError):
        return re.sub("'[^']*'", "'...'", " ".join(str(error).split()))
    problem = str(error.problem or error.context).partition(" with value ")[0]
    mark = error.problem_mark or error.context_mark
    return f"{problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else problem


class _BoundedComposer(Composer):
    """A composer that stops at a limit while it reads: afterwards would be too late."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self._level = 0
        self._nodes = 0
        # Of finished nodes with an anchor: the node, which keeps its id from being used again, and its size.
        self._sizes: dict[int, tuple[Any, int]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose the next node; what is overridden is undocumented there, too."""
        if self.parser.check_event(AliasEvent):
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
        if node.anchor is not None:
            self._sizes[id(node)] = (node, self._nodes - before)
        return node

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ValueError(f"it has more than {MAX_NODES} values, with all that its aliases stand for")
