"""`serve`: run the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ota_py.manager.context import CommandContext

if TYPE_CHECKING:
    from ota_py.manager.config.model import ManagerConfig, MqttSection
    from ota_py.server.environment import BrokerSettings, ServerSettings

APPLICATION = "ota_py.manager.serve.worker:application"
WORKER_STOP_SECONDS = 10
# Of one worker. A connection that sends no whole head is closed after `HEAD_SECONDS`.
CONNECTIONS = 4096
OTHER_FILES = 256
HEAD_BYTES = 64 * 1024
# Granian's own, by a formatter that lets no path or header forge a line.
LINES = "ota_py.server.http.log.LineFormatter"
LOG_FORMATTERS = {
    "formatters": {
        "generic": {"()": LINES, "format": "[%(levelname)s] %(message)s"},
        "access": {"()": LINES, "format": "%(message)s"},
    }
}


@click.command("serve")
@click.option("--listen", metavar="HOST:PORT", help="Where to listen [default: server.listen in ota.toml].")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--access-log", is_flag=True, help="Log each request.")
@click.pass_obj
def command(context: CommandContext, /, *, listen: str | None, workers: int, access_log: bool) -> None:
    """Bring the database up to date and run the control plane until Ctrl-C or SIGTERM.

    It checks every hour how long the repository's signatures still hold, and shows it in admin and API.
    With server.renew in ota.toml it signs the timestamp anew by itself, and the snapshot where its key is
    here; it opens no other key. And it deletes what gateways reported long ago (server.keep_events_days).

    \b
    Examples:
      ota_manager.py serve
      ota_manager.py serve --listen 0.0.0.0:8000 --workers 2
    """
    from ota_py.errors import UsageError
    from ota_py.manager.config.secrets import Passphrases
    from ota_py.manager.serve.maintenance import start
    from ota_py.server.database import shown_database
    from ota_py.server.setup import migrate

    host, _, port = (listen or context.config.server.listen).rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--listen {listen!r} is not HOST:PORT", hint="for example --listen 0.0.0.0:8000")
    _check_free(host, int(port))
    settings = server_settings(context.config)
    migrate(settings)
    start(context.config, Passphrases())
    url = context.config.control_plane.url
    click.echo(f"Control plane on {host}:{port}, database {shown_database(settings.database)}")
    click.echo(f"Admin: {url}/admin/   API: {url}/api/v1/   Stop: Ctrl-C")
    _run(host, int(port), workers, access_log)
    click.echo("The control plane has stopped.")


def server_settings(config: ManagerConfig) -> ServerSettings:
    """The `[server]` table as the control plane's settings; its own host name and localhost are allowed."""
    from urllib.parse import urlsplit

    from ota_py.server.environment import LOCAL_HOSTS, ServerSettings

    server = config.server
    own_host = urlsplit(config.control_plane.url).hostname or ""
    return ServerSettings(
        database=server.database,
        secret_key_file=server.secret_key_file,
        allowed_hosts=tuple(dict.fromkeys([*LOCAL_HOSTS, own_host, *server.allowed_hosts])),
        trusted_origins=tuple(server.trusted_origins),
        trusted_proxies=tuple(server.trusted_proxies),
        https=server.https,
        freshness_file=server.freshness_file,
        mqtt=_mqtt_settings(server.mqtt) if server.mqtt else None,
    )


def _mqtt_settings(section: MqttSection) -> BrokerSettings:
    from ota_py.server.environment import BrokerSettings

    return BrokerSettings(
        host=section.host,
        port=section.port,
        username=section.username or "",
        password_file=section.password_file,
        ca_file=section.ca_file,
    )


def _check_free(host: str, port: int) -> None:
    """Check that the address is free before anything starts; granian's workers would only log an error."""
    import socket

    from ota_py.errors import ConflictError, UsageError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    except OSError as error:
        raise ConflictError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="stop what listens there, or choose another address with --listen",
        ) from None


def _run(host: str, port: int, workers: int, access_log: bool) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from ota_py.server.http.request_body import HEAD_SECONDS

    connections = _connections()
    Granian(
        APPLICATION,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        backlog=connections,
        backpressure=connections,
        # With HTTP/2 on offer, granian waits for ever for the first bytes of a connection.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=int(HEAD_SECONDS * 1000), max_buffer_size=HEAD_BYTES),
        websockets=False,
        log_access=access_log,
        log_dictconfig=LOG_FORMATTERS,
        log_level=LogLevels.info if access_log else LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=WORKER_STOP_SECONDS,
    ).serve()


def _connections() -> int:
    """How many connections a worker may have; the limit of open files is raised for them as far as it may be."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(CONNECTIONS, soft - OTHER_FILES))
