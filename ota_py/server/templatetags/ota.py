"""`{% load ota %}`: the pieces of badges.py as filters."""

from __future__ import annotations

from django import template

from ota_py.server import badges

register = template.Library()
register.filter("badge", badges.badge)
register.filter("bar", badges.bar)
register.filter("rate", badges.rate)
register.filter("ago", badges.ago)
