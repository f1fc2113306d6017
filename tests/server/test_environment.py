"""Settings from the environment, the secret key, the database's URL."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ota_py.errors import ConfigError
from ota_py.server.database import database_settings, shown_database
from ota_py.server.environment import (
    BrokerSettings,
    ServerSettings,
    ensure_secret_key,
    from_environment,
    read_secret_key,
)


def test_settings_survive_the_way_through_the_environment(tmp_path: Path) -> None:
    given = ServerSettings(
        database="postgresql://ota@db/ota",
        secret_key_file=tmp_path / "key",
        allowed_hosts=("ota.example.org",),
        trusted_origins=("https://ota.example.org",),
        https=True,
        online_seconds=60,
        mqtt=BrokerSettings("broker", 1883, "server", tmp_path / "password", tmp_path / "ca.pem"),
    )
    assert from_environment(given.to_environment()) == given
    assert from_environment(ServerSettings().to_environment()) == ServerSettings()


def test_empty_means_default() -> None:
    assert from_environment({"OTA_SERVER_DATABASE": "", "OTHER": "x"}) == ServerSettings()


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="OTA_SERVER_MQTT_PORT is not a number: 'x'"):
        from_environment({"OTA_SERVER_MQTT_HOST": "b", "OTA_SERVER_MQTT_PORT": "x"})


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    ensure_secret_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    key = read_secret_key(path)
    ensure_secret_key(path)
    assert read_secret_key(path) == key
    assert len(key) >= 50


@pytest.mark.case("A33")
def test_a_secret_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    ensure_secret_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        read_secret_key(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_or_empty_secret_key_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.touch(0o600)
    with pytest.raises(ConfigError, match="secret key file"):
        read_secret_key(path)


def test_sqlite_urls() -> None:
    assert database_settings("sqlite:///control-plane.sqlite3")["NAME"] == "control-plane.sqlite3"
    settings = database_settings("sqlite:////srv/ota.sqlite3")
    assert settings["NAME"] == "/srv/ota.sqlite3"
    assert settings["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_postgresql_urls_are_read_as_libpq_reads_them() -> None:
    url = "postgresql://ota:p%40ss@db.example.org:5433/fleet?sslmode=verify-full"
    settings = database_settings(url)
    assert (settings["NAME"], settings["USER"], settings["PASSWORD"]) == ("fleet", "ota", "p@ss")
    assert (settings["HOST"], settings["PORT"]) == ("db.example.org", "5433")
    assert settings["OPTIONS"] == {"sslmode": "verify-full"}
    assert settings["CONN_MAX_AGE"] is None


@pytest.mark.parametrize("url", ["", "mysql://x/y", "sqlite://", "sqlite:///", "x", "postgresql://h:port/db?no=1"])
def test_other_urls_are_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ConfigError, match="URL"):
        database_settings(url)


@pytest.mark.case("A33")
@pytest.mark.parametrize(
    "url",
    ["postgresql://ota:p%zzCANARY@h/db", "postgresql://ota:CANARY x@h/db", "postgresql://ota:CANARY/x@h/db"],
)
def test_a_password_that_is_not_written_as_a_url_wants_it_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        database_settings(url)
    assert "the PostgreSQL URL" in caught.value.message
    assert "%40 for @" in caught.value.hint
    assert "CANARY" not in str(caught.value.as_dict())


@pytest.mark.case("A33")
@pytest.mark.parametrize(
    "url", ["postgresql://ota:CANARY@h:5433/fleet", "postgresql://h:5433/fleet?user=ota&password=CANARY"]
)
def test_a_database_is_shown_without_its_password(url: str) -> None:
    assert shown_database(url) == "postgresql://h:5433/fleet"


def test_sqlite_runs_with_wal_and_a_busy_timeout(db: None) -> None:
    from django.db import connection

    if connection.vendor != "sqlite":
        assert connection.settings_dict["CONN_HEALTH_CHECKS"]
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (20_000,)


def test_a_postgresql_url_without_the_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match="psycopg is not installed") as caught:
        database_settings("postgresql://ota@h/db")
    assert "ota-py[postgresql]" in caught.value.hint
