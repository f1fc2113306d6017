"""Loads the fixtures of these tests."""

from __future__ import annotations

from tests.support.rollout.fleets import fleet, workplace

__all__ = ["fleet", "workplace"]
