"""Initialisation of a new fleet: everything that it needs, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Signer

from ota_py import durable
from ota_py.errors import ConfigError, ConflictError
from ota_py.manager.config.model import ManagerConfig
from ota_py.manager.config.secrets import ONLINE_KEY, Passphrases
from ota_py.trust import layout
from ota_py.trust.keys.key_files import generate_key, public_path, write_public
from ota_py.trust.keys.signers import FILE_SCHEME, load_signer
from ota_py.trust.publish import initialise as new_repository
from ota_py.trust.repository.store import Store

ADMIN_PASSWORD_FILE = "admin-password"
SQLITE = "sqlite:///"
# Snapshot and timestamp begin with one key.
NEW_KEYS = ("root", "release", ONLINE_KEY)
# SQLite writes these beside its database.
SQLITE_SUFFIXES = ("-wal", "-shm", "-journal")


def initialise(
    config: ManagerConfig,
    text: str,
    store: Store,
    passphrases: Passphrases,
    make_control_plane: Callable[[ManagerConfig], None],
) -> dict[str, str]:
    """Make keys, control plane, repository and configuration; when it fails, what it made is removed again.

    Args:
        config: the configuration to be written.
        text: its text.
        store: where the repository goes.
        passphrases: for the new keys.
        make_control_plane: makes the database, the operator's token and the admin's account.

    Returns:
        Where what was made is, by its name.

    Raises:
        ConflictError: something exists already; it is named, and nothing is touched.
        StoreError: the store cannot be used.
    """
    refuse_existing(config, store)
    with _files_or_nothing(_files(config), _store_directory(config)):
        config.path.parent.mkdir(parents=True, exist_ok=True)
        signers = {role: _make_key(config, role, passphrases) for role in NEW_KEYS}
        make_control_plane(config)
        root = new_repository.initialise(
            store,
            signers["root"],
            signers["release"].public_key,
            signers["release"],
            signers[ONLINE_KEY],
            datetime.now(UTC),
            config.expiry.lifetimes,
        )
        with _repository_or_nothing(store):
            _write(config.repository.root, root)
            _write(config.path, text.encode())
    return _made(config, store)


def refuse_existing(config: ManagerConfig, store: Store) -> None:
    """Check that nothing of what `init` would write is there yet.

    Raises:
        ConflictError: something is; it names everything that is there.
    """
    found = [str(path) for path in _files(config) if path.exists()]
    if store.list(layout.METADATA):
        found.append(f"a repository in {store.url}")
    if found:
        raise ConflictError(
            f"init never overwrites, and these exist: {', '.join(found)}",
            hint="use them as they are, or name other places; see `init --help`",
        )


def _files(config: ManagerConfig) -> list[Path]:
    """Every file that `init` writes."""
    keys = [_key_path(config, role) for role in NEW_KEYS]
    database = sqlite_file(config)
    return [
        config.path,
        config.repository.root,
        *keys,
        *(public_path(path) for path in keys),
        config.control_plane.token_file,
        admin_password_path(config),
        config.server.secret_key_file,
        *([database] if database else []),
    ]


def unencrypted_keys(config: ManagerConfig) -> list[Path]:
    """The new private key files that are not encrypted."""
    paths = [_key_path(config, role) for role in NEW_KEYS]
    return [path for path in paths if b"ENCRYPTED" not in path.read_bytes()]


def sqlite_file(config: ManagerConfig) -> Path | None:
    """The file of the control plane's database, where it is one."""
    url = config.server.database
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def _store_directory(config: ManagerConfig) -> list[Path]:
    """The repository's directory, where it is one."""
    store = config.repository.store
    return [Path(store.removeprefix(FILE_SCHEME))] if store.startswith(f"{FILE_SCHEME}/") else []


def _key_path(config: ManagerConfig, role: str) -> Path:
    uri = config.keys.of("timestamp" if role == ONLINE_KEY else role)[0]
    if not uri.startswith(FILE_SCHEME):
        raise ConfigError(f"init makes keys in files, not at {uri}")
    return Path(uri.removeprefix(FILE_SCHEME))


def admin_password_path(config: ManagerConfig) -> Path:
    """The file for an admin's password that `init` made up."""
    return config.path.parent / ADMIN_PASSWORD_FILE


def _make_key(config: ManagerConfig, role: str, passphrases: Passphrases) -> Signer:
    path = _key_path(config, role)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    passphrase = passphrases.new(role, unencrypted=not sys.stdin.isatty())
    public = generate_key(path, passphrase)
    write_public(public, public_path(path))
    return load_signer(f"{FILE_SCHEME}{path}", public, lambda: passphrase or "")


def _write(path: Path, data: bytes) -> None:
    try:
        with durable.new_file(path) as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def _repository_or_nothing(store: Store) -> Iterator[None]:
    """Remove the new repository when the block fails or is interrupted."""
    try:
        yield
    except BaseException:
        new_repository.remove_initialised(store)
        raise


@contextmanager
def _files_or_nothing(files: list[Path], store_directory: list[Path]) -> Iterator[None]:
    """Remove the files and their new directories when the block fails or is interrupted."""
    directories = {path for path in [*(file.parent for file in files), *store_directory] if not path.exists()}
    try:
        yield
    except BaseException:
        for path in files:
            for name in (path, *(Path(f"{path}{suffix}") for suffix in SQLITE_SUFFIXES)):
                name.unlink(missing_ok=True)
        for directory in directories:
            with suppress(OSError):  # never made, or not empty: somebody else uses it
                directory.rmdir()
        raise


def _made(config: ManagerConfig, store: Store) -> dict[str, str]:
    return {
        "configuration": str(config.path),
        "keys": str(_key_path(config, "release").parent),
        "root": str(config.repository.root),
        "repository": store.url,
        "operator_token": str(config.control_plane.token_file),
        **({"admin_password": str(password)} if (password := admin_password_path(config)).exists() else {}),
    }
