"""The parser of request bodies: strict JSON, nothing that a database cannot store or a person cannot see."""

from __future__ import annotations

from math import isfinite
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser
from pydantic_core import from_json

from ota_py.errors import UsageError
from ota_py.text.printable import printable

# A container's log may hold NUL; PostgreSQL's text and jsonb may not.
NUL = "\x00"


class StrictParser(Parser):
    """Parser of JSON without NaN, infinite numbers, lone surrogates or trailing data; unseen characters are replaced.

    NUL is dropped. Others that are not seen (`ota_py/text/printable.py`) would steer the terminal of a later reader.
    """

    def parse_body(self, request: HttpRequest) -> Any:
        """The request's body as data.

        Raises:
            UsageError: it is not JSON, and where; ninja hides it behind an error of its own, as the cause.
        """
        try:
            return _storable(from_json(request.body, allow_inf_nan=False))
        except ValueError as error:
            raise UsageError(f"the body is not valid JSON: {error}", hint="send one JSON object") from None


def _storable(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data.replace(NUL, ""), lines=True)
    if isinstance(data, list):
        return [_storable(item) for item in data]
    if isinstance(data, dict):
        return {_storable(key): _storable(value) for key, value in data.items()}
    if isinstance(data, float) and not isfinite(data):
        raise ValueError("a number in it is too large")  # 1e400 is read as infinity
    return data
