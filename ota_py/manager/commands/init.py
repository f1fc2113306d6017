"""`init`: set up a new fleet."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ota_py.cli import echo_json, json_option
from ota_py.manager.console.options import passphrase_option
from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.config.model import ManagerConfig

PASSWORD_VARIABLE = "OTA_ADMIN_PASSWORD"
PASSWORD_BYTES = 15
OPERATOR_TOKEN_NAME = "operator"


@click.command("init")
@click.option("--fleet", required=True, help="The fleet's name; gateways refuse updates of another one.")
@click.option(
    "--store",
    default="file:repository",
    show_default=True,
    help="Where updates are published: s3://BUCKET/PREFIX or file:DIRECTORY.",
)
@click.option("--endpoint-url", help="The S3 server, where it is not AWS.")
@click.option("--region", help="The S3 region.")
@click.option("--credentials-file", help="AWS credentials (0600) [default: the usual AWS environment].")
@click.option("--public-url", required=True, help="How gateways reach the store: http(s):// or file:///.")
@click.option("--registry", help="Registry of image names that have none [default: docker.io].")
@click.option("--insecure-registry", multiple=True, help="A registry to be reached by plain HTTP.")
@click.option("--control-plane-url", default="http://127.0.0.1:8000", show_default=True, help="Base URL of the API.")
@click.option("--listen", default="127.0.0.1:8000", show_default=True, help="HOST:PORT for `serve` to listen on.")
@click.option("--database", help="sqlite:///FILE or postgresql://USER@HOST/NAME; password: ~/.pgpass.")
@click.option("--mqtt-host", help="Broker that wakes gateways.")
@click.option("--mqtt-port", type=int, help="Its port [default: 8883].")
@click.option("--mqtt-username", help="The control plane's user there.")
@click.option("--mqtt-password-file", help="That user's password (0600).")
@click.option("--mqtt-ca-file", help="CA of the broker's certificate.")
@click.option("--inventory", help="Ansible inventory of the gateways [default: inventory].")
@click.option("--compose", help="The fleet's Compose file, to check names of services.")
@click.option("--admin", default="admin", show_default=True, help="User name of the admin's account.")
@passphrase_option
@json_option
@click.pass_obj
def command(
    context: CommandContext, /, *, as_json: bool, admin: str, passphrase_fd: int | None, **options: Any
) -> None:
    """Make the keys, an empty repository, the control plane's database, and ota.toml.

    Nothing is ever overwritten: when anything of it exists, init names it and does nothing. When init fails
    half-way, it removes what it made. The private keys are encrypted when a passphrase is given: typed when
    asked, in OTA_ROOT_PASSPHRASE, OTA_RELEASE_PASSPHRASE and OTA_ONLINE_PASSPHRASE, or by --passphrase-fd.
    Keys without one are in the clear (0600), and init says so.
    The admin's password comes from OTA_ADMIN_PASSWORD, or is made up and written to `admin-password`.

    \b
    Examples:
      ota_manager.py init --fleet healthguard --public-url http://updates.example.com/ota
      ota_manager.py --config /etc/ota/ota.toml init --fleet healthguard \\
        --store s3://ota/repo --endpoint-url http://10.0.0.3:9000 --public-url http://10.0.0.3:8080 \\
        --registry 10.0.0.2:5000 --insecure-registry 10.0.0.2:5000 \\
        --control-plane-url http://10.0.0.1:8000 --listen 0.0.0.0:8000
    """
    import tomllib

    from ota_py.manager.config.model import config_path, parse_config
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.setup.config_template import render_config
    from ota_py.manager.setup.initialise import initialise, unencrypted_keys
    from ota_py.server.database import database_settings, shown_database

    text = render_config(options.pop("fleet"), _tables(options))
    context.config = parse_config(tomllib.loads(text), config_path(context.config_option))
    if database_settings(context.config.server.database).get("PASSWORD"):
        raise click.UsageError(
            "--database has a password, and everybody on this machine can see the options of a command: "
            "leave it out, and put it in ~/.pgpass or in PGPASSWORD"
        )
    make = partial(_make_control_plane, admin=admin)
    made = initialise(context.config, text, context.store, Passphrases(passphrase_fd), make)
    made["database"] = shown_database(context.config.server.database)
    for path in unencrypted_keys(context.config):
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(f"{path} is not encrypted (0600): there was no passphrase", err=True)
    if as_json:
        echo_json(made)
        return
    for name, place in made.items():
        click.echo(f"  {name.replace('_', ' ') + ':':16} {place}")
    click.echo("Ready. Next: `ota_manager.py serve` runs the control plane, and `ota_manager.py gateways add`")
    click.echo("registers gateways. Keep keys/root.pem offline: it is needed only to replace other keys.")


def _tables(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "repository": {
            "store": options["store"],
            "endpoint_url": options["endpoint_url"],
            "region": options["region"],
            "credentials_file": options["credentials_file"],
            "public_url": options["public_url"],
            "root": "root.json",
        },
        "keys": {
            "root": "file:keys/root.pem",
            "release": "file:keys/release.pem",
            "snapshot": "file:keys/online.pem",
            "timestamp": "file:keys/online.pem",
        },
        "registry": {"default": options["registry"], "insecure": list(options["insecure_registry"])},
        "control_plane": {"url": options["control_plane_url"], "token_file": "operator-token"},
        "server": {
            "listen": options["listen"],
            "database": options["database"] or "sqlite:///control-plane.sqlite3",
        },
        "server.mqtt": {
            "host": options["mqtt_host"],
            "port": options["mqtt_port"],
            "username": options["mqtt_username"],
            "password_file": options["mqtt_password_file"],
            "ca_file": options["mqtt_ca_file"],
        },
        "ansible": {"inventory": options["inventory"] or "inventory"},
        "defaults": {"compose": options["compose"]},
    }


def _make_control_plane(config: ManagerConfig, admin: str) -> None:
    """Make the database, the operator's token and the admin's account, readable by their owner only."""
    import secrets

    from ota_py.manager.commands.serve import server_settings
    from ota_py.manager.config.secrets import new_secret, write_secret
    from ota_py.manager.setup.initialise import admin_password_path, sqlite_file
    from ota_py.server import setup

    if database := sqlite_file(config):
        # SQLite gives the files that it puts beside it the same mode.
        with new_secret(database):
            pass
    setup.migrate(server_settings(config))
    write_secret(config.control_plane.token_file, setup.create_operator_token(OPERATOR_TOKEN_NAME))
    password = os.environ.get(PASSWORD_VARIABLE)
    if not password:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        write_secret(admin_password_path(config), password)
    setup.ensure_admin(admin, password)
