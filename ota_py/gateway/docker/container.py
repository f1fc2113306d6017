"""Containers of a Compose project, as Docker's API describes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
# Docker's default.
_STOP_SECONDS = 10
ONEOFF_LABEL = "com.docker.compose.oneoff"


@dataclass(frozen=True)
class Mount:
    """A mount of a container: where it is on this machine, where inside, and whether it is writable."""

    source: Path
    destination: Path
    writable: bool = True


@dataclass(frozen=True)
class Container:
    """A container of the project, as Docker's API describes it.

    Attributes:
        image_id: id of the image that it runs; reference: the name by which Compose requested it.
        state: `created`, `running`, `restarting`, `exited`, ...
        health: `healthy`, `unhealthy`, `starting`, or an empty string without a healthcheck.
        started, finished: seconds since the epoch, 0.0 if it never did.
        stop_seconds: how long it may take to stop.
        restart_policy: `no`, `always`, `unless-stopped` or `on-failure`.
        pid: of its first process, 0 while it does not run.
    """

    id: str
    name: str
    service: str
    image_id: str
    reference: str
    state: str
    health: str
    exit_code: int
    restarts: int
    started: float
    finished: float
    stop_seconds: int
    restart_policy: str
    mounts: tuple[Mount, ...]
    pid: int = 0

    @property
    def is_temporary(self) -> bool:
        """Whether the container still has the temporary name of a replacement by Compose: `<id>_<name>`."""
        head, _, _ = self.name.partition("_")
        return len(head) == 12 and all(char in "0123456789abcdef" for char in head)


def parse(data: dict[str, Any]) -> Container:
    """The container that an answer of Docker's API describes."""
    state = data["State"]
    return Container(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        service=data["Config"]["Labels"].get(SERVICE_LABEL, ""),
        image_id=data["Image"],
        reference=data["Config"]["Image"],
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
        exit_code=state["ExitCode"],
        restarts=data.get("RestartCount", 0),
        started=_epoch(state["StartedAt"]),
        finished=_epoch(state["FinishedAt"]),
        stop_seconds=data["Config"].get("StopTimeout") or _STOP_SECONDS,
        restart_policy=data["HostConfig"]["RestartPolicy"]["Name"] or "no",
        mounts=tuple(
            Mount(Path(m["Source"]), Path(m["Destination"]), m.get("RW", True)) for m in data.get("Mounts") or []
        ),
        pid=state.get("Pid") or 0,
    )


def _epoch(text: str) -> float:
    """Seconds since the epoch of Docker's timestamps; the year 1 stands for never."""
    if text.startswith("0001-"):
        return 0.0
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
