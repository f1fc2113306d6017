"""The rules of what an update's Compose file may request on this gateway.

An update is signed, but the gateway belongs to its owner: what was given to a service before stays allowed, and
only what is more than that, and not known to be harmless, needs a grant in `[policy]` (ADR 0024).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ota_py.errors import PolicyError
from ota_py.gateway.config import model
from ota_py.gateway.config.model import COMPOSE_FILE_GRANTS, GatewayConfig, PolicyConfig
from ota_py.manifest_fields import RESERVED_DIRECTORY


class Permission(StrEnum):
    """A kind of request, named by the setting that allows it."""

    PRIVILEGED = "allow_privileged"
    DOCKER_SOCKET = "allow_docker_socket"
    MOUNTS = "allow_mounts"
    OTHER = "grants"


@dataclass(frozen=True)
class PolicyRequest:
    """A request of a service, or with an empty name of the Compose file as a whole.

    Attributes:
        what: completes "the service asks for ...".
        grant: the text that grants it, to this service and in this detail; empty where nothing can.
        path: of `MOUNTS`: the real path, links followed.
        is_own: it belongs to this software or to Compose: a setting that names a directory above does not mean it.
    """

    kind: Permission
    service: str
    what: str
    grant: str = ""
    path: str = ""
    is_own: bool = False

    @classmethod
    def of(cls, service: str, detail: str) -> PolicyRequest:
        """A request that its own text grants."""
        return cls(Permission.OTHER, service, detail, detail)

    @property
    def key(self) -> GivenRequest:
        """The service and the text by which the same request is known in another project."""
        return self.service, self.grant or self.what

    @property
    def setting(self) -> str:
        """The line that would allow the request, and its section; empty where none can."""
        if self.kind in (Permission.PRIVILEGED, Permission.DOCKER_SOCKET):
            return f'{self.kind} = ["{self.service}"] in [policy]'
        if not self.grant:
            return ""
        name = self.service or COMPOSE_FILE_GRANTS
        key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
        return f"{key} = [{json.dumps(self.grant, ensure_ascii=False)}] in [policy.grants]"

    def __str__(self) -> str:
        who = f"the service {self.service}" if self.service else "the Compose file"
        return f"{who} asks for {self.what}"


# A request by service and grant: all that is kept of one.
GivenRequest = tuple[str, str]


@dataclass(frozen=True)
class GatewayDirectories:
    """The directories of this gateway that the policy knows.

    Attributes:
        project: the Compose project's directory: what lies in it may be mounted.
        protected: what belongs to this software: only a setting that names exactly the mount allows it.
    """

    project: Path
    protected: tuple[Path, ...]

    @classmethod
    def of(cls, settings: GatewayConfig) -> GatewayDirectories:
        """The directories that a gateway's configuration names."""
        tokens = (settings.api.token_file,) if settings.api else ()
        own = (
            settings.project_dir / RESERVED_DIRECTORY,
            settings.agent.directory,
            settings.state_dir,
            settings.root,
            settings.hooks.directory,
            model.DEFAULT_PATH.parent,
            *tokens,
        )
        return cls(settings.project_dir.resolve(), tuple(path.resolve() for path in own))

    def touches_protected(self, real: Path) -> bool:
        """Whether a directory is, holds, or lies in a protected one."""
        return any(real.is_relative_to(own) or own.is_relative_to(real) for own in self.protected)


def check(
    requested: Collection[PolicyRequest],
    given: Collection[GivenRequest],
    policy: PolicyConfig,
    redacted: Callable[[str], str] = str,
) -> None:
    """Refuse requests beyond what was given before that no setting allows.

    Args:
        requested: the requests of the files as the update would leave them.
        given: what the same services had before.
        redacted: takes secrets out of a text.

    Raises:
        PolicyError: naming the service, its request, and the line that would allow it.
    """
    known = set(given) | {(service, _reading(grant)) for service, grant in given}
    refused = sorted(
        (request for request in set(requested) if request.key not in known and not _allowed(request, policy)),
        key=lambda request: (request.service, request.kind, request.what),
    )
    if not refused:
        return
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    setting = refused[0].setting
    raise PolicyError(
        redacted(f"{refused[0]}, which the policy of this gateway forbids{more}"),
        hint=redacted(f"if its owner agrees: {setting} of gateway.toml") if setting else "",
        refused=[{"asks": redacted(str(found)), "setting": redacted(found.setting)} for found in refused],
    )


def _allowed(request: PolicyRequest, policy: PolicyConfig) -> bool:
    granted = policy.grants.get(request.service or COMPOSE_FILE_GRANTS, [])
    if request.grant and request.grant in {*granted, *map(_reading, granted)}:
        return True
    if request.kind is Permission.OTHER:
        return False
    if request.kind is Permission.MOUNTS:
        named = [path.resolve() for path in policy.allow_mounts] if request.path else []
        return any(_is_named(Path(request.path), path, exactly=request.is_own) for path in named)
    return request.service in getattr(policy, request.kind)


def mount_grant(path: str, *, writes: bool) -> str:
    """The text that grants a mount."""
    return f"mount: {path}:{'rw' if writes else 'ro'}"


def _reading(grant: str) -> str:
    """The grant to read that a grant to write includes; any other grant as it is."""
    return f"{grant.removesuffix(':rw')}:ro" if grant.startswith("mount: ") and grant.endswith(":rw") else grant


def _is_named(real: Path, allowed: Path, *, exactly: bool) -> bool:
    return real == allowed or (not exactly and real.is_relative_to(allowed))
