"""The retention of backups: by count, by space, and never without the last good one."""

from __future__ import annotations

from typing import Any

from ota_py.errors import BackupError, NotFoundError
from ota_py.gateway.backup.backups import Backups
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.system import files

_MIB = 1024**2


class Retention:
    """The retention of one gateway's backups; those made by hand count as all others do."""

    def __init__(self, config: GatewayConfig, journal: Journal, backups: Backups) -> None:
        self._config = config
        self._journal = journal
        self._backups = backups

    def rollback_target(self) -> str:
        """Id of the backup that a rollback of the installed version restores; empty where there is none."""
        update = self._journal.committed_transaction(self._journal.installed_version)
        wanted = str(update.plan.get("backup", "")) if update else ""
        return wanted if any(entry["id"] == wanted for entry in self._backups.entries()) else ""

    def prune(self) -> None:
        """Remove the backups beyond the limits, and leftover directories."""
        entries = self._backups.entries()
        needed = {self.rollback_target(), self._open_backup()} - {""}
        extra = self._extra(entries, needed)
        if extra and not any(self._is_intact(backup_id) for backup_id in needed):
            # No needed backup is intact: then the newest intact one stays, too.
            good = next((e["id"] for e in entries if self._is_intact(e["id"])), None)
            extra = [backup_id for backup_id in extra if backup_id != good]
        for backup_id in extra:
            self._backups.remove(backup_id)
        known = {entry["id"] for entry in self._backups.entries()}
        for directory in self._config.backups_dir.glob("*"):
            if directory.name not in known:
                files.remove_tree(directory)

    def _extra(self, entries: list[dict[str, Any]], needed: set[str]) -> list[str]:
        """The ids of the backups beyond the limits. Needed backups take their space first."""
        limit = self._config.keep_backups_mib
        space = sum(entry["bytes"] for entry in entries if entry["id"] in needed)
        extra = []
        for position, entry in enumerate(entries):
            if entry["id"] in needed:
                continue
            space += entry["bytes"]
            if position >= self._config.keep_backups or (limit and space > limit * _MIB):
                space -= entry["bytes"]
                extra.append(str(entry["id"]))
        return extra

    def _open_backup(self) -> str:
        transaction = self._journal.open_transaction()
        return str(transaction.plan.get("backup", "")) if transaction else ""

    def _is_intact(self, backup_id: str) -> bool:
        try:
            self._backups.load(backup_id)
        except (BackupError, NotFoundError, OSError):
            return False
        return True
