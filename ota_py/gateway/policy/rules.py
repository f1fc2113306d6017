"""The rules of what an update's Compose file may request on this gateway.

An update is signed, but the gateway belongs to its owner: what the present files already give to a service
stays allowed, and only a request beyond that needs a setting in `[policy]` (ADR 0012).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ota_py.errors import PolicyError
from ota_py.gateway.config import model
from ota_py.gateway.config.model import GatewayConfig, PolicyConfig
from ota_py.manifest_fields import RESERVED_DIRECTORY


class Permission(StrEnum):
    """A kind of request, named by the setting that allows it."""

    PRIVILEGED = "allow_privileged"
    DOCKER_SOCKET = "allow_docker_socket"
    NAMESPACES = "allow_host_namespaces"
    CAPABILITIES = "allow_capabilities"
    MOUNTS = "allow_mounts"
    BUILD = "allow_build"
    INCLUDE = "allow_remote_include"
    HOST_COMMANDS = "allow_host_commands"


@dataclass(frozen=True)
class Ask:
    """A request of a service, or with an empty name of the Compose file as a whole.

    Attributes:
        what: completes "the service asks for ...".
        path: of `MOUNTS`: the real path, links followed; empty where no path can be allowed.
    """

    kind: Permission
    service: str
    what: str
    path: str = ""

    @property
    def setting(self) -> str:
        """The line of `[policy]` that would allow the request; empty where none can."""
        if self.kind is Permission.MOUNTS:
            return f'{self.kind} = ["{self.path}"]' if self.path else ""
        if self.kind in (Permission.BUILD, Permission.INCLUDE, Permission.HOST_COMMANDS):
            return f"{self.kind} = true"
        return f'{self.kind} = ["{self.service}"]'

    def __str__(self) -> str:
        who = f"the service {self.service}" if self.service else "the Compose file"
        return f"{who} asks for {self.what}"


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


def check(asked: Collection[Ask], present: Collection[Ask], policy: PolicyConfig, places: GatewayDirectories) -> None:
    """Refuse requests beyond those of the present files that no setting allows.

    Args:
        asked: the requests of the files as the update would leave them.
        present: the requests of the files as they are now.

    Raises:
        PolicyError: naming the service, its request, and the setting that would allow it.
    """
    refused = sorted(
        (ask for ask in set(asked) - set(present) if not _allowed(ask, policy, places)),
        key=lambda ask: (ask.service, ask.kind, ask.what),
    )
    if not refused:
        return
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    setting = refused[0].setting
    raise PolicyError(
        f"{refused[0]}, which the policy of this gateway forbids{more}",
        hint=f"if its owner agrees: {setting} in [policy] of gateway.toml" if setting else "",
        refused=[{"asks": str(ask), "setting": ask.setting} for ask in refused],
    )


def _allowed(ask: Ask, policy: PolicyConfig, places: GatewayDirectories) -> bool:
    setting = getattr(policy, ask.kind)
    if isinstance(setting, bool):
        return setting
    if ask.kind is not Permission.MOUNTS:
        return ask.service in setting
    return bool(ask.path) and _mount_allowed(Path(ask.path), setting, places)


def _mount_allowed(real: Path, allowed: Collection[Path], places: GatewayDirectories) -> bool:
    named = [path.resolve() for path in allowed]
    if places.touches_protected(real):
        return real in named
    return any(real.is_relative_to(path) for path in named)
