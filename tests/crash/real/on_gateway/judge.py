"""Judges a lab gateway past the engine's own code: asks Docker, the database, the files, the journal."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import sqlite3
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import docker
from snapshot import GatewaySnapshot, ViolationError, snapshot_of, wait_for_daemon

from ota_py.gateway.config.model import GatewayConfig

ENDED = ("COMMITTED", "ROLLED_BACK", "FAILED", "BROKEN")
# How long services may take to be well again once recovery has ended.
SERVICES_SECONDS = 180
RESERVED = "ota"
EXEC_TRIES = 10
ALL_SAID = "that is all"
PROJECT = "com.docker.compose.project=crash"


class Gateway:
    """One gateway, inspected from outside the engine."""

    def __init__(self, settings: GatewayConfig) -> None:
        self._settings = settings
        self._known: dict[str, GatewaySnapshot] = {}
        self._rows_to_return_to: list[str] = []

    def learn(self, version: str) -> None:
        """Record a snapshot of the running version, when all is well."""
        found = self._well()
        if found.version != version:
            raise ViolationError(f"the gateway runs {found.version}, expected {version}: {self.last_reason()}")
        self._known[version] = found

    def remember(self) -> str:
        """The recorded snapshots, and one of now, as JSON: for the driver after a reboot."""
        known = {version: dataclasses.asdict(seen) for version, seen in self._known.items()}
        now = dataclasses.asdict(self.snapshot())
        return json.dumps({"known": known, "now": now, "rows": self._rows_to_return_to})

    def recall(self, text: str) -> GatewaySnapshot:
        """Take over the snapshots that `remember` gave; returns the one of that moment."""
        data = json.loads(text)
        self._known = {version: snapshot_of(seen) for version, seen in data["known"].items()}
        self._rows_to_return_to = data["rows"]
        return snapshot_of(data["now"])

    def snapshot(self) -> GatewaySnapshot:
        """A snapshot of the gateway now, well or not."""
        self._containers = self._project()
        return GatewaySnapshot(
            self.installed(), {s: c.attrs["Image"] for s, c in self._containers.items()},
            self._files(), self._psql("SELECT * FROM readings ORDER BY 1"),
            {s: c.id for s, c in self._containers.items()},
        )  # fmt: skip

    def write_row(self) -> None:
        """Add a row to the database, as the site's work would."""
        self._psql(f"INSERT INTO readings VALUES ({time.time_ns()}, 'a row') ON CONFLICT DO NOTHING")

    def judge(self, before: GatewaySnapshot, allowed: Collection[str], *, digests_may_be_unknown: bool) -> None:
        """Check every invariant.

        Args:
            before: a snapshot of before the trouble.
            allowed: versions that it may run now.
            digests_may_be_unknown: Docker was away, and could not be asked for the report.

        Raises:
            ViolationError: one does not hold.
        """
        if not self.is_idle():
            raise ViolationError("a transaction is open after recovery")
        if self.last_state() == "BROKEN":
            raise ViolationError(f"the gateway is BROKEN: {self.last_reason()}")
        found = self._well()
        if found.version not in allowed:
            raise ViolationError(f"the journal says that {found.version} runs, allowed {', '.join(allowed)}")
        wanted = self._known[found.version]
        _same("images", found.images, wanted.images)
        _same("files", found.files, wanted.files)
        self._judge_rows(before, found)
        self._judge_report(found, digests_may_be_unknown)
        self._judge_leftovers()

    def went_forward(self, before: GatewaySnapshot) -> None:
        """Record the rows that a rollback will have to bring back."""
        self._rows_to_return_to = before.rows

    def _judge_rows(self, before: GatewaySnapshot, found: GatewaySnapshot) -> None:
        """Check the database: no update of these changes it for good; a rollback brings back the rows of before."""
        went_back = found.version != before.version and before.version != self._settings.initial_version
        _same("rows of the database", found.rows, self._rows_to_return_to if went_back else before.rows)
        if found.version != before.version and not went_back:
            self.went_forward(before)

    def _well(self) -> GatewaySnapshot:
        self.wait_until_well()
        return self.snapshot()

    def wait_until_well(self) -> None:
        """Wait until every service runs and is healthy.

        Raises:
            ViolationError: a service is not healthy after a while.
        """
        deadline = time.monotonic() + SERVICES_SECONDS
        wait_for_daemon()
        while problem := self._problem():
            if time.monotonic() > deadline:
                raise ViolationError(f"{problem}, {SERVICES_SECONDS} s after recovery")
            time.sleep(0.1)

    def _problem(self) -> str:
        try:
            found = self._project()
        except ViolationError as violation:
            return str(violation)
        for name in ("app", "database", "other"):
            if name not in found:
                return f"the service {name} has no container"
            state = found[name].attrs["State"]
            health = (state.get("Health") or {}).get("Status", "healthy")
            if (state["Status"], health) != ("running", "healthy"):
                return f"the service {name} is {state['Status']}, {health}"
        return ""

    def _project(self) -> dict[str, Any]:
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            listed = client.containers.list(all=True, filters={"label": PROJECT}, ignore_removed=True)
        found = {container.labels["com.docker.compose.service"]: container for container in listed}
        names = sorted(container.name for container in listed)
        if names != sorted(f"crash-{service}-1" for service in found):
            raise ViolationError(f"the project has the containers {', '.join(names)}")
        return found

    def states(self) -> dict[str, str]:
        """Service to the state of its container."""
        return {name: str(found.attrs["State"]["Status"]) for name, found in self._project().items()}

    def names(self) -> list[str]:
        """The names of the project's containers."""
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            # Compose may still be at it.
            listed = client.containers.list(all=True, filters={"label": PROJECT}, ignore_removed=True)
            return sorted(container.name for container in listed)

    @contextlib.contextmanager
    def events(self, kind: str, service: str) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a service's container from now on, such as `create` or `destroy`."""
        with contextlib.closing(docker.from_env(timeout=60)) as client:
            labels = [PROJECT, f"com.docker.compose.service={service}"]
            wanted = {"type": "container", "event": kind, "label": labels}
            # Said outright: the engine answers a moment before it begins to listen.
            yield client.events(since=f"{time.time():.9f}", decode=True, filters=wanted)

    def layer_of(self, reference: str) -> Path:
        """The directory in which Docker keeps the topmost layer of an image."""
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            return Path(client.images.get(reference).attrs["GraphDriver"]["Data"]["UpperDir"])

    def _files(self) -> dict[str, tuple[str, int, int]]:
        root = self._settings.project_dir
        found = {}
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.is_file() and relative.parts[0] != RESERVED:
                status = path.stat()
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(relative)] = (digest, status.st_mode, status.st_uid)
        return found

    def _psql(self, statement: str) -> list[str]:
        """Run a statement that may be run again: Docker under load loses an exec's output now and then."""
        argv = ["psql", "-U", "crash", "-d", "crash", "-At", "-c", statement, "-c", f"SELECT '{ALL_SAID}'"]
        for _ in range(EXEC_TRIES):
            with contextlib.closing(docker.from_env(timeout=30)) as client:
                done = client.containers.get("crash-database-1").exec_run(argv)
            if done.exit_code:
                raise ViolationError(f"psql: {done.output.decode(errors='replace')}")
            *lines, last = str(done.output.decode()).splitlines() or [""]
            if last == ALL_SAID:
                return sorted(lines)
        raise ViolationError(f"psql says nothing, {EXEC_TRIES} times")

    def _judge_report(self, found: GatewaySnapshot, digests_may_be_unknown: bool) -> None:
        """Check that exactly one report has the end of the last transaction, with the digests that run."""
        last = self._journal("SELECT id, state FROM transactions ORDER BY number DESC LIMIT 1")
        if not last:
            return
        bodies = self._journal("SELECT body FROM outbox WHERE transaction_id = ?", last[0][0])
        reports = [json.loads(body) for (body,) in bodies]
        ends = [report for report in reports if report["state"] in ENDED]
        if [report["state"] for report in ends] != [last[0][1]]:
            raise ViolationError(f"the reports tell {[r['state'] for r in ends]}, the journal {last[0][1]}")
        reported = ends[0]["details"]["digests"]
        if not reported and digests_may_be_unknown:
            return  # the next status report tells them
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            known = {image.id: image.attrs["RepoDigests"] for image in client.images.list(all=True)}
        for service, image in found.images.items():
            digests = [digest.partition("@")[2] for digest in known[image]]
            if reported.get(service) not in digests:
                raise ViolationError(f"{service} runs {digests}, reported was {reported.get(service)}")

    def _judge_leftovers(self) -> None:
        root, state = self._settings.project_dir, self._settings.state_dir
        drafts = [str(path) for place in (root, state) for path in place.rglob("*.ota-new")]
        working = [str(p) for name in ("new", "tree") for p in state.glob(f"updates/*/{name}")]
        known = {row[0] for row in self._journal("SELECT id FROM backups")}
        unknown = [p.name for p in self._settings.backups_dir.glob("*") if p.name not in known]
        if left := [*drafts, *working, *unknown]:
            raise ViolationError(f"left over: {', '.join(left)}")
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            pins = client.containers.list(all=True, filters={"label": "ota.keep=crash"}, ignore_removed=True)
        idle = [pin.name for pin in pins if pin.status != "running"]
        doubled = len(pins) - len({pin.attrs["Image"] for pin in pins})
        if idle or doubled:
            raise ViolationError(f"pins that do not run: {idle}, doubled: {doubled}")

    # -- the journal ----------------------------------------------------------------------------------

    def installed(self) -> str:
        """The version that is installed by the journal."""
        rows = self._journal("SELECT value FROM facts WHERE key = 'installed_version'")
        return str(rows[0][0]) if rows else self._settings.initial_version

    def last_state(self) -> str:
        """The state of the last transaction."""
        rows = self._journal("SELECT state FROM transactions ORDER BY number DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def last_reason(self) -> str:
        """The reason of the last transaction's end."""
        rows = self._journal("SELECT state, reason FROM transactions ORDER BY number DESC LIMIT 1")
        return ": ".join(rows[0]) if rows else "there was no transaction"

    def forgive(self) -> None:
        """Forget which versions are known to be bad: their images are not kept for another try."""
        with contextlib.closing(sqlite3.connect(self._settings.journal_path, timeout=10)) as connection:
            connection.execute("DELETE FROM known_bad")
            connection.commit()

    def is_idle(self) -> bool:
        """Whether no transaction is open and no process is at work."""
        return self.last_state() in ("", *ENDED) and not self._is_locked()

    def wait_until_idle(self, seconds: float = 300) -> None:
        """Wait until the agent has recovered: it does so by itself where services were touched."""
        deadline = time.monotonic() + seconds
        touched = ("STOPPED", "APPLIED", "STARTED", "HEALTHY", "ROLLING_BACK")
        while self.last_state() in touched or self._is_locked():
            if time.monotonic() > deadline:
                raise ViolationError(f"the agent left the transaction in {self.last_state()} for {seconds} s")
            time.sleep(0.2)

    def _is_locked(self) -> bool:
        with open(self._settings.lock_path, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _journal(self, query: str, *values: str) -> list[Any]:
        if not self._settings.journal_path.exists():
            return []
        with contextlib.closing(sqlite3.connect(self._settings.journal_path, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()


def _same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ViolationError(f"{what}: {found}, expected {wanted}")
