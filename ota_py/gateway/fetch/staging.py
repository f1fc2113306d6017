"""Staging: the new version is laid out aside, and judged by Compose itself, before anything is touched."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ota_py.errors import ConflictError, IncompatibleError, IntegrityError
from ota_py.gateway.config.model import GatewayConfig
from ota_py.gateway.docker.compose import Compose
from ota_py.gateway.docker.project import Project
from ota_py.gateway.fetch import downloads
from ota_py.gateway.journal.plan import NewFile
from ota_py.gateway.policy import baseline, compose_inputs, compose_requests, rules
from ota_py.gateway.policy.baseline import Baseline
from ota_py.gateway.policy.rules import GivenRequest
from ota_py.gateway.system import files
from ota_py.gateway.system.beneath import Tree
from ota_py.gateway.system.files import Attributes
from ota_py.hashes import sha256_of, sha256_of_file
from ota_py.manifest import COMPOSE_FILE_NAME, File, Manifest
from ota_py.manifest_fields import RESERVED_DIRECTORY

# Gives the checked bytes of one file of the manifest.
Fetch = Callable[[File], bytes]

# Smaller files are fetched again: that costs less than keeping them safe.
KEEP_MIN_BYTES = 64 * 1024
_NEW = "new"
_TREE = "tree"
_DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class Staged:
    """The new version as it was laid out.

    Attributes:
        files: those that differ from the present ones.
        project: the project as it will be.
        baseline: what the project gives to services, once it is in force.
    """

    files: list[NewFile]
    project: Project
    baseline: Baseline


class Staging:
    """The private directory of one update: `new/` has its files as they will be, `tree/` shows them in place.

    Args:
        directory: below the state directory, named by the version.
    """

    def __init__(self, config: GatewayConfig, compose: Compose, directory: Path) -> None:
        self._config = config
        self._compose = compose
        self._project = Tree(config.project_dir)
        self.directory = directory
        self.fetched = downloads.DownloadCache(directory / "fetched")

    @property
    def manifest(self) -> Path:
        """The file of the kept manifest; its signature lies beside it."""
        return self.directory / "manifest.json"

    def store_manifest(self, raw: bytes, signature: bytes) -> None:
        """Keep the very bytes of the manifest and the signature that were verified."""
        self._write(self.manifest, raw)
        self._write(self.manifest.with_name("manifest.json.sig"), signature)

    def stage(
        self, manifest: Manifest, fetch: Fetch, references: Mapping[str, str], given: Collection[GivenRequest]
    ) -> Staged:
        """Fetch, render and pin every file, then let Compose read the result.

        Args:
            references: by digest, for each service whose image the update names.
            given: what services had before, and may have again.

        Raises:
            IncompatibleError: a template, a service or the Compose file does not fit this gateway.
            DockerError: Compose refuses the new file.
            PolicyError: the update requests what this gateway's policy forbids.
        """
        files.remove_tree(self.directory / _NEW)
        contents = {file.dest: self._content(manifest, file, fetch) for file in manifest.all_files}
        modes = {file.dest: int(file.mode, 8) for file in manifest.all_files}
        if manifest.images:
            modes.setdefault(COMPOSE_FILE_NAME, self._project.attributes(COMPOSE_FILE_NAME).mode)
            text = contents.get(COMPOSE_FILE_NAME) or self._project.read(COMPOSE_FILE_NAME)
            contents[COMPOSE_FILE_NAME] = pin_images(text, references)
        new = [
            NewFile(dest, sha256_of(data), modes[dest], self._present(dest))
            for dest, data in contents.items()
            if self._differs(dest, data, modes[dest])
        ]
        for file in new:
            self._write(self._new(file), contents[file.dest])
        return self._resolve(new, manifest, given)

    def check(self, new: list[NewFile]) -> None:
        """Check once more that the staged files are unchanged, and that the files which they replace are, too.

        Raises:
            IntegrityError: with what was expected and what was got.
            ConflictError: a file of the project was changed meanwhile.
        """
        for file in new:
            path = self._new(file)
            got = sha256_of_file(path) if path.is_file() else "nothing"
            if got != file.sha256:
                raise IntegrityError(f"the staged file {file.dest} has sha256 {got}, expected {file.sha256}")
            if self._present(file.dest) != file.replaces:
                raise ConflictError(
                    f"{file.dest} was changed on this gateway since the update was prepared",
                    hint="start the update again: it will be prepared for the file as it is now",
                )

    def apply(self, new: list[NewFile]) -> None:
        """Put the staged files in place, each at once; a file that is replaced keeps its owner."""
        self.check(new)
        for file in new:
            owner = self._project.attributes(file.dest if self._project.file_status(file.dest) else ".")
            self._project.copy(self._new(file), file.dest, Attributes(file.mode, owner.uid, owner.gid))

    def discard(self, *, keep_fetched: bool = False) -> None:
        """Remove the working copies; the manifest and its signature stay as a record.

        Args:
            keep_fetched: another try is likely, and can go on from the downloads.
        """
        if not keep_fetched:
            self.fetched.discard()
        for name in (_NEW, _TREE):
            files.remove_tree(self.directory / name)
        for draft in self.directory.glob(f"*{files.DRAFT_SUFFIX}"):
            files.remove(draft)

    def _content(self, manifest: Manifest, file: File, fetch: Fetch) -> bytes:
        data = self._bytes(file, fetch)
        if not file.template:
            return data
        return render(file.dest, data, self._config.template_variables(manifest.version))

    def _bytes(self, file: File, fetch: Fetch) -> bytes:
        if file.length < KEEP_MIN_BYTES:
            return fetch(file)
        wanted = downloads.Download(file.sha256, file.length, f"file {file.dest}")
        return b"".join(self.fetched.pieces(wanted, lambda start: iter([fetch(file)[start:]])))

    def _present(self, dest: str) -> str:
        return self._project.sha256_of(dest) if self._project.file_status(dest) else ""

    def _differs(self, dest: str, data: bytes, mode: int) -> bool:
        found = self._project.file_status(dest)
        return found is None or stat.S_IMODE(found.st_mode) != mode or self._project.read(dest) != data

    def _resolve(self, new: list[NewFile], manifest: Manifest, given: Collection[GivenRequest]) -> Staged:
        tree = self.directory / _TREE
        files.remove_tree(tree)
        overlay(self._project, {file.dest: self._new(file) for file in new}, tree)
        places = rules.GatewayDirectories.of(self._config)
        policy, redacted = self._config.policy, self._compose.redacted
        # Before Compose reads the files.
        requested = compose_inputs.requests(tree, places, [self.directory / _NEW])
        rules.check(requested, given, policy, redacted)
        project = self._compose.config(tree)
        own_files = compose_inputs.own_files(tree, places.project)
        of_services = compose_requests.of_project(project, places, own_files)
        rules.check(of_services, given, policy, redacted)
        unknown = sorted(set(manifest.images) - set(project.services))
        if unknown:
            raise IncompatibleError(
                f"update {manifest.version} has images for {', '.join(unknown)}, "
                f"but {COMPOSE_FILE_NAME} has the services {', '.join(project.services)}",
                hint="correct the service names, or ship a new Compose file with the update",
            )
        return Staged(new, project, baseline.of_files(tree, requested | of_services, f"update {manifest.version}"))

    def _new(self, file: NewFile) -> Path:
        return self.directory / _NEW / file.dest

    def _write(self, path: Path, data: bytes) -> None:
        directory = Attributes.of(self._config.state_dir)
        files.write(path, data, Attributes(0o600, directory.uid, directory.gid))


def render(name: str, source: bytes, variables: Mapping[str, object]) -> bytes:
    """Render a template in Jinja2's sandbox.

    Raises:
        IncompatibleError: the source is not a template, uses an undefined variable, or does what is forbidden.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        return environment.from_string(source.decode()).render(**variables).encode()
    except (TemplateError, ValueError, TypeError, ArithmeticError) as error:
        raise IncompatibleError(
            f"the template {name} cannot be rendered on this gateway: {error}",
            hint="define the variable in [variables] of the gateway's configuration, or correct the template",
        ) from None


def pin_images(text: bytes, references: Mapping[str, str]) -> bytes:
    """Set the image of each service in a Compose file, and leave the rest of the file as people wrote it.

    Raises:
        IncompatibleError: the text is no Compose file, or a service is not in it.
    """
    from ruamel.yaml.util import load_yaml_guess_indent

    from ota_py import compose_yaml

    yaml = compose_yaml.round_trip()
    yaml.preserve_quotes = True
    yaml.width = 1_000_000  # never wrap a line that its author did not wrap
    try:
        document = compose_yaml.load(text, yaml)
        _, indent, offset = load_yaml_guess_indent(text.decode())
    except ValueError as error:
        raise IncompatibleError(f"{COMPOSE_FILE_NAME} is not YAML: {error}") from None
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict):
        raise IncompatibleError(f"{COMPOSE_FILE_NAME} has no services")
    missing = sorted(set(references) - set(services))
    if missing:
        known = ", ".join(sorted(map(str, services)))
        raise IncompatibleError(
            f"{COMPOSE_FILE_NAME} has no service {', '.join(missing)}; it has {known}"[:2000],
            hint="correct the service names, or ship a new Compose file with the update",
        )
    for service, reference in references.items():
        if not isinstance(services[service], dict):
            raise IncompatibleError(f"{COMPOSE_FILE_NAME} has no mapping for the service {service}")
        services[service]["image"] = reference
    yaml.indent(mapping=indent or 2, sequence=(indent or 2) + (offset or 0), offset=offset or 0)
    out = io.BytesIO()
    yaml.dump(document, out)
    return out.getvalue()


def overlay(project: Tree, new: Mapping[str, Path], target: Path, below: str = ".") -> None:
    """Show a project with the files of `new` in place, by symbolic links in the directory `target`.

    Compose then reads the project as it will be: with new environment files and includes, too.

    Args:
        new: relative to `below`, a directory of the project.
    """
    files.make_directory(target)
    heads = {Path(dest).parts[0] for dest in new}
    for name in project.names(below):
        if name not in heads and name != RESERVED_DIRECTORY:
            files.link(target / name, project.root / below / name)
    for head in sorted(heads):
        if head in new:
            files.link(target / head, new[head])
            continue
        inside = {str(Path(d).relative_to(head)): p for d, p in new.items() if Path(d).parts[0] == head}
        overlay(project, inside, target / head, str(Path(below, head)))
