"""JSON from outside: parsed without leniency, its problems described in bounded messages."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from ota_py.errors import ManifestError

# Of a field's name, and of what is wrong with it, in a message.
PROBLEM_MAX_CHARS = 200


def parse_json(raw: bytes, what: str, max_bytes: int) -> Any:
    """Parse JSON that came from outside: size capped, no key twice, no NaN, no deep nesting, Unicode.

    Raises:
        ManifestError: anything but plain JSON of at most `max_bytes` bytes.
    """
    if len(raw) > max_bytes:
        raise ManifestError(f"{what} has {len(raw)} bytes, the limit is {max_bytes}")
    try:
        data = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if b"\\u" in raw:
            # Half of a surrogate pair, which only an escape can write, is no text that could be stored.
            json.dumps(data, ensure_ascii=False).encode()
        return data
    except RecursionError:
        raise ManifestError(f"{what} is nested too deeply") from None
    except ValueError as error:  # covers UnicodeError and JSONDecodeError
        raise ManifestError(f"{what} is not valid JSON: {error}") from None


def describe(error: ValidationError) -> str:
    """The first five problems of a pydantic error as `field: problem`, without echoing long input."""
    problems = [
        f"{'.'.join(str(part) for part in item['loc'])[:PROBLEM_MAX_CHARS] or 'document'}: "
        f"{item['msg'][:PROBLEM_MAX_CHARS]}"
        for item in error.errors(include_url=False, include_input=False)
    ]
    more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
    return "; ".join(problems[:5]) + more


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:PROBLEM_MAX_CHARS]!r} stands twice")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
