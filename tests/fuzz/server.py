"""The control plane's API as a target: one request per input.

An input is a line `WHO METHOD PATH`, an empty line, and the body. WHO is `operator`, `reader`, `gateway`
or `nobody`; the path starts below /api/v1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

GATEWAY = "gw_1"
HOST = "testserver"  # as which Django's test client asks


def api(directory: Path) -> Callable[[bytes], None]:
    """A control plane on a new SQLite database, where Django is not set up yet; else on the one it has."""
    import os

    os.environ.setdefault("OTA_SERVER_DATABASE", f"sqlite:///{directory}/control-plane.sqlite3")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ota_py.server.settings")
    import django
    from django.conf import settings

    if not settings.configured or not django.apps.apps.ready:
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
    if HOST not in settings.ALLOWED_HOSTS:  # the tests' own environment names it
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, HOST]
    from django.db import transaction

    from ota_py.server.events.quota import quota
    from tests.support.server.world import World

    world = World()
    callers = {
        "operator": world.operator,
        "reader": world.reader,
        "nobody": world.nobody,
        "gateway": world.gateway(GATEWAY),
    }
    world.running([GATEWAY])

    def call(data: bytes) -> None:
        head, _, body = data.partition(b"\n\n")
        words = head.decode("latin-1").split(" ", 2)
        if len(words) != 3 or words[0] not in callers or not words[1].isalpha():
            return
        who, method, path = words
        quota._full_at.clear()  # no input counts on top of the others
        with transaction.atomic():
            answer = callers[who].call(method.upper(), quote(path, safe="/?&=%"), raw=body)
            transaction.set_rollback(True)
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.content[:300]!r}"
        if answer.status_code >= 400:
            error = json.loads(answer.content)["error"]
            assert set(error) == {"code", "message", "hint"}
            assert len(answer.content) < 16_384

    return call
