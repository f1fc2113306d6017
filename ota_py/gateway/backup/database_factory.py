"""The factory of databases: an online dump where the database server has one, else an archive."""

from __future__ import annotations

from ota_py.gateway.backup.database import Database
from ota_py.gateway.backup.database_servers import MySql, PostgreSql
from ota_py.gateway.backup.database_sqlite import Sqlite
from ota_py.gateway.backup.database_volumes import Directory, Volume
from ota_py.gateway.config.model import DatabaseConfig, GatewayConfig
from ota_py.gateway.docker.compose import Compose


def open_database(section: DatabaseConfig, config: GatewayConfig, compose: Compose) -> Database:
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
