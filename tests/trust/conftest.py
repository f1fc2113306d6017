"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.trust.published import gateway, publisher, served, signers

__all__ = ["gateway", "publisher", "served", "signers"]
