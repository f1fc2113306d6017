"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.selfupdate.fixtures import factory, make_box

__all__ = ["factory", "make_box"]
