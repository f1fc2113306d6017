"""The invariants: what must hold on a gateway after any fault and recovery."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ota_py.contract.transactions import State
from ota_py.errors import OtaError
from ota_py.gateway.fetch import sources
from ota_py.gateway.health import gate
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.outbox import Outbox
from ota_py.gateway.policy import hold
from ota_py.manifest import COMPOSE_FILE_NAME
from tests.crash.sim.docker import PROJECT, find_image
from tests.crash.sim.gateway import SimGateway, World, project_files
from tests.crash.sim.release import unhealthy_compose_file

RECOVERIES_MAX = 3
_DAMAGE = re.compile(r"the backup's file \S+ has sha256 [0-9a-f]{64}, expected [0-9a-f]{64}")
_TERMINAL = {State.COMMITTED, State.ROLLED_BACK, State.FAILED, State.BROKEN}


def recover(gateway: SimGateway) -> None:
    """Recover as the agent does: again after a failure, a few times."""
    for _ in range(RECOVERIES_MAX):
        try:
            gateway.recover()
            return
        except OtaError:
            gateway.clock.sleep(5.0)


def violation(gateway: SimGateway, worlds: Mapping[str, World]) -> str:
    """The invariant that does not hold, or an empty string.

    The gateway is entirely of one of `worlds`, by files (bytes, mode, owner), images and databases; the
    journal says which; all services run and are well; what was reported is what runs, once for each
    transaction; nothing is open, nothing is left over; recovering once more changes nothing; and it can look
    for updates again.
    """
    found = _journal_problem(gateway) or _half_way(gateway, worlds) or _report_problem(gateway)
    found = found or _service_problem(gateway) or _not_settled(gateway)
    return found or _leftovers(gateway, worlds) or _cut_off(gateway)


def torn(gateway: SimGateway, worlds: Iterable[World]) -> str:
    """The file of the project that is of no version, or an empty string: services may start before recovery runs."""
    files = project_files(gateway.project_dir)
    for path, (data, _, _) in files.items():
        known = [world.files[path][0] for world in worlds if path in world.files]
        known += [unhealthy_compose_file(text) for text in known] if path == COMPOSE_FILE_NAME else []
        if known and data not in known:
            return f"{path} is torn: {data[:60]!r}"
    return ""


def touched_while_held(gateway: SimGateway, old: World) -> str:
    """What a held update has changed, against the rule, or an empty string."""
    with Journal(gateway.config) as journal:
        waiting = journal.open_transaction()
    if waiting is None or not hold.is_held(waiting):
        return ""
    changed = old.difference(gateway.world())
    return changed and f"the update is held back, and yet touched {changed}"


def touches(gateway: SimGateway) -> int:
    """How often a service was stopped or started, but for the machine's own reboots."""
    gateway.docker.forget()
    return sum(bool(service) for service, _, _ in gateway.docker.read()["events"])


def state(gateway: SimGateway) -> str:
    """The state of the open transaction; empty where there is none."""
    with Journal(gateway.config) as journal:
        transaction = journal.open_transaction()
    return str(transaction.state) if transaction else ""


def broken_unreported(gateway: SimGateway) -> str:
    """What is wrong where no rollback was possible: it must end as BROKEN, one alarm with the reason, services up."""
    with Journal(gateway.config) as journal:
        last = journal.last_transaction()
        alarms = [report for report in Outbox(journal).pending() if report["kind"] == "alarm"]
    if last is None or last.state is not State.BROKEN:
        return f"it ended in {last and last.state}, expected BROKEN"
    if len(alarms) != 1 or not _DAMAGE.search(alarms[0]["reason"]):
        return f"the backup is damaged, and the alarms say {[alarm['reason'] for alarm in alarms]}"
    project = [c for c in gateway.docker.read()["containers"].values() if c["service"]]
    if down := [c["name"] for c in project if c["status"] != "running"]:
        return f"{down[0]} does not run"
    gateway.recover()  # cleans up: after BROKEN that is left to the next recovery
    return _not_settled(gateway)


def _half_way(gateway: SimGateway, worlds: Mapping[str, World]) -> str:
    now = gateway.world()
    if any(not world.difference(now) for world in worlds.values()):
        return ""
    if now.version in {world.version for world in worlds.values()}:
        expected = next(world for world in worlds.values() if world.version == now.version)
        return f"half-way: it says {now.version}, but differs from it in {expected.difference(now)}"
    return f"it says version {now.version}, expected {' or '.join(w.version for w in worlds.values())}"


def _journal_problem(gateway: SimGateway) -> str:
    with Journal(gateway.config) as journal:
        transaction = journal.open_transaction()
        if transaction is not None:
            return f"a transaction is still open in {transaction.state}"
        if journal.is_broken():
            last = journal.last_transaction()
            return f"BROKEN: {last.reason if last else ''}"
        for row in journal.read("SELECT reason FROM transactions WHERE reason LIKE 'internal error%'"):
            return str(row["reason"])
    return ""


def _report_problem(gateway: SimGateway) -> str:
    with Journal(gateway.config) as journal:
        reports = Outbox(journal).pending()
        transactions = [row["id"] for row in journal.read("SELECT id FROM transactions")]
        last = journal.last_transaction()
    final: dict[str, list[dict[str, Any]]] = {name: [] for name in transactions}
    for report in reports:
        if report["state"] in _TERMINAL:
            final[report["transaction"]].append(report)
    for name, told in final.items():
        if len(told) != 1:
            return f"{len(told)} final reports for the transaction {name}"
    if last is None:
        return ""
    return _digest_problem(gateway, final[last.id][0]["details"].get("digests") or {})


def _digest_problem(gateway: SimGateway, told: dict[str, str | None]) -> str:
    """What is wrong with the reported digests, which must be those that run, or none while Docker was away."""
    state = gateway.docker.read()
    running = {
        c["service"]: {d.partition("@")[2] for d in state["images"][c["image"]]["digests"]}
        for c in state["containers"].values()
        if c["service"]
    }
    for service, digest in told.items():
        if digest not in running.get(service, set()):
            return f"reported digest {digest} of {service} does not run"
    return ""


def _service_problem(gateway: SimGateway) -> str:
    state = gateway.docker.read()
    project = [c for c in state["containers"].values() if c["service"]]
    for container in project:
        if container["name"] != f"{PROJECT}-{container['service']}-1":
            return f"a container is called {container['name']}"
        if find_image(state, container["reference"]) != container["image"]:
            return f"{container['reference']} names another image than {container['service']} runs"
    if len({c["service"] for c in project}) != len(project):
        return f"more than one container: {sorted(c['name'] for c in project)}"
    gateway.clock.sleep(60)
    with gateway.engine() as (engine, _):
        compose = engine.context.compose
        problems = gate.observe(compose, compose.present, gateway.config.probes).problems
        services = set(compose.present.services)
    if services != {c["service"] for c in project}:
        return f"services {sorted(c['service'] for c in project)} run, expected {sorted(services)}"
    return "; ".join(problems)


def _leftovers(gateway: SimGateway, worlds: Mapping[str, World]) -> str:
    """Leftovers that the next transaction, here a backup, does not remove: they would pile up with each fault."""
    gateway.backup()
    with Journal(gateway.config) as journal:
        known = {row["id"] for row in journal.read("SELECT id FROM backups")}
    unknown = {path.name for path in gateway.config.backups_dir.iterdir()} - known
    if unknown:
        return f"an unknown backup is left: {unknown}"
    updates = gateway.config.updates_dir
    working = [p for d in updates.iterdir() for p in d.iterdir() if p.is_dir()] if updates.is_dir() else []
    if working:
        return f"working copies are left: {working[0].relative_to(gateway.directory)}"
    containers = gateway.docker.read()["containers"].values()
    idle = [c["name"] for c in containers if c["status"] != "running"]
    if idle:
        return f"a container is left: {idle[0]}"
    return _half_way(gateway, worlds)


def _cut_off(gateway: SimGateway) -> str:
    """Why the repository, if the gateway has one, cannot be asked any more: its metadata is not synced."""
    if not gateway.config.root.exists():
        return ""
    try:
        with Journal(gateway.config) as journal:
            sources.trust_client(gateway.config, journal).refresh()
    except OtaError as error:
        return f"cut off from the repository: {error.message}"
    return ""


def _not_settled(gateway: SimGateway) -> str:
    before = _everything(gateway)
    gateway.recover()
    after = _everything(gateway)
    return "" if before == after else "recovering once more changed something"


def _everything(gateway: SimGateway) -> str:
    containers = gateway.docker.read()["containers"]
    with Journal(gateway.config) as journal:
        rows = [tuple(row) for row in journal.read("SELECT * FROM transactions ORDER BY number")]
        rows += [tuple(row) for row in journal.read("SELECT * FROM outbox ORDER BY seq")]
    return json.dumps([repr(gateway.world()), containers, rows], default=str)
