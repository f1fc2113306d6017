"""Hooks: programs of the gateway's owner, and commands of the update, at fixed points of an update.

The owner's hooks are the executables in DIRECTORY/POINT/, in the order of their names; then come the update's.
A hook may run twice: an interrupted step is done again.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from ota_py.errors import HeldError, HookError, IncompatibleError, OtaError, PolicyError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.system import process
from ota_py.gateway.system.progress import Progress
from ota_py.manifest import Hook, HookPoint, Manifest

POINTS: tuple[HookPoint, ...] = get_args(HookPoint)
# EX_TEMPFAIL of sysexits.h.
NOT_NOW = 75
OUTPUT_LINES = 20
# So that the last report stays far below what the control plane takes.
RESULTS_KEPT = 32


@dataclass(frozen=True)
class Result:
    """The result of one hook; part of the last report.

    Attributes:
        status: exit status, negative for a signal; None where it took too long or could not be started.
        output: the last lines that it printed.
    """

    at: str
    hook: str
    status: int | None
    seconds: float
    output: list[str]


@dataclass(frozen=True)
class _Ready:
    """A hook that can be run: what people call it, its service if it has one, and how."""

    name: str
    service: str | None
    timeout_seconds: float
    run: Callable[[float, Mapping[str, str]], process.Followed]


class Hooks:
    """The hooks of one gateway."""

    def __init__(self, config: GatewayConfig, journal: Journal, compose: Compose, progress: Progress) -> None:
        self._config = config
        self._journal = journal
        self._compose = compose
        self._progress = progress

    def check(self, manifest: Manifest, present: Collection[str], new: Collection[str]) -> None:
        """Refuse, before anything is touched, hooks that could not run.

        Args:
            present: services of the project as it is; new: as the update makes it.

        Raises:
            PolicyError: a command of the update is for the gateway itself, which its owner does not allow.
            IncompatibleError: a command is for a service that there is not at that point.
            HookError: the owner's directory has what could not be run.
        """
        for hook in manifest.hooks:
            services = set(new) if hook.at == "after-start" else set(present)
            if hook.service is None:
                self._require_host_commands(hook)
            elif hook.service not in services:
                raise IncompatibleError(
                    f"a {hook.at} hook of update {manifest.version} is for the service {hook.service}, "
                    f"which there is not at that point; there are {', '.join(sorted(services))}"
                )
        if not self._config.hooks.directory.is_dir():
            return
        names = {entry.name for entry in self._config.hooks.directory.iterdir() if entry.is_dir()}
        if unknown := sorted(names - set(POINTS)):
            raise HookError(
                f"{self._config.hooks.directory / unknown[0]} is for no point, expected {', '.join(POINTS)}",
                hint="rename or remove the directory",
            )
        for point in POINTS:
            self._files(point)

    def run(self, point: HookPoint, transaction: Transaction) -> Transaction:
        """Run the hooks of a point; returns the transaction, with their results in its plan.

        Raises:
            HeldError: a hook exits with NOT_NOW, and nothing was touched yet.
            HookError: a hook failed or took too long; `log_tail` is in its details.
            DeadlineError: the transaction's time is up.
        """
        for hook in self._ready(point, transaction):
            limit = min(hook.timeout_seconds, transaction.clock.check(f"running the hook {hook.name}"))
            result, transaction = self._one(point, hook, limit, transaction)
            if result.status != 0:
                raise _failure(result, hook, limit, touched=transaction.touched)
        return transaction

    def run_best_effort(self, point: HookPoint, transaction: Transaction) -> Transaction:
        """Run the hooks of a point at which no failure may stop the transaction; failures are reported."""
        try:
            ready = self._ready(point, transaction)
        except OtaError as error:
            self._progress.note(error.message)
            return self._record(transaction, Result(point, "hooks", None, 0.0, [error.message]))
        for hook in ready:
            limit = min(hook.timeout_seconds, max(transaction.clock.left(), 1.0))
            result, transaction = self._one(point, hook, limit, transaction)
            if result.status != 0:
                self._progress.note(f"{_failure(result, hook, limit, touched=True).message}; going on")
        return transaction

    def _one(
        self, point: HookPoint, hook: _Ready, limit: float, transaction: Transaction
    ) -> tuple[Result, Transaction]:
        begun = time.monotonic()
        try:
            done = hook.run(limit, self._environment(point, transaction))
            status, lines = done.status, done.lines[-OUTPUT_LINES:]
        except OtaError as error:
            status, lines = None, [error.message]
        except OSError as error:
            status, lines = None, [f"it cannot be started: {error.strerror}"]
        result = Result(point, hook.name, status, round(time.monotonic() - begun, 3), lines)
        return result, self._record(transaction, result)

    def _record(self, transaction: Transaction, result: Result) -> Transaction:
        transaction = self._journal.transaction(transaction.id)
        earlier = transaction.plan.get("hook_results") or []
        return self._journal.note(transaction, hook_results=[*earlier, asdict(result)][-RESULTS_KEPT:])

    def _ready(self, point: HookPoint, transaction: Transaction) -> list[_Ready]:
        """The hooks of a point, in their order.

        Raises:
            HookError: a hook of the owner's may not be run.
        """
        hooks = [Hook.model_validate(data) for data in transaction.plan.get("hooks") or []]
        of_owner = [self._of_owner(path) for path in self._files(point)]
        return of_owner + [self._of_update(hook) for hook in hooks if hook.at == point]

    def _of_owner(self, path: Path) -> _Ready:
        def run(seconds: float, environment: Mapping[str, str]) -> process.Followed:
            return self._on_gateway([str(path)], seconds, environment)

        return _Ready(path.name, None, self._config.hooks.timeout_seconds, run)

    def _of_update(self, hook: Hook) -> _Ready:
        def run(seconds: float, environment: Mapping[str, str]) -> process.Followed:
            if hook.service is None:
                self._require_host_commands(hook)  # the owner may have changed their mind since `check`
                return self._on_gateway(hook.command, seconds, environment)
            return self._compose.follow(hook.service, hook.command, seconds, environment)

        words = " ".join(hook.command)[:80]
        return _Ready(f"{hook.service or 'gateway'}: {words}", hook.service, hook.timeout_seconds, run)

    def _on_gateway(self, command: list[str], seconds: float, environment: Mapping[str, str]) -> process.Followed:
        done = process.follow(
            command,
            timeout_seconds=seconds,
            environment={**os.environ, **environment},
            cwd=self._config.project_dir,
        )
        return done.replaced(self._compose.redacted)

    def _environment(self, point: HookPoint, transaction: Transaction) -> dict[str, str]:
        return {
            "OTA_POINT": point,
            "OTA_VERSION": transaction.version,
            "OTA_FROM_VERSION": transaction.from_version,
            "OTA_TRANSACTION": transaction.id,
            "OTA_GATEWAY_ID": self._config.gateway_id,
            "OTA_PROJECT_DIR": str(self._config.project_dir),
        }

    def _files(self, point: HookPoint) -> list[Path]:
        """The owner's executables of a point, by name; hidden files do not count.

        Raises:
            HookError: another user could have put a hook there, or one cannot be run.
        """
        directory = self._config.hooks.directory / point
        if not directory.is_dir():
            return []
        _require_own(self._config.hooks.directory)
        _require_own(directory)
        paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
        for path in paths:
            _require_own(path)
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode):
                raise HookError(f"the hook {path} is not a plain file", hint="put the program itself there")
            if not mode & stat.S_IXUSR:
                raise HookError(f"the hook {path} is not executable", hint=f"chmod 0755 {path}, or remove it")
        return paths

    def _require_host_commands(self, hook: Hook) -> None:
        if not self._config.policy.allow_host_commands:
            raise PolicyError(
                f"a {hook.at} hook of the update asks to run {hook.command[0]} on the gateway itself, "
                "which the policy of this gateway forbids",
                hint="if its owner agrees: allow_host_commands = true in [policy] of gateway.toml",
            )


def _require_own(path: Path) -> None:
    """Check that only root, or this user, can have written a file that is run as root."""
    status = path.lstat()
    if status.st_uid not in (0, os.geteuid()):
        raise HookError(
            f"{path} belongs to the user {status.st_uid}, expected 0",
            hint=f"look at what it does, then: chown root {path}",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(status.st_mode):
        raise HookError(
            f"{path} can be written by others (mode {status.st_mode & 0o7777:04o})",
            hint=f"look at what it does, then: chmod go-w {path}",
        )


def _failure(result: Result, hook: _Ready, limit: float, *, touched: bool) -> OtaError:
    if result.status == NOT_NOW and not touched:
        return HeldError(
            f"the {result.at} hook {hook.name} says not now{_last(result)}",
            hint="the update goes on when the hook exits with 0",
        )
    how = f"ended with exit status {result.status}"
    if result.status is None:
        how = f"did not end within {limit:g} s" if result.seconds >= limit else "could not run"
    details: dict[str, Any] = {"log_tail": result.output}
    if hook.service:
        details["failing_service"] = hook.service
    return HookError(f"the {result.at} hook {hook.name} {how}{_last(result)}", **details)


def _last(result: Result) -> str:
    return f": {result.output[-1][:300]}" if result.output else ""
