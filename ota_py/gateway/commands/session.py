"""The session of a command: configuration, journal and engine, opened once; and the choice of an update."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ota_py.gateway.config.model import GatewayConfig
    from ota_py.gateway.fetch.sources import UpdateSource
    from ota_py.gateway.journal.journal import Journal
    from ota_py.gateway.transaction.engine import Engine

config_option = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="The gateway's configuration."
)


@dataclass(frozen=True)
class CommandSession:
    """The objects that a command works with."""

    config: GatewayConfig
    journal: Journal
    engine: Engine


@contextlib.contextmanager
def session(config_file: Path | None, as_json: bool = True) -> Iterator[CommandSession]:
    """Open configuration and journal; progress is shown unless the answer is JSON."""
    from ota_py.gateway.commands.output import Terminal
    from ota_py.gateway.config import model
    from ota_py.gateway.journal.journal import Journal
    from ota_py.gateway.system import signals
    from ota_py.gateway.transaction.engine import Engine

    settings = model.load(config_file)
    signals.listen()
    with Journal(settings) as journal:
        yield CommandSession(settings, journal, Engine(settings, journal, None if as_json else Terminal()))


def choose_held(s: CommandSession) -> tuple[UpdateSource, int | None]:
    """The held update, and the rollout behind it: from the stored files, also without any network.

    Raises:
        NotFoundError: no update is held.
        SignatureError: a key that signed it was revoked meanwhile, as far as this gateway knows.
    """
    from contextlib import suppress

    from ota_py.errors import NotFoundError, OtaError
    from ota_py.gateway.fetch import sources
    from ota_py.gateway.policy import hold

    waiting = s.journal.open_transaction()
    if waiting is None or not hold.is_held(waiting):
        raise NotFoundError("no update is held back", hint="look with `status`")
    trust = sources.trust_client(s.config, s.journal)
    # A newer root may count other keys. Nothing else matters: the held update was fresh when it was accepted.
    with suppress(OtaError):
        trust.refresh()
    return sources.from_file(trust, s.engine.context.staging(waiting.version).manifest), waiting.rollout


def choose(
    s: CommandSession, version: str | None, manifest: Path | None, bundle: Path | None, rollout: int | None
) -> tuple[UpdateSource | None, int | None]:
    """The update that the options name, and the rollout behind it."""
    from ota_py.gateway.commands import inspection
    from ota_py.gateway.fetch import sources

    if bundle:
        return sources.from_bundle(s.config, s.journal, bundle), rollout
    trust = sources.trust_client(s.config, s.journal)
    if manifest:
        return sources.from_file(trust, manifest), rollout
    if version:
        return sources.from_repository(trust, version), rollout
    assigned = inspection.assignment(s.config)
    if assigned:
        return sources.from_repository(trust, assigned.version), assigned.rollout
    return sources.newest(trust, s.config, s.journal), rollout
