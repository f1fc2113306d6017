"""MariaDB in a service: a real server, dumped online, and after a rollback exactly what it was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.oci import Image as OciImage
from lab.oci import Layer, Registry, layer_of_files
from ota_py.gateway.fetch.sources import from_repository, trust_client
from tests.support.gateway.site import PATH, RUNS, UNHEALTHY, Keys, Site
from tests.support.gateway.slow_docker import slow_docker
from tests.support.ports import free_port
from tests.support.processes import captured
from tests.support.registries import running_registry
from tests.support.rollout.watching import watch
from tests.support.waiting import wait_for

pytestmark = pytest.mark.docker

SERVICE = """\
  database:
    image: {image}
    restart: unless-stopped
    network_mode: none
    environment: {{MARIADB_ROOT_PASSWORD: "it's secret"}}
    healthcheck: {{test: ["CMD", "/health"], interval: 300ms, timeout: 5s, retries: 60}}
    volumes: ["mariadb:/var/lib/mysql"]
volumes:
  mariadb:
"""
CONFIG = '[[databases]]\ntype = "mysql"\nservice = "database"\nuser = "root"\nname = "gateway"\n'
START = b"""#!/bin/sh
cat >/tmp/init.sql <<SQL
CREATE DATABASE IF NOT EXISTS gateway;
ALTER USER root@localhost IDENTIFIED BY "$MARIADB_ROOT_PASSWORD";
SQL
exec mariadbd --no-defaults --datadir=/var/lib/mysql --skip-networking --init-file=/tmp/init.sql \\
    --innodb-buffer-pool-size=16M --innodb-log-file-size=8M --event-scheduler=ON
"""
HEALTH = b'#!/bin/sh\nMYSQL_PWD="$MARIADB_ROOT_PASSWORD" exec mariadb --user=root --execute="SELECT 1" gateway\n'
FIRST = """
CREATE TABLE readings (
    id INT AUTO_INCREMENT PRIMARY KEY, celsius DECIMAL(4,1), raw BLOB, place VARCHAR(40)
) CHARACTER SET utf8mb4;
INSERT INTO readings (celsius, raw, place) VALUES
    (4.5, x'00ff0a270d5c', 'Kühlraum 🧊'), (NULL, NULL, ''), (-1, '', 'x');
INSERT INTO readings (celsius) SELECT seq / 10 FROM seq_1_to_500;
CREATE VIEW cold AS SELECT * FROM readings WHERE celsius < 4;
CREATE PROCEDURE tidy() DELETE FROM readings WHERE celsius IS NULL;
CREATE TRIGGER stamp BEFORE INSERT ON readings FOR EACH ROW SET NEW.place = coalesce(NEW.place, 'here');
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2040-01-01' DO CALL tidy();
"""
MIGRATION = """
ALTER TABLE readings DROP COLUMN raw, ADD COLUMN humidity INT;
DELETE FROM readings WHERE id % 2 = 0;
CREATE TABLE added (x INT);
DROP VIEW cold;
CREATE PROCEDURE added() SELECT 1;
"""


@dataclass
class WithMariaDb:
    """A site with a MariaDB server, and a registry of its own that can go away."""

    site: Site
    registry: ExitStack

    def sql(self, statements: str) -> str:
        argv = ["docker", "exec", "--interactive", self.site.container("database").id, "sh", "-c"]
        argv += ['MYSQL_PWD="$MARIADB_ROOT_PASSWORD" exec mariadb --user=root --batch gateway']
        done = captured(argv, stdin=statements)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def picture(self) -> str:
        """Every row and every object."""
        return self.sql(
            "SELECT id, celsius, hex(raw), place FROM readings ORDER BY id;"
            "SELECT table_name, table_type FROM information_schema.tables "
            "WHERE table_schema = 'gateway' ORDER BY table_name;"
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'gateway';"
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'gateway';"
            "SELECT event_name FROM information_schema.events WHERE event_schema = 'gateway';"
            "SELECT count(*) FROM cold; SHOW CREATE TABLE readings;"
        )


@pytest.fixture(scope="session")
def mariadb_layer(docker_client: Any) -> Layer:
    from lab.base_image import ensure_mariadb_image, ensure_root
    from lab.binaries import ensure_mariadb_layer

    image = ensure_mariadb_image(docker_client, ensure_root(docker_client, print), print)
    return ensure_mariadb_layer(docker_client, image, print)


@pytest.fixture
def mariadb(
    tmp_path: Path, keys: Keys, layers: dict[str, Layer], mariadb_layer: Layer, compose_plugin: None
) -> Iterator[WithMariaDb]:
    with ExitStack() as stack:
        registry = Registry(stack.enter_context(running_registry(tmp_path)))
        (tmp_path / "site").mkdir()
        site = Site(tmp_path / "site", keys, registry, layers, free_port())
        try:
            site.start()
            own = layer_of_files({"/start": (START, 0o755), "/health": (HEALTH, 0o755)})
            image = OciImage([layers["busybox"], mariadb_layer, own], ["/start"], {"PATH": PATH}, user="999:999")
            repository = f"{site.project}/mariadb"
            digest = registry.push(repository, "11", image)
            service = SERVICE.format(image=f"{registry.address}/{repository}@{digest}")
            text = site.compose_file.read_text().replace("volumes:\n  data:", f"{service}  data:")
            site.compose_file.write_text(text)
            site.compose("up", "--detach", "--wait", "--quiet-pull")
            site.configure(databases=CONFIG)
            found = WithMariaDb(site, stack)
            found.sql(FIRST)
            yield found
        finally:
            site.remove()


@pytest.mark.case("F33", "A33")
def test_mariadb_comes_back_to_the_row_with_registry_and_network_off(mariadb: WithMariaDb) -> None:
    site, before = mariadb.site, mariadb.picture()
    site.publish("1.1.0", {"app": site.push("app", "1.1.0", RUNS, UNHEALTHY)})
    site.publish("1.2.0", {"app": site.push("app", "1.2.0")})
    with site.engine() as (engine, journal), ExitStack() as sessions:
        take = engine._take

        def migrate(transaction: Any, step: Any, update: Any) -> Any:
            if step == "HEALTHY":
                mariadb.sql(MIGRATION)
                # Somebody holds on to what is to be dropped.
                holder = site.container("database").id
                script = 'MYSQL_PWD="$MARIADB_ROOT_PASSWORD" exec mariadb --user=root gateway --execute="$0"'
                hold = "START TRANSACTION; SELECT count(*) FROM readings; SELECT sleep(400)"
                argv = ["docker", "exec", holder, "sh", "-c", script, hold]
                sessions.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
                held = "SELECT count(*) FROM information_schema.processlist WHERE info = 'SELECT sleep(400)'"
                wait_for(lambda: mariadb.sql(held).split()[-1:] == ["1"], "the session")
            return take(transaction, step, update)

        engine._take = migrate  # type: ignore[method-assign]
        source = from_repository(trust_client(site.config, journal), "1.1.0")
        result = engine.update(source.verified, source.fetch)

    assert result["outcome"] == "ROLLED_BACK", result
    assert mariadb.picture() == before
    details = result["reports"][-1]["details"]
    assert details["databases"] == "restored"
    assert details["lost_seconds"] > 0
    assert details["seconds"] < 300, "whoever held on to the tables was not waited for"
    assert mariadb.sql("INSERT INTO readings (celsius) VALUES (9); SELECT max(id), max(place) FROM readings")

    # And once more by an operator, where nothing but this machine is there.
    before = mariadb.picture()
    assert site.update("1.2.0")["outcome"] == "SUCCEEDED"
    mariadb.sql(MIGRATION)
    mariadb.registry.close()
    (site.directory / "repository").rename(site.directory / "away")
    alone = ["unshare", "--net", *site.client_argv("restore", "--yes", "--json")]
    slow = slow_docker(site.directory / "slow", "MYSQL_PWD")
    seen = watch(alone, site.directory, slow, site.directory / "tmp", 300)

    assert seen.status == 0, seen.texts["output"]
    assert "MYSQL_PWD" in seen.texts["arguments"], "the process list was not seen"
    assert seen.places_of("it's secret") == []
    assert mariadb.picture() == before
    assert site.version_of("app") == "1.0.0"
