"""The data that `status`, `check` and `health-check` print: read from the journal and from what runs."""

from __future__ import annotations

from typing import Any

from ota_py.contract.reports import StatusDetails
from ota_py.errors import OtaError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.controlplane.api import Api, Assignment
from ota_py.gateway.fetch import freshness
from ota_py.gateway.health import gate, probes
from ota_py.gateway.journal.journal import Journal
from ota_py.gateway.journal.transaction import Transaction
from ota_py.gateway.journal.upgrades import Upgrades
from ota_py.gateway.policy import baseline, hold
from ota_py.gateway.selfupdate import installation
from ota_py.gateway.system import free_space, lock
from ota_py.gateway.transaction.engine import Engine
from ota_py.names import parse_version
from ota_py.trust.fetch.client import TrustClient


def status(config: GatewayConfig, journal: Journal, engine: Engine) -> dict[str, Any]:
    """The status of this gateway. Works without Docker, too: then `engine_error` states why services are missing."""
    last = journal.last_transaction()
    services, problem = _services(engine)
    reported: StatusDetails = {
        "version": journal.installed_version,
        "digests": {name: service["digest"] for name, service in services.items()},
        "agent_version": installation.own_version(),
        "architecture": config.architecture,
        "disk_free_bytes": free_space.free_bytes(config.state_dir),
        "hardware": config.hardware,
        "groups": list(config.groups),
        "transaction_state": str(last.state) if last else None,
        "freshness_problem": freshness.problem(journal),
        "files_problem": _files_problem(config, journal, engine),
    }
    return {
        "gateway": config.gateway_id,
        "fleet": config.fleet,
        **reported,
        "services": services,
        "engine_error": problem,
        "known_bad": journal.known_bad(),
        "transaction": _summary(last, config) if last else None,
        "held": _held(last) if last else None,
        "next_window": hold.next_window(config.maintenance),
        "broken": journal.is_broken(),
        "upgrade": Upgrades(journal).summary(),
    }


def check(config: GatewayConfig, journal: Journal, trust: TrustClient) -> dict[str, Any]:
    """The updates that are newer than the installed version, and the assignment of the control plane."""
    trust.refresh()
    current = journal.installed_version
    newer = [u for u in trust.updates() if parse_version(u.version) > parse_version(current)]
    wanted, problem = _assignment(config)
    return {
        "current": current,
        "newest": newer[-1].version if newer else current,
        "available": [
            {
                "version": update.version,
                "critical": update.critical,
                "known_bad": update.version in journal.known_bad(),
            }
            for update in newer
        ],
        "assigned": {"version": wanted.version, "rollout": wanted.rollout} if wanted else None,
        "control_plane_error": problem,
        "update_available": any(u.version not in journal.known_bad() for u in newer),
    }


def assignment(config: GatewayConfig) -> Assignment | None:
    """The assignment of the control plane to this gateway, or None; also None where there is no control plane.

    Raises:
        ControlPlaneError: the control plane cannot be reached.
    """
    if config.api is None:
        return None
    api = Api(config.api.url, config.gateway_id, config.api.token_file, config.api.ca_file)
    try:
        return api.assignment()
    finally:
        api.close()


def health_report(config: GatewayConfig, engine: Engine) -> dict[str, Any]:
    """The health of every service and every probe of the gateway."""
    snapshot = engine.health()
    asked = zip(config.probes, snapshot.probes, strict=True)
    return {
        "healthy": not snapshot.problems,
        "services": [
            {"service": name, "healthy": verdict.mark is gate.Mark.WELL, "problem": verdict.why}
            for name, verdict in snapshot.services.items()
        ],
        "probes": [
            {"probe": probes.label(probe), "healthy": not problem, "problem": problem} for probe, problem in asked
        ],
        "problems": snapshot.problems,
    }


def _services(engine: Engine) -> tuple[dict[str, dict[str, Any]], str]:
    try:
        containers = engine.context.compose.containers()
        digests = engine.context.digests()
    except OtaError as error:
        return {}, error.message
    found = {
        container.service: {
            "image": container.reference.partition("@")[0],
            "digest": digests.get(container.service),
            "state": container.state,
            "health": container.health or None,
        }
        for container in containers
    }
    return found, ""


def _files_problem(config: GatewayConfig, journal: Journal, engine: Engine) -> str:
    """How the Compose files differ from those that were recorded; where nothing is yet, they are recorded."""
    if baseline.recorded(journal) is None and journal.open_transaction() is None:
        try:
            engine.context.baseline()
        except OtaError as error:
            return f"what the Compose files give to services cannot be recorded: {error.message}"
    return baseline.problem(journal, config.project_dir)


def _summary(transaction: Transaction, config: GatewayConfig) -> dict[str, Any]:
    return {
        "id": transaction.id,
        "kind": transaction.kind,
        "version": transaction.version,
        "from_version": transaction.from_version,
        "state": str(transaction.state),
        "step": str(transaction.intent) if transaction.intent else None,
        "running": transaction.is_open and lock.is_held(config.lock_path),
        "open": transaction.is_open,
        "reason": transaction.reason,
        "created_at": transaction.created_at,
        "finished_at": transaction.finished_at,
        "downtime_seconds": transaction.downtime_seconds,
    }


def _held(transaction: Transaction) -> dict[str, Any] | None:
    if not hold.is_held(transaction):
        return None
    return {**transaction.plan["held"], "version": transaction.version, "rollout": transaction.rollout}


def _assignment(config: GatewayConfig) -> tuple[Assignment | None, str]:
    try:
        return assignment(config), ""
    except OtaError as error:
        return None, error.message
