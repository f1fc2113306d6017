"""Answers: JSON whose text steers no terminal, also text that was recorded before it was checked."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.renderers import JSONRenderer

from ota_py.text.printable import printable_data


class PrintableRenderer(JSONRenderer):
    """Ninja's renderer, with every character that is not seen replaced."""

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> Any:
        """The body."""
        return super().render(request, printable_data(data), response_status=response_status)
