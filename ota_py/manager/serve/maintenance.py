"""Maintenance beside the server: checks the repository's freshness, renews it, and deletes old events.

A process of its own, because the server forks its workers; its findings go to a file that they read.
It opens no keys but those of timestamp and snapshot. Of several that renew at once one succeeds: see
`trust/publish/freshen.py`.
"""

from __future__ import annotations

import json
import logging
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from tuf.api.metadata import Snapshot, Timestamp

from ota_py.contract.fleet import FreshnessState
from ota_py.errors import KeyFileError, OtaError
from ota_py.manager.config.model import ManagerConfig
from ota_py.manager.config.root_file import replace_file
from ota_py.manager.config.secrets import Passphrases
from ota_py.manager.context import CommandContext
from ota_py.manager.release.release import Keys
from ota_py.manager.system.processes import end_with_parent, start_beside, wait_beside
from ota_py.server.environment import from_environment
from ota_py.server.setup import configure, delete_events
from ota_py.trust.publish.freshen import renew
from ota_py.trust.repository.freshness import Freshness, assess
from ota_py.trust.repository.repository import Repository

CHECK_SECONDS = 3600.0
TROUBLE_SECONDS = 300.0
# Renewed when less than this share of the time is left: long before anybody is warned.
RENEW_SHARE = 0.5
# Between two batches of events, so that gateways' reports come in between.
BATCH_PAUSE_SECONDS = 0.05

logger = logging.getLogger("ota.upkeep")


def start(config: ManagerConfig, passphrases: Passphrases) -> None:
    """Start the maintenance process; it ends with this process, however that ends.

    Raises:
        KeyFileError: it is to renew, and the timestamp key cannot be opened.
    """
    if config.server.renew:
        repository = CommandContext(str(config.path)).repository
        # Here, where a person can be asked for the passphrase.
        Keys(config.keys, passphrases).required("timestamp", repository)
    start_beside(run, str(config.path), passphrases)


def run(config: str, passphrases: Passphrases) -> None:
    """Run maintenance again and again, until the process that started this one is gone."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which then ends this one
    configure(from_environment())  # sets up logging, too
    is_wanted = True
    while is_wanted:
        is_well = False
        with suppress(OtaError):  # a configuration that is being edited is read again the next time
            context = CommandContext(config)
            is_well = check_freshness(context, passphrases, datetime.now(UTC))
            is_well = delete_old_events(context.config.server.keep_events_days, datetime.now(UTC)) and is_well
        is_wanted = wait_beside(CHECK_SECONDS if is_well else TROUBLE_SECONDS)


def check_freshness(context: CommandContext, passphrases: Passphrases, now: datetime) -> bool:
    """Renew if it is time, and write the repository's freshness to its file; returns whether all went well.

    Raises:
        ConfigError: the configuration is wrong, or the file cannot be written.
    """
    found: list[Freshness] = []
    problem = ""
    try:
        if context.config.server.renew:
            _renew(context, passphrases, now)
        found = assess(context.repository, now, context.config.expiry.warn_percent)
    except OtaError as error:
        problem = error.message
        logger.warning("the repository's freshness: %s", problem)
        with suppress(OtaError):
            found = assess(context.repository, now, context.config.expiry.warn_percent)
    for each in found:
        if each.state is not FreshnessState.FRESH:
            logger.warning("%s is %s (%s): %s", each.role, each.state, each.expires, each.to_do)
    replace_file(context.config.server.freshness_file, _freshness_file(found, problem, now))
    return not problem


def delete_old_events(days: int, now: datetime) -> bool:
    """Delete old events, as long as this process is wanted; returns whether all went well."""
    deleted = 0
    try:
        for number in delete_events(now - timedelta(days=days)):
            deleted += number
            if not wait_beside(BATCH_PAUSE_SECONDS):
                break
    except OtaError as error:
        logger.warning("%s", error.message)
        return False
    if deleted:
        logger.info("deleted %d events older than %d days", deleted, days)
    return True


def _renew(context: CommandContext, passphrases: Passphrases, now: datetime) -> None:
    repository = context.repository
    if not (wanted := due(repository, now)):
        return
    online = Keys(context.config.keys, passphrases).online(repository)
    lacking = online.lacking(repository.root)
    if Timestamp.type in lacking:
        raise KeyFileError("server.renew is set, and the timestamp key is not here")
    if wanted - set(lacking):
        renew(repository, online, now)
        logger.info("renewed until %s", repository.timestamp.expires)


def due(repository: Repository, now: datetime) -> set[str]:
    """The roles among snapshot and timestamp that have lost half of their time."""
    expiries = {Snapshot.type: repository.snapshot.expires, Timestamp.type: repository.timestamp.expires}
    return {role for role, expires in expiries.items() if expires - now < repository.lifetimes.of(role) * RENEW_SHARE}


def _freshness_file(found: list[Freshness], problem: str, now: datetime) -> bytes:
    content: dict[str, Any] = {
        "checked_at": now.isoformat(),
        "problem": problem,
        "roles": [{**vars(each), "expires": each.expires.isoformat()} for each in found],
    }
    return json.dumps(content, indent=2).encode()
