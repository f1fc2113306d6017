"""The files of an update: read, checked and hashed on the operator's machine."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from ota_py.errors import UsageError
from ota_py.hashes import sha256_of
from ota_py.manifest import COMPOSE_FILE_NAME, FILE_MAX_BYTES, File
from ota_py.trust import layout


@dataclass(frozen=True)
class FileSource:
    """A file on this machine, and its destination on a gateway.

    Attributes:
        path: the file here.
        dest: path relative to the gateway's Compose project.
        template: render it on the gateway.
    """

    path: Path
    dest: str
    template: bool = False


@dataclass(frozen=True)
class Content:
    """A file's entry in the manifest, and its bytes."""

    entry: File
    data: bytes


def parse_source(text: str, *, template: bool = False) -> FileSource:
    """Parse the option value `SRC:DEST`.

    Raises:
        UsageError: one of the two is missing.
    """
    path, _, dest = text.rpartition(":")
    if not path or not dest:
        raise UsageError(
            f"{text!r} does not say where the file goes",
            hint="use SRC:DEST, for example bridge.conf:config/bridge.conf",
        )
    return FileSource(Path(path), dest, template)


def compose_source(path: Path) -> FileSource:
    """The Compose file of an update."""
    return FileSource(path, COMPOSE_FILE_NAME)


def read_content(version: str, source: FileSource) -> Content:
    """Read one file of an update.

    Raises:
        UsageError: it cannot be read, is too large, or is a template that does not parse.
        ValidationError: pydantic's, when `dest` is not allowed.
    """
    data = _read(source.path)
    if source.template:
        check_template(data, source.path)
    entry = File(
        dest=source.dest,
        target=layout.file_path(version, source.dest),
        sha256=sha256_of(data),
        length=len(data),
        mode=_mode(source.path),
        template=source.template,
    )
    return Content(entry, data)


def check_template(data: bytes, path: Path) -> None:
    """Check that a template is UTF-8 and parses; its variables are known on the gateway only.

    Raises:
        UsageError: naming the file and the line.
    """
    try:
        SandboxedEnvironment().parse(data.decode("utf-8"))
    except TemplateSyntaxError as error:
        raise UsageError(
            f"the template {path} does not parse: line {error.lineno}: {error.message}",
            hint="correct it, or give the file with --file if it is not a template",
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"the template {path} is not UTF-8 text") from None


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > FILE_MAX_BYTES:
            raise UsageError(f"{path} has {size} bytes, the limit for one file is {FILE_MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _mode(path: Path) -> str:
    """The mode for a gateway: 0644 or 0755, or 0600 or 0700 for a file that only its owner reads.

    The rest of the mode here is an accident of the umask.
    """
    mode = path.stat().st_mode
    executable = 0o111 if mode & stat.S_IXUSR else 0
    shared = 0o777 if mode & 0o077 else 0o700
    return f"0{(0o644 | executable) & shared:03o}"
