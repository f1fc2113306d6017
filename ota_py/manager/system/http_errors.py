"""The cause of an HTTP failure, in the operating system's words."""

from __future__ import annotations

import requests


def reason(error: requests.RequestException) -> str:
    """The innermost cause of an error: `Connection refused` rather than five nested class names."""
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    cause: BaseException = error
    while nested := cause.__cause__ or cause.__context__:
        cause = nested
    return getattr(cause, "strerror", None) or str(cause)
