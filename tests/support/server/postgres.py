"""A PostgreSQL server for one test run, made by initdb as an unprivileged user and removed afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def temporary_server() -> Iterator[str]:
    """Start a server that listens on a private socket only; yield its URL."""
    if not BINARIES:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql, or unset the variable")
    directory = Path(tempfile.mkdtemp(prefix="ota-postgres-"))
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:  # initdb refuses root
        shutil.chown(directory, user)
    data = directory / "data"
    _run(user, "initdb", "-D", data, "-U", "ota", "-A", "trust", "--no-sync")
    options = f"-k {directory} -c listen_addresses= -c fsync=off"
    _run(user, "pg_ctl", "-D", data, "-o", options, "-l", directory / "log", "-w", "start")
    try:
        yield f"postgresql://ota@/postgres?host={directory}"
    finally:
        _run(user, "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(directory)


def _run(user: str, program: str, *arguments: object) -> None:
    as_user = {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(
        [BINARIES[-1] / program, *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **as_user,
    )
