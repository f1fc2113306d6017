"""Secrets: files that only the operator reads, and passphrases that never stand in an argument."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import click

from ota_py import durable
from ota_py.errors import ConfigError, ConflictError, KeyFileError, UsageError

SECRET_MODE = 0o600
# Name of the key that snapshot and timestamp share.
ONLINE_KEY = "online"
_VARIABLE = re.compile(r"OTA_[A-Z]+_PASSPHRASE")
# What the environment gave, by variable; see `hidden_passphrases`.
_hidden: dict[str, str] = {}


@contextmanager
def hidden_passphrases() -> Iterator[None]:
    """Take passphrases out of the environment, which every started program inherits, and keep them here."""
    taken = _in_environment()
    _hidden.update(taken)
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        _hidden.clear()
        os.environ.update(taken)


def read_secret(path: Path, what: str) -> str:
    """The first line of a secret file.

    Raises:
        ConfigError: missing, empty, or readable by others.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"{what} in {path} can be read by others (mode {mode:04o}, expected 0600)",
                hint=f"run: chmod 600 {path}",
            )
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"cannot read {what} in {path}: {error.strerror}") from None
    if not text:
        raise ConfigError(f"{what} in {path} is empty")
    return text


@contextmanager
def new_secret(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that only its owner reads; it is removed again when the block fails.

    Raises:
        ConflictError: the file exists.
        ConfigError: it cannot be written.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(durable.new_file(path, SECRET_MODE))
        except FileExistsError:
            raise ConflictError(f"{path} exists; a secret is never overwritten") from None
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None
        yield file


def write_secret(path: Path, text: str) -> None:
    """Write a secret of one line; see `new_secret`."""
    with new_secret(path) as file:
        file.write(f"{text}\n".encode())


class Passphrases:
    """Passphrases of private keys, from a descriptor, the environment, or the terminal.

    Args:
        descriptor: open file descriptor (`--passphrase-fd`) whose first line is the passphrase of every key.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._given = _read_descriptor(descriptor) if descriptor is not None else None
        # Its own copy: this object also goes to the process beside `serve`.
        self._variables = _in_environment() | _hidden
        self._remembered: dict[str, str] = {}

    def getter(self, role: str, uri: str) -> Callable[[], str]:
        """A function that returns the passphrase of a role's key, called when the key turns out to be encrypted."""
        return lambda: self._find(role, uri)

    def given(self, role: str) -> str | None:
        """The passphrase of a role that a descriptor or the environment gave, or None."""
        if self._given is not None:
            return self._given
        return next((self._variables[name] for name in _variables(role) if self._variables.get(name)), None)

    def new(self, role: str, *, unencrypted: bool) -> str | None:
        """The passphrase for a new key: given, or asked for twice; None or empty for none.

        Args:
            unencrypted: do not ask; without one given the key is written in the clear.

        Raises:
            UsageError: none is given, and nobody can be asked.
        """
        given = self.given(role)
        if given is not None or unencrypted:
            return given
        if not sys.stdin.isatty():
            raise UsageError(
                f"there is no passphrase for the new {role} key, and no terminal to ask for one",
                hint=f"set {_variables(role)[-1]}, give --passphrase-fd, or accept a key in the clear "
                "with --unencrypted",
            )
        text = f"Passphrase for the {role} key (empty for none)"
        typed: str = click.prompt(
            text, hide_input=True, confirmation_prompt=True, default="", show_default=False, err=True
        )
        return typed or None

    def remember(self, uri: str, passphrase: str | None) -> None:
        """Remember the passphrase of a key, so that nobody is asked for it again."""
        if passphrase:
            self._remembered[uri] = passphrase

    def _find(self, role: str, uri: str) -> str:
        if uri in self._remembered:
            return self._remembered[uri]
        given = self.given(role)
        if given is not None:
            return given
        if not sys.stdin.isatty():
            raise KeyFileError(
                f"the {role} key is encrypted, and there is no terminal to ask for its passphrase",
                hint=f"set {' or '.join(_variables(role))}, or give --passphrase-fd",
            )
        typed: str = click.prompt(f"Passphrase of the {role} key {uri}", hide_input=True, err=True)
        self.remember(uri, typed)
        return typed


def _in_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _VARIABLE.fullmatch(name)}


def _variables(role: str) -> list[str]:
    """The environment variables for a role's passphrase: its own, and that of the shared online key."""
    roles = [role, ONLINE_KEY] if role in ("snapshot", "timestamp") else [role]
    return [f"OTA_{each.upper()}_PASSPHRASE" for each in roles]


def _read_descriptor(descriptor: int) -> str:
    try:
        with os.fdopen(descriptor, encoding="utf-8", closefd=False) as file:
            return file.readline().rstrip("\n")
    except OSError as error:
        raise UsageError(f"--passphrase-fd {descriptor} cannot be read: {error}") from None
    except UnicodeDecodeError:  # whose message has a byte of it
        raise UsageError(f"--passphrase-fd {descriptor} gives no text in UTF-8") from None
