"""Volumes and directories that cannot be copied while services write to them: archived by tar."""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import BackupError, ConfigError, NoSpaceError
from ota_py.gateway.backup.database import Facts
from ota_py.gateway.config import data_directories
from ota_py.gateway.config.model import DatabaseConfig, GatewayConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.system import files, process
from ota_py.gateway.system.beneath import Tree, locate

# Bytes that tar takes for an entry besides its content: a header, padding, a long name, attributes.
_ENTRY_BYTES = 2048
_TAR_BLOCKING_BYTES = 10240


class _Tree:
    """A directory with all that is in it: owners, modes, links, access lists and holes included."""

    needs: list[str] = []

    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        self.label = config.label
        self._compose = compose

    def _place(self) -> tuple[Tree, str]:
        """The tree that a service may write to, and the path of the data below it."""
        raise NotImplementedError

    def _directory(self) -> Path:
        """Where the data is, for comparisons: it is never opened by this path."""
        tree, path = self._place()
        return tree.root / path

    def writers(self) -> list[str]:
        """See `Database`. By the Compose file and by what runs: a container may be of another Compose file."""
        directory = self._directory()
        writers = {
            container.service
            for container in self._compose.containers()
            for mount in container.mounts
            if mount.writable and data_directories.overlap(mount.source, directory)
        }
        return sorted((writers | self._declared_writers(directory)) - {""})

    def _declared_writers(self, directory: Path) -> set[str]:
        raise NotImplementedError

    def size(self) -> int:
        """See `Database`."""
        tree, path = self._place()
        entries = [entry for _, entry in tree.walk(path)]
        sizes = (min(entry.st_size, entry.st_blocks * 512) + _ENTRY_BYTES for entry in entries)
        return _TAR_BLOCKING_BYTES + sum(sizes)

    def place(self) -> Path | None:
        """See `Database`."""
        return self._directory()

    def dump(self, target: Path, timeout_seconds: float) -> Facts:
        """See `Database`."""
        options = ["--create", "--numeric-owner", "--xattrs", "--acls", "--sparse", "--one-file-system"]
        tree, path = self._place()
        with files.produced(target), tree.directory(path) as directory:
            self._tar([*options, f"--file={target}", f"--directory={directory}", "."], timeout_seconds)
        return {}

    def restore(self, source: Path, facts: Facts, timeout_seconds: float) -> None:
        """See `Database`."""
        tree, path = self._place()
        options = ["--extract", "--numeric-owner", "--same-owner", "--preserve-permissions", "--xattrs", "--acls"]
        with tree.directory(path) as directory:
            # With a slash: the link to what is open is followed.
            self._run(["find", f"{directory}/", "-xdev", "-mindepth", "1", "-delete"], timeout_seconds)
            tree.refill(
                path, lambda empty: self._tar([*options, f"--file={source}", f"--directory={empty}"], timeout_seconds)
            )
            # tar does not: a power cut after the journal says "done" must not take it away again.
            self._run(["sync", "--file-system", f"{directory}/"], timeout_seconds)

    def _tar(self, arguments: list[str], timeout_seconds: float) -> None:
        self._run(["tar", *arguments], timeout_seconds)

    def _run(self, argv: list[str], timeout_seconds: float) -> None:
        done = process.run(argv, timeout_seconds=timeout_seconds)
        if done.status:
            if "no space left" in done.problem.lower():
                raise NoSpaceError(f"no space left for {self.label}")
            raise BackupError(f"{self.label}: {argv[0]} failed: {done.problem}")


class Volume(_Tree):
    """A named volume of the project."""

    def __init__(self, config: DatabaseConfig, compose: Compose) -> None:
        super().__init__(config, compose)
        assert config.name is not None
        self._key = config.name

    def _place(self) -> tuple[Tree, str]:
        return Tree(self._compose.volume_path(self._key)), "."

    def _declared_writers(self, directory: Path) -> set[str]:
        return set(self._compose.present.writers_of(self._key))


class Directory(_Tree):
    """A directory of this machine that services mount."""

    def __init__(self, section: DatabaseConfig, config: GatewayConfig, compose: Compose) -> None:
        super().__init__(section, compose)
        assert section.path is not None
        self._config = config
        self._path = config.project_dir / section.path

    def _place(self) -> tuple[Tree, str]:
        tree, path = locate(self._path, self._compose.writable_paths())
        if not tree.is_directory(path):
            raise BackupError(f"{self.label}: {self._path} is no directory")
        # Where its owner's links lead is what counts: it is emptied before it is restored.
        if problem := data_directories.problem(tree.root / path, self._config.project_dir, self._config.state_dir):
            raise ConfigError(f"{self.label}: {problem}", hint="name a directory that holds nothing but data")
        return tree, path

    def _declared_writers(self, directory: Path) -> set[str]:
        project = self._compose.present
        return {
            service
            for service in project.services
            for path in project.written_paths(service)
            if data_directories.overlap(Path(path).resolve(), directory)
        }
