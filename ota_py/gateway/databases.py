"""The databases of a gateway: an online dump where the engine has one, else an archive."""

from __future__ import annotations

from ota_py.gateway.compose import Compose
from ota_py.gateway.config import Config, DatabaseConfig
from ota_py.gateway.database import Database
from ota_py.gateway.database_archives import Directory, Volume
from ota_py.gateway.database_servers import MySql, PostgreSql
from ota_py.gateway.database_sqlite import Sqlite


def open_database(section: DatabaseConfig, config: Config, compose: Compose) -> Database:
    """The database that a section of the configuration describes."""
    if section.type == "postgresql":
        return PostgreSql(section, compose)
    if section.type == "mysql":
        return MySql(section, compose)
    if section.type == "sqlite":
        return Sqlite(section, compose)
    if section.type == "volume":
        return Volume(section, compose)
    return Directory(section, config, compose)
