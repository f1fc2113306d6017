"""The log's lines: one for each record, whatever it quotes, and a trace below it where there is one."""

from __future__ import annotations

import logging

from ota_py.text.printable import printable


class LineFormatter(logging.Formatter):
    """Formats a record as one line without control characters.

    Args:
        format: as of `logging.Formatter`.
        with_trace: whether an exception's trace follows, in lines of its own.
    """

    def __init__(self, format: str, with_trace: bool = True) -> None:
        super().__init__(format)
        self._with_trace = with_trace

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """The line."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        """The trace: its last line quotes what others sent."""
        return printable(super().formatException(ei), lines=True)  # type: ignore[arg-type]

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        if self._with_trace:
            return super().format(record)
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        return self.formatMessage(record)
