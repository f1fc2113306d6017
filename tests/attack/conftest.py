"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.gateway.attacked import box, stranger
from tests.support.trust.published import publisher, signers

__all__ = ["box", "publisher", "signers", "stranger"]
