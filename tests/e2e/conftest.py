"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.provisioned import operator, provisioning, releases

__all__ = ["operator", "provisioning", "releases"]
