"""The log of a process of the gateway: one line for each event, on standard error."""

from __future__ import annotations

import logging
import time


class _OneLine(logging.Formatter):
    """`TIME LEVEL NAME: event key=value ...`, always on one line."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


def log_to_stderr() -> None:
    """Send the log of this process to standard error, one line for each event."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ"))
    root = logging.getLogger("ota")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
