"""The context of a command: configuration, control plane, repository, registry.

Each is made, and its libraries are imported, on first use.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from ota_py.errors import ConfigError

if TYPE_CHECKING:
    from ota_py.manager.config.model import ManagerConfig
    from ota_py.manager.controlplane.client import ControlPlane
    from ota_py.manager.registry.resolve import TagResolver
    from ota_py.trust.repository.repository import Repository
    from ota_py.trust.repository.store import Store


class CommandContext:
    """Everything that one `ota.toml` names; commands get it as `ctx.obj` (`click.pass_obj`)."""

    def __init__(self, config_option: str | None = None) -> None:
        self.config_option = config_option

    @cached_property
    def config(self) -> ManagerConfig:
        """The configuration.

        Raises:
            ConfigError: missing or wrong.
        """
        from ota_py.manager.config.model import load_config

        return load_config(self.config_option)

    @cached_property
    def control_plane(self) -> ControlPlane:
        """The control plane's API, as the operator.

        Raises:
            ConfigError: there is no token file.
        """
        from ota_py.manager.config.secrets import read_secret
        from ota_py.manager.controlplane.client import ControlPlane

        section = self.config.control_plane
        return ControlPlane(section.url, read_secret(section.token_file, "the operator's token"))

    @cached_property
    def registry(self) -> TagResolver:
        """The registry in which image tags are resolved."""
        from ota_py.manager.registry.resolve import TagResolver

        section = self.config.registry
        return TagResolver(section.default, insecure=section.insecure)

    @cached_property
    def store(self) -> Store:
        """The bucket or directory of the repository."""
        from ota_py.manager.storage.store import open_store

        section = self.config.repository
        return open_store(
            section.store,
            endpoint_url=section.endpoint_url,
            region=section.region,
            credentials_file=section.credentials_file,
        )

    @cached_property
    def root(self) -> bytes:
        """The bytes of the fleet's root.json.

        Raises:
            ConfigError: it cannot be read.
        """
        path = self.config.repository.root
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"cannot read the trust anchor {path}: {error.strerror}",
                hint="`init` makes it; repository.root in ota.toml names it",
            ) from None

    @cached_property
    def newest_root(self) -> bytes:
        """The newest root.json that the repository has; the local one is replaced by it.

        So a gateway that is provisioned next gets it, also where another machine published it.

        Raises:
            TrustError: it does not follow from the local one.
        """
        from ota_py.manager.config.root_file import replace_file
        from ota_py.trust.repository.root_chain import newest_root

        newest = newest_root(self.store, self.root)
        if newest != self.root:
            with suppress(ConfigError):  # where it cannot be written, it is followed again the next time
                replace_file(self.config.repository.root, newest)
        return newest

    @cached_property
    def repository(self) -> Repository:
        """The TUF repository, verified against the fleet's newest root."""
        from ota_py.trust.repository.repository import Repository

        return Repository(self.store, self.newest_root, self.config.expiry.lifetimes)
