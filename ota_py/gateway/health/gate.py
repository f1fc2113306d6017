"""The health gate: what must hold before an update is committed, and again before a rollback has ended.

Only what was well before can count against an update: a broker that was already down must not roll
back a fleet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ota_py.errors import HealthError, OtaError
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.container import Container
from ota_py.gateway.docker.project import Project
from ota_py.gateway.health import probes
from ota_py.gateway.journal.plan import Before
from ota_py.gateway.system.clock import Clock
from ota_py.manifest_health import AnyProbe, CommandProbe

# A service may lose the race for its dependencies a few times, each time its settle time starts anew.
RESTARTS_MAX = 2
LOG_TAIL_LINES = 20
_EAGER_SECONDS = 15.0
_EAGER_POLL_SECONDS = 0.15
_PATIENT_POLL_SECONDS = 0.5


class Mark(Enum):
    """The health of a service."""

    WELL = "well"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class HealthVerdict:
    """The health of a service, and the cause in short."""

    mark: Mark
    why: str = ""


@dataclass(frozen=True)
class Expectation:
    """The conditions of the health gate.

    Attributes:
        project: the services that must exist.
        watched: services that were replaced: they fail at once, and must settle.
        images: image id that each of these services must run.
        settle_seconds: how long watched services must run without a restart.
        probes: see `ota_py.manifest`.
        probe_seconds: how long probes and other services may take to come round once the watched are well.
        before: what was well before.
    """

    project: Project
    watched: Collection[str] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    settle_seconds: float = 0.0
    probes: Sequence[AnyProbe] = ()
    probe_seconds: float = 30.0
    before: Before = field(default_factory=Before)


@dataclass(frozen=True)
class Snapshot:
    """The gateway's health at one moment: a verdict for each service, a problem or "" for each probe."""

    services: dict[str, HealthVerdict]
    probes: list[str]

    @property
    def problems(self) -> list[str]:
        """The problems of services and probes, for people."""
        found = [f"{name}: {v.why}" for name, v in self.services.items() if v.mark is not Mark.WELL]
        return found + [problem for problem in self.probes if problem]


@dataclass(frozen=True)
class HealthProblem:
    """A condition that does not hold yet, and the service that it is about, if any."""

    text: str
    service: str = ""


class UptimeWatch:
    """The uptime of each container without a restart, by a clock that cannot be set."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, float, int], float] = {}

    def observe(self, containers: Sequence[Container]) -> dict[str, float]:
        """Seconds since each container, by id, was first seen in its present run."""
        now = time.monotonic()
        keys = {c.id: (c.id, c.started, c.restarts) for c in containers}
        self._since = {key: self._since.get(key, now) for key in keys.values()}
        return {id_: now - self._since[key] for id_, key in keys.items()}


def observe(compose: Compose, project: Project, asked: Sequence[AnyProbe]) -> Snapshot:
    """The health of all services and probes now, judged without settle time."""
    containers = compose.containers()
    verdicts = {name: _judge_service(name, containers, Expectation(project)) for name in project.services}
    results = probes.run_all(asked, compose)
    named = [f"{probes.label(p)}: {problem}" if problem else "" for p, problem in zip(asked, results, strict=True)]
    return Snapshot(verdicts, named)


def before(compose: Compose, project: Project, asked: Sequence[AnyProbe], added: Collection[str] = ()) -> Before:
    """The health before an update: what is well now may count against the update later.

    Args:
        added: services that the update brings: command probes in them could not pass before, and count too.
    """
    snapshot = observe(compose, project, asked)
    running = {c.service for c in compose.containers() if c.state == "running"}
    return Before(
        running=sorted(running),
        well=[name for name, verdict in snapshot.services.items() if verdict.mark is Mark.WELL],
        probes=[index for index, problem in enumerate(snapshot.probes) if not problem],
        required=[
            index
            for index, probe in enumerate(asked)
            if probe.required or (isinstance(probe, CommandProbe) and probe.service in added)
        ],
    )


def wait(compose: Compose, expected: Expectation, clock: Clock, tick: Callable[[str], None] = lambda _: None) -> None:
    """Return as soon as all is well.

    Args:
        clock: the limit of the phase.
        tick: called after each check with the condition that is waited for.

    Raises:
        HealthError: something failed for good; `failing_service` and `log_tail` are in its details.
        DeadlineError: time was up.
    """
    begun = time.monotonic()
    settled_at: float | None = None
    watch = UptimeWatch()
    while True:
        problem = _watched_problem(compose, expected, watch)
        if problem is None:
            settled_at = settled_at or time.monotonic()
            # Probes take their time: what was well before them must still be.
            problem = _other_problem(compose, expected, clock) or _watched_problem(compose, expected, watch)
            if problem is None:
                return
            if time.monotonic() - settled_at > expected.probe_seconds:
                raise _failed(
                    compose,
                    problem.service,
                    f"not well {expected.probe_seconds:g} s after the start: {problem.text}",
                )
        clock.check(f"waiting for health: {problem.text}")
        tick(problem.text)
        eager = time.monotonic() - begun < _EAGER_SECONDS
        time.sleep(_EAGER_POLL_SECONDS if eager else _PATIENT_POLL_SECONDS)


def _watched_problem(compose: Compose, expected: Expectation, watch: UptimeWatch) -> HealthProblem | None:
    """The first problem of the replaced services, or None.

    Raises:
        HealthError: one of them failed for good.
    """
    containers = compose.containers()
    steady = watch.observe(containers)
    waiting: HealthProblem | None = None
    for name in expected.watched:
        verdict = _judge_service(name, containers, expected, steady)
        if verdict.mark is Mark.FAILED:
            raise _failed(compose, name, f"the service {name} {verdict.why}")
        if verdict.mark is Mark.WAITING:
            waiting = waiting or HealthProblem(f"{name} {verdict.why}", name)
    return waiting


def _other_problem(compose: Compose, expected: Expectation, clock: Clock) -> HealthProblem | None:
    """The first problem of other services and of probes that count, or None."""
    containers = compose.containers()
    for name in expected.project.services:
        if name in expected.watched or name not in expected.before.well:
            continue
        verdict = _judge_service(name, containers, expected)
        if verdict.mark is not Mark.WELL:
            return HealthProblem(f"the service {name} {verdict.why}", name)
    positions = sorted({*expected.before.probes, *expected.before.required})
    asked = [expected.probes[n] for n in positions if n < len(expected.probes)]
    for probe, wrong in zip(asked, probes.run_all(asked, compose, clock.left()), strict=True):
        if wrong:
            service = probe.service if isinstance(probe, CommandProbe) else ""
            return HealthProblem(f"the probe {probes.label(probe)}: {wrong}", service)
    return None


def _failed(compose: Compose, service: str, message: str) -> HealthError:
    if not service:
        return HealthError(message)
    return HealthError(message, failing_service=service, log_tail=compose.logs(service, LOG_TAIL_LINES))


def _judge_service(
    name: str,
    containers: Sequence[Container],
    expected: Expectation,
    steady: Mapping[str, float] | None = None,
) -> HealthVerdict:
    own = [c for c in containers if c.service == name]
    wanted = expected.project.replicas(name)
    if len(own) < wanted or (name in expected.watched and len(own) > wanted):
        return HealthVerdict(Mark.FAILED, f"has {len(own)} containers, expected {wanted}")
    ages = steady or {}
    verdicts = [judge(c, expected, ages.get(c.id, 0.0)) for c in own] if wanted else []
    return max(verdicts, key=lambda v: list(Mark).index(v.mark), default=HealthVerdict(Mark.WELL))


def judge(container: Container, expected: Expectation, steady_seconds: float) -> HealthVerdict:
    """The health of one container. Pure.

    Args:
        steady_seconds: for how long it was seen to run without a restart.
    """
    image = expected.images.get(container.service)
    if image and container.image_id != image:
        return HealthVerdict(Mark.FAILED, f"runs the image {container.image_id}, expected {image}")
    watched = container.service in expected.watched
    if watched and container.restarts > RESTARTS_MAX:
        # Docker forgets the exit status of a container that it has started anew.
        last = "" if container.state == "running" else f", last exit status {container.exit_code}"
        return HealthVerdict(Mark.FAILED, f"restarted {container.restarts} times{last}")
    if container.state == "running":
        return _judge_running(container, expected.settle_seconds if watched else 0.0, steady_seconds)
    if container.state in ("created", "restarting"):
        return HealthVerdict(Mark.WAITING, f"is {container.state}")
    if _finished(container, expected.before):
        return HealthVerdict(Mark.WELL)
    return HealthVerdict(Mark.FAILED, f"is {container.state} with exit status {container.exit_code}")


def _judge_running(container: Container, settle_seconds: float, steady_seconds: float) -> HealthVerdict:
    if container.health == "unhealthy":
        return HealthVerdict(Mark.FAILED, "is unhealthy by its own healthcheck")
    if container.health == "starting":
        return HealthVerdict(Mark.WAITING, "has not passed its healthcheck yet")
    if steady_seconds < settle_seconds:
        return HealthVerdict(Mark.WAITING, f"must run {settle_seconds:g} s without a restart")
    return HealthVerdict(Mark.WELL)


def _finished(container: Container, earlier: Before) -> bool:
    """Whether a container is a one-shot that did its work, not a server that gave up."""
    return (
        container.state == "exited"
        and container.exit_code == 0
        and container.restart_policy in ("no", "on-failure")
        and container.service not in earlier.running
    )


def blame(compose: Compose, project: Project, services: Collection[str]) -> dict[str, object]:
    """The service that most likely failed, with the end of its log: for a report, so this never raises."""
    try:
        containers = compose.containers()
        present = [name for name in sorted(services) if name in project.services]
        verdicts = {name: _judge_service(name, containers, Expectation(project)) for name in present}
        ill = [name for name in present if verdicts[name].mark is not Mark.WELL]
        name = (ill or present)[0]
        return {"failing_service": name, "log_tail": compose.logs(name, LOG_TAIL_LINES)}
    except (OtaError, IndexError):
        return {}
