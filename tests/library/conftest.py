"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.rollout.fleets import fleet, workplace
from tests.support.rollout.modules import run

__all__ = ["fleet", "run", "workplace"]
