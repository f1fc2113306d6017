"""A site with a PostgreSQL server in a service."""

from __future__ import annotations

from typing import Any

import pytest

from lab.images import ImageFactory
from tests.support.gateway.site import Site

SERVICE = """\
  database:
    image: {image}
    restart: unless-stopped
    environment: {{POSTGRES_USER: gateway, POSTGRES_PASSWORD: c4nary-of-the-database, POSTGRES_DB: gateway}}
    healthcheck: {{test: ["CMD", "/health"], interval: 500ms, timeout: 5s, retries: 40}}
    volumes: ["pg:/var/lib/postgresql/data"]
volumes:
  pg:
"""
CONFIG = '[[databases]]\ntype = "postgresql"\nservice = "database"\nuser = "gateway"\nname = "gateway"\n'


@pytest.fixture
def with_postgresql(site: Site, registry: Any, layers: Any) -> Site:
    image = ImageFactory(registry, layers).build_and_push("database", "1.0.0")
    text = site.compose_file.read_text().replace("volumes:\n  data:", SERVICE.format(image=image) + "  data:")
    site.compose_file.write_text(text)
    site.compose("up", "--detach", "--wait", "--quiet-pull")
    site.configure(databases=CONFIG)
    return site
