"""Secrets of the Compose project, taken out of the output of services, hooks and tools.

The end of a log and the errors of a tool go into the journal and into reports, and so leave the gateway.
Secrets are recognised by the names of variables, since nothing else marks them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ota_py.errors import IncompatibleError
from ota_py.gateway.docker import compose_files
from ota_py.gateway.system.read_tree import read_plain

if TYPE_CHECKING:
    from ota_py.gateway.docker.project import Project

MASK = "[secret]"
# Anything shorter would be found everywhere.
MIN_CHARS = 4
FILE_MAX_BYTES = 64 * 1024
_NAME = re.compile(r"pass|pwd|secret|token|key|credential|auth|private|salt|dsn", re.IGNORECASE)
# The name is that of a secret, the value only its location.
_PLACE = re.compile(r"_(file|path|dir|url|host|user|name|id)$", re.IGNORECASE)
_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:([^@\s]+)@")
# NAME=value or NAME: value, alone on a line or within braces.
_WRITTEN = re.compile(
    r"""([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*[:=]\s*("[^"]*"|'[^']*'|[^\s,}{\["'][^\s,}"']*)(?=([^\n]*))"""
)
_PLAIN = frozenset({"true", "false", "none", "null"})


class Redactor:
    """The secrets of one project, as far as they have been learned, and their removal from texts.

    Args:
        directory: of the project.
        names: of the Compose files in the directory, whether they exist or not.
    """

    def __init__(self, directory: Path, names: Collection[str]) -> None:
        self._directory = directory
        self._names = names
        self._known: set[str] = set()

    def learn(self, project: Project) -> None:
        """Learn the secrets of a project that Compose resolved, those of its environment files included."""
        for service in project.services:
            self._known |= secrets_in(project.environment(service))
        for path in project.secret_files():
            self._known |= _worth(_read(path).splitlines())

    def text(self, text: str) -> str:
        """A text without the secrets."""
        # Where Compose has not resolved the project yet, the text of its files has to do.
        return redacted(text, self._known or self._written(self._directory))

    def refusal(self, text: str, directory: Path) -> str:
        """An error of Compose about files, without the secrets: it may quote any line of the files.

        Args:
            directory: of the files.
        """
        lines = (line for path in self._env_files(directory) for line in _read(path).splitlines())
        quoted = {part for line in lines for part in (line, line.partition("=")[2])}
        return redacted(text, self._known | self._written(directory) | _worth(quoted))

    def _written(self, directory: Path) -> set[str]:
        paths = [*(directory / name for name in self._names), directory / ".env"]
        return {secret for path in paths for secret in secrets_in_text(_read(path))}

    def _env_files(self, directory: Path) -> Iterator[Path]:
        yield directory / ".env"
        for name in self._names:
            with contextlib.suppress(IncompatibleError, OSError):
                for named in compose_files.walk(directory / name, directory, lambda _: None):
                    if named.kind is compose_files.Kind.ENV_FILE:
                        yield directory / named.path


def secrets_in(environment: Mapping[str, str | None]) -> set[str]:
    """The secret values among environment variables."""
    found: set[str] = set()
    for name, value in environment.items():
        found |= _worth(_IN_URL.findall(value or ""))
        if value and _NAME.search(name) and not _PLACE.search(name):
            found |= _worth([value, *value.splitlines()])
    return found


def secrets_in_text(text: str) -> set[str]:
    """The secret values in a Compose file or an environment file, as people wrote it."""
    found: set[str] = set()
    for name, value, rest in _WRITTEN.findall(text):
        found |= secrets_in({name: value.strip("\"'")}) | secrets_in({name: f"{value}{rest}".strip()})
    return found


def redacted(text: str, secrets: Collection[str]) -> str:
    """A text without the secrets, also where its beginning was cut off in the midst of one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for secret in secrets:
        for end in range(len(secret) - 1, MIN_CHARS - 1, -1):
            if text.startswith(secret[-end:]):
                return MASK + text[end:]
    return text


def _worth(values: Iterable[str]) -> set[str]:
    stripped = {value.strip().strip("\"'") for value in values}
    return {value for value in stripped if len(value) >= MIN_CHARS and value.lower() not in _PLAIN}


def _read(path: Path) -> str:
    """The text of a small file; empty where there is none."""
    try:
        return read_plain(path, FILE_MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""
