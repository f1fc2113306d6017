"""The control plane as granian serves it, with the benchmark's addresses."""

from __future__ import annotations

from django.conf import settings

from ota_py.server.http.rsgi import application

settings.ROOT_URLCONF = "bench.polls_urls"

__all__ = ["application"]
